"""Derandomisation by majority: from a solver that is right with probability above 1/2 to one that is right.

The last step of Theorem F.2 of Liu et al. 2025. If on every input the answer is right with probability at
least p > 1/2, the strict majority of k independent copies is wrong with probability at most
exp(-2 k (p - 1/2)^2) (Hoeffding 1963). With k above log(inputs) / (2 (p - 1/2)^2) the sum of that over all
inputs is below 1, so some list of k seeds has a majority that is right on all of them (Adleman 1978; Hajnal
et al. 1993, proposition 4.2). The list is advice: the argument says that it exists and not how to find it,
which is why the class is non-uniform.

On a table of which seeds are right on which inputs the argument can be run. Two things come out that it does
not say. The condition is on every input: a mean above 1/2 promises nothing. And whether a list exists, seeds
repeated as often as one likes, is a linear program: it does if and only if some weights on the seeds give
every input more than half of the weight. If not, linear duality gives weights on the inputs under which no
seed is right on more than half, which settles every list at once (von Neumann's minimax theorem). Both
answers are checked in integers, so neither rests on rounding.

What it does not do: a list that is right on the inputs of a table says nothing of other inputs.

Adleman, L. (1978). Two theorems on random polynomial time. FOCS, 75-83.
Hoeffding, W. (1963). Probability inequalities for sums of bounded random variables. JASA 58, 13-30.
Hajnal, A., Maass, W., Pudlák, P., Szegedy, M., & Turán, G. (1993). Threshold circuits of bounded depth. JCSS
46, 129-154.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import optimize, stats
from scipy.special import betaln, logsumexp

PERMUTATIONS = 64
DRAWS = 64
"""Random orders of all seeds, and random lists by the weights of the linear program, that a search tries."""

MULTIPLES = 200
LARGEST_COUNTS = (10**4, 10**6, 10**8)
"""A solution of the linear program is rounded to counts before it is checked in integers: with 1, 2, ..., 200
for its smallest weight, then with these for its largest."""

ROUNDING = 1e-9
"""Within which a union bound that is 1 counts as 1."""

NO_MAJORITY = -1


@dataclass(frozen=True)
class Seeds:
    """A list of seeds, repeated ones included, whose strict majority is right on every input of a table.

    `search` names the search that found it. It is the shortest found, not the shortest there is.
    """

    seeds: tuple[int, ...]
    search: str


@dataclass(frozen=True)
class Qualifying:
    """How many of `inputs` are answered rightly with probability above 1/2, from finitely many seeds.

    `above` and `below` are those for which an exact binomial test shows the probability to be above and
    below 1/2, each by itself at the level asked for; `open` are the others. `observed` are those whose share
    of right answers is above 1/2.
    """

    inputs: int
    observed: int
    above: int
    below: int
    open: int


@dataclass(frozen=True)
class Histogram:
    """Numbers of inputs by their share of right seeds; none, all, and one half are told apart exactly."""

    counts: dict[str, int]


# How many copies


def log_inputs(length: int, *, alphabet: int = 2) -> float:
    """The natural logarithm of the number of inputs of `length` tokens.

    >>> round(log_inputs(10), 3)
    6.931
    """
    if length < 0 or alphabet < 1:
        raise ValueError(
            f"log_inputs: length={length}, alphabet={alphabet}: allowed are 0 and 1 or more; e.g. length=32"
        )
    return length * math.log(alphabet)


def majority_bound(copies: int, p: float) -> float:
    """Hoeffding's bound on the probability that the strict majority of `copies` is wrong.

    >>> round(majority_bound(100, 0.6), 4)
    0.1353
    """
    _check("majority_bound", p, copies=copies)
    return math.exp(-2 * copies * (p - 0.5) ** 2)


def majority_error(copies: int, p: float) -> float:
    """The probability that the strict majority of `copies` is wrong: P(Binomial(copies, p) <= copies / 2).

    >>> round(majority_error(3, 0.75), 6)
    0.15625
    """
    _check("majority_error", p, copies=copies)
    return math.exp(_log_tail(copies, p))


def copies_by_hoeffding(inputs_log: float, p: float) -> int:
    """The least k above `inputs_log` / (2 (p - 1/2)^2), so that the union bound closes by Hoeffding's.

    `inputs_log` is the natural logarithm of the number of inputs, see `log_inputs`.

    >>> copies_by_hoeffding(log_inputs(32), 0.75)
    178
    """
    _check("copies_by_hoeffding", p, inputs_log=inputs_log)
    return math.floor(inputs_log / (2 * (p - 0.5) ** 2)) + 1


def copies_exact(inputs_log: float, p: float) -> int:
    """The least odd k with P(Binomial(k, p) <= k/2) times the number of inputs below 1.

    The tail is summed in logarithms, so any number of inputs will do. A product within 1e-9 of 1 counts as 1,
    which is not enough.

    >>> copies_exact(log_inputs(32), 0.75)
    135
    """
    _check("copies_exact", p, inputs_log=inputs_log)

    def enough(half: int) -> bool:
        return _log_tail(2 * half + 1, p) + inputs_log < -ROUNDING

    # More copies err less often, and Hoeffding's number, made odd, is enough.
    least, most = -1, (copies_by_hoeffding(inputs_log, p) + 1) // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return 2 * most + 1


def _log_tail(copies: int, p: float) -> float:
    """log P(Binomial(copies, p) <= copies / 2), from its largest term down."""
    if p == 1:
        return -math.inf
    top = copies // 2
    log_odds = math.log(p) - math.log1p(-p)
    # Each term is at most (1 - p) / p of the one above it: beyond these all are below rounding.
    terms = min(top, math.ceil(45 / log_odds)) if log_odds > 0 else top
    ones = np.arange(top, top - terms, -1)
    ratios = np.cumsum(np.log(ones) - np.log(copies - ones + 1) - log_odds)
    largest = -math.log(copies + 1) - betaln(top + 1, copies - top + 1)
    largest += top * math.log(p) + (copies - top) * math.log1p(-p)
    return float(min(largest + logsumexp(np.concatenate([[0.0], ratios])), 0.0))


# A table of answers


def right_answers(
    answers: Int[np.ndarray, "inputs seeds"], truth: Int[np.ndarray, " inputs"]
) -> Bool[np.ndarray, "inputs seeds"]:
    """Which seeds are right on which inputs: the table that everything below is about.

    A strict majority of answers is right exactly where more than half of them are, so the table is enough.
    """
    return answers == truth[:, None]


def majority(answers: Int[np.ndarray, "inputs seeds"], seeds: tuple[int, ...]) -> Int[np.ndarray, " inputs"]:
    """The answer that more than half of the list `seeds` gives to each input, -1 where none has so many.

    Answers are 0 or more.

    >>> majority(np.array([[3, 3, 5], [1, 2, 3]]), (0, 1, 2)).tolist()
    [3, -1]
    """
    if not seeds or answers.min(initial=0) < 0:
        raise ValueError("majority: needs at least one seed, and answers of 0 or more; e.g. seeds=(0, 1, 2)")
    votes = np.sort(answers[:, list(seeds)], axis=-1)
    # If more than half of a sorted row is one answer, the middle one is.
    middle = votes[:, len(seeds) // 2]
    count = (votes == middle[:, None]).sum(-1)
    return np.where(2 * count > len(seeds), middle, NO_MAJORITY)


def success(right: Bool[np.ndarray, "inputs seeds"]) -> Float[np.ndarray, " inputs"]:
    """The share of seeds that are right on each input."""
    _check_table("success", right)
    return right.mean(-1)


def histogram(right: Bool[np.ndarray, "inputs seeds"]) -> Histogram:
    """Inputs by the share of seeds that are right on them; those above 1/2 qualify for the theorem.

    >>> histogram(np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)).counts["1/4 to 1/2"]
    1
    """
    _check_table("histogram", right)
    count, seeds = right.sum(-1), right.shape[1]
    bins = np.select(
        [count == 0, 4 * count <= seeds, 2 * count <= seeds, 4 * count <= 3 * seeds, count < seeds],
        range(5),
        default=5,
    )
    names = ("none", "above none, to 1/4", "1/4 to 1/2", "above 1/2, to 3/4", "above 3/4", "all")
    return Histogram(dict(zip(names, np.bincount(bins, minlength=6).tolist(), strict=True)))


def qualifying(right: Bool[np.ndarray, "inputs seeds"], *, confidence: float = 0.95) -> Qualifying:
    """How many inputs meet the condition of the theorem, probability above 1/2, where seeds are a sample.

    Each input is tested by itself, one-sided on either side at `confidence`: of inputs at exactly 1/2 up to
    5 % are shown to be above. Where the seeds are all there are, `observed` is exact.

    >>> qualifying(np.array([[1] * 9 + [0], [1, 0] * 5], bool))
    Qualifying(inputs=2, observed=1, above=1, below=0, open=1)
    """
    _check_table("qualifying", right)
    count, seeds = right.sum(-1), right.shape[1]
    above = stats.binom.sf(count - 1, seeds, 0.5) <= 1 - confidence
    below = stats.binom.cdf(count, seeds, 0.5) <= 1 - confidence
    return Qualifying(
        inputs=len(right),
        observed=int((2 * count > seeds).sum()),
        above=int(above.sum()),
        below=int(below.sum()),
        open=int((~above & ~below).sum()),
    )


def decides_every_input(right: Bool[np.ndarray, "inputs seeds"], seeds: tuple[int, ...]) -> bool:
    """Whether more than half of the list `seeds` is right on each input: the check of any list.

    >>> decides_every_input(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool), (0, 1, 2))
    True
    """
    _check_table("decides_every_input", right)
    if wrong := [each for each in seeds if not 0 <= each < right.shape[1]]:
        raise ValueError(
            f"decides_every_input: seeds={wrong}: must be from 0 to {right.shape[1] - 1}; e.g. seeds=(0,)"
        )
    return len(seeds) > 0 and bool((2 * right[:, list(seeds)].sum(-1) > len(seeds)).all())


# Searches


def find_seeds(right: Bool[np.ndarray, "inputs seeds"], *, seed: int) -> Seeds | None:
    """The shortest list of seeds found whose strict majority is right on every input; None if none is found.

    `seed` is that of the searches' own random choices:

    - "permutations": the first k seeds of each of 64 random orders, for every odd k;
    - "greedy": one seed after the other, repeated ones allowed, each the one that lowers most the sum over
      inputs of exp(-rate (right - wrong votes)), for several rates;
    - "weights": lists drawn by, and rounded from, the weights of the linear program.

    Odd lengths suffice: a list of even length still decides after any one seed is dropped. None is no proof
    that there is no list; `impossible` is.

    >>> find_seeds(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool), seed=0).seeds
    (0, 1, 2)
    """
    _check_table("find_seeds", right)
    found = [
        Seeds(tuple(sorted(seeds)), name)
        for name, search in SEARCHES.items()
        for seeds in search(right, np.random.default_rng(seed))
        if decides_every_input(right, seeds)
    ]
    return min(found, key=lambda each: len(each.seeds), default=None)


def _first(right: np.ndarray, order: np.ndarray) -> list[tuple[int, ...]]:
    """The shortest odd beginning of `order` that decides every input, if there is one."""
    votes = np.cumsum(right[:, order], axis=-1)[:, ::2]
    good = (2 * votes > np.arange(1, len(order) + 1, 2)).all(0)
    return [tuple(order[: 2 * int(good.argmax()) + 1].tolist())] if good.any() else []


def _permutations(right: np.ndarray, rng: np.random.Generator) -> list[tuple[int, ...]]:
    return [found for _ in range(PERMUTATIONS) for found in _first(right, rng.permutation(right.shape[1]))]


def _greedy(right: np.ndarray, rng: np.random.Generator) -> list[tuple[int, ...]]:
    signs = np.where(right, 1.0, -1.0)
    lists = []
    for rate in (0.05, 0.1, 0.2, 0.5, 1.0):
        margin, order = np.zeros(len(right)), []
        for _ in range(right.shape[1]):
            weight = np.exp(-rate * (margin - margin.min()))
            order.append(int((weight @ signs).argmax()))
            margin += signs[:, order[-1]]
        lists += _first(right, np.array(order))
    return lists


def _weights(right: np.ndarray, rng: np.random.Generator) -> list[tuple[int, ...]]:
    weights, _ = _minimax(right)
    lists = []
    exact = weighted_majority(right)
    if exact is not None and exact.sum() <= right.size:  # a longer list is a proof and of no other use
        repeated = tuple(np.repeat(np.arange(len(exact)), exact).tolist())
        lists.append(repeated[: (len(repeated) - 1) // 2 * 2 + 1])
    length = right.shape[1] | 1
    for _ in range(DRAWS):
        lists += _first(right, rng.choice(right.shape[1], size=length, p=weights))
    return lists


SEARCHES: dict[str, Callable[[np.ndarray, np.random.Generator], list[tuple[int, ...]]]] = {
    "permutations": _permutations,
    "greedy": _greedy,
    "weights": _weights,
}
"""Every search, by name: lists worth checking."""


# Exact answers


def weighted_majority(right: Bool[np.ndarray, "inputs seeds"]) -> Int[np.ndarray, " seeds"] | None:
    """How often to take each seed so that the strict majority is right on every input; None if never found.

    From the linear program: maximise, over weights on the seeds, the least weight of right seeds over all
    inputs. A list exists if and only if that is above 1/2. The weights are rounded to fractions and checked
    in integers, so what is returned is a proof.

    >>> weighted_majority(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], bool)).tolist()
    [1, 1, 1]
    """
    _check_table("weighted_majority", right)
    weights, _ = _minimax(right)
    table = right.astype(np.int64)
    return _rounded(weights, lambda counts: bool((2 * (table @ counts) > counts.sum()).all()))


def impossible(right: Bool[np.ndarray, "inputs seeds"]) -> Int[np.ndarray, " inputs"] | None:
    """Weights on the inputs under which no seed is right on more than half: no list decides every input.

    Why that is a proof: averaged over inputs with these weights, any list has at most half of its votes
    right, so on some input it has at most half. By duality such weights exist whenever no list does. They
    are checked in integers. None where there is none: then `weighted_majority` has a list. Both return None
    only if the program's value is so close to 1/2 that no fraction tried settles it.

    >>> impossible(np.array([[1, 0], [0, 1]], bool)).tolist()
    [1, 1]
    """
    _check_table("impossible", right)
    _, weights = _minimax(right)
    table = right.astype(np.int64)
    return _rounded(weights, lambda counts: bool((2 * (counts @ table) <= counts.sum()).all()))


def _minimax(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The optimal weights on seeds and on inputs of the game in which a right seed wins 1."""
    inputs, seeds = right.shape
    value = np.zeros(seeds + 1)
    value[-1] = -1
    found = optimize.linprog(
        value,
        A_ub=np.column_stack([-right.astype(float), np.ones(inputs)]),
        b_ub=np.zeros(inputs),
        A_eq=np.append(np.ones(seeds), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * seeds + [(None, None)],
        method="highs",
    )
    if found.x is None:
        raise RuntimeError(f"the linear program of {inputs} inputs and {seeds} seeds failed: {found.message}")
    on_seeds, on_inputs = np.clip(found.x[:-1], 0, None), np.clip(-found.ineqlin.marginals, 0, None)
    return on_seeds / on_seeds.sum(), on_inputs / on_inputs.sum()


def _rounded(weights: np.ndarray, holds: Callable[[np.ndarray], bool]) -> np.ndarray | None:
    """The weights as counts of a small total that satisfy `holds`, if some rounding does."""
    smallest = weights[weights > 1e-9].min()
    scales = [multiple / smallest for multiple in range(1, MULTIPLES + 1)]
    scales += [largest / weights.max() for largest in LARGEST_COUNTS]
    for scale in scales:
        counts = np.rint(weights * min(scale, LARGEST_COUNTS[-1])).astype(np.int64)
        if counts.any() and holds(counts):
            return counts // np.gcd.reduce(counts)
    return None


def _check(what: str, p: float, copies: int = 1, inputs_log: float = 0.0) -> None:
    faults = [] if 0.5 < p <= 1 else [f"p={p}: must be above 1/2 and at most 1; e.g. p=0.75"]
    faults += [] if copies >= 1 else [f"copies={copies}: must be at least 1; e.g. copies=15"]
    if not 0 <= inputs_log < math.inf:
        faults.append(f"inputs_log={inputs_log}: must be 0 or more; e.g. inputs_log=log_inputs(32)")
    if faults:
        raise ValueError(f"{what}: {'; '.join(faults)}")


def _check_table(what: str, right: np.ndarray) -> None:
    if not right.size:
        raise ValueError(
            f"{what}: a table of {right.shape[0]} inputs and {right.shape[1]} seeds; must have at least one "
            "of each, e.g. np.ones((4, 3), bool)"
        )
