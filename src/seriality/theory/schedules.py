"""Noise schedules and sampler coefficients: what one step of the reverse process does.

The forward process of T steps is X_t = sqrt(abar_t) X_0 + sqrt(1 - abar_t) Z with Z standard normal. A
schedule is the array abar_0 = 1 > abar_1 > ... > abar_T > 0, the share of the signal's variance that is left.
With a_t = abar_t / abar_(t-1) and beta_t = 1 - a_t this is X_t = sqrt(a_t) X_(t-1) + sqrt(beta_t) Z.

With the exact score, (sqrt(abar_t) m_t(y) - y) / (1 - abar_t) where m_t is the posterior mean of X_0, the
samplers below all take the step

    Y_(t-1) = state Y_t + mean m_t(Y_t) + noise Z,      t = T, ..., 1,      Y_T standard normal.

They differ in the three coefficients alone. At t = 1 all of them have state 0 and mean 1: the last step
returns the posterior mean, and the noise they add to it is left out where answers are read off, as Ho et al.
do when they show samples.

Bears on Theorem F.2 of Liu et al. 2025, whose sampler is any that Theorem F.1 holds for.

Ho, J., Jain, A., & Abbeel, P. (2020). Denoising diffusion probabilistic models. NeurIPS.
Song, J., Meng, C., & Ermon, S. (2021). Denoising diffusion implicit models. ICLR.
Nichol, A., & Dhariwal, P. (2021). Improved denoising diffusion probabilistic models. ICML.
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based
generative models. NeurIPS.
Li, G., & Yan, Y. (2025). O(d/T) convergence theory for diffusion probabilistic models under minimal
assumptions. JMLR 26(292), 1-55. Numbers of equations are those of arXiv 2409.18959v1.

What it does not do: Heun's and other solvers of higher order, stochastic churn, distillation, and samplers
that mask tokens instead of adding Gaussian noise.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SIGNAL_TO_NOISE = (4e2, 1e-4)
"""abar / (1 - abar) at the first and the last level of the schedule uniform in log SNR."""

COSINE_OFFSET = 0.008
LARGEST_BETA = 0.999
"""At which Nichol and Dhariwal clip every beta, so that no step destroys the signal altogether."""

LINEAR_BETAS = (1e-4, 0.02)
LINEAR_STEPS = 1000
"""The ends of the betas of Ho et al., and the number of steps they are meant for."""

EDM_SIGMAS = (0.002, 80.0)
EDM_RHO = 7.0

C0 = 2.0
C1 = 4.0
"""Of Li and Yan (2.3), who ask for constants that are large enough and give no values."""


class Coefficients(NamedTuple):
    """Of the state, of the posterior mean, and of the noise, in one step of the reverse process."""

    state: float
    mean: float
    noise: float


def signal(kind: str, steps: int) -> Float[np.ndarray, " levels"]:
    """The share of the signal's variance left after t = 0..`steps` steps of the schedule `kind`.

    - "log-SNR": log(abar / (1 - abar)) falls evenly from log 400 at t = 1 to log 1e-4 at t = T.
    - "cosine": abar_t is proportional to cos^2((t/T + 0.008) / 1.008 * pi/2); betas clipped at 0.999
      (Nichol & Dhariwal 2021, equation 17).
    - "linear": beta rises evenly from 0.1/T to 20/T, the values 1e-4 and 0.02 of Ho et al. at T = 1000
      rescaled to T steps; betas clipped at 0.999.
    - "EDM": sigma^(1/7) rises evenly from 0.002^(1/7) to 80^(1/7), and abar = 1 / (1 + sigma^2)
      (Karras et al. 2022, equation 5 and table 1, in the variance-preserving scale).
    - "Li-Yan": beta_1 = T^-2 and beta_(t+1) = r min(beta_1 (1 + r)^t, 1) with r = 4 log T / T
      (Li & Yan, equation 2.3, with c0 = 2 and c1 = 4). It needs r < 1, so T of 9 or more.

    With one step, the schedules between two ends take the noisy one. A ValueError where the schedule does
    not exist.

    >>> signal("cosine", 4).round(3).tolist()
    [1.0, 0.847, 0.494, 0.144, 0.0]
    """
    faults = []
    if kind not in SCHEDULES:
        faults.append(f"kind={kind!r}: must be one of {', '.join(SCHEDULES)}; e.g. 'cosine'")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        faults.append(f"steps={steps!r}: must be an integer, at least 1; e.g. steps=64")
    if faults:
        raise ValueError(f"signal: {'; '.join(faults)}")
    return np.concatenate([[1.0], SCHEDULES[kind](steps)])


def coefficients(abar: Float[np.ndarray, " levels"], t: int, kind: str) -> Coefficients:
    """The step from level `t` to level `t` - 1 of the schedule `abar` under the sampler `kind`.

    With a = abar_t / abar_(t-1), beta = 1 - a, v = 1 - abar_t and u = 1 - abar_(t-1):

    - "posterior": the law of X_(t-1) given X_t and X_0 = m: sqrt(a) u / v, sqrt(abar_(t-1)) beta / v,
      sqrt(beta u / v) (Ho et al. 2020, equations 6 and 7).
    - "large": the same mean, noise sqrt(beta) (Ho et al. 2020, section 3.2, the first choice).
    - "Li-Yan": (Y + beta s + sqrt(beta) Z) / sqrt(a) with the score s (Li & Yan, equation 2.4).
    - "DDIM": the same noise kept: sqrt(u / v) (Y - sqrt(abar_t) m) + sqrt(abar_(t-1)) m, no new noise
      (Song et al. 2021, equation 12 with sigma = 0).

    >>> [round(each, 3) for each in coefficients(signal("cosine", 4), 2, "posterior")]
    [0.231, 0.758, 0.355]
    """
    faults = signal_faults(abar)
    if kind not in COEFFICIENTS:
        faults.append(f"kind={kind!r}: must be one of {', '.join(COEFFICIENTS)}; e.g. 'posterior'")
    if not 1 <= t < len(abar):
        faults.append(f"t={t}: must be an integer from 1 to {len(abar) - 1}; e.g. t=1")
    if faults:
        raise ValueError(f"coefficients: {'; '.join(faults)}")
    return COEFFICIENTS[kind](float(abar[t - 1]), float(abar[t]))


def signal_faults(abar: Float[np.ndarray, " levels"]) -> list[str]:
    """What keeps `abar` from being a schedule; empty if nothing does."""
    if len(abar) < 2 or abar[0] != 1 or not (np.diff(abar) < 0).all() or not abar[-1] > 0:
        said = np.array2string(np.asarray(abar), threshold=6, edgeitems=2, separator=", ")
        return [f"abar={said}: must start at 1, fall strictly and stay above 0; e.g. signal('cosine', 64)"]
    return []


def _log_snr(steps: int) -> np.ndarray:
    high, low = np.log(SIGNAL_TO_NOISE)
    return 1 / (1 + np.exp(-np.linspace(low, high, steps)[::-1]))


def _cosine(steps: int) -> np.ndarray:
    angle = (np.arange(steps + 1) / steps + COSINE_OFFSET) / (1 + COSINE_OFFSET) * np.pi / 2
    share = np.cos(angle) ** 2
    return np.cumprod(1 - np.minimum(1 - share[1:] / share[:-1], LARGEST_BETA))


def _linear(steps: int) -> np.ndarray:
    low, high = np.array(LINEAR_BETAS) * LINEAR_STEPS / steps
    return np.cumprod(1 - np.minimum(np.linspace(high, low, steps)[::-1], LARGEST_BETA))


def _edm(steps: int) -> np.ndarray:
    low, high = np.array(EDM_SIGMAS) ** (1 / EDM_RHO)
    return 1 / (1 + np.linspace(high, low, steps)[::-1] ** (2 * EDM_RHO))


def _li_yan(steps: int) -> np.ndarray:
    rate, first = C1 * math.log(steps) / steps, steps**-C0
    # The growth is capped at 1, so it may be computed in logarithms, which do not overflow.
    growth = np.exp(np.minimum(np.log(first) + np.arange(1, steps) * np.log1p(rate), 0))
    beta = np.concatenate([[first], rate * growth])
    if rate >= 1 or beta.max() >= 1:
        valid = next(T for T in itertools.count(3) if C1 * math.log(T) / T < 1)  # falls from T = e on
        raise ValueError(
            f"signal: steps={steps}: 'Li-Yan' needs {C1:g} log(T) / T below 1 and every beta below 1, here "
            f"{rate:.3g} and {beta.max():.3g}; it exists from T = {valid} on; e.g. signal('Li-Yan', {valid})"
        )
    return np.cumprod(1 - beta)


def _posterior(before: float, now: float) -> Coefficients:
    a, v, u = now / before, 1 - now, 1 - before
    return Coefficients(math.sqrt(a) * u / v, math.sqrt(before) * (1 - a) / v, math.sqrt((1 - a) * u / v))


def _large(before: float, now: float) -> Coefficients:
    return _posterior(before, now)._replace(noise=math.sqrt(1 - now / before))


def _li_yan_step(before: float, now: float) -> Coefficients:
    a, v = now / before, 1 - now
    beta = 1 - a
    return Coefficients((1 - beta / v) / math.sqrt(a), beta * math.sqrt(before) / v, math.sqrt(beta / a))


def _ddim(before: float, now: float) -> Coefficients:
    kept = math.sqrt((1 - before) / (1 - now))
    return Coefficients(kept, math.sqrt(before) - kept * math.sqrt(now), 0.0)


SCHEDULES: dict[str, Callable[[int], np.ndarray]] = {
    "log-SNR": _log_snr,
    "cosine": _cosine,
    "linear": _linear,
    "EDM": _edm,
    "Li-Yan": _li_yan,
}
"""Every schedule, by name: abar_1..abar_T for T steps."""

COEFFICIENTS: dict[str, Callable[[float, float], Coefficients]] = {
    "posterior": _posterior,
    "large": _large,
    "Li-Yan": _li_yan_step,
    "DDIM": _ddim,
}
"""Every sampler, by name: the coefficients of the step between two neighbouring levels."""
