"""The command `seriality meter`: from what is typed to a program, from its measurement to what is told.

`named` imports a function and makes its arguments from shapes, `example` takes a ready one; `measured` meters
it, and says what is wrong with it in one line; `shown`, `as_json` and `draw` tell the result. Whatever is
refused is a `Refused`, whose text is for the reader. What the program prints goes to standard error.
"""

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import cached_property, reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .cost import Cost
from .meter import Measurement, Region, Scaling, Step, growth, measure
from .meter.examples import EXAMPLES
from .meter.measurement import Profile
from .report.summary import plain

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bfloat16", "float16", "float32", "float64", "complex64", "complex128", "key"),
)
"""What an argument may hold; `key` is a key of JAX's random numbers."""

LEAST_SIZES = 3
"""A law of growth needs that many sizes."""

Sizes = Mapping[str, int]


class Refused(ValueError):
    """What was asked cannot be done; the text says why and what to type instead."""


# Programs


@dataclass(frozen=True)
class Program:
    """What to meter: at given sizes, its name for the reader, and the function with its arguments.

    `size` is the one that varies, over `grid`; a program without one has an empty grid. `hint` is told where
    the program fails.
    """

    label: Callable[[Sizes], str]
    build: Callable[[Sizes], tuple[Any, ...]]
    size: str
    grid: Sequence[int]
    hint: str = ""


def named(target: str, arguments: Sequence[str], sizes: str | None, *, torch: bool) -> Program:
    """The function that a target names, its arguments made from texts such as "float32[8,n]"."""
    parsed = [_parsed(text) for text in arguments]
    size, grid = _sizes(sizes)
    if size and not any(size in names for _, names in parsed):
        raise Refused(f"--sizes {sizes!r}: no argument has the size {size!r}; e.g. --arg 'float32[{size},8]'")
    fn = _loaded(target)
    library = sys.modules.get("torch")
    is_module = library is not None and isinstance(getattr(fn, "__self__", fn), library.nn.Module)
    if torch and library is None:
        raise Refused(f"--torch: {target!r} does not import torch; leave --torch out for a JAX program")
    tensors = library if torch or is_module else None
    imports_torch = any(value is library for value in getattr(fn, "__globals__", {}).values())
    hint = "; a function of PyTorch needs --torch" if library and not tensors and imports_torch else ""

    def label(sizes: Sizes) -> str:
        texts = (
            f"{dtype}[{','.join(str(sizes.get(name, name)) for name in names)}]" for dtype, names in parsed
        )
        return f"{target}({', '.join(texts)})"

    def build(sizes: Sizes) -> tuple[Any, ...]:
        return fn, *(_argument(text, sizes, tensors) for text in arguments)

    return Program(label, build, size, grid, hint)


def example(name: str, settings: Mapping[str, Any], sizes: str | None) -> Program:
    """A ready example; `settings` of its dials hold integers, and texts where no integer was typed."""
    known, dials = inspect.signature(EXAMPLES[name]).parameters, {}
    for dial, value in settings.items():
        default = known[dial].default
        if isinstance(default, bool):
            if str(value).lower() not in ("true", "false"):
                raise Refused(f"--set {dial}={value}: allowed is true or false; e.g. --set {dial}=true")
            dials[dial] = str(value).lower() == "true"
        elif isinstance(value, int) and value >= 1:
            dials[dial] = value
        else:
            raise Refused(
                f"--set {dial}={value}: allowed is an integer from 1 up; e.g. --set {dial}={default}"
            )
    size, grid = _sizes(sizes)
    if size and (size not in known or isinstance(known[size].default, bool)):
        raise Refused(f"--sizes {sizes!r}: {name} has no size {size!r}{_nearest(size, [*known])}")

    def label(sizes: Sizes) -> str:
        given = ", ".join(f"{dial}={value}" for dial, value in {**dials, **sizes}.items())
        return f"{name}({given})" if given else name

    return Program(label, lambda sizes: EXAMPLES[name](**{**dials, **sizes}), size, grid)


def _sizes(text: str | None) -> tuple[str, list[int]]:
    """A name and its sizes, from a text such as "n=16,32,64"."""
    if text is None:
        return "", []
    name, _, values = text.partition("=")
    if not name.strip().isidentifier() or not re.fullmatch(r"\s*[1-9]\d*\s*(,\s*[1-9]\d*\s*)*", values):
        raise Refused(f"--sizes {text!r}: allowed is NAME=SIZE,SIZE,...; e.g. --sizes n=16,32,64,128")
    sizes = sorted({int(value) for value in values.split(",")})
    if len(sizes) < LEAST_SIZES:
        raise Refused(
            f"--sizes {text!r}: a law of growth needs {LEAST_SIZES} sizes; e.g. --sizes n=16,32,64,128"
        )
    return name.strip(), sizes


