"""Findings: what the reader of each study decides, that no record makes it fail, and how a report shows it.

Records are made up: the settings are those of the study's own trials, the outcomes have the shape that its
functions return, with numbers that are as the claim says until a test changes them. Verdicts are worked out
by hand from the rules in `claims`.
"""

import io
import math
import re
from collections import Counter
from dataclasses import asdict, replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from jaxtyping import config
from rich.console import Console

from seriality import claims
from seriality.analysis.finding import Finding, Panel, Point, Series, decide, parsed
from seriality.analysis.readers import READERS, derandomised, plateau, sampler_error, sudoku_orders, widths
from seriality.claims import CLAIMS
from seriality.report import in_the_way, table, write
from seriality.report.summary import readings
from seriality.store import Record, digest
from seriality.studies import STUDIES
from seriality.studies import depth_of_one as depth_of_one_study
from seriality.studies import derandomised as derandomised_study
from seriality.studies import sampler_error as sampler_error_study
from seriality.studies import sudoku_orders as sudoku_orders_study

pytestmark = pytest.mark.usefixtures("as_users_call")

HOSTILE = "</title></svg><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\x1b[31m"
STEPS = [8, 16, 32, 64, 128, 256, 512]
BITS = [1, 4, 16, 64, 256]
TRIES = 100


# Outcomes that are as the claims say


def of_sampler_error(trial):
    dials = trial.arguments
    match trial.family:
        case "bit":
            return {"steps": STEPS, "total_variation": [0.5 / t for t in STEPS], "law": [0.8] * 7}
        case "uniform bit":
            return {"steps": STEPS[:5], "total_variation": [1e-16] * 5, "law": [0.5] * 5}
        case "bits":
            return {"bits": BITS, "total_variation": [0.001 * d**0.5 for d in BITS]}
        case "normal directions":
            growth = 8 if trial.row == "Li-Yan" else 1
            return {"dimensions": [1, 512], "total_variation": [0.01, 0.01 * growth]}
        case "dimension":
            error = 0.02 + 1e-4 * trial.seed
            return {"dimension": dials["dimension"], "total_variation": error, "floor": 0.01}
        case "codes":
            return {"log_codes": [1, 2], "total_variation": [0.01, 0.02], "floor": [0.01, 0.01]}
        case "intrinsic dimension":
            return {"radii": [0.4, 0.2], "ratio": [1.0, None], "slope": [1.0, None]}
        case "circuit":
            return {"dimensions": [1, 2], "depth": [10, 20], "depth_as_seen": [10, 14]}


def of_derandomised(trial):
    qualifies = trial.arguments["steps"] > 1
    outcome = {
        "inputs": 1000,
        "seeds": [1000, 400],
        "mean": 0.9 if qualifies else 0.6,
        "least": 0.7 if qualifies else 0.1,
        "histogram": {"above 3/4": 1000},
        "above": 1000 if qualifies else 700,
        "below": 0 if qualifies else 300,
        "impossible": not qualifies,
    }
    if qualifies:
        outcome |= {"hoeffding": 87, "exact": 61, "found": 21, "search": "greedy", "verified": True}
    return outcome


def of_sudoku_orders(trial):
    one_pass = 100 if trial.role == "control" else 0
    order = trial.arguments["order"]
    most = 100 if trial.role == "control" or order not in ("random", "Gaussian") else 10
    last = 256 if order == "Gaussian" else 128
    return {
        "tries": TRIES,
        "steps": [1, last],
        "successes": [one_pass, most],
        "duplicates": [20.0, 4.0],
        "cells": [0.5, 0.9],
    }


def of_depth_of_one(trial):
    match trial.family:
        case "bounded":
            worst = [1.0] * 4 if trial.arguments["rounds"] == 16 else [0.7, 0.45, 0.24, 0.12]
            theory = [(1 + stretch) ** -0.5 for stretch in (1, 4, 16, 64)]
            return {"depth": 16, "stretches": [1, 4, 16, 64], "worst": worst, "without_the_bit": theory}
        case "trained":
            fails = trial.role == "serial" and not trial.row.startswith("repeated")
            right = [TRIES, 50] if fails else [TRIES, TRIES]
            least = [[1.0] * 4, [0.7, 0.45, 0.24, 0.12] if fails else [1.0] * 4]
            return {
                "lengths": [4, 16],
                "tries": TRIES,
                "right": right,
                "stretches": [1, 4, 16, 64],
                "mean": [[1.0] * 4, [0.8] * 4],
                "least": least,
            }
        case "regret":
            return {"lengths": [16, 64], "gates": [100, 200], "regret": [8, 32]}
        case _:
            return {"least": 0.5, "most": 2.0, "held": True, "circuits": 20}


