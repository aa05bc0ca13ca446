"""Gaussian diffusion over token codes, and its sampler for any denoiser (Ho, Jain & Abbeel 2020: DDPM).

Forward: a token's code x_0 is seen through noise, x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) z with z standard
normal, at levels 1 >= a_0 > a_1 > ... > a_T >= 0 (their alpha-bar). The SMLD of Song & Ermon 2019 is the same
process with x_t divided by sqrt(a_t).

Backward, from t to t - 1: with r = a_t / a_{t-1} and m the posterior mean of x_0 given x_t,

    x_{t-1} = sqrt(a_{t-1}) (1 - r) / (1 - a_t) m + sqrt(r) (1 - a_{t-1}) / (1 - a_t) x_t
              + sqrt((1 - r) (1 - a_{t-1}) / (1 - a_t)) z,

which is their equation 7 with the smaller of their two variances. It is the law of x_{t-1} given x_t and
x_0 = m. A denoiser says a law over tokens at each position; m is the mean of the codes under it. If that is
the exact law of the token given all of x_t, then m is the exact posterior mean, and (sqrt(a_t) m - x_t) /
(1 - a_t) is the exact score of x_t (Tweedie's formula). The sampler's law then differs from that of the
target by the step size alone, since given x_t the token is not one point.

Schedule: a_t = cos(pi t / 2T)^2 (Nichol & Dhariwal 2021, without their offset). It ends at a_T = 0, so the
standard normal that the sampler starts from is the exact law of x_T and leaves no floor, and begins at
a_0 = 1, so the last step returns m itself. And it has no ends to be chosen. On a bit of probability 0.8, the
answer's distance in total variation is .035 with T = 8 and .0099 with T = 32; with steps uniform in
log(a / (1 - a)) from 6 to -6 it is .060 and .016.

What this is not: the schedule of Li & Yan 2025, with which Theorem F.1 of Liu et al. 2025 is proved, and
whose error is counted at the last noisy level; nor a sampler of the probability-flow equation (DDIM).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

Denoiser = Callable[..., Float[Array, "positions vocabulary"]]
"""(x_t, t) -> log-probabilities of the clean tokens, up to a constant at each position."""


def cosine(steps: int) -> Float[np.ndarray, " levels"]:
    """The levels a_0 = 1, ..., a_T = 0 of the schedule, T = `steps`.

    >>> cosine(2).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.cos(np.pi / 2 * np.arange(steps + 1) / steps) ** 2


def coefficients(alpha_bar: Float[np.ndarray, " levels"]) -> Float[np.ndarray, "steps 3"]:
    """The factors of m, of x_t and of the noise in x_{t-1}, for t = 1, ..., T.

    ValueError for levels that do not fall from 1 at most to 0 at least.
    """
    falls = len(alpha_bar) > 1 and np.all(np.diff(alpha_bar) < 0)
    if not falls or alpha_bar[0] > 1 or alpha_bar[-1] < 0:
        raise ValueError(
            f"alpha_bar is {np.array2string(alpha_bar, threshold=6, precision=4)}, allowed are two or more"
            " levels that fall from 1 at most to 0 at least, such as cosine(16)"
        )
    before, now = alpha_bar[:-1], alpha_bar[1:]
    ratio, noise = now / before, (1 - before) / (1 - now)
    return np.stack(
        [np.sqrt(before) * (1 - ratio) / (1 - now), np.sqrt(ratio) * noise, np.sqrt((1 - ratio) * noise)],
        axis=1,
    )


def backward(
    denoise: Denoiser,
    codes: Float[Array, "vocabulary features"] | Int[Array, "vocabulary features"],
    alpha_bar: Float[np.ndarray, " levels"],
    positions: int,
    *,
    key: Key[Array, ""],
) -> tuple[Float[Array, "positions features"], Float[Array, "positions vocabulary"]]:
    """x_0 and the log-probabilities of the last denoising, from x_T standard normal in T denoisings.

    `denoise(x_t, t)` is called at t = T, ..., 1; the level at t is `alpha_bar[t]`.

    >>> law = jnp.log(jnp.array([[0.2, 0.8]]))  # of a bit of which nothing is known
    >>> codes = jnp.array([[-1], [1]])
    >>> x, _ = backward(lambda x, t: law, codes, cosine(4), 1, key=jax.random.key(0))
    >>> round(float(x[0, 0]), 3)
    0.6
    """
    factors = jnp.asarray(coefficients(alpha_bar), jnp.float32)[::-1]
    steps = len(factors)
    start_key, step_key = jax.random.split(key)

    def step(state, now):
        (t, key), (of_mean, of_state, of_noise) = now
        x, _ = state
        log_probability = jax.nn.log_softmax(denoise(x, t))
        mean = jnp.exp(log_probability) @ codes
        x = of_mean * mean + of_state * x + of_noise * jax.random.normal(key, x.shape)
        return (x, log_probability), None

    start = jax.random.normal(start_key, (positions, codes.shape[1])), jnp.zeros((positions, len(codes)))
    turns = jnp.arange(steps, 0, -1), jax.random.split(step_key, steps)
    last, _ = jax.lax.scan(step, start, (turns, factors))
    return last
