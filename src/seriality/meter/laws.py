"""How a span grows: the law behind exact values at several lengths.

A law is named only if it passes through every value exactly and has more values than coefficients, so that
at least one value tests it. Nothing is fitted. Small lengths at which the law does not hold yet (a loop that
has not started, a maximum of two chains) are left out and the range says so.

What it does not do: growth is a statement about the measured range. No complexity class follows from
finitely many lengths.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from numbers import Integral
from typing import Literal

Law = Literal["constant", "logarithmic", "polylogarithmic", "linear", "quadratic", "unnamed"]


@dataclass(frozen=True)
class Growth:
    """A law and the range of lengths, `first` to `last`, on which it is exact.

    `parallel` is True for laws up to polylogarithmic, False for linear and faster, None for no law.
    `formula` is the span in terms of the length n. `spans` are all the values given, by length.
    """

    law: Law
    formula: str
    first: int
    last: int
    parallel: bool | None
    spans: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return f"{self.law}: {self.formula}, from n = {self.first} to {self.last}"


@dataclass(frozen=True)
class _Family:
    """Polynomials of one degree in one measure of the length."""

    law: Law
    degree: int
    measure: Callable[[int], int]
    symbol: str
    parallel: bool


def _ceiling(n: int) -> int:
    return (n - 1).bit_length()


def _floor(n: int) -> int:
    return n.bit_length() - 1


def _families(powers_of_two: bool) -> tuple[_Family, ...]:
    ceiling, floor = ("log2 n", "log2 n") if powers_of_two else ("⌈log2 n⌉", "⌊log2 n⌋")
    return (
        _Family("constant", 0, int, "n", True),
        _Family("logarithmic", 1, _ceiling, ceiling, True),
        _Family("logarithmic", 1, _floor, floor, True),
        _Family("polylogarithmic", 2, _ceiling, ceiling, True),
        _Family("polylogarithmic", 2, _floor, floor, True),
        _Family("linear", 1, int, "n", False),
        _Family("quadratic", 2, int, "n", False),
    )


def growth(spans: Mapping[int, int] | Iterable[tuple[int, int]]) -> Growth:
    """The law of spans measured at three lengths or more; a geometric grid tells laws apart best.

    Raises TypeError for spans that are not whole numbers by length; ValueError for fewer than three lengths,
    a length below 1, or two spans for one length.

    >>> print(growth({16: 97, 32: 193, 64: 385, 128: 769}))
    linear: 6n + 1, from n = 16 to 128
    >>> print(growth({16: 25, 32: 29, 64: 33, 128: 37}))
    logarithmic: 4 log2 n + 9, from n = 16 to 128
    """
    given: list[tuple[int, int]] = list(spans.items() if isinstance(spans, Mapping) else spans)  # type: ignore
    if any(not isinstance(each, tuple) or not all(isinstance(n, Integral) for n in each) for each in given):
        raise TypeError(
            f"{given[:1]}: spans are whole numbers by length: "
            "growth({n: measure(fn, shape(n)).span for n in (16, 32, 64, 128)})"
        )
    pairs = sorted({(int(n), int(span)) for n, span in given})
    lengths = [n for n, _ in pairs]
    if len(set(lengths)) != len(lengths):
        twice = sorted({n for n in lengths if lengths.count(n) > 1})
        raise ValueError(f"two spans for the same length {twice}; give one each")
    if len(lengths) < 3 or lengths[0] < 1:
        raise ValueError(
            f"lengths {lengths}; a law needs at least 3, each 1 or more: "
            "growth({n: measure(fn, shape(n)).span for n in (16, 32, 64, 128)})"
        )
    powers_of_two = all(n & (n - 1) == 0 for n in lengths)
    for start in range(len(pairs) - 2):
        found: dict[Law, tuple[_Family, str]] = {}
        for family in _families(powers_of_two):
            coefficients = _exact(family, pairs[start:])
            if coefficients is not None:
                found.setdefault(family.law, (family, _text(coefficients, family.symbol)))
        if len(found) == 1:
            ((family, formula),) = found.values()
            return Growth(family.law, formula, lengths[start], lengths[-1], family.parallel, tuple(pairs))
        if found:
            either = " or ".join(formula for _, formula in found.values())
            return Growth("unnamed", either, lengths[start], lengths[-1], None, tuple(pairs))
    untested = "" if len(pairs) > 3 else "; some laws need a fourth length"
    return Growth("unnamed", f"no exact law{untested}", lengths[0], lengths[-1], None, tuple(pairs))


def _exact(family: _Family, pairs: list[tuple[int, int]]) -> list[Fraction] | None:
    """Coefficients, constant first, of the polynomial through all pairs, a pair being left to test it.

    Newton's divided differences on the distinct values of the measure: the degree is exact when all higher
    differences vanish. Equal measures must have equal spans.
    """
    table = {family.measure(n): span for n, span in pairs}
    if any(table[family.measure(n)] != span for n, span in pairs) or len(pairs) < max(3, family.degree + 2):
        return None
    if family.degree and len(table) < family.degree + 2:
        return None
    places = list(table)
    differences = [Fraction(span) for span in table.values()]
    newton = [differences[0]]
    for order in range(1, len(places)):
        differences = [
            (right - left) / (places[i + order] - places[i])
            for i, (left, right) in enumerate(pairwise(differences))
        ]
        newton.append(differences[0])
    if any(newton[family.degree + 1 :]) or (family.degree and newton[family.degree] <= 0):
        return None
    coefficients = [Fraction(0)]
    for place, difference in reversed(list(zip(places, newton[: family.degree + 1], strict=False))):
        shifted = [Fraction(0), *coefficients]  # coefficients · (x − place) + difference
        coefficients = [high - place * low for high, low in zip(shifted, [*coefficients, 0], strict=True)]
        coefficients[0] += difference
    return coefficients[: family.degree + 1]


def _text(coefficients: list[Fraction], symbol: str) -> str:
    """The polynomial as people write it: `3n² - 2n + 1`, `1/2 log2 n + 4`."""
    text = ""
    for power, coefficient in reversed(list(enumerate(coefficients))):
        if not coefficient and len(coefficients) > 1:
            continue
        size = str(abs(coefficient))
        if power:
            name = symbol if power == 1 else f"{symbol}²" if symbol == "n" else f"({symbol})²"
            gap = "" if symbol == "n" and coefficient.denominator == 1 else " "
            size = name if abs(coefficient) == 1 else f"{size}{gap}{name}"
        sign = "-" if coefficient < 0 else "+"
        text += f" {sign} {size}" if text else size if coefficient >= 0 else f"-{size}"
    return text
