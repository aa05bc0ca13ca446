"""Finite monoids as multiplication tables.

`table[a][b]` is the product a·b, read from left to right: a state a that meets the letter b becomes a·b. For
permutations a·b is "first a, then b".

What a monoid is decides what its words cost. Barrington (1989) and Barrington & Thérien (1988): if some
group inside it is not solvable (S5, A5) its word problem is complete for NC1 under AC0 reductions; if all
are solvable (A4×Z5, Z60, parity) it is in ACC0, hence in TC0; if all are trivial (reset, registers) it is in
AC0. A table says nothing of how hard the words are to learn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations
from operator import index

import numpy as np

from .base import SPECIAL, refuse


@dataclass(frozen=True)
class Monoid:
    """A finite monoid: its table, its generators and the names of its elements 0..k-1.

    Words draw their letters from the generators as listed: one that is listed twice is twice as likely.
    Raises a ValueError that lists every fault: a table that is not closed, not associative (with a witness)
    or without identity; generators that do not generate; names that do not fit.
    """

    name: str
    table: tuple[tuple[int, ...], ...]
    generators: tuple[int, ...]
    elements: tuple[str, ...]

    def __post_init__(self) -> None:
        faults = _table_faults(self.table) or _generator_faults(self.table, self.generators)
        if len(self.elements) != len(self.table) or len(set(self.elements)) != len(self.elements):
            faults.append(
                f"elements: {len(set(self.elements))} different names, but the table has "
                f"{len(self.table)} rows; give one name each"
            )
        spaced = [each for each in self.elements if not isinstance(each, str) or each.split() != [each]]
        if spaced:
            faults.append(f"elements: {spaced[0]!r} is not one word; give names without spaces")
        taken = [each for each in self.elements if each in SPECIAL]
        if taken:
            faults.append(f"elements: {taken[0]!r} is the name of a token of every task; give another")
        refuse(f"Monoid {self.name!r}", faults)

    @property
    def size(self) -> int:
        """The number of elements."""
        return len(self.table)

    @property
    def description(self) -> tuple[str, ...]:
        """What the product is, in plain English, whole: a line each."""
        if self.name in PERMUTATIONS and self == MONOIDS[self.name]():
            pair = self.name == "A4xZ5"
            last = PERMUTATIONS[self.name] - 1
            return (
                f"Each letter is {'p+z: ' if pair else ''}a permutation {'p ' if pair else ''}of the points "
                f"0 to {last}{' and a number z' if pair else ''}. Permutations are written in cycles: (012) "
                "takes 0 to 1, 1 to 2 and 2 to 0, and () moves nothing.",
                f"The product ab is: first a, then b.{' The numbers add up modulo 5.' if pair else ''}",
            )
        if self.name in REGISTERS and self == MONOIDS[self.name]():
            return REGISTERS[self.name]
        if self.is_addition and self.elements == tuple(map(str, range(self.size))):
            last = self.size - 1
            return (f"Each letter is a number from 0 to {last}; the product ab is a + b modulo {self.size}.",)
        names = self.elements
        return (
            f"The letters are elements of a monoid: {' '.join(names)}.",
            "Its table has a row for each a, with the products ab for every b in that order:",
            *(f"- {names[a]}: {' '.join(names[b] for b in self.table[a])}" for a in range(self.size)),
        )

    @cached_property
    def array(self) -> np.ndarray:
        """The table as an int32 array of shape [size, size]."""
        return _array(self.table)

    @cached_property
    def identity(self) -> int:
        """The element that changes nothing on either side."""
        return _identities(self.array)[0]

    @cached_property
    def is_addition(self) -> bool:
        """Whether the product is addition modulo `size`: a word costs one sum."""
        k = np.arange(self.size)
        return bool(np.array_equal(self.array, (k[:, None] + k) % self.size))

    @cached_property
    def registers(self) -> np.ndarray | None:
        """If this is a product of reset monoids, one a register, what each element writes into each of them,
        as an element (the identity where it writes nothing): shape [size, registers]. Else None.

        In a reset monoid all but the identity are right zeros (a·b = b). A product of them holds in each
        register the last that was written there. It is recognised by generators that write one register each.
        """
        return _registers(self.array, sorted({*self.generators} - {self.identity}), self.identity)

    @cached_property
    def is_solvable(self) -> bool:
        """Whether every group inside is solvable: then the word problem is in ACC0, else NC1-complete."""
        idempotents = np.flatnonzero(np.diagonal(self.array) == np.arange(self.size))
        return all(_is_solvable(self.array, _units(self.array, e), e) for e in idempotents.tolist())


def monoid(
    table: Sequence[Sequence[int]] | np.ndarray,
    generators: Sequence[int] | None = None,
    *,
    name: str = "user",
    elements: Sequence[str] | None = None,
) -> Monoid:
    """A monoid from any table, checked; generators default to all elements, names to their numbers.

    >>> monoid([[0, 1, 2], [1, 1, 2], [2, 1, 2]], name="reset").is_solvable
    True
    """
    try:
        rows = tuple(tuple(map(index, row)) for row in table)
        letters = tuple(range(len(rows)) if generators is None else map(index, generators))
    except TypeError as error:
        raise ValueError(
            f"Monoid {name!r}: {error}; a table is k rows of k integers, as in [[0, 1], [1, 0]]"
        ) from None
    return Monoid(
        name=name,
        table=rows,
        generators=letters,
        elements=tuple(str(i) for i in range(len(rows))) if elements is None else tuple(elements),
    )


PERMUTATIONS = {"S5": 5, "A5": 5, "A4xZ5": 4}
"""The built-in monoids whose elements are named by their cycles, and how many points those permute."""

REGISTERS = {
    "reset": (
        "A register holds a bit. Letters act on it: set0 writes 0, set1 writes 1, hold leaves it as it is.",
        "The product of letters is the one letter that does what they do, one after the other.",
    ),
    "registers": (
        "Two registers, a and b, hold a bit each. Letters act on them: a0 writes 0 to a, b1 writes 1 to b, "
        "a1b0 writes 1 to a and 0 to b, and so on; hold leaves both as they are.",
        "The product of letters is the one letter that does what they do, one after the other.",
    ),
}
"""The built-in monoids whose elements write registers, described."""

FEW = 16
"""Generators of a table that are looked for."""


# ---- checks -----------------------------------------------------------------------------------------------


def _array(table: Sequence[Sequence[int]]) -> np.ndarray:
    array = np.array(table, dtype=np.int32)
    array.setflags(write=False)
    return array


def _identities(table: np.ndarray) -> list[int]:
    k = np.arange(len(table))
    return np.flatnonzero(np.all(table == k, axis=1) & np.all(table == k[:, None], axis=0)).tolist()


def _associativity_witness(table: np.ndarray) -> tuple[int, int, int] | None:
    """Light's test: the b with (a·b)·c = a·(b·c) for all a, c are closed, so some that generate suffice."""
    for b in _generating(table):
        wrong = np.argwhere(table[table[:, b]] != np.take(table, table[b], axis=1))
        if len(wrong):
            return int(wrong[0, 0]), b, int(wrong[0, 1])
    return None


