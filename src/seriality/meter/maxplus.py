"""Max-plus algebra on int64: the longest path through a composition is a matrix product.

An entry T[o, i] is the length of the longest path from input i to output o, and NONE where there is no
path. The sum of the algebra is the maximum, its product is addition (Baccelli et al. 1992, chapter 3).
Lengths are exact up to LIMIT; a longer path is an OverflowError, never a rounded number.
"""

import numpy as np
from jaxtyping import Bool, Int

NONE = -(2**62)
"""No path. Twice this still fits int64, so sums of two entries never wrap around."""

LIMIT = 2**62
"""Every length is below this."""


def no_paths(rows: int, columns: int) -> Int[np.ndarray, "rows columns"]:
    """The zero of the algebra."""
    return np.full((rows, columns), NONE, dtype=np.int64)


def identity(size: int) -> Int[np.ndarray, "size size"]:
    """Paths of length 0 from each input to itself: the one of the algebra."""
    paths = no_paths(size, size)
    np.fill_diagonal(paths, 0)
    return paths


def extend(paths: Int[np.ndarray, "..."], steps: Int[np.ndarray, "..."] | int) -> Int[np.ndarray, "..."]:
    """All paths made `steps` longer. Steps may themselves be NONE."""
    longer = np.asarray(paths + np.asarray(steps, dtype=np.int64))
    if longer.size and longer.max() >= LIMIT:
        raise OverflowError(f"a span of {longer.max()} steps or more; the meter counts exactly below 2**62")
    return np.where(longer < 0, NONE, longer)  # a path through NONE is no path


def product(
    second: Int[np.ndarray, "outputs middle"], first: Int[np.ndarray, "middle inputs"]
) -> Int[np.ndarray, "outputs inputs"]:
    """The longest paths through `first` and then `second`."""
    paths = no_paths(second.shape[0], first.shape[1])
    for middle in range(second.shape[1]):
        np.maximum(paths, extend(second[:, middle, None], first[None, middle, :]), out=paths)
    return paths


def power(step: Int[np.ndarray, "size size"], count: int) -> Int[np.ndarray, "size size"]:
    """The longest paths through exactly `count` steps, by repeated squaring."""
    paths = identity(step.shape[0])
    while count:
        if count & 1:
            paths = product(step, paths)
        count >>= 1
        if count:
            step = product(step, step)
    return paths


def up_to(step: Int[np.ndarray, "size size"], count: int) -> Int[np.ndarray, "size size"]:
    """The longest paths through at most `count` steps; no paths at all when `count` is negative."""
    if count < 0:
        return no_paths(*step.shape)
    return power(np.maximum(step, identity(step.shape[0])), count)


def reachable(paths: Int[np.ndarray, "outputs inputs"]) -> Bool[np.ndarray, " outputs"]:
    """Which outputs end some path."""
    return (paths != NONE).any(axis=1)


def longest(paths: Int[np.ndarray, "..."]) -> int:
    """The longest of all paths, 0 if there is none."""
    found = paths.max(initial=NONE)
    return 0 if found == NONE else int(found)
