"""Functions that devices fuse in different ways, by their definitions.

Attention runs as one kernel or as several, with the scale on the queries, on the keys or on their product.
The meter counts the definition (Vaswani et al. 2017, equation 1), so that it counts the same everywhere,
backward passes included: product, scale, mask, softmax, product. A causal mask leaves no product out.
"""

import types
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`, written out."""
    if enable_gqa:
        key, value = (_repeated(tensor, query.shape[-3] // tensor.shape[-3]) for tensor in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        rows, columns = scores.shape[-2:]
        scores = scores + torch.full(
            (rows, columns), -torch.inf, dtype=scores.dtype, device=scores.device
        ).triu(1)
    elif attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.where(attn_mask, 0.0, -torch.inf).to(scores.dtype)
        scores = scores + attn_mask
    # a line of which all is masked has no weights, rather than none that is a number
    weights = scores.softmax(-1) if attn_mask is None else torch.ops.aten._safe_softmax(scores, -1)
    return torch.dropout(weights, dropout_p, True) @ value if dropout_p else weights @ value


def _repeated(tensor: Tensor, times: int) -> Tensor:
    """Every head `times` times."""
    *batch, heads, length, width = tensor.shape
    return (
        tensor.unsqueeze(-3)
        .expand(*batch, heads, times, length, width)
        .reshape(*batch, heads * times, length, width)
    )


def _rewritten(function: Any, **others: Any) -> Any:
    """A Python function of PyTorch with some of its global names replaced."""
    copy = types.FunctionType(function.__code__, {**function.__globals__, **others}, function.__name__)
    copy.__defaults__, copy.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return copy


SUBSTITUTES = {
    F.scaled_dot_product_attention: attention,
    F.multi_head_attention_forward: _rewritten(
        F.multi_head_attention_forward,
        has_torch_function=lambda tensors: False,
        scaled_dot_product_attention=attention,
    ),
}
"""Function → its definition."""
