"""Tasks, solvers and studies that another package brings: one on the path, with entry points of its own.

Every fault that an entry may have stands beside one that has none and works.
"""

import importlib
import json
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from typer.testing import CliRunner

import seriality.solvers
import seriality.studies
import seriality.tasks
from seriality import cli
from seriality.registry import Registry, Unusable, packages
from seriality.report.summary import summaries
from seriality.solvers import build, resolved
from seriality.store import Store
from seriality.study.grid import AXES
from seriality.study.provenance import environment

MODULES = {
    "tasks": """
        import abc
        from dataclasses import dataclass
        from seriality.tasks import AbstractTask, Words

        @dataclass(frozen=True)
        class Letters(Words):
            "Words, by another name."
            length: int = 4

        Renamed, number = Letters, 3

        class Vague(AbstractTask):
            version = 1

        @dataclass(frozen=True)
        class Unversioned(Words):
            version = "one"

        @dataclass(frozen=True)
        class Needy(Words):
            def __init__(self, length):
                pass
    """,
    "solvers": """
        from __future__ import annotations  # annotations are texts
        import equinox as eqx
        from seriality import Format
        from seriality.networks import AbstractNetwork
        from seriality.solvers import AbstractSolver, SinglePass

        class Twice(SinglePass):
            "Asks twice."
            def __init__(self, network: AbstractNetwork, format: Format, *, temperature: float = 0.0):
                super().__init__(network, format, temperature=temperature)

            def solve(self, prompt, *, key):
                return super().solve(prompt, key=key) + 0 * super().solve(prompt, key=key)

        class Inside(AbstractSolver):
            "Asks what is inside."
            version = 1
            solver: AbstractSolver
            dial: int = eqx.field(static=True, default=1)

            def loss(self, instances, *, key):
                return self.solver.loss(instances, key=key)

            def solve(self, prompt, *, key):
                return self.solver.solve(prompt, key=key)

            def budget(self, prompt_length):
                return self.solver.budget(prompt_length)

            def span(self, prompt_length):
                return self.solver.span(prompt_length)

        Renamed, number = Twice, 3

        class Vague(AbstractSolver):
            version = 1

        class Alone(Inside):
            def __init__(self, format):
                pass

        class Unannotated(Twice):
            def __init__(self, network, format):
                pass
    """,
    "studies": """
        from another_package.tasks import Letters
        from seriality.study import SERIAL, Experiment, Study, Trial, Training

        TRAINING = Training((1, 2), steps=2, batch=4, warmup=1, chunk=2, gate_instances=4, test_instances=4)
        NETWORK = {"name": "Transformer", "width": 8, "layers": 1, "heads": 1}

        def square(number):
            return {"square": number**2}

        def trials(seeds):
            solver = {"name": "Twice", "network": NETWORK}
            squares = "letters", "squares", "numbers", SERIAL, square
            return [
                *(Experiment(*squares, {"number": number}) for number in range(2)),
                Trial("letters", "Twice asked", "letters", SERIAL, Letters(), solver, TRAINING, 1e-3, 0),
            ]

        def study(name, trials=lambda seeds: [], claims=()):
            return Study(name, f"The study {name}", claims, 1, trials)

        def breaks(seeds):
            raise RuntimeError("no\\nluck")

        letters = study("letters", trials)
        renamed, number = letters, 3
        unclaimed = study("unclaimed", claims=("C01", "C99"))
        astray = study("astray", trials)
        odd = study("odd", lambda seeds: [1])
        breaking = study("breaking", breaks)
    """,
    "quits": "raise SystemExit(3)",
}
GOOD = {"tasks": ["Letters"], "solvers": ["Twice", "Inside"], "studies": ["letters"]}
ABSENT = (
    "no_such_package:Absent",
    "cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'",
)
QUITS = ("another_package.quits:Quits", "cannot be loaded: SystemExit: 3")
# kind -> name of the entry -> what it points to, and what is said of it
BROKEN = {
    "tasks": {
        "Absent": ABSENT,
        "Quits": QUITS,
        "Gone": (":Gone", "cannot be loaded: AttributeError"),
        "Number": (":number", "is no subclass of seriality.tasks.AbstractTask"),
        "Renamed": (":Renamed", "is the class Letters; the entry point must have its name"),
        "Vague": (":Vague", "does not define control, cost, distinct, draw, format, max_depth, parse, "),
        "Unversioned": (":Unversioned", "has the version 'one', allowed is an integer; write version = 1"),
        "Needy": (":Needy", "has no default for length; give every dial one"),
    },
    "solvers": {
        "Absent": ABSENT,
        "Quits": QUITS,
        "Gone": (":Gone", "cannot be loaded: AttributeError"),
        "Number": (":number", "is no subclass of seriality.solvers.AbstractSolver"),
        "Renamed": (":Renamed", "is the class Twice; the entry point must have its name"),
        "Vague": (":Vague", "does not define budget, loss, solve, span, which seriality.solvers.Abstract"),
        "Alone": (":Alone", "must take either `network` or `solver`"),
        "Unannotated": (":Unannotated", "fits no network; annotate it, as in network: seriality.networks."),
    },
    "studies": {
        "absent": ABSENT,
        "quits": QUITS,
        "gone": (":gone", "cannot be loaded: AttributeError"),
        "number": (":number", "is no seriality.study.Study"),
        "renamed": (":renamed", "is the study 'letters'; the entry point must have its name"),
        "unclaimed": (":unclaimed", "bears on C99, which are no claims; `seriality claims` shows them"),
        "astray": (":astray", "lists trials of the study letters; write 'astray' as their first argument"),
        "odd": (":odd", "lists trials that are neither seriality.study.Trial nor "),
        "breaking": (":breaking", "cannot be loaded: RuntimeError: no luck"),
    },
}
TAKEN = {
    "tasks": ("Words", "Letters"),
    "solvers": ("SinglePass", "Twice"),
    "studies": ("miniature", "letters"),
}
"""A name of this package's own, and what is brought by it."""
LISTS = {
    "tasks": (seriality.tasks, "TASKS", "task"),
    "solvers": (seriality.solvers, "SOLVERS", "solver"),
    "studies": (seriality.studies, "STUDIES", "study"),
}
KINDS = pytest.mark.parametrize("kind", LISTS)


