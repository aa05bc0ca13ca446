"""What automata of cells share: how often the commonest state occurs, and pictures of rows."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

EXACT = 16
"""The most cells of which all states are looked at."""
WORK = 2**26
"""About how many cells are stepped to sample the states of more."""
SIGMAS = 4.0


def commonest_share(
    step: Callable[[Int[np.ndarray, "batch cells"]], Int[np.ndarray, "batch cells"]], cells: int, steps: int
) -> float:
    """The largest share of one state after `steps` steps from all states of `cells` bits.

    Exact up to EXACT cells. Of more, 256 to 4,096 random states are followed, and it is Wilson's upper limit
    at SIGMAS standard errors; 1 if all became one state.
    """
    if cells <= EXACT:
        places = 1 << np.arange(cells)
        power = step(np.arange(2**cells)[:, None] >> np.arange(cells) & 1) @ places
        last = np.arange(2**cells)
        for bit in f"{steps:b}"[::-1]:  # power takes each state 2^i steps ahead
            last = power[last] if bit == "1" else last
            power = power[power]
        return int(np.bincount(last).max()) / 2**cells
    count = min(4096, max(256, WORK // (cells * steps)))
    states = np.random.default_rng(0).integers(0, 2, (count, cells))
    for _ in range(steps):
        states = step(states)
    share = int(np.unique(states, axis=0, return_counts=True)[1].max()) / count
    if share == 1:
        return 1.0
    z = SIGMAS**2 / count
    return (share + z / 2 + math.sqrt(z * (share * (1 - share) + z / 4))) / (1 + z)


def runs_path(rows: Bool[np.ndarray, "height width"], left: int = 0, top: int = 0) -> str:
    """The cells that are on as data of an SVG path: a rectangle for every run in a row."""
    path = []
    for y, row in enumerate(rows, top):
        ends = (np.flatnonzero(np.diff(np.pad(row.astype(int), 1))) + left).tolist()
        path += [f"M{x0} {y}h{x1 - x0}v1H{x0}z" for x0, x1 in zip(ends[::2], ends[1::2], strict=True)]
    return "".join(path)
