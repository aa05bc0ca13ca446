"""One pass of a network: the procedure of the feed-forward rows and of the recurrent one."""

from typing import ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key

from ..instance import Format, Instances
from ..networks import AbstractNetwork
from .base import AbstractSolver, answer_and_prefix_loss, check_temperature, choose


class SinglePass(AbstractSolver):
    """Reads the answer off the network's last positions; samples it at a positive `temperature`.

    >>> from seriality.networks import Transformer
    >>> from seriality.tasks import Words
    >>> format = Words("S5", length=4).format
    >>> network = Transformer(format, key=jax.random.key(0))
    >>> SinglePass(network, format).budget(prompt_length=5)
    1
    """

    version: ClassVar[int] = 1
    network: AbstractNetwork
    answer_length: int = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(self, network: AbstractNetwork, format: Format, *, temperature: float = 0.0):
        self.network = network
        self.answer_length = format.answer_length
        self.temperature = temperature

    def __check_init__(self):
        check_temperature(self.temperature)

    def loss(self, instances: Instances, *, key: Key[Array, ""]) -> Float[Array, ""]:
        return answer_and_prefix_loss(jax.vmap(self.network)(instances.prompt), instances)

    def solve(self, prompt: Int[Array, " length"], *, key: Key[Array, ""]) -> Int[Array, " answer_length"]:
        return choose(self.network(prompt)[-self.answer_length :], self.temperature, key=key)

    def budget(self, prompt_length: int) -> int:
        return 1

    def span(self, prompt_length: int) -> int:
        return self.network.span(prompt_length)
