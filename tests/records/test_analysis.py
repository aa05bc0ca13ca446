"""Intervals against independent computations, reach against worked cases, the table against its rule."""

import itertools
import math
import statistics
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from seriality import claims
from seriality.analysis import Rule, bootstrap, choose, reach, read, rows, verdict, wilson
from seriality.analysis.intervals import welch

RULE = Rule(claims.ACCURACY, claims.CONFIDENCE, claims.SEEDS, claims.PARALLEL_LAWS, claims.SERIAL_LAWS)


def table(records):
    runs, unread = read(records, rule=RULE)
    assert unread == 0
    return rows(runs, expected=claims.TABLE_1, rule=RULE)


def row(records, name="RNN", family="words"):
    return next(each for each in table(records)[family] if each.name == name)


# Wilson


@pytest.mark.parametrize(
    ("successes", "tries", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(successes, tries, low, high):
    ends = wilson(np.array(successes), np.array(tries))
    assert [round(float(end), 4) for end in ends] == [low, high]


def score_limit(successes, tries, z, lower):
    """An end of the set of p that the score test does not reject, by bisection, without Wilson's formula."""
    estimate = successes / tries
    inside, outside = estimate, (0.0 if lower else 1.0)
    for _ in range(200):
        p = (inside + outside) / 2
        accepted = abs(estimate - p) <= z * math.sqrt(p * (1 - p) / tries)
        inside, outside = (p, outside) if accepted else (inside, p)
    return inside


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None, max_examples=60)
def test_wilson_inverts_the_score_test(tries, data, confidence):
    successes = data.draw(st.integers(0, tries))
    z = {0.8: 1.2815515655446004, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}[confidence]
    low, high = wilson(np.array(successes), np.array(tries), confidence=confidence)
    assert float(low) == pytest.approx(score_limit(successes, tries, z, True), abs=1e-9)
    assert float(high) == pytest.approx(score_limit(successes, tries, z, False), abs=1e-9)
    assert 0 <= low <= successes / tries <= high <= 1


@pytest.mark.parametrize("truth", [0.1, 0.5, 0.9])
def test_wilson_covers_the_truth_as_often_as_it_says(truth):
    # Summed exactly over all outcomes: no sampling error. Coverage oscillates around 95 %.
    tries = 60
    successes = np.arange(tries + 1)
    low, high = wilson(successes, np.full(tries + 1, tries))
    chance = [math.comb(tries, k) * truth**k * (1 - truth) ** (tries - k) for k in successes.tolist()]
    covered = sum(share for share, a, b in zip(chance, low, high, strict=True) if a <= truth <= b)
    assert 0.93 < covered < 0.975


def test_wilson_without_tries_says_nothing_and_refuses_impossible_counts():
    low, high = wilson(np.array([0, 3]), np.array([0, 4]))
    assert (low[0], high[0]) == (0, 1)
    with pytest.raises(ValueError, match="between 0 and tries"):
        wilson(np.array(5), np.array(4))


# Bootstrap


@given(st.lists(st.sampled_from([0, 1, 2, 4, 8, 16]), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_the_bootstrap_of_few_seeds_is_exact(values):
    medians = Counter(
        statistics.median(resample) for resample in itertools.product(values, repeat=len(values))
    )

    def quantile(share):
        """The smallest value whose cumulative share of the resamples reaches `share`, in exact fractions."""
        cumulative = zip(
            sorted(medians), itertools.accumulate(medians[each] for each in sorted(medians)), strict=True
        )
        return next(each for each, count in cumulative if Fraction(count, medians.total()) >= share)

    found = bootstrap(np.array(values))
    assert found.estimate == np.median(values)
    assert (found.low, found.high) == (quantile(Fraction(1, 40)), quantile(Fraction(39, 40)))


def test_the_bootstrap_of_many_seeds_is_the_same_every_time():
    values = np.random.default_rng(0).normal(size=40)
    first = bootstrap(values, statistic=lambda sample: sample.mean(axis=-1))
    assert first == bootstrap(values, statistic=lambda sample: sample.mean(axis=-1))
    half = 1.96 * values.std() / math.sqrt(40)
    assert first.low == pytest.approx(values.mean() - half, abs=0.03)
    assert first.high == pytest.approx(values.mean() + half, abs=0.03)


def test_one_odd_seed_in_five_leaves_a_verdict_open():
    assert bootstrap(np.array([16, 16, 16, 16, 8])).low == 8
    assert bootstrap(np.array([8, 8, 8, 8, 16])).high == 16


# Reach


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([1, 1, 1, 1], 8),
        ([1, 1, 0, 0], 2),
        ([0, 1, 1, 1], 0),
        ([1, 0, 1, 1], 1),
        ([0, 0, 0, 0], 0),
    ],
)
def test_reach_stops_at_the_first_failure(right, expected):
    depths = np.array([1, 2, 4, 8])
    assert reach(depths, np.array(right, bool)) == expected
    order = np.array([2, 0, 3, 1])
    assert reach(depths[order], np.array(right, bool)[order]) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_reach_does_not_fall_when_a_failure_becomes_a_success(right, data):
    depths = np.cumsum(np.ones(len(right), int))
    better = [each or data.draw(st.booleans()) for each in right]
    assert reach(depths, np.array(right)) <= reach(depths, np.array(better))


# Choosing the learning rate


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=25)
def test_the_choice_never_looks_at_test_counts(made_up, random):
    records = made_up.study(rows=("RNN",), roles=("serial",), seeds=4, rates=(0.001, 0.003, 0.01))
    runs, _ = read(records, rule=RULE)
    tests = [run.test for run in runs]
    random.shuffle(tests)
    shuffled = [
        replace(run, test=tuple(random.sample(test, len(test))))
        for run, test in zip(runs, tests, strict=True)
    ]
    assert choose(runs, rule=RULE) == choose(shuffled, rule=RULE)


