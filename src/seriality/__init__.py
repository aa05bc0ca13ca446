"""seriality: an instrument for serial compute.

How serial is a task, how much serial compute does a model spend when it answers, and do they match? The
public names are loaded when they are first used: importing the package starts no JAX backend.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from .claims import CLAIMS as CLAIMS
    from .conformance import Conformance as Conformance
    from .conformance import check_task as check_task
    from .cost import Cost as Cost
    from .instance import Format as Format
    from .instance import Instances as Instances
    from .meter import Growth as Growth
    from .meter import Measurement as Measurement
    from .meter import Scaling as Scaling
    from .meter import certify as certify
    from .meter import growth as growth
    from .meter import measure as measure
    from .meter import reassociate as reassociate
    from .networks import NETWORKS as NETWORKS
    from .solvers import SOLVERS as SOLVERS
    from .solvers import build as build
    from .store import Record as Record
    from .store import Store as Store
    from .store import StoreError as StoreError
    from .studies import STUDIES as STUDIES
    from .study import Study as Study
    from .study import Training as Training
    from .study import Trial as Trial
    from .study import run as run
    from .tasks import TASKS as TASKS

_HOMES = {
    "claims": ("CLAIMS",),
    "conformance": ("Conformance", "check_task"),
    "cost": ("Cost",),
    "instance": ("Format", "Instances"),
    "meter": ("Growth", "Measurement", "Scaling", "certify", "growth", "measure", "reassociate"),
    "networks": ("NETWORKS",),
    "solvers": ("SOLVERS", "build"),
    "store": ("Record", "Store", "StoreError"),
    "studies": ("STUDIES",),
    "study": ("Study", "Training", "Trial", "run"),
    "tasks": ("TASKS",),
}
"""The public names by the module that defines them; for type checkers the same is written above."""
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CLAIMS",
    "NETWORKS",
    "SOLVERS",
    "STUDIES",
    "TASKS",
    "Conformance",
    "Cost",
    "Format",
    "Growth",
    "Instances",
    "Measurement",
    "Record",
    "Scaling",
    "Store",
    "StoreError",
    "Study",
    "Training",
    "Trial",
    "__version__",
    "build",
    "certify",
    "check_task",
    "growth",
    "measure",
    "reassociate",
    "run",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        value = version("seriality")
    elif name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
