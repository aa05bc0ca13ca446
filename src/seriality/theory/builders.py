"""Textbook circuits, each with the depth the textbook promises.

Functions of a `Builder` and wires that return wires, so they compose; numbers are wires, the lowest bit
first. Depths count every gate, NOT too (`circuits`); where negations are free they are one or two less.

| function | gates | depth | source |
|---|---|---|---|
| `symmetric`, `parity` | MAJORITY, NOT | 3 | Hajnal et al. 1993 |
| `parity_by_blocks` | AND, OR, NOT | 3 for each level, size exponential in n^(1/levels) | Hastad 1986 |
| `add` (carry-lookahead) | AND, OR, NOT | 6 | Vollmer 1999, section 1.1 |
| `add_in_turn` (ripple carry) | AND, OR, NOT | 2 n + 4 | |
| `iterated_addition` | all | 9 | block-save addition, Siu et al. 1993 |
| `word_product` | AND, OR | 2 ceil(log2 n) | Appendix E of Liu et al. 2025 |

That parity is not in AC0 and is in TC0, and that a word over S5 is not known to be in TC0, is why the first
rows have constant depth and the last has not. None of them is the smallest known.
"""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from jaxtyping import Int

from .circuits import ZERO, Builder

Wires = Sequence[int]
"""Wires of a number, the lowest bit first, or of a row of bits."""


def symmetric(
    build: Builder, wires: Wires, holds: Callable[[int], bool], *, weights: Wires | None = None
) -> int:
    """Whether `holds` of the sum of the wires, each counted `weights` times: depth 3 at most.

    The sum s is in the set if it has passed one more of the points where the set begins than of those where
    it ends: more than half of [s >= begin] and NOT [s >= end], with a constant where it is needed.

    >>> build = Builder(4)
    >>> circuit = build.circuit([symmetric(build, build.inputs, lambda ones: ones == 2)])
    >>> circuit.depth, circuit(np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)).tolist()
    (3, [[True], [False]])
    """
    weights = [1] * len(wires) if weights is None else weights
    repeated = [wire for wire, weight in zip(wires, weights, strict=True) for _ in range(weight)]
    inside = [False, *(bool(holds(total)) for total in range(len(repeated) + 1))]
    turns = [total for total in range(len(repeated) + 1) if inside[total] != inside[total + 1]]
    begins = [build.at_least(total, repeated) for total in turns[::2]]
    ends = [build.negate(build.at_least(total, repeated)) for total in turns[1::2]]
    if len(turns) < 2:
        return begins[0] if begins else ZERO
    return build.at_least(len(ends) + 1, begins + ends)


def parity(build: Builder, wires: Wires) -> int:
    """Whether an odd number of wires is 1: depth 3, n + n / 2 + 1 gates for even n.

    >>> build = Builder(64)
    >>> circuit = build.circuit([parity(build, build.inputs)])
    >>> circuit.depth, circuit.size
    (3, 97)
    """
    return symmetric(build, wires, lambda ones: ones % 2 == 1)


def parity_by_blocks(build: Builder, wires: Wires, levels: int) -> int:
    """The same without MAJORITY: `levels` levels of parities of n^(1/levels) wires, each an OR of ANDs.

    ValueError for fewer than one level.

    >>> build = Builder(9)
    >>> [build.circuit([parity_by_blocks(build, build.inputs, levels)]).size for levels in (1, 2)]
    [266, 32]
    """
    if levels < 1:
        raise ValueError(f"levels is {levels}, allowed is 1 or more, such as 2")
    wires = list(wires)
    for left in range(levels, 0, -1):
        fan = next(k for k in range(1, len(wires) + 1) if k**left >= len(wires)) if wires else 1
        wires = [_parity_of_few(build, wires[at : at + fan]) for at in range(0, len(wires), fan)]
    return wires[0] if wires else ZERO


def _parity_of_few(build: Builder, wires: Wires) -> int:
    """An OR over all odd rows of bits: every AND reads all wires, for no shorter one implies the parity."""
    if len(wires) == 1:
        return wires[0]
    either = [(build.negate(wire), wire) for wire in wires]
    rows = (row for row in product((0, 1), repeat=len(wires)) if sum(row) % 2)
    return build.any(build.all(pair[bit] for pair, bit in zip(either, row, strict=True)) for row in rows)


