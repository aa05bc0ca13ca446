"""Claim C24 from made-up records: supported, contradicted, undecided, each provoked; no record makes it fail.

Verdicts are worked out by hand from the rule in `claims`. Seconds before a knob is turned are those after it
times the gain that a test asks for.
"""

from dataclasses import replace

import pytest

from seriality import claims
from seriality.analysis.readers import READERS
from seriality.analysis.readers.machine import KNOBS, LATENCY
from seriality.claims import CLAIMS
from seriality.report.figures import together
from seriality.store import Record, canonical, finite
from seriality.studies import STUDIES
from seriality.studies import machine as study
from seriality.studies.table1 import ROWS

pytestmark = pytest.mark.usefixtures("as_users_call")

THREAD, PRECISION = (knob for knob in KNOBS if knob != LATENCY)
CHAIN, WIDER, SHORT, COT, RNN, WIDE, EMPTY = (
    *("chain", "wider chain", "short chain", "Chain of thought", "RNN", "product", "empty loop"),
)
SOUND = {
    THREAD: {CHAIN: 1.0, WIDER: 1.0, COT: 1.0, RNN: 1.3, WIDE: 1.8},
    PRECISION: {CHAIN: 1.05, WIDER: 1.5, COT: 1.1, RNN: 1.9, WIDE: 2.0},
    LATENCY: {SHORT: 500.0, COT: 900.0, RNN: 100.0, WIDE: 1.05, EMPTY: 4000.0},
}
BLOCKS = (0.9, 1.0, 1.1)
"""Seconds of the blocks after a knob is turned."""
NOISE = (0.99, 1.0, 1.01, 1.0, 1.0)
"""By what the gains of the repetitions differ."""


def of_knobs(seed, gains):
    """One thread in float64 is `before` of both throughput knobs, so that a program has one time there."""
    spent = {}
    for knob, programs in gains.items():
        before, after = KNOBS[knob]
        for program, gain in programs.items():
            base = [block * NOISE[seed % 5] for block in BLOCKS]
            if knob == LATENCY:
                spent.setdefault(before, {})[program] = [gain * second for second in base]
                spent.setdefault(after, {})[program] = list(BLOCKS)
            else:
                spent.setdefault(before, {})[program] = base
                spent.setdefault(after, {})[program] = [block / gain for block in BLOCKS]
    work = {"work": 2 * 816**3, "span": 3, "bytes": 5}
    return {"programs": {CHAIN: work, WIDE: work}, "seconds": spent}


def of_prediction(ratio):
    count = len(ROWS)
    terms = {"launch_s": [1e-5] * count, "latency_s": [3e-5] * count}
    terms |= {"work_s": [6e-5] * count, "bytes_s": [1e-5] * count}
    times = {
        name: [1e-4 * ratio * end] * count
        for name, end in (("measured_s", 1), ("low_s", 0.9), ("high_s", 1.2))
    }
    return {"rows": list(ROWS), **terms, **times}


def made(gains=SOUND, *, seeds=5, ratio=1.5):
    """The records of the study with these gains; a value may be a list, one gain for each repetition."""
    records = []
    for trial in STUDIES["machine"].trials(seeds):
        if trial.family == "knobs":
            now = {
                knob: {
                    name: gain[trial.seed] if isinstance(gain, list) else gain for name, gain in each.items()
                }
                for knob, each in gains.items()
            }
            outcome = of_knobs(trial.seed, now)
        else:
            outcome = of_prediction(ratio)
        outcome = finite(outcome)
        canonical(outcome)
        records.append(Record(trial.id, trial.study, trial.settings(), outcome, {}))
    return records


def other(knob, **gains):
    """The sound gains with these instead; underscores stand for spaces."""
    named = {name.replace("_", " "): value for name, value in gains.items()}
    assert set(named) <= set(SOUND[knob])
    return {**SOUND, knob: {**SOUND[knob], **named}}


def judged(records, missing=0):
    (finding,) = READERS["machine"](records, missing)
    assert finding.claim == "C24"
    return finding