def of_widths(trial):
    match trial.family:
        case "parity":
            sizes = list(range(1, 13))
            linear = {name: [2 * n for n in sizes] for name in ("4 levels", "MAJORITY")}
            return {"n": sizes, "least": [2 ** (n - 1) for n in sizes], "2 levels": sizes, **linear}
        case "sawtooth":
            folds = list(range(1, 9))
            return {"k": folds, "least": [2**k for k in folds], "deep": [2 * k for k in folds]}
    folds, grid = trial.arguments["folds"], [2, 4, 8, 16, 32, 64, 128]
    needed = 2 ** (folds + 1) if trial.arguments["hidden_layers"] == 1 else 4
    return {"widths": grid, "fits": [4 * (width >= needed) for width in grid], "starts": 4}


def of_denoising(trial, *, more=0):
    """Right on the control; on the task, 30 of 100 at any number of steps, and `more` of the others."""
    plain = trial.row in ("masked, 1 layer", "masked, 2 layers", "Gaussian, 2 layers")
    right = 100 if trial.role == "control" else 30 if plain else 95
    asked = {
        name: {
            "test": {"successes": [right], "tries": [TRIES]},
            "depths": [16],
            "passes": 4,
            "cost": {"unit": {"work": 100, "span": 10}},
        }
        for name in trial.answering
    }
    return {
        "diverged": False,
        "depths": [8, 16],
        "test": {"successes": [right, right], "tries": [TRIES, TRIES]},
        "cost": {"unit": {"work": 100, "span": 10}},
    } | ({"answering": asked} if asked else {})


MAKERS = {
    "sampler_error": of_sampler_error,
    "derandomised": of_derandomised,
    "sudoku_orders": of_sudoku_orders,
    "depth_of_one": of_depth_of_one,
    "widths": of_widths,
    "plateau": of_denoising,
    "escapes": of_denoising,
}
CLAIM = {name: STUDIES[name].claims[0] for name in MAKERS}
PLANNED = {name: STUDIES[name].trials(5) for name in MAKERS}


def made(study):
    """The records of a whole study in which everything is as the claim says."""
    trials = PLANNED[study]
    provenance = {
        "versions": {"jax": "0.10.2"},
        "commit": "0123abc",
        "created": "2026-01-01T00:00:00Z",
        "rules": {claim: digest(asdict(CLAIMS[claim])) for claim in STUDIES[study].claims},
        "trials": len(trials),
        "wall_s": 1.0,
    }
    return [Record(trial.id, study, trial.settings(), MAKERS[study](trial), provenance) for trial in trials]


SOUND = {study: made(study) for study in MAKERS}


def judged(study, records, missing=0):
    (finding,) = READERS[study](records, missing)
    assert finding.claim == CLAIM[study]
    return finding


def changed(study, change, *, where=lambda settings: True):
    """The sound records with `change(outcome)` in the place of outcomes whose settings are as said."""
    found, count = [], 0
    for record in SOUND[study]:
        if where(record.settings):
            count += 1
            record = replace(record, outcome={**record.outcome, **change(record.outcome)})
        found.append(record)
    assert count, "nothing was changed"
    return found


def of(**wanted):
    """Whether settings have these values; of a row, its beginning."""

    def where(settings):
        return all(
            settings[name].startswith(value) if name == "row" else settings[name] == value
            for name, value in wanted.items()
        )

    return where


# Verdicts


@pytest.mark.parametrize("study", MAKERS)
def test_records_that_are_as_the_claim_says_support_it(study):
    verdict = judged(study, SOUND[study]).verdict
    assert verdict.status == "supported", verdict.reasons
    assert verdict.reasons


def power(slope):
    return lambda outcome: {"total_variation": [0.5 * t**slope for t in outcome["steps"]]}


def errors(*values):
    return lambda outcome: {"total_variation": list(values)}


def solved(count):
    return lambda outcome: {"successes": [outcome["successes"][0], count]}


def answers(study, steps, count):
    """Right answers of all variants with so many steps."""

    def change(outcome):
        asked = {
            name: {**each, "test": {"successes": [count], "tries": [TRIES]}}
            if name.split(",")[0] == f"T = {steps}"
            else each
            for name, each in outcome["answering"].items()
        }
        return {"answering": asked}

    return change


