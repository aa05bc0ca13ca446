"""Multilayer perceptron over the whole prompt at its fixed length: the first row of the paper's Table 1."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..instance import Format
from .base import AbstractNetwork, refuse, weights


class MLP(AbstractNetwork):
    """Embeds every token, joins the embeddings, and applies `layers` hidden layers of `width`.

    It answers at the answer's positions alone, since its input has one length.

    >>> from seriality.tasks import Words
    >>> MLP(Words("S5", length=4).format, layers=3, key=jax.random.key(0)).span(5)
    4
    """

    version: ClassVar[int] = 1
    embedding: Float[Array, "vocabulary features"]
    input_weights: Float[Array, "inputs width"]
    hidden: Float[Array, "hidden_layers width width"]
    bias: Float[Array, "layers width"]
    output_weights: Float[Array, "width outputs"]
    answer_length: int = eqx.field(static=True)

    def __init__(
        self, format: Format, *, width: int = 256, layers: int = 3, features: int = 16, key: Key[Array, ""]
    ):
        refuse("MLP", width=width, layers=layers, features=features)
        embedding_key, input_key, hidden_key, output_key = jax.random.split(key, 4)
        self.embedding = jax.random.normal(embedding_key, (format.vocabulary, features))
        self.input_weights = weights(input_key, format.prompt_length * features, width)
        self.hidden = jax.vmap(lambda k: weights(k, width, width))(jax.random.split(hidden_key, layers - 1))
        self.bias = jnp.zeros((layers, width))
        self.output_weights = weights(output_key, width, format.answer_length * format.vocabulary)
        self.answer_length = format.answer_length

    def __call__(self, tokens: Int[Array, " length"]) -> Float[Array, "answer_length vocabulary"]:
        def layer(x, parameters):
            matrix, bias = parameters
            return jax.nn.relu(x @ matrix + bias), None

        x = jax.nn.relu(self.embedding[tokens].reshape(-1) @ self.input_weights + self.bias[0])
        x, _ = jax.lax.scan(layer, x, (self.hidden, self.bias[1:]))
        return (x @ self.output_weights).reshape(self.answer_length, -1)

    def span(self, length: int) -> int:
        return self.bias.shape[-2] + 1