def installed(folder, name, points):
    """As if a package of this name and version 2.5 were installed in a folder on the path."""
    about = folder / f"{name.replace('-', '_')}-2.5.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.5\n")
    lines = [
        line
        for kind, entries in points.items()
        for line in (f"[seriality.{kind}]", *(f"{each} = {value}" for each, value in entries.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """The three lists as they are where `another-package` is installed, by kind."""
    folder = tmp_path / "site"
    code = folder / "another_package"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    for name, text in MODULES.items():
        (code / f"{name}.py").write_text("\n".join(line[8:] for line in text.splitlines()) or text)
    (code / "quits.py").write_text(MODULES["quits"])
    points = {}
    for kind, (taken, instead) in TAKEN.items():
        home = f"another_package.{kind}"
        broken = {name: (home if at[0] == ":" else "") + at for name, (at, _) in BROKEN[kind].items()}
        own = {name: f"{home}:{name}" for name in GOOD[kind]}
        points[kind] = broken | own | {taken: f"{home}:{instead}"}
    installed(folder, "another-package", points)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    lists = {}
    for kind, (home, name, singular) in LISTS.items():
        known = getattr(home, name)
        own = {each: known[each] for each in known.built_in}
        lists[kind] = Registry(singular, own, fault=home._fault)
        monkeypatch.setattr(home, name, lists[kind])
    monkeypatch.setattr(cli, "_use_device", lambda device: None)
    yield lists
    for name in [name for name in sys.modules if name.startswith("another_package")]:
        del sys.modules[name]


@KINDS
def test_entries_of_other_packages_join_the_list(brought, kind):
    found, (taken, instead) = brought[kind], TAKEN[kind]
    assert list(found)[: len(found.built_in)] == list(found.built_in)
    assert set(found) - set(found.built_in) == {*GOOD[kind], *BROKEN[kind]}
    assert len(found) == len(list(found)) == len(set(found))
    module = importlib.import_module(f"another_package.{kind}")
    for name in GOOD[kind]:
        assert name in found
        assert found[name] is getattr(module, name)
    assert found[taken] is not getattr(module, instead)
    assert "Nothing" not in found
    with pytest.raises(KeyError) as error:
        found["Nothing"]
    assert not isinstance(error.value, Unusable)


@KINDS
def test_nothing_is_loaded_before_it_is_looked_up(brought, kind):
    found = brought[kind]
    assert GOOD[kind][0] in list(found)
    assert GOOD[kind][0] in found
    assert found[TAKEN[kind][0]]
    assert "another_package" not in sys.modules
    assert found[GOOD[kind][0]]
    assert f"another_package.{kind}" in sys.modules


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [(kind, name, said) for kind, broken in BROKEN.items() for name, (_, said) in broken.items()],
)
def test_a_broken_one_says_why_and_breaks_nothing_else(brought, kind, name, said):
    found = brought[kind]
    with pytest.raises(Unusable) as error:
        found[name]
    text = str(error.value)
    assert text.startswith(f"{LISTS[kind][2]} {name!r} of another-package (")
    assert said in text
    assert "\n" not in text
    assert all(found[each] for each in GOOD[kind])


@KINDS
def test_a_name_that_two_packages_bring_is_refused(brought, kind, tmp_path):
    name = GOOD[kind][0]
    installed(tmp_path / "site", "third-package", {kind: {name: f"another_package.{kind}:{name}"}})
    with pytest.raises(Unusable) as error:
        brought[kind][name]
    text = str(error.value)
    assert text.startswith(f"{LISTS[kind][2]} {name!r} is brought by ")
    assert "another-package" in text
    assert "third-package" in text
    assert text.endswith("; uninstall all but one")


@KINDS
def test_the_command_lists_them_and_marks_what_is_not_usable(brought, kind):
    result = CliRunner().invoke(cli.app, ["list", kind])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in brought[kind]:
        third = lines[lines.index(name) + 2]
        assert (third == "  not usable") == (name in BROKEN[kind]), name
    assert "  The study letters" in lines or kind != "studies"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "Absent"), "task 'Absent' of another-package"),
        (("check", "Vague"), "task 'Vague' of another-package"),
        (("run", "quits"), "study 'quits' of another-package"),
    ],
)
def test_a_command_on_what_is_not_usable_says_why_in_a_line(brought, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"seriality: {said}")
    assert result.stderr.count("\n") == 1
    assert CliRunner().invoke(cli.app, ["show", "Letters"]).exit_code == 0


