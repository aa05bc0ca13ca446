"""The command line: `seriality demo`, `run`, `list`, `show`, `report`.

Progress and errors go to standard error, results to standard output. Exit codes: 0 done, 1 a store or file
that cannot be used, 2 a name or value that is not valid, 130 stopped by Ctrl-C.

JAX and the rest are imported inside the commands, so that `--version` and `--help` start at once. A study
runs in a thread of its own, because a compilation is deaf to Ctrl-C: the main thread waits, and leaves when
asked to. Nothing is lost by that but the running trials, since records are kept by whole transactions.
"""

import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from .store import Record

STORE = Path("seriality.sqlite")
OUT = Path("report.html")
DEVICES = ("auto", "cpu", "gpu")
KINDS = ("tasks", "networks", "solvers", "studies")
MOST_SEEDS = 1000
PATIENCE_S = 1.0
"""How long a stopped run may take to come to its next step before the process leaves it."""

app = typer.Typer(
    name="seriality",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StoreOption = Annotated[Path, typer.Option("--store", help="The file of records; made if it is not there.")]
OutOption = Annotated[Path, typer.Option("--out", help="The page to write; its figures go beside it.")]
SeedsOption = Annotated[int | None, typer.Option("--seeds", help="Seeds of every trial, from 1 up.")]
DeviceOption = Annotated[str, typer.Option("--device", help="Where to compute: auto, cpu or gpu.")]


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal without ✓ shows a question mark
    app(prog_name="seriality")


def _version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"seriality {version('seriality')}")
        raise typer.Exit
    return wanted


@app.callback()
def seriality(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """An instrument for serial compute: how serial is a task, how much serial compute does a model spend?"""


@app.command()
def demo(
    store: StoreOption = STORE,
    out: OutOption = OUT,
    seeds: SeedsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure Table 1 of the paper in the small, print it, and write the report."""
    again = _command(
        "demo", store=(store, STORE), out=(out, OUT), seeds=(seeds, None), device=(device, "auto")
    )
    with _explained(again):
        _check_out(out)
        records = _run("demo", store, seeds, device)
        _print_table(records)
        _write_report(records, out)


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A study's name; `seriality list studies` shows them.")],
    store: StoreOption = STORE,
    seeds: SeedsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Run what is missing of a study and print its table. Stopped, it goes on where it was."""
    again = _command("run", study, store=(store, STORE), seeds=(seeds, None), device=(device, "auto"))
    with _explained(again):
        _print_table(_run(study, store, seeds, device))


@app.command("list")
def list_(kind: Annotated[str, typer.Argument(help="tasks, networks, solvers or studies.")]) -> None:
    """List the tasks, networks, solvers or studies, with their dials."""
    with _explained():
        _pick("kind", kind, KINDS)
        for name, dials, text in _listed(kind):
            typer.echo(f"{name}\n  {text}\n  {dials}")


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="A task's name; `seriality list tasks` shows them.")],
    dials: Annotated[
        list[str] | None, typer.Option("--set", metavar="DIAL=VALUE", help="Set a dial; may be repeated.")
    ] = None,
    depth: Annotated[int | None, typer.Option("--depth", help="Serial depth; the largest if absent.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which instance.")] = 0,
) -> None:
    """Print an instance of a task with its serial steps and its answer, its cost and its control."""
    with _explained():
        _show(task, dials or [], depth, seed)


@app.command()
def report(store: StoreOption = STORE, out: OutOption = OUT) -> None:
    """Print the tables of all studies in a store and write the report."""
    with _explained():
        from .store import Store

        _check_out(out)
        with Store.open_read(store) as opened:
            records = opened.records()
        if not records:
            _fail(f"store {str(store)!r} holds no records yet; `seriality demo` makes some", code=1)
        _print_table(records)
        _write_report(records, out)


# Running


