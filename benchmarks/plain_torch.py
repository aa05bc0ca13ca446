"""The two networks of the comparison as one would write them in PyTorch, and weights carried over to them.

Eager modules made of the library's own parts: `nn.Linear`, `rms_norm`, `scaled_dot_product_attention`,
`nn.GRU` and, as a second way, a loop over `nn.GRUCell`. They compute what `seriality.networks` computes:
`copy_*` fill them with the weights of ours, and `training.py` compares logits and gradients before it
measures anything.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import seriality.networks as ours


class Block(nn.Module):
    """Attention with rotary positions, then a feed-forward part, each added to the residual stream."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.attention_scale = nn.Parameter(torch.ones(width))
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width, bias=False)
        self.feed_forward_scale = nn.Parameter(torch.ones(width))
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, length, width = x.shape
        projected = self.queries_keys_values(F.rms_norm(x, (width,), self.attention_scale, 1e-6))
        queries, keys, values = projected.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        queries, keys = rotate(queries, cosine, sine), rotate(keys, cosine, sine)
        mixed = F.scaled_dot_product_attention(queries, keys, values)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, width))
        inner = self.up(F.rms_norm(x, (width,), self.feed_forward_scale, 1e-6))
        return x + self.down(F.relu(inner).square())


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cosine - right * sine, left * sine + right * cosine], dim=-1)


class Transformer(nn.Module):
    """`layers` blocks; logits at every position."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, vocabulary: int, *, width: int, layers: int, heads: int, length: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.scale = nn.Parameter(torch.ones(width))
        self.unembedding = nn.Linear(width, vocabulary, bias=False)
        half = width // heads // 2
        angle = torch.arange(length)[:, None] * 1000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cosine", angle.cos())
        self.register_buffer("sine", angle.sin())

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        return self.unembedding(F.rms_norm(x, (x.shape[-1],), self.scale, 1e-6))


class GRU(nn.Module):
    """One layer of `nn.GRU`; logits at every position."""

    def __init__(self, vocabulary: int, *, width: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.unembedding = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.unembedding(self.recurrent(self.embedding(tokens))[0])


class GRULoop(nn.Module):
    """The same by a loop over `nn.GRUCell`."""

    def __init__(self, vocabulary: int, *, width: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.recurrent = nn.GRUCell(width, width)
        self.unembedding = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        state, states = x.new_zeros(x.shape[0], x.shape[2]), []
        for place in range(x.shape[1]):
            state = self.recurrent(x[:, place], state)
            states.append(state)
        return self.unembedding(torch.stack(states, dim=1))


def _fill(parameter: Tensor, array: object) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(array)))


def copy_transformer(source: ours.Transformer, target: Transformer) -> None:
    """Give `target` the weights of `source`; ours multiply from the right, theirs from the left."""
    _fill(target.embedding.weight, source.embedding)
    for place, block in enumerate(target.blocks):
        assert isinstance(block, Block)
        _fill(block.attention_scale, source.blocks.attention_scale[place])
        _fill(block.queries_keys_values.weight, source.blocks.queries_keys_values[place].T)
        _fill(block.queries_keys_values.bias, source.blocks.bias[place])
        _fill(block.attention_out.weight, source.blocks.attention_out[place].T)
        _fill(block.feed_forward_scale, source.blocks.feed_forward_scale[place])
        _fill(block.up.weight, source.blocks.up[place].T)
        _fill(block.down.weight, source.blocks.down[place].T)
    _fill(target.scale, source.scale)
    _fill(target.unembedding.weight, source.unembedding.T)


def copy_gru(source: ours.GRU, target: GRU | GRULoop) -> None:
    """Give `target` the weights of `source`. Two more bias vectors of theirs, redundant, start at 0."""
    _fill(target.embedding.weight, source.embedding)
    suffix = "_l0" if isinstance(target, GRU) else ""
    _fill(getattr(target.recurrent, f"weight_ih{suffix}"), source.blocks.input_weights[0].T)
    _fill(getattr(target.recurrent, f"weight_hh{suffix}"), source.blocks.recurrent_weights[0].T)
    _fill(getattr(target.recurrent, f"bias_ih{suffix}"), source.blocks.bias[0])
    width = source.blocks.candidate_bias.shape[-1]
    bias = np.concatenate([np.zeros(2 * width, np.float32), np.array(source.blocks.candidate_bias[0])])
    _fill(getattr(target.recurrent, f"bias_hh{suffix}"), bias)
    _fill(target.unembedding.weight, source.unembedding.T)