def counts(*shares, tries=512):
    return [round(share * tries) for share in shares]


def test_the_choice_is_by_validation_reach_then_accuracy_then_the_smaller_rate(made_up):
    short, long = counts(1, 1, 1, 0.89, 0.89), counts(1, 1, 1, 0.91, 0)
    better = counts(1, 1, 1, 0.95, 0.2)

    def pick(**by_rate):
        return choose(
            read(
                [made_up.record(learning_rate=float(rate), validation=v) for rate, v in by_rate.items()],
                rule=RULE,
            )[0],
            rule=RULE,
        )

    assert pick(**{"0.001": short, "0.003": long}) == 0.003
    assert pick(**{"0.001": long, "0.003": better}) == 0.003
    assert pick(**{"0.003": long, "0.001": long}) == 0.001


def test_a_rate_with_fewer_seeds_does_not_compete(made_up):
    weak = [made_up.record(seed=seed, reach=2) for seed in range(3)]
    lucky = made_up.record(seed=0, reach=16, learning_rate=0.01)
    assert row([*weak, lucky]).serial.learning_rate == 0.003


def test_choosing_on_test_would_be_noticed(made_up):
    good, bad = counts(1, 1, 1, 1, 1), counts(1, 0, 0, 0, 0)
    serial = row(
        [
            made_up.record(learning_rate=0.001, validation=good, test=bad),
            made_up.record(learning_rate=0.003, validation=bad, test=good),
        ]
    ).serial
    assert (serial.learning_rate, serial.reaches) == (0.001, (1,))


# The table and the verdict


def test_a_study_that_goes_as_the_paper_says_supports_the_claim(made_up):
    found = table(made_up.study(families=("words", "automaton")))
    assert list(found) == ["words", "automaton"]
    for members in found.values():
        assert [each.name for each in members] == [expected.name for expected in claims.TABLE_1]
        assert [each.agreement for each in members] == ["agrees"] * 7
        assert [each.solves for each in members] == [False, False, False, True, True, True, False]
        assert [each.parallel for each in members] == [True, True, True, False, False, False, False]
    assert verdict(found, rule=RULE).status == "supported"


def test_one_contradicting_row_contradicts_the_claim_and_is_named(made_up):
    records = [
        each
        for each in made_up.study()
        if (each.settings["row"], each.settings["role"]) != ("Transformer", "serial")
    ]
    records += [made_up.record("Transformer", seed=seed, reach=16) for seed in range(5)]
    found = verdict(table(records), rule=RULE)
    assert (found.status, found.reasons) == ("contradicted", ("Transformer (words)",))


def test_a_serial_row_that_metered_parallel_contradicts(made_up):
    records = made_up.study()
    for each in records:
        if each.settings["row"] == "RNN":
            each.outcome["growth"]["law"] = "logarithmic"
    assert verdict(table(records), rule=RULE).reasons == ("RNN (words)",)


def test_failing_at_the_control_too_shows_nothing(made_up):
    failing = [
        made_up.record("MLP", role=role, seed=seed, reach=1)
        for role in ("serial", "control")
        for seed in range(5)
    ]
    found = row(failing, "MLP")
    assert (found.solves, found.agreement) == (None, "undecided")
    assert row(failing[:5], "MLP").solves is None


