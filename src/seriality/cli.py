"""The command line: `seriality` with no command shows the map of it.

Progress and errors go to standard error, results to standard output. Exit codes: 0 done, 1 a store or file
that cannot be used, 2 a name or value that is not valid, 130 stopped by Ctrl-C.

JAX and the rest are imported inside the commands, so that `--version` and `--help` start at once. Commands
run in a thread of their own, because imports and compilations are deaf to Ctrl-C: the main thread waits, and
leaves when asked to. Nothing is lost by that but the running trial, since records are kept by whole
transactions and files are replaced whole.
"""

import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from os.path import samefile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from .exchange import Score
    from .meter_command import Program
    from .store import Record
    from .study import Study
    from .tasks.base import AbstractTask

STORE = Path("seriality.sqlite")
OUT = Path("report.html")
DEVICES = ("auto", "cpu", "gpu")
KINDS = ("tasks", "networks", "solvers", "studies")
EXECUTORS = ("local", "processes", "ray")
RETRIES = 3
MOST_SEEDS = 1000
PATIENCE_S = 1.0
"""How long a stopped run may take to come to its next step before the process leaves it."""

USAGE: Any = typer.BadParameter.__mro__[2]
"""The common base of Typer's complaints about a command line, which it does not export."""

MEASURE, TEST, STUDY, LOOK = (
    "Measure a program or a machine",
    "Test a model on tasks",
    "Run studies and read them",
    "Look around",
)
"""The parts of the map that `seriality --help` is, in their order."""


class _Map(TyperGroup):
    """Commands by what one wants to do, each with the whole of its first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for part in (MEASURE, TEST, STUDY, LOOK):
            rows = [
                (name, " ".join((command.help or "").partition("\n\n")[0].split()))
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == part
            ]
            with formatter.section(part):
                formatter.write_dl(rows)


app = typer.Typer(
    name="seriality",
    cls=_Map,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _file(text: str | Path) -> Path:
    """A file's name as typed."""
    if str(text) in ("", "."):
        raise typer.BadParameter(f"{str(text)!r} names no file; e.g. {STORE} or {OUT}")
    return Path(text)


def _names_of(kind: str) -> Callable[[str], list[str]]:
    """For a shell that completes: the names of a kind that begin as what is typed."""

    def named(incomplete: str) -> list[str]:
        from importlib import import_module

        module, registry = {
            "claim": ("claims", "CLAIMS"),
            "study": ("studies", "STUDIES"),
            "task": ("tasks", "TASKS"),
            "example": ("meter.examples", "EXAMPLES"),
        }[kind]
        found = getattr(import_module(f".{module}", __package__), registry)
        return [name for name in found if name.lower().startswith(incomplete.lower())]

    return named