def _run(name: str, path: Path, seeds: int | None, device: str) -> "list[Record]":
    """Run what is missing of a study; all of its records."""
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        _fail(f"--seeds is {seeds}, allowed is 1 to {MOST_SEEDS}; e.g. --seeds 5")
    _pick("device", device, DEVICES)
    from .studies import STUDIES

    study = STUDIES[_pick("study", name, STUDIES)]
    from .store import Store

    with Store(path) as store:
        before = store.records(study.name)
    _use_device(device)
    from rich.console import Console

    from .study import Progress, groups
    from .study import run as run_study
    from .study.cache import use_cache
    from .study.watch import Watch

    use_cache()
    every = groups(study, seeds)
    ids = {record.id for record in before}
    missing = sum(trial.id not in ids for group in every for trial in group)
    total = sum(map(len, every))
    console = Console(stderr=True, highlight=False)
    live = sys.stderr.isatty() and not console.is_dumb_terminal
    typer.echo(f"{study.name}: {total - missing} of {total} trials are in {path} already", err=True)

    def work(stopping: threading.Event) -> "list[Record]":
        def observe(now: Progress) -> None:
            if stopping.is_set():
                raise InterruptedError
            watch(now)

        with Store(path) as store:  # a store belongs to one thread
            if missing:
                run_study(study, store, seeds=seeds, observe=observe)
            return store.records(study.name)

    with Watch(console, every, before, live=live) as watch:
        return _in_a_thread(work)


class _LeaveBehind(KeyboardInterrupt):
    """Ctrl-C while the thread does not stop: the process is to end without it."""


def _in_a_thread(work: "Callable[[threading.Event], list[Record]]") -> "list[Record]":
    """What `work` returns or raises. On Ctrl-C its event is set, and KeyboardInterrupt comes soon.

    An event tells its end: `Thread.join`, interrupted, takes the thread for stopped in some Pythons.
    """
    stopping, ended = threading.Event(), threading.Event()
    results: list[list[Record]] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work(stopping))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=body, daemon=True).start()
    try:
        while not ended.wait(0.5):
            pass
    except KeyboardInterrupt:
        stopping.set()
        try:
            if not ended.wait(PATIENCE_S):
                raise _LeaveBehind from None
        except KeyboardInterrupt:
            raise _LeaveBehind from None
        raise
    if errors:
        raise errors[0]
    return results[0]


def _use_device(device: str) -> None:
    """Compute there; where a GPU is asked for and there is none, say what there is."""
    import jax

    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if device == "gpu":
        try:
            jax.devices("gpu")
        except RuntimeError:
            seen = ", ".join(f"{each.platform} ({each.device_kind})" for each in jax.devices())
            _fail(
                f"--device gpu: JAX sees no GPU, only {seen}; on a machine with one install seriality[gpu], "
                "or take --device cpu"
            )


def _print_table(records: "list[Record]") -> None:
    from rich.console import Console

    from .report import table

    Console(highlight=False).print(table(records))


def _check_out(out: Path) -> None:
    """What can be said of the page's place before the work begins."""
    if out.is_dir():
        _fail(f"--out {str(out)!r} is a folder; name a file, e.g. --out {str(out / OUT)!r}")


def _write_report(records: "list[Record]", out: Path) -> None:
    from .report import write

    try:
        page, *figures = write(records, out)
    except OSError as error:
        _fail(
            f"report {str(out)!r} cannot be written ({error.strerror or error}); the records are safe: "
            "`seriality report --out FILE` writes it elsewhere",
            code=1,
        )
    beside = f", figures in {figures[0].parent}" if figures else ""
    typer.echo(f"Report: {page}{beside}")


# Listing and showing


