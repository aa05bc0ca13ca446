"""The claims: their rule says the thresholds it is applied with, and Table 1 is the paper's."""

from seriality import claims


def test_every_claim_is_listed_under_its_id_with_a_rule_and_a_study():
    for id, claim in claims.CLAIMS.items():
        assert claim.id == id
        assert claim.rule
        assert claim.study
        assert claim.statement.endswith(".")


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
