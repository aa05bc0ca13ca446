"""What a diffusion model denoises, and the network that does it.

The block is the answer alone, whose dimension does not grow with depth, or the trace and then the answer,
whose dimension does. It stands at the end of the sequence given to the network, in the place of the prompt's
QUERY tokens, and an answer is read off its last tokens.

The backbone is a Transformer, or one that repeats its layers (`Looped`). It counts its loops by the length of
the sequence it is given, which is that of the prompt and, if the block has one, of the trace, padded as for
the largest instance. So passes depend on lengths alone.

A block with the trace and a backbone that is deep itself are the two ways out of Theorem F.2 of Liu et al.
2025. Of both the theorem says nothing: neither that such a model is serial, nor that it is not.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from ..instance import Format, Instances
from ..networks import Transformer
from ..networks.base import AbstractOracle
from .looped import Looped

Backbone = Transformer | Looped
BLOCKS = ("answer", "trace")


@dataclass(frozen=True)
class Block:
    """The layout of what is denoised: `trace_length` tokens of the trace (or none), then the answer.

    >>> format = Format(("PAD", "QUERY", "a"), prompt_length=5, trace_length=4, answer_length=1)
    >>> Block.of("trace", format).length
    5
    """

    trace_length: int
    answer_length: int

    @classmethod
    def of(cls, name: str, format: Format) -> "Block":
        """The block of this name; ValueError if there is none."""
        if name not in BLOCKS:
            raise ValueError(f"block is {name!r}, allowed are {', '.join(BLOCKS)}; try block={BLOCKS[0]!r}")
        return cls(format.trace_length if name == "trace" else 0, format.answer_length)

    @property
    def length(self) -> int:
        """The number of tokens."""
        return self.trace_length + self.answer_length

    def clean(self, instances: Instances) -> Int[Array, "batch block_length"]:
        """The tokens to be found. The trace's PAD beyond an instance's depth are such tokens too."""
        if not self.trace_length:
            return instances.answer
        return jnp.concatenate([instances.trace, instances.answer], axis=1)

    def sequence(
        self, prompt: Int[Array, " length"], block: Int[Array, " block_length"]
    ) -> Int[Array, " sequence_length"]:
        """The prompt with the block in the place of its QUERY tokens."""
        return jnp.concatenate([prompt[: -self.answer_length], block])

    def answer(self, block: Int[Array, " block_length"]) -> Int[Array, " answer_length"]:
        """The last tokens of a block."""
        return block[-self.answer_length :]

    def passes(self, network: Backbone | AbstractOracle, prompt_length: int) -> int:
        """Dependent passes through the layers for one denoising of a block."""
        length = prompt_length + self.trace_length
        return network.budget(length) if isinstance(network, Looped) else 1

    def span(self, network: Backbone | AbstractOracle, prompt_length: int) -> int:
        """Dependent matrix products of the backbone for one denoising of a block."""
        return network.span(prompt_length + self.trace_length)