def _whole(text: str | int) -> int:
    """A whole number as typed."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number; e.g. 5") from None


StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        parser=_file,
        metavar="FILE",
        help="The file of records; a run makes it if it is not there.",
    ),
]
StoresOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--store",
        parser=_file,
        metavar="FILE",
        help=f"A file of records, or a folder of them; may be repeated; {STORE} if absent.",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", parser=_file, metavar="FILE", help="The page to write.")]
FiguresOption = Annotated[
    Path | None,
    typer.Option(
        "--figures", parser=_file, metavar="FOLDER", help="Also write every figure there, as SVG and PNG."
    ),
]
SeedsOption = Annotated[
    int | None,
    typer.Option("--seeds", parser=_whole, metavar="N", help="Seeds of every trial, from 1 up."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DeviceOption = Annotated[str, typer.Option("--device", help="Where to compute: auto, cpu or gpu.")]


TaskArgument = Annotated[
    str,
    typer.Argument(
        help="A task's name; `seriality list tasks` shows them.", autocompletion=_names_of("task")
    ),
]
DialsOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="DIAL=VALUE", help="Set a dial; may be repeated.")
]


def main() -> None:
    """The entry point: whatever goes wrong is told in a line."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal without ✓ shows a question mark
    try:
        code = app(prog_name="seriality", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except USAGE as error:
        code = _usage(error)
    except KeyboardInterrupt:
        _tell("stopped")
        code = 130
    except BrokenPipeError:  # whoever read has seen enough
        _leave(1)
    except OSError as error:
        _tell(f"stopped by the system: {' '.join(filter(None, (error.strerror, error.filename))) or error}")
        _leave(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the work is done, and libraries take a while to close
    sys.exit(code)


def _usage(error: Any) -> int:
    """Tell what is wrong with the command line and where to read what is allowed."""
    path = error.ctx.command_path if getattr(error, "ctx", None) else "seriality"
    said = " ".join(error.format_message().split())
    if not said or said.startswith("Usage:"):  # nothing was typed: the help
        error.show()
    else:
        _tell(f"{said.rstrip('.')}; `{path} --help` tells what is allowed")
    return error.exit_code


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


@app.command(rich_help_panel=STUDY)
def demo(
    store: StoreOption = STORE,
    out: OutOption = OUT,
    seeds: SeedsOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure Table 1 of the paper in the small, print it, and write the report."""

    def work(stop: _Stop) -> None:
        _check_out(out, [store])
        _report(_run("demo", store, seeds, device, stop), out, None, [store] * (store != STORE), json)

    _carry_out(
        work,
        _command(
            "demo",
            store=(store, STORE),
            out=(out, OUT),
            seeds=(seeds, None),
            device=(device, "auto"),
            json=(json, False),
        ),
    )


@app.command(rich_help_panel=STUDY)
def run(
    study: Annotated[
        str,
        typer.Argument(
            help="A study's name; `seriality list studies` shows them.", autocompletion=_names_of("study")
        ),
    ],
    store: StoreOption = STORE,
    seeds: SeedsOption = None,
    device: DeviceOption = "auto",
    executor: Annotated[
        str, typer.Option("--executor", help="Where trials are computed: local, processes or ray.")
    ] = "local",
    workers: Annotated[
        int,
        typer.Option(
            "--workers", parser=_whole, metavar="N", help="Workers; 0 is as many as there is room for."
        ),
    ] = 0,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="A Ray cluster; one is started here if absent."),
    ] = None,
    gpus_per_trial: Annotated[
        float, typer.Option("--gpus-per-trial", metavar="X", help="GPUs of each worker on Ray.")
    ] = 0.0,
    retries: Annotated[
        int,
        typer.Option("--retries", parser=_whole, metavar="N", help="How often a lost trial is tried again."),
    ] = RETRIES,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try the trials again that are recorded as failed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run what is missing of a study and print its table. Stopped, it goes on where it was."""
    how = _Executor(executor, workers, address, gpus_per_trial, retries, retry_failed)

    def work(stop: _Stop) -> None:
        _print_table(_run(study, store, seeds, device, stop, how), json)

    _carry_out(
        work,
        _command(
            "run",
            study,
            store=(store, STORE),
            seeds=(seeds, None),
            device=(device, "auto"),
            executor=(executor, "local"),
            workers=(workers, 0),
            address=(address, None),
            gpus_per_trial=(gpus_per_trial, 0.0),
            retries=(retries, RETRIES),
            retry_failed=(retry_failed, False),
            json=(json, False),
        ),
    )


@app.command("list", rich_help_panel=LOOK)
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            help="tasks, networks, solvers or studies.",
            autocompletion=lambda incomplete: [kind for kind in KINDS if kind.startswith(incomplete)],
        ),
    ],
    json: JsonOption = False,
) -> None:
    """List the tasks, networks or solvers with their dials, or the studies with the claims they decide."""

    def work(stop: _Stop) -> None:
        _pick("kind", kind, KINDS)
        _print_entries(kind, json)

    _carry_out(work)