def _generating(table: np.ndarray) -> list[int]:
    """Elements that generate all: few if the first few do, else these and whatever they do not reach."""
    chosen, missing = [], np.arange(len(table))
    while len(missing) and len(chosen) < FEW:
        chosen.append(int(missing[0]))
        missing = np.setdiff1d(np.arange(len(table)), _closure(table, chosen))
    return [*chosen, *missing.tolist()]


def _table_faults(table: Sequence[Sequence[int]]) -> list[str]:
    k = len(table)
    if k == 0:
        return ["table: no rows; it must be square, k rows of k"]
    for a, row in enumerate(table):
        if len(row) != k:
            return [f"table: {k} rows, but row {a} has {len(row)} entries; it must be square, k rows of k"]
        if min(row) < 0 or max(row) >= k:
            b, product = next((b, product) for b, product in enumerate(row) if not 0 <= product < k)
            return [f"not closed: {a}·{b} = {product}; entries must lie in 0..{k - 1}"]
    array, faults = _array(table), []
    witness = _associativity_witness(array)
    if witness is not None:
        a, b, c = witness
        left, right = array[array[a, b], c], array[a, array[b, c]]
        faults.append(f"not associative: ({a}·{b})·{c} = {left} but {a}·({b}·{c}) = {right}")
    if not _identities(array):
        faults.append("no identity: no e has e·a = a·e = a for all a; add one as a new row and column")
    return faults


