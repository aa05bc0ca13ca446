"""The list of tasks: those of this package and those that other packages bring.

A package brings a task by an entry point in its `pyproject.toml`:

    [project.entry-points."seriality.tasks"]
    Maximum = "my_package.tasks:Maximum"

It is loaded when it is first looked up, so that a broken package breaks its own tasks only.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from .base import AbstractTask

GROUP = "seriality.tasks"


class UnusableTask(KeyError):
    """A task of another package that is named but cannot be had; its text is one line."""

    def __str__(self) -> str:
        return str(self.args[0])


class Tasks(Mapping[str, type[AbstractTask]]):
    """Every task by its name: the built-in ones first, then those of other packages.

    >>> from seriality.tasks import TASKS, Words
    >>> TASKS["Words"] is Words
    True
    """

    def __init__(self, built_in: tuple[type[AbstractTask], ...]) -> None:
        self._loaded = {task.__name__: task for task in built_in}
        self._built_in = tuple(self._loaded)

    @cached_property
    def _brought(self) -> dict[str, EntryPoint]:
        return {each.name: each for each in entry_points(group=GROUP) if each.name not in self._built_in}

    def __getitem__(self, name: str) -> type[AbstractTask]:
        if name not in self._loaded:
            if name not in self._brought:
                raise KeyError(name)
            self._loaded[name] = _load(self._brought[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._built_in, *self._brought)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._brought

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of this package's own."""
        return self._built_in


def _load(entry: EntryPoint) -> type[AbstractTask]:
    owner = entry.dist.name if entry.dist is not None else "an unnamed package"
    try:
        task = entry.load()
    except Exception as error:  # another package's import may raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnusableTask(
            f"task {entry.name!r} of {owner} ({entry.value}) cannot be loaded: {said}"
        ) from error
    if not (isinstance(task, type) and issubclass(task, AbstractTask)):
        raise UnusableTask(
            f"task {entry.name!r} of {owner} ({entry.value}) is no subclass of seriality.tasks.AbstractTask"
        )
    if task.__name__ != entry.name:
        raise UnusableTask(
            f"task {entry.name!r} of {owner} ({entry.value}) is the class {task.__name__}; "
            "the entry point must have its name"
        )
    return task
