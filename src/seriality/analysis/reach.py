"""Reach: the largest depth up to which a solver is right.

"Up to" is meant: a solver that fails at depth 4 and happens to pass at 8 has not reached 8.
"""

import numpy as np
from jaxtyping import Num, Shaped


def reach(
    depths: Num[np.ndarray, " depths"], right: Shaped[np.ndarray, "*batch depths"]
) -> Num[np.ndarray, "*batch"]:
    """The largest depth at which, and at all smaller ones of `depths`, `right` is true; 0 if there is none.

    >>> reach(np.array([1, 2, 4, 8]), np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 1]], bool)).tolist()
    [2, 8, 0]
    """
    order = np.argsort(depths)
    held = np.logical_and.accumulate(np.asarray(right, bool)[..., order], axis=-1)
    return np.asarray(np.max(np.where(held, depths[order], 0), axis=-1, initial=0))
