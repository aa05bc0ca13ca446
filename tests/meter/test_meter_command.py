"""`seriality meter`: what it prints, in words and as JSON, what it draws, and what it refuses in one line."""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jax
import pytest
from typer.testing import CliRunner

from seriality import cli
from seriality.meter import COST_MODELS, measure
from seriality.meter.examples import EXAMPLES

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
PROGRAMS = """
import jax
import jax.numpy as jnp
from jax import lax

print("imported")


def forward(xs):
    return lax.scan(lambda h, x: (jnp.tanh(h) + x, None), xs[0], xs)[0]


def product(a, b):
    print("traced")
    return a @ b


def double(x):
    return x * 2


def endless(x):
    return lax.while_loop(lambda x: x.sum() > 0, double, x)


def opaque(x):
    return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


def noise(key, x):
    return x + jax.random.bits(key, x.shape)


def fails(x):
    raise RuntimeError("no \\x1b[31mred\\nsecond line")


class Model:
    def step(x):
        return jnp.tanh(x)

    def __call__(self, x):
        return jnp.tanh(x) + 1


model, five = Model(), 5
"""
FORWARD = ("model.py:forward", "--arg", "float32[64,8]")


def call(*arguments):
    """(exit code, standard output, standard error) of one command, run in this process."""
    result = CliRunner().invoke(cli.app, ["meter", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder holds programs; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("programs", "broken", "stops"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("model.py", "programs.py"):
        (tmp_path / name).write_text(PROGRAMS)
    (tmp_path / "broken.py").write_text("import jax\n\nfrom jax import nothing_of_the_kind\n")
    (tmp_path / "stops.py").write_text("raise SystemExit('enough')\n")
    return tmp_path


def rows(out):
    """The named lines of the output."""
    found = re.findall(r"^  (\w\S*(?: \S+)?) {2,}(\S.*?) *$", out, re.M)
    return dict(reversed(found))


# What is printed


def test_work_and_span_are_printed_and_what_the_program_says_is_not():
    code, out, err = call(*FORWARD)
    assert code == 0
    assert out.startswith("model.py:forward(float32[64,8])\n")
    said = rows(out)
    assert (said["work"], said["span"], said["parallelism"]) == ("1,024", "128", "8.0")
    assert (said["cost model"], said["bound"]) == ("unit", "exact")
    assert err == "imported\n"


@pytest.mark.parametrize(
    ("target", "arguments", "work", "span"),
    [
        ("programs:forward", ["float32[64,8]"], "1,024", "128"),
        ("./model.py:forward", ["float32[64,8]"], "1,024", "128"),
        ("programs:product", ["bfloat16[3, 4]", "bfloat16[4,5]"], "120", "1"),
        ("programs:double", ["int32"], "1", "1"),
        ("programs:double", ["float64[]"], "1", "1"),
        ("programs:noise", ["key", "uint32[7]"], "14", "2"),
        ("programs:Model.step", ["float32[7]"], "7", "1"),
        ("programs:model", ["float32[7]"], "14", "2"),
        ("programs:model.__call__", ["float32[7]"], "14", "2"),
    ],
)
def test_a_program_is_named_by_module_file_or_attribute(target, arguments, work, span):
    code, out, _ = call(target, *(part for text in arguments for part in ("--arg", text)))
    assert (code, rows(out)["work"], rows(out)["span"]) == (0, work, span)


def test_options_are_those_of_measure():
    call_of = ("programs:endless", "--arg", "float32[3]")
    code, out, _ = call(*call_of, "--trips", 4)
    assert (code, rows(out)["span"], rows(out)["notes"]) == (0, "19", "while: 4 trips, as given")
    assert rows(call(*call_of, "--trips", 4, "--control", "data")[1])["cost model"] == "unit, control data"
    assert rows(call(*call_of, "--trips", 0)[1])["span"] == "3"
    opaque = ("programs:opaque", "--arg", "float32[3]")
    said = rows(call(*opaque, "--uncounted", "list")[1])
    assert (said["not counted"], said["bound"]) == ("pure_callback", "lower bound")
    said = rows(call(*opaque, "--declare", "pure_callback=1000, 7")[1])
    assert (said["work"], said["span"], said["bound"]) == ("1,000", "7", "exact")


@pytest.mark.parametrize("cost_model", COST_MODELS)
def test_every_cost_model_is_known(cost_model):
    code, out, _ = call("programs:product", *("--arg", "float32[8,8]") * 2, "--cost-model", cost_model)
    assert code == 0
    assert rows(out)["span"] == {"unit": "1", "fan_in_2": "4", "layer": "1"}[cost_model]


def test_sizes_give_a_table_and_the_laws():
    code, out, _ = call("model.py:forward", "--arg", "float32[n,8]", "--sizes", "n=128,16,64,32")
    assert code == 0
    assert out.startswith("model.py:forward(float32[128,8])\n")
    assert re.search(r"^  16 +256 +32 ", out, re.M)
    assert re.search(r"^  work +linear: 16n, at n = 16, 32, …, 128 *$", out, re.M)
    assert re.search(r"^  span +linear: 2n, at n = 16, 32, …, 128 *$", out, re.M)


def test_functions_and_the_critical_path_are_told_apart():
    code, out, _ = call(*FORWARD, "--tree", "--path")
    assert code == 0
    line = next(n for n, text in enumerate(PROGRAMS.splitlines(), start=1) if "tanh(h)" in text)
    assert re.search(r"^  program +1,024 +128 +8\.0 +100\.0%", out, re.M)
    for name in ("tanh", "add"):
        assert re.search(rf"^  {name} +64 +64 +model\.py:{line} +forward\.<lambda>", out, re.M)


@pytest.mark.parametrize("extra", [(), ("--tree", "--path", "--sizes", "tokens=16,32,64")])
def test_lines_fit_into_80_columns(extra):
    code, out, _ = call("--example", "lstm", *extra)
    assert code == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80


# Examples


def test_the_examples_are_listed_with_their_dials():
    code, out, _ = call("--list")
    assert code == 0
    assert [line for line in out.splitlines() if not line.startswith(" ")] == list(EXAMPLES)
    for each in EXAMPLES.values():
        assert all(f"{dial}=" in out for dial in inspect.signature(each).parameters)


def test_an_example_is_metered_with_its_dials():
    dials = ("--set", "loops=2", "--set", "blocks_only=true", "--cost-model", "layer")
    code, out, _ = call("--example", "looped", *dials)
    assert code == 0
    assert out.startswith("looped(loops=2, blocks_only=True)\n")
    assert rows(out)["span"] == "12"


def test_a_dial_may_be_the_size_that_grows():
    code, out, _ = call("--example", "rnn", "--set", "width=8", "--sizes", "tokens=16,32,64,128")
    assert code == 0
    assert out.startswith("rnn(width=8, tokens=128)\n")
    assert "Growth, n = tokens\n" in out
    assert re.search(r"^  span +linear: 4n, at n = 16, 32, …, 128 *$", out, re.M)


# JSON


def test_json_holds_the_measurement_exactly():
    code, out, err = call("--example", "rnn", "--sizes", "tokens=16,32,64,128", "--tree", "--path", "--json")
    assert (code, err) == (0, "")
    told, found = json.loads(out), measure(*EXAMPLES["rnn"](tokens=128))
    assert (told["work"], told["span"], told["bound"]) == (found.work, found.span, found.bound)
    assert told["program"] == "rnn(tokens=128)"
    assert [each["kind"] for each in told["loops"]] == [loop.kind for loop in found.loops]
    grows = told["growth"]
    assert (grows["size"], grows["span"]["formula"], grows["degree"]) == ("tokens", "4n", "serial")
    assert grows["span"]["values"] == [[n, 4 * n] for n in (16, 32, 64, 128)]
    assert grows["work"]["values"][-1] == [128, found.work]
    assert (told["tree"]["work"], told["tree"]["span"]) == (found.work, found.span)
    assert sum(step["steps"] for step in told["path"]) == found.span


def test_large_counts_are_whole_numbers_in_json():
    _, out, _ = call("--example", "rnn", "--set", f"tokens={10**9}", "--set", "width=4097", "--json")
    told = json.loads(out)
    assert told["work"] == 10**9 * (4 * 4097**2 + 4 * 4097) > 2**53
    assert told["span"] == 4 * 10**9


def test_a_program_may_print_and_the_output_is_json():
    """In a process of its own, whose streams are real."""
    script = "from seriality.cli import main; main()"
    arguments = ["meter", "model.py:product", *["--arg", "float32[8,8]"] * 2, "--json"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["work"] == 2 * 8**3
    assert "imported\n" in done.stderr
    assert "traced\n" in done.stderr


# Figures


@pytest.mark.parametrize("kind", ["svg", "png", "html"])
def test_a_figure_is_drawn_and_drawn_again(kind, folder):
    for _ in range(2):
        code, out, _ = call(*FORWARD, "--figure", f"figures/speedup.{kind}")
        assert code == 0
        assert out.endswith(f"Figure: figures/speedup.{kind}\n")
    data = (folder / "figures" / f"speedup.{kind}").read_bytes()
    if kind == "png":
        assert data.startswith(b"\x89PNG")
    else:
        drawing = ElementTree.fromstring(data[data.index(b"<svg") :])
        words = {each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")}
        assert {"model.py:forward(float32[64,8])", "greedy schedule", "processors"} <= words
    assert len(list((folder / "figures").iterdir())) == 1


def test_json_stays_json_beside_a_figure():
    code, out, err = call(*FORWARD, "--json", "--figure", "a.svg")
    assert (code, json.loads(out)["span"]) == (0, 128)
    assert "Figure: a.svg" in err


def test_a_figure_that_cannot_be_written_is_told(folder):
    (folder / "file").touch()
    code, _, err = call(*FORWARD, "--figure", "file/a.svg")
    assert code == 1
    assert "figure 'file/a.svg' cannot be written" in err


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), ("name a program", "--example gpt2", "--list")),
        (("programs",), ("'programs'", "package.module:function", "e.g. seriality meter model.py:forward")),
        (
            ("nowhere:f",),
            ("'nowhere' cannot be imported", "No module named 'nowhere'", "it is looked for in"),
        ),
        (("broken:f",), ("'broken' cannot be imported", "nothing_of_the_kind", "(broken.py:3)")),
        (("stops.py:f",), ("'stops.py' cannot be imported", "SystemExit: enough", "(stops.py:1)")),
        (("nowhere.py:f",), ("there is no file 'nowhere.py'",)),
        (("programs:forwad",), ("there is no 'forwad'", "nearest: forward")),
        (("programs:Model.stop",), ("there is no 'stop'", "nearest: step")),
        (("programs:five",), ("of type int, which cannot be called",)),
        (("programs:Model",), ("is a class", "name a function")),
        (("programs:forward",), ("nothing to measure", "--arg 'int32[16]'")),
        (("programs:forward", "--set", "tokens=3"), ("--set tokens=3 is for examples", "--arg")),
        (("--example", "gpt3"), ("unknown example 'gpt3'", "nearest: gpt2")),
        (("--example", "gpt2", "--set", "token=3"), ("unknown dial of gpt2 'token'", "nearest: tokens")),
        (("--example", "gpt2", "--set", "tokens=x"), ("--set tokens=x", "integer from 1 up", "tokens=1024")),
        (("--example", "gpt2", "--set", "tokens=0"), ("--set tokens=0", "integer from 1 up")),
        (("--example", "hrm", "--set", "blocks_only=2"), ("--set blocks_only=2", "true or false")),
        (("--example", "gpt2", "--set", "heads=7"), ("gpt2(heads=7): TypeError", "(1024, 768)")),
        (("--example", "gpt2", "--sizes", "token=2,4,8"), ("no size 'token'", "nearest: tokens")),
        (("--example", "hrm", "--sizes", "blocks_only=2,4,8"), ("no size 'blocks_only'",)),
        (("--example", "gpt2", "--arg", "int32[4]"), ("whole program", "leave out", "--arg")),
        ((*FORWARD, "--example", "gpt2"), ("whole program", "leave out the target")),
    ],
)
def test_a_program_that_is_none_is_refused_in_a_line(arguments, said):
    refused(arguments, said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arg", "float[3]"), ("'float' is no dtype", "nearest: float", "valid: bool")),
        (("--arg", "float32[3"), ("'float32[3'", "DTYPE[SIZE,SIZE,...]", "--arg 'float32[8,128]'")),
        (("--arg", "float32[-1]"), ("'float32[-1]'", "DTYPE[SIZE,SIZE,...]")),
        (("--arg", "float32[2x]"), ("'float32[2x]'", "DTYPE[SIZE,SIZE,...]")),
        (("--arg", "float32[n]"), ("'n' has no value", "--sizes n=16,32,64,128")),
        (("--arg", "float32[3]", "--sizes", "n=2,4,8"), ("no argument has the size 'n'", "'float32[n,8]'")),
        (("--arg", "float32[n]", "--sizes", "n=2,4,4"), ("'n=2,4,4'", "needs 3 sizes", "n=16,32,64,128")),
        (("--arg", "float32[n]", "--sizes", "n=0,4,8"), ("'n=0,4,8'", "NAME=SIZE,SIZE,...")),
        (("--arg", "float32[n]", "--sizes", "2,4,8"), ("'2,4,8'", "NAME=SIZE,SIZE,...")),
        (("--cost-model", "units"), ("unknown cost model 'units'", "nearest: unit")),
        (("--control", "fully"), ("unknown control 'fully'", "nearest: full")),
        (("--uncounted", "lists"), ("unknown --uncounted 'lists'", "nearest: list")),
        (("--trips", "-1"), ("--trips is -1", "0 and more")),
        (("--trips", "many"), ("'many' is not a whole number",)),
        (("--declare", "kernel=3"), ("'kernel=3'", "NAME=WORK,SPAN", "--declare kernel=1000,3")),
        (("--declare", "kernel=-3,1"), ("NAME=WORK,SPAN",)),
        (("--figure", "a.pdf"), ("'a.pdf'", ".svg, .png, .html", "--figure speedup.svg")),
    ],
)
def test_a_value_that_is_none_is_refused_in_a_line(arguments, said):
    refused(("programs:double", *arguments), said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("product", "--arg", "float32[2,3]", "--arg", "float32[2,3]"),
            (
                "product(float32[2,3], float32[2,3])",
                "TypeError: dot_general",
                "(3,) and (2,)",
                "(programs.py:",
            ),
        ),
        (("product", "--arg", "float32[2,3]"), ("product(float32[2,3])", "missing 1 required", "'b'")),
        (
            ("endless", "--arg", "float32[3]"),
            ("while loop at programs.py:", "how often it runs, --trips 100,"),
        ),
        (
            ("opaque", "--arg", "float32[3]"),
            ("'pure_callback'", "--declare pure_callback=WORK,SPAN", "--uncounted list"),
        ),
        (("fails", "--arg", "float32[3]"), ("fails(float32[3]): RuntimeError: no [31mred (programs.py:",)),
    ],
)
def test_what_goes_wrong_in_a_program_is_told_in_a_line(arguments, said):
    target, *others = arguments
    refused((f"programs:{target}", *others), said)


