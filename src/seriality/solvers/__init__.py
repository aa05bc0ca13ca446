"""Solvers: a network and a procedure. SOLVERS is the only list; `build` makes one from plain settings."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Key

from ..instance import Format
from ..networks import NETWORKS
from .base import AbstractSolver
from .chain_of_thought import ChainOfThought
from .looped import Looped
from .majority import Majority
from .masked_diffusion import MaskedDiffusion
from .single_pass import SinglePass

SOLVERS: dict[str, type[AbstractSolver]] = {
    solver.__name__: solver for solver in (SinglePass, Looped, ChainOfThought, MaskedDiffusion, Majority)
}


def build(settings: Mapping[str, Any], format: Format, *, key: Key[Array, ""]) -> AbstractSolver:
    """A freshly initialised solver for a task's format.

    `settings` is what a record stores: the solver's name and dials, with the network's (or, for
    Majority, the inner solver's) in the same form inside.

    >>> import jax
    >>> format = Format(tokens=("pad", "query", "a", "b"), prompt_length=5, trace_length=4, answer_length=1)
    >>> network = {"name": "Transformer", "layers": 1}
    >>> looped = {"name": "Looped", "loops": {"per_token": 1.0}, "network": network}
    >>> build(looped, format, key=jax.random.key(0)).budget(prompt_length=5)
    5
    """
    dials: dict[str, Any] = dict(settings)
    solver: Any = _named("solver", SOLVERS, dials.pop("name"))
    if solver is Majority:
        return Majority(build(dials.pop("solver"), format, key=key), **dials)
    network = dict(dials.pop("network"))
    make: Any = _named("network", NETWORKS, network.pop("name"))
    return solver(make(format, **network, key=key), format, **dials)


def _named(kind: str, known: Mapping[str, Any], name: str) -> Any:
    if name not in known:
        raise ValueError(f"there is no {kind} named {name!r}; there are {', '.join(known)}")
    return known[name]
