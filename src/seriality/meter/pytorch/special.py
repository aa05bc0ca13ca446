"""Operators that are several nodes, or that the device must not decide: each by a function of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..rules import NOTHING, elementwise, reduction
from .canonical import attention
from .graph import KNOWN
from .operators import MOVE, RULES, SUM, Rule, normalised

NORM = Rule(MOVE.count, height=2)


def layer_norm(recorder: Any, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Lines of mean 0 and variance 1, then scaled, then shifted."""
    source, *affine = (
        recorder.owner(item) if isinstance(item, Tensor) else None for item in (args[0], *args[2:4])
    )
    result = recorder.launch(func, args, kwargs)
    name, outputs = "native_layer_norm", result[0].numel()
    node = recorder.node(name, NORM, normalised(outputs, result[1].numel()), (source,))
    for statistic in result[1:]:
        recorder.make(statistic, node)
    for rule, operand in zip((RULES["mul"], SUM), affine, strict=False):
        if operand is not None:
            node = recorder.node(name, rule, elementwise(outputs), (node, operand))
    recorder.make(result[0], node)
    return result


def convolution_backward(recorder: Any, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Three gradients: two convolutions as large as the forward one, and a sum."""
    gradient, source, kernel = (recorder.owner(item) for item in args[:3])
    result = recorder.launch(func, args, kwargs)
    name, product = "convolution_backward", RULES["convolution"]
    forward = product.count((args[1], args[2], None, *args[4:]), {}, args[0])
    bias = reduction(args[0].numel(), args[0].shape[1])
    parts = (
        (product, forward, (gradient, kernel)),
        (product, forward, (gradient, source)),
        (RULES["sum"], bias, (gradient,)),
    )
    for item, (rule, operation, operands) in zip(result, parts, strict=True):
        if item is not None:
            recorder.make(item, recorder.node(name, rule, operation, operands))
    return result


def to_copy(recorder: Any, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """To another type or device; a run on shapes alone stays on the meta device."""
    node = recorder.owner(args[0]) if isinstance(args[0], Tensor) else KNOWN  # numbers come as they are
    if recorder.abstract:
        kwargs = {**kwargs, "device": torch.device("meta")}
    result = recorder.launch(func, args, kwargs)
    recorder.make(result, recorder.node("_to_copy", MOVE, NOTHING, (node,)))
    return result


def fused_attention(recorder: Any, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A fused kernel: its result comes from the kernel, its cost from the definition, on shapes alone."""
    names = (argument.name for argument in func._schema.arguments)
    given = {**dict(zip(names, args, strict=False)), **kwargs}

    def stand_in(tensor: Tensor) -> Tensor:
        twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        recorder.make(twin, recorder.owner(tensor))
        return twin

    mask = given.get("attn_mask", given.get("attn_bias"))
    query, key, value = (stand_in(given[name]) for name in ("query", "key", "value"))
    options = ("dropout_p", "is_causal", "scale", "enable_gqa")
    with recorder:
        explicit = attention(
            query,
            key,
            value,
            None if mask is None else stand_in(mask),
            **{name: given[name] for name in options if name in given},
        )
    node, result = recorder.owner(explicit), func(*args, **kwargs)
    for item in result if isinstance(result, tuple) else (result,):
        if isinstance(item, Tensor):
            recorder.make(item, node)
    return result


_KERNELS = """
    _scaled_dot_product_attention_math _scaled_dot_product_cudnn_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_fused_attention_overrideable
    scaled_dot_product_attention"""

SPECIAL: dict[str, Callable[[Any, Any, Sequence[Any], Mapping[str, Any]], Any]] = {
    "native_layer_norm": layer_norm,
    "convolution_backward": convolution_backward,
    "_to_copy": to_copy,
    **dict.fromkeys(_KERNELS.split(), fused_attention),
}
"""Operator → how it is recorded."""
