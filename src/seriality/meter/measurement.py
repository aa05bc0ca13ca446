"""What a measurement is, whichever front end made it.

Measurement   work and span of a program, as written and re-associated
Loop          a recurrence in it: serial, or with a shortcut
Region        a function or module: its work, its span and its share of the critical path
Step          an operation on the critical path, with the line that wrote it
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..cost import Cost
from .rules import CostModel, Declared

Bound = Literal["exact", "upper", "lower", "assumed", "neither"]
"""How a number relates to the truth. "neither": several reasons that pull apart."""

Control = Literal["full", "data"]
"""Whether what a predicate decides waits for it ("full"), or only the choice of its result ("data")."""


@dataclass(frozen=True)
class Settings:
    """What the user of the meter chooses. Trips are for loops that are not run, as those of JAX are not."""

    cost_model: CostModel = "unit"
    control: Control = "full"
    trips: int | None = None
    declared: Declared = field(default_factory=dict)
    lists_uncounted: bool = False


Kind = Literal["none", "affine", "max-plus", "min-plus", "finite", "linear-fractional", "serial"]
"""How a group of carries that need each other is updated: by which algebra it composes, if by any."""


@dataclass(frozen=True)
class Group:
    """Carries of a loop that need each other, and the algebra in which their update composes.

    `carries` are positions among the loop's carries. `culprit` is the primitive that stands in the way of
    a shortcut, with its source line, or why a shortcut was refused. `states` is the size of what is composed:
    rows of the matrix, or states of the machine.
    """

    carries: tuple[int, ...]
    kind: Kind
    states: int = 0
    culprit: str | None = None


def kind_of(groups: Iterable[Group]) -> str:
    """The algebras of some groups, "serial" if one group is, "none" if no carry needs itself."""
    kinds = {group.kind for group in groups} - {"none"}
    return "serial" if "serial" in kinds else " + ".join(sorted(kinds)) or "none"


@dataclass(frozen=True)
class Loop:
    """A loop of a program, and what re-association makes of it.

    `cost` is that of one execution of the loop as written, `reassociated` the same after every shortcut:
    its span is shorter and its work larger, by `blow_up`. Where no shortcut is known, or where its work is
    refused, the two are equal and the `groups` say why. `degree` is what the formal degree says of the same
    loop, and `disagrees` when the two detectors do not tell the same.
    """

    where: str
    length: int
    groups: tuple[Group, ...]
    cost: Cost
    reassociated: Cost
    degree: Literal["shortcut", "serial", "unknown"] = "unknown"

    @property
    def kind(self) -> str:
        """The algebras of its groups, "serial" if one group is, "none" if no carry needs itself."""
        return kind_of(self.groups)

    @property
    def is_serial(self) -> bool:
        """Whether a chain of as many steps as the loop is long is left."""
        return self.kind == "serial"

    @property
    def blow_up(self) -> float:
        """The work of the shortcut over that of the loop as written."""
        return self.reassociated.work / self.cost.work if self.cost.work else 1.0

    @property
    def disagrees(self) -> bool:
        """Whether the algebra of the update and its formal degree tell different stories."""
        return self.degree != "unknown" and self.is_serial != (self.degree == "serial")

    def __str__(self) -> str:
        text = f"loop of {self.length:,} at {self.where}: {self.kind}"
        if self.reassociated.span < self.cost.span:
            text += (
                f", span {self.cost.span:,} -> {self.reassociated.span:,}"
                f" for {self.blow_up:,.3g} times the work"
            )
        reasons = dict.fromkeys(group.culprit for group in self.groups if group.culprit)
        text += "".join(f"; {reason}" for reason in reasons)
        if self.disagrees:
            text += f"; its formal degree says {self.degree}"
        return text


@dataclass(frozen=True)
class Step:
    """Equal operations on the critical path: `count` of them, `steps` long together."""

    operation: str
    where: str
    function: str
    count: int
    steps: int


@dataclass(frozen=True)
class Region:
    """A function or module and all it calls.

    `span` is the longest chain of the region's own operations, all others being free; `critical` is how many
    steps of the program's critical path lie in it.
    """

    name: str
    work: int
    span: int
    critical: int
    regions: tuple["Region", ...] = ()

    @property
    def parallelism(self) -> float:
        """Work over span: how many processors can be kept busy."""
        return self.work / self.span if self.span else float("inf") if self.work else 0.0

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Region"]]:
        """This region and all inside it, with their depth, heaviest first."""
        yield depth, self
        for region in self.regions:
            yield from region.walk(depth + 1)


@dataclass(frozen=True)
class Profile:
    """Where the work and the span are."""

    root: Region
    path: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"{'work':>22} {'span':>12} {'parallelism':>12} {'of the path':>12}"]
        for depth, region in self.root.walk():
            share = region.critical / self.root.critical if self.root.critical else 0
            numbers = f"{region.work:>22,} {region.span:>12,} {region.parallelism:>12,.0f} {share:>12.0%}"
            lines.append(f"{numbers}  {'  ' * depth}{region.name}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    `cost` holds work and span as written; `reassociated` the same after every shortcut that is known for the
    loops, or None where loops cannot be seen (PyTorch unrolls them before the meter sees a program).
    `log2_degree` is the base-2 logarithm of the formal degree, the smallest of the ring's and the tropical
    semirings': growth like log n is evidence that the program can be re-associated, however it is written
    (`degree`); None where a loop runs until something happens. `bound`
    says how the numbers relate to the truth: "exact"; "upper" where a data-dependent choice was charged its
    dearest branch; "lower" where operations were left out; "assumed" where a count is a convention; "neither"
    where these meet. `uncounted` names what was left out. `notes` give every reason, and each assumed trip
    count. `products` is the part of the work that is in matrix products and convolutions, which other tools
    call FLOPs; `product_calls` is how many of these there are. `launches` counts operations on whole arrays,
    and `reads` the times the host waited for a value. `moved` is the number of bytes that products, lookups
    and their like move (`traffic`). Of PyTorch programs `moved` and `product_calls` are not counted and None.
    """

    cost: Cost
    cost_model: str
    bound: Bound
    control: Control = "full"
    reassociated: Cost | None = None
    loops: tuple[Loop, ...] = ()
    log2_degree: float | None = None
    uncounted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    products: int = 0
    product_calls: int | None = None
    launches: int = 0
    reads: int = 0
    moved: int | None = None
    _profile: Callable[[], Profile] | None = field(default=None, compare=False, repr=False)

    @property
    def work(self) -> int:
        """The number of operations."""
        return self.cost.work

    @property
    def span(self) -> int:
        """The length of the longest chain of dependent steps, as the program is written."""
        return self.cost.span

    @property
    def span_reassociated(self) -> int | None:
        """The span after every shortcut known for the program's loops."""
        return None if self.reassociated is None else self.reassociated.span

    @property
    def parallelism(self) -> float:
        """Work over span: no number of processors gives a larger speed-up (Brent 1974)."""
        return self.work / self.span if self.span else float("inf") if self.work else 0.0

    def profile(self) -> Profile:
        """Where the work and the span are: a tree of functions or modules, and the critical path."""
        if self._profile is None:
            raise ValueError("this measurement was made without its program; call measure again")
        return self._profile()

    def __str__(self) -> str:
        kind = {"exact": "", "neither": " (neither bound)", "assumed": " (assumed)"}
        text = f"work {self.work:,}, span {self.span:,} in the {self.cost_model} model"
        text += ", control not waited for" if self.control == "data" else ""
        text += kind.get(self.bound, f" ({self.bound} bound)")
        if self.reassociated not in (None, self.cost):
            text += f"; re-associated: work {self.reassociated.work:,}, span {self.reassociated.span:,}"
        told = [str(loop) for loop in self.loops if loop.kind != "none"]
        return "\n  ".join((text, *self.notes, *dict.fromkeys(told)))


def joint(bounds: set[Bound]) -> Bound:
    """What several reasons together leave of a number."""
    match sorted(bounds - {"exact"}):
        case []:
            return "exact"
        case [bound]:
            return bound
        case _:
            return "neither"
