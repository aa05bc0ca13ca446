"""Orders in which masked diffusion reveals the tokens of an answer. ORDERS is the only list.

At step i of T, of M tokens still masked, K_i = ceil(M / (T - i)) are revealed: those of the highest score. So
steps reveal as equal a number as can be, the larger numbers first; with more steps than tokens, the first
steps reveal one each and the others none. Scores are of the law the network gives each token, before any
temperature; which of equal scores comes first is random. The value revealed is chosen apart from the score.

- "random": no score. Each masked token is revealed with probability 1 / (T - i), independently of all others,
  as the process has it (Sahoo et al. 2024; `origin` of Dream, Ye et al. 2025). K_i is then random.
- "confidence": the largest probability of a token's law. It is the top probability of Kim et al. 2025, who
  add Gumbel noise to it; `maskgit_plus` of Dream (after Chang et al. 2022) and `low_confidence` of LLaDA (Nie
  et al. 2025) take the probability of the value chosen, which is the same at temperature 0, and LLaDA's goes
  through the answer block by block.
- "margin": the largest probability less the second largest. It is the top probability margin of Kim et al.
  2025, again without Gumbel noise, and `topk_margin` of Dream.
- "autoregressive": the leftmost first, whatever the law; on a grid, by rows.

An order of one's own, such as that in which a known solver fills a grid, is any function
`(prompt, answer, log_probability, *, key) -> score`, in which masked tokens of `answer` are QUERY. Such an
order gives away which token comes next. Autoregressive decoding in a solver's order with nothing given away
is `ChainOfThought` on a task whose trace names the cells in that order, as Sudoku's does: there the network
itself must say which cell comes next.

What these orders do not do: mask a token again. `remasking` does, with order "random" alone.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

Order = Callable[..., Float[Array, " block_length"]]
"""(prompt, answer, log_probability, *, key) -> the score of each token of the answer."""


def confidence(
    prompt: Int[Array, " length"],
    answer: Int[Array, " block_length"],
    log_probability: Float[Array, "block_length vocabulary"],
    *,
    key: Key[Array, ""],
) -> Float[Array, " block_length"]:
    """The largest log-probability, which orders as the probability does."""
    return log_probability.max(-1)


def margin(
    prompt: Int[Array, " length"],
    answer: Int[Array, " block_length"],
    log_probability: Float[Array, "block_length vocabulary"],
    *,
    key: Key[Array, ""],
) -> Float[Array, " block_length"]:
    """The largest probability less the second largest."""
    largest, _ = jax.lax.top_k(jnp.exp(log_probability), 2)
    return largest[:, 0] - largest[:, 1]


def autoregressive(
    prompt: Int[Array, " length"],
    answer: Int[Array, " block_length"],
    log_probability: Float[Array, "block_length vocabulary"],
    *,
    key: Key[Array, ""],
) -> Float[Array, " block_length"]:
    """Falls from left to right."""
    return -jnp.arange(len(answer), dtype=log_probability.dtype)


ORDERS: dict[str, Order | None] = {
    "random": None,
    "confidence": confidence,
    "margin": margin,
    "autoregressive": autoregressive,
}
"""The score of each order; None if tokens are revealed by chance."""


class Scored(eqx.Module):
    """An order given by a function. It holds no array, so a solver that has it passes through `jax.jit`."""

    function: Order = eqx.field(static=True)

    def __call__(
        self,
        prompt: Int[Array, " length"],
        answer: Int[Array, " block_length"],
        log_probability: Float[Array, "block_length vocabulary"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, " block_length"]:
        return self.function(prompt, answer, log_probability, key=key)


def scoring(order: str | Order) -> Order | None:
    """The score that an order's name stands for, or the order itself.

    >>> scoring("random") is None
    True
    """
    if isinstance(order, str):
        if order not in ORDERS:
            raise ValueError(
                f"order is {order!r}, allowed are {', '.join(ORDERS)} and functions that score tokens;"
                ' try order="confidence"'
            )
        function = ORDERS[order]
        return None if function is None else Scored(function)
    return order if isinstance(order, eqx.Module) else Scored(order)  # type: ignore[return-value]


def highest(
    score: Float[Array, " block_length"],
    masked: Bool[Array, " block_length"],
    count: Int[Array, ""],
    *,
    key: Key[Array, ""],
) -> Bool[Array, " block_length"]:
    """The `count` masked tokens of the highest score; which of equals, the key says."""
    ties = jax.random.uniform(key, score.shape)
    rank = jnp.lexsort((ties, -score, ~masked)).argsort()
    return masked & (rank < count)