def _listed(kind: str) -> Iterator[tuple[str, str, str]]:
    """Name, one line of text and dials of every entry of a list."""
    import inspect

    if kind == "studies":
        from .studies import STUDIES

        for study in STUDIES.values():
            trials, claims = len(study.trials(study.seeds)), ", ".join(study.claims)
            yield study.name, study.title, f"seeds={study.seeds} ({trials} trials), claims: {claims}"
        return
    entries: Mapping[str, type]
    if kind == "tasks":
        from .tasks import TASKS as entries
    elif kind == "networks":
        from .networks import NETWORKS as entries
    else:
        from .solvers import SOLVERS as entries
    for name, entry in entries.items():
        dials = [
            f"{dial.name}={dial.default!r}"
            for dial in inspect.signature(entry.__init__).parameters.values()
            if dial.default is not dial.empty
        ]
        text = (inspect.getdoc(entry) or "").partition("\n\n")[0]
        yield name, " ".join(text.split()), ", ".join(dials) or "no dials"


def _show(name: str, settings: list[str], depth: int | None, seed: int) -> None:
    if not 0 <= seed < 2**32:
        _fail(f"--seed is {seed}, allowed is 0 to {2**32 - 1}; e.g. --seed 0")
    import jax
    import numpy as np

    from .tasks import MONOIDS, TASKS

    task_class = TASKS[_pick("task", name, TASKS)]
    dials = _dials(task_class, settings)
    if "monoid" in dials:
        _pick("monoid", dials["monoid"], MONOIDS)
    try:
        task = task_class(**dials)
        instance = jax.tree.map(
            lambda values: np.asarray(values[0]), task.sample(1, key=jax.random.key(seed), depth=depth)
        )
    except ValueError as error:
        _fail(str(error))
    layout, cost = task.format, task.cost()
    typer.echo(
        f"{task!r}\n"
        f"depth: {instance.depth} of {task.max_depth}\n"
        f"tokens: prompt {layout.prompt_length}, trace {layout.trace_length}, answer {layout.answer_length}\n"
        f"declared cost at depth {task.max_depth}: work {cost.work}, span {cost.span}\n"
        f"control: {task.control or 'none, this task is one'}\n"
    )
    typer.echo(task.render(instance.prompt, instance.trace, instance.answer))


def _dials(task_class: type, settings: list[str]) -> dict[str, Any]:
    """Dials from texts such as "length=8"; what is no integer stays text, which the task judges."""
    import dataclasses

    names = [field.name for field in dataclasses.fields(task_class)]
    dials: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            _fail(f"--set {setting!r}: allowed is DIAL=VALUE; e.g. --set {names[-1]}=...")
        _pick(f"dial of {task_class.__name__}", name, names)
        try:
            dials[name] = int(value)
        except ValueError:
            dials[name] = value
    return dials


# Errors


def _fail(message: str, *, code: int = 2) -> NoReturn:
    typer.echo(f"seriality: {message}", err=True)
    raise typer.Exit(code)


def _pick(kind: str, name: Any, valid: Iterable[str]) -> str:
    """The name, if it is valid; otherwise the nearest ones are told."""
    import difflib

    names = list(valid)
    if name in names:
        return name
    lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.5)
    nearest = f"; nearest: {', '.join(lower[each] for each in near)}" if near else ""
    _fail(f"unknown {kind} {str(name)!r}{nearest}; valid: {', '.join(names)}")


@contextmanager
def _explained(again: str | None = None) -> Iterator[None]:
    """Turn a store's errors and Ctrl-C into one line and an exit code; `again` is what resumes the work."""
    from .store import StoreError

    try:
        yield
    except StoreError as error:
        _fail(str(error), code=1)
    except KeyboardInterrupt as stop:
        kept = f"stopped; finished trials are kept, go on with: {again}" if again else "stopped"
        typer.echo(f"seriality: {kept}", err=True)
        if isinstance(stop, _LeaveBehind):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)
        raise typer.Exit(130) from None


def _command(*words: str, **options: tuple[Any, Any]) -> str:
    """A command line for this program as the reader would type it; options as (value, default)."""
    called = sys.argv[0]
    name = "seriality"
    if Path(called).stem == name and shutil.which(name) != str(Path(called).absolute()):
        name = called  # not the one on the path
    given = [
        part
        for option, (value, default) in options.items()
        if value != default
        for part in (f"--{option}", str(value))
    ]
    return shlex.join([name, *words, *given])