CASES = [
    # a slope of one schedule
    (
        "sampler_error",
        power(-0.8),
        of(family="bit", row="cosine, posterior"),
        "contradicted",
        "cosine -0.800",
    ),
    ("sampler_error", power(-0.92), of(family="bit", row="EDM, posterior"), "undecided", "EDM -0.920"),
    ("sampler_error", power(-1.2), of(family="bit", row="EDM, posterior"), "undecided", "EDM -1.200"),
    ("sampler_error", power(-0.96), of(family="bit", row="linear, posterior"), "supported", ""),
    ("sampler_error", power(-0.5), of(family="bit", row="Li-Yan, posterior"), "supported", ""),
    # growth with the space, with the number of bits, and the controls
    (
        "sampler_error",
        lambda outcome: {"total_variation": 0.03 if outcome["dimension"] == 128 else 0.02},
        of(family="dimension"),
        "contradicted",
        "0.0300",
    ),
    (
        "sampler_error",
        lambda outcome: {"total_variation": 0.0249 if outcome["dimension"] == 128 else 0.02},
        of(family="dimension"),
        "supported",
        "",
    ),
    (
        "sampler_error",
        lambda outcome: {"total_variation": [0.001 * d**1.1 for d in BITS]},
        of(family="bits", row="log-SNR"),
        "contradicted",
        "D^1.10",
    ),
    ("sampler_error", errors(1e-8), of(family="uniform bit", row="EDM"), "undecided", "a control fails"),
    ("sampler_error", errors(0.01, 0.03), of(family="normal directions", row="Li-Yan"), "undecided", "3.0"),
    # fewer cases qualify, a list that is too long or is not verified, nothing impossible
    (
        "derandomised",
        lambda outcome: {"above": 999, "below": 0},
        lambda settings: settings["experiment"]["steps"] != 16,
        "undecided",
        "a control fails",
    ),
    (
        "derandomised",
        lambda outcome: {"above": 999},
        lambda settings: settings["experiment"]["steps"] in (4, 2),
        "undecided",
        "1 of 5 cases qualify",
    ),
    (
        "derandomised",
        lambda outcome: {"found": 89},
        lambda settings: settings["experiment"]["steps"] == 16 and settings["seed"] == 3,
        "contradicted",
        "",
    ),
    (
        "derandomised",
        lambda outcome: {"verified": False},
        lambda settings: settings["experiment"]["steps"] == 16 and settings["seed"] == 3,
        "contradicted",
        "",
    ),
    (
        "derandomised",
        lambda outcome: {"impossible": False},
        lambda settings: settings["experiment"]["steps"] == 1,
        "undecided",
        "a control fails",
    ),
    # a serial order that fails, a standard one that solves, one between, as many repeats, no easy grids
    (
        "sudoku_orders",
        solved(85),
        of(family="14 rounds", row="by rows, d = 4"),
        "contradicted",
        "by rows 85%",
    ),
    ("sudoku_orders", solved(99), of(family="a guess", row="Gaussian, d = 4"), "contradicted", "a guess"),
    ("sudoku_orders", solved(60), of(family="8 rounds", row="random order, d = 4"), "undecided", "8 rounds"),
    ("sudoku_orders", solved(91), of(family="8 rounds", row="by rows, d = 4"), "undecided", "8 rounds"),
    ("sudoku_orders", solved(60), of(family="8 rounds", row="random order, d = 1"), "supported", ""),
    (
        "sudoku_orders",
        lambda outcome: {"duplicates": [20.0, 10.0]},
        of(family="8 rounds", row="Gaussian, d = 4"),
        "undecided",
        "8 rounds",
    ),
    (
        "sudoku_orders",
        solved(80),
        of(family="one round", row="most confident first, d = 4"),
        "undecided",
        "a control fails: of grids of one round an order solves 80% only",
    ),
    # rules of bounded depth, trained rules, their control
    (
        "depth_of_one",
        lambda outcome: {"worst": [0.9] * 4},
        of(family="bounded", row="15 "),
        "contradicted",
        "0.900",
    ),
    (
        "depth_of_one",
        lambda outcome: {"worst": [0.9] * 4},
        of(family="bounded", row="16 "),
        "contradicted",
        "earns 0.9",
    ),
    (
        "depth_of_one",
        lambda outcome: {"right": [TRIES, TRIES]},
        of(family="trained", role="serial", row="Transformer, 4 x 64"),
        "contradicted",
        "4 x 64",
    ),
    (
        "depth_of_one",
        lambda outcome: {"right": [TRIES, 90]},
        of(family="trained", role="serial", row="Transformer, 4 x 64"),
        "undecided",
        "4 x 64",
    ),
    (
        "depth_of_one",
        lambda outcome: {"right": [TRIES, 50]},
        of(family="trained", role="serial", row="repeated"),
        "undecided",
        "",
    ),
    (
        "depth_of_one",
        lambda outcome: {"least": [[1.0] * 4, [0.5] * 4]},
        of(family="trained", role="serial", row="Transformer, 1 x 64"),
        "undecided",
        "",
    ),
    (
        "depth_of_one",
        lambda outcome: {"right": [50, TRIES]},
        of(family="trained", role="control", row="Transformer, 1 x 64"),
        "undecided",
        "a control fails: Transformer, 1 x 64",
    ),
    # widths that do not double, trained ones that do not grow, and a network that does what none can
    (
        "widths",
        lambda outcome: {"least": [2 ** (n - 1) for n in range(1, 12)] + [1400]},
        of(family="parity"),
        "contradicted",
        "1.36",
    ),
    (
        "widths",
        lambda outcome: {"least": [2**k for k in range(1, 8)] + [255]},
        of(family="sawtooth"),
        "undecided",
        "",
    ),
    (
        "widths",
        lambda outcome: {"fits": [0, 4, 4, 4, 4, 4, 4]},
        lambda settings: settings["family"] == "trained" and settings["experiment"]["folds"] == 2,
        "supported",
        "",
    ),
    (
        "widths",
        lambda outcome: {"fits": [0] * 6 + [4]},
        of(family="trained", row="1 hidden layer"),
        "contradicted",
        "128",
    ),
    (
        "widths",
        lambda outcome: {"fits": [0] * 6 + [4]},
        of(family="trained", row="3 hidden layers"),
        "undecided",
        "three need 128",
    ),
    (
        "widths",
        lambda outcome: {"fits": [0, 0, 0, 1, 4, 4, 4]},
        lambda settings: settings["family"] == "trained" and settings["experiment"]["folds"] == 5,
        "undecided",
        "a control fails: one hidden layer fits with fewer units than it can: 16 units at k = 5",
    ),
    # steps that help, a row that is right, repeated layers that are no better, a control that fails
    (
        "plateau",
        answers("plateau", 32, 50),
        of(family="Sudoku", role="serial", row="masked, 2 layers"),
        "contradicted",
        "Sudoku",
    ),
    (
        "plateau",
        answers("plateau", 32, 60),
        lambda settings: of(family="Sudoku", role="serial", row="masked")(settings) and settings["seed"] < 2,
        "undecided",
        "Sudoku",
    ),
    (
        "plateau",
        answers("plateau", 32, 50),
        of(family="Sudoku", role="serial", row="masked, 1 layer"),
        "supported",
        "",
    ),
    (
        "plateau",
        answers("plateau", 32, 80),
        of(family="words", role="control", row="Gaussian, 2 layers"),
        "undecided",
        "words",
    ),
    (
        "plateau",
        lambda outcome: {"test": {"successes": [30, 30], "tries": [TRIES] * 2}},
        of(family="words", role="serial", row="repeated, 2 layers"),
        "undecided",
        "words",
    ),
    (
        "plateau",
        lambda outcome: {"cost": {"unit": {"work": 101, "span": 10}}},
        of(family="words", role="serial", row="repeated, 2 layers"),
        "undecided",
        "words",
    ),
    (
        "plateau",
        lambda outcome: {"diverged": True},
        of(role="control", row="masked, 2 layers"),
        "undecided",
        "",
    ),
    # no way out lifts the limit, in one family or in both
    (
        "escapes",
        answers("escapes", 32, 30),
        of(family="words", role="serial", row="masked trace, 2 layers"),
        "undecided",
        "",
    ),
    (
        "escapes",
        answers("escapes", 32, 30),
        of(role="serial", row="masked trace, 2 layers"),
        "contradicted",
        "masked trace",
    ),
    (
        "escapes",
        answers("escapes", 32, 95),
        of(family="words", role="serial"),
        "supported",
        "say nothing: words",
    ),
]


