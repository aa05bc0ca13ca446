"""Recurrences with labels: which loops over time have a shortcut, and in which algebra.

Each entry is a loop as people write it: one `lax.scan` at the top of a JAX program. The label says whether
the carry's update composes associatively in an algebra whose elements stay small, so that a scan over maps in
place of a loop over states has logarithmic span at bounded extra work (Blelloch 1990):

- "affine": h → A h + b over a ring; for integers that is the ring of the machine word, wrapping around;
- "max-plus", "min-plus": h → max_j(A_ij + h_j) ∨ b_i, and its mirror;
- "finite": at most 64 states, so that a map is a table (Barrington 1989; Liu et al. 2023);
- "linear-fractional": h → (a h + b) / (c h + d), element by element.

Conventions
- "X + Y" is a loop in stages: some carries are X on their own, the others are Y given the trajectory of the
  former. `stages` lists the leaves of the carry stage by stage.
- `algebra` is the one the literature would name, `also` those of the first three kinds that hold as well (an
  affine map that acts on each element alone is linear-fractional too, which goes unsaid).
- `hard` marks true shortcuts in other algebras (log-sum-exp, projective, GF(2), clamps), or in those above
  where the program does not show it (a table, or the range of the start, is an argument). They count as
  neither label.
- "serial" is a convention where no proof is known, as for gcd, hash chains and chaotic maps: no algebra with
  elements of bounded size is known for the map, with inputs that drive it. Serial maps of one real variable
  whose composition needs one more piece per step (tent map, leaky ReLU, spikes) are serial too.
- Labels are of mathematics over reals, not of floats, and hold for arbitrary inputs within the stated ranges.
- Every start is drawn from the whole domain of the carry, not from its usual zeros.

The labels come from mathematics and the sources named, and test_recurrence_labels.py checks them by numbers;
neither knows of the package. `program_at(n)` gives a program and the shapes of its arguments, and
`inputs(key, n)` arguments to run it on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Recurrence:
    """A loop `carry = step(weights, carry, x)` with its label.

    `before(weights, series)` is what the program computes before the loop, `emit(weights, carry, x)` the
    output of a step from its new carry, and `after(weights, series, outputs)` what follows. `drawn` has the
    three arguments with a sampler for every leaf. `loop` is "forward", "backward" or "counted" (a fori_loop).
    """

    name: str
    step: Callable
    drawn: tuple[Any, Any, Any]
    label: str
    algebra: str
    source: str
    hard: bool = False
    stages: tuple[tuple[int, ...], ...] = ()
    also: tuple[str, ...] = ()
    before: Callable = lambda weights, series: series
    emit: Callable | None = None
    after: Callable = lambda weights, series, outputs: outputs
    loop: str = "forward"

    def inputs(self, key, n):
        """Random weights, start of the carry and series of length `n`: the arguments of the program."""
        weights, start, series = self.drawn
        rng = _generator(key)
        return _draw(weights, rng, ()), _draw(start, rng, ()), _draw(series, rng, (n,))

    def starts(self, key, count):
        """`count` random carries, stacked."""
        return _draw(self.drawn[1], _generator(key), (count,))

    def program_at(self, n):
        """The program for series of length `n`, and the shapes of its arguments."""

        def program(weights, start, series):
            xs = self.before(weights, series)

            def body(carry, x):
                carry = self.step(weights, carry, x)
                return carry, None if self.emit is None else self.emit(weights, carry, x)

            if self.loop == "counted":
                return lax.fori_loop(0, n, lambda i, c: body(c, jax.tree.map(lambda a: a[i], xs))[0], start)
            last, outputs = lax.scan(body, start, xs, length=n, reverse=self.loop == "backward")
            return last, self.after(weights, series, outputs)

        shapes = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), self.inputs(jax.random.key(0), n)
        )
        return program, shapes

    @property
    def leaves(self):
        """The leaves of the carry, stage by stage."""
        return self.stages or (tuple(range(len(jax.tree.leaves(self.drawn[1])))),)

    @property
    def algebras(self):
        """The algebra of each stage."""
        return tuple(self.algebra.split(" + ")) if self.algebra else ()


RECURRENCES: list[Recurrence] = []


def _entry(label, algebra, source, weights=None, start=None, series=None, **rest):
    def add(step):
        drawn = (weights, start, series)
        RECURRENCES.append(Recurrence(step.__name__, step, drawn, label, algebra, source, **rest))
        return step

    return add


def shortcut(algebra, source, **rest):
    return _entry("shortcut", algebra, source, **rest)


def hard(algebra, source, **rest):
    return _entry("shortcut", algebra, source, hard=True, **rest)


def serial(source, **rest):
    return _entry("serial", "", source, **rest)


# ---- samplers: (generator, leading shape) -> array ---------------------------------------------------------


def _generator(key):
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _draw(tree, rng, lead):
    return jax.tree.map(lambda sampler: sampler(rng, lead), tree)


def normal(*shape, scale=1.0):
    return lambda rng, lead: (scale * rng.normal(size=(*lead, *shape))).astype("float32")


def uniform(low, high, *shape):
    return lambda rng, lead: rng.uniform(low, high, size=(*lead, *shape)).astype("float32")


def whole(low, high, *shape, dtype="int32"):
    """Integers from `low` up to but not including `high`."""
    return lambda rng, lead: rng.integers(low, high, size=(*lead, *shape)).astype(dtype)


def word(*shape):
    return whole(0, 2**32, *shape, dtype="uint32")


def flag(*shape):
    return whole(0, 2, *shape, dtype="bool")


def constant(value):
    return lambda rng, lead: np.broadcast_to(np.asarray(value), (*lead, *np.shape(value)))


def disc(*shape, radius=0.98):
    """Complex numbers of modulus 0.5 to 0.98."""

    def sample(rng, lead):
        modulus, angle = rng.uniform(0.5, radius, (*lead, *shape)), rng.uniform(-3, 3, (*lead, *shape))
        return (modulus * np.exp(1j * angle)).astype("complex64")

    return sample


def complex_normal(*shape):
    return lambda rng, lead: (rng.normal(size=(*lead, *shape, 2)) @ [1, 1j]).astype("complex64")


def unit(*shape):
    """Vectors of length 1."""

    def sample(rng, lead):
        x = rng.normal(size=(*lead, *shape))
        return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype("float32")

    return sample


def stable(size, radius=0.9):
    """A rotation times `radius`: products of any number of them stay bounded."""
    return lambda rng, lead: (radius * np.linalg.qr(rng.normal(size=(*lead, size, size)))[0]).astype(
        "float32"
    )


def spd(size):
    """Symmetric, with eigenvalues of at least a half."""

    def sample(rng, lead):
        x = rng.normal(size=(*lead, size, size))
        return (0.5 * np.eye(size) + x @ np.swapaxes(x, -1, -2) / size).astype("float32")

    return sample


def shuffle(size):
    return lambda rng, lead: rng.permuted(np.broadcast_to(np.arange(size), (*lead, size)), axis=-1).astype(
        "int32"
    )


def _group(size, even, generators):
    """table[element, generator] of the permutations of `size` things, or of the even ones."""
    elements = [
        p for p in permutations(range(size)) if not even or round(np.linalg.det(np.eye(size)[list(p)])) == 1
    ]
    index = {p: i for i, p in enumerate(elements)}
    table = [[index[tuple(p[q] for q in g)] for g in generators] for p in elements]
    return np.array(table, "int32")


S3 = _group(3, False, [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
A5 = _group(5, True, [(1, 2, 3, 4, 0), (1, 2, 0, 3, 4)])
S5 = _group(5, False, [(1, 2, 3, 4, 0), (1, 0, 2, 3, 4)])
sigmoid, softplus, silu = jax.nn.sigmoid, jax.nn.softplus, jax.nn.silu

# ---- affine: recurrent networks ----------------------------------------------------------------------------


@shortcut(
    "affine",
    "Elman 1990, with the identity for its activation",
    weights=(stable(4), normal(4, 3)),
    start=normal(4),
    series=normal(3),
)
def linear_rnn(weights, h, x):
    recurrent, projection = weights
    return recurrent @ h + projection @ x


@shortcut(
    "affine",
    "Orvieto et al. 2023: linear recurrent unit",
    weights=(disc(4), complex_normal(4, 3), complex_normal(2, 4)),
    start=complex_normal(4),
    series=normal(3),
    emit=lambda weights, h, x: (weights[2] @ h).real,
    after=lambda weights, series, y: jax.nn.gelu(y),
)
def lru(weights, h, x):
    decay, into, _ = weights
    return decay * h + jnp.sqrt(1 - jnp.abs(decay) ** 2) * (into @ x)


@shortcut(
    "affine",
    "Gu et al. 2022: S4D, zero-order hold",
    weights=(uniform(-1, -0.1, 4), normal(4), complex_normal(4), uniform(0.01, 0.2)),
    start=complex_normal(4),
    series=normal(),
    emit=lambda weights, h, x: 2 * jnp.sum(weights[2] * h).real,
)
def s4d(weights, h, x):
    real, imaginary, _, step = weights
    a = real + 1j * imaginary
    discrete = jnp.exp(step * a)
    return discrete * h + (discrete - 1) / a * x


def _mamba_before(weights, tokens):
    into, _, gates = weights
    x = tokens @ into
    b, c, delta = jnp.split(x @ gates, (3, 6), axis=-1)
    return softplus(delta), b, c, x


@shortcut(
    "affine",
    "Gu & Dao 2023: selective state space",
    weights=(normal(3, 4, scale=0.5), normal(4, 3, scale=0.3), normal(4, 10, scale=0.5)),
    start=normal(4, 3),
    series=normal(3),
    before=_mamba_before,
    emit=lambda weights, h, x: h @ x[2] + x[3],
    after=lambda weights, tokens, y: y * silu(tokens @ weights[0]),
)
def mamba(weights, h, x):
    delta, b, _, u = x
    a = -jnp.exp(weights[1])
    return jnp.exp(delta[:, None] * a) * h + (delta * u)[:, None] * b[None, :]


@shortcut(
    "affine",
    "Dao & Gu 2024: Mamba-2, one scalar decay per head",
    weights=uniform(0.1, 1, 2),
    start=normal(2, 3, 2),
    series=(normal(2), normal(2, 3), normal(2), normal(2)),
    emit=lambda weights, h, x: jnp.einsum("hpn,n->hp", h, x[3]),
)
def mamba2(log_decay, h, x):
    delta, u, b, _ = x
    delta = softplus(delta)
    decay = jnp.exp(-delta * log_decay)
    return decay[:, None, None] * h + jnp.einsum("h,hp,n->hpn", delta, u, b)


@shortcut(
    "affine",
    "Katharopoulos et al. 2020: linear attention with its normaliser",
    start=(normal(3, 2), uniform(0.1, 1, 3)),
    series=(normal(3), normal(3), normal(2)),
    emit=lambda weights, carry, x: (jax.nn.elu(x[0]) + 1) @ carry[0] / ((jax.nn.elu(x[0]) + 1) @ carry[1]),
    also=("max-plus", "min-plus"),
)
def linear_attention(weights, carry, x):
    memory, total = carry
    _, key, value = x
    key = jax.nn.elu(key) + 1
    return memory + jnp.outer(key, value), total + key


@shortcut(
    "affine",
    "Sun et al. 2023: RetNet",
    start=normal(2, 3, 3),
    series=(normal(2, 3), normal(2, 3), normal(2, 3)),
    emit=lambda weights, memory, x: jnp.einsum("hk,hkv->hv", x[0], memory),
)
def retnet(weights, memory, x):
    _, key, value = x
    decay = 1 - 2.0 ** (-5 - jnp.arange(2))
    return decay[:, None, None] * memory + jnp.einsum("hk,hv->hkv", key, value)


@shortcut(
    "affine",
    "Yang et al. 2024: gated linear attention",
    start=normal(3, 2),
    series=(normal(3), normal(3), normal(2), normal(3)),
    emit=lambda weights, memory, x: x[0] @ memory,
)
def gated_linear_attention(weights, memory, x):
    _, key, value, gate = x
    return (sigmoid(gate) ** (1 / 16))[:, None] * memory + jnp.outer(key, value)


@shortcut(
    "affine",
    "Schlag et al. 2021; Yang et al. 2024: delta rule",
    start=normal(3, 3),
    series=(unit(3), normal(3), uniform(0, 1)),
    emit=lambda weights, memory, x: memory @ x[0],
)
def deltanet(weights, memory, x):
    key, value, rate = x
    return memory + rate * jnp.outer(value - memory @ key, key)


@shortcut(
    "affine",
    "Yang, Kautz & Hatamizadeh 2024: gated delta rule",
    start=normal(3, 3),
    series=(unit(3), normal(3), uniform(0, 1), uniform(0.8, 1)),
)
def gated_deltanet(weights, memory, x):
    key, value, rate, decay = x
    return decay * memory @ (jnp.eye(3) - rate * jnp.outer(key, key)) + rate * jnp.outer(value, key)


@shortcut(
    "affine",
    "Siems et al. 2025: DeltaProduct, two Householder factors a step",
    start=normal(3, 3),
    series=(unit(2, 3), normal(2, 3)),
)
def deltaproduct(weights, memory, x):
    for key, value in zip(*x, strict=True):
        memory = memory - 2 * jnp.outer(memory @ key - value, key)
    return memory


@shortcut("affine", "Householder 1958: product of reflections", start=stable(4, 1.0), series=normal(4))
def householder_product(weights, q, x):
    return q - 2 * jnp.outer(q @ x, x) / (x @ x)


@shortcut(
    "affine",
    "Peng et al. 2024: RWKV-6 (Finch)",
    weights=normal(3),
    start=normal(3, 3),
    series=(normal(3), normal(3), normal(3), normal(3)),
    emit=lambda bonus, state, x: x[0] @ (state + jnp.outer(bonus * x[1], x[2])),
)
def rwkv6(bonus, state, x):
    _, key, value, decay = x
    return jnp.exp(-jnp.exp(decay))[:, None] * state + jnp.outer(key, value)


@shortcut(
    "affine",
    "Peng et al. 2025: RWKV-7 (Goose)",
    start=normal(3, 3),
    series=(unit(3), normal(3), normal(3), normal(3), normal(3)),
)
def rwkv7(weights, state, x):
    removal, key, value, decay, rate = x
    decay, rate = jnp.exp(-jnp.exp(-0.5) * sigmoid(decay)), sigmoid(rate)
    transition = jnp.diag(decay) - jnp.outer(removal, rate * removal)
    return state @ transition + jnp.outer(value, key)


@shortcut(
    "affine",
    "Feng et al. 2024: minGRU",
    weights=(normal(4, 3), normal(4, 3)),
    start=normal(4),
    series=normal(3),
)
def min_gru(weights, h, x):
    gate, candidate = weights
    z = sigmoid(gate @ x)
    return (1 - z) * h + z * (candidate @ x)


@shortcut(
    "affine",
    "Feng et al. 2024: minLSTM, its gates normalised",
    weights=normal(3, 4, 3),
    start=normal(4),
    series=normal(3),
)
def min_lstm(weights, h, x):
    forget, into, candidate = jnp.einsum("gij,j->gi", weights, x)
    forget, into = sigmoid(forget), sigmoid(into)
    return (forget * h + into * candidate) / (forget + into)


@shortcut(
    "affine",
    "Bradbury et al. 2017: QRNN, fo-pooling after a convolution over time",
    weights=normal(2, 3, 12, scale=0.5),
    start=normal(4),
    series=normal(3),
    before=lambda w, xs: jnp.split(jnp.pad(xs, ((1, 0), (0, 0)))[:-1] @ w[0] + xs @ w[1], 3, axis=-1),
    emit=lambda weights, c, x: sigmoid(x[2]) * c,
)
def qrnn(weights, c, x):
    candidate, forget, _ = x
    return sigmoid(forget) * c + (1 - sigmoid(forget)) * jnp.tanh(candidate)


@shortcut(
    "affine",
    "Lei & Zhang 2017 (first version of SRU): gates read the input only",
    weights=normal(3, 4, 4),
    start=normal(4),
    series=normal(4),
    emit=lambda w, c, x: sigmoid(w[2] @ x) * jnp.tanh(c) + (1 - sigmoid(w[2] @ x)) * x,
)
def sru_first_version(weights, c, x):
    forget = sigmoid(weights[1] @ x)
    return forget * c + (1 - forget) * (weights[0] @ x)


@shortcut(
    "affine",
    "Qin et al. 2023: HGRN, complex, forget gate with a lower bound",
    weights=(normal(4, 3), normal(4, 3), normal(4), uniform(0.2, 0.8, 4)),
    start=complex_normal(4),
    series=normal(3),
)
def hgrn(weights, h, x):
    gate, candidate, phase, bound = weights
    forget = bound + (1 - bound) * sigmoid(gate @ x)
    return forget * jnp.exp(1j * phase) * h + (1 - forget) * silu(candidate @ x)


@shortcut(
    "affine",
    "Rusch & Rus 2025: LinOSS, implicit-explicit oscillators",
    weights=(uniform(0.1, 1, 4), normal(4, 3)),
    start=(normal(4), normal(4)),
    series=normal(3),
)
def linoss(weights, carry, x):
    stiffness, into = weights
    speed, place = carry
    speed = speed + 0.1 * (-stiffness * place + into @ x)
    return speed, place + 0.1 * speed


@shortcut(
    "affine",
    "Hasani et al. 2022: liquid S4, the transition is bilinear in state and input",
    weights=(stable(4, 0.7), normal(4, 4, scale=0.1), normal(4)),
    start=normal(4),
    series=uniform(-1, 1),
)
def liquid_s4(weights, h, x):
    a, modulation, b = weights
    return (a + x * modulation) @ h + b * x


@shortcut(
    "affine",
    "Behrouz et al. 2024: Titans with a linear memory, momentum and forgetting",
    start=(normal(3, 3), normal(3, 3)),
    series=(unit(3), normal(3), uniform(0, 0.3), uniform(0, 0.5)),
)
def titans_linear_memory(weights, carry, x):
    memory, surprise = carry
    key, value, rate, momentum = x
    gradient = jax.grad(lambda m: 0.5 * jnp.sum((m @ key - value) ** 2))(memory)
    surprise = momentum * surprise - rate * gradient
    return 0.99 * memory + surprise, surprise


@shortcut(
    "affine",
    "the token chooses one transition matrix of three",
    weights=lambda rng, lead: stable(4)(rng, (3,)),
    start=normal(4),
    series=(whole(0, 3), normal(4)),
)
def transition_by_token(matrices, h, x):
    token, u = x
    return matrices[token] @ h + u


@shortcut(
    "affine",
    "Merrill et al. 2024: an automaton on one-hot states is linear",
    start=normal(6),
    series=whole(0, 3),
    also=("max-plus", "min-plus"),
)
def automaton_on_one_hot(weights, state, token):
    transitions = np.swapaxes(np.eye(6, dtype="float32")[S3], 0, 1)
    return state @ jnp.asarray(transitions)[token]


@shortcut(
    "affine",
    "Saxe et al. 2014: deep linear network, the loop is over its layers",
    start=normal(4),
    series=(stable(4), normal(4)),
)
def deep_linear_network(weights, h, layer):
    matrix, bias = layer
    return matrix @ h + bias


@shortcut(
    "affine",
    "He et al. 2016 without its nonlinearity: h + W h",
    weights=normal(4, 4, scale=0.05),
    start=normal(4),
)
def residual_linear(weights, h, x):
    return h + weights @ h


@shortcut(
    "affine",
    "linear carry, nonlinear output",
    weights=stable(4),
    start=normal(4),
    series=normal(4),
    emit=lambda weights, h, x: jnp.tanh(h) * jax.nn.softmax(h),
)
def linear_carry_nonlinear_output(weights, h, x):
    return weights @ h + jnp.tanh(x)


@shortcut(
    "affine",
    "backpropagation through time of a tanh RNN, activations saved",
    weights=stable(4),
    start=normal(4),
    series=(uniform(-0.9, 0.9, 4), normal(4)),
    loop="backward",
)
def adjoint_of_tanh_rnn(weights, adjoint, saved):
    h, cotangent = saved
    return weights.T @ (adjoint * (1 - h**2)) + cotangent


def _lstm(weights, carry, x):
    h, c = carry
    i, f, o, g = jnp.split(weights @ jnp.concatenate([h, x]), 4)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(c), c


@shortcut(
    "affine",
    "backpropagation through time of an LSTM, by jax.vjp at saved states",
    weights=normal(12, 6, scale=0.5),
    start=(normal(3), normal(3)),
    series=(normal(3), normal(3), normal(3), normal(3)),
    loop="backward",
)
def adjoint_of_lstm(weights, adjoints, saved):
    h, c, x, cotangent = saved
    _, pull = jax.vjp(lambda h, c: _lstm(weights, (h, c), x), h, c)
    return pull((adjoints[0] + cotangent, adjoints[1]))


@shortcut(
    "affine",
    "forward-mode derivative of a tanh RNN along a given trajectory",
    weights=stable(3),
    start=normal(3),
    series=(normal(3), normal(3)),
)
def tangent_of_tanh_rnn(weights, tangent, x):
    h, direction = x
    return jax.jvp(lambda h: jnp.tanh(weights @ h), (h,), (tangent,))[1] + direction


# ---- affine: sums, filters, memories -----------------------------------------------------------------------


@shortcut("affine", "Blelloch 1990", start=normal(3), series=normal(3), also=("max-plus", "min-plus"))
def cumulative_sum(weights, total, x):
    return total + x


@shortcut("affine", "Blelloch 1990", start=normal(3), series=uniform(0.8, 1.2, 3))
def cumulative_product(weights, product, x):
    return product * x


@shortcut(
    "affine",
    "Blelloch 1990: segmented sum",
    start=normal(3),
    series=(flag(), normal(3)),
    also=("max-plus", "min-plus"),
)
def segmented_sum(weights, total, x):
    first, value = x
    return jnp.where(first, 0, total) + value


@shortcut("affine", "exponential moving average", start=normal(3), series=normal(3))
def exponential_moving_average(weights, mean, x):
    return 0.9 * mean + 0.1 * x


@shortcut(
    "affine",
    "Tieleman & Hinton 2012: running second moment, divided by afterwards",
    start=uniform(0.1, 1, 3),
    series=normal(3),
    emit=lambda weights, square, x: square,
    after=lambda weights, xs, square: xs / jnp.sqrt(square + 1e-8),
)
def running_second_moment(weights, square, x):
    return 0.99 * square + 0.01 * x**2


@shortcut(
    "affine",
    "Ioffe & Szegedy 2015: running statistics of batch normalisation",
    start={"mean": normal(3), "variance": uniform(0.5, 2, 3)},
    series=normal(5, 3),
    emit=lambda weights, s, x: (x - s["mean"]) * lax.rsqrt(s["variance"] + 1e-5),
)
def batch_norm_statistics(weights, statistics, batch):
    fresh = {"mean": batch.mean(0), "variance": batch.var(0)}
    return jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, statistics, fresh)


@shortcut("affine", "Holt 1957: level and trend", start=(normal(), normal()), series=normal())
def holt_smoothing(weights, carry, x):
    level, trend = carry
    smoothed = 0.3 * x + 0.7 * (level + trend)
    return smoothed, 0.1 * (smoothed - level) + 0.9 * trend


@shortcut(
    "affine",
    "biquad filter, direct form II transposed",
    weights=(constant(np.float32([0.2, 0.3, 0.2])), constant(np.float32([-0.5, 0.2]))),
    start=normal(2),
    series=normal(),
)
def biquad_filter(weights, z, x):
    b, a = weights
    y = b[0] * x + z[0]
    return jnp.stack([b[1] * x - a[0] * y + z[1], b[2] * x - a[1] * y])


@shortcut(
    "affine",
    "delay line: nilpotent",
    start=normal(4),
    series=normal(),
    emit=lambda weights, window, x: jnp.max(window),
    also=("max-plus", "min-plus"),
)
def delay_line(weights, window, x):
    return jnp.concatenate([window[1:], x[None]])


@shortcut(
    "affine",
    "Tukey 1977: median of a sliding window, whose carry is a shift register",
    start=normal(5),
    series=normal(),
    emit=lambda weights, window, x: jnp.median(window),
    also=("max-plus", "min-plus"),
)
def median_filter(weights, window, x):
    return jnp.roll(window, -1).at[-1].set(x)


@shortcut(
    "affine",
    "select by the input: hidden state reset at episode ends",
    weights=stable(3),
    start=normal(3),
    series=(flag(), normal(3)),
)
def reset_at_episode_end(weights, h, x):
    done, u = x
    return weights @ jnp.where(done, jnp.zeros_like(h), h) + u


@shortcut(
    "affine",
    "lax.cond on the input: either branch is affine",
    weights=stable(3),
    start=normal(3),
    series=(flag(), normal(3)),
)
def cond_on_input(weights, h, x):
    return lax.cond(x[0], lambda h: weights @ h, lambda h: h + x[1], h)


@shortcut(
    "affine",
    "memory written at given addresses",
    start=normal(6),
    series=(whole(0, 6), normal()),
    also=("max-plus", "min-plus"),
)
def write_at_address(weights, memory, x):
    address, value = x
    return memory.at[address].set(value)


@shortcut(
    "affine",
    "histogram with decay",
    start=normal(6),
    series=(whole(0, 6), uniform(0, 1)),
)
def decayed_histogram(weights, counts, x):
    address, value = x
    return (0.99 * counts).at[address].add(value)


@shortcut(
    "affine",
    "last value carried forward over gaps",
    start=normal(3),
    series=(flag(3), normal(3)),
    also=("max-plus", "min-plus"),
)
def last_observation(weights, last, x):
    seen, value = x
    return lax.select(seen, value, last)


@shortcut(
    "affine",
    "p[q] gathers the carry at given places: a permutation matrix (its twin q[p] is hard)",
    start=shuffle(5),
    series=shuffle(5),
    also=("max-plus", "min-plus"),
)
def permutation_gathers_carry(weights, p, q):
    return p[q]


@shortcut(
    "affine",
    "Dyck-1 without a bound: the depth is a sum",
    start=whole(0, 9),
    series=whole(0, 2),
    emit=lambda weights, depth, x: depth < 0,
    also=("max-plus", "min-plus"),
)
def dyck1_depth(weights, depth, token):
    return depth + jnp.where(token == 1, 1, -1)


@shortcut(
    "affine",
    "steps since the last event",
    start=whole(0, 9),
    series=flag(),
    also=("max-plus", "min-plus"),
)
def steps_since_event(weights, age, event):
    return jnp.where(event, 0, age + 1)


@shortcut("affine", "Horner 1819", weights=uniform(-0.9, 0.9), start=normal(), series=normal())
def horner(x, value, coefficient):
    return value * x + coefficient


@shortcut(
    "affine",
    "Knuth, TAOCP 2: linear congruential generator modulo 2^32, the ring of uint32",
    start=word(),
    emit=lambda weights, state, x: (state >> 8).astype("float32") / 2**24,
)
def linear_congruential_generator(weights, state, x):
    return state * jnp.uint32(1664525) + jnp.uint32(1013904223)


@shortcut("affine", "Bernstein: hash 33 h + x modulo 2^32", start=word(), series=whole(0, 256))
def djb2_hash(weights, h, byte):
    return h * 33 + byte.astype("uint32")


@shortcut("affine", "Fibonacci numbers modulo 2^32", start=(word(), word()), loop="counted")
def fibonacci(weights, carry, x):
    a, b = carry
    return b, a + b


@shortcut("affine", "product of given matrices", start=normal(3, 3), series=stable(3, 1.0))
def matrix_product(weights, product, x):
    return product @ x


@shortcut("affine", "Hamilton 1843: attitude from gyroscope increments", start=unit(4), series=unit(4))
def quaternion_product(weights, q, p):
    w, v = q[0], q[1:]
    real = w * p[0] - v @ p[1:]
    return jnp.concatenate([real[None], w * p[1:] + p[0] * v + jnp.cross(v, p[1:])])


@shortcut(
    "affine",
    "hidden Markov model, forward algorithm without normalisation (Rabiner 1989)",
    weights=(lambda rng, lead: rng.dirichlet(np.ones(3), 3).astype("float32")),
    start=uniform(0.1, 1, 3),
    series=uniform(0.5, 1.5, 3),
)
def hmm_forward(transition, alpha, likelihood):
    return (alpha @ transition) * likelihood


# ---- affine: optimisation, control, learning from reward, physics ------------------------------------------


@shortcut(
    "affine",
    "gradient descent on a quadratic",
    weights=(spd(3), normal(3)),
    start=normal(3),
    loop="counted",
)
def gradient_descent_on_quadratic(weights, theta, x):
    hessian, linear = weights
    return theta - 0.1 * jax.grad(lambda t: 0.5 * t @ hessian @ t - linear @ t)(theta)


@shortcut(
    "affine",
    "Polyak 1964: heavy ball on a quadratic",
    weights=(spd(3), normal(3)),
    start=(normal(3), normal(3)),
)
def momentum_on_quadratic(weights, carry, x):
    theta, velocity = carry
    hessian, linear = weights
    velocity = 0.9 * velocity - 0.05 * (hessian @ theta - linear)
    return theta + velocity, velocity


@shortcut(
    "affine",
    "Nesterov 1983 on a quadratic, momentum by a given schedule",
    weights=spd(3),
    start={"now": normal(3), "before": normal(3)},
    series=uniform(0, 0.9),
)
def nesterov_on_quadratic(hessian, carry, momentum):
    ahead = carry["now"] + momentum * (carry["now"] - carry["before"])
    return {"now": ahead - 0.1 * hessian @ ahead, "before": carry["now"]}


@shortcut(
    "affine",
    "Widrow & Hoff 1960: least mean squares",
    start=normal(3),
    series=(unit(3), normal()),
    emit=lambda weights, w, x: x[1] - w @ x[0],
)
def least_mean_squares(weights, w, x):
    features, target = x
    return w + 0.5 * (target - w @ features) * features


@shortcut(
    "affine",
    "Schulman et al. 2016: generalised advantage estimation",
    start=normal(),
    series=(normal(), flag()),
    loop="backward",
)
def generalised_advantage(weights, advantage, x):
    delta, done = x
    return delta + 0.99 * 0.95 * (1 - done) * advantage


@shortcut(
    "affine",
    "Espeholt et al. 2018: V-trace",
    start=normal(),
    series=(normal(), normal()),
    loop="backward",
)
def v_trace(weights, correction, x):
    delta, log_ratio = x
    return delta + 0.99 * jnp.minimum(1.0, jnp.exp(log_ratio)) * correction


@shortcut(
    "affine",
    "Sutton & Barto 2018: SARSA on a table, visited pairs given",
    start=normal(3, 2),
    series=(whole(0, 3), whole(0, 2), whole(0, 3), whole(0, 2), normal()),
)
def sarsa(weights, q, x):
    state, action, following, next_action, reward = x
    error = reward + 0.9 * q[following, next_action] - q[state, action]
    return q.at[state, action].add(0.1 * error)


@shortcut(
    "affine",
    "PID controller with a linear plant",
    weights=constant(np.float32([0.8, 0.1, 0.05])),
    start=(normal(), normal(), normal()),
    series=normal(),
)
def pid_control(gains, carry, target):
    y, integral, previous = carry
    error = target - y
    integral = integral + 0.1 * error
    control = gains[0] * error + gains[1] * integral + gains[2] * (error - previous) / 0.1
    return y + 0.1 * (control - y), integral, error


@shortcut(
    "affine",
    "leapfrog on a harmonic oscillator",
    start=(normal(2), normal(2)),
    loop="counted",
)
def leapfrog_harmonic(weights, carry, x):
    place, speed = carry
    speed = speed - 0.05 * place
    place = place + 0.1 * speed
    return place, speed - 0.05 * place


@shortcut(
    "affine",
    "Runge 1895, Kutta 1901: RK4 on a linear equation",
    weights=normal(3, 3, scale=0.3),
    start=normal(3),
    series=normal(3),
)
def rk4_linear(weights, y, forcing):
    def slope(y):
        return weights @ y - y + forcing

    k1 = slope(y)
    k2 = slope(y + 0.05 * k1)
    k3 = slope(y + 0.05 * k2)
    k4 = slope(y + 0.1 * k3)
    return y + 0.1 * (k1 + 2 * k2 + 2 * k3 + k4) / 6


@shortcut(
    "affine",
    "heat equation: explicit convolution, then its mean removed",
    start=normal(8),
    series=normal(8),
)
def heat_explicit(weights, u, source):
    u = jnp.convolve(u, jnp.array([0.25, 0.5, 0.25]), mode="same") + 0.1 * source
    return u - u.mean()


@shortcut(
    "affine",
    "Crank & Nicolson 1947: heat equation, a linear solve a step",
    start=normal(6),
    series=normal(6),
)
def heat_implicit(weights, u, source):
    laplacian = jnp.eye(6, k=1) + jnp.eye(6, k=-1) - 2 * jnp.eye(6)
    return jnp.linalg.solve(jnp.eye(6) - 0.1 * laplacian, u + 0.1 * laplacian @ u + source)


@shortcut(
    "affine",
    "spectral advection and diffusion: Fourier transform there and back",
    start=normal(8),
    series=normal(8),
)
def spectral_advection(weights, u, source):
    k = jnp.arange(5)
    return jnp.fft.irfft(jnp.exp(-0.3j * k - 0.02 * k**2) * jnp.fft.rfft(u), 8) + 0.1 * source


@shortcut(
    "affine",
    "Gibbs sampling of a normal law, noise given",
    start=(normal(), normal()),
    series=(normal(), normal()),
)
def gibbs_normal(weights, carry, noise):
    _, b = carry
    a = 0.8 * b + 0.6 * noise[0]
    return a, 0.8 * a + 0.6 * noise[1]


# ---- max-plus and min-plus ---------------------------------------------------------------------------------


@shortcut("max-plus", "Blelloch 1990: running maximum", start=normal(3), series=normal(3))
def running_max(weights, top, x):
    return jnp.maximum(top, x)


@shortcut("min-plus", "Blelloch 1990: running minimum", start=normal(3), series=normal(3))
def running_min(weights, bottom, x):
    return jnp.minimum(bottom, x)


@shortcut(
    "max-plus",
    "running maximum since the last reset",
    start=whole(-99, 99),
    series=(flag(), whole(-99, 99)),
)
def segmented_max(weights, top, x):
    first, value = x
    return jnp.where(first, value, jnp.maximum(top, value))


@shortcut(
    "max-plus",
    "Viterbi 1967, back pointers as output",
    weights=normal(4, 4),
    start=normal(4),
    series=normal(4),
    emit=lambda transition, score, x: jnp.argmax(score[:, None] + transition, axis=0),
)
def viterbi(transition, score, x):
    return jnp.max(score[:, None] + transition, axis=0) + x


@shortcut(
    "min-plus",
    "Bellman 1958, Ford 1956: relaxation of all edges",
    weights=uniform(0, 2, 5, 5),
    start=uniform(0, 9, 5),
    loop="counted",
)
def shortest_paths(edges, distance, x):
    return jnp.minimum(distance, jnp.min(distance[:, None] + edges, axis=0))


@shortcut(
    "min-plus",
    "stages of a trellis with their own weights",
    start=whole(0, 99, 4),
    series=whole(0, 9, 4, 4),
)
def min_plus_matrix_vector(weights, distance, edges):
    return (distance[:, None] + edges).min(0)


@shortcut(
    "max-plus",
    "Cuninghame-Green 1979: product of max-plus matrices",
    start=normal(3, 3),
    series=normal(3, 3),
)
def max_plus_matrix_product(weights, product, x):
    return jnp.max(product[:, :, None] + x[None, :, :], axis=1)


@shortcut(
    "max-plus",
    "Smith & Waterman 1981, along one row: what comes from the row above is given",
    start=whole(0, 20),
    series=whole(-4, 9),
)
def smith_waterman_row(weights, score, above):
    return jnp.maximum(0, jnp.maximum(score - 2, above))


@shortcut(
    "max-plus",
    "Gotoh 1982, along one row: a best score and a best score in a gap",
    start=(normal(), normal()),
    series=normal(),
)
def gotoh_row(weights, carry, above):
    best, gap = carry
    gap = jnp.maximum(gap - 0.5, best - 2)
    return jnp.maximum(jnp.maximum(above, gap), 0), gap


@shortcut(
    "max-plus",
    "Needleman & Wunsch 1970 by antidiagonals: two of them carried",
    start=(normal(6), normal(6)),
    series=normal(6),
)
def needleman_wunsch_antidiagonals(weights, carry, match):
    older, old = carry
    fresh = jnp.maximum(jnp.roll(older, 1) + match, jnp.maximum(jnp.roll(old, 1), old) - 1)
    return old, fresh


@shortcut(
    "min-plus",
    "Sakoe & Chiba 1978: dynamic time warping by antidiagonals",
    start=(uniform(0, 9, 5), uniform(0, 9, 5)),
    series=uniform(0, 1, 5),
)
def dynamic_time_warping(weights, carry, cost):
    older, old = carry
    shifted = jnp.pad(old, (1, 0), constant_values=1e6)[:-1]
    diagonal = jnp.pad(older, (1, 0), constant_values=1e6)[:-1]
    return old, cost + jnp.min(jnp.stack([old, shifted, diagonal]), axis=0)


@shortcut(
    "max-plus",
    "Kadane (Bentley 1984): largest sum of a segment",
    start=(normal(), normal()),
    series=normal(),
)
def largest_segment_sum(weights, carry, x):
    here, best = carry
    here = jnp.maximum(here + x, x)
    return here, jnp.maximum(best, here)


@shortcut("max-plus", "Lindley 1952: waiting time in a queue", start=uniform(0, 5), series=normal())
def lindley_queue(weights, wait, x):
    return jax.nn.relu(wait + x)


@shortcut(
    "max-plus",
    "Baccelli et al. 1992: departures from three queues in a row",
    start=uniform(0, 5, 3),
    series=(uniform(0, 30), uniform(0, 1, 3)),
)
def tandem_queues(weights, departures, x):
    arrival, service = x
    out = []
    for k in range(3):
        arrival = jnp.maximum(arrival, departures[k]) + service[k]
        out.append(arrival)
    return jnp.stack(out)


@shortcut("min-plus", "stock that overflows at its capacity", start=uniform(0, 5, 2), series=normal(2))
def overflowing_stock(capacity, stock, x):
    return jnp.minimum(stock + x, 5.0)


@shortcut(
    "max-plus",
    "one pass of bubble sort: the maximum travels, the rest is output",
    start=whole(0, 99),
    series=whole(0, 99),
    emit=lambda weights, top, x: jnp.minimum(top, x),
)
def bubble_pass(weights, top, x):
    return jnp.maximum(top, x)


@shortcut(
    "max-plus",
    "scatter-max at given places",
    start=normal(5),
    series=(whole(0, 5), normal()),
)
def scatter_max(weights, best, x):
    place, value = x
    return best.at[place].max(value)


# ---- finite ------------------------------------------------------------------------------------------------


@shortcut("finite", "parity by exclusive or", start=flag(), series=flag())
def parity(weights, state, x):
    return jnp.logical_xor(state, x)


@shortcut("finite", "parity by remainder", start=whole(0, 2), series=whole(0, 2))
def parity_by_remainder(weights, state, x):
    return (state + x) % 2


@shortcut("finite", "counter modulo 7", start=whole(0, 7), series=whole(0, 99))
def counter_modulo_7(weights, state, x):
    return jnp.remainder(state + x, 7)


@shortcut(
    "finite", "four counters side by side, each finite alone", start=whole(0, 5, 4), series=whole(0, 99, 4)
)
def counters_side_by_side(weights, state, x):
    return (state + x) % 5


@shortcut("finite", "polynomial hash modulo 31", start=whole(0, 31), series=whole(0, 256))
def polynomial_hash_modulo_31(weights, state, byte):
    return (3 * state + byte) % 31


@shortcut("finite", "words in S3, the table is part of the program", start=whole(0, 6), series=whole(0, 3))
def s3_word(weights, state, generator):
    return jnp.asarray(S3)[state, generator]


@shortcut("finite", "Barrington 1989: words in A5, 60 states", start=whole(0, 60), series=whole(0, 2))
def a5_word(weights, state, generator):
    return jnp.asarray(A5)[state, generator]


@shortcut(
    "finite",
    "Liu et al. 2023: flip-flop (hold, set, reset)",
    start=flag(),
    series=whole(0, 3),
)
def flip_flop(weights, state, command):
    return jnp.select([command == 1, command == 2], [True, False], state)


@shortcut("finite", "Krohn & Rhodes 1965: reset automaton", start=whole(0, 4), series=(flag(), whole(0, 4)))
def reset_automaton(weights, state, x):
    write, value = x
    return jnp.where(write, value & 3, (state + 1) & 3)


@shortcut(
    "finite",
    "Dyck-1 of bounded depth: saturating counter",
    start=whole(0, 8),
    series=flag(),
)
def bounded_stack_depth(weights, depth, opens):
    return jnp.clip(depth + jnp.where(opens, 1, -1), 0, 7)


@shortcut(
    "finite", "Ladner & Fischer 1980: carry of a binary addition", start=flag(), series=(flag(), flag())
)
def ripple_carry(weights, carry, x):
    a, b = x
    return (a & b) | (carry & (a ^ b))


@shortcut("finite", "carry of a decimal addition", start=flag(), series=(whole(0, 10), whole(0, 10)))
def decimal_carry(weights, carry, digits):
    return digits[0] + digits[1] + carry >= 10


@shortcut(
    "finite", "lax.switch on the input: advance, go back, restart", start=whole(0, 5), series=whole(0, 3)
)
def traffic_light(weights, phase, command):
    following = lax.switch(command, [lambda p: p + 1, lambda p: p + 4, lambda p: jnp.zeros_like(p)], phase)
    return following % 5


@shortcut("finite", "has it happened yet", start=flag(), series=flag())
def seen_yet(weights, seen, x):
    return seen | x


@shortcut(
    "finite",
    "debouncing: a level and how often the input has differed, at most 3 times",
    start=(flag(), whole(0, 4)),
    series=flag(),
)
def debounce(weights, carry, x):
    level, count = carry
    count = jnp.where(x == level, 0, jnp.clip(count + 1, 0, 3))
    turned = count == 3
    return level ^ turned, jnp.where(turned, 0, count)


@shortcut("finite", "linear feedback shift register of four bits", start=whole(0, 16), loop="counted")
def shift_register_4_bits(weights, state, x):
    return ((state << 1) | ((state >> 3) ^ (state >> 2)) & 1) & 15


# ---- linear-fractional -------------------------------------------------------------------------------------


@shortcut(
    "linear-fractional",
    "Kalman 1960: variance of a scalar filter",
    weights=(uniform(0.1, 1, 3), uniform(0.5, 2, 3)),
    start=uniform(0.1, 3, 3),
)
def kalman_variance(weights, variance, x):
    process, measurement = weights
    return variance * measurement / (variance + measurement) + process


@shortcut(
    "linear-fractional",
    "Kalman 1960: the same by its gain, (1 - K) P",
    start=uniform(0.1, 3, 3),
    series=(uniform(0.1, 1, 3), uniform(0.5, 2, 3)),
)
def kalman_variance_by_gain(weights, variance, x):
    process, measurement = x
    predicted = 0.9**2 * variance + process
    gain = predicted / (predicted + measurement)
    return (1 - gain) * predicted


@shortcut("linear-fractional", "Wallis 1655: continued fraction", start=uniform(0.5, 2), series=uniform(1, 3))
def continued_fraction(weights, value, term):
    return term + 1 / value


@shortcut(
    "linear-fractional",
    "Möbius transformations given element by element",
    start=uniform(0.1, 2, 3),
    series=uniform(0.5, 1.5, 4, 3),
)
def moebius_maps(weights, z, x):
    a, b, c, d = x
    return (a * z + b) / (c * z + d)


@shortcut(
    "linear-fractional",
    "Bayes: probability of one hypothesis of two",
    start=uniform(0.05, 0.95, 3),
    series=(uniform(0.5, 1.5, 3), uniform(0.5, 1.5, 3)),
)
def bayes_update(weights, p, likelihoods):
    for_it, against = likelihoods
    return for_it * p / (for_it * p + against * (1 - p))


@shortcut(
    "linear-fractional",
    "Rabiner 1989: filter of a hidden Markov model with two states",
    start=uniform(0.05, 0.95),
    series=(uniform(0.5, 1.5), uniform(0.5, 1.5)),
)
def two_state_filter(weights, p, likelihoods):
    p = 0.9 * p + 0.2 * (1 - p)
    first, second = p * likelihoods[0], (1 - p) * likelihoods[1]
    return first / (first + second)


@shortcut(
    "linear-fractional",
    "Beverton & Holt 1957: population with a carrying capacity",
    start=uniform(0.1, 3, 2),
    series=uniform(1, 2, 2),
)
def beverton_holt(weights, population, growth):
    return growth * population / (1 + population / 5)


@shortcut(
    "linear-fractional",
    "resistance of a ladder, series and parallel in turn",
    start=uniform(0.5, 2),
    series=(uniform(0.5, 2), uniform(0.5, 2)),
)
def resistor_ladder(weights, resistance, x):
    along, across = x
    return along + 1 / (1 / resistance + 1 / across)


@shortcut(
    "linear-fractional",
    "Einstein 1905: addition of velocities",
    start=uniform(-0.9, 0.9),
    series=uniform(-0.9, 0.9),
)
def velocity_addition(weights, v, u):
    return (v + u) / (1 + v * u)


# ---- in stages ---------------------------------------------------------------------------------------------


@shortcut(
    "max-plus + affine",
    "Peng et al. 2023: RWKV-4, numerator and denominator relative to a running maximum",
    weights=(uniform(0.1, 1, 3), normal(3)),
    start=(normal(3), uniform(0.1, 1, 3), normal(3)),
    series=(normal(3), normal(3)),
    stages=((2,), (0, 1)),
)
def rwkv4(weights, carry, x):
    numerator, denominator, top = carry
    key, value = x
    decayed = top - weights[0]
    top = jnp.maximum(decayed, key)
    old, new = jnp.exp(decayed - top), jnp.exp(key - top)
    return old * numerator + new * value, old * denominator + new, top


@shortcut(
    "max-plus + affine",
    "Beck et al. 2024: mLSTM with its stabiliser",
    start={"C": normal(3, 3), "m": normal(), "n": normal(3)},
    series=(normal(3), normal(3), normal(3), normal(), normal()),
    stages=((1,), (0, 2)),
    emit=lambda weights, s, x: s["C"] @ x[0] / jnp.maximum(jnp.abs(s["n"] @ x[0]), jnp.exp(-s["m"])),
)
def mlstm(weights, carry, x):
    _, key, value, into, forget = x
    forget = jax.nn.log_sigmoid(forget)
    m = jnp.maximum(forget + carry["m"], into)
    keep, write = jnp.exp(forget + carry["m"] - m), jnp.exp(into - m)
    return {
        "C": keep * carry["C"] + write * jnp.outer(value, key),
        "m": m,
        "n": keep * carry["n"] + write * key,
    }


@shortcut(
    "max-plus + affine",
    "Beck et al. 2024: sLSTM without its recurrent connections",
    weights=normal(3, 3, 3),
    start=(normal(3), uniform(0.1, 1, 3), normal(3)),
    series=normal(3),
    stages=((2,), (0, 1)),
    emit=lambda weights, carry, x: carry[0] / carry[1],
)
def slstm_without_recurrence(weights, carry, x):
    c, n, m = carry
    into, forget, z = jnp.einsum("gij,j->gi", weights, x)
    top = jnp.maximum(forget + m, into)
    keep, write = jnp.exp(forget + m - top), jnp.exp(into - top)
    return keep * c + write * jnp.tanh(z), keep * n + write, top


@shortcut(
    "max-plus + affine",
    "Milakov & Gimelshein 2018: online softmax",
    start=(normal(), uniform(0.1, 1), normal(3)),
    series=(normal(), normal(3)),
    stages=((0,), (1, 2)),
    emit=lambda weights, carry, x: carry[2] / carry[1],
)
def online_softmax(weights, carry, x):
    top, total, output = carry
    score, value = x
    fresh = jnp.maximum(top, score)
    scale, weight = jnp.exp(top - fresh), jnp.exp(score - fresh)
    return fresh, scale * total + weight, scale * output + weight * value


@shortcut(
    "max-plus + affine",
    "Dao et al. 2022: FlashAttention, one block of keys a step",
    weights=normal(2, 3),
    start=(normal(2, 3), uniform(0.1, 1, 2), normal(2)),
    series=(normal(4, 3), normal(4, 3)),
    stages=((2,), (0, 1)),
)
def flash_attention(query, carry, block):
    output, total, top = carry
    keys, values = block
    scores = query @ keys.T / jnp.sqrt(3)
    fresh = jnp.maximum(top, scores.max(axis=1))
    scale, weight = jnp.exp(top - fresh), jnp.exp(scores - fresh[:, None])
    return scale[:, None] * output + weight @ values, scale * total + weight.sum(axis=1), fresh


@shortcut(
    "linear-fractional + affine",
    "Kalman 1960, Särkkä & García-Fernández 2021: mean and variance of three scalar filters",
    start=(normal(3), uniform(0.1, 3, 3)),
    series=normal(3),
    stages=((1,), (0,)),
)
def kalman_filter(weights, carry, y):
    mean, variance = carry
    mean, variance = 0.95 * mean, 0.95**2 * variance + 0.1
    gain = variance / (variance + 0.5)
    return mean + gain * (y - mean), (1 - gain) * variance


@shortcut(
    "linear-fractional + affine",
    "Plackett 1950: recursive least squares with one regressor",
    start=(uniform(0.1, 3), normal()),
    series=(normal(), normal()),
    stages=((0,), (1,)),
)
def recursive_least_squares(weights, carry, x):
    p, w = carry
    regressor, target = x
    gain = p * regressor / (0.95 + regressor * p * regressor)
    return (p - gain * regressor * p) / 0.95, w + gain * (target - w * regressor)


@shortcut(
    "affine + affine",
    "the second carry reads the first through a nonlinearity",
    weights=stable(3),
    start=(normal(3), normal(3)),
    series=normal(3),
    stages=((0,), (1,)),
)
def nonlinear_readout_summed(weights, carry, x):
    first, second = carry
    first = weights @ first + x
    return first, second + jnp.tanh(first)


@shortcut(
    "affine + affine",
    "two layers of gated linear units with a nonlinearity between, in one loop over time",
    weights=(uniform(0.5, 0.95, 2, 4), normal(4, 4)),
    start={"lower": normal(4), "upper": normal(4)},
    series=normal(4),
    stages=((0,), (1,)),
)
def two_layers_in_one_loop(weights, carry, x):
    decay, between = weights
    lower = decay[0] * carry["lower"] + x
    gate = sigmoid(between @ lower)
    return {"lower": lower, "upper": gate * carry["upper"] + (1 - gate) * jax.nn.gelu(lower)}


@shortcut(
    "affine + affine",
    "a product of two carries, one of which goes its own way",
    start=(normal(2), uniform(0.5, 1.5, 2)),
    stages=((1,), (0,)),
)
def product_of_two_carries(weights, carry, x):
    first, second = carry
    return first * second, second * 0.9 + 0.1


@shortcut(
    "affine + affine + affine",
    "energy: position from speed, then a sum of squares of position",
    start=(normal(2), normal(2), normal()),
    series=normal(2),
    stages=((1,), (0,), (2,)),
)
def sum_of_squares_of_a_sum(weights, carry, force):
    place, speed, energy = carry
    speed = 0.95 * speed + force
    place = 0.9 * place + jnp.sin(speed)
    return place, speed, energy + place @ place


@shortcut(
    "affine + affine + affine",
    "Welford 1962: count, mean, squared deviations",
    start=(uniform(1, 9), normal(), uniform(0, 5)),
    series=normal(),
    stages=((0,), (1,), (2,)),
)
def welford(weights, carry, x):
    count, mean, squares = carry
    count = count + 1
    delta = x - mean
    mean = mean + delta / count
    return count, mean, squares + delta * (x - mean)


@shortcut(
    "affine + affine",
    "Polyak & Juditsky 1992: average of iterates, counted in integers",
    start=(whole(0, 9), normal(3)),
    series=normal(3),
    stages=((0,), (1,)),
)
def average_of_iterates(weights, carry, x):
    count, mean = carry
    return count + 1, mean + (x - mean) / (count + 1)


@shortcut(
    "affine + affine",
    "Vitter 1985: reservoir of one, uniform numbers given",
    start=(whole(1, 9), normal()),
    series=(uniform(0, 1), normal()),
    stages=((0,), (1,)),
)
def reservoir_sampling(weights, carry, x):
    count, kept = carry
    draw, value = x
    count = count + 1
    return count, jnp.where(draw * count < 1, value, kept)


@shortcut(
    "affine + affine",
    "Kingma & Ba 2015: Adam when the gradients are given, not functions of the parameters",
    start=(normal(3), normal(3), uniform(0.1, 1, 3), whole(0, 9)),
    series=normal(3),
    stages=((1, 2, 3), (0,)),
)
def adam_on_given_gradients(weights, carry, gradient):
    theta, first, second, count = carry
    count = count + 1
    first = 0.9 * first + 0.1 * gradient
    second = 0.99 * second + 0.01 * gradient**2
    corrected = first / (1 - 0.9**count)
    scale = jnp.sqrt(second / (1 - 0.99**count)) + 1e-8
    return theta - 0.01 * corrected / scale, first, second, count


@shortcut(
    "affine + affine",
    "Sutton & Barto 2018: TD(λ) with linear values, the eligibility trace on its own",
    start=(normal(3), normal(3)),
    series=(unit(3), unit(3), normal()),
    stages=((1,), (0,)),
)
def td_lambda(weights, carry, x):
    w, trace = carry
    features, following, reward = x
    trace = 0.7 * trace + features
    return w + 0.1 * (reward + 0.9 * w @ following - w @ features) * trace, trace


@shortcut(
    "affine + affine",
    "a stack whose pushes and pops are given: the pointer, then its cells",
    start=(whole(0, 4), normal(8)),
    series=(whole(-1, 2), normal()),
    stages=((0,), (1,)),
    emit=lambda weights, carry, x: carry[1][jnp.clip(carry[0], 0, 7)],
)
def stack_machine(weights, carry, x):
    pointer, cells = carry
    move, value = x
    pointer = pointer + move
    return pointer, jnp.where(move > 0, cells.at[pointer].set(value, mode="drop"), cells)


@shortcut(
    "max-plus + affine",
    "the largest so far and where it was",
    start=(normal(), whole(0, 9)),
    series=(normal(), whole(0, 99)),
    stages=((0,), (1,)),
)
def running_argmax(weights, carry, x):
    top, place = carry
    value, here = x
    return jnp.maximum(top, value), jnp.where(value > top, here, place)


@shortcut(
    "min-plus + affine",
    "Prechelt 1998: early stopping, best loss and steps waited",
    start={"best": normal(), "waited": whole(0, 9)},
    series=normal(),
    stages=((0,), (1,)),
)
def early_stopping(weights, carry, loss):
    better = loss < carry["best"]
    return {"best": jnp.minimum(carry["best"], loss), "waited": jnp.where(better, 0, carry["waited"] + 1)}


@shortcut(
    "affine + max-plus + max-plus",
    "largest fall from a peak: wealth, its peak, the fall",
    start=(uniform(0.5, 2), uniform(2, 3), uniform(0, 0.3)),
    series=uniform(-0.05, 0.05),
    stages=((0,), (1,), (2,)),
)
def largest_fall(weights, carry, gain):
    wealth, peak, fall = carry
    wealth = wealth * (1 + gain)
    peak = jnp.maximum(peak, wealth)
    return wealth, peak, jnp.maximum(fall, 1 - wealth / peak)


@shortcut(
    "affine + max-plus",
    "largest output of a linear filter",
    weights=stable(3),
    start=(normal(), normal(3)),
    series=normal(3),
    stages=((1,), (0,)),
)
def peak_of_filter(weights, carry, x):
    peak, h = carry
    h = weights @ h + x
    return jnp.maximum(peak, jnp.tanh(h).sum()), h


@shortcut(
    "finite + affine",
    "the phase of an automaton chooses the decay",
    weights=uniform(0.3, 0.95, 3, 4),
    start=(whole(0, 3), normal(4)),
    series=(whole(0, 3), normal(4)),
    stages=((0,), (1,)),
)
def decay_by_phase(decays, carry, x):
    phase, h = carry
    token, u = x
    phase = (phase + token) % 3
    return phase, decays[phase] * h + u


@shortcut(
    "finite + affine",
    "Micikevicius et al. 2018: dynamic loss scale, doubled after four good steps in a row",
    start=(whole(0, 4), uniform(1, 9)),
    series=flag(),
    stages=((0,), (1,)),
)
def dynamic_loss_scale(weights, carry, finite):
    good, scale = carry
    due = finite & (good == 3)
    scale = jnp.where(finite, jnp.where(due, 2 * scale, scale), scale / 2)
    return jnp.where(finite, (good + 1) % 4, 0), scale


@shortcut(
    "max-plus + finite",
    "parity of the number of records",
    start=(normal(), flag()),
    series=normal(),
    stages=((0,), (1,)),
)
def parity_of_records(weights, carry, x):
    top, odd = carry
    return jnp.maximum(top, x), odd ^ (x > top)


@shortcut(
    "affine + finite",
    "the sign of a linear filter drives a counter modulo 5",
    weights=stable(3),
    start=(normal(3), whole(0, 5)),
    series=normal(3),
    stages=((0,), (1,)),
)
def counter_of_signs(weights, carry, x):
    h, count = carry
    h = weights @ h + x
    return h, (count + jnp.sum(h > 0).astype(count.dtype)) % 5


# ---- hard: true shortcuts elsewhere ------------------------------------------------------------------------


@hard("log-sum-exp", "affine in exp h", start=normal(3), series=(normal(3), normal(3)))
def log_add_exp(weights, h, x):
    decay, value = x
    return jnp.logaddexp(h + decay, value)


@hard(
    "log-sum-exp",
    "Rabiner 1989: forward algorithm in logarithms",
    weights=normal(4, 4),
    start=normal(4),
    series=normal(4),
)
def hmm_forward_in_logarithms(transition, score, x):
    return jax.nn.logsumexp(score[:, None] + transition, axis=0) + x


@hard(
    "projective",
    "Rabiner 1989: filter of a hidden Markov model with three states, normalised at each step",
    weights=uniform(0.1, 1, 3, 3),
    start=uniform(0.1, 1, 3),
    series=uniform(0.5, 1.5, 3),
)
def hmm_filter(transition, alpha, likelihood):
    alpha = (alpha @ transition) * likelihood
    return alpha / alpha.sum()


@hard(
    "projective",
    "von Mises 1929: power iteration, whose norms may wait until the end",
    weights=spd(4),
    start=normal(4),
    loop="counted",
)
def power_iteration(matrix, v, x):
    v = matrix @ v
    return v / jnp.linalg.norm(v)


@hard(
    "tropical projective",
    "Viterbi 1967 with the best score subtracted at each step",
    weights=normal(4, 4),
    start=normal(4),
    series=normal(4),
)
def viterbi_normalised(transition, score, x):
    score = jnp.max(score[:, None] + transition, axis=0) + x
    return score - score.max()


@hard(
    "clamp",
    "clamps compose to clamps: clip(a h + b, low, high)",
    start=uniform(0, 1, 3),
    series=normal(3, scale=0.4),
)
def clipped_accumulator(weights, h, x):
    return jnp.clip(h + x, 0.0, 1.0)


@hard(
    "clamp",
    "Li et al. 2018: IndRNN with ReLU; one unit alone is a clamp whatever the sign of u",
    weights=uniform(-0.95, 0.95, 4),
    start=normal(4),
    series=normal(4),
)
def indrnn_relu(u, h, x):
    return jax.nn.relu(u * h + x)


@hard(
    "clamp",
    "hard tanh of each element alone",
    weights=uniform(-1.5, 1.5, 4),
    start=uniform(-1, 1, 4),
    series=normal(4),
)
def hard_tanh_per_element(u, h, x):
    return jax.nn.hard_tanh(u * h + x)


@hard(
    "clamp",
    "Nodes & Gallagher 1982: recursive median of three",
    start=normal(),
    series=(normal(), normal()),
)
def recursive_median(weights, h, x):
    return jnp.median(jnp.stack([h, *x]))


@hard(
    "clamp",
    "peak detector with decay: slope at least 0, then a maximum",
    start=uniform(0, 2),
    series=normal(),
)
def envelope_follower(weights, level, x):
    return jnp.maximum(0.9 * level, jnp.abs(x))


@hard(
    "scaled max-plus",
    "value iteration in a deterministic world: max-plus after scaling by the discount",
    weights=(normal(4, 2), constant(np.int32([[1, 2], [2, 3], [3, 0], [0, 0]]))),
    start=normal(4),
)
def deterministic_value_iteration(weights, value, x):
    reward, following = weights
    return jnp.max(reward + 0.9 * value[following], axis=1)


@hard(
    "matrix linear-fractional",
    "Kalman 1960: Riccati recursion of a 2×2 covariance with one measurement",
    weights=(stable(2), spd(2), normal(2)),
    start=spd(2),
)
def riccati_2x2(weights, p, x):
    a, q, h = weights
    p = a @ p @ a.T + q
    gain = p @ h / (h @ p @ h + 1.0)
    return p - jnp.outer(gain, h @ p)


@hard(
    "affine",
    "Bollerslev 1986: GARCH(1, 1) simulated; the root is squared again",
    start=uniform(0.5, 2),
    series=normal(),
)
def garch_simulated(weights, variance, shock):
    ret = jnp.sqrt(variance) * shock
    return 0.1 + 0.1 * ret**2 + 0.85 * variance


@hard("logarithm", "affine in log h", start=uniform(0.5, 2, 3), series=uniform(0.5, 2, 3))
def power_law(weights, h, x):
    return x * jnp.sqrt(h)


@hard("square", "affine in h²", start=uniform(0.1, 2, 3), series=normal(3))
def running_norm(weights, h, x):
    return jnp.hypot(h, x)


@hard("circle", "angles modulo a turn", start=uniform(0, 1, 3), series=normal(3))
def phase_accumulator(weights, phase, x):
    return (phase + x) % 1.0


@hard(
    "circle",
    "Inose et al. 1962: first-order sigma-delta; its error modulo a step of the quantiser is a sum",
    start=uniform(0, 1),
    series=uniform(0, 1),
)
def sigma_delta(weights, error, x):
    return error + x - jnp.where(error > 0.5, 1.0, 0.0)


@hard(
    "affine modulo",
    "Karp & Rabin 1987: rolling hash modulo a prime",
    start=whole(0, 8191),
    series=whole(0, 256),
)
def rolling_hash(weights, h, byte):
    return (257 * h + byte) % 8191


@hard("GF(2)", "Rule 90 on 16 cells: exclusive or of the neighbours", start=flag(16))
def rule_90(weights, cells, x):
    return jnp.roll(cells, 1) ^ jnp.roll(cells, -1)


@hard("GF(2)", "Marsaglia 2003: xorshift", start=word())
def xorshift(weights, state, x):
    state = state ^ (state << 13)
    state = state ^ (state >> 17)
    return state ^ (state << 5)


@hard("GF(2)", "Peterson & Brown 1961: cyclic redundancy check, bit by bit", start=word(), series=word())
def cyclic_redundancy_check(weights, crc, x):
    crc = crc ^ (x & 1)
    return jnp.where(crc & 1, (crc >> 1) ^ jnp.uint32(0xEDB88320), crc >> 1)


@hard("boolean", "Warshall 1962: reachability, the semiring of or and and", start=flag(8), series=flag(8, 8))
def reachability(weights, reached, edges):
    return reached | jnp.any(reached[:, None] & edges, axis=0)


@hard("boolean", "union of sets as bits of a word", start=word(), series=(word(), word()))
def bit_set(weights, members, x):
    keep, added = x
    return (members & keep) | added


@hard("max-min", "Pollack 1960: widest path", start=normal(4), series=normal(4, 4))
def widest_path(weights, capacity, edges):
    return jnp.max(jnp.minimum(capacity[:, None], edges), axis=0)


@hard(
    "top-k", "the four largest so far: merging sorted lists is associative", start=normal(4), series=normal(2)
)
def four_largest(weights, best, x):
    return lax.top_k(jnp.concatenate([best, x]), 4)[0]


@hard("finite", "Barrington 1989: words in S5, 120 states", start=whole(0, 120), series=whole(0, 2))
def s5_word(weights, state, generator):
    return jnp.asarray(S5)[state, generator]


@hard(
    "finite",
    "q[p] reads given permutations at the carry: each element is an automaton of five states",
    start=shuffle(5),
    series=shuffle(5),
)
def permutation_gathers_input(weights, p, q):
    return q[p]


@hard(
    "finite",
    "Smith 1981: two-bit branch predictor; only a start from 0 to 3 makes it finite",
    start=whole(0, 4),
    series=flag(),
    emit=lambda weights, state, taken: state >= 2,
)
def branch_predictor(weights, state, taken):
    return jnp.where(taken, jnp.minimum(state + 1, 3), jnp.maximum(state - 1, 0))


@hard(
    "finite",
    "pointer chase in a table of 16 that is an argument",
    weights=whole(0, 16, 16),
    start=whole(0, 16),
)
def pointer_chase(table, pointer, x):
    return table[pointer]


# ---- serial: recurrent networks ----------------------------------------------------------------------------


@serial(
    "Elman 1990",
    weights=(normal(4, 4), normal(4, 3)),
    start=uniform(-0.9, 0.9, 4),
    series=normal(3),
)
def tanh_rnn(weights, h, x):
    return jnp.tanh(weights[0] @ h + weights[1] @ x)


@serial(
    "Hochreiter & Schmidhuber 1997", weights=normal(16, 7), start=(normal(4), normal(4)), series=normal(3)
)
def lstm(weights, carry, x):
    return _lstm(weights, carry, x)


@serial(
    "Cho et al. 2014", weights=(normal(2, 4, 7), normal(4, 7)), start=uniform(-0.9, 0.9, 4), series=normal(3)
)
def gru(weights, h, x):
    gates, candidate = weights
    z, r = sigmoid(gates @ jnp.concatenate([h, x]))
    return (1 - z) * h + z * jnp.tanh(candidate @ jnp.concatenate([r * h, x]))


@serial(
    "Lei et al. 2018 (SRU as published): gates read the carry by v ⊙ c",
    weights=(normal(3, 4, 4), normal(2, 4)),
    start=normal(4),
    series=normal(4),
    before=lambda w, xs: jnp.einsum("gij,tj->tgi", w[0], xs),
    emit=lambda weights, c, x: sigmoid(x[2] + weights[1][1] * c) * c,
)
def sru(weights, c, x):
    forget = sigmoid(x[1] + weights[1][0] * c)
    return forget * c + (1 - forget) * x[0]


@serial(
    "Beck et al. 2024: sLSTM with recurrent connections",
    weights=(normal(4, 3, 3), normal(4, 3, 3)),
    start=(normal(3), uniform(0.5, 1, 3), uniform(-0.9, 0.9, 3), normal(3)),
    series=normal(3),
)
def slstm(weights, carry, x):
    c, n, h, m = carry
    into, forget, z, out = jnp.einsum("gij,j->gi", weights[0], x) + jnp.einsum("gij,j->gi", weights[1], h)
    top = jnp.maximum(forget + m, into)
    keep, write = jnp.exp(forget + m - top), jnp.exp(into - top)
    c, n = keep * c + write * jnp.tanh(z), keep * n + write
    return c, n, sigmoid(out) * c / n, top


@serial(
    "Li et al. 2018: IndRNN with tanh",
    weights=uniform(0.5, 1.5, 4),
    start=uniform(-0.9, 0.9, 4),
    series=normal(4),
)
def indrnn_tanh(u, h, x):
    return jnp.tanh(u * h + x)


@serial(
    "Le et al. 2015: ReLU RNN with a dense matrix",
    weights=stable(4),
    start=uniform(0, 1, 4),
    series=normal(4),
)
def relu_rnn(weights, h, x):
    return jax.nn.relu(weights @ h + x)


@serial(
    "leaky ReLU of each element alone: composition needs one more piece per step",
    weights=uniform(-1.2, -0.8, 3),
    start=normal(3),
    series=normal(3),
)
def leaky_relu_per_element(u, h, x):
    return jax.nn.leaky_relu(u * h + x, 0.5)


@serial("Jaeger 2001: echo state network", weights=normal(4, 4), start=normal(4), series=normal(4))
def echo_state(weights, h, x):
    return 0.7 * h + 0.3 * jnp.tanh(weights @ h + x)


@serial(
    "Hasani et al. 2021: liquid time constants, fused solver",
    weights=(normal(3, 3), normal(3, 3), normal(3)),
    start=normal(3),
    series=normal(3),
)
def liquid_time_constant(weights, h, x):
    recurrent, into, a = weights
    f = sigmoid(recurrent @ h + into @ x)
    return (h + 0.5 * f * a) / (1 + 0.5 * (1 + f))


@serial(
    "Arjovsky et al. 2016: unitary RNN, modReLU",
    weights=(disc(4), uniform(-0.5, -0.1, 4)),
    start=complex_normal(4),
    series=complex_normal(4),
)
def unitary_rnn(weights, h, x):
    z = jnp.fft.ifft(weights[0] / jnp.abs(weights[0]) * jnp.fft.fft(h)) + x
    modulus = jnp.abs(z)
    return jax.nn.relu(modulus + weights[1]) * z / (modulus + 1e-6)


@serial(
    "Rusch & Mishra 2021: coRNN",
    weights=(normal(4, 4), normal(4, 4)),
    start=(normal(4), normal(4)),
    series=normal(4),
)
def cornn(weights, carry, x):
    y, z = carry
    z = z + 0.2 * (jnp.tanh(weights[0] @ y + weights[1] @ z + x) - y - z)
    return y + 0.2 * z, z


@serial(
    "Sun et al. 2024: TTT-MLP, a gradient step on a two-layer memory",
    start=(normal(4, 3, scale=0.5), normal(3, 4, scale=0.5)),
    series=(unit(3), normal(3)),
)
def ttt_mlp(weights, memory, x):
    key, value = x
    gradient = jax.grad(lambda m: jnp.sum((m[1] @ jax.nn.gelu(m[0] @ key) - value) ** 2))(memory)
    return jax.tree.map(lambda m, g: m - 0.1 * g, memory, gradient)


@serial(
    "a selective state space whose step reads the state (twin of mamba)",
    weights=(normal(4, 4), uniform(0.2, 1, 4)),
    start=normal(4),
    series=normal(4),
)
def mamba_reading_its_state(weights, h, x):
    delta = softplus(weights[0] @ h + x)
    return jnp.exp(-delta * weights[1]) * h + delta * x


@serial(
    "linear attention whose output is the next key (twin of linear_attention)",
    start=(normal(3, 3), uniform(0.5, 1, 3), unit(3)),
    series=(unit(3), normal(3)),
)
def linear_attention_fed_back(weights, carry, x):
    memory, total, key = carry
    query, value = x
    feature = jax.nn.elu(key) + 1
    memory, total = 0.9 * memory + jnp.outer(feature, value), 0.9 * total + feature
    return memory, total, (jax.nn.elu(query) + 1) @ memory / ((jax.nn.elu(query) + 1) @ total)


@serial(
    "online softmax whose scores read its output (twin of online_softmax)",
    start=(normal(), uniform(0.5, 1), normal(3)),
    series=(normal(3), normal(3)),
)
def online_softmax_fed_back(weights, carry, x):
    top, total, output = carry
    key, value = x
    score = key @ output / total
    fresh = jnp.maximum(top, score)
    scale, weight = jnp.exp(top - fresh), jnp.exp(score - fresh)
    return fresh, scale * total + weight, scale * output + weight * value


@serial(
    "both carries read the other, one through tanh (twin of nonlinear_readout_summed)",
    weights=stable(3),
    start=(normal(3), normal(3)),
    series=normal(3),
)
def nonlinear_feedback_between_carries(weights, carry, x):
    first, second = carry
    return weights @ first + jnp.tanh(second) + x, 0.9 * second + first


@serial(
    "product of two carries that read each other",
    start=(uniform(0.5, 1.5, 2), uniform(0.5, 1.5, 2)),
    series=normal(2),
)
def mutual_products(weights, carry, x):
    first, second = carry
    return 0.5 * first * second + 0.1 * x, 0.9 * second - 0.1 * first


@serial(
    "tanh(h) where the input says so: the select is by the input, a branch is not affine",
    weights=normal(3, 3),
    start=uniform(-0.9, 0.9, 3),
    series=(constant(np.True_), normal(3)),
)
def tanh_where_masked(weights, h, x):
    mask, u = x
    return jnp.where(mask, jnp.tanh(weights @ h + u), h)


@serial("the carry's sign chooses its decay", weights=normal(3, 3), start=normal(3), series=normal(3))
def gate_by_own_sign(weights, h, x):
    return jnp.where(weights @ h > 0, 0.5 * h + x, 0.9 * h - 1)


@serial(
    "lax.cond on the carry: shrunk when too long",
    weights=stable(3, 1.2),
    start=normal(3, scale=2.0),
    series=normal(3),
)
def cond_on_carry(weights, h, x):
    h = weights @ h + x
    return lax.cond(h @ h > 4, lambda h: h / jnp.sqrt(h @ h), lambda h: h, h)


@serial(
    "Rueckauer et al. 2017: leaky integrate and fire, threshold subtracted",
    start=uniform(0, 1, 3),
    series=uniform(0, 0.8, 3),
)
def leaky_integrate_and_fire(weights, v, x):
    v = 0.9 * v + x
    return v - jnp.where(v > 1, 1.0, 0.0)


@serial(
    "Ba et al. 2016: layer normalisation after an added input",
    weights=normal(4, 4),
    start=normal(4),
    series=normal(4),
)
def layer_normalised_rnn(weights, h, x):
    h = weights @ h + x
    return (h - h.mean()) / jnp.sqrt(h.var() + 1e-5)


@serial(
    "He et al. 2016: residual blocks, the loop is over layers",
    start=normal(4),
    series=(normal(4, 4), normal(4)),
)
def residual_blocks(weights, h, layer):
    return h + 0.3 * jnp.tanh(layer[0] @ h + layer[1])


@serial(
    "Chen et al. 2018: neural ODE, midpoint rule", weights=normal(2, 4, 4), start=normal(4), loop="counted"
)
def neural_ode(weights, y, x):
    def slope(y):
        return weights[1] @ jnp.tanh(weights[0] @ y) - y

    return y + 0.2 * slope(y + 0.1 * slope(y))


@serial(
    "Dehghani et al. 2019: one transformer layer, looped",
    weights=(normal(3, 4, 4), normal(6, 4, scale=0.5), normal(4, 6, scale=0.5)),
    start=normal(4, 4),
    loop="counted",
)
def looped_transformer(weights, h, x):
    projections, up, down = weights
    normed = h / jnp.sqrt(jnp.mean(h**2, axis=-1, keepdims=True) + 1e-5)
    query, key, value = jnp.einsum("gij,tj->gti", projections, normed)
    h = h + jax.nn.softmax(query @ key.T / 2, axis=-1) @ value
    normed = h / jnp.sqrt(jnp.mean(h**2, axis=-1, keepdims=True) + 1e-5)
    return h + jax.nn.gelu(normed @ up.T) @ down.T


@serial(
    "Jiang et al. 2023: greedy decoding with a rolling cache of 8 keys and values",
    weights=(normal(8, 4), normal(3, 4, 4)),
    start=(whole(0, 8), normal(8, 4), normal(8, 4), whole(0, 99)),
)
def greedy_decoding(weights, carry, x):
    embedding, projections = weights
    token, keys, values, position = carry
    query, key, value = projections @ embedding[token]
    place = position % len(keys)
    keys, values = keys.at[place].set(key), values.at[place].set(value)
    logits = embedding @ (jax.nn.softmax(keys @ query) @ values)
    return jnp.argmax(logits).astype(token.dtype), keys, values, position + 1


# ---- serial: iterations, dynamics, programs ----------------------------------------------------------------


@serial("Newton's method for a cube root of an input", start=uniform(0.5, 3), series=uniform(0.5, 3))
def newton_cube_root(weights, h, a):
    return (2 * h + a / h**2) / 3


@serial("May 1976: logistic map", weights=constant(np.float32(3.9)), start=uniform(0.1, 0.9), loop="counted")
def logistic_map(rate, h, x):
    return rate * h * (1 - h)


@serial(
    "tent map of a driven slope: the number of pieces doubles",
    start=uniform(0.1, 0.9),
    series=uniform(0.8, 1),
)
def tent_map(weights, h, slope):
    return slope * (1 - jnp.abs(2 * h - 1))


@serial("Hénon 1976", start=(uniform(-0.1, 0.1), uniform(-0.1, 0.1)))
def henon_map(weights, carry, x):
    a, b = carry
    return 1 - 1.4 * a**2 + b, 0.3 * a


@serial("Lorenz 1963, Euler's method", start=normal(3, scale=5.0))
def lorenz(weights, s, x):
    a, b, c = s
    return s + 0.01 * jnp.stack([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c])


@serial("leapfrog on a pendulum", start=(normal(), normal()), loop="counted")
def leapfrog_pendulum(weights, carry, x):
    angle, speed = carry
    speed = speed - 0.1 * jnp.sin(angle)
    angle = angle + 0.2 * speed
    return angle, speed - 0.1 * jnp.sin(angle)


@serial("Burgers 1948: viscous, central differences", start=normal(8))
def burgers(weights, u, x):
    right, left = jnp.roll(u, -1), jnp.roll(u, 1)
    return u - 0.05 * u * (right - left) + 0.1 * (right - 2 * u + left)


@serial("Fisher 1937: reaction and diffusion", start=uniform(0, 1, 8))
def reaction_diffusion(weights, u, x):
    return u + 0.2 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1)) + 0.3 * u * (1 - u)


@serial(
    "Kingma & Ba 2015: Adam on a quadratic, whose gradient reads the parameters",
    weights=(spd(3), normal(3)),
    start=(normal(3), normal(3), uniform(0.1, 1, 3), whole(0, 9)),
)
def adam_on_quadratic(weights, carry, x):
    theta, first, second, count = carry
    gradient = weights[0] @ theta - weights[1]
    count = count + 1
    first = 0.9 * first + 0.1 * gradient
    second = 0.99 * second + 0.01 * gradient**2
    corrected = first / (1 - 0.9**count)
    scale = jnp.sqrt(second / (1 - 0.99**count)) + 1e-8
    return theta - 0.1 * corrected / scale, first, second, count


@serial("stochastic gradient descent on a logistic regression", start=normal(3), series=(normal(3), flag()))
def logistic_regression(weights, theta, x):
    features, label = x
    return theta + (label - sigmoid(theta @ features)) * features


@serial(
    "PID controller whose actuator saturates (twin of pid_control)",
    start=(normal(), normal(), normal()),
    series=normal(scale=3.0),
)
def saturated_pid_control(weights, carry, target):
    y, integral, previous = carry
    error = target - y
    integral = integral + 0.1 * error
    control = jnp.clip(0.8 * error + 0.1 * integral + 0.5 * (error - previous), -1, 1)
    return 0.9 * y + 0.3 * control, integral, error


@serial(
    "Watkins 1989: Q-learning on a table, a maximum beside a mean",
    start=normal(3, 2),
    series=(whole(0, 3), whole(0, 2), whole(0, 3), normal()),
)
def q_learning(weights, q, x):
    state, action, following, reward = x
    return q.at[state, action].add(0.5 * (reward + 0.9 * q[following].max() - q[state, action]))


@serial(
    "Bellman 1957: value iteration in a random world, a maximum of means",
    weights=(normal(2, 4), uniform(0, 0.25, 2, 4, 4)),
    start=normal(4),
)
def value_iteration(weights, value, x):
    reward, transition = weights
    return jnp.max(reward + 0.9 * transition @ value, axis=0)


@serial("Metropolis et al. 1953, noise given", start=normal(2), series=(normal(2), uniform(0, 1)))
def metropolis(weights, h, x):
    step, draw = x
    proposal = h + step
    return jnp.where(jnp.log(draw) < jnp.sum(h**4 - proposal**4), proposal, h)


@serial(
    "Cuturi 2013: Sinkhorn iteration",
    weights=(uniform(0.1, 1, 4, 4), uniform(0.5, 1, 4), uniform(0.5, 1, 4)),
    start=(uniform(0.5, 1, 4), uniform(0.5, 1, 4)),
)
def sinkhorn(weights, carry, x):
    kernel, a, b = weights
    u = a / (kernel @ carry[1])
    return u, b / (kernel.T @ u)


@serial(
    "Smith, Schmidt & McGee 1962: extended Kalman filter, whose gain reads the mean",
    start=(normal(), uniform(0.1, 2)),
    series=normal(),
)
def extended_kalman_filter(weights, carry, y):
    mean, variance = carry
    slope = 1 - 0.3 * jnp.cos(mean)
    mean, variance = mean - 0.3 * jnp.sin(mean), slope**2 * variance + 0.1
    gain = 2 * mean * variance / (4 * mean**2 * variance + 0.5)
    return mean + gain * (y - mean**2), (1 - 2 * gain * mean) * variance


@serial("Heston 1993, full truncation: a root of the carry", start=uniform(0.5, 2), series=normal())
def heston_variance(weights, v, shock):
    positive = jnp.maximum(v, 0)
    return v + 0.2 * (1 - positive) + 0.3 * jnp.sqrt(positive) * shock


@serial("1 / (1 + h²): a quotient, yet not linear-fractional", start=uniform(0.1, 2), series=uniform(0.5, 2))
def squared_fraction(weights, h, x):
    return x / (1 + h**2)


@serial(
    "Fowler, Noll & Vo 1991: FNV-1a, exclusive or then product modulo 2^32",
    start=word(),
    series=whole(0, 256),
)
def fnv1a_hash(weights, h, byte):
    return (h ^ byte.astype("uint32")) * jnp.uint32(16777619)


@serial("Appleby 2011: finaliser of MurmurHash3 as a hash chain", start=word(), loop="counted")
def hash_chain(weights, h, x):
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)


@serial(
    "Rivest, Shamir & Wagner 1996: squaring modulo N, the time-lock puzzle",
    start=whole(2, 64507, dtype="uint32"),
)
def iterated_squaring(weights, h, x):
    return h * h % jnp.uint32(251 * 257)


@serial(
    "squares of a 2×2 matrix modulo 251, times an input",
    start=whole(0, 251, 2, 2),
    series=whole(0, 251, 2, 2),
)
def matrix_squaring(weights, m, x):
    return (m @ m % 251 + x) % 251


@serial("Neary & Woods 2006: Rule 110, here 16 cells and 65,536 states", start=flag(16))
def rule_110(weights, cells, x):
    left, right = jnp.roll(cells, 1), jnp.roll(cells, -1)
    return (cells | right) & ~(left & cells & right)


@serial("Collatz 1937", start=whole(1, 100_000))
def collatz(weights, h, x):
    return jnp.where(h % 2 == 0, h // 2, 3 * h + 1)


@serial("Euclid: greatest common divisor, not known to be in NC", start=(whole(1, 10**8), whole(1, 10**8)))
def euclid(weights, carry, x):
    a, b = carry
    return jnp.where(b == 0, a, b), jnp.where(b == 0, 0, a % jnp.maximum(b, 1))


@serial(
    "Anderson, Mayr & Warmuth 1989: first fit into bins, P-complete even for decreasing sizes",
    start=uniform(0, 1, 4),
    series=uniform(0, 0.3),
)
def first_fit(weights, levels, size):
    fits = levels + size <= 1
    place = jnp.argmax(fits)
    return levels.at[place].add(jnp.where(fits[place], size, 0.0))


@serial(
    "counter whose step depends on whether it exceeds the input", start=whole(0, 1000), series=whole(0, 1000)
)
def threshold_counter(weights, count, x):
    return jnp.where(count > x, count - x, count + 7)
