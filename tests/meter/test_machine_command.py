"""`seriality machine`: three tables and their JSON, what it draws, and what it refuses in one line.

Nothing is measured here: the machine and the times are made up, and what follows from them is known.
"""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seriality import cli, machine_command
from seriality.cost import Cost
from seriality.meter import Measurement
from seriality.meter.machine import Machine, Measured, predict

DOCS = Path(__file__).parents[2] / "docs"


def measured(value):
    return Measured(value, value / 2, value * 2)


MACHINE = Machine(
    device="cpu: cpu",
    processor="a [bold]processor\x1b[31m",
    cores=2,
    load=0.5,
    rounds=6,
    throughput={"float32": measured(100e9)},
    by_side={64: measured(25e9), 256: measured(100e9)},
    elementwise=measured(10e9),
    bandwidth={2**20: measured(50e9)},
    latency={16: measured(50e-9)},
    kernel=measured(300e-9),
    kernel_span=3,
    dispatch=measured(10e-6),
    iteration=measured(2e-9),
)
COSTS = {
    "State-space model": Measurement(Cost(3_000_000, 500), "unit", "exact", products=2_000_000, moved=10**6)
}


@pytest.fixture
def made_up(monkeypatch):
    """The row takes 180 µs by hand (`test_machine`), of which 60 are latency, and 270 as measured."""

    def found(*, quick, observe):
        observe(1.0)
        rows = {
            row: (cost, predict(MACHINE, cost.cost, products=cost.products, moved=cost.moved, holds=0))
            for row, cost in COSTS.items()
        }
        return machine_command.Found(MACHINE, {row: (*each, measured(270e-6)) for row, each in rows.items()})

    monkeypatch.setattr(machine_command, "found", found)


def test_what_was_told_is_read_again(made_up):
    told = machine_command.found(quick=True, observe=lambda share: None)
    plain = json.loads(json.dumps(machine_command.as_json(told)))
    assert machine_command.as_json(machine_command.Found.of(plain)) == plain


def call(*arguments):
    result = CliRunner().invoke(cli.app, ["machine", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_three_tables_are_told_in_80_columns(made_up, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = call("--quick")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0].startswith("a [bold]processor")
    assert "products, float32, Gop/s 100.0 50.0 200.0" in lines
    assert "bandwidth within 1 MiB, GB/s 50.0 25.0 100.0" in lines
    assert "dispatch from Python, ns 10,000 5,000 20,000" in lines
    assert "State-space model 3,000,000 1,000,000 500 0.180 0.270 1.50" in lines
    # 60 + 120 / 10 = 72 and 30 + 120 = 150
    assert "State-space model 6,000 33% 2.50 1.20" in lines


def test_the_same_as_json(made_up):
    code, out, _ = call("--json")
    told = json.loads(out)
    assert code == 0
    assert Machine.of(told["machine"]) == MACHINE
    assert (told["rows"], told["work"], told["span"], told["bytes"]) == (
        ["State-space model"],
        *([3_000_000], [500], [1_000_000]),
    )
    assert told["predicted_s"] == [pytest.approx(180e-6)]
    assert told["measured_s"] == [270e-6]


def test_a_figure_is_drawn_and_named(made_up, tmp_path):
    file = tmp_path / "machine.svg"
    code, out, _ = call("--figure", file)
    assert code == 0
    assert f"Figure: {file}" in out.replace("\n", "")
    text = file.read_text(encoding="utf-8")
    for title in ("Table 1, one prompt", "Amdahl's law (Brent's bound)", "Gustafson's law"):
        assert title in text
    code, _, err = call("--json", "--figure", file)  # a figure is written over
    assert code == 0
    assert "Figure:" in err


REFUSED = [
    (("--figure", "machine.pdf"), "--figure 'machine.pdf': allowed are .svg, .png, .html"),
    (("--device", "tpu"), "unknown device 'tpu'"),
    (("--slow",), "No such option"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_cannot_be_done_is_told_in_a_line_before_anything_is_measured(arguments, said, monkeypatch):
    monkeypatch.setattr(machine_command, "found", lambda **_: pytest.fail("something was measured"))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_what_is_no_figure_is_not_written_over(made_up, tmp_path):
    (file := tmp_path / "mine.svg").write_text("<svg>mine</svg>")
    code, _, err = call("--figure", file)
    assert code == 2
    assert "is no figure of seriality" in " ".join(err.split())
    assert file.read_text() == "<svg>mine</svg>"


def test_every_option_is_documented():
    _, out, _ = call("--help")
    section = (DOCS / "cli.md").read_text(encoding="utf-8").partition("## `seriality machine")[2]
    section = section.partition("\n## ")[0]
    options = set(re.findall(r"--[a-z-]+", out)) - {"--help"}
    assert {"--quick", "--json", "--figure", "--device"} == options
    for option in options:
        assert f"`{option}" in section


def test_the_page_states_the_model_and_the_thresholds_of_the_claim():
    from seriality import claims

    page = " ".join((DOCS / "machine.md").read_text(encoding="utf-8").split())
    assert (
        "launch + span × latency + max(products / throughput + rest / elementwise, bytes / bandwidth)" in page
    )
    for number in (claims.HELPS, claims.DOES_NOT_HELP, claims.FALLS):
        assert f"{number} times" in page