def _generator_faults(table: Sequence[Sequence[int]], generators: Sequence[int]) -> list[str]:
    k = len(table)
    outside = [g for g in generators if not 0 <= g < k]
    if outside:
        return [f"generators={tuple(generators)}: must be elements of 0..{k - 1}"]
    array = _array(table)
    missing = np.setdiff1d(np.arange(k), _closure(array, [*generators, *_identities(array)]))
    faults = []
    if len(missing):
        faults.append(f"generators={tuple(generators)}: no product of them is {missing[0]}; add it")
    if len(set(generators)) < min(k, 2):
        faults.append(
            f"generators={tuple(generators)}: with fewer than two letters, all words of one length have one "
            f"product; add the identity {_identities(array)[0]} as a letter"
        )
    return faults


def _closure(table: np.ndarray, members: Sequence[int] | np.ndarray) -> np.ndarray:
    inside = np.zeros(len(table), bool)
    inside[np.asarray(members, dtype=np.int32)] = True
    while True:
        found = np.flatnonzero(inside)
        inside[table[np.ix_(found, found)]] = True
        if inside.sum() == len(found):
            return found


def _units(table: np.ndarray, e: int) -> np.ndarray:
    """The largest group whose identity is the idempotent e."""
    local = np.unique(table[table[e], e])
    products = table[np.ix_(local, local)]
    return local[np.any(products == e, axis=1)]  # right inverses are two-sided: the monoid is finite


def _registers(table: np.ndarray, letters: list[int], e: int) -> np.ndarray | None:
    """See `Monoid.registers`. Two letters write the same register if each overwrites the other."""
    overwrites = table[np.ix_(letters, letters)] == letters
    register = np.argmax(overwrites, axis=0) if letters else np.zeros(0, int)
    _, register = np.unique(register, return_inverse=True)
    if not np.array_equal(overwrites, register[:, None] == register):
        return None
    writes = np.full((len(table), register.max(initial=-1) + 1), e)
    found = [e]
    for element in found:  # grows while it is read
        for letter, place in zip(letters, register.tolist(), strict=True):
            product = int(table[element, letter])
            if product not in found:
                writes[product] = writes[element]
                writes[product, place] = letter
                found.append(product)
    holds = np.where(writes == e, writes[:, None], writes)  # [a, b, register]: what a·b must hold
    told_apart = len(np.unique(writes, axis=0)) == len(table)
    return writes if told_apart and np.array_equal(writes[table], holds) else None


def _is_solvable(table: np.ndarray, group: np.ndarray, e: int) -> bool:
    """Whether the derived series of a group ends at {e}."""
    while len(group) > 1:
        inverse = np.zeros(len(table), dtype=np.int32)
        inverse[group] = group[np.argmax(table[np.ix_(group, group)] == e, axis=1)]
        back = table[np.ix_(inverse[group], inverse[group])]
        derived = _closure(table, table[back, table[np.ix_(group, group)]])
        if len(derived) == len(group):
            return False
        group = derived
    return True


# ---- built-ins --------------------------------------------------------------------------------------------


def cycle_notation(permutation: Sequence[int]) -> str:
    """Disjoint cycles, fixed points left out; the identity is ().

    >>> cycle_notation((1, 0, 2, 4, 3))
    '(01)(34)'
    """
    seen, text = set(), ""
    for start in range(len(permutation)):
        cycle = []
        while start not in seen:
            seen.add(start)
            cycle.append(start)
            start = permutation[start]
        if len(cycle) > 1:
            text += f"({''.join(map(str, cycle))})"
    return text or "()"


