"""Grids of equal work: what an axis does to work and span, which points are found, what blocks one."""

import pytest

from seriality.studies import STUDIES, deep_and_wide, exchange_rate
from seriality.studies.exchange_rate import single_pass
from seriality.study import CONTROL, SERIAL, Training
from seriality.study.costs import answer_cost, training_cost
from seriality.study.grid import AXES, TOLERANCE, iso_work
from seriality.tasks import Words

WORDS = Words("S5", length=8)
REGIME = Training(stages=(1, 2), steps=20, chunk=20, warmup=0, batch=4, gate_instances=4, test_instances=4)


def transformer(**dials):
    return {"name": "Transformer", "width": 16, "layers": 2, "heads": 2, **dials}


CHAIN = {"name": "ChainOfThought", "kept": 3, "network": transformer(causal=True)}
ON = {
    "layers": {"name": "SinglePass", "network": transformer()},
    "loops": {"name": "Looped", "gradient_loops": 1, "network": transformer()},
    "kept": {"name": "Majority", "samples": 2, "solver": CHAIN},
    "denoising steps": {"name": "MaskedDiffusion", "network": transformer()},
    "tokens a recurrent step": {"name": "SinglePass", "network": {"name": "GRU", "width": 16}},
    "training steps": {"name": "SinglePass", "network": transformer()},
    "width": {"name": "SinglePass", "network": transformer()},
    "heads": {"name": "SinglePass", "network": transformer()},
    "votes": {"name": "Majority", "samples": 1, "solver": {**CHAIN, "temperature": 1.0}},
    "batch": {"name": "SinglePass", "network": transformer()},
}
VALUES = {"kept": (1, 6), "training steps": (20, 60), "width": (16, 64), "tokens a recurrent step": (3, 1)}


def spent(name, value):
    """Work and span of an answer, and of a whole training."""
    settings, regime = AXES[name].put(ON[name], REGIME, value)
    answer = answer_cost(settings, WORDS)[1]["unit"]
    step = training_cost(settings, WORDS, regime.batch)
    return answer, {part: regime.steps * cost for part, cost in step.items()}


def test_every_axis_is_tried():
    assert set(ON) == set(AXES)
    assert {axis.serial for axis in AXES.values()} == {True, False}


@pytest.mark.parametrize("name", AXES)
def test_span_grows_along_serial_axes_alone_and_work_along_all(name):
    few, more = (spent(name, value) for value in VALUES.get(name, (2, 4)))
    answer, training = ({part: more[i][part] / few[i][part] for part in few[i]} for i in (0, 1))
    if AXES[name].serial:
        assert max(answer["span"], training["span"]) > 1.4
    else:
        # choosing among votes takes a few steps
        assert max(answer["span"], training["span"]) < 1.1
    assert max(answer["work"], training["work"]) > 1.02


def test_points_are_the_nearest_to_their_line():
    widths = range(8, 129, 2)
    points = iso_work(
        WORDS, {"name": "SinglePass", "network": transformer(heads=1)},
        serial=("layers", [1, 2]), parallel=("width", widths), lines=[1_500_000, 3_000_000],
    )  # fmt: skip
    assert [(point.line, point.serial) for point in points] == [
        (line, layers) for layers in (1, 2) for line in (1_500_000, 3_000_000)
    ]
    for point in points:
        near = range(point.parallel - 2, point.parallel + 4, 2)  # work grows with width
        works = {
            width: answer_cost(single_pass(point.serial, width), WORDS)[1]["unit"]["work"] for width in near
        }
        assert list(works.values()) == sorted(works.values())
        assert point.work == works[point.parallel]
        assert abs(point.work - point.line) == min(abs(work - point.line) for work in works.values())
        assert abs(point.work / point.line - 1) <= TOLERANCE


@pytest.mark.parametrize(("widths", "lines", "said"), [
    (range(32, 65, 2), [200_000], ["layers = 1: the least width, 32,", "layers = 4: the least width, 32,"]),
    (range(8, 17, 2), [9_000_000], ["layers = 1: the largest width, 16,", "layers = 4: the largest"]),
    (range(8, 129, 40), [900_000], ["layers = 1: the nearest width, 48,", "too far apart"]),
])  # fmt: skip
def test_the_error_says_which_bound_blocks(widths, lines, said):
    with pytest.raises(ValueError, match="no point within 5% of its line of work") as raised:
        iso_work(
            WORDS, {"name": "SinglePass", "network": transformer(heads=1)},
            serial=("layers", [1, 4]), parallel=("width", widths), lines=lines,
        )  # fmt: skip
    for each in said:
        assert each in str(raised.value)
    assert "\n" not in str(raised.value)


GRIDS = [
    "exchange_rate",
    "exchange_rate_automaton",
    "exchange_rate_sudoku",
    "exchange_rate_large",
    "deep_and_wide",
]


@pytest.mark.parametrize("study", GRIDS)
def test_the_points_of_a_study_lie_on_lines(study):
    """Of the task on the line that is written down, of the control on a line of its own."""
    lines = {
        "exchange_rate": exchange_rate.WORDS,
        "exchange_rate_automaton": exchange_rate.AUTOMATON,
        "exchange_rate_sudoku": exchange_rate.SUDOKU,
        "exchange_rate_large": exchange_rate.LARGE,
        "deep_and_wide": deep_and_wide.LINES,
    }[study]
    trials = [trial for trial in STUDIES[study].trials(1) if hasattr(trial, "solver")]
    rate = trials[0].learning_rate
    works = {
        (trial.role, trial.row): answer_cost(trial.solver, trial.task)[1]["unit"]["work"]
        for trial in trials
        if trial.learning_rate == rate
    }
    assert len(works) == 2 * sum(map(len, lines.values()))
    for line, widths in lines.items():
        of_task, of_control = (
            [works[role, f"{layers} x {width}"] for layers, width in widths.items()]
            for role in (SERIAL, CONTROL)
        )
        assert max(abs(work / line - 1) for work in of_task) <= TOLERANCE
        middle = (min(of_control) * max(of_control)) ** 0.5
        assert max(abs(work / middle - 1) for work in of_control) <= TOLERANCE


def test_votes_share_the_prompt():
    """It is read once for all votes, the chain is written three times."""
    one, three = (
        answer_cost({"name": "Majority", "samples": n, "solver": {**CHAIN, "temperature": 1.0}}, WORDS)[1]
        for n in (1, 3)
    )
    assert 1.4 * one["unit"]["work"] < three["unit"]["work"] < 3 * one["unit"]["work"]
    assert one["layer"]["span"] == three["layer"]["span"]


def test_the_work_of_a_step_is_that_of_its_instances():
    one, eight = (training_cost(ON["width"], WORDS, batch) for batch in (1, 8))
    assert 7.5 * one["work"] < eight["work"] < 8.5 * one["work"]
    assert eight["span"] - one["span"] <= 6  # sums over the batch
