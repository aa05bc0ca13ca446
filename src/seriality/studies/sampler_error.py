"""How far is the T-step sampler's law from its target, if the score is exact? (claim C15, Theorem F.1)

Where the target is one bit, or independent bits, or a point seen in the directions normal to it, the error is
computed exactly; for a curve and for random codes, by samples, with the error that two samples of one law
would have beside it (the floor).

Shape chosen: one experiment for each curve of the figure, so that a curve is a record and can be run again
alone. Rejected: one for each point (the law of 256 bits follows from that of one at no cost), and one for the
whole figure, which would be lost with its last point.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..study import CONTROL, SERIAL, Experiment, Study
from ..theory.convergence import LiYan, steps_by_rate, steps_needed, unrolled_depth
from ..theory.dimension import REFERENCE_SETS, farthest_point_net, intrinsic_dimension
from ..theory.schedules import SCHEDULES, signal
from ..theory.total_variation import (
    closed_curve,
    monte_carlo_curve,
    monte_carlo_law,
    normal_directions,
    product_of_bits,
    snapped_law,
)

NAME = "sampler_error"
STEPS = (8, 16, 32, 64, 128, 256, 512)
BIT = (-1.0, 1.0)
SAMPLES = 20_000
LOG_CODES = (1, 2, 3, 4, 5)
RADII = tuple(0.4 / 2**k for k in range(7))


def bit_error(schedule: str, sampler: str, probability: float, steps: Sequence[int]) -> dict[str, Any]:
    """The exact error of a bit that is 1 with this probability, for every number of steps that the schedule
    allows."""
    valid, errors, law = [], [], []
    for count in steps:
        try:
            levels = signal(schedule, count)
        except ValueError:  # Li & Yan's schedule begins at a number of steps
            continue
        found = snapped_law(np.array(BIT), np.array([1 - probability, probability]), levels, sampler)
        valid.append(count)
        law.append(float(found[1]))
        errors.append(abs(float(found[1]) - probability))
    return {"steps": valid, "total_variation": errors, "law": law}


def bits_error(schedule: str, probability: float, steps: int, bits: Sequence[int]) -> dict[str, Any]:
    """The exact error of so many independent bits, at one number of steps."""
    law = bit_error(schedule, "posterior", probability, [steps])["law"][0]
    return {"bits": list(bits), "total_variation": [product_of_bits(n, probability, law) for n in bits]}


def normal_error(schedule: str, sampler: str, steps: int, dimensions: Sequence[int]) -> dict[str, Any]:
    """The exact error in the directions normal to the target, of which there are so many."""
    levels = signal(schedule, steps)
    errors = [normal_directions(levels, sampler, n) for n in dimensions]
    return {"dimensions": list(dimensions), "total_variation": errors}


def curve_error(schedule: str, steps: int, dimension: int, samples: int, *, seed: int) -> dict[str, Any]:
    """The sampled error of a closed curve that is not uniform, in a space of this dimension."""
    curve, weights = closed_curve(dimension, 256)
    found = monte_carlo_curve(
        curve, weights, signal(schedule, steps), "posterior", bins=32, samples=samples, seed=seed
    )
    return {"dimension": dimension, "total_variation": found.total_variation, "floor": found.floor}


def codes_error(
    schedule: str, steps: int, dimension: int, log_codes: Sequence[int], samples: int, *, seed: int
) -> dict[str, Any]:
    """The sampled error of 2^k random codes of +1 and -1 in a space of this dimension, uniform weights."""
    rng = np.random.default_rng(seed)
    errors, floors = [], []
    for k in log_codes:
        codes = rng.choice([-1.0, 1.0], (2**k, dimension))
        weights = np.full(2**k, 0.5**k)
        found = monte_carlo_law(
            codes, weights, signal(schedule, steps), "posterior", samples=samples, seed=seed
        )
        errors.append(found.total_variation)
        floors.append(found.floor)
    return {"log_codes": list(log_codes), "total_variation": errors, "floor": floors}


def set_dimension(
    kind: str, ambient: int, points: int, radii: Sequence[float], *, seed: int
) -> dict[str, Any]:
    """The discrete intrinsic dimension of points of a set, as a ratio of logarithms and as a local slope, at
    falling radii; null where the points are too few to tell."""
    net = farthest_point_net(REFERENCE_SETS[kind](points, ambient, seed=seed))
    found = intrinsic_dimension(net, np.array(radii))
    fed = ~found.starved
    return {
        "radii": list(radii),
        "ratio": np.where(fed, found.ratio, np.nan),
        "slope": np.where(fed, found.slope, np.nan),
    }


def circuit_count(delta: float, dimensions: Sequence[float], backbone_depth: int) -> dict[str, Any]:
    """The steps T* after which the bound, with its unknown constants set to 1, is at most 1/2 - delta, and
    the depth of the circuit of T* copies of a backbone; and the same for an error of 1/T times the square
    root of the dimension, which is nearer to what is seen."""
    bound = LiYan()
    steps = [steps_needed(bound, dimension, delta=delta) for dimension in dimensions]
    seen = [steps_by_rate(dimension**0.5, delta=delta) for dimension in dimensions]
    return {
        "dimensions": list(dimensions),
        "steps": steps,
        "depth": [unrolled_depth(count, backbone_depth) for count in steps],
        "steps_as_seen": seen,
        "depth_as_seen": [unrolled_depth(count, backbone_depth) for count in seen],
    }


def trials(seeds: int) -> list[Experiment]:
    """Exact curves once, sampled ones for every seed."""
    bit = {"probability": 0.8, "steps": STEPS}
    exact = [
        Experiment(
            NAME,
            f"{schedule}, {sampler}",
            "bit",
            SERIAL,
            bit_error,
            {"schedule": schedule, "sampler": sampler} | bit,
        )
        for schedule, sampler in [(name, "posterior") for name in SCHEDULES]
        + [("log-SNR", "Li-Yan"), ("log-SNR", "DDIM"), ("cosine", "DDIM")]
    ]
    exact += [
        Experiment(
            NAME,
            schedule,
            "uniform bit",
            CONTROL,
            bit_error,
            {"schedule": schedule, "sampler": "posterior", "probability": 0.5, "steps": STEPS},
        )
        for schedule in SCHEDULES
    ]
    exact += [
        Experiment(
            NAME,
            schedule,
            "bits",
            SERIAL,
            bits_error,
            {
                "schedule": schedule,
                "probability": 0.8,
                "steps": 256,
                "bits": (1, 2, 4, 8, 16, 32, 64, 128, 256),
            },
        )
        for schedule in ("log-SNR", "cosine")
    ]
    exact += [
        Experiment(
            NAME,
            sampler,
            "normal directions",
            CONTROL if sampler == "Li-Yan" else SERIAL,
            normal_error,
            {"schedule": "log-SNR", "sampler": sampler, "steps": 256, "dimensions": (1, 8, 64, 512)},
        )
        for sampler in ("posterior", "Li-Yan", "DDIM")
    ]
    sampled = [
        Experiment(
            NAME,
            "closed curve",
            "dimension",
            SERIAL,
            curve_error,
            {"schedule": "log-SNR", "steps": 32, "dimension": dimension, "samples": SAMPLES},
            seed=seed,
        )
        for seed in range(seeds)
        for dimension in (2, 8, 32, 128)
    ]
    sampled += [
        Experiment(
            NAME,
            "random codes",
            "codes",
            SERIAL,
            codes_error,
            {
                "schedule": "log-SNR",
                "steps": 8,
                "dimension": 32,
                "log_codes": LOG_CODES,
                "samples": 10 * SAMPLES,
            },
            seed=seed,
        )
        for seed in range(seeds)
    ]
    sets = [
        Experiment(
            NAME,
            f"{kind}, R^{ambient}",
            "intrinsic dimension",
            SERIAL,
            set_dimension,
            {"kind": kind, "ambient": ambient, "points": 20_000, "radii": RADII},
        )
        for kind in ("segment", "square", "cube", "helix", "finite")
        for ambient in (3, 50)
    ]
    count = Experiment(
        NAME,
        "Li & Yan's bound",
        "circuit",
        SERIAL,
        circuit_count,
        {"delta": 0.1, "dimensions": (1, 2, 4, 8, 16, 32, 64, 128, 256), "backbone_depth": 10},
    )
    return [*exact, *sampled, *sets, count]


SAMPLER_ERROR = Study(
    name=NAME,
    title="Theorem F.1 in numbers: the error of a T-step sampler with exact score",
    claims=("C15",),
    seeds=5,
    trials=trials,
)
