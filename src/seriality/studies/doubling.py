"""Weights, written by hand, with which repeated layers multiply a word of S5 in ceil(log2(n + 1)) loops.

The claim (C11; paper, Appendix E, after Merrill & Sabharwal 2025, A Little Depth Goes a Long Way): repeating
a Transformer's layers log n times suffices for the words of S5, for which no constant depth is known to. The
network here is the one that the studies train, `Looped` around a `Transformer` of two layers, four heads and
width 64; only its numbers are not trained. They are the same for words of every length up to 256 letters.

The construction is the doubling of Hillis & Steele (1986). Every position holds, as a 5x5 matrix of bits, the
product of the 1, 2, 4, ... letters that end there. A loop reads the matrix that lies as many positions to the
left, and multiplies: then the window is twice as long. After k loops it is 2^k long, and the prompt's last
position, QUERY, needs 2^k >= n + 1. Every other position then holds the product of its own prefix.

- What a position holds: its matrix; the matrix that was read, or at first that of its letter; the phases of
  the distance to look at; flags for "is a letter" and "is QUERY", its own and those of what was read; and a
  mark of the first loop. The letter is injected into every loop and dropped in all but the first.
- Distance. Rotary attention scores two positions by how far they are apart: a query that is the key turned
  back by a distance peaks there. The phases of the distance 2^k are cosines and sines, and those of twice the
  distance follow by squares: nothing counts loops, and no weight knows n. Where the distance leads out of the
  word, QUERY has the largest score, for its key says what it is and not where. Its score, the lead, must
  hardly depend on how far away it is, so it is made of the two slowest frequencies, whose curvatures cancel.
- Product. The squared rectifier of the sum of three bits less 2 is their AND; a 5x5 product takes 125.
- Normalisation. At each of them the sum of the squares of what a position holds is the same whole number for
  every word, position and loop, so the scale that follows undoes it.
- Reading. The logit of an element is the number of points that it maps as the matrix does: 5 for the right
  one, 3 or fewer for any other. So the margin is 2, less rounding.

What it shows: such weights exist at the width that is trained (63 of its 64 entries are used, and 216 of the
256 hidden units), with softmax attention, in float32. Nothing comes before or after the two looped layers, so
the depth in layers is 2 ceil(log2(n + 1)). Compared with Merrill & Sabharwal: one group in place of all
regular languages, n bounded, full attention in place of causal, softmax in place of an average over the
largest scores, and no masks before normalisation.

What it does not show: that training finds such weights, or that fewer loops do not suffice (a construction is
no lower bound). Nor is it one network for all n. Width does not grow with n up to 256, but further away the
lead falls below other scores: at 400 positions it is 0.83 of the peak, and they reach 0.94. Wider heads have
slower frequencies and go further, but of base 1000 none is below 1/1000 a position: for all n the beginning
of a word has to be known in another way. Precision does grow: an error of a bit is undone in the next loop,
but one of a phase doubles as its distance does, and normalisation hands a share of it to the bits. That takes
one more bit a doubling, so O(log n) in all if other scores come no nearer to the peak than a power of 1/n,
which is not shown here. On accelerators that multiply in fewer bits by default, ask under
`jax.default_matmul_precision("highest")`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import permutations, product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..instance import PAD, QUERY
from ..solvers import build
from ..solvers.base import Passes
from ..solvers.looped import Looped
from ..study.run import answer_cost
from ..tasks import Words
from ..tasks.base import FIRST
from ..tasks.monoids import cycle_notation

WIDTH, LAYERS, HEADS = 64, 2, 4
LONGEST = 256
"""Letters, as many as the constants below are chosen for."""
LOOPS = Passes(per_doubling=1)
"""ceil(log2(prompt length)), and the prompt is one longer than the word."""
GROUPS = ("S5", "A5")
"""Those whose elements are permutations of five points, and are named so."""

# What the entries of the residual stream hold. The last is not used.
OWN = np.arange(0, 25).reshape(5, 5)
OTHER = np.arange(25, 50).reshape(5, 5)
COSINE, SINE = np.arange(50, 54), np.arange(54, 58)
IS_LETTER, IS_QUERY, READ_LETTER, READ_QUERY, START = range(58, 63)

FEATURES = WIDTH // HEADS
FREQUENCIES = 1000.0 ** (-np.arange(FEATURES // 2) / (FEATURES // 2))
"""Of the rotary positions, in radians a position: the first four tell distances, the last two find QUERY."""
LEAD = {6: -0.24, 7: 1.165}
"""The score of QUERY, by frequency, where the peak is 1: 0.925 to 0.933 from up to 256 positions away. Other
distances than the one wanted score 0.859 or less."""
SHARPNESS = 1000.0
"""The score of the peak; then all but one of the attention is below what float32 adds to one."""
MARK = 3.0
"""What marks the first loop. Its square makes up for the matrix and the phases that are not yet there."""

Units = list[tuple[Mapping[Any, float], Mapping[Any, float]]]
"""Of each hidden unit the terms of the sum that it squares if positive, and where that goes, by entry."""


def doubling(task: Words, loops: Passes | None = None) -> Looped:
    """The solver with the constructed weights, for words of S5 or A5 of at most 256 letters.

    By default it loops ceil(log2(prompt length)) times, which is enough for every word. In more loops it
    looks further than was provided for. ValueError if the words are of another monoid or longer.

    >>> task = Words("S5", length=5)
    >>> instances = task.sample(3, key=jax.random.key(0))
    >>> answer = doubling(task).solve(instances.prompt[0], key=jax.random.key(0))
    >>> bool((answer == instances.answer[0]).all()), doubling(task).budget(6)
    (True, 3)
    """
    faults = []
    if task.monoid not in GROUPS:
        faults.append(f"monoid is {task.monoid!r}, allowed are {', '.join(GROUPS)}, such as Words('S5')")
    if task.length > LONGEST:
        faults.append(f"length is {task.length}, allowed is {LONGEST} or less, such as length=64")
    if faults:
        raise ValueError("; ".join(faults))
    matrices = _matrices(task)
    units = _start_of_loop(), _double()
    solver = build(_settings(LOOPS if loops is None else loops), task.format, key=jax.random.key(0))
    # Sums of squares: matrix 5, other matrix 5, phases 4, one flag 1, the flag read 1, mark 9.
    at_start, at_read, at_product, at_end = 15, 10, 16, 18
    return eqx.tree_at(
        lambda s: (
            s.scale,
            s.network.scale,
            s.network.embedding,
            s.network.unembedding,
            s.network.blocks.attention_scale,
            s.network.blocks.feed_forward_scale,
            s.network.blocks.queries_keys_values,
            s.network.blocks.attention_out,
            s.network.blocks.up,
            s.network.blocks.down,
        ),
        solver,
        tuple(
            jnp.asarray(value, jnp.float32)
            for value in (
                _undo(at_end),
                _undo(at_end),
                _embedding(matrices),
                _unembedding(matrices),
                np.stack([_undo(at_start), _undo(at_read)]),
                np.stack([_undo(at_start), _undo(at_product)]),
                np.stack([_look_left(bring=False), _look_left(bring=True)]),
                np.stack([_keep_read(), _keep_read()]),
                np.stack([up for up, _ in units]),
                np.stack([down for _, down in units]),
            )
        ),
    )


def constructed(
    length: int, loops: Mapping[str, Any] | None, words: int, generators: str = "all", *, seed: int
) -> dict[str, Any]:
    """What the constructed solver does on random words of S5, of the full length and of 1, 2, 4, ... letters.

    `loops` are the terms of a `Passes`, None for those of the construction. Of each depth `right` of `tries`
    words are answered as the task's reference does, and `margin` is the smallest logit of a right answer less
    the largest other; below zero, that answer is wrong. Cost is metered, `span` is declared.
    """
    task = Words("S5", length=length, generators=generators)
    passes = LOOPS if loops is None else Passes.of(loops)
    solver = doubling(task, passes)
    depths = sorted({*(2**k for k in range(length.bit_length())), length})

    @eqx.filter_jit
    def margins(solver, prompts):
        logits = jax.vmap(solver)(prompts)[:, -1]
        truth = jax.vmap(task.reference)(prompts)
        of_truth = jnp.take_along_axis(logits, truth, axis=-1)
        others = jnp.where(jnp.arange(logits.shape[-1]) == truth, -jnp.inf, logits)
        return of_truth[:, 0] - others.max(-1)

    found = []
    with jax.default_matmul_precision("highest"):
        for depth in depths:
            key = jax.random.fold_in(jax.random.key(seed), depth)
            found.append(np.asarray(margins(solver, task.sample(words, key=key, depth=depth).prompt)))
    prompt_length = task.format.prompt_length
    return {
        "depths": depths,
        "right": [int((margin > 0).sum()) for margin in found],
        "tries": [words] * len(depths),
        "margin": [float(margin.min()) for margin in found],
        "loops": solver.budget(prompt_length),
        "span": solver.span(prompt_length),
        "cost": answer_cost(_settings(passes), task)[1],
        "layers": LAYERS,
        "width": WIDTH,
        "heads": HEADS,
        "hidden": solver.network.blocks.up.shape[-1],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(solver, eqx.is_inexact_array))),
    }


def _settings(loops: Passes) -> dict[str, Any]:
    network = {"name": "Transformer", "width": WIDTH, "layers": LAYERS, "heads": HEADS, "causal": False}
    return {"name": "Looped", "loops": asdict(loops), "gradient_loops": 2, "network": network}


def _undo(squares: int) -> np.ndarray:
    """The scale after which a normalised vector with this sum of squares is what it was before."""
    return np.full(WIDTH, np.sqrt(squares / WIDTH + 1e-6))


def _matrices(task: Words) -> np.ndarray:
    """What each token does to five points, [token, from, to]. PAD and QUERY leave them as they are."""
    named = {cycle_notation(each): each for each in permutations(range(5))}
    images = [range(5)] * FIRST + [named[text] for text in task.format.tokens[FIRST:]]
    return np.eye(5)[np.array(images)]


def _embedding(matrices: np.ndarray) -> np.ndarray:
    embedding = np.zeros((len(matrices), WIDTH))
    embedding[:, OTHER] = matrices
    embedding[:, IS_LETTER], embedding[QUERY, IS_LETTER] = 1, 0
    embedding[QUERY, IS_QUERY] = 1
    embedding[:, START] = MARK
    return embedding


def _unembedding(matrices: np.ndarray) -> np.ndarray:
    unembedding = np.zeros((WIDTH, len(matrices)))
    unembedding[OWN] = np.moveaxis(matrices, 0, -1)
    unembedding[:, [PAD, QUERY]] = 0
    return unembedding


def _look_left(bring: bool) -> np.ndarray:
    """Queries, keys and values. All heads look at the same place; each brings a part of what is there.

    The first layer needs no attention: it looks, and brings nothing. A matrix all of zeros would say so too,
    but as a constant of a program XLA for CPUs (jaxlib 0.10.2) compiles it wrongly beside a normalisation:
    what comes out is whatever the memory held.
    """
    queries, keys = np.zeros((2, WIDTH, HEADS, FEATURES))
    half, told = FEATURES // 2, len(COSINE)
    unit = SHARPNESS * FEATURES**0.5  # attention divides by the root
    for f in range(told):
        queries[COSINE[f], :, f] = unit / told
        queries[SINE[f], :, half + f] = -unit / told
        keys[IS_LETTER, :, f] = 1
    for f, share in LEAD.items():
        queries[[IS_LETTER, IS_QUERY], :, f] = unit * share
        keys[IS_QUERY, :, f] = 1
    values = np.zeros((WIDTH, WIDTH))
    values[[*OWN.flat, IS_LETTER, IS_QUERY], np.arange(27)] = bring
    return np.concatenate([queries.reshape(WIDTH, WIDTH), keys.reshape(WIDTH, WIDTH), values], axis=1)


def _keep_read() -> np.ndarray:
    out = np.zeros((WIDTH, WIDTH))
    out[np.arange(27), [*OTHER.flat, READ_LETTER, READ_QUERY]] = 1
    return out


def _feed_forward(units: Units) -> tuple[np.ndarray, np.ndarray]:
    """The matrices, up and down, of these units and of idle ones."""
    up, down = np.zeros((WIDTH, 4 * WIDTH)), np.zeros((4 * WIDTH, WIDTH))
    for unit, (reads, writes) in enumerate(units):
        up[list(reads), unit] = list(reads.values())
        down[unit, list(writes)] = list(writes.values())
    return up, down


def _one(value: float) -> dict[int, float]:
    """A constant: of the two flags one is set."""
    return {IS_LETTER: value, IS_QUERY: value}


def _start_of_loop() -> tuple[np.ndarray, np.ndarray]:
    """In the first loop a window is its letter, and the distance one. In all, the injected letter goes, and
    bits are brought nearer to 0 and 1."""
    told = FREQUENCIES[: len(COSINE)]
    phases = dict(zip([*COSINE, *SINE], [*np.cos(told), *np.sin(told)], strict=True))
    units: Units = [({START: 1 / MARK}, {START: -MARK} | phases)]
    for own, other in zip(OWN.flat, OTHER.flat, strict=True):
        units.append(({other: 1, START: 1 / MARK} | _one(-1), {own: 1}))
        units.append(({other: 1}, {other: -1}))
        # x + x^2 / 2 - 2 (x - 1/2)^2 is 1 with slope 0 at x = 1: an error of a bit leaves its square.
        units.append(({own: 1}, {own: 1 / 2}))
        units.append(({own: 1} | _one(-1 / 2), {own: -2}))
    return _feed_forward(units)


def _double() -> tuple[np.ndarray, np.ndarray]:
    """The product with the window read, if it is one; twice the distance; what was read and the flags go."""
    units: Units = [
        ({OTHER[i, j]: 1, OWN[j, k]: 1, READ_LETTER: 1} | _one(-2), {OWN[i, k]: 1})
        for i, j, k in product(range(5), repeat=3)
    ]
    for own, other in zip(OWN.flat, OTHER.flat, strict=True):
        units.append(({own: 1, READ_LETTER: 1} | _one(-1), {own: -1}))
        units.append(({other: 1}, {other: -1}))
    units += [({flag: 1}, {flag: -1}) for flag in (IS_LETTER, IS_QUERY, READ_LETTER, READ_QUERY)]
    units.append((_one(1), {START: -MARK}))  # the next loop's injection brings it to zero
    for c, s in zip(COSINE, SINE, strict=True):
        # cos 2a = 2 cos^2 a - 1 and sin 2a = (sin a + cos a)^2 - 1; what was there, x, goes by way of
        # 4x = (1 + x)^2 - (1 - x)^2
        units += [({c: sign}, {c: 2}) for sign in (1, -1)]
        units += [({c: sign, s: sign}, {s: 1}) for sign in (1, -1)]
        units += [(_one(1) | {entry: sign}, {entry: -sign / 4}) for entry in (c, s) for sign in (1, -1)]
        units.append((_one(1), {c: -1, s: -1}))
    return _feed_forward(units)
