"""The Gaussian sampler against densities carried through its steps on a grid, and the loss by quadrature."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jaxtyping import Array, Float

from seriality.instance import QUERY, UNASKED, Instances
from seriality.networks import Transformer
from seriality.solvers import ContinuousDiffusion, Looped, build
from seriality.solvers.continuous_diffusion import COSINES, analog_bits
from seriality.solvers.gaussian import backward, coefficients, cosine

KEY = jax.random.key(11)
BIT = np.array([0.2, 0.8])
JOINT = np.array([[0.45, 0.05], [0.1, 0.4]])
CODES = jnp.array([[-1], [1]])
FIRST = 2


def chi_square(counts, shares):
    expected = counts.sum() * shares
    return np.sum((counts - expected) ** 2 / expected)


def log_laws(joint, x, alpha_bar, xp):
    """Log-probability of each bit's two values (codes -1 and 1) given all noisy points, by Bayes' theorem.

    `x` is [..., bits] and the result [..., bits, 2].
    """
    bits = x.shape[-1]
    each = [
        xp.log(joint[values])
        + sum(
            (2 * value - 1) * xp.sqrt(alpha_bar) / (1 - alpha_bar) * x[..., i]
            for i, value in enumerate(values)
        )
        for values in itertools.product((0, 1), repeat=bits)
    ]
    weight = xp.stack(each, axis=-1).reshape(*x.shape[:-1], *joint.shape)
    others = [tuple(j - bits for j in range(bits) if j != i) for i in range(bits)]
    laws = xp.stack([_log_sum(weight, axes, xp) for axes in others], axis=-2)
    return laws - _log_sum(laws, (-1,), xp)[..., None]


def _log_sum(x, axes, xp):
    largest = x.max(axes, keepdims=True)
    return (largest + xp.log(xp.exp(x - largest).sum(axes, keepdims=True))).squeeze(axes)


def textbook(alpha_bar):
    """Equation 7 of Ho et al. 2020 in their alpha_t and beta_t: the factors of x_0, x_t and the variance."""
    rows = []
    for before, now in itertools.pairwise(alpha_bar):
        alpha = now / before
        beta = 1 - alpha
        rows.append(
            (
                math.sqrt(before) * beta / (1 - now),
                math.sqrt(alpha) * (1 - before) / (1 - now),
                (1 - before) / (1 - now) * beta,
            )
        )
    return rows


def sampled_law(joint, alpha_bar):
    """The law of the sampler's answer, from the density of x_t on a grid of each coordinate.

    The density of x_{t-1} is a mixture of normals, one for each x_t. The answer is the likelier value of each
    bit in the last denoising; that jumps, so the grid of x_1 is a finer one.
    """
    bits = joint.ndim
    grid, finest = (np.linspace(-7, 7, count) for count in ((701, 7001), (71, 701))[bits - 1])
    density = _on(grid, bits, lambda x: np.exp(-(x**2).sum(1) / 2) / (2 * math.pi) ** (bits / 2))
    for t in range(len(alpha_bar) - 1, 1, -1):
        of_mean, of_state, variance = textbook(alpha_bar)[t - 1]
        points, target = _on(grid, bits, lambda x: x), grid if t > 2 else finest
        laws = np.exp(log_laws(joint, points, alpha_bar[t], np))
        centre = of_mean * (laws[..., 1] - laws[..., 0]) + of_state * points
        kernels = [
            np.exp(-((target - centre[:, i, None]) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
            for i in range(bits)
        ]
        mass = density * (grid[1] - grid[0]) ** bits
        density = (kernels[0].T @ (mass if bits == 1 else mass[:, None] * kernels[1])).ravel()
        grid = target
    answer = _on(grid, bits, lambda x: log_laws(joint, x, alpha_bar[1], np).argmax(-1))
    mass = density * (grid[1] - grid[0]) ** bits
    return np.bincount(answer @ (2 ** np.arange(bits)[::-1]), mass, minlength=2**bits)


def _on(grid, bits, function):
    return function(np.stack(np.meshgrid(*[grid] * bits, indexing="ij"), axis=-1).reshape(-1, bits))


@pytest.mark.parametrize("alpha_bar", [cosine(6), np.array([0.98, 0.7, 0.35, 0.02])], ids=["cosine", "any"])
def test_coefficients_are_those_of_the_textbook(alpha_bar):
    expected = [(mean, state, math.sqrt(variance)) for mean, state, variance in textbook(alpha_bar)]
    np.testing.assert_allclose(coefficients(alpha_bar), expected, rtol=1e-12, atol=1e-15)


def test_coefficients_keep_the_marginals_of_a_known_point():
    """With m = x_0 and x_t of the forward law, x_{t-1} is of the forward law."""
    levels = np.array([0.9, 0.5, 0.1])
    for (mean, state, noise), (before, now) in zip(
        coefficients(levels), itertools.pairwise(levels), strict=True
    ):
        assert mean + state * math.sqrt(now) == pytest.approx(math.sqrt(before))
        assert state**2 * (1 - now) + noise**2 == pytest.approx(1 - before)


def test_the_schedule_goes_from_the_point_to_noise_alone():
    for steps in (1, 2, 7):
        levels = cosine(steps)
        assert (levels[0], levels[-1]) == (1, pytest.approx(0, abs=1e-30))
        assert np.all(np.diff(levels) < 0)
    # the last step is the posterior mean itself, and the first keeps nothing of where it started
    assert coefficients(cosine(5))[0].tolist() == [1, 0, 0]
    assert coefficients(cosine(5))[-1, 1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("levels", [[1.0], [0.5, 0.5], [0.2, 0.9], [1.5, 0.5], [0.5, -0.1], [0.5, math.nan]])
def test_levels_that_do_not_fall_are_refused(levels):
    with pytest.raises(ValueError, match=r"alpha_bar is .*, allowed are two or more .* such as cosine\(16\)"):
        coefficients(np.array(levels))


def answers(joint, alpha_bar, count):
    """Sampled answers, counted, with the exact denoiser."""

    def one(key):
        def denoise(x, t):
            return log_laws(jnp.asarray(joint), x[:, 0], jnp.asarray(alpha_bar)[t], jnp)

        return backward(denoise, CODES, alpha_bar, joint.ndim, key=key)[1].argmax(-1)

    found = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, count)))
    return np.bincount(found @ (2 ** np.arange(joint.ndim)[::-1]), minlength=joint.size)


@pytest.mark.parametrize("joint", [BIT, JOINT], ids=["one token", "two tokens"])
@pytest.mark.parametrize("steps", [2, 4])
def test_answers_follow_the_exact_law_of_the_sampler(joint, steps):
    counts, law = answers(joint, cosine(steps), 40_000), sampled_law(joint, cosine(steps))
    assert law.sum() == pytest.approx(1, abs=1e-6)
    assert chi_square(counts, law) < 16.3  # at most 3 degrees, p = 0.001
    assert chi_square(counts, joint.ravel()) > 50  # so few steps are not exact


def test_levels_of_ones_own():  # no last level of 1: the answer is that of the last denoising all the same
    levels = np.array([0.98, 0.7, 0.35, 0.0])
    assert chi_square(answers(BIT, levels, 40_000), sampled_law(BIT, levels)) < 10.8  # 1 degree


def test_the_error_is_that_stated_of_the_schedule():
    def error(alpha_bar):
        return abs(sampled_law(BIT, alpha_bar) - BIT).sum() / 2

    errors = [error(cosine(steps)) for steps in (8, 16, 32)]
    assert errors == pytest.approx([0.035, 0.0188, 0.0099], rel=0.01)
    for steps, expected in ((8, 0.060), (32, 0.016)):
        log_odds = np.linspace(6, -6, steps)
        assert error(np.append(1, 1 / (1 + np.exp(-log_odds)))) == pytest.approx(expected, rel=0.02)


class Known(Transformer):
    """The exact denoiser of a task's bits; its input is the noisy point, and cosines of the level."""

    joint: Float[Array, "..."]

    def __init__(self, format, *, joint, key):
        super().__init__(format, width=2 * (1 + COSINES), heads=1, key=key)
        self.joint = joint

    def embed(self, tokens):
        return jnp.zeros((len(tokens), len(self.scale)))

    def transform(self, x):
        block = x[-self.joint.ndim :]
        alpha_bar = jnp.minimum((1 + block[0, 2]) / 2, 1 - 1e-6)  # the cosine of twice the angle
        laws = log_laws(self.joint, block[:, 0], alpha_bar, jnp)
        return jnp.pad(laws, [(len(x) - len(block), 0), (0, len(self.scale) - 2)])

    def read(self, x):
        return jnp.pad(x[:, :2], [(0, 0), (FIRST, 0)], constant_values=-30.0)


