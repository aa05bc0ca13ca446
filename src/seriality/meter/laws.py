"""How work and span grow: the law behind exact values at several sizes.

A law is named only if it passes through every value exactly and has more values than coefficients, so that
at least one value tests it. Nothing is fitted. Small sizes at which the law does not hold yet (a loop that
has not started, a maximum of two chains) are left out and the range says so.

What it does not do: growth is a statement about the measured range. No complexity class follows from
finitely many sizes; `Scaling.reading` says what would follow if the law held for ever, under the assumptions
that it names.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from typing import Any, Literal, cast, overload

from .measurement import Measurement
from .program import measure

Law = Literal[
    "constant",
    "logarithmic",
    "polylogarithmic",
    "linear",
    "linearithmic",
    "quadratic",
    "polynomial",
    "unnamed",
]
"""Of the leading term. quadratic is the polynomial of degree 2, polynomial one of degree 3 or 4."""

SIZES = (16, 32, 64, 128, 256, 512)
CONVENTION = (
    "growth takes a function of the size n that gives a function with its arguments, "
    "growth(lambda n: (fn, jax.ShapeDtypeStruct((n,), 'float32'))), or a Measurement"
)


@dataclass(frozen=True)
class Growth:
    """A law and the range of lengths, `first` to `last`, on which it is exact.

    `parallel` is True for laws up to polylogarithmic, False for linear and faster, None for no law.
    `formula` is the value in terms of the length n. `values` are all that were given, by length.
    """

    law: Law
    formula: str
    first: int
    last: int
    parallel: bool | None
    values: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        sizes = [str(n) for n, _ in self.values if n >= self.first]
        shown = sizes if len(sizes) <= 3 else [*sizes[:2], "…", sizes[-1]]
        return f"{self.law}: {self.formula}, at n = {', '.join(shown)}"


@dataclass(frozen=True)
class Scaling:
    """How a program grows: its work, its span as written, and its span after every known shortcut.

    `span_reassociated` is None where loops cannot be seen. `degree` is what the growth of the formal degree
    tells, which needs no loop: "shortcut" if it is at most logarithmic in the degree's logarithm, "serial" if
    linear.
    """

    work: Growth
    span: Growth
    span_reassociated: Growth | None
    degree: Literal["shortcut", "serial", "unknown"]
    measurements: tuple[tuple[int, Measurement], ...]

    @property
    def disagrees(self) -> bool:
        """Whether the formal degree suggests a shortcut that the loops do not show, or the reverse."""
        best = self.span_reassociated or self.span
        if best.parallel is None or self.degree == "unknown":
            return False
        return best.parallel != (self.degree == "shortcut")

    @property
    def reading(self) -> str:
        """The law in terms of complexity, an interpretation and no measurement.

        Assumes that the law holds for all n, that numbers have a fixed number of bits, that one program makes
        all sizes (uniformity), and work polynomial in n.
        """
        best = self.span_reassociated or self.span
        model = self.cost_model
        classes = {
            ("unit", "constant"): "TC0",
            ("unit", "logarithmic"): "TC1",
            ("unit", "polylogarithmic"): "NC",
            ("fan_in_2", "constant"): "NC0",
            ("fan_in_2", "logarithmic"): "NC1",
            ("fan_in_2", "polylogarithmic"): "NC",
        }
        assumed = "if the law holds for all n, at fixed precision, uniformly"
        if best.parallel is None:
            return "no reading: the span follows no named law"
        if not best.parallel and self.degree == "shortcut":
            return "the formal degree, a heuristic, suggests a shortcut; the meter constructs none"
        if not best.parallel:
            return "no parallel algorithm is known to the meter; that there is none is not shown"
        if self.work.law == "unnamed":
            return "no reading: the work follows no named law"
        if (model, best.law) not in classes:
            return f"no reading in the {model} model"
        return f"at most {classes[model, best.law]}, {assumed}"

    @property
    def cost_model(self) -> str:
        """The model in which the spans are counted."""
        return self.measurements[0][1].cost_model

    def __str__(self) -> str:
        lines = [f"work {self.work}", f"span {self.span} ({self.cost_model} model)"]
        if self.span_reassociated is not None and self.span_reassociated != self.span:
            lines.append(f"re-associated span {self.span_reassociated}")
        if self.disagrees:
            lines.append(f"the formal degree says {self.degree}")
        lines.append(f"reading: {self.reading}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Family:
    """Sums of a few terms, the leading one first; the last is 1."""

    law: Law
    terms: tuple[tuple[str, Callable[[int], int]], ...]
    parallel: bool


def _ceiling(n: int) -> int:
    return (n - 1).bit_length()


def _floor(n: int) -> int:
    return n.bit_length() - 1


def _families(powers_of_two: bool) -> list[_Family]:
    """Every law, each before the longer ones that contain it."""

    def power(degree: int) -> tuple[str, Callable[[int], int]]:
        return ("", "n", "n²", "n³", "n⁴")[degree], lambda n: n**degree

    one, n = power(0), power(1)
    found = [_Family("constant", (one,), True)]
    rounds = [("log2 n", _ceiling)] if powers_of_two else [("⌈log2 n⌉", _ceiling), ("⌊log2 n⌋", _floor)]
    for name, log in rounds:
        found.append(_Family("logarithmic", ((name, log), one), True))
        squared = (f"({name})²", lambda n, log=log: log(n) ** 2)
        found.append(_Family("polylogarithmic", (squared, (name, log), one), True))
    found.append(_Family("linear", (n, one), False))
    for name, log in rounds:
        found.append(_Family("linear", (n, (name, log), one), False))
        times = (f"n {name}", lambda n, log=log: n * log(n))
        found.append(_Family("linearithmic", (times, n, one), False))
        found.append(_Family("linearithmic", (times, n, (name, log), one), False))
    for degree in (2, 3, 4):
        law: Law = "quadratic" if degree == 2 else "polynomial"
        powers = tuple(power(d) for d in range(degree, 0, -1))
        found.append(_Family(law, (*powers, one), False))
        for name, log in rounds:
            found.append(_Family(law, (*powers, (name, log), one), False))
            times = (f"n {name}", lambda n, log=log: n * log(n))
            found.append(_Family(law, (*powers[:-1], times, n, (name, log), one), False))
    return found


Values = Mapping[int, int] | Iterable[tuple[int, int]]

ProgramAt = Callable[[int], "Measurement | tuple[Any, ...]"]


@overload
def growth(program_at: Values) -> Growth: ...


@overload
def growth(program_at: ProgramAt, sizes: Sequence[int] = ..., **options: Any) -> Scaling: ...


def growth(program_at: Any, sizes: Any = SIZES, *arguments: Any, **options: Any) -> Growth | Scaling:
    """The laws by which a program grows, or that of spans measured at three lengths or more.

    `program_at(n)` gives the program of size n and its arguments, as in `(fn, *args)`, to which `measure` is
    applied with the `options`, or a `Measurement`. In place of it, spans by length, as in {16: 97, 32: 193}.
    A geometric grid of sizes tells laws apart best.

    Raises TypeError for anything else, such as `growth(fn, *args)`, and for spans that are not whole numbers
    by length; ValueError for fewer than three lengths, a length below 1, or two spans for one length.

    >>> print(growth({16: 97, 32: 193, 64: 385, 128: 769}))
    linear: 6n + 1, at n = 16, 32, …, 128
    >>> print(growth({16: 25, 32: 29, 64: 33, 128: 37}))
    logarithmic: 4 log2 n + 9, at n = 16, 32, …, 128
    >>> import jax, jax.numpy as jnp
    >>> sums = lambda x: jax.lax.scan(lambda h, x: (0.5 * h + x, None), 0.0, x)[0]
    >>> print(growth(lambda n: (sums, jax.ShapeDtypeStruct((n,), "float32"))))
    work linear: 2n - 1, at n = 16, 32, …, 512
    span linear: 2n - 1, at n = 16, 32, …, 512 (unit model)
    re-associated span logarithmic: 4 log2 n, at n = 16, 32, …, 512
    reading: at most TC1, if the law holds for all n, at fixed precision, uniformly
    """
    if arguments:
        raise TypeError(f"{2 + len(arguments)} arguments without a name. {CONVENTION}")
    if callable(program_at):
        return _scaling(cast(ProgramAt, program_at), sizes, options)
    spans = program_at
    is_iterable = isinstance(spans, Iterable)
    given: list[Any] = list(
        spans.items() if isinstance(spans, Mapping) else spans if is_iterable else [spans]
    )
    if options or any(
        not isinstance(each, tuple) or len(each) != 2 or not all(isinstance(n, Integral) for n in each)
        for each in given
    ):
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
                found.setdefault(family.law, (family, _text(coefficients, family)))
        if len(found) == 1:
            ((family, formula),) = found.values()
            return Growth(family.law, formula, lengths[start], lengths[-1], family.parallel, tuple(pairs))
        if found:
            either = " or ".join(formula for _, formula in found.values())
            return Growth("unnamed", either, lengths[start], lengths[-1], None, tuple(pairs))
    untested = "" if len(pairs) > 4 else "; some laws need another length"
    return Growth("unnamed", f"no exact law{untested}", lengths[0], lengths[-1], None, tuple(pairs))


def _exact(family: _Family, pairs: list[tuple[int, int]]) -> list[Fraction] | None:
    """The coefficients of the sum through all pairs, one being left to test it; the first is positive."""
    terms = len(family.terms)
    if len(pairs) < max(3, terms + 1):
        return None
    rows = [[*(Fraction(term(n)) for _, term in family.terms), Fraction(value)] for n, value in pairs]
    for column in range(terms):  # Gauss and Jordan
        pivot = next((row for row in range(column, len(rows)) if rows[row][column]), None)
        if pivot is None:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for row in range(len(rows)):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    if any(row[terms] for row in rows[terms:]):
        return None
    coefficients = [row[terms] for row in rows[:terms]]
    if terms > 1 and (coefficients[0] <= 0 or len({family.terms[0][1](n) for n, _ in pairs}) <= terms):
        return None
    return coefficients


def _text(coefficients: list[Fraction], family: _Family) -> str:
    """The sum as people write it: `3n² - 2n + 1`, `1/2 log2 n + 4`."""
    text = ""
    for coefficient, (name, _) in zip(coefficients, family.terms, strict=True):
        if not coefficient and len(coefficients) > 1:
            continue
        size = str(abs(coefficient))
        if name:
            gap = "" if "log" not in name and coefficient.denominator == 1 else " "
            size = name if abs(coefficient) == 1 else f"{size}{gap}{name}"
        sign = "-" if coefficient < 0 else "+"
        text += f" {sign} {size}" if text else size if coefficient >= 0 else f"-{size}"
    return text


def _scaling(program_at: ProgramAt, sizes: Sequence[int], options: Mapping[str, Any]) -> Scaling:
    """Measure a program at all sizes."""
    if not isinstance(sizes, Iterable) or not all(isinstance(n, Integral) for n in sizes):
        raise TypeError(
            f"sizes={sizes!r}; allowed are three whole numbers or more, as in sizes=(16, 32, 64, 128). "
            f"{CONVENTION}"
        )
    if not _takes_one(program_at):
        raise TypeError(f"{program_at!r} does not take one size. {CONVENTION}")
    found = []
    for n in sorted(sizes):
        program = program_at(n)
        if not isinstance(program, Measurement):
            if not isinstance(program, tuple) or not program or not callable(program[0]):
                raise TypeError(f"at n = {n} the program is {program!r}. {CONVENTION}")
            program = measure(*program, **options)
        found.append((n, program))
    shorter = {n: each.span_reassociated for n, each in found}
    whole = {n: span for n, span in shorter.items() if span is not None}
    return Scaling(
        growth({n: each.work for n, each in found}),
        growth({n: each.span for n, each in found}),
        growth(whole) if len(whole) == len(found) else None,
        _degree([(n, each.log2_degree) for n, each in found]),
        tuple(found),
    )


def _takes_one(program_at: ProgramAt) -> bool:
    try:
        inspect.signature(program_at).bind(SIZES[0])
    except TypeError:
        return False
    except ValueError:  # a function in C may have no signature
        return True
    return True


def _degree(values: Sequence[tuple[int, float | None]]) -> Literal["shortcut", "serial", "unknown"]:
    """How the logarithm of the degree grows, from the last three sizes: per doubling, or per step?"""
    (n, a), (m, b), (k, c) = values[-3:]
    if a is None or b is None or c is None:
        return "unknown"
    if c - b <= 1e-6:
        return "shortcut"
    return "shortcut" if (c - b) / (b - a + 1e-9) < ((k - m) / (m - n)) ** 0.5 else "serial"
