"""The claims of "The Serial Scaling Hypothesis" that are put to the test, each with its decision rule.

A rule is written here before the study is run, with its thresholds as named constants, and is applied to
records by code alone: no verdict is typed by hand. A claim is supported, contradicted or undecided; undecided
is what is left when neither observation was made, and covers too few seeds and rows that were not run.
"""

from dataclasses import dataclass

ACCURACY = 0.9
"""A solver is right at a depth when its accuracy on test instances of that depth is at least this."""
CONFIDENCE = 0.95
"""The confidence of every interval."""
SEEDS = 5
"""The fewest seeds, of every row on both tasks, that are evidence."""
PARALLEL_LAWS = ("constant", "logarithmic", "polylogarithmic")
"""The growths of metered span with input length that are called parallel."""
SERIAL_LAWS = ("linear", "quadratic")
"""Those that are not. Growth that the meter gives no name is neither."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, where it stands, the study that tests it, and how the records decide."""

    id: str
    section: str
    statement: str
    study: str
    rule: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """A row of the paper's Table 1: is the method's inference parallel, does it solve serial problems?"""

    name: str
    parallel: bool
    solves: bool


TABLE_1 = (
    Expected("MLP", parallel=True, solves=False),
    Expected("Transformer", parallel=True, solves=False),
    Expected("State-space model", parallel=True, solves=False),
    Expected("RNN", parallel=False, solves=True),
    Expected("Repeating layers", parallel=False, solves=True),
    Expected("Chain of thought", parallel=False, solves=True),
    Expected("Diffusion", parallel=False, solves=False),
)
"""Table 1 of the paper, in its order. Diffusion has a TC0 backbone; its "parallel" is about wall time."""

CLAIMS = {
    claim.id: claim
    for claim in (
        Claim(
            id="C01",
            section="2.3, Table 1",
            statement=(
                "Fixed-depth MLPs, Transformers and linear state-space models are parallel and fail at "
                "serial problems; RNNs, repeated layers and chain of thought are serial and succeed; "
                "diffusion over a fixed answer is not parallel in wall time and still fails."
            ),
            study="table1",
            rule=(
                f"Right at a depth: accuracy on test instances of that depth is at least {ACCURACY:.0%}.",
                "A seed's reach: the largest evaluated depth such that the seed is right at it and at every "
                "smaller evaluated depth; 0 if there is none. A diverged seed has reach 0 and counts.",
                f"A row's reach: the median over seeds, with a {CONFIDENCE:.0%} percentile bootstrap "
                "interval over seeds. (With five seeds a yes or a no, below, asks all five to be on the "
                "same side.)",
                "Learning rate: one grid for all rows; for each row and task the rate is chosen on "
                "validation instances alone, by median reach, then by mean accuracy; the smaller rate wins "
                "a tie. Rates with fewer seeds than the most do not compete.",
                "Solves: yes if the lower end of the interval is the largest evaluated depth, no if the "
                "upper end is below it, undecided otherwise. A no counts as failure at a serial problem "
                "only if the same row says yes on the control task.",
                "Parallel: yes if the metered span grows with input length as one of "
                f"{', '.join(PARALLEL_LAWS)}; no if it is {' or '.join(SERIAL_LAWS)}; undecided if the meter "
                "finds no exact law.",
                "A row contradicts the paper if either answer is decided and differs from the paper's, "
                "agrees if both are decided and the same, and is undecided otherwise.",
                f"A row with fewer than {SEEDS} seeds on its task or the control is undecided.",
                "Supported: all seven rows agree in every task family that was run. Contradicted: a row "
                "contradicts in any family. Undecided otherwise.",
            ),
        ),
    )
}
"""Every claim under test, by id."""