@pytest.fixture
def known(layout, filled):
    """`known(joint, steps)`: the solver around the exact denoiser. Codes of the two values are -1 and 1."""

    def make(joint, steps):
        shape = layout(prompt_length=joint.ndim + 2, answer_length=joint.ndim, vocabulary=4)
        network = filled(Known, shape, joint=jnp.zeros(joint.shape))
        network = eqx.tree_at(lambda n: n.joint, network, jnp.asarray(joint, jnp.float32))
        solver = filled(ContinuousDiffusion, network, shape, steps={"constant": steps}, features=2)
        width = len(network.scale)
        return eqx.tree_at(
            lambda s: (s.network, s.codes, s.point, s.level),
            solver,
            (
                network,
                jnp.array([[3], [3], [-1], [1]]),
                jnp.eye(1, width),
                jnp.eye(COSINES, width, k=1),
            ),
        )

    return make


@pytest.mark.parametrize("joint", [BIT, JOINT], ids=["one token", "two tokens"])
def test_the_solver_is_the_sampler_around_its_network(joint, known):
    solver = known(joint, 3)
    prompt = jnp.array([2, 3] + [QUERY] * joint.ndim)
    run = jax.jit(jax.vmap(lambda key: solver.solve(prompt, key=key)))
    found = np.asarray(run(jax.random.split(KEY, 40_000))) - FIRST
    counts = np.bincount(found @ (2 ** np.arange(joint.ndim)[::-1]), minlength=joint.size)
    assert chi_square(counts, sampled_law(joint, cosine(3))) < 16.3
    assert chi_square(counts, sampled_law(joint, cosine(2))) > 30


