"""What shallow circuits and networks pay in width: the exact price, and the price of training (claim C22).

Exact numbers are those of `theory.widths`, beside constructions that are deeper (`theory.builders`). Trained
are networks of rectifiers of one variable that are to put the 2^k + 1 extremes of the sawtooth, at equal
distances, on their sides: a network that does has at least 2^k - 1 bends.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..study import SERIAL, Experiment, Study
from ..theory.builders import parity, parity_by_blocks
from ..theory.circuits import Builder, every_input
from ..theory.widths import least_rectifiers, least_terms, sawtooth_slopes

NAME = "widths"
WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256, 512)
STARTS, UPDATES, RATE = 4, 3000, 3e-3


def least_ands(inputs: tuple[int, ...]) -> dict[str, Any]:
    """The least number of ANDs in an OR of ANDs for the parity of n inputs, and the gates that deeper
    circuits take: two, three and four levels of such, and MAJORITY."""
    rows = {"n": list(inputs), "least": []}
    rows |= {f"{levels} levels": [] for levels in (2, 3, 4)} | {"MAJORITY": []}
    for n in inputs:
        rows["least"].append(least_terms(every_input(n).sum(1) % 2 == 1))
        for levels in (2, 3, 4):
            build = Builder(n)
            circuit = build.circuit([parity_by_blocks(build, build.inputs, levels)])
            rows[f"{levels} levels"].append(circuit.size)
        build = Builder(n)
        rows["MAJORITY"].append(build.circuit([parity(build, build.inputs)]).size)
    return rows


def least_units(folds: tuple[int, ...]) -> dict[str, Any]:
    """The least number of rectifiers of one hidden layer for a sawtooth of 2^k pieces, and the units that
    k layers of two have."""
    least = [least_rectifiers(sawtooth_slopes(k)) for k in folds]
    return {"k": list(folds), "least": least, "deep": [2 * k for k in folds]}


def trained(hidden_layers: int, folds: int, *, seed: int) -> dict[str, Any]:
    """How many of `STARTS` networks put all extremes on their sides after training, for every width."""
    points = jnp.linspace(-1.0, 1.0, 2**folds + 1)[:, None]
    side = jnp.array([(-1.0) ** place for place in range(2**folds + 1)])
    fits = []
    for width in WIDTHS:
        sizes = [1, *[width] * hidden_layers, 1]
        keys = jax.random.split(jax.random.key(seed), STARTS)
        right = jax.jit(jax.vmap(lambda key, sizes=sizes: _fit(points, side, sizes, key=key)))(keys)
        fits.append(int(np.asarray(right).sum()))
    return {"widths": list(WIDTHS), "fits": fits, "starts": STARTS}


def _fit(points, side, sizes, *, key):
    """Whether a network of these sizes is right on all points after training on them."""
    weight_keys = jax.random.split(key, len(sizes) - 1)
    bias_keys = jax.random.split(jax.random.fold_in(key, 1), len(sizes) - 1)
    start = [
        (
            jax.random.normal(w, (before, after)) * (2 / before) ** 0.5,
            jax.random.uniform(b, (after,), minval=-1.0, maxval=1.0),
        )
        for w, b, before, after in zip(weight_keys, bias_keys, sizes, sizes[1:], strict=False)
    ]

    def output(parameters):
        x = points
        for number, (weight, bias) in enumerate(parameters):
            x = x @ weight + bias
            x = jax.nn.relu(x) if number < len(parameters) - 1 else x
        return x[:, 0]

    def loss(parameters):
        return optax.sigmoid_binary_cross_entropy(output(parameters), (side + 1) / 2).mean()

    optimiser = optax.adam(optax.cosine_decay_schedule(RATE, UPDATES))

    def update(state, _):
        parameters, moments, was_right = state
        was_right |= jnp.all(output(parameters) * side > 0)
        steps, moments = optimiser.update(jax.grad(loss)(parameters), moments)
        return (optax.apply_updates(parameters, steps), moments, was_right), None

    state = (start, optimiser.init(start), jnp.array(False))
    (parameters, _, was_right), _ = jax.lax.scan(update, state, length=UPDATES)
    return was_right | jnp.all(output(parameters) * side > 0)


def trials(seeds: int) -> list[Experiment]:
    """The exact widths once, trained networks of one and three hidden layers for every seed."""
    exact = [
        Experiment(NAME, "AND, OR", "parity", SERIAL, least_ands, {"inputs": tuple(range(1, 13))}),
        Experiment(NAME, "rectifiers", "sawtooth", SERIAL, least_units, {"folds": tuple(range(1, 9))}),
    ]
    return exact + [
        Experiment(
            NAME,
            f"{layers} hidden layer{'s' * (layers > 1)}",
            "trained",
            SERIAL,
            trained,
            {"hidden_layers": layers, "folds": folds},
            seed=seed,
        )
        for layers in (1, 3)
        for folds in (2, 3, 4)
        for seed in range(seeds)
    ]


WIDTHS_STUDY = Study(
    name=NAME,
    title="Depth against width: the least widths of parity and of the sawtooth, exact and trained",
    claims=("C22",),
    seeds=5,
    trials=trials,
)
