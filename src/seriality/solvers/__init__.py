"""Solvers: a network and a procedure. SOLVERS is the only list; `build` makes one from plain settings.

Other packages join the list by entry points (`seriality.registry`).
"""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Key

from ..instance import Format
from ..networks import NETWORKS
from ..registry import Registry, class_fault
from .base import AbstractSolver, Passes
from .chain_of_thought import ChainOfThought
from .continuous_diffusion import ContinuousDiffusion
from .looped import Looped
from .majority import Majority
from .masked_diffusion import MaskedDiffusion
from .single_pass import SinglePass

_BACKBONES = NETWORKS | {"Looped": Looped}
"""What may stand in a network's place: diffusion models take repeated layers too."""
_BUILT_IN = (SinglePass, Looped, ChainOfThought, MaskedDiffusion, ContinuousDiffusion, Majority)


def _fault(name: str, found: Any) -> str:
    """What keeps an object of another package from being a solver, or ""."""
    if fault := class_fault(name, found, AbstractSolver, "seriality.solvers.AbstractSolver"):
        return fault
    parameters = _parameters(found)
    if len({"network", "solver"} & parameters.keys()) != 1:
        return "must take either `network` or `solver`, the part inside, as its first argument"
    if "network" in parameters and not _fitting(parameters["network"].annotation):
        return "fits no network; annotate it, as in network: seriality.networks.AbstractNetwork"
    return ""


def _fitting(takes: Any) -> list[str]:
    """The names of what may stand in a place of this type."""
    return [name for name, each in _BACKBONES.items() if issubclass(each, takes)]


def _parameters(part: Any) -> Mapping[str, inspect.Parameter]:
    """What a class is made of, its annotations no longer texts."""
    return inspect.signature(part.__init__, eval_str=True).parameters


SOLVERS: Registry[type[AbstractSolver]] = Registry(
    "solver", {solver.__name__: solver for solver in _BUILT_IN}, fault=_fault
)
"""Every solver by its name, those of other packages too."""


def build(settings: Mapping[str, Any], format: Format, *, key: Key[Array, ""]) -> AbstractSolver:
    """A freshly initialised solver for a task's format.

    `settings` is what a record stores: the solver's name and dials, with the network's (or, for
    Majority, the inner solver's) in the same form inside. The network of a diffusion model may be `Looped`.

    >>> import jax
    >>> format = Format(tokens=("pad", "query", "a", "b"), prompt_length=5, trace_length=4, answer_length=1)
    >>> network = {"name": "Transformer", "layers": 1}
    >>> looped = {"name": "Looped", "loops": {"per_token": 1.0}, "network": network}
    >>> build(looped, format, key=jax.random.key(0)).budget(prompt_length=5)
    5
    """
    solver, dials = _named("solver", SOLVERS, settings)
    parameters = _parameters(solver)
    given: dict[str, Any] = {"format": format} if "format" in parameters else {}
    if "key" in parameters:
        given["key"] = jax.random.fold_in(key, 1)
    if "solver" in parameters:
        return solver(build(_inner("solver", dials), format, key=key), **given, **dials)
    inside = _inner("network", dials)
    network, network_dials = _named("network", _BACKBONES, inside)
    takes = parameters["network"].annotation
    if not issubclass(network, takes):
        fitting = _fitting(takes)
        instead = network if issubclass(network, AbstractSolver) else SinglePass
        raise ValueError(
            f"{solver.__name__} works on a {' or '.join(fitting)}, not on {network.__name__};"
            f' give it network={{"name": "{fitting[0]}"}}, or take {instead.__name__}'
        )
    if issubclass(network, AbstractSolver):
        backbone = build(inside, format, key=key)
    else:
        backbone = network(format, **network_dials, key=key)
    return solver(backbone, **given, **dials)


def resolved(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with the version of each part and every dial that was left at its default.

    Dials that came after the first records (`later_dials`) are told only where they are not at their default.

    >>> resolved({"name": "SinglePass", "network": {"name": "MLP", "width": 8}})["network"]
    {'name': 'MLP', 'version': 1, 'width': 8, 'layers': 3, 'features': 16}
    """
    solver, dials = _named("solver", SOLVERS, settings)
    if "solver" in inspect.signature(solver.__init__).parameters:
        inside = resolved(_inner("solver", dials))
        return _resolved(solver, dials) | {"solver": inside}
    inside = _inner("network", dials)
    network, network_dials = _named("network", _BACKBONES, inside)
    inner = resolved(inside) if issubclass(network, AbstractSolver) else _resolved(network, network_dials)
    return _resolved(solver, dials) | {"network": inner}


def _resolved(part: Any, dials: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(part.__init__).parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    later = getattr(part, "later_dials", frozenset())
    every = {
        name: dataclasses.asdict(Passes.of(value)) if isinstance(defaults.get(name), Passes) else value
        for name, value in (defaults | dials).items()
        if name not in later or value != defaults[name]
    }
    return {"name": part.__name__, "version": part.version} | every


def _inner(kind: str, dials: dict[str, Any]) -> Mapping[str, Any]:
    """The settings of the part inside, taken out of the dials."""
    inner = dials.pop(kind, None)
    if not isinstance(inner, Mapping):
        raise ValueError(f'{kind} is {inner!r}, allowed are its settings, such as {kind}={{"name": ...}}')
    return inner


def _named(kind: str, known: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class that settings name, and its dials. Settings of another version would build something else."""
    dials = dict(settings)
    name = dials.pop("name", None)
    if name not in known:
        said = f"there is no {kind} named {name!r}; there are {', '.join(known)}"
        raise ValueError(said + "; one of another package needs that installed" * (known is SOLVERS))
    version = dials.pop("version", known[name].version)
    if version != known[name].version:
        raise ValueError(
            f"{kind} {name} of version {version!r}: this code builds version {known[name].version} alone;"
            " check out the commit that the record names"
        )
    return known[name], dials