def expected_loss(joint, values):
    """The mean nats of a token of the answer, over noise and level, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    noise = np.stack(np.meshgrid(*[nodes] * joint.ndim, indexing="ij"), axis=-1).reshape(-1, joint.ndim)
    weight = np.stack(np.meshgrid(*[weights] * joint.ndim, indexing="ij"), axis=-1).reshape(-1, joint.ndim)
    weight = weight.prod(1) / weight.prod(1).sum()
    levels, total = (np.arange(200) + 0.5) / 200, 0.0
    for level in levels:
        alpha_bar = math.cos(math.pi / 2 * level) ** 2
        x = math.sqrt(alpha_bar) * (2 * values - 1) + math.sqrt(1 - alpha_bar) * noise
        laws = log_laws(joint, x, alpha_bar, np)
        nats = -np.take_along_axis(laws, np.broadcast_to(values, x.shape)[..., None], axis=-1)[..., 0]
        total += (weight[:, None] * nats).sum(0).mean() / len(levels)
    return total


@pytest.mark.parametrize(("joint", "values"), [(BIT, [0]), (JOINT, [1, 0])], ids=["one token", "two tokens"])
def test_the_loss_is_its_expectation_over_noise_and_level(joint, values, known):
    solver = known(joint, 3)
    answer = jnp.array([values]) + FIRST
    prompt = jnp.array([[2, 3] + [QUERY] * joint.ndim])
    instance = Instances(
        prompt=prompt,
        labels=jnp.full(prompt.shape, UNASKED),
        trace=jnp.zeros((1, 3), int),
        answer=answer,
        depth=jnp.array([1]),
    )
    run = jax.jit(jax.vmap(lambda key: solver.loss(instance, key=key)))
    losses = np.asarray(run(jax.random.split(KEY, 40_000)))
    assert abs(losses.mean() - expected_loss(joint, np.array(values))) < 5 * losses.std() / 200
    assert losses.std() / 200 < 0.01 * losses.mean()


def test_codes_are_distinct_signs_and_start_with_the_number():
    for vocabulary in (5, 276):
        codes = np.asarray(analog_bits(vocabulary, 16))
        assert np.array_equal(np.unique(np.abs(codes)), [1])
        assert len(np.unique(codes, axis=0)) == vocabulary
        digits = (vocabulary - 1).bit_length()
        assert np.array_equal((codes[:, :digits] > 0) @ 2 ** np.arange(digits), np.arange(vocabulary))
    assert np.array_equal(analog_bits(5, 16), analog_bits(5, 16))


def test_codes_are_not_trained(layout):
    settings = {"name": "ContinuousDiffusion", "network": {"name": "Transformer", "width": 8, "heads": 2}}
    solver = eqx.filter_jit(lambda key: build(settings, layout(), key=key))(KEY)
    trained = eqx.filter(solver, eqx.is_inexact_array)
    assert trained.codes is None
    assert trained.point is not None
    assert np.array_equal(solver.codes, analog_bits(5, 16))


def test_a_backbone_of_repeated_layers_is_given_the_noisy_points_in_every_loop(layout, filled):
    network = filled(Transformer, layout(), width=8, heads=2)
    looped = Looped(network, layout(), loops={"constant": 2})
    single = eqx.filter_jit(lambda: ContinuousDiffusion(network, layout(), features=4, key=KEY))()
    solver = eqx.tree_at(lambda s: s.network, single, looped)
    prompt, noisy = jnp.array([2, 4, 3, 0, QUERY, QUERY]), jnp.array([[0.4, -1, 2, 0.1], [-0.7, 0, 1, 3]])

    @eqx.filter_jit
    def expected(solver, network):
        x = network.embed(prompt).at[-2:].add(noisy @ solver.point)
        x = x.at[-2:].add(jnp.cos(jnp.pi * 0.3 * jnp.arange(COSINES)) @ solver.level)
        state = 0.0
        for _ in range(2):
            state = network.transform(state + x)
            state = state / jnp.sqrt((state**2).mean(-1, keepdims=True))
        return network.read(state)[-2:].at[:, QUERY].set(-jnp.inf), network.read(network.transform(x))[-2:]

    denoise = eqx.filter_jit(lambda solver: solver.denoise(prompt, noisy, jnp.array(0.3)))
    twice, once = expected(solver, network)
    np.testing.assert_allclose(denoise(solver), twice, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(denoise(single)[:, 2:], once[:, 2:], rtol=1e-3, atol=1e-3)
    assert not np.allclose(twice[:, 2:], once[:, 2:], atol=0.1)


def test_a_trivial_task_is_learnt_trace_and_all(layout):
    """The answer is the prompt's two tokens the other way round, and the trace is the first of them."""
    shape = layout(prompt_length=4, answer_length=2, trace_length=1, vocabulary=6)
    settings = {
        "name": "ContinuousDiffusion",
        "steps": {"constant": 4},
        "features": 6,
        "block": "trace",
        "network": {"name": "Transformer", "width": 16, "layers": 1, "heads": 2},
    }
    solver = eqx.filter_jit(lambda: build(settings, shape, key=KEY))()
    parameters, static = eqx.partition(solver, eqx.is_inexact_array)
    optimiser = optax.adam(1e-2)

    def draw(key, count):
        shown = jax.random.randint(key, (count, 2), FIRST, 6)
        return Instances(
            prompt=jnp.pad(shown, [(0, 0), (0, 2)], constant_values=QUERY),
            labels=jnp.full((count, 4), UNASKED),
            trace=shown[:, :1],
            answer=shown[:, ::-1],
            depth=jnp.ones(count, int),
        )

    def step(state, key):
        draw_key, loss_key = jax.random.split(key)
        parameters, moments = state

        def loss(parameters):
            return eqx.combine(parameters, static).loss(draw(draw_key, 32), key=loss_key)

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, moments = optimiser.update(gradient, moments)
        return (optax.apply_updates(parameters, updates), moments), value

    @jax.jit
    def train(parameters):
        state, losses = jax.lax.scan(
            step, (parameters, optimiser.init(parameters)), jax.random.split(KEY, 300)
        )
        instances = draw(KEY, 200)
        keys = jax.random.split(KEY, 200)
        solver = eqx.combine(state[0], static)
        found = jax.vmap(lambda prompt, key: solver.solve(prompt, key=key))(instances.prompt, keys)
        return losses, (found == instances.answer).all(1).mean()

    losses, share = train(parameters)
    assert share > 0.85  # by chance 1 in 16
    assert losses[-20:].mean() < 0.2 * losses[:5].mean()
