"""The claims: their rule says the thresholds it is applied with, and Table 1 is the paper's."""

import re
from pathlib import Path

from seriality import claims
from seriality.store import Store, digest

RESULTS = Path(__file__).parents[2] / "results"


def test_every_claim_is_listed_under_its_id_with_what_would_decide_it():
    assert list(claims.CLAIMS) == [f"C{number:02}" for number in range(1, 27)]
    for id, claim in claims.CLAIMS.items():
        assert claim.id == id
        for said in (claim.statement, claim.supports, claim.contradicts, claim.control):
            assert said.endswith(".")
        assert bool(claim.rule) == bool(claim.study) == bool(claim.thresholds)
        assert claim.seeds >= claims.SEEDS
        for page in re.findall(r"docs/\w+\.md", claim.caveat):
            assert id in (RESULTS.parent / page).read_text(encoding="utf-8")


def test_the_rules_say_the_thresholds_that_are_listed():
    for claim in claims.CLAIMS.values():
        text = " ".join(claim.rule)
        for what, value in claim.thresholds:
            said = {f"{value:.0%}", f"{1 - value:.0%}", f"{value:g}", f"{value - 1:g}"}
            assert any(each in text for each in said), (claim.id, what)


def test_what_was_fixed_before_the_runs_is_as_the_records_hold_it():
    """By rule: digests in provenance of every record under results/ whose study decides a claim."""
    told = {}
    for path in sorted(RESULTS.glob("*.sqlite")):
        with Store.open_read(path) as store:
            for record in store.records():
                for claim, rule in record.provenance.get("rules", {}).items():
                    if claims.CLAIMS[claim].study == record.study:
                        told.setdefault(claim, set()).add(rule)
    assert set(told) == {claim.id for claim in claims.CLAIMS.values() if claim.study}
    now = {claim: digest(claims.CLAIMS[claim].fixed) for claim in told}
    # A parenthesis was added to C13's after its run, which the page and docs/serial_or_parallel.md tell.
    assert {claim for claim in told if now[claim] not in told[claim]} == {"C13"}


def test_the_rule_of_table_1_states_its_thresholds():
    text = " ".join(claims.CLAIMS["C01"].rule)
    for said in ("90%", "95%", "fewer than 5 seeds", *claims.PARALLEL_LAWS, *claims.SERIAL_LAWS):
        assert said in text


def test_table_1_is_the_papers():
    assert [(row.name, row.parallel, row.solves) for row in claims.TABLE_1] == [
        ("MLP", True, False),
        ("Transformer", True, False),
        ("State-space model", True, False),
        ("RNN", False, True),
        ("Repeating layers", False, True),
        ("Chain of thought", False, True),
        ("Diffusion", False, False),
    ]