def refused(arguments, said):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    *before, line = err.splitlines()
    assert set(before) <= {"imported", "traced"} or "Usage:" in err
    for part in said:
        assert part in line
    assert "\x1b" not in line
    assert "measure(" not in line


def test_a_figure_without_steps_is_refused(folder):
    refused(
        ("programs:double", "--arg", "float32[3]", "--cost-model", "layer", "--figure", "a.svg"), ("span 0",)
    )
    assert not (folder / "a.svg").exists()


def test_nothing_but_a_figure_is_written_over(folder):
    for name in ("a.svg", "a.png", "a.html"):
        (folder / name).write_text("<svg>mine</svg>")
        refused(
            (*FORWARD, "--figure", name), (f"'{name}' is there and is no figure", f"--figure 'new-{name}'")
        )
        assert (folder / name).read_text() == "<svg>mine</svg>"


# PyTorch


def test_a_program_without_pytorch_is_refused_as_its(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    refused(("programs:double", "--torch"), ("--torch: 'programs:double' does not import torch",))


def test_a_module_of_pytorch_takes_tensors_without_memory(folder):
    (folder / "net.py").write_text(
        "import torch\n\nnet = torch.nn.Linear(8, 4)\n\n\ndef f(x):\n    return torch.mm(x, x)\n"
    )
    code, out, _ = call("net.py:net", "--arg", "float32[3,8]")
    assert (code, rows(out)["work"]) == (0, f"{3 * 4 * (2 * 8 + 1)}")
    code, out, _ = call("net.py:f", "--torch", "--arg", "float32[8,8]")
    assert (code, rows(out)["work"]) == (0, "1,024")
    refused(("net.py:f", "--torch", "--arg", "key"), ("PyTorch has no dtype 'key'",))
    refused(("net.py:f", "--arg", "float32[3]"), ("TypeError", "a function of PyTorch needs --torch"))


# Words for the reader


def test_the_documented_commands_run_and_print_what_is_said():
    text = DOCS.read_text(encoding="utf-8")
    commands = re.findall(r"^    (seriality meter .*)$", text, re.M)
    assert len(commands) >= 4
    printed = ""
    for command in commands:
        code, out, _ = call(*shlex.split(command)[2:])
        assert code == 0, command
        printed += re.sub(" +\n", "\n", out)
    section = text.partition("## `seriality meter")[2].partition("\n## ")[0]
    for line in re.findall(r"^    (\w+ {3,}.*)$", section, re.M):
        assert f"  {line}\n" in printed


def test_every_option_is_documented():
    text = DOCS.read_text(encoding="utf-8")
    _, out, _ = call("--help")
    options = set(re.findall(r"--[a-z-]+", out)) - {"--help"}
    assert {"--sizes", "--declare", "--figure"} <= options
    for option in options:
        assert f"`{option}" in text, f"docs/cli.md lacks the option {option}"


def test_help_loads_no_jax():
    script = "import sys; from seriality.cli import app; app(['meter', '--help'], standalone_mode=False)"
    script += "; sys.exit('jax' in sys.modules)"
    environment = os.environ | {"COLUMNS": "80"}
    assert (
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True).returncode == 0
    )


def test_an_argument_is_a_shape_and_holds_nothing(folder):
    before = len(jax.live_arrays())
    assert call("programs:double", "--arg", f"float32[{10**9},{10**9}]")[0] == 0
    assert len(jax.live_arrays()) == before
