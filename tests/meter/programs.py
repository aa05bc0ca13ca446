"""Programs as people write them with jax.numpy, jax.scipy, jax.random, jax.nn, Equinox and Flax NNX.

Each is a function and the shapes of its arguments. Nothing here knows of the meter.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy as jsp
from flax import nnx
from jax import lax

KEY = jax.random.key(0)
RNGS = nnx.Rngs(0)


def reals(*sizes):
    return jax.ShapeDtypeStruct(sizes, "float32")


def whole(*sizes):
    return jax.ShapeDtypeStruct(sizes, "int32")


A_KEY = jax.ShapeDtypeStruct((), KEY.dtype)
VECTOR, MATRIX = reals(6), reals(6, 6)


def each(owner, names, *arguments):
    return {f"{owner.__name__}.{name}": (getattr(owner, name), *arguments) for name in names.split()}


ELEMENTWISE = each(
    jnp,
    """
    abs arccos arcsinh cbrt ceil cos cosh exp exp2 expm1 floor i0 isfinite log log1p nan_to_num reciprocal
    rint sign signbit sinc sqrt square tan trunc angle deg2rad frexp modf""",
    VECTOR,
) | each(
    jax.nn,
    """
    celu elu gelu glu hard_sigmoid hard_swish hard_tanh leaky_relu log_sigmoid log_softmax mish relu relu6
    selu sigmoid silu soft_sign softmax softplus sparse_plus squareplus standardize tanh""",
    VECTOR,
)

REDUCTIONS = each(
    jnp,
    """
    all any argmax argmin argsort average corrcoef count_nonzero cov cumprod cumsum diff flip max mean
    median min nanmax nanmean nansum prod ptp ravel sort std sum var""",
    MATRIX,
)

LINEAR_ALGEBRA = (
    each(
        jnp.linalg,
        "cholesky cond det eig eigh eigvals eigvalsh inv matrix_rank norm pinv qr slogdet svd",
        MATRIX,
    )
    | each(jsp.linalg, "expm hessenberg lu polar schur sqrtm", MATRIX)
    | each(jnp.fft, "fft ifft fft2 rfft", MATRIX)
    | {
        "solve": (jnp.linalg.solve, MATRIX, VECTOR),
        "least squares": (jnp.linalg.lstsq, reals(8, 6), reals(8)),
        "matrix power": (lambda a: jnp.linalg.matrix_power(a, 3), MATRIX),
        "Cholesky solve": (lambda a, b: jsp.linalg.cho_solve(jsp.linalg.cho_factor(a), b), MATRIX, VECTOR),
        "triangular solve": (jsp.linalg.solve_triangular, MATRIX, VECTOR),
        "tridiagonal solve": (lax.linalg.tridiagonal_solve, VECTOR, VECTOR, VECTOR, reals(6, 1)),
        "block diagonal": (jsp.linalg.block_diag, reals(2, 2), reals(3, 3)),
        "einsum": (lambda a, b: jnp.einsum("ij,jk->ik", a, b), reals(4, 5), reals(5, 6)),
        "Kronecker": (jnp.kron, reals(2, 2), reals(3, 3)),
        "ragged": (lax.ragged_dot, reals(8, 4), reals(2, 4, 3), whole(2)),
    }
)

SPECIAL = each(
    jsp.special,
    "digamma entr erf erfinv exp1 expit factorial gammaln i0e i1 log_ndtr logit logsumexp ndtr ndtri spence",
    VECTOR,
) | {
    name: (getattr(jsp.special, name), *[VECTOR] * count)
    for name, count in (("betainc", 3), ("gammainc", 2), ("zeta", 2), ("xlogy", 2), ("betaln", 2))
}

SEARCHES = {
    "interp": (jnp.interp, reals(5), reals(7), reals(7)),
    "searchsorted": (jnp.searchsorted, reals(16), reals(4)),
    "histogram": (lambda x: jnp.histogram(x, bins=4), reals(16)),
    "percentile": (lambda x: jnp.percentile(x, 30), reals(16)),
    "convolve": (jnp.convolve, reals(8), reals(3)),
    "unique": (lambda x: jnp.unique(x, size=4), whole(8)),
    "bincount": (lambda x: jnp.bincount(x, length=5), whole(8)),
    "nonzero": (lambda x: jnp.nonzero(x, size=4), reals(8)),
    "take along": (lambda a, i: jnp.take_along_axis(a, i, 0), reals(5, 5), whole(2, 5)),
    "isin": (jnp.isin, whole(5), whole(4)),
    "polyval": (jnp.polyval, reals(4), reals(7)),
    "polyfit": (lambda x, y: jnp.polyfit(x, y, 2), reals(7), reals(7)),
    "roots": (lambda p: jnp.roots(p, strip_zeros=False), reals(4)),
    "piecewise": (lambda x: jnp.piecewise(x, [x < 0], [jnp.sin, jnp.cos]), reals(8)),
    "lexsort": (lambda a, b: jnp.lexsort((a, b)), reals(8), reals(8)),
    "digitize": (lambda x: jnp.digitize(x, jnp.arange(4.0)), reals(5)),
    "top k": (lambda x: lax.top_k(x, 2), reals(8)),
    "approximate top k": (lambda x: lax.approx_max_k(x, 2), reals(8)),
    "packbits": (lambda x: jnp.packbits(x > 0), reals(8)),
    "gcd": (jnp.gcd, whole(4), whole(4)),
    "divmod": (jnp.divmod, whole(4), whole(4)),
    "power": (jnp.power, reals(4), reals(4)),
    "segment sum": (lambda x, s: jax.ops.segment_sum(x, s, 3), reals(8), whole(8)),
    "segment max": (lambda x, s: jax.ops.segment_max(x, s, 3), reals(8), whole(8)),
    "scatter product": (lambda x, i: x.at[i].multiply(2.0), reals(8), whole(3)),
    "max pool": (lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (2,), "VALID"), reals(8)),
    "its gradient": (
        jax.grad(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (2,), "VALID").sum()),
        reals(8),
    ),
    "reduce": (lambda x: lax.reduce(x, 1.0, lambda a, b: a * b + a, (0,)), reals(8)),
    "cumlogsumexp": (lax.cumlogsumexp, reals(8)),
    "associative scan": (lambda x: lax.associative_scan(jnp.multiply, x), reals(9)),
    "Hessian": (jax.hessian(lambda x: jnp.sum(jnp.sin(x) * x)), reals(4)),
}

RANDOM = {
    f"random.{name}": (lambda key, name=name: getattr(jax.random, name)(key, shape=(4,)), A_KEY)
    for name in [
        "bernoulli",
        "bits",
        "cauchy",
        "exponential",
        "gumbel",
        "laplace",
        "logistic",
        "maxwell",
        "normal",
        "rademacher",
        "uniform",
    ]
} | {
    "random.beta": (lambda key: jax.random.beta(key, 2.0, 3.0, (4,)), A_KEY),
    "random.categorical": (lambda key: jax.random.categorical(key, jnp.ones((3, 5))), A_KEY),
    "random.choice": (lambda key: jax.random.choice(key, 8, (3,), replace=False), A_KEY),
    "random.permutation": (lambda key: jax.random.permutation(key, 8), A_KEY),
    "random.dirichlet": (lambda key: jax.random.dirichlet(key, jnp.ones(3)), A_KEY),
    "random.gamma": (lambda key: jax.random.gamma(key, 2.0, (4,)), A_KEY),
    "random.randint": (lambda key: jax.random.randint(key, (4,), 0, 5), A_KEY),
    "random.truncated": (lambda key: jax.random.truncated_normal(key, -1.0, 1.0, (4,)), A_KEY),
    "random.orthogonal": (lambda key: jax.random.orthogonal(key, 4), A_KEY),
    "random.split": (lambda key: jax.random.split(key, 3), A_KEY),
}


def calling(module, *arguments):
    """A module and what it is called with."""
    return (lambda module, *given: module(*given), module, *arguments)


_NORM, _NORM_STATE = eqx.nn.make_with_state(eqx.nn.BatchNorm)(4, "batch", mode="batch")
_SPECTRAL, _SPECTRAL_STATE = eqx.nn.make_with_state(eqx.nn.SpectralNorm)(
    eqx.nn.Linear(4, 4, key=KEY), "weight", key=KEY
)

EQUINOX = {
    "eqx.Linear": calling(eqx.nn.Linear(4, 3, key=KEY), reals(4)),
    "eqx.MLP": calling(eqx.nn.MLP(4, 3, 8, 2, key=KEY), reals(4)),
    "eqx.Conv1d": calling(eqx.nn.Conv1d(2, 3, 3, key=KEY), reals(2, 8)),
    "eqx.Conv2d": calling(eqx.nn.Conv2d(2, 3, 3, key=KEY), reals(2, 8, 8)),
    "eqx.ConvTranspose1d": calling(eqx.nn.ConvTranspose1d(2, 3, 3, key=KEY), reals(2, 8)),
    "eqx.MultiheadAttention": calling(eqx.nn.MultiheadAttention(2, 8, key=KEY), *[reals(5, 8)] * 3),
    "eqx.LayerNorm": calling(eqx.nn.LayerNorm(8), reals(8)),
    "eqx.GroupNorm": calling(eqx.nn.GroupNorm(2, 8), reals(8, 4)),
    "eqx.RMSNorm": calling(eqx.nn.RMSNorm(8), reals(8)),
    "eqx.BatchNorm": (
        lambda norm, x, state: jax.vmap(norm, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
            x, state
        )[0],
        _NORM,
        reals(5, 4),
        _NORM_STATE,
    ),
    "eqx.SpectralNorm": (lambda norm, x, state: norm(x, state)[0], _SPECTRAL, reals(4), _SPECTRAL_STATE),
    "eqx.GRUCell": calling(eqx.nn.GRUCell(4, 8, key=KEY), reals(4), reals(8)),
    "eqx.LSTMCell": calling(eqx.nn.LSTMCell(4, 8, key=KEY), reals(4), (reals(8), reals(8))),
    "eqx.Embedding": calling(eqx.nn.Embedding(5, 4, key=KEY), whole()),
    "eqx.Dropout": (lambda x, key: eqx.nn.Dropout(0.5)(x, key=key), reals(8), A_KEY),
    "eqx.AvgPool1d": calling(eqx.nn.AvgPool1d(2, 2), reals(2, 8)),
    "eqx.MaxPool2d": calling(eqx.nn.MaxPool2d(2, 2), reals(2, 8, 8)),
    "eqx.AdaptiveAvgPool1d": calling(eqx.nn.AdaptiveAvgPool1d(3), reals(2, 8)),
    "eqx.RotaryPositionalEmbedding": calling(eqx.nn.RotaryPositionalEmbedding(8), reals(5, 8)),
    "eqx.PReLU": calling(eqx.nn.PReLU(), reals(8)),
}


def called_nnx(module, *arguments):
    graph, state = nnx.split(module)
    return (lambda state, *given: nnx.merge(graph, state)(*given), state, *arguments)


NNX = {
    "nnx.Linear": called_nnx(nnx.Linear(4, 3, rngs=RNGS), reals(2, 4)),
    "nnx.Conv": called_nnx(nnx.Conv(2, 3, (3,), rngs=RNGS), reals(1, 8, 2)),
    "nnx.ConvTranspose": called_nnx(nnx.ConvTranspose(2, 3, (3,), rngs=RNGS), reals(1, 8, 2)),
    "nnx.LayerNorm": called_nnx(nnx.LayerNorm(8, rngs=RNGS), reals(2, 8)),
    "nnx.BatchNorm": called_nnx(nnx.BatchNorm(8, rngs=RNGS), reals(5, 8)),
    "nnx.GroupNorm": called_nnx(nnx.GroupNorm(8, num_groups=2, rngs=RNGS), reals(2, 8)),
    "nnx.MultiHeadAttention": called_nnx(
        nnx.MultiHeadAttention(2, 8, decode=False, rngs=RNGS), reals(1, 5, 8)
    ),
    "nnx.Embed": called_nnx(nnx.Embed(5, 4, rngs=RNGS), whole(3)),
    "nnx.Dropout": called_nnx(nnx.Dropout(0.5, rngs=RNGS), reals(8)),
    "nnx.LoRA": called_nnx(nnx.LoRA(4, 2, 3, rngs=RNGS), reals(2, 4)),
    "nnx.GRU": called_nnx(nnx.RNN(nnx.GRUCell(4, 8, rngs=RNGS)), reals(2, 7, 4)),
    "nnx.LSTM": called_nnx(nnx.RNN(nnx.OptimizedLSTMCell(4, 8, rngs=RNGS)), reals(2, 7, 4)),
    "nnx.Bidirectional": called_nnx(
        nnx.Bidirectional(nnx.RNN(nnx.LSTMCell(4, 8, rngs=RNGS)), nnx.RNN(nnx.GRUCell(4, 8, rngs=RNGS))),
        reals(2, 7, 4),
    ),
    "nnx.WeightNorm": called_nnx(nnx.WeightNorm(nnx.Linear(4, 3, rngs=RNGS), rngs=RNGS), reals(2, 4)),
    "nnx.Einsum": called_nnx(nnx.Einsum("ab,bc->ac", (4, 3), rngs=RNGS), reals(2, 4)),
}


def _chosen(x):
    return lax.cond(x.sum() > 0, lambda x: jnp.sin(jnp.cos(x)), lambda x: x * 2, x)


def _switched(i, x):
    return lax.switch(i, [jnp.sin, lambda x: jnp.tanh(jnp.tanh(x)), lambda x: x], x)


def _nested(w, xs):
    def layer(h, w):
        return lax.scan(lambda s, x: (jnp.tanh(w @ s + x), s * 2), h[0], h)[1], h.sum()

    return lax.scan(layer, xs, w)


def _loss(w, xs):
    return lax.scan(lambda h, x: (jnp.tanh(w @ h + x), None), jnp.zeros(4), xs)[0].sum()


LOOPS = {
    "scan": (
        lambda w, xs: lax.scan(lambda h, x: (jnp.tanh(w @ h + x), h), xs[0], xs),
        reals(4, 4),
        reals(9, 4),
    ),
    "reverse scan": (lambda xs: lax.scan(lambda h, x: (h * x, h), xs[0], xs, reverse=True), reals(9, 4)),
    "unrolled scan": (lambda xs: lax.scan(lambda h, x: (h * x + h, h), xs[0], xs, unroll=4), reals(9, 4)),
    "two carries": (
        lambda xs: lax.scan(lambda c, x: ((jnp.tanh(c[1]), c[0] * x), jnp.exp(c[0])), (xs[0], xs[1]), xs),
        reals(9, 4),
    ),
    "nested scans": (_nested, reals(3, 4, 4), reals(5, 4)),
    "fori": (lambda x: lax.fori_loop(0, 7, lambda i, x: jnp.sin(x) + i, x), VECTOR),
    "counted while": (
        lambda x: lax.while_loop(lambda s: s[0] < 7, lambda s: (s[0] + 2, jnp.sin(s[1])), (0, x))[1],
        VECTOR,
    ),
    "map": (lambda xs: lax.map(jnp.tanh, xs), reals(5, 4)),
    "cond": (_chosen, VECTOR),
    "switch": (_switched, whole(), VECTOR),
    "cond in a scan": (lambda xs: lax.scan(lambda h, x: (_chosen(h) + x, None), xs[0], xs)[0], reals(5, 4)),
    "gradient of a scan": (jax.grad(_loss), reals(4, 4), reals(9, 4)),
    "checkpointed": (jax.grad(jax.checkpoint(_loss)), reals(4, 4), reals(5, 4)),
    "eqx bounded while": (
        lambda x: eqx.internal.while_loop(
            lambda s: s[0] < 5, lambda s: (s[0] + 1, jnp.sin(s[1])), (0, x), max_steps=5, kind="bounded"
        )[1],
        VECTOR,
    ),
}

PROGRAMS = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **LINEAR_ALGEBRA,
    **SPECIAL,
    **SEARCHES,
    **RANDOM,
    **EQUINOX,
    **NNX,
    **LOOPS,
}
"""All of them, by name."""