@pytest.mark.parametrize(
    ("study", "change", "where", "status", "said"),
    CASES,
    ids=[f"{case[0]}-{number}-{case[3]}" for number, case in enumerate(CASES)],
)
def test_the_rule_decides(study, change, where, status, said):
    verdict = judged(study, changed(study, change, where=where)).verdict
    assert verdict.status == status, verdict.reasons
    assert said in " ".join(verdict.reasons)


def test_where_no_list_of_seeds_is_found_the_claim_is_contradicted():
    """As the function returns it: without `found` and `verified`."""
    records = [
        replace(each, outcome={k: v for k, v in each.outcome.items() if k not in ("found", "verified")})
        if each.settings["experiment"]["steps"] == 16
        else each
        for each in SOUND["derandomised"]
    ]
    assert judged("derandomised", records).verdict.status == "contradicted"


@pytest.mark.parametrize("study", MAKERS)
def test_while_trials_are_missing_nothing_is_supported(study):
    verdict = judged(study, SOUND[study], missing=3).verdict
    assert (verdict.status, verdict.reasons) == ("undecided", ("3 trials of the study are missing",))
    assert judged(study, []).verdict.status == "undecided"


@pytest.mark.parametrize("study", list(MAKERS))
def test_four_seeds_are_not_enough(study):
    few = [each for each in SOUND[study] if each.settings["seed"] < 4]
    assert len(few) < len(SOUND[study])
    verdict = judged(study, few).verdict
    assert verdict.status == "undecided", verdict.reasons