def declared(texts: Iterable[str]) -> dict[str, Cost]:
    """Costs by name, from texts such as "kernel=1000,3"."""
    costs = {}
    for text in texts:
        found = re.fullmatch(r"(.+)=\s*(\d+)\s*,\s*(\d+)\s*", text)
        if found is None:
            raise Refused(
                f"--declare {text!r}: allowed is NAME=WORK,SPAN, whole numbers; e.g. --declare kernel=1000,3"
            )
        costs[found[1].strip()] = Cost(int(found[2]), int(found[3]))
    return costs


def _loaded(target: str) -> Any:
    """The callable at "package.module:name" or "path/to/file.py:name"."""
    place, _, dotted = target.rpartition(":")
    if not place or not dotted:
        raise Refused(
            f"target {target!r}: allowed is package.module:function or path/to/file.py:function; "
            "e.g. seriality meter model.py:forward --arg 'float32[8,128]'"
        )
    fn = reduce(lambda found, name: _attribute(found, name, target), dotted.split("."), _module(place))
    if isinstance(fn, type):
        raise Refused(f"{target!r} is a class; name a function, a method, or an instance that can be called")
    if not callable(fn):
        raise Refused(f"{target!r} is of type {type(fn).__name__}, which cannot be called; name a function")
    return fn


def _module(place: str) -> ModuleType:
    """A module by its name, or by its file; the current folder and the file's own are searched for others."""
    file = Path(place) if place.endswith(".py") else None
    if file is not None and not file.is_file():
        raise Refused(f"there is no file {place!r}")
    for folder in (Path.cwd(), *([file.resolve().parent] if file else [])):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with redirect_stdout(sys.stderr):
            if file is None:
                return importlib.import_module(place)
            spec = importlib.util.spec_from_file_location(f"{file.stem} as metered", file)
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    except (Exception, SystemExit) as error:
        hint = ""
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            hint = f"; it is looked for in {Path.cwd()} and where Python has its packages"
        raise Refused(f"{place!r} cannot be imported: {_said(error)}{hint}") from error