@app.command(rich_help_panel=LOOK)
def show(
    task: TaskArgument,
    dials: DialsOption = None,
    depth: Annotated[
        int | None,
        typer.Option("--depth", parser=_whole, metavar="N", help="Serial depth; the largest if absent."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", parser=_whole, metavar="N", help="Which instance.")] = 0,
) -> None:
    """Print an instance of a task with its serial steps and its answer, its cost and its control."""
    _carry_out(lambda stop: _show(task, dials or [], depth, seed))


@app.command(rich_help_panel=TEST)
def check(
    task: TaskArgument,
    dials: DialsOption = None,
    json: JsonOption = False,
) -> None:
    """Hold a task, yours too, to the contract: layout, seeding, splits, dials, costs, control, text."""

    def work(stop: _Stop) -> None:
        _use_device("auto")
        from .conformance import check_task

        made = _task(task, dials or [])
        if made.max_depth < 2:
            _fail(f"{made!r} has max_depth {made.max_depth}; to see growth, the check needs 2 or more")
        found = check_task(made)
        _print_object(found) if json else typer.echo(str(found))
        if not found.passed:
            _fail(f"{len(found.faults)} of {len(found.checks)} checks failed", code=1)

    _carry_out(work)


@app.command(rich_help_panel=LOOK)
def gallery(
    out: Annotated[
        Path, typer.Option("--out", parser=_file, metavar="FILE", help="The page to write.")
    ] = Path("gallery.md"),
) -> None:
    """Write a page with an instance of every task: picture, question, steps, costs, control, sources."""

    def work(stop: _Stop) -> None:
        _use_device("auto")
        from .gallery import write_gallery
        from .tasks import TASKS

        try:
            page, *pictures = write_gallery(out, {name: TASKS[name]() for name in TASKS.built_in})
        except FileExistsError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"page {str(out)!r} cannot be written ({error.strerror or error})", code=1)
        typer.echo(f"{page}: {len(TASKS.built_in)} tasks, {len(pictures)} pictures")

    _carry_out(work)


@app.command(rich_help_panel=TEST)
def export(
    task: TaskArgument,
    out: Annotated[
        Path,
        typer.Option("--out", parser=_file, metavar="FILE", help="The file to write: .parquet or .jsonl."),
    ],
    count: Annotated[
        int, typer.Option("--count", parser=_whole, metavar="N", help="Instances of each depth.")
    ] = 1000,
    depth: Annotated[
        str | None, typer.Option("--depth", metavar="DEPTHS", help="8, 1..32 or 1,2,4; all if absent.")
    ] = None,
    dials: DialsOption = None,
    seed: Annotated[int, typer.Option("--seed", parser=_whole, metavar="N", help="Which instances.")] = 0,
    form: Annotated[str, typer.Option("--form", help="What rows hold: both, text or tokens.")] = "both",
) -> None:
    """Write instances to a file that any framework reads, with a card beside it."""

    def work(stop: _Stop) -> None:
        _use_device("auto")
        from .exchange import Plan, Refused
        from .exchange import export as write
        from .exchange.export import card_of, check
        from .exchange.plan import read_depths

        made = _task(task, dials or [])
        try:
            depths = read_depths(f"1..{made.max_depth}" if depth is None else depth)
            if depths[-1] > made.max_depth:
                made = made.resized(depths[-1])
            plan = Plan(made, depths, count, seed)
            check(out, form)
            made.prepare()  # it tells its own progress
            with _progress("rows", len(plan), stop) as observe:
                counts = write(plan, out, form=form, observe=observe)
        except (Refused, ValueError) as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            _without(error, "Parquet", "data", "name a .jsonl file")
        except InterruptedError:
            raise
        except OSError as error:
            _fail(f"file {str(out)!r} cannot be written ({error.strerror or error})", code=1)
        splits = ", ".join(f"{sum(rows.values()):,} {split}" for split, rows in counts.items())
        typer.echo(f"{len(plan):,} rows ({splits}): {out}\nCard: {card_of(out)}")

    _carry_out(work)


@app.command(rich_help_panel=TEST)
def score(
    task: TaskArgument,
    predictions: Annotated[
        Path,
        typer.Argument(parser=_file, metavar="FILE", help="Columns id, prediction: .parquet, .jsonl."),
    ],
    dials: DialsOption = None,
    split: Annotated[
        str, typer.Option("--split", help="Rows that count: train, validation, test or all.")
    ] = "test",
    given_only: Annotated[
        bool, typer.Option("--given-only", help="Leave rows without a prediction out, not wrong.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Score a file of predictions: accuracy by depth with intervals, reach, the majority baseline."""

    def work(stop: _Stop) -> None:
        _use_device("auto")
        from .exchange import Refused, Unusable
        from .exchange import score as scored

        made = _task(task, dials or [])
        try:
            with _progress("rows", None, stop) as observe:
                found = scored(made, predictions, split=split, given_only=given_only, observe=observe)
        except Refused as error:
            _fail(str(error), code=1 if isinstance(error, Unusable) else 2)
        except ModuleNotFoundError as error:
            _without(error, "Parquet", "data", "name a .jsonl file")
        except InterruptedError:
            raise
        except OSError as error:
            _fail(f"file {str(predictions)!r} cannot be read ({error.strerror or error})", code=1)
        if json:
            _print_object(found)
        else:
            _print_score(found)
        for fault in found.faults:
            _tell(str(fault))
        if found.faults:
            raise typer.Exit(1)

    _carry_out(work)


@app.command(rich_help_panel=MEASURE)
def meter(
    target: Annotated[
        str | None, typer.Argument(help="The program: package.module:function or path/to/file.py:function.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="DTYPE[SIZES]", help="An argument's shape, in order: 'float32[8,n]'."),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="NAME=SIZES", help="How cost grows with a size: n=16,32,64,128."),
    ] = None,
    cost_model: Annotated[str, typer.Option("--cost-model", help="unit, fan_in_2 or layer.")] = "unit",
    control: Annotated[
        str, typer.Option("--control", help="full: what a predicate decides waits for it; data: it does not.")
    ] = "full",
    trips: Annotated[
        int | None,
        typer.Option("--trips", parser=_whole, metavar="N", help="Trips of a while loop of unknown length."),
    ] = None,
    declare: Annotated[
        list[str] | None,
        typer.Option("--declare", metavar="NAME=WORK,SPAN", help="The cost of an operation or function."),
    ] = None,
    uncounted: Annotated[
        str, typer.Option("--uncounted", help="An operation without a rule: error, or list to go on.")
    ] = "error",
    torch: Annotated[bool, typer.Option("--torch", help="The function is PyTorch's.")] = False,
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="Meter a ready example instead.",
            autocompletion=_names_of("example"),
        ),
    ] = None,
    dials: Annotated[
        list[str] | None, typer.Option("--set", metavar="DIAL=VALUE", help="Set a dial of the example.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the examples with their dials.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="Tell functions apart.")] = False,
    path: Annotated[bool, typer.Option("--path", help="Tell the critical path, line by line.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure", parser=_file, metavar="FILE", help="Draw the speed-up it allows: svg, png or html."
        ),
    ] = None,
) -> None:
    """Measure work and span of a JAX or PyTorch program, which is not run."""

    def work(stop: _Stop) -> None:
        if listed:
            _print_entries("examples", json)
            return
        from .meter import COST_MODELS
        from .meter_command import Refused, check_figure, declared

        try:
            if trips is not None and trips < 0:
                _fail(f"--trips is {trips}, allowed is 0 and more; e.g. --trips 100")
            if figure is not None:
                check_figure(figure)
            options = {
                "cost_model": _pick("cost model", cost_model, COST_MODELS),
                "control": _pick("control", control, ("full", "data")),
                "trips": trips,
                "declared": declared(declare or []),
                "uncounted": _pick("--uncounted", uncounted, ("error", "list")),
            }
            _use_device("cpu")  # a program is traced, not run
            program = _program(target, arguments or [], example, dials or [], sizes, torch)
            _meter(program, options, figure, json, tree=tree, path=path)
        except Refused as error:
            _fail(str(error))
        except OSError as error:
            if figure is None:
                raise
            _fail(f"figure {str(figure)!r} cannot be written ({error.strerror or error})", code=1)

    _carry_out(work)


@app.command(rich_help_panel=MEASURE)
def machine(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter rounds.")] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", parser=_file, metavar="FILE", help="Draw it: svg, png or html."),
    ] = None,
) -> None:
    """Measure this machine, and predict and time the rows of Table 1: work and span in seconds."""

    def work(stop: _Stop) -> None:
        _pick("device", device, DEVICES)
        from .meter_command import Refused, check_figure

        try:
            if figure is not None:
                check_figure(figure)
            _use_device(device)
            _machine(quick, figure, json, stop)
        except Refused as error:
            _fail(str(error))

    _carry_out(work)


@app.command(rich_help_panel=STUDY)
def report(
    store: StoresOption = None,
    out: OutOption = OUT,
    figures: FiguresOption = None,
    json: JsonOption = False,
) -> None:
    """Print the tables of all studies in stores and write the page, which works without a network."""

    def work(stop: _Stop) -> None:
        paths = _stores(store)
        _check_out(out, paths, figures)
        records = _read(paths)
        if not records:
            named = ", ".join(map(repr, map(str, paths)))
            _fail(f"store {named} holds no records yet; `seriality demo` makes some", code=1)
        _report(records, out, figures, store or [], json)

    _carry_out(work)


@app.command(rich_help_panel=STUDY)
def claims(
    claim: Annotated[
        str | None,
        typer.Argument(help="A claim's id, such as C07; all if absent.", autocompletion=_names_of("claim")),
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Of one claim print the numbers of every curve too.")
    ] = False,
    store: StoresOption = None,
    json: JsonOption = False,
) -> None:
    """Print every claim of the paper with its verdict by the records of stores, or one with all that decides
    it."""

    def work(stop: _Stop) -> None:
        from .claims import CLAIMS
        from .report import as_json, standings
        from .report import claim as whole
        from .report import claims as every

        chosen = None if claim is None else _pick("claim", claim.upper(), CLAIMS)
        if store is None and not STORE.exists():
            _tell(f"there is no {STORE} here, so nothing was run; --store names records, such as results")
            found = standings([])
        else:
            found = standings(_read(_stores(store)))
        if json:
            _print_json(as_json.claims(found) if chosen is None else as_json.claim(found[chosen]))
        else:
            _print_rich(every(found) if chosen is None else whole(found[chosen], curves=curves))
        ran = any(each.records for each in (found.values() if chosen is None else [found[chosen]]))
        if store is None and not ran and STORE.exists():
            _tell(f"these are the records of {STORE} alone; --store names others, such as results")
        if chosen is not None and found[chosen].records and not json:
            named = " ".join(f"--store {shlex.quote(str(path))}" for path in store or [])
            typer.echo(
                f"\nOne of its records: seriality record {found[chosen].records[0][:8]} {named}".rstrip()
            )

    _carry_out(work)


@app.command(rich_help_panel=STUDY)
def record(
    id: Annotated[str, typer.Argument(help="A record's id, or how it begins.")],
    store: StoresOption = None,
) -> None:
    """Print a record whole, as JSON: settings, outcome, and on what it ran."""

    def work(stop: _Stop) -> None:
        records = _read(_stores(store))
        found = [each for each in records if id and each.id.startswith(id)]
        if len(found) != 1:
            near = ", ".join(each.id for each in found[:3])
            where = ", ".join(map(str, store or [STORE]))
            what = f"{len(found)} records begin so: {near}, …; type more of it"
            none = f"there is none in {where}; --store names other records, such as results"
            _fail(f"record {id!r}: {what if found else none}")
        _print_json(vars(found[0]))

    _carry_out(work)


# Running


class _Executor(NamedTuple):
    """What was asked of the executor, as typed."""

    name: str = "local"
    workers: int = 0
    address: str | None = None
    gpus_per_trial: float = 0.0
    retries: int = RETRIES
    retry_failed: bool = False

    def check(self) -> None:
        """All that is wrong with it, in one line."""
        _pick("executor", self.name, EXECUTORS)
        faults = []
        if self.workers < 0:
            faults.append(f"--workers is {self.workers}, allowed is 0 or more; e.g. --workers 2")
        if self.workers and self.name == "local":
            faults.append("--workers is for --executor processes or ray; local is one")
        if self.address is not None and self.name != "ray":
            faults.append("--address is for --executor ray")
        if not 0 <= self.gpus_per_trial <= 64:
            faults.append(
                f"--gpus-per-trial is {self.gpus_per_trial:g}, allowed is 0 to 64; e.g. --gpus-per-trial 0.5"
            )
        if self.gpus_per_trial and self.name != "ray":
            faults.append("--gpus-per-trial is for --executor ray")
        if self.retries < 0:
            faults.append(f"--retries is {self.retries}, allowed is 0 or more; e.g. --retries {RETRIES}")
        if faults:
            _fail("; ".join(faults))

    def made(self) -> Any:
        from .study.executors import Local, Processes, Ray

        if self.name == "processes":
            return Processes(self.workers)
        return Ray(self.workers, self.address, self.gpus_per_trial) if self.name == "ray" else Local()


LOCALLY = _Executor()


def _run(
    name: str,
    path: Path,
    seeds: int | None,
    device: str,
    stop: "_Stop",
    how: _Executor = LOCALLY,
) -> "list[Record]":
    """Run what is missing of a study; all of its records."""
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        _fail(f"--seeds is {seeds}, allowed is 1 to {MOST_SEEDS}; e.g. --seeds 5")
    _pick("device", device, DEVICES)
    how.check()
    from .studies import STUDIES

    study = _entry("study", name if name in STUDIES else name.replace("-", "_"), STUDIES)
    _use_device(device)
    from .store import Store
    from .study import ExecutorError, Progress, TrialError, groups
    from .study import run as run_study
    from .study.cache import use_cache
    from .study.watch import Unheeded, Watch

    with Store(path) as store:
        use_cache()
        every = groups(study, seeds)
        ids = store.ids(study.name)
        missing = sum(trial.id not in ids for group in every for trial in group)
        total = sum(map(len, every))
        failed = store.failed(study.name)
        with suppress(OSError):  # nobody reads: the run does not depend on it
            typer.echo(f"{study.name}: {total - missing} of {total} trials are in {path} already", err=True)
            if failed and not how.retry_failed:
                what = f"{len(failed)} trial{'s' * (len(failed) > 1)} recorded as failed"
                typer.echo(f"{study.name}: {what}, left alone; --retry-failed tries again", err=True)
        if not missing:
            return store.records(study.name)
        console = Unheeded(stderr=True, highlight=False)
        live = sys.stderr.isatty() and not console.is_dumb_terminal
        with Watch(console, every, store.records(study.name), live=live) as watch:
            stop.leave = watch.__exit__

            def observe(now: Progress) -> None:
                if stop.asked.is_set():
                    raise InterruptedError
                watch(now)

            try:
                run_study(
                    study,
                    store,
                    seeds=seeds,
                    executor=how.made(),
                    retries=how.retries,
                    retry_failed=how.retry_failed,
                    observe=observe,
                )
            except (ExecutorError, TrialError) as error:
                _fail(f"{error}; finished trials are kept", code=1)
        return store.records(study.name)


class _Stop:
    """How the main thread asks the working one to stop, and sets the terminal right if it does not."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.leave: Callable[[], object] = lambda: None


def _carry_out(work: Callable[[_Stop], None], again: str | None = None) -> None:
    """Work in a thread, its errors and Ctrl-C in one line each; `again` is the command that resumes it.

    An event tells the thread's end: `Thread.join`, interrupted, takes it for stopped in some Pythons.
    """
    stop, ended = _Stop(), threading.Event()
    errors: list[BaseException] = []

    def body() -> None:
        try:
            work(stop)
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    if again is None:  # nothing is resumed: these end it as Ctrl-C does; Windows has no SIGHUP
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
                signal.signal(getattr(signal, name), signal.default_int_handler)
    threading.Thread(target=body, daemon=True).start()
    try:
        while not ended.wait(0.5):
            pass
    except KeyboardInterrupt:
        stop.asked.set()
        gone = False
        with suppress(KeyboardInterrupt):
            gone = ended.wait(PATIENCE_S)
        if not gone:
            stop.leave()
            for file in getattr(sys.modules.get("seriality.partial"), "UNFINISHED", ()):
                file.unlink(missing_ok=True)
        _tell(f"stopped; finished trials are kept, go on with: {again}" if again else "stopped")
        if not gone:
            _leave(130)
        raise typer.Exit(130) from None
    if errors:
        from .store import StoreError

        if isinstance(errors[0], StoreError):
            _fail(str(errors[0]), code=1)
        if isinstance(errors[0], MemoryError) or "RESOURCE_EXHAUSTED" in str(errors[0]):
            _fail("this needs more memory than there is; try smaller dials, depths or counts", code=1)
        raise errors[0]


def _use_device(device: str) -> None:
    """Compute there; where a GPU is asked for and there is none, say what there is."""
    import jax

    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    try:
        seen = ", ".join(f"{each.platform} ({each.device_kind})" for each in jax.devices())
    except RuntimeError as error:
        said = str(error).partition("\n")[0]
        _fail(f"JAX finds no device: {said}; unset JAX_PLATFORMS, or set JAX_PLATFORMS=cpu")
    if device == "gpu":
        try:
            jax.devices("gpu")
        except RuntimeError:
            _fail(
                f"--device gpu: JAX sees no GPU, only {seen}; on a machine with one install seriality[gpu], "
                "or take --device cpu"
            )


def _stores(named: "list[Path] | None") -> list[Path]:
    """The stores that were named, those of folders in the order of their names."""
    found = []
    for path in named or [STORE]:
        if not path.is_dir():
            found.append(path)
        elif inside := sorted(path.glob("*.sqlite")):
            found += inside
        else:
            _fail(
                f"--store {str(path)!r} is a folder without stores (*.sqlite); name a file or another folder"
            )
    return found


def _read(paths: list[Path]) -> "list[Record]":
    """The records of all stores; of a trial that is in several, the first."""
    from .store import Store

    records: dict[str, Record] = {}
    for path in paths:
        with Store.open_read(path) as opened:
            for each in opened.records():
                records.setdefault(each.id, each)
    return list(records.values())


def _print_rich(what: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(what)


def _print_table(records: "list[Record]", is_json: bool) -> None:
    from .report import as_json, table

    _print_json(as_json.tables(records)) if is_json else _print_rich(table(records))


def _check_out(out: Path, stores: list[Path], figures: Path | None = None) -> None:
    """What can be said of the page's place before the work begins: only a report is written over."""
    if os.path.isdir(out):
        _fail(f"--out {str(out)!r} is a folder; name a file, e.g. --out {str(out / OUT)!r}")
    for store in stores:
        real = os.path.realpath(store)
        own = [real, *(f"{real}-{kind}" for kind in ("wal", "shm", "journal", "turns"))]
        if os.path.realpath(out) in own or any(_is_same(out, file) for file in own):
            _fail(f"--out {str(out)!r} is the store or a part of it; name another file, e.g. --out {OUT}")
    from .report import in_the_way

    if (other := in_the_way(out, figures)) is not None:
        option, name = ("--figures", figures) if figures in (other, *other.parents) else ("--out", out)
        instead = "another folder" if option == "--figures" else f"another file, e.g. --out new-{OUT}"
        _fail(
            f"{option} {str(name)!r}: {str(other)!r} is there and was not written by seriality; move it, "
            f"or name {instead}"
        )


def _is_same(one: Path, other: str) -> bool:
    """Whether both are there and are one file, by links perhaps."""
    with suppress(OSError):
        return samefile(one, other)
    return False


def _report(
    records: "list[Record]", out: Path, figures: Path | None, stores: "list[Path]", is_json: bool
) -> None:
    """Write the page, then print the table, which whoever reads may cut short."""
    from .report import save_figures, write

    option, place = "--out FILE", out
    try:
        write(records, out, None, stores)
        if figures is not None:
            option, place = "--figures FOLDER", figures
            save_figures(records, figures)
    except OSError as error:
        _fail(
            f"report {str(place)!r} cannot be written ({error.strerror or error}); the records are safe: "
            f"`seriality report {option}` writes it elsewhere",
            code=1,
        )
    _print_table(records, is_json)
    beside = f", figures in {figures}" if figures is not None else ""
    typer.echo(f"Report: {out}{beside}", err=is_json)


# Metering


def _program(
    target: str | None,
    arguments: list[str],
    example: str | None,
    settings: list[str],
    sizes: str | None,
    torch: bool,
) -> "Program":
    """The program that was named, or a ready one."""
    import inspect

    from .meter.examples import EXAMPLES
    from .meter_command import example as ready
    from .meter_command import named

    if example is not None:
        dials = inspect.signature(EXAMPLES[_pick("example", example, EXAMPLES)]).parameters
        if target is not None or arguments or torch:
            _fail(f"--example {example} is a whole program; leave out the target, --arg and --torch")
        return ready(example, _dials(example, [*dials], settings), sizes)
    if target is None:
        _fail(
            "name a program, e.g. seriality meter model.py:forward --arg 'float32[8,128]', or an example, "
            "e.g. seriality meter --example gpt2; `seriality meter --list` shows the examples"
        )
    if settings:
        _fail(f"--set {settings[0]} is for examples; the shapes of {target!r} are given by --arg")
    return named(target, arguments, sizes, torch=torch)


def _meter(
    program: "Program", options: dict[str, Any], figure: Path | None, is_json: bool, **parts: bool
) -> None:
    """Measure a program, draw it, and print what was asked for."""
    import json

    from rich.console import Console

    from .meter_command import as_json, draw, measured, shown

    found = measured(program, options)
    if figure is not None:
        draw(found, figure)
    if is_json:
        typer.echo(json.dumps(as_json(found, **parts), indent=2, ensure_ascii=False))
    else:
        Console(highlight=False).print(shown(found, **parts))
    if figure is not None:
        typer.echo(f"Figure: {figure}", err=is_json)


def _machine(quick: bool, figure: Path | None, is_json: bool, stop: "_Stop") -> None:
    """Measure the machine, draw what was found, and print it."""
    import json

    from rich.console import Console

    from .machine_command import as_json, draw, found, shown
    from .study.cache import use_cache

    use_cache()
    with _progress("percent", 100, stop) as observe:
        told = found(quick=quick, observe=lambda share: observe(int(100 * share)))
    if is_json:
        typer.echo(json.dumps(as_json(told), indent=2, ensure_ascii=False))
    else:
        Console(highlight=False).print(shown(told))
    if figure is not None:
        try:
            draw(told, figure)
        except OSError as error:
            _fail(f"figure {str(figure)!r} cannot be written ({error.strerror or error})", code=1)
        typer.echo(f"Figure: {figure}", err=is_json)


# Listing and showing


def _print_entries(kind: str, is_json: bool) -> None:
    if is_json:
        names = ("name", "text", "size" if kind == "studies" else "dials")
        _print_json([dict(zip(names, each, strict=True)) for each in _listed(kind)])
        return
    for name, text, dials in _listed(kind):
        typer.echo(f"{name}\n  {text}\n  {dials}")


def _print_json(value: Any) -> None:
    import json

    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except RecursionError:  # nested deeply: the encoder that does not indent goes further
        text = json.dumps(value, ensure_ascii=False)
    typer.echo(text)


def _listed(kind: str) -> Iterator[tuple[str, str, str]]:
    """Name, one line of text and dials of every entry of a list; one that cannot be had says so there."""
    from .registry import Unusable

    described: Callable[..., tuple[str, str, str]] = _described
    entries: Mapping[str, Any]
    if kind == "examples":
        from .meter.examples import EXAMPLES as entries
    elif kind == "networks":
        from .networks import NETWORKS as entries
    elif kind == "tasks":
        from .tasks import TASKS as entries
    elif kind == "solvers":
        from .solvers import SOLVERS as entries
    else:
        from .studies import STUDIES as entries

        described = _described_study
    for name in entries:
        try:
            yield described(name, entries[name])
        except Unusable as error:
            yield name, str(error), "not usable"


def _described_study(name: str, study: "Study") -> tuple[str, str, str]:
    trials, claims = len(study.trials(study.seeds)), ", ".join(study.claims) or "none"
    return name, study.title, f"seeds={study.seeds} ({trials} trials), claims: {claims}"


def _described(name: str, entry: Callable[..., Any]) -> tuple[str, str, str]:
    import inspect

    dials = [
        f"{dial.name}={dial.default!r}"
        for dial in inspect.signature(entry).parameters.values()
        if dial.default is not dial.empty
    ]
    text = (inspect.getdoc(entry) or "").partition("\n\n")[0]
    return name, " ".join(text.split()), ", ".join(dials) or "no dials"


def _show(name: str, settings: list[str], depth: int | None, seed: int) -> None:
    if not 0 <= seed < 2**32:
        _fail(f"--seed is {seed}, allowed is 0 to {2**32 - 1}; e.g. --seed 0")
    _use_device("auto")
    import jax
    import numpy as np

    task = _task(name, settings)
    try:
        instance = jax.tree.map(
            lambda values: np.asarray(values[0]), task.sample(1, key=jax.random.key(seed), depth=depth)
        )
    except ValueError as error:
        _fail(str(error))
    except (MemoryError, RuntimeError):
        _fail(f"{name} with {' '.join(settings)} is too large for this machine's memory; try smaller dials")
    layout, control = task.format, task.control
    twin = "none, the task has a shortcut itself" if control is None else f"{control}, {_cost(control)}"
    typer.echo(
        f"{task!r}\n"
        f"depth: {instance.depth} of {task.max_depth}\n"
        f"tokens: prompt {layout.prompt_length}, trace {layout.trace_length}, answer {layout.answer_length}\n"
        f"cost: {_cost(task)}\n"
        f"control: {twin}\n"
    )
    typer.echo(task.render(instance.prompt))
    typer.echo(f"\nsteps:\n{task.render_trace(instance.trace)}")
    typer.echo(f"\nanswer: {task.render_answer(instance.answer)}")


def _task(name: str, settings: list[str]) -> "AbstractTask":
    """A task with its dials as typed."""
    import inspect

    from .tasks import MONOIDS, TASKS

    task_class = _entry("task", name, TASKS)
    dials = _dials(name, [*inspect.signature(task_class).parameters], settings)
    if "monoid" in dials:
        _pick("monoid", dials["monoid"], MONOIDS)
    try:
        return task_class(**dials)
    except ValueError as error:
        _fail(str(error))


def _cost(task: "AbstractTask") -> str:
    """The declared cost of the largest instance, and how the span grows with the largest depth."""
    from .meter import growth
    from .study.train import depths_of

    cost, grows = task.cost(), "too few depths to say how it grows"
    for depths in ((32, 64, 128, 256), depths_of(task)):
        with suppress(ValueError):  # dials that do not allow these depths
            law = growth({n: task.resized(n).cost().span for n in depths})
            if law.law != "unnamed":
                grows = f"{law.formula} at depth n"
            break
    return f"work {cost.work}, span {cost.span} ({grows})"


def _dials(owner: str, names: list[str], settings: list[str]) -> dict[str, Any]:
    """Dials from texts such as "length=8"; what is no integer stays text, which their owner judges."""
    dials: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            _fail(f"--set {setting!r}: allowed is DIAL=VALUE; e.g. --set {names[-1]}=...")
        _pick(f"dial of {owner}", name, names)
        try:
            dials[name] = int(value)
        except ValueError:
            dials[name] = value
    return dials


# Checking, exporting, scoring


@contextmanager
def _progress(what: str, total: int | None, stop: _Stop) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while the block runs, if that is a terminal; the block ends when asked to."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        stop.leave = bar.stop

        def observe(done: int) -> None:
            if stop.asked.is_set():
                raise InterruptedError
            bar.update(task, completed=done)

        yield observe


def _print_object(found: Any) -> None:
    """A dataclass as JSON."""
    import dataclasses

    _print_json(dataclasses.asdict(found))


def _print_score(found: "Score") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("depth", "rows", "right", "accuracy", "95 % interval", "majority")
    for row in found.rows:
        table.add_row(
            str(row.depth),
            f"{row.asked:,}",
            f"{row.right:,}",
            f"{row.accuracy:.3f}",
            f"{row.low:.3f} to {row.high:.3f}",
            f"{row.baseline:.3f}",
        )
    given = ", rows without a prediction left out" if found.given_only else ""
    typer.echo(f"{found.task}, seed {found.seed}, split {found.split}{given}")
    Console(highlight=False).print(table)
    typer.echo(f"reach: {found.reach} (of all depths scored up to it at least 90 % are right)")
    if len(found.rows) < found.max_depth:
        typer.echo(
            f"scored: {len(found.rows)} of the depths 1..{found.max_depth}, those that occur; of the others "
            "nothing is known"
        )
    if shared := [row.depth for row in found.rows if row.depth <= found.shared_depth]:
        typer.echo(f"depths up to {shared[-1]}: few questions, whose answers deeper training rows may hold")
    if found.elsewhere:
        typer.echo(f"{found.elsewhere:,} rows are of other splits and were left out; --split all scores them")
    for fault in (found.unreadable, found.missing):
        if fault.count:
            typer.echo(str(fault))


def _without(error: ModuleNotFoundError, what: str, extra: str, instead: str) -> NoReturn:
    """An optional package is not installed."""
    if error.name != "pyarrow":
        raise error
    _fail(f"{what} needs {error.name}: pip install {error.name} (the extra [{extra}]), or {instead}")


# Errors


def _fail(message: str, *, code: int = 2) -> NoReturn:
    _tell(message)
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


def _entry(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """What has the name; one of another package that cannot be had is an error of a line."""
    from .registry import Unusable

    try:
        return known[_pick(kind, name, known)]
    except Unusable as error:
        _fail(str(error), code=1)


def _tell(message: str) -> None:
    """One line on standard error, if anyone can read it."""
    with suppress(OSError):
        typer.echo(f"seriality: {message}", err=True)


def _leave(code: int) -> NoReturn:
    """End the process at once: what still runs in it is left behind."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


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
        for part in (f"--{option.replace('_', '-')}", *([] if value is True else [str(value)]))
    ]
    return shlex.join([name, *words, *given])
