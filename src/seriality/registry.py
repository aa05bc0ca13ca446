"""Lists of what has a name: the tasks, solvers and studies of this package and those that others bring.

A package brings one by an entry point in its `pyproject.toml`, whose name is the entry's:

    [project.entry-points."seriality.tasks"]
    Maximum = "my_package.tasks:Maximum"

    [project.entry-points."seriality.solvers"]
    Revised = "my_package.solvers:Revised"

    [project.entry-points."seriality.studies"]
    maxima = "my_package.studies:MAXIMA"

It is loaded when it is first looked up, so that a broken package breaks its own entries only. What one may be
is said where the list is made: `seriality.tasks`, `seriality.solvers`, `seriality.studies`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

GROUPS = {"task": "seriality.tasks", "solver": "seriality.solvers", "study": "seriality.studies"}
"""The groups of entry points by what they bring."""

T = TypeVar("T")


class Unusable(KeyError):
    """An entry of another package that is named but cannot be had; its text is one line."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, T]):
    """Entries by name: the built-in ones first, then those of other packages, which cannot take their names.

    `fault(name, found)` says in words what is wrong with what an entry point of this name gave, or "". A
    look-up of a name that is in no package is a KeyError, of one that cannot be had an `Unusable`.

    >>> primes = Registry("task", {"two": 2, "three": 3}, fault=lambda name, found: "")
    >>> primes["two"], primes.built_in
    (2, ('two', 'three'))
    """

    def __init__(self, kind: str, built_in: Mapping[str, T], *, fault: Callable[[str, Any], str]) -> None:
        self._kind, self._fault = kind, fault
        self._loaded = dict(built_in)
        self._built_in = tuple(built_in)

    @cached_property
    def _brought(self) -> dict[str, list[EntryPoint]]:
        brought: dict[str, list[EntryPoint]] = {}
        for each in entry_points(group=GROUPS[self._kind]):
            if each.name not in self._built_in:
                brought.setdefault(each.name, []).append(each)
        return brought

    def __getitem__(self, name: str) -> T:
        if name not in self._loaded:
            if name not in self._brought:
                raise KeyError(name)
            self._loaded[name] = self._load(*self._brought[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*self._built_in, *self._brought))

    def __len__(self) -> int:
        return len(self._built_in) + len(self._brought)

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._brought

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of this package's own."""
        return self._built_in

    def _load(self, entry: EntryPoint, *others: EntryPoint) -> T:
        if others:
            owners = " and ".join(map(_owner, (entry, *others)))
            raise Unusable(f"{self._kind} {entry.name!r} is brought by {owners}; uninstall all but one")
        what = f"{self._kind} {entry.name!r} of {_owner(entry)} ({entry.value})"
        try:
            found = entry.load()
            fault = self._fault(entry.name, found)
        except (Exception, SystemExit) as error:  # another package's code may raise anything
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise Unusable(f"{what} cannot be loaded: {said}") from error
        if fault:
            raise Unusable(f"{what} {fault}")
        return found


def class_fault(name: str, found: Any, base: type, called: str) -> str:
    """What keeps an object from being a class of this name that `base`, publicly `called` so, allows; "" if
    nothing does.

    >>> class_fault("True", True, int, "builtins.int")
    'is no subclass of builtins.int'
    """
    if not (isinstance(found, type) and issubclass(found, base)):
        return f"is no subclass of {called}"
    if found.__name__ != name:
        return f"is the class {found.__name__}; the entry point must have its name"
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        return f"does not define {', '.join(missing)}, which {called} asks for"
    version = getattr(found, "version", None)
    if not isinstance(version, int):
        return f"has the version {version!r}, allowed is an integer; write version = 1 in the class"
    return ""


def packages() -> dict[str, str]:
    """The installed packages that bring entries, with their versions: a record says what it was made by."""
    points = [each for group in GROUPS.values() for each in entry_points(group=group)]
    owners = [each.dist for each in points if each.dist is not None]
    return {owner.name: owner.version for owner in owners}


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unnamed package"