# What a solver of another package is built from

NETWORK = {"name": "Transformer", "width": 8, "heads": 2}
TWICE = {"name": "Twice", "network": NETWORK}
EVERY = pytest.mark.parametrize(
    ("settings", "inner"),
    [
        (TWICE, NETWORK),
        ({"name": "Inside", "solver": TWICE}, TWICE),
        ({"name": "Inside", "dial": 3, "solver": {"name": "SinglePass", "network": NETWORK}}, None),
        ({"name": "Majority", "samples": 3, "solver": {**TWICE, "temperature": 1.0}}, None),
    ],
    ids=lambda value: value["name"] if value and "samples" not in value else "",
)


@EVERY
def test_a_solver_comes_back_from_its_record(brought, settings, inner):
    layout = seriality.tasks.Words("S5", length=4).format
    written = json.loads(json.dumps(resolved(settings)))
    assert resolved(written) == written
    assert written["version"] == 1
    solver, again = (build(each, layout, key=jax.random.key(0)) for each in (settings, written))
    assert eqx.tree_equal(solver, again)
    assert type(solver).__name__ == settings["name"]
    assert solver.solve(jnp.ones(5, jnp.int32), key=jax.random.key(1)).shape == (1,)


def test_a_wrapper_is_seen_through(brought):
    inside = {"name": "Inside", "solver": TWICE}
    put, _ = AXES["width"].put(inside, None, 48)
    assert put["solver"]["network"]["width"] == 48
    assert put == {**inside, "solver": {**TWICE, "network": {**NETWORK, "width": 48}}}


def test_what_cannot_be_built_says_so(brought):
    layout = seriality.tasks.Words("S5", length=4).format
    with pytest.raises(ValueError, match=r"no solver named 'Thrice'; there are SinglePass, .*Twice"):
        build({**TWICE, "name": "Thrice"}, layout, key=jax.random.key(0))
    with pytest.raises(ValueError, match="Twice of version 2: this code builds version 1 alone"):
        build({**TWICE, "version": 2}, layout, key=jax.random.key(0))
    with pytest.raises(Unusable, match="solver 'Gone' of another-package"):
        build({**TWICE, "name": "Gone"}, layout, key=jax.random.key(0))


# A study of another package


@pytest.mark.parametrize("executor", ["local", "processes"])
def test_a_study_of_another_package_is_run_and_shown(brought, executor, tmp_path, monkeypatch):
    """Its solver's row, which is not in the paper, is in the table, and its experiments are counted."""
    store = tmp_path / "store.sqlite"
    workers = () if executor == "local" else ("--workers", "1")
    arguments = ["run", "letters", "--store", str(store), "--executor", executor, *workers]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.stderr
    assert "Twice asked" in result.stdout
    assert "Not shown: not of this form: 2 records" in result.stdout
    with Store.open_read(store) as opened:
        records = opened.records()
    assert {record.id for record in records} == {each.id for each in brought["studies"]["letters"].trials(1)}
    assert {record.provenance["versions"]["another-package"] for record in records} == {"2.5"}
    (summary,) = summaries(records)
    assert [row.name for row in summary.table["letters"]] == ["Twice asked"]
    page = tmp_path / "report.html"
    result = CliRunner().invoke(cli.app, ["report", "--store", str(store), "--out", str(page)])
    assert result.exit_code == 0, result.stderr
    assert "Twice asked" in page.read_text(encoding="utf-8")


def test_a_record_names_the_packages_that_bring_entries(brought, monkeypatch):
    assert packages()["another-package"] == "2.5"
    assert environment()["versions"]["another-package"] == "2.5"
    monkeypatch.setattr(sys, "path", sys.path[1:])
    importlib.invalidate_caches()
    assert "another-package" not in packages()