def test_the_knobs_are_the_studys():
    assert {name for ends in KNOBS.values() for name in ends} == {
        *study.SETTINGS,
        study.DISPATCHED,
        study.COMPILED,
    }


def test_records_that_are_as_the_claim_says_support_it():
    verdict = judged(made()).verdict
    assert verdict.status == "supported", verdict.reasons
    assert len(verdict.reasons) == 3


CASES = [
    # a serial program that gains as much as the wide one
    (other(PRECISION, chain=1.9), "contradicted", "float32 for float64: chain 1.9"),
    (other(THREAD, chain=1.6), "contradicted", "a second thread: chain 1.6"),
    (other(PRECISION, Chain_of_thought=1.45), "contradicted", "Chain of thought 1.45"),
    # between the two thresholds, and not surely on one side of either
    (other(PRECISION, chain=1.3), "undecided", "chain 1.3"),
    (other(PRECISION, Chain_of_thought=[1.0, 1.1, 1.2, 1.3, 1.4]), "undecided", "Chain of thought"),
    (other(THREAD, chain=[1.0, 1.0, 1.0, 1.0, 2.0]), "undecided", "chain"),
    (other(PRECISION, chain=[1.5, 1.3, 1.5, 1.3, 1.5]), "undecided", "chain"),
    # a knob that is not turned says nothing, whatever the serial programs do
    (other(THREAD, product=1.0), "undecided", "the knob is not turned; gains by a second thread"),
    (other(THREAD, product=1.39, chain=1.9), "undecided", "the knob is not turned"),
    (other(PRECISION, product=[1.0, 2.0, 3.0, 1.0, 2.0]), "undecided", "the knob is not turned"),
    # latency that does not help, that helps a little, that helps the wide program too
    (other(LATENCY, short_chain=1.05), "contradicted", "short chain 1.05"),
    (other(LATENCY, Chain_of_thought=1.0), "contradicted", "Chain of thought 1"),
    (other(LATENCY, short_chain=3.0), "undecided", "short chain 3"),
    (other(LATENCY, Chain_of_thought=[2.0, 30.0, 2.0, 30.0, 2.0]), "undecided", "Chain of thought"),
    (other(LATENCY, product=1.6), "undecided", "the knob is not turned"),
    (other(LATENCY, empty_loop=3.0), "undecided", "the knob is not turned"),
    (other(LATENCY, empty_loop=3.0, short_chain=1.0), "undecided", "the knob is not turned"),
    # slower by a throughput knob is no help either
    (other(THREAD, chain=0.7), "supported", "chain 0.7"),
    # what is only shown
    (other(PRECISION, RNN=0.5), "supported", ""),
    (other(THREAD, RNN=3.0), "supported", ""),
    (other(LATENCY, RNN=1.0), "supported", ""),
]


@pytest.mark.parametrize(("gains", "status", "said"), CASES)
def test_the_rule_decides(gains, status, said):
    verdict = judged(made(gains)).verdict
    assert verdict.status == status, verdict.reasons
    assert any(said in reason for reason in verdict.reasons), verdict.reasons


def test_a_contradiction_stands_though_another_knob_was_not_turned():
    gains = {**other(THREAD, product=1.0), PRECISION: {**SOUND[PRECISION], CHAIN: 2.0}}
    assert judged(made(gains)).verdict.status == "contradicted"


def test_unequal_work_is_a_fault_of_the_control():
    records = made(other(PRECISION, chain=1.9))
    knob = next(record for record in records if record.settings["family"] == "knobs")
    programs = {**knob.outcome["programs"], CHAIN: {"work": 7, "span": 3, "bytes": 5}}
    records[records.index(knob)] = replace(knob, outcome={**knob.outcome, "programs": programs})
    verdict = judged(records).verdict
    assert verdict.status == "undecided"
    assert "a control fails: the work of the chain is not that of the wide control" in verdict.reasons


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_fewer_repetitions_decide_nothing(seeds):
    assert judged(made(other(PRECISION, chain=1.9), seeds=seeds)).verdict.status == "undecided"


def test_more_repetitions_than_five_are_read():
    assert judged(made(seeds=7)).verdict.status == "supported"


