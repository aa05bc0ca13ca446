"""The surface of accuracy from 10,000 records: processor seconds to fit it with its resamples, on one core
(`OPENBLAS_NUM_THREADS=1`).

The records are made up: a grid of layers and widths, eight depths, seeds that differ. Two grids have as many
records: 100 configurations of 100 seeds, and 2,000 of 5. Timed are `fit` with 400 resamples, the exchange
rate from it, `crossing`, and on the first grid `compare`. Before, the rate is checked against the one that
made the records.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from measuring import keep, machine, options, show

from seriality.analysis import Observations, compare, crossing, fit

DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128)
RATE = 2.5


def observations_of(layers: int, widths: int, seeds: int) -> Observations:
    """Records of a grid over five doublings of span and eight of width."""
    draw = np.random.default_rng(0)
    span, width = np.meshgrid(
        np.round(64 * 2 ** np.linspace(0, 5, layers)),
        np.round(16 * 2 ** np.linspace(0, 8, widths)),
        indexing="ij",
    )
    span, work = span.ravel(), (span * width).ravel()
    grid = np.meshgrid(np.arange(span.size), np.arange(seeds), DEPTHS, indexing="ij")
    c, seed, depth = (each.ravel() for each in grid)
    off = draw.normal(0, 0.5, (span.size, seeds))[c, seed]
    eta = (
        0.8 * (np.log2(work[c]) - 16.5) + 1.2 * (np.log2(span[c]) - 8.5) - 1.2 * (np.log2(depth) - 3.5) + off
    )
    right = draw.binomial(512, 1 / (1 + np.exp(-eta)))
    return Observations(c, seed, depth, span[c], work[c], right, np.full(c.size, 512))


def processor_s(block: Callable[[], object], repeats: int) -> float:
    """The median of the seconds that all cores together spend on it."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        block()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def main() -> None:
    chosen = options(__doc__, 3)
    here = machine("numpy", "scipy")
    result = {}
    for layers, widths, seeds in ((10, 10, 100), (40, 50, 5)):
        observations = observations_of(layers, widths, seeds)
        surface = fit(observations)
        rate = surface.exchange_rate(0.5, 8, 512)
        if abs(rate.estimate - RATE) > 0.1:
            raise SystemExit(f"the rate is {rate.estimate}, the records were made with {RATE}")
        blocks = {
            "fit": lambda o=observations: fit(o),
            "exchange_rate": lambda s=surface: s.exchange_rate(0.5, 8, 512),
            "crossing": lambda o=observations: crossing(o, 0.5, 8),
        }
        if layers * widths <= 100:
            blocks["compare"] = lambda o=observations: compare(o)
        seconds = {name: processor_s(block, chosen.repeats) for name, block in blocks.items()}
        grid = f"{layers * widths:,} configurations of {seeds} seeds"
        result[grid] = dict[str, object](seconds)
        result[grid]["rate"] = [rate.low, rate.estimate, rate.high]
        show(
            f"{layers * widths * seeds:,} records, {grid}",
            ["", "seconds"],
            [[name, each] for name, each in seconds.items()],
        )
    if chosen.keep:
        keep("surface", {"machine": here, "seconds": result})


if __name__ == "__main__":
    main()
