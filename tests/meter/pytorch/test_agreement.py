"""The two front ends count the same: a function of PyTorch costs what the same function of JAX costs.

Where the definitions differ, each counts its own; the differences are listed and held to.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jax import lax

from seriality.meter import measure
from seriality.meter.pytorch import measure_program
from seriality.meter.rules import COST_MODELS

SQUARE, WIDE, LINE, PLACES = (8, 8), (3, 8), (8,), (5,)


def found(table, places):
    return table.at[places].get(mode="promise_in_bounds", wrap_negative_indices=False)


def normalised(x, weight, bias):
    mean = jnp.mean(x, axis=-1, keepdims=True)
    centred = x - mean
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-5) * weight + bias


def softmax(x):
    exponentials = jnp.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def log_softmax(x):
    shifted = x - x.max(-1, keepdims=True)
    return shifted - jnp.log(jnp.exp(shifted).sum(-1, keepdims=True))


def pooled(x, start, operation, window=(1, 2)):
    return lax.reduce_window(x, start, operation, window, window, "VALID")


def factor(a):
    return lax.linalg.cholesky(a, symmetrize_input=False)


PAIRS = {
    # elementwise
    "exp": (torch.exp, jnp.exp, WIDE),
    "tanh": (torch.tanh, jnp.tanh, WIDE),
    "sqrt": (torch.sqrt, jnp.sqrt, WIDE),
    "square": (torch.square, jnp.square, WIDE),
    "log10": (torch.log10, jnp.log10, WIDE),
    "where": (lambda x: torch.where(x > 0, x, -x), lambda x: jnp.where(x > 0, x, -x), WIDE),
    "maximum": (torch.maximum, jnp.maximum, WIDE, WIDE),
    "clamp": (lambda x: torch.clamp(x, -1, 1), lambda x: jnp.clip(x, -1, 1), WIDE),
    "power": (lambda x: x**2.5, lambda x: x**2.5, WIDE),
    "relu": (F.relu, jax.nn.relu, WIDE),
    "relu6": (F.relu6, jax.nn.relu6, WIDE),
    "sigmoid": (torch.sigmoid, jax.nn.sigmoid, WIDE),
    "silu": (F.silu, jax.nn.silu, WIDE),
    "gelu": (F.gelu, lambda x: jax.nn.gelu(x, approximate=False), WIDE),
    "gelu, tanh": (lambda x: F.gelu(x, approximate="tanh"), jax.nn.gelu, WIDE),
    "softplus": (F.softplus, jax.nn.softplus, WIDE),
    "softsign": (F.softsign, jax.nn.soft_sign, WIDE),
    "elu": (F.elu, jax.nn.elu, WIDE),
    "selu": (F.selu, jax.nn.selu, WIDE),
    "mish": (F.mish, jax.nn.mish, WIDE),
    "log sigmoid": (F.logsigmoid, jax.nn.log_sigmoid, WIDE),
    "leaky relu": (F.leaky_relu, jax.nn.leaky_relu, WIDE),
    "hard sigmoid": (F.hardsigmoid, jax.nn.hard_sigmoid, WIDE),
    "hard swish": (F.hardswish, jax.nn.hard_swish, WIDE),
    "glu": (F.glu, jax.nn.glu, WIDE),
    "logaddexp": (torch.logaddexp, jnp.logaddexp, WIDE, WIDE),
    # reductions and prefixes
    "sum": (torch.sum, jnp.sum, WIDE),
    "sum of lines": (lambda x: x.sum(0), lambda x: x.sum(0), WIDE),
    "mean": (lambda x: x.mean(-1), lambda x: x.mean(-1), WIDE),
    "max": (lambda x: x.amax(-1), lambda x: x.max(-1), WIDE),
    "prod": (torch.prod, jnp.prod, WIDE),
    "argmax": (lambda x: x.argmax(-1), lambda x: x.argmax(-1), WIDE),
    "norm": (lambda x: torch.linalg.norm(x, dim=-1), lambda x: jnp.linalg.norm(x, axis=-1), WIDE),
    "cumsum": (lambda x: x.cumsum(-1), lambda x: lax.cumsum(x, 1), WIDE),
    "cumprod": (lambda x: x.cumprod(0), lambda x: lax.cumprod(x, 0), WIDE),
    "softmax": (lambda x: x.softmax(-1), softmax, WIDE),
    "log softmax": (lambda x: x.log_softmax(-1), log_softmax, WIDE),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (8,), w, b), normalised, WIDE, LINE, LINE),
    "max pooling": (
        lambda x: F.max_pool2d(x[None], (1, 2))[0],
        lambda x: pooled(x, -jnp.inf, lax.max, (1, 1, 2)),
        (3, 4, 8),
    ),
    # products
    "matmul": (torch.matmul, jnp.matmul, WIDE, SQUARE),
    "batched matmul": (torch.matmul, jnp.matmul, (4, 3, 8), (4, 8, 5)),
    "linear": (F.linear, lambda x, w, b: x @ w.T + b, WIDE, (5, 8), PLACES),
    "outer": (torch.outer, jnp.outer, LINE, PLACES),
    "einsum": (
        lambda a, b: torch.einsum("bij,bjk->bik", a, b),
        lambda a, b: jnp.einsum("bij,bjk->bik", a, b),
        (4, 3, 8),
        (4, 8, 5),
    ),
    "convolution": (
        F.conv2d,
        lambda x, kernel: lax.conv(x, kernel, (1, 1), "VALID"),
        (1, 3, 5, 5),
        (4, 3, 2, 2),
    ),
    "grouped convolution": (
        lambda x, kernel: F.conv1d(x, kernel, groups=4),
        lambda x, kernel: lax.conv_general_dilated(x, kernel, (1,), "VALID", feature_group_count=4),
        (1, 4, 9),
        (4, 1, 3),
    ),
    # lookups and moves
    "embedding": (lambda t, i: F.embedding(i, t), found, SQUARE, np.zeros(5, "int32")),
    "known lookup": (lambda t: t[torch.tensor([1, 2])], lambda t: t[np.array([1, 2])], SQUARE),
    "moves": (
        lambda x: torch.cat([x.T.reshape(3, 8).flip(0), x.repeat(2, 1)])[1:7],
        lambda x: jnp.concatenate([x.T.reshape(3, 8)[::-1], jnp.tile(x, (2, 1))])[1:7],
        WIDE,
    ),
    # algorithms
    "sort": (lambda x: x.sort(-1).values, lambda x: lax.sort(x), WIDE),
    "top k": (lambda x: x.topk(3).values, lambda x: lax.top_k(x, 3)[0], WIDE),
    "cholesky": (lambda a: torch.linalg.cholesky(a).tril(), factor, SQUARE),
    "lu": (lambda a: torch.linalg.lu_factor(a)[0], lambda a: lax.linalg.lu(a)[0], SQUARE),
    "triangular solve": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
        lambda a, b: lax.linalg.triangular_solve(a, b, left_side=True, lower=True),
        SQUARE,
        (8, 3),
    ),
    "qr": (lambda a: torch.linalg.qr(a), jnp.linalg.qr, SQUARE),
    "eigh": (lambda a: torch.linalg.eigh(a), lambda a: lax.linalg.eigh(a, symmetrize_input=False), SQUARE),
    "fft": (torch.fft.fft, jnp.fft.fft, WIDE),
    # programs
    "recurrence": (
        lambda w, x: [x := torch.tanh(w @ x) for _ in range(5)][-1],
        lambda w, x: lax.fori_loop(0, 5, lambda _, x: jnp.tanh(w @ x), x),
        SQUARE,
        LINE,
    ),
    "gradient": (
        lambda w, x, v: torch.func.grad(lambda w: ((w @ x) * v).sum())(w),
        lambda w, x, v: jax.grad(lambda w: ((w @ x) * v).sum())(w),
        SQUARE,
        (8, 3),
        (8, 3),
    ),
}

DIFFERENCES = {
    "hard tanh, a clamp or two choices": (F.hardtanh, jax.nn.hard_tanh, WIDE),
    "softmax, whose maximum starts from minus infinity or not": (
        lambda x: x.softmax(-1),
        jax.nn.softmax,
        WIDE,
    ),
    "log softmax, the same": (lambda x: x.log_softmax(-1), jax.nn.log_softmax, WIDE),
    "variance, guarded against an empty mean or not": (
        lambda x: x.var(-1),
        lambda x: x.var(-1, ddof=1),
        WIDE,
    ),
    "logsumexp, guarded against infinities or not": (
        lambda x: x.logsumexp(-1),
        lambda x: jax.nn.logsumexp(x, -1),
        WIDE,
    ),
}


def inputs(specification):
    arrays = [np.zeros(item, "float32") if isinstance(item, tuple) else item for item in specification]
    twins = [torch.from_numpy(array).to("meta") for array in arrays]
    return twins, [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]


@pytest.mark.parametrize("cost_model", COST_MODELS)
@pytest.mark.parametrize("name", PAIRS)
def test_both_front_ends_count_the_same(name, cost_model):
    in_torch, in_jax, *specification = PAIRS[name]
    tensors, shapes = inputs(specification)
    expected = measure(in_jax, *shapes, cost_model=cost_model)
    assert measure_program(in_torch, tensors, cost_model=cost_model).cost == expected.cost


@pytest.mark.parametrize("name", DIFFERENCES)
def test_definitions_that_differ_count_less_in_pytorch(name):
    in_torch, in_jax, *specification = DIFFERENCES[name]
    tensors, shapes = inputs(specification)
    one, other = measure_program(in_torch, tensors).cost, measure(in_jax, *shapes).cost
    assert one.work < other.work
    assert one.span < other.span
