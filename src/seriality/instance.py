"""What passes from a task to a solver: token arrays and their layout. Nothing else does.

A prompt is laid out as

    [ fields of the task ... PAD where the field is longer than the instance ][ QUERY x answer_length ]

so every token stands at a place that does not depend on the instance's depth, the answer is read at the
last `answer_length` positions, and the QUERY tokens double as the masked answer of a diffusion model.
"""

from dataclasses import dataclass

import equinox as eqx
from jaxtyping import Array, Int

PAD = 0
QUERY = 1
UNASKED = -1
"""The label of a position at which no question is asked."""


@dataclass(frozen=True)
class Format:
    """The static layout of a task's instances.

    `tokens` holds the text of every token id; ids PAD and QUERY are the same in all tasks. Lengths are
    in tokens and are those of the largest instance.

    >>> Format(("PAD", "QUERY", "a", "b"), prompt_length=5, trace_length=4, answer_length=1).vocabulary
    4
    """

    tokens: tuple[str, ...]
    prompt_length: int
    trace_length: int
    answer_length: int

    @property
    def vocabulary(self) -> int:
        """The number of token ids."""
        return len(self.tokens)


class Instances(eqx.Module):
    """A batch of instances, padded to the shapes of their `Format`.

    `labels` holds, for every position of the prompt, the token that is right there, or UNASKED. Its last
    `answer_length` entries are the answer. Where every prefix of a prompt is an instance of its own the
    earlier positions are labelled too, so that a network that answers everywhere trains on all of them.
    `trace` holds the serial steps as tokens, PAD beyond the instance's depth.

    >>> from seriality.tasks import Words
    >>> import jax
    >>> Words("S5", length=4).sample(8, key=jax.random.key(0)).prompt.shape
    (8, 5)
    """

    prompt: Int[Array, "batch prompt_length"]
    labels: Int[Array, "batch prompt_length"]
    trace: Int[Array, "batch trace_length"]
    answer: Int[Array, "batch answer_length"]
    depth: Int[Array, " batch"]