def _attribute(owner: Any, name: str, target: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        names = [each for each in dir(owner) if not each.startswith("__")]
        raise Refused(f"{target!r}: there is no {name!r}{_nearest(name, names)}") from None


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else ""


def _parsed(text: str) -> tuple[str, list[str]]:
    """Dtype and sizes of an argument; a size is a number or a name."""
    found = re.fullmatch(r"\s*(\w+)\s*(?:\[((?:\s*\w+\s*,)*\s*\w+\s*|\s*)\])?\s*", text)
    sizes = [size.strip() for size in (found[2] or "").split(",") if size.strip()] if found else []
    if found is None or not all(size.isdecimal() or size.isidentifier() for size in sizes):
        raise Refused(f"--arg {text!r}: allowed is DTYPE[SIZE,SIZE,...]; e.g. --arg 'float32[8,128]'")
    if found[1] not in DTYPES:
        near = _nearest(found[1], DTYPES)
        raise Refused(f"--arg {text!r}: {found[1]!r} is no dtype{near}; valid: {', '.join(DTYPES)}")
    return found[1], sizes


def _argument(text: str, sizes: Sizes, torch: Any) -> Any:
    """The shape of an argument for JAX; for PyTorch a tensor without memory."""
    dtype, names = _parsed(text)
    missing = [name for name in names if not name.isdecimal() and name not in sizes]
    if missing:
        raise Refused(f"--arg {text!r}: {missing[0]!r} has no value; e.g. --sizes {missing[0]}=16,32,64,128")
    shape = tuple(int(name) if name.isdecimal() else sizes[name] for name in names)
    if torch is not None:
        if not hasattr(torch, dtype):
            raise Refused(f"--arg {text!r}: PyTorch has no dtype {dtype!r}")
        return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
    if dtype == "key":
        dtype = jax.eval_shape(lambda: jax.random.key(0)).dtype
    return jax.ShapeDtypeStruct(shape, dtype)


# Measuring


@dataclass(frozen=True)
class Found:
    """The measurement of a program, at the largest of its sizes if it has several, and how it grows."""

    label: str
    whole: Measurement
    size: str = ""
    scaling: Scaling | None = None

    @cached_property
    def profile(self) -> Profile:
        return _metered(self.label, self.whole.profile)


def measured(program: Program, options: Mapping[str, Any]) -> Found:
    """`measure` of a program with these options; what is wrong with it is a `Refused`."""

    def one(sizes: Sizes) -> Measurement:
        return _metered(
            program.label(sizes), lambda: measure(*program.build(sizes), **options), hint=program.hint
        )

    if not program.grid:
        return Found(program.label({}), one({}))
    scaling = growth(lambda n: one({program.size: n}), program.grid)
    largest, whole = scaling.measurements[-1]
    return Found(program.label({program.size: largest}), whole, program.size, scaling)


METER = Path(sys.modules[Measurement.__module__].__file__ or "").parent
LIBRARIES = (METER.parent, *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")))
"""Where no line is the user's."""

TYPED = {
    r"measure\(\.\.\., declared=\{['\"]([^'\"]*)['\"]: Cost\([^)]*\)\}\)": r"--declare \1=WORK,SPAN",
    r'measure\(\.\.\., uncounted="list"\)': "--uncounted list",
    r"measure\(\.\.\., trips=(\d+)\)": r"--trips \1",
    r"measure\(fn, jax\.ShapeDtypeStruct\(\(16,\), 'int32'\)\)": "--arg 'int32[16]'",
    r'measure\(fn, torch\.empty\(16, device="meta"\)\)': "--arg 'float32[16]'",
}
"""What the meter tells those who call it, and what to type here."""


def _metered(label: str, call: Callable[[], Any], hint: str = "") -> Any:
    """What a call gives; of what goes wrong in it, the meter's own words or the program's first line."""
    try:
        with redirect_stdout(sys.stderr):
            return call()
    except Refused:
        raise
    except (Exception, SystemExit) as error:
        last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        is_own = last.is_relative_to(METER) and last.stem != "examples"
        if is_own and isinstance(error, (ValueError, NotImplementedError, OverflowError)):
            text = str(error)
            for called, typed in TYPED.items():
                text = re.sub(called, typed, text)
            raise Refused(plain(text)) from error
        raise Refused(f"{label}: {_said(error)}{hint}") from error


def _said(error: BaseException) -> str:
    """Kind and first line of an error, and the line of the user's that met it."""
    first = str(error).strip().partition("\n")[0]
    text = f"{type(error).__name__}: {first}".removesuffix(": ").rstrip(".")
    frames = [
        (Path(frame.filename), frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and not any(map(Path(frame.filename).is_relative_to, LIBRARIES))
    ]
    return plain(text + (f" ({frames[-1][0].name}:{frames[-1][1]})" if frames else ""))


# Telling


def shown(found: Found, *, tree: bool, path: bool) -> RenderableType:
    """Everything asked for, for a terminal of 80 columns."""
    parts: list[RenderableType] = [_text(found.label), _indented(_summary(found.whole))]
    if found.scaling is not None:
        title = "Growth" if found.size == "n" else f"Growth, n = {found.size}"
        parts += [_text(title), _indented(_grid(found.scaling)), _indented(_laws(found.scaling))]
    if tree:
        parts += [_text("Functions"), _indented(_tree(found.profile.root, found.whole.span))]
    if path:
        parts += [_text("Critical path"), _indented(_path(found.profile.path))]
    return Group(*parts)


def _summary(found: Measurement) -> Table:
    bounds = {"exact": "exact", "assumed": "assumed", "neither": "neither an upper nor a lower bound"}
    rows = [
        ("work", f"{found.work:,}"),
        ("span", f"{found.span:,}"),
        ("parallelism", f"{found.parallelism:,.1f}"),
    ]
    if found.reassociated is not None:
        shortcut = f"span {found.reassociated.span:,} with work {found.reassociated.work:,}"
        rows.append(("re-associated", "as written" if found.reassociated == found.cost else shortcut))
    if found.launches:
        rows += [("launches", f"{found.launches:,}"), ("reads by the host", f"{found.reads:,}")]
    control = "" if found.control == "full" else f", control {found.control}"
    rows.append(("cost model", f"{found.cost_model}{control}"))
    rows.append(("bound", bounds.get(found.bound, f"{found.bound} bound")))
    told = dict.fromkeys(str(loop) for loop in found.loops if loop.kind != "none")
    for name, texts in (("loops", told), ("not counted", found.uncounted), ("notes", found.notes)):
        rows += [(name if place == 0 else "", text) for place, text in enumerate(texts)]
    return _pairs(rows)


def _grid(scaling: Scaling) -> Table:
    table = _table("n", ("work", "span", "re-associated"))
    for n, found in scaling.measurements:
        shortcut = "–" if found.span_reassociated is None else f"{found.span_reassociated:,}"
        table.add_row(_text(f"{n:,}"), f"{found.work:,}", f"{found.span:,}", shortcut)
    return table


def _laws(scaling: Scaling) -> Table:
    rows = [("work", str(scaling.work)), ("span", str(scaling.span))]
    if scaling.span_reassociated is not None:
        rows.append(("re-associated", str(scaling.span_reassociated)))
    if scaling.disagrees:
        rows.append(("formal degree", f"says {scaling.degree}"))
    return _pairs([*rows, ("reading", scaling.reading)])


def _tree(root: Region, span: int) -> Table:
    table = _table("function", ("work", "span", "parallelism", "of the path"))
    for depth, region in root.walk():
        share = f"{region.critical / span:.1%}" if span else "–"
        table.add_row(
            Padding(_function(region.name), (0, 0, 0, depth)),
            *(f"{region.work:,}", f"{region.span:,}", f"{region.parallelism:,.1f}", share),
        )
    return table


def _path(path: Iterable[Step]) -> Table:
    table = _table("operation", ("count", "steps"), ("line", "function"))
    for step in path:
        table.add_row(
            *(
                _text(step.operation),
                f"{step.count:,}",
                f"{step.steps:,}",
                _text(step.where),
                _function(step.function),
            )
        )
    return table


def _table(first: str, numbers: Iterable[str], texts: Iterable[str] = ()) -> Table:
    """Columns of text that may break, and of numbers that may not."""
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in texts:
        table.add_column(name, overflow="fold")
    return table


def _pairs(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, _text(text))
    return table


def _indented(table: Table) -> Padding:
    return Padding(table, (0, 0, 1, 2), expand=False)


def _function(name: str) -> Text:
    """The name of a function, without saying that it stands in another."""
    return _text(name.replace("<locals>.", ""))


def _text(text: str) -> Text:
    """A text of the user's, without control characters and markup."""
    return Text(plain(text))


def as_json(found: Found, *, tree: bool, path: bool) -> dict[str, Any]:
    """The same for programs; counts are exact integers."""
    whole = found.whole
    told: dict[str, Any] = {
        "program": found.label,
        "cost_model": whole.cost_model,
        "control": whole.control,
        "work": whole.work,
        "span": whole.span,
        "reassociated": None if whole.reassociated is None else asdict(whole.reassociated),
        "log2_degree": whole.log2_degree,
        "bound": whole.bound,
        "loops": [{"kind": loop.kind, **asdict(loop)} for loop in whole.loops],
        "uncounted": whole.uncounted,
        "notes": whole.notes,
        "launches": whole.launches,
        "reads": whole.reads,
    }
    if (scaling := found.scaling) is not None:
        told["growth"] = {
            "size": found.size,
            "work": asdict(scaling.work),
            "span": asdict(scaling.span),
            "span_reassociated": scaling.span_reassociated and asdict(scaling.span_reassociated),
            "degree": scaling.degree,
            "reading": scaling.reading,
        }
    if tree:
        told["tree"] = asdict(found.profile.root)
    if path:
        told["path"] = [asdict(step) for step in found.profile.path]
    return told


def check_figure(file: Path) -> None:
    """What can be said of the figure's place before the work begins: only a figure is written over."""
    from .report.speedup import KINDS, in_the_way

    if file.suffix not in KINDS:
        raise Refused(f"--figure {str(file)!r}: allowed are {', '.join(KINDS)}; e.g. --figure speedup.svg")
    if in_the_way(file):
        raise Refused(
            f"--figure {str(file)!r} is there and is no figure of seriality; move it, or name another file, "
            f"e.g. --figure {str(file.with_stem(f'new-{file.stem}'))!r}"
        )


def draw(found: Found, file: Path) -> None:
    """Write the speed-up that work and span allow."""
    from .report.speedup import save, speedup_figure

    whole, shortcut = found.whole, found.whole.reassociated
    try:
        chart = speedup_figure(
            whole.work,
            whole.span,
            span_reassociated=None if shortcut is None else shortcut.span,
            work_reassociated=None if shortcut is None else shortcut.work,
            name=found.label,
        )
    except ValueError as error:
        raise Refused(f"--figure: {error}") from None
    save(chart, file, f"The speed-up of {found.label}")