def enlarged(study):
    """The sound records of six seeds."""
    return [
        Record(trial.id, study, trial.settings(), MAKERS[study](trial), {})
        for trial in STUDIES[study].trials(6)
    ]


@pytest.mark.parametrize("study", [name for name in MAKERS if name != "depth_of_one"])
def test_more_seeds_than_five_are_read_too(study):
    assert judged(study, enlarged(study)).verdict.status == "supported"


@pytest.mark.parametrize("study", ["plateau", "escapes"])
def test_rows_with_unequal_numbers_of_seeds_are_read(study):
    """As while more seeds are being run: one row has six by now, the others five."""
    more = [
        each
        for each in enlarged(study)
        if each.settings["seed"] < 5 or each.settings["row"] == "masked, 2 layers"
    ]
    assert judged(study, more, missing=1).verdict.status == "undecided"


def test_a_case_qualifies_in_all_repetitions_or_not():
    records = [
        replace(each, outcome={**each.outcome, "above": 999})
        if each.settings["seed"] == 5 and each.settings["experiment"]["steps"] != 16
        else each
        for each in enlarged("derandomised")
    ]
    assert "1 of 5 cases qualify in all repetitions" in judged("derandomised", records).verdict.reasons[0]


@pytest.mark.parametrize(
    "study",
    MAKERS,
)
def test_a_run_that_has_only_begun_can_be_read(study):
    """The records of a study so far, whenever one looks: the reader neither fails nor decides."""
    records = SOUND[study]
    stops = sorted({0, 1, 4, 5, 6, *range(0, len(records), max(1, len(records) // 9))})
    for stop in stops:
        found = judged(study, records[:stop], missing=len(records) - stop)
        assert found.verdict.status == "undecided"


# Records that are not of this shape

DAMAGES = {
    "missing": None,
    "null": None,
    "text": HOSTILE,
    "negative": -1,
    "nan": math.nan,
    "huge": 10**400,
    "nulls": [None] * 7,
}


def damaged(study, damage):
    """The sound records with one part of one outcome, or of its settings, changed: every part in turn."""
    records, reductions = [], 0
    for record in SOUND[study]:
        reductions += record.settings["family"].startswith("reduction")
        if not record.settings["family"].startswith("reduction") or reductions < 4:
            records.append(record)
    seen = set()
    for place, record in enumerate(records):
        family = record.settings["family"]
        for key in record.outcome:
            if (shape := (*record.outcome, key)) in seen:
                continue
            seen.add(shape)
            outcome = {**record.outcome, key: DAMAGES[damage]}
            if damage == "missing":
                del outcome[key]
            odd = replace(record, outcome=outcome)
            yield f"{family}: {key}", [*records[:place], odd, *records[place + 1 :]]
    for key in ("family", "row", "role", "seed"):
        settings = {**records[0].settings, key: DAMAGES[damage]}
        if damage == "missing":
            del settings[key]
        yield f"settings: {key}", [replace(records[0], settings=settings), *records[1:]]


def failures(study, damage):
    found = []
    for what, records in damaged(study, damage):
        try:
            finding = judged(study, records)
            assert finding.verdict.status in ("supported", "contradicted", "undecided")
        except Exception as error:
            found.append(f"{what}: {type(error).__name__}")
    return found


@pytest.mark.parametrize(
    ("study", "damage"),
    [(study, damage) for study in MAKERS for damage in DAMAGES],
)
def test_no_record_makes_a_reader_fail(study, damage):
    assert not failures(study, damage)


@pytest.mark.parametrize("study", MAKERS)
def test_what_cannot_be_read_is_counted(study):
    odd = replace(SOUND[study][0], settings={HOSTILE: HOSTILE}, outcome={})
    found = judged(study, [*SOUND[study], odd, odd])
    assert found.verdict.status == "supported"
    assert "Not of this form: 2 records." in found.notes
    assert not any("Not of this form" in note for note in judged(study, SOUND[study]).notes)
    alone = judged(study, [odd])
    assert alone.verdict.status == "undecided"


@pytest.mark.parametrize(
    "study",
    MAKERS,
)
def test_readers_keep_to_their_annotations(study):
    """Elsewhere in this file annotations are unchecked, so that readers meet hostile records as in use."""
    config.update("jaxtyping_disable", False)
    assert judged(study, SOUND[study]).verdict.status == "supported"


def test_parsing_counts_what_a_parser_refuses_and_hides_no_other_fault():
    def parse(settings, outcome):
        return 1 / outcome["number"]

    records = [replace(SOUND["widths"][0], outcome=each) for each in ({"number": 2}, {}, {"number": "x"})]
    assert parsed(records, parse) == ([0.5], 2)
    with pytest.raises(ZeroDivisionError):
        parsed([replace(records[0], outcome={"number": 0})], parse)


@pytest.mark.parametrize(
    ("supporting", "missing", "controls", "status"),
    [
        ([True, True], 0, [True], "supported"),
        ([True, None], 0, [True], "undecided"),
        ([True, False], 0, [True], "contradicted"),
        ([None, False], 7, [True], "contradicted"),
        ([True, True], 1, [True], "undecided"),
        ([True, False], 0, [True, False], "undecided"),
        ([], 0, [], "undecided"),
    ],
)
def test_the_table_of_decisions(supporting, missing, controls, status):
    found = decide(
        [(seen, f"part {n}") for n, seen in enumerate(supporting)],
        missing=missing,
        controls=[(holds, f"control {n}") for n, holds in enumerate(controls)],
    )
    assert found.status == status
    assert found.reasons
    if False in controls:
        assert found.reasons == ("a control fails: control 1",)


# Rules and constants


def test_every_claim_with_a_reader_is_decided_by_a_study_that_lists_it():
    for claim in CLAIMS.values():
        if claim.study in READERS:
            assert claim.id in STUDIES[claim.study].claims
    for name in READERS:
        assert STUDIES[name].claims
        found = READERS[name]([], 0)
        assert {each.claim for each in found} <= set(STUDIES[name].claims)
    decided = {claim.study for claim in CLAIMS.values()}
    assert decided <= set(STUDIES)
    assert decided <= {*READERS, "table1"}


def rule(claim):
    return " ".join(CLAIMS[claim].rule)


def test_rules_state_the_confidence_and_the_seeds():
    for study, claim in CLAIM.items():
        if study != "widths":
            assert f"{claims.CONFIDENCE:.0%}" in rule(claim)
        assert f"{claims.SEEDS} " in rule(claim)
        assert STUDIES[study].seeds == claims.SEEDS


def test_the_rule_of_the_sampler_states_its_thresholds_and_what_is_run():
    text = rule("C15")
    assert f"T = {sampler_error.FROM} to {max(sampler_error_study.STEPS)}" in text
    assert f"within {claims.SLOPE} of -1" in text
    assert f"above {claims.NOT_A_SLOPE - 1:g}" in text
    assert f"at most {claims.GROWTH} times" in text
    assert f"below {claims.SYMMETRIC:g}" in text
    assert all(name in text for name in sampler_error.STANDARD)
    of_family = {}
    for trial in PLANNED["sampler_error"]:
        of_family.setdefault(trial.family, []).append(trial.arguments)
    dimensions = {each["dimension"] for each in of_family["dimension"]}
    assert f"in {min(dimensions)} to {max(dimensions)} dimensions" in text
    assert {each["steps"] for each in of_family["dimension"]} == {32}
    assert {each["probability"] for each in of_family["bit"]} == {0.8}
    (directions,) = {each["dimensions"] for each in of_family["normal directions"]}
    assert f"from {directions[0]} to {directions[-1]}" in text
    (bits,) = {each["bits"] for each in of_family["bits"]}
    assert f"D = {bits[0]} to {bits[-1]}" in text


def test_the_uniform_target_is_run_at_every_number_of_steps():
    steps = {trial.arguments["steps"] for trial in PLANNED["sampler_error"] if trial.family == "uniform bit"}
    assert steps == {sampler_error_study.STEPS}


def test_the_rule_of_derandomisation_states_its_numbers():
    text = rule("C16")
    assert f"of {derandomised_study.SAID:,} and {derandomised_study.USED} seeds" in text
    assert derandomised.CASES == 2
    assert "at least two cases qualify" in text
    assert "four renamings" in text


def test_the_rule_of_the_orders_states_its_thresholds_and_what_is_run():
    text = rule("C17")
    assert f"{max(sudoku_orders_study.STEPS)}, more than there are cells" in text
    assert max(sudoku_orders_study.STEPS) > 81
    assert f"{max(sudoku_orders_study.GAUSSIAN_STEPS)} of the Gaussian sampler" in text
    assert f"below {claims.VALID:.0%}" in text
    assert f"at least {claims.ACCURACY:.0%}" in text
    judged_rows = sudoku_orders.STANDARD + sudoku_orders.SERIAL_ORDERS
    assert all(row.endswith("d = 4") for row in judged_rows)
    assert "d = 4 rounds" in text
    assert {trial.row for trial in PLANNED["sudoku_orders"]} >= {*judged_rows, *sudoku_orders.OTHERS}
    tiers = sudoku_orders_study.TIERS
    assert [name for name, (role, *_) in tiers.items() if role == "serial"] == [
        *("8 rounds", "14 rounds", "a guess", "several solutions")
    ]


def test_the_rule_of_the_environment_states_its_thresholds_and_what_is_run():
    text = rule("C18")
    assert f"L / d = {', '.join(map(str, depth_of_one_study.STRETCHES))}" in text
    assert f"less than {claims.EPSILON} of the best at L / d = {depth_of_one_study.STRETCHES[-1]}" in text
    assert f"{claims.ACCURACY:.0%}" in text
    *lengths, last = depth_of_one_study.LENGTHS
    assert f"{', '.join(map(str, lengths))} and {last} letters" in text


def test_the_rule_of_widths_states_its_thresholds_and_what_is_run():
    text = rule("C22")
    assert f"less than {widths.LEAST_GROWTH} times" in text
    assert f"at least {widths.TRAINED_GROWTH} times" in text
    of_family = {trial.family: trial.arguments for trial in PLANNED["widths"]}
    assert f"n = 1 to {max(of_family['parity']['inputs'])}" in text
    assert f"k = 1 to {max(of_family['sawtooth']['folds'])}" in text
    assert "1 and 3 hidden layers" in text


def test_the_rules_of_denoising_state_their_thresholds():
    assert f"from {claims.COARSE_STEPS} to {claims.MOST_STEPS} steps is below {claims.RISE:.0%}" in rule(
        "C14"
    )
    assert plateau.FAMILIES == 3
    assert "all three families" in rule("C14")
    assert f"with {claims.MOST_STEPS} steps" in rule("C25")
    assert f"below {claims.RISE:.0%}" in rule("C25")


# The page and the terminal


class Page(HTMLParser):
    """Tags with their attributes, which must close in order, and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], Counter(), [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def shown(records, width=80):
    console = Console(width=width, no_color=True, file=(text := io.StringIO()))
    console.print(table(records))
    return text.getvalue()


ON_THE_PAGE = ("widths", "derandomised")


@pytest.fixture(scope="module")
def written(made_up, tmp_path_factory):
    """A page of two studies with findings beside Table 1: its paths and text."""
    records = [each for study in ON_THE_PAGE for each in SOUND[study]] + made_up.study(rows=("RNN",))
    out = tmp_path_factory.mktemp("report") / "report.html"
    return write(records, out), out.read_text(encoding="utf-8")


def test_the_page_holds_every_verdict_its_rule_its_numbers_and_what_was_run(written):
    page = Page(written[1])
    assert re.findall(r"Study (\w+)", page.text) == ["table1", "derandomised", "widths"]
    for study in ON_THE_PAGE:
        claim = CLAIMS[CLAIM[study]]
        assert f"Supported by the records of {study}." in page.text
        assert claim.statement in page.text
        assert f"Claim {claim.id} · paper, section {claim.section}" in page.text
        assert all(each in page.text for each in claim.rule)
        assert f"Records {len(SOUND[study])} trials" in page.text
    assert "the least width of parity is 2,048 ANDs at n = 12" in page.text
    assert "least ANDs of depth 2 1: 1, 2: 2, 3: 4, 4: 8" in page.text
    assert "C01" in page.text
    assert "0123abc" in page.text


def test_the_page_asks_nothing_of_the_network_and_its_names_are_its_own(written):
    text = written[1]
    addresses = set(re.findall(r"https?://[^\"' <)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<(script|link|iframe|object|base)\b|@import|url\((?!#)", text)
    names = [value for name, value in Page(text).attributes if name == "id"]
    assert len(names) == len(set(names))


def test_figures_are_named_by_their_claims_and_are_whole(written):
    names = [path.name for path in written[0] if re.match(r"C\d\d", path.name)]
    assert names == ["C16.svg", "C16.png", "C22.svg", "C22.png"]
    for path in written[0]:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        elif path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert all(f"report_figures/{name}" in written[1] for name in names)


def test_only_figures_of_seriality_are_written_over(written):
    out, *figures = written[0]
    assert in_the_way(out) is None
    drawing = next(path for path in figures if path.name == "C22.svg")
    before = drawing.read_bytes()
    try:
        drawing.write_text("<svg>somebody else's</svg>")
        assert in_the_way(out) in (drawing, drawing.with_suffix(".png"))
        with pytest.raises(FileExistsError, match="C22"):
            write(SOUND["widths"], out)
    finally:
        drawing.write_bytes(before)
    other = drawing.with_name("C22_notes.svg")
    other.write_text("mine")  # is not a name that a report writes
    assert in_the_way(out) is None
    other.unlink()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page of records whose names are hostile: the records, the paths and the text."""
    records = []
    for each in SOUND["derandomised"]:
        settings = {**each.settings, "family": HOSTILE, "row": HOSTILE + each.settings["row"]}
        provenance = {**each.provenance, "commit": HOSTILE, "versions": {HOSTILE: HOSTILE}}
        records.append(replace(each, settings=settings, provenance=provenance))
    out = tmp_path_factory.mktemp("hostile") / "report.html"
    return records, write(records, out), out.read_text(encoding="utf-8")


def test_no_control_character_of_a_record_is_shown(hostile):
    records, _, text = hostile
    assert "\x1b" not in text
    assert "\x1b" not in shown(records)


def test_hostile_names_are_shown_as_text(hostile):
    _, (_, *figures), text = hostile
    page = Page(text)
    assert not {"script", "img", "iframe"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "alert('x')" in page.text
    for figure in figures:
        if figure.suffix == ".svg":
            tags = {each.tag.rpartition("}")[2] for each in ElementTree.parse(figure).iter()}
            assert not {"script", "img", "image", "foreignObject"} & tags


def test_a_rule_that_has_changed_since_is_not_called_fixed():
    (reading,) = readings(SOUND["widths"])
    assert reading.other_rule == {"C22": 0}
    other = replace(SOUND["widths"][0], provenance={**SOUND["widths"][0].provenance, "rules": {"C22": "?"}})
    (reading,) = readings([other, *SOUND["widths"][1:]])
    assert reading.other_rule == {"C22": 1}
    assert "Made under another decision rule: 1 record" in shown([other, *SOUND["widths"][1:]])
    assert "another decision rule" not in shown(SOUND["widths"])


def test_trials_that_are_missing_are_known_from_the_records():
    (reading,) = readings(SOUND["widths"][:-2])
    assert reading.findings[0].verdict.status == "undecided"
    assert any("2 trials of the study are missing" in said for said in reading.findings[0].verdict.reasons)


@pytest.mark.parametrize("study", MAKERS)
def test_the_terminal_shows_verdict_reasons_and_numbers_in_80_columns(study):
    text = shown(SOUND[study])
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    claim = CLAIMS[CLAIM[study]]
    assert f"{claim.id} (paper, {claim.section}): supported by these records" in flat
    assert f"{study}: {claim.statement}" in flat
    for reason in judged(study, SOUND[study]).verdict.reasons:
        assert " ".join(reason.split()) in flat


def test_a_panel_without_points_is_left_out_and_others_are_drawn_whatever_their_numbers():
    from seriality.report.panels import drawn

    empty = Panel("none", "x", "y", (Series("a", ()),))
    one = Panel(
        "one", "x", "y", (Series("a", (Point(0, -1.0, -2.0, 0.0), Point(3, 0.0))),), log_x=True, log_y=True
    )
    charts = drawn((empty, one))
    assert len(charts) == 1
    assert not any(layer["data"]["values"] for layer in charts[0].to_dict()["layer"])  # none on log axes
    assert isinstance(Finding("C22", judged("widths", []).verdict, (empty,)), Finding)