@pytest.mark.parametrize(
    ("serial", "control", "said"),
    [
        ((2, 2, 2, 2, 2), (16, 16, 16, 16, 16), "parted"),
        ((2, 2, 4, 4, 2), (8, 8, 8, 16, 16), "parted"),
        ((2, 2, 8, 2, 8), (8, 8, 8, 16, 16), "undecided"),  # the intervals, 2 to 8 and 8 to 16, touch
        ((16, 16, 16, 16, 16), (16, 16, 16, 16, 16), "not parted"),
        ((16, 16, 16, 16, 16), (8, 8, 8, 8, 8), "undecided"),
        ((8, 8, 8, 8, 8), (8, 8, 8, 8, 8), "undecided"),
        ((2, 2, 2, 2), (16, 16, 16, 16), "undecided"),  # four seeds
    ],
)
def test_a_pair_is_parted_where_the_intervals_are_apart(made_up, serial, control, said):
    records = [
        made_up.record("Transformer", role=role, seed=seed, reach=reached)
        for role, reaches in (("serial", serial), ("control", control))
        for seed, reached in enumerate(reaches)
    ]
    assert row(records, "Transformer").pair == said


def test_with_few_seeds_the_answer_is_shown_and_the_verdict_is_undecided(made_up):
    found = table(made_up.study(seeds=1))
    assert all(each.agreement == "agrees" and not each.evidence for each in found["words"])
    said = verdict(found, rule=RULE)
    assert said.status == "undecided"
    assert "1 seed, not evidence" in said.reasons[0]


def test_a_contradiction_on_few_seeds_is_not_a_verdict(made_up):
    records = [made_up.record("MLP", reach=16), made_up.record("MLP", role="control")]
    assert row(records, "MLP").agreement == "contradicts"
    assert verdict(table(records), rule=RULE).status == "undecided"


def test_a_diverged_run_has_reach_zero_and_counts(made_up):
    perfect = counts(1, 1, 1, 1, 1)
    records = [made_up.record(seed=seed, test=perfect) for seed in range(4)]
    serial = row([*records, made_up.record(seed=4, test=perfect, diverged=True)]).serial
    assert serial.reaches == (16, 16, 16, 16, 0)
    assert (serial.diverged, serial.reach.low, serial.solves) == (1, 0, "undecided")


def test_rows_that_were_not_run_are_said_to_be(made_up):
    found = table(made_up.study(rows=("RNN",)))["words"]
    assert [each.agreement for each in found].count("not run") == 6
    said = verdict({"words": found}, rule=RULE)
    assert said.status == "undecided"
    assert said.reasons == (
        "not run in words: "
        "MLP, Transformer, State-space model, Repeating layers, Chain of thought, Diffusion",
    )


def test_other_settings_are_not_mixed_in(made_up):
    old = [made_up.record(seed=seed, reach=2, steps=100) for seed in range(5)]
    found = row([*old, *(made_up.record(seed=seed) for seed in range(5))])
    assert (len(found.serial.runs), found.left_out, found.serial.reach.estimate) == (5, 5, 16)


def test_a_control_that_was_trained_otherwise_is_none(made_up):
    records = [made_up.record(role=role, seed=seed) for role in ("control", "serial") for seed in range(5)]
    assert row(records).agreement == "agrees"
    longer = [made_up.record(role="serial", seed=seed, steps=900) for seed in range(5)]
    found = row(records + longer)
    assert (found.control, found.left_out, found.verdict) == (None, 10, "undecided")


def test_what_is_no_such_record_is_counted_and_not_read(made_up):
    good, bad = made_up.record(), made_up.record(seed=1)
    bad.outcome["test"] = {"successes": [900] * 5, "tries": [512] * 5}
    strange = made_up.record(seed=2)
    strange.settings.pop("training")
    runs, unread = read([good, bad, strange], rule=RULE)
    assert (len(runs), unread) == (1, 2)


def test_no_records_make_no_table():
    assert table([]) == {}
    assert verdict({}, rule=RULE).reasons == ("no records",)


values = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=2, max_size=8)


@pytest.mark.filterwarnings("ignore:Precision loss")  # of values that are alike, on one side
@given(one=values, other=values)
def test_the_interval_of_a_difference_is_that_of_scipy(one, other):
    found = welch(np.array(one), np.array(other))
    if len(set(one)) == len(set(other)) == 1:
        assert found.estimate == found.low == found.high == other[0] - one[0]
        return
    expected = ttest_ind(other, one, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), expected, atol=1e-9)


def test_the_interval_of_a_difference_needs_two_values():
    with pytest.raises(ValueError, match="needs two values or more: got 1 and 2"):
        welch(np.array([0.1]), np.array([0.1, 0.2]))