def test_missing_trials_leave_it_open_and_no_records_too():
    assert judged(made(), missing=1).verdict.status == "undecided"
    finding = judged([])
    assert finding.verdict.status == "undecided"
    assert not any(series.points for panel in finding.panels for series in panel.series)


@pytest.mark.parametrize(
    ("ratio", "within"), [(1.5, 7), (1.99, 7), (2.01, 0), (0.51, 7), (0.49, 0), (5.0, 0)]
)
def test_how_many_rows_were_foretold_is_told_and_decides_nothing(ratio, within):
    finding = judged(made(ratio=ratio))
    assert finding.verdict.status == "supported"
    (note,) = (note for note in finding.notes if "Measured over predicted" in note)
    assert f"Within a factor of {claims.WITHIN}: {within} of 7 rows." in note
    assert f"RNN {ratio:.2f}" in note


def test_the_panels_show_gains_times_and_other_machines():
    finding = judged(made())
    panels = {panel.title: panel for panel in finding.panels}
    gains = {
        series.name: [point.y for point in series.points] for series in panels[f"Gain by {THREAD}"].series
    }
    assert gains[WIDE] == pytest.approx([1.8 * noise for noise in NOISE])
    assert set(gains) == {CHAIN, WIDER, COT, RNN, WIDE}
    times = panels["Table 1, one prompt"].series
    assert [series.name for series in times] == [*ROWS, "equal"]
    assert [(point.x, point.y) for point in times[0].points] == [pytest.approx((1e-4, 1.5e-4))] * 5
    by_throughput = panels["Predicted gain: throughput"].series[0].points
    assert [(point.x, round(point.y, 4)) for point in by_throughput][:4] == [
        (1, 1.0),
        (2, round(100 / 70, 4)),
        (5, round(100 / 52, 4)),
        (10, round(100 / 46, 4)),
    ]
    by_latency = {point.x: point.y for point in panels["Predicted gain: latency"].series[0].points}
    assert by_latency[2] == pytest.approx(100 / 80)
    assert together(finding.panels) is not None


BAD = [
    {"seconds": {}},
    {"seconds": None},
    {"programs": {}},
    {"programs": {CHAIN: {"work": "many"}, WIDE: {"work": 1}}},
    {"seconds": {name: {} for name in (*study.SETTINGS, "dispatched", "compiled")}},
    {"rows": ["MLP"]},
    {"rows": "MLP"},
    {"measured_s": [0.0] * 7},
    {"measured_s": [None] * 7},
    {"launch_s": [-1.0] * 7},
    {"work_s": [float("inf")] * 7},
]


@pytest.mark.parametrize("bad", BAD)
def test_records_of_another_form_are_counted_and_left_out(bad):
    family = "knobs" if set(bad) & {"seconds", "programs"} else "prediction"
    records = made()
    place = next(place for place, each in enumerate(records) if each.settings["family"] == family)
    records[place] = replace(records[place], outcome={**records[place].outcome, **bad})
    finding = judged(records)
    assert finding.unread == 1
    assert "Not of this form: 1 records." in finding.notes
    assert finding.verdict.status == ("undecided" if family == "knobs" else "supported")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), "1", None, True])
def test_a_time_that_is_none_is_not_read(value):
    records = made()
    outcome = of_knobs(0, SOUND)
    outcome["seconds"]["compiled"][SHORT][0] = value
    records[0] = replace(records[0], outcome=outcome)
    assert judged(records).unread == 1


def test_the_rule_states_its_thresholds_and_what_is_run():
    text = " ".join(CLAIMS["C24"].rule)
    for said in (
        *(
            f"width {study.CHAIN_WIDTH}",
            f"width {study.PRODUCT_WIDTH}",
            f"{claims.CONFIDENCE:.0%} t interval",
        ),
        *(f"which are {claims.SEEDS} or more", f"at least {claims.HELPS} (lower end)"),
        *(f"less than {claims.DOES_NOT_HELP} (upper end)", f"at least {claims.FALLS} (lower end)"),
        f"within a factor of {claims.WITHIN}",
    ):
        assert said in text
    assert STUDIES["machine"].seeds == claims.SEEDS
