"""Records that can be read one by one and do not go together, and numbers that no count can have: they are
told, and what else is in the store is shown as before."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seriality.analysis import READERS, wilson
from seriality.report import as_json
from seriality.report.page import page
from seriality.report.summary import readings, summaries
from seriality.store import Store

RESULTS = Path(__file__).parents[2] / "results"


def published(store, study):
    with Store.open_read(RESULTS / f"{store}.sqlite") as opened:
        return opened.records(study)


def altered(record, change):
    outcome = copy.deepcopy(record.outcome)
    change(outcome)
    return replace(record, outcome=outcome)


def works_twice(outcome):
    outcome["cost"]["unit"]["work"] *= 2


def one_depth_less(outcome):
    outcome["depths"].pop()
    for split in ("validation", "test"):
        for counts in outcome[split].values():
            counts.pop()


def one_depth_less_at_every_step(outcome):
    one_depth_less(outcome)
    for found in outcome["answering"].values():
        found["depths"].pop()
        found["test"]["successes"].pop()


@pytest.mark.parametrize(
    ("store", "study", "change", "said"),
    [
        ("exchange", "exchange_rate_sudoku", works_twice, "has works from"),
        ("exchange", "exchange_rate_sudoku", one_depth_less, "asked at the same depths"),
        ("theorems", "escapes", one_depth_less_at_every_step, "asked at the same depths and steps"),
    ],
)
def test_records_that_do_not_go_together_leave_their_claim_open(store, study, change, said):
    first, *rest = published(store, study)
    assert not any("go together" in each for each in READERS[study](rest, 0)[0].verdict.reasons)
    found = READERS[study]([altered(first, change), *rest], 0)
    for finding in found:
        assert finding.verdict.status == "undecided"
        (reason,) = finding.verdict.reasons
        assert reason.startswith("these records do not go together: ")
        assert said in reason


def without_tries(outcome):
    outcome["validation"]["tries"] = [0] * len(outcome["depths"])


def without_end(outcome):
    outcome["training_step"]["work"] = 10**400


@pytest.mark.parametrize("change", [without_tries, without_end])
def test_a_training_whose_numbers_cannot_be_is_not_read(change):
    first, *rest = published("exchange", "thinning")
    (reading,) = readings([altered(first, change), *rest])
    assert {finding.unread for finding in reading.findings} == {1}


@pytest.mark.parametrize("count", [None, 1.5e300, 10**400, -1])
def test_a_count_that_cannot_be_is_not_read(count, made_up):
    def change(outcome):
        outcome["test"]["successes"][1] = count

    first, *rest = made_up.study()
    records = [altered(first, change), *rest]
    (summary,) = summaries(records)
    assert dict(summary.caveats)["Not shown: not of this form"] == "1 record"
    json.dumps(as_json.tables(records), allow_nan=False)
    assert "</html>" in page(records)


def test_a_study_of_which_all_trials_failed_is_told(made_up):
    failed = [
        replace(record, id=f"{n:020x}", study=study, settings={"failed": f"{n:020x}", "study": study})
        for n, (record, study) in enumerate(zip(made_up.study()[:2], ("thinning", "table1"), strict=True))
    ]
    (reading,), (summary,) = readings(failed), summaries(failed)
    assert dict(reading.facts)["Failed"].startswith("1 trial")
    assert dict(summary.caveats)["Failed"].startswith("1 trial")
    assert "2 records of 2 studies" in page(failed)


def test_studies_whose_names_look_alike_have_figures_of_their_own(made_up):
    one, other = made_up.study(name="look"), made_up.study(name="look\u200b", seeds=3)
    text = page([*one, *other])
    data = json.loads(text.partition('id="figures-data">')[2].partition("</script>")[0])
    assert {"look-accuracy", "look-accuracy-2"} <= set(data)
    assert data["look-accuracy"] != data["look-accuracy-2"]


def test_an_interval_of_very_many_tries_is_finite():
    low, high = wilson(np.array([2**30, 0]), np.array([2**31 - 1, 2**31 - 1]))
    assert np.all((low >= 0) & (high <= 1) & (low < high))
    assert high[0] - low[0] < 1e-4