def _is_even(permutation: Sequence[int]) -> bool:
    n = len(permutation)
    return sum(permutation[i] > permutation[j] for i in range(n) for j in range(i + 1, n)) % 2 == 0


def _permutation_table(members: list[tuple[int, ...]]) -> np.ndarray:
    arrays, base = np.array(members), len(members[0])
    place = base ** np.arange(base)
    rank = np.zeros(base**base, dtype=np.int32)
    rank[arrays @ place] = np.arange(len(members))
    composed = np.stack([arrays[:, a] for a in arrays])  # [a, b, x] = b[a[x]]: first a, then b
    return rank[composed @ place]


def _permutations(name: str, members: list[tuple[int, ...]], *generators: tuple[int, ...]) -> Monoid:
    return monoid(
        _permutation_table(members),
        [members.index(g) for g in generators],
        name=name,
        elements=[cycle_notation(p) for p in members],
    )


def _s5() -> Monoid:
    return _permutations("S5", list(permutations(range(5))), (1, 0, 2, 3, 4), (1, 2, 3, 4, 0))


def _a5() -> Monoid:
    even = [p for p in permutations(range(5)) if _is_even(p)]
    return _permutations("A5", even, (1, 2, 0, 3, 4), (1, 2, 3, 4, 0))


def _a4_times_z5() -> Monoid:
    a4 = [p for p in permutations(range(4)) if _is_even(p)]
    first, second = np.divmod(np.arange(60), 5)
    table = _permutation_table(a4)[np.ix_(first, first)] * 5 + (second[:, None] + second) % 5
    generators = [a4.index((1, 2, 0, 3)) * 5 + 1, a4.index((1, 0, 3, 2)) * 5]
    elements = [f"{cycle_notation(p)}+{z}" for p in a4 for z in range(5)]
    return monoid(table, generators, name="A4xZ5", elements=elements)


def _cyclic(name: str, size: int, *generators: int) -> Monoid:
    k = np.arange(size)
    return monoid((k[:, None] + k) % size, generators, name=name)


def _reset() -> Monoid:
    table = [[0, 1, 2], [1, 1, 2], [2, 1, 2]]
    return monoid(table, [0] * 14 + [1, 2], name="reset", elements=["hold", "set0", "set1"])


def _two_registers() -> Monoid:
    """Two registers of one bit: a letter writes one of them or holds."""
    first, second = np.divmod(np.arange(9), 3)
    reset = np.array([[0, 1, 2], [1, 1, 2], [2, 1, 2]])
    table = 3 * reset[np.ix_(first, first)] + reset[np.ix_(second, second)]
    names = [f"{a}{b}" for a in ("", "a0", "a1") for b in ("", "b0", "b1")]
    return monoid(table, [0, 1, 2, 3, 6], name="registers", elements=["hold", *names[1:]])


MONOIDS: dict[str, Callable[[], Monoid]] = {
    "S5": cache(_s5),
    "A5": cache(_a5),
    "A4xZ5": cache(_a4_times_z5),
    "Z60": cache(lambda: _cyclic("Z60", 60, 0, 12, 15, 20)),
    "parity": cache(lambda: _cyclic("parity", 2, 0, 1)),
    "reset": cache(_reset),
    "registers": cache(_two_registers),
}
"""The built-in monoids, each built when first called for.

Generators: S5 (01) and (01234); A5 (012) and (01234); A4xZ5 (012)+1 and (01)(23)+0; reset all three, of 16
letters 14 hold; registers hold, a0, a1, b0, b1. In an abelian group the product of a word depends on the
counts of its letters alone, and with one letter on its length alone: parity has 0 and 1, and Z60 has 0 and
12, 15, 20, the generators of its parts of order 5, 4, 3.
"""
