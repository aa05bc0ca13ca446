"""Which carries of a loop need each other.

Carries that need each other, directly or through others, form a group. Groups are taken in an order in which
each needs only itself and earlier ones: an earlier group's trajectory is then an input of the later like any
other. So the covariance of a Kalman filter comes before its mean, and the running maximum of an online
softmax before its sum.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, Literal


def needs(jaxpr: Jaxpr, inputs: Sequence[int]) -> dict[Any, int]:
    """For every value, the set of the numbered inputs it needs, as bits. Input `inputs[i]` is number i."""
    found: dict[Any, int] = {jaxpr.invars[place]: 1 << number for number, place in enumerate(inputs)}
    for eqn in jaxpr.eqns:
        bits = 0
        for atom in eqn.invars:
            if not isinstance(atom, Literal):
                bits |= found.get(atom, 0)
        if bits:
            found.update(dict.fromkeys(eqn.outvars, bits))
    return found


def groups(edges: Sequence[int]) -> list[tuple[int, ...]]:
    """The strongly connected components, each before those that need it.

    `edges[i]` is what i needs, as bits.
    """
    size = len(edges)
    reach = np.array([[bool(edges[i] >> j & 1) for j in range(size)] for i in range(size)], bool).reshape(
        size, size
    )
    for middle in range(size):  # transitive closure (Warshall)
        reach |= reach[:, middle, None] & reach[None, middle, :]
    members: dict[tuple[int, ...], None] = {}
    for i in range(size):
        mutual = [j for j in range(size) if j == i or (reach[i, j] and reach[j, i])]
        members[tuple(mutual)] = None
    # a group that needs another reaches strictly more
    return sorted(
        members, key=lambda group: (int((reach[group[0]] | np.isin(range(size), group)).sum()), group)
    )
