"""Alternating circuits drawn at random: planted, with the DO1 that is asked for, and uniform, the baseline.

DO1 is the depth of the deepest gate that outputs 1 (`depth_of_one`). Uniform circuits are useless as
instances: their ones die out within a few layers or never. Planted ones have any DO1, and how often wires
are read does not tell it.

What neither shows is hardness, see `planted`; the circuits of `lifted_decisions` inherit that of a
computation. Planting in this way is ours, not of Liu et al. 2025 or of Kirousis and Spirakis.
"""

import numpy as np
from jaxtyping import Int

from .depth_of_one import Configuration, layered


def planted(depth: int, do1: int, width: int, fan_in: int = 4, *, seed: int) -> Configuration:
    """`depth` layers of `width` gates of which those up to layer `do1` hold ones and the others do not.

    Each gate is drawn a label, hot or cold, and wires that make it true, until layer `do1` + 1, which is of
    AND gates that all read something cold; labels are drawn above it as before and wires as if they were
    true. Gates with wires of one label (hot AND gates, cold OR gates) are the few: width / `fan_in` of them,
    rounded up. So, in every layer, all gates read `fan_in` wires and all are read exactly `fan_in` times:
    neither count says where the layer is. Nor, to the eye, does it stand out among AND layers in wires that a
    gate reads twice, in pairs of wires read by two gates, or in the extreme eigenvalues of such pairs: their
    means are within 0.6 standard deviations of one layer (width 64, 60 circuits). The kind of layer 1 says
    whether `do1` is even.

    What they do not show: that DO1 is hard to find. Nothing is reduced to them. Whether layer k + 1 is the
    one is a property of the wires into layers k and k + 1 alone, so all layers can be judged side by side,
    and labels must be hidden in the wires, if at all, from statistics that nobody has tried here.

    A ValueError unless 0 <= `do1` <= `depth` and 3 <= `fan_in` <= `width`.

    >>> planted(12, 5, 8, seed=0).do1
    5
    """
    faults = []
    if depth < 1:
        faults.append(f"depth={depth}: must be 1 or more; e.g. depth=12")
    if not 0 <= do1 <= depth:
        faults.append(f"do1={do1}: must be from 0 to depth={depth}")
    if not 3 <= fan_in <= width:
        faults.append(f"fan_in={fan_in}: must be from 3 to width={width}; e.g. width=8, fan_in=4")
    if faults:
        raise ValueError(f"planted: {'; '.join(faults)}")
    draw = np.random.default_rng(seed)
    few = -(-width // fan_in)

    def split() -> tuple[np.ndarray, np.ndarray]:
        places = draw.permutation(width)
        return places[:few], places[few:]

    # The rare label is that of gates with wires of one label: cold below an AND layer, hot below an OR layer.
    rare, common = split()
    below, layers = (rare, common), []
    inputs = np.zeros(width, bool)
    inputs[common if do1 % 2 == 0 else rare] = True
    for layer in range(1, depth + 1):
        kind = "AND" if (layer - do1) % 2 else "OR"
        labels = _, mixed = split()
        if layer == do1 + 1:
            mixed = draw.permutation(width)
        counts = np.zeros(width, int)
        counts[mixed] = _evenly(few * fan_in, len(mixed))
        seats = np.arange(fan_in) < counts[:, None]
        wires = np.zeros((width, fan_in), int)
        wires[seats], wires[~seats] = (draw.permutation(np.repeat(each, fan_in)) for each in below)
        layers.append((kind, draw.permuted(wires, axis=1).tolist()))
        below = labels
    return Configuration(layered(width, layers), inputs)


def uniform_random(depth: int, width: int, fan_in: int = 2, *, seed: int) -> Configuration:
    """`depth` layers of `width` gates, OR layers and AND layers in turn, wires and inputs uniform.

    Useless as instances, and here to show it: ones die out early or fill the layers. With a width of 8, DO1
    is below 30 for about one in three, at any depth, and the whole depth for the others.

    >>> uniform_random(64, 8, seed=1).do1
    64
    """
    faults = [
        f"{name}={value}: must be 1 or more"
        for name, value in (("depth", depth), ("width", width), ("fan_in", fan_in))
        if value < 1
    ]
    if faults:
        raise ValueError(f"uniform_random: {'; '.join(faults)}; e.g. depth=64, width=8")
    draw = np.random.default_rng(seed)
    layers = [(("OR", "AND")[k % 2], draw.integers(0, width, (width, fan_in)).tolist()) for k in range(depth)]
    return Configuration(layered(width, layers), draw.random(width) < 0.5)


def _evenly(total: int, parts: int) -> Int[np.ndarray, " parts"]:
    """Numbers that add up to `total` and differ by one at most."""
    return (np.arange(parts) + total) // parts
