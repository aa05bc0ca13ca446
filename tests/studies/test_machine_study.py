"""The study of the machine in the small: its programs are what its rule says, and its processes answer."""

import jax
import pytest

from seriality.analysis.readers import READERS
from seriality.meter import measure
from seriality.store import Record, canonical, finite
from seriality.studies import STUDIES, machine
from seriality.studies.table1 import ROWS


def test_the_chain_and_the_wide_product_are_the_same_work():
    made = machine.programs("float32")
    long, short, wide = (
        measure(fn, *args) for fn, args in map(made.get, ("chain", "short chain", "product"))
    )
    w, n = machine.CHAIN_WIDTH, machine.PRODUCT_WIDTH
    assert long.work == wide.work == machine.LENGTH * 2 * w * (w + 1) == 2 * n**3
    assert (long.span, wide.span, short.span) == (3 * machine.LENGTH, 1, 3 * machine.SHORT)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_costs_what_its_solver_costs(row):
    """The weights are made up, the program is not: its span is that of the solver, and it answers."""
    fn, args = machine.solver(row)
    held, prompt, key = args
    built = machine.build(ROWS[row], machine.Words("S5", length=16).format, key=jax.random.key(0))
    expected = measure(lambda s, p, k: s.solve(p, key=k), built, prompt, key)
    found = measure(fn, *args)
    assert (found.work, found.span, found.moved) == (expected.work, expected.span, expected.moved)
    assert found.moved > sum(leaf.nbytes for leaf in jax.tree.leaves(held)) / 4  # an embedding is looked up


def test_precisions_differ_in_the_weights_alone():
    single, half = (machine.solver("RNN", precision)[1][0] for precision in ("float32", "bfloat16"))
    for one, other in zip(jax.tree.leaves(single), jax.tree.leaves(half), strict=True):
        assert (one.dtype, other.dtype) == ("float32", "bfloat16")
        assert one.shape == other.shape


def test_the_knobs_are_turned_and_read(monkeypatch):
    """The processes are real. Serial programs are short ones here, and the reader reads what comes."""
    monkeypatch.setattr(machine, "REAL", ())
    monkeypatch.setattr(machine, "SETTINGS", {machine.SINGLE: (1, "float32")})
    monkeypatch.setattr(machine, "ONE", machine.SINGLE)
    asked = []
    original = machine._Worker.ask
    monkeypatch.setattr(
        machine._Worker, "ask", lambda self, *words: asked.append(words) or original(self, *words)
    )
    found = machine.knobs_turned(1, seed=0)
    assert set(found["seconds"]) == {machine.SINGLE, "dispatched", "compiled"}
    assert set(found["seconds"]["compiled"]) == {"short chain", "product", "empty loop"}
    for programs in found["seconds"].values():
        for spent in programs.values():
            assert len(spent) == 1
            assert spent[0] > 0
    assert len(asked) == 2 * (3 + 2 * 3)  # one block that is not kept, one that is


def test_a_process_that_ends_is_told(monkeypatch):
    worker = machine._Worker(1, "no precision")
    try:
        with pytest.raises(RuntimeError, match="a process of the study ended while asked for time chain"):
            worker.ask("time", "chain", "compiled")
    finally:
        worker.process.kill()
        worker.process.communicate()


def test_what_is_timed_is_read(monkeypatch):
    monkeypatch.setattr(machine, "ROWS", {"MLP": ROWS["MLP"]})
    monkeypatch.setattr(machine, "measure_machine", lambda **_: MACHINE)
    trial = next(each for each in STUDIES["machine"].trials(1) if each.family == "prediction")
    outcome = finite(trial.measure())
    canonical(outcome)
    (finding,) = READERS["machine"]([Record(trial.id, trial.study, trial.settings(), outcome, {})], 1)
    assert finding.unread == 0
    assert outcome["rows"] == ["MLP"]
    assert outcome["low_s"][0] <= outcome["measured_s"][0] <= outcome["high_s"][0]
    assert outcome["predicted_s"][0] == pytest.approx(
        outcome["launch_s"][0] + outcome["latency_s"][0] + max(outcome["work_s"][0], outcome["bytes_s"][0])
    )


ONE = machine.Measured(1e-6, 1e-6, 1e-6)
RATE = machine.Measured(1e9, 1e9, 1e9)
MACHINE = machine.Machine(
    device="cpu: cpu",
    processor="made up",
    cores=2,
    load=None,
    rounds=3,
    throughput={"float32": RATE},
    by_side={64: RATE},
    elementwise=RATE,
    bandwidth={2**20: RATE},
    latency={16: ONE},
    kernel=ONE,
    kernel_span=3,
    dispatch=ONE,
    iteration=ONE,
)