def add(build: Builder, left: Wires, right: Wires) -> list[int]:
    """The sum of two numbers of n bits, n + 1 bits, by carry-lookahead: constant depth, about n^2 / 2 gates.

    A carry into place i was generated at some place below and propagated ever since.

    >>> build = Builder(64)
    >>> circuit = build.circuit(add(build, build.inputs[:32], build.inputs[32:]))
    >>> circuit.depth
    6
    """
    both = [build.all(pair) for pair in zip(left, right, strict=True)]
    either = [build.any(pair) for pair in zip(left, right, strict=True)]
    one = [build.exclusive(*pair) for pair in zip(left, right, strict=True)]
    carries = [ZERO]
    for place in range(1, len(left) + 1):
        carries.append(
            build.any(build.all([both[start], *either[start + 1 : place]]) for start in range(place))
        )
    return [*(build.exclusive(*pair) for pair in zip(one, carries[:-1], strict=True)), carries[-1]]


def add_in_turn(build: Builder, left: Wires, right: Wires) -> list[int]:
    """The same sum with the carry handed on from place to place: linear depth, linear size."""
    carry, total = ZERO, []
    for a, b in zip(left, right, strict=True):
        one = build.exclusive(a, b)
        total.append(build.exclusive(one, carry))
        carry = build.any([build.all([a, b]), build.all([one, carry])])
    return [*total, carry]


def iterated_addition(build: Builder, numbers: Sequence[Wires]) -> list[int]:
    """The sum of m numbers of n bits each: constant depth, whatever m and n.

    Cut all numbers into blocks of b bits with 2^b >= m. The sums of the blocks have at most 2 b bits, so
    those of the even blocks do not overlap and are one number, those of the odd blocks another: two numbers
    are left, which `add` adds. A bit of a block's sum is a symmetric function of weighted bits, with a total
    weight below 2^2b <= 4 m^2.

    >>> build = Builder(24)
    >>> total = iterated_addition(build, [build.inputs[k::6] for k in range(6)])
    >>> circuit = build.circuit(total)
    >>> bits = np.ones((1, 24), bool)
    >>> int(circuit(bits)[0] @ 2 ** np.arange(len(total)))
    90
    """
    if not numbers or len({len(number) for number in numbers}) != 1:
        raise ValueError("numbers must be one or more of equally many bits")
    count, length = len(numbers), len(numbers[0])
    if count == 1:
        return list(numbers[0])
    block = (count - 1).bit_length()
    width = length + count.bit_length()
    rows = [[ZERO] * (width + 2 * block) for _ in range(2)]
    for turn, start in enumerate(range(0, length, block)):
        wires, weights = [], []
        for place in range(start, min(start + block, length)):
            wires += [number[place] for number in numbers]
            weights += [2 ** (place - start)] * count
        for bit in range(sum(weights).bit_length()):
            rows[turn % 2][start + bit] = symmetric(
                build, wires, lambda total, bit=bit: total >> bit & 1 == 1, weights=weights
            )
    return add(build, rows[0][:width], rows[1][:width])[:width]


def word_product(build: Builder, letters: Sequence[Sequence[Wires]]) -> list[list[int]]:
    """The product of n permutations, each a matrix of wires (row i has its one at the image of i), first
    letter applied first: a tree of depth 2 ceil(log2 n).

    >>> build = Builder(8 * 25)
    >>> letters = np.array(build.inputs).reshape(8, 5, 5).tolist()
    >>> circuit = build.circuit(wire for row in word_product(build, letters) for wire in row)
    >>> circuit.depth, circuit.size
    (6, 1050)
    """
    level = [[list(row) for row in letter] for letter in letters]
    if not level:
        raise ValueError("a word has at least one letter")
    while len(level) > 1:
        pairs = [_composed(build, level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _composed(build: Builder, first: Sequence[Wires], second: Sequence[Wires]) -> list[list[int]]:
    columns = list(zip(*second, strict=True))
    return [
        [build.any(build.all(pair) for pair in zip(row, column, strict=True)) for column in columns]
        for row in first
    ]


def permutation_bits(words: Int[np.ndarray, "batch length points"]) -> np.ndarray:
    """The inputs that `word_product` takes, for words whose letters list the image of every point."""
    points = words.shape[-1]
    return (words[..., None] == np.arange(points)).reshape(len(words), -1)
