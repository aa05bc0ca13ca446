"""The table of the PyTorch front end: operator → rule.

A rule takes the sizes of a call to the functions of `rules`, and names the algebra of the operator, from
which the formal degree is read. Operators are those of ATen after the composite ones are taken apart; the
functions that PyTorch fuses count the chain that `jax.nn` writes out, so that the two front ends agree. Every
other operator that PyTorch tags as pointwise is one operation an output. What has neither a rule nor the tag
is taken apart by PyTorch's own decompositions, and if it has none it is an error, not zero.

Where the definitions differ, the operator's own is counted: `hardtanh` is a clamp, `var` has no guard against
an empty mean, `log_softmax` and `logsumexp` no guard against infinities.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor

from .. import algebra, rules
from ..algebra import CONSTANT, Degrees, highest
from ..rules import NOTHING, Operation

Algebra = Literal["move", "sum", "total", "product", "quotient", "max", "min", "choice", "lookup", "other"]
"""move     elements, at places known before the run
sum      of two operands
total    linear in all operands together: a sum of many terms, a difference, a mean
product  linear in each operand
quotient, max, min  what they say
choice   between the operands, by the operand at the address
lookup   moves the operands, at places given by an address
other    anything else, `Rule.height` operations deep"""

Arguments = Sequence[Any]
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """The cost of one operator, from its arguments and its result.

    `addresses` are the places of the arguments that hold indices. Where they are known before the run the
    operator only moves data at fixed places, and is free unless it `combines` what it finds with what it
    brings. `bias` is the place of an argument that is added at the end. A `blind` operator does not read what
    it overwrites. `waits` tells of a call whether the host waits for the shape of its result. `is_assumed`
    marks a count that is a convention.
    """

    count: Callable[[Arguments, Options, Any], Operation]
    algebra: Algebra = "other"
    height: int = 1
    addresses: tuple[int, ...] = ()
    combines: Callable[[Arguments, Options], bool] | None = None
    bias: int | None = None
    blind: bool = False
    waits: Callable[[Arguments], bool] | None = None
    is_assumed: bool = False

    def degree(self, operands: Sequence[Degrees], address: Degrees | None, operation: Operation) -> Degrees:
        """The degrees of the result, from those of what is read."""
        top = operands[0] if len(operands) == 1 else highest(operands)
        match self.algebra:
            case "move":
                return top
            case "lookup":
                return top if address is None else highest((top, algebra.raised(address)))
            case "choice" if address is not None:
                return algebra.chosen(address, top)
            case "sum" if len(operands) == 2:
                return algebra.summed(*operands)
            case "sum":
                return top
            case "total":
                return algebra.total(top, operation.fan_in_2)
            case "product":
                return algebra.product(*operands) if len(operands) == 2 else algebra.product(top, CONSTANT)
            case "quotient" if len(operands) == 2:
                return algebra.quotient(*operands)
            case "max":
                return algebra.maximum(top)
            case "min":
                return algebra.minimum(top)
        return algebra.raised(top if address is None else highest((top, address)), self.height)


_elementwise = cache(rules.elementwise)
_reduction = cache(rules.reduction)
_product = cache(rules.matrix_product)
_softmax = cache(rules.softmax)
_log_softmax = cache(rules.log_softmax)


def _size(result: Any) -> int:
    """Elements of the first tensor of a result."""
    return result.numel() if isinstance(result, Tensor) else result[0].numel()


def _of(place: int, name: str, default: Any = None) -> Callable[[Arguments, Options], Any]:
    """An argument given by place or by name."""

    def argument(args: Arguments, kwargs: Options) -> Any:
        return args[place] if len(args) > place else kwargs.get(name, default)

    return argument


def _free(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return NOTHING


def _one(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _elementwise(result.numel() if isinstance(result, Tensor) else _size(result))


# Elementwise.


@cache
def _chain(outputs: int, operations: int, steps: int) -> Operation:
    """`operations` on every output, `steps` of them one after the other."""
    return replace(rules.elementwise(outputs, steps), work=operations * outputs) if outputs else NOTHING


def _chained(operations: int, steps: int | None = None):
    return lambda args, kwargs, result: _chain(_size(result), operations, steps or operations)


_approximation = _of(1, "approximate", "none")


def _gelu(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _chain(_size(result), *((8, 8) if _approximation(args, kwargs) == "tanh" else (5, 4)))


def _scaled(name: str, place: int):
    """A sum whose last operand is scaled first, unless by one."""
    scale = _of(place, name, 1)
    return lambda args, kwargs, result: _elementwise(_size(result), 1 + (scale(args, kwargs) != 1))


_value = _of(3, "value", 1)


def _addc(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _elementwise(_size(result), 2 + (_value(args, kwargs) != 1))


def _elu(args: Arguments, kwargs: Options, result: Any) -> Operation:
    scales = sum(_of(place, name, 1)(args, kwargs) != 1 for place, name in ((2, "scale"), (3, "input_scale")))
    return _chain(_size(result), 6 + scales, 5 + scales)


def _softplus(args: Arguments, kwargs: Options, result: Any) -> Operation:
    scales = 2 * (_of(1, "beta", 1)(args, kwargs) != 1)
    return _chain(_size(result), 10 + scales, 7 + scales)


def _clamp(args: Arguments, kwargs: Options, result: Any) -> Operation:
    bounds = sum(_of(place, name)(args, kwargs) is not None for place, name in ((1, "min"), (2, "max")))
    return _elementwise(_size(result), bounds)


def _searched(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """Binary search: the sorted sequence is one operand, the values the other."""
    sorted_places = max(
        argument.shape[-1] for argument in args[:2] if isinstance(argument, Tensor) and argument.dim()
    )
    return _elementwise(_size(result), rules.doublings(sorted_places + 1))


# Matrix products and convolutions.


def _contracted(place: int):
    """A product of `args[place]` and the next, over the last dimension of the former."""
    return lambda args, kwargs, result: _product(_size(result), args[place].shape[-1])


def _dot(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _product(1, args[0].numel())


def _addbmm(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _product(_size(result), args[1].shape[0] * args[1].shape[2])


def _convolution(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """As a matrix product whose terms are the size of one output channel's kernel.

    A transposed convolution is the same seen from its input: every element meets one input channel's kernel.
    """
    source, kernel, transposed = args[0], args[1], _of(6, "transposed", False)(args, kwargs)
    return _product(source.numel() if transposed else _size(result), kernel[0].numel())


# Reductions.


def _reduced(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _reduction(args[0].numel(), _size(result))


def _mean(args: Arguments, kwargs: Options, result: Any) -> Operation:
    outputs = _size(result)
    return _reduction(args[0].numel(), outputs).then(_elementwise(outputs))


def _counted(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _elementwise(args[0].numel()).then(_reduced(args, kwargs, result))


def _variance(root: bool):
    """Mean, difference, square, mean, and perhaps a root."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        mean = _mean(args, kwargs, result)
        return mean.then(_elementwise(args[0].numel(), 2), mean, _elementwise(_size(result), int(root)))

    return count


def _both_ends(args: Arguments, kwargs: Options, result: Any) -> Operation:
    one = _reduced(args, kwargs, result)
    return replace(one, work=2 * one.work)


def _norm(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """A power of every element, the sum, and a root; an extremum of the magnitudes for the infinite norms."""
    order = _of(1, "ord", 2)(args, kwargs)
    order = 2 if order is None else order
    reduce = _reduced(args, kwargs, result)
    before = _elementwise(args[0].numel(), 1 if order in (0, 1, 2) or math.isinf(order) else 2)
    return (
        before.then(reduce)
        if order in (0, 1) or math.isinf(order)
        else before.then(reduce, _elementwise(_size(result)))
    )


def _logsumexp(args: Arguments, kwargs: Options, result: Any) -> Operation:
    reduce, outputs = _reduced(args, kwargs, result), _size(result)
    return reduce.then(_elementwise(args[0].numel(), 2), reduce, _elementwise(outputs, 2))


def _prefix(place: int):
    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        dimension = args[place] if len(args) > place else kwargs["dim"]
        source = args[0]
        return rules.prefix(source.numel(), source.shape[dimension] if source.dim() else 1)

    return count


def _lines(rule: Callable[[int, int], Operation], place: int = 1):
    """A rule for lines along the dimension at `place`."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        source, dimension = args[0], _of(place, "dim", -1)(args, kwargs)
        length = source.shape[dimension] if source.dim() else 1
        return rule(source.numel(), length)

    return count


def _sorted(elements: int, length: int) -> Operation:
    return rules.sort(elements // max(1, length), length)


def _sorted_whole(args: Arguments, kwargs: Options, result: Any) -> Operation:
    if len(args) > 1 and isinstance(args[1], int) and not isinstance(args[1], bool):
        return _lines(_sorted)(args, kwargs, result)
    return rules.sort(1, args[0].numel())


def normalised(outputs: int, lines: int) -> Operation:
    """Lines of mean 0 and variance 1: mean, difference, square, mean, small constant, root, product."""
    mean = _reduction(outputs, lines).then(_elementwise(lines))
    return mean.then(_elementwise(outputs, 2), mean, _elementwise(lines, 2), _elementwise(outputs))


# Lookups.


def _lookup(place: int = 0, dimension: int | None = None):
    """One element found for every output. `dimension` is the place of that argument; None: of the first."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        table = args[place]
        axis = 0 if dimension is None else args[dimension]
        return rules.lookup(_size(result), table.shape[axis] if table.dim() else 1)

    return count


def _index(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.lookup(_size(result), _indexed_places(args[0], args[1]))


def _has_mask(args: Arguments) -> bool:
    """Whether an index is a mask, so that the size of the result depends on its values."""
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])


def _accumulates(args: Arguments, kwargs: Options) -> bool:
    return bool(_of(3, "accumulate", False)(args, kwargs))


def _always(*call: Any) -> bool:
    return True


def _indexed_places(table: Tensor, indices: Sequence[Any]) -> int:
    """The places that a list of indices, one a dimension, chooses from."""
    places, dimension = 1, 0
    for index in indices:
        width = index.dim() if index is not None and index.dtype in (torch.bool, torch.uint8) else 1
        if index is not None:
            places *= math.prod(table.shape[dimension : dimension + width])
        dimension += width
    return places


def _take(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.lookup(_size(result), args[0].numel())


def _index_put(args: Arguments, kwargs: Options, result: Any) -> Operation:
    table, indices, values = args[:3]
    used = [index for index in indices if index is not None]
    terms = max((index.numel() for index in used), default=1)
    rest = table.numel() // max(1, _indexed_places(table, indices))
    moved = max(values.numel(), terms * rest)
    return rules.scatter(moved, terms) if _accumulates(args, kwargs) else rules.lookup(moved, table.numel())


def _written(place: int):
    """`args[place]` is written to places that the index before it gives; one value may stand for all."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        value = _of(place, "src")(args, kwargs)
        moved = value if isinstance(value, Tensor) and value.dim() else args[place - 1]
        return rules.lookup(moved.numel(), args[0].numel())

    return count


def _scattered(place: int):
    """The same, combined with what is there."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        index = args[place - 1]
        value = args[place] if isinstance(args[place], Tensor) else index
        return rules.scatter(value.numel(), index.shape[args[1]] if index.dim() else 1)

    return count


def _embedding_backward(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.scatter(args[0].numel(), args[1].numel())


def _found(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """Test every element, number those that pass, and move these."""
    elements = args[0].numel()
    return _elementwise(elements).then(
        rules.prefix(elements, elements), rules.lookup(_size(result), elements)
    )


def _multinomial(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """Prefix sums of the weights, and for each sample a number and its place among them."""
    weights, choices = args[0], args[0].shape[-1]
    search = _elementwise(_size(result), 1 + rules.doublings(choices))
    return rules.prefix(weights.numel(), choices).then(search)


# Windows.


def _kernel(value: Any, dimensions: int) -> int:
    sizes = [value] if isinstance(value, int) else list(value)
    return math.prod(sizes * dimensions if len(sizes) == 1 else sizes)


def _pooled(dimensions: int, mean: bool):
    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        outputs = _size(result)
        pool = rules.window(outputs, _kernel(args[1], dimensions))
        return pool.then(_elementwise(outputs)) if mean else pool

    return count


def _pooled_backward(dimensions: int):
    """Every input sums what the windows around it give back."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        share = _elementwise(args[0].numel())
        return share.then(rules.window(_size(result), _kernel(args[2], dimensions)))

    return count


def _adaptive(args: Arguments, kwargs: Options, result: Any) -> Operation:
    dimensions = len(args[1])
    sizes = zip(args[0].shape[-dimensions:], result.shape[-dimensions:], strict=True)
    window = math.prod(-(-source // max(1, target)) for source, target in sizes)
    return rules.window(result.numel(), window).then(_elementwise(result.numel()))


def _adaptive_backward(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """Every gradient is divided by the size of its window and handed to all of it."""
    return _elementwise(args[0].numel())


# Linear algebra and transforms.


def _matrices(tensor: Tensor) -> tuple[int, int, int]:
    """Matrices in a batch, their rows and columns."""
    rows, columns = tensor.shape[-2:]
    return tensor.numel() // max(1, rows * columns), rows, columns


def _lu(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.lu(*_matrices(args[0]))


def _cholesky(args: Arguments, kwargs: Options, result: Any) -> Operation:
    batch, _, columns = _matrices(args[0])
    return rules.cholesky(batch, columns)


def _triangular(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.triangular_solve(args[0].shape[-1], _size(result))


def _two_triangular(place: int):
    """Forward and back substitution with the factor at `place`."""

    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        one = rules.triangular_solve(args[place].shape[-1], _size(result))
        return one.then(one)

    return count


def _solve(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return _lu(args, kwargs, result).then(_two_triangular(0)(args, kwargs, result))


def _determinant(args: Arguments, kwargs: Options, result: Any) -> Operation:
    """A factorisation, and the product of the pivots."""
    batch, rows, _ = _matrices(args[0])
    return _lu(args, kwargs, result).then(_reduction(batch * rows, batch))


def _householder(args: Arguments, kwargs: Options, result: Any) -> Operation:
    return rules.householder(*_matrices(args[0]))


def _eigh(args: Arguments, kwargs: Options, result: Any) -> Operation:
    batch, rows, columns = _matrices(args[0])
    return rules.iterative(batch, rows, columns, 9 * rows**3)


def _eig(vectors: bool):
    def count(args: Arguments, kwargs: Options, result: Any) -> Operation:
        batch, rows, columns = _matrices(args[0])
        return rules.iterative(batch, rows, columns, (25 if vectors else 10) * rows**3)

    return count


_with_vectors = _of(2, "compute_uv", True)


def _svd(args: Arguments, kwargs: Options, result: Any) -> Operation:
    batch, rows, columns = _matrices(args[0])
    m, n = max(rows, columns), min(rows, columns)
    if _with_vectors(args, kwargs):
        return rules.iterative(batch, rows, columns, 4 * m * m * n + 8 * m * n * n + 9 * n**3)
    return rules.iterative(batch, rows, columns, max(1, (12 * m * n * n - 4 * n**3) // 3))


def _fourier(args: Arguments, kwargs: Options, result: Any) -> Operation:
    source, outputs = args[0], _size(result)
    larger = source if source.numel() >= outputs else result
    elements = larger.numel()
    parts = [rules.fourier(elements // max(1, larger.shape[axis]), larger.shape[axis]) for axis in args[1]]
    return parts[0].then(*parts[1:]) if parts else NOTHING


_MOVED = """
    _conj_copy _neg_view_copy _pin_memory _reshape_copy _to_copy alias_copy as_strided_copy as_strided_scatter
    cat channel_shuffle clone constant_pad_nd copy detach_copy diag_embed diagonal_backward diagonal_copy
    diagonal_scatter expand_copy flip im2col lift_fresh_copy lu_unpack narrow_copy permute_copy pixel_shuffle
    pixel_unshuffle reflection_pad1d reflection_pad2d reflection_pad3d repeat replication_pad1d
    replication_pad2d replication_pad3d roll rot90 select_backward select_copy select_scatter slice_backward
    slice_copy slice_scatter split_copy split_with_sizes_copy squeeze_copy stack t_copy transpose_copy
    unbind_copy unfold_copy unsqueeze_copy view_as_complex_copy view_as_real_copy view_copy"""

_OVERWRITING = """
    cauchy_ copy_ exponential_ fill fill_ geometric_ log_normal_ normal_ random_ uniform_ zero zero_"""

_SINGLE = """
    bernoulli eq floor_divide ge gt le lt native_dropout_backward ne normal poisson square tril triu"""

KINDS: list[tuple[Rule, str]] = [
    (Rule(_free, "move"), _MOVED),
    (Rule(_free, "move", blind=True), _OVERWRITING),
    (Rule(_one, blind=True), "bernoulli_"),
    (Rule(_scaled("alpha", 2), "sum"), "add sub rsub"),
    (Rule(_one, "total"), "neg real imag complex"),
    (Rule(_one, "product"), "mul"),
    (Rule(_one, "quotient"), "div true_divide"),
    (Rule(_one, "max"), "maximum fmax clamp_min relu"),
    (Rule(_one, "min"), "minimum fmin clamp_max"),
    (Rule(_one, "choice", addresses=(0,)), "where"),
    (Rule(_one, "choice", addresses=(1,)), "masked_fill"),
    (Rule(_one), _SINGLE),
    (Rule(_clamp), "clamp"),
    (Rule(_chained(2)), "hardshrink hardshrink_backward hardtanh isinf log10 log2 polar"),
    (Rule(_chained(2)), "relu6 silu softshrink_backward threshold"),
    (Rule(_chained(3)), "lerp logit softshrink"),
    (Rule(_chained(3, 2)), "leaky_relu _prelu_kernel"),
    (Rule(_chained(4)), "hardsigmoid"),
    (Rule(_chained(5)), "hardswish"),
    (Rule(_chained(6)), "nan_to_num"),
    (Rule(_chained(10, 7)), "logaddexp"),
    (Rule(_chained(12, 9)), "mish log_sigmoid_forward"),
    (Rule(_chained(2), "product"), "glu"),
    (Rule(_gelu), "gelu"),
    (Rule(_elu), "elu celu selu"),
    (Rule(_softplus), "softplus"),
    (Rule(_addc), "addcmul addcdiv"),
    (Rule(_searched), "bucketize searchsorted"),
    (Rule(_contracted(0), "product"), "mm bmm mv _int_mm _grouped_mm _scaled_mm"),
    (Rule(_contracted(1), "product", bias=0), "addmm baddbmm addmv"),
    (Rule(_dot, "product"), "dot vdot"),
    (Rule(_addbmm, "product", bias=0), "addbmm"),
    (Rule(_one, "product", bias=0), "addr"),
    (Rule(_convolution, "product", bias=2), "convolution _convolution"),
    (Rule(_reduced, "total"), "sum nansum upsample_nearest1d_backward upsample_nearest2d_backward"),
    (Rule(_reduced, "max"), "amax max"),
    (Rule(_reduced, "min"), "amin min"),
    (Rule(_counted), "count_nonzero"),
    (Rule(_both_ends), "aminmax"),
    (Rule(_mean, "total"), "mean"),
    (Rule(_variance(False)), "var var_mean"),
    (Rule(_variance(True), height=2), "std std_mean"),
    (Rule(_norm, height=2), "linalg_vector_norm norm"),
    (Rule(_logsumexp, height=2), "logsumexp"),
    (Rule(_lines(_softmax), height=2), "_softmax _safe_softmax"),
    (Rule(_lines(_log_softmax), height=2), "_log_softmax"),
    (Rule(_prefix(1), "total"), "cumsum"),
    (Rule(_prefix(1), "max"), "cummax"),
    (Rule(_prefix(1), "min"), "cummin"),
    (Rule(_prefix(1)), "cumprod logcumsumexp _logcumsumexp"),
    (Rule(_prefix(3), "max"), "_cummax_helper"),
    (Rule(_prefix(3), "min"), "_cummin_helper"),
    (Rule(_lookup(), "lookup", addresses=(1,)), "embedding"),
    (Rule(_lookup(0, 1), "lookup", addresses=(2,)), "index_select gather"),
    (Rule(_index, "lookup", addresses=(1,), waits=_has_mask), "index _unsafe_index"),
    (Rule(_take, "lookup", addresses=(1,)), "take"),
    (
        Rule(_index_put, "lookup", addresses=(1,), combines=_accumulates),
        "index_put _index_put_impl _unsafe_index_put",
    ),
    (Rule(_written(3), "lookup", addresses=(2,)), "scatter index_copy index_fill"),
    (Rule(_written(2), "lookup", addresses=(1,)), "put masked_scatter"),
    (Rule(_scattered(3), "lookup", addresses=(2,), combines=_always), "scatter_add index_add"),
    (Rule(_scattered(3), addresses=(2,), combines=_always), "scatter_reduce index_reduce"),
    (
        Rule(_embedding_backward, "lookup", addresses=(1,), combines=_always),
        "embedding_dense_backward",
    ),
    (Rule(_found, "lookup", waits=_always), "nonzero argwhere"),
    (Rule(_found, "lookup", addresses=(1,), waits=_always), "masked_select"),
    (Rule(_multinomial, height=2), "multinomial"),
    (Rule(_pooled(2, False), "max"), "max_pool2d_with_indices"),
    (Rule(_pooled(3, False), "max"), "max_pool3d_with_indices"),
    (Rule(_pooled(1, True), "total"), "avg_pool1d"),
    (Rule(_pooled(2, True), "total"), "avg_pool2d"),
    (Rule(_pooled(3, True), "total"), "avg_pool3d"),
    (Rule(_pooled_backward(2), "total"), "avg_pool2d_backward"),
    (Rule(_pooled_backward(3), "total"), "avg_pool3d_backward"),
    (Rule(_adaptive, "total"), "_adaptive_avg_pool2d _adaptive_avg_pool3d"),
    (Rule(_adaptive_backward, "total"), "_adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward"),
    (Rule(_lines(_sorted)), "sort msort mode"),
    (Rule(_lines(_sorted, 2)), "topk kthvalue"),
    (Rule(_sorted_whole), "median nanmedian"),
    (Rule(_sorted_whole, waits=_always), "_unique _unique2 unique_consecutive"),
    (Rule(_lu), "linalg_lu_factor_ex linalg_lu"),
    (Rule(_cholesky), "linalg_cholesky_ex"),
    (Rule(_triangular), "linalg_solve_triangular"),
    (Rule(_two_triangular(0)), "linalg_lu_solve"),
    (Rule(_two_triangular(1)), "_cholesky_solve_helper"),
    (Rule(_solve), "_linalg_solve_ex linalg_inv_ex"),
    (Rule(_determinant), "_linalg_det _linalg_slogdet"),
    (Rule(_householder), "linalg_qr geqrf linalg_householder_product ormqr"),
    (Rule(_eigh, is_assumed=True), "_linalg_eigh"),
    (Rule(_eig(True), is_assumed=True), "linalg_eig"),
    (Rule(_eig(False), is_assumed=True), "linalg_eigvals _linalg_eigvals"),
    (Rule(_svd, is_assumed=True), "_linalg_svd"),
    (Rule(_fourier, "total"), "_fft_c2c _fft_r2c _fft_c2r"),
]

RULES = {name: rule for rule, names in KINDS for name in names.split()}
"""Operator → rule. An operator in place, `add_`, has the rule of the one that is not, `add`."""

MOVE = RULES["clone"]
ELEMENTWISE = RULES["square"]
REDUCTION = Rule(_reduced)
SUM = Rule(_one, "sum")

_CREATED = """
    _cudnn_init_dropout_state _efficientzerotensor arange bartlett_window blackman_window empty empty_like
    empty_permuted empty_strided eye fft_fftfreq fft_rfftfreq full full_like hamming_window hann_window
    kaiser_window linspace logspace new_empty new_empty_strided new_full new_ones new_zeros ones ones_like
    rand rand_like randint randint_like randn randn_like randperm range scalar_tensor tril_indices
    triu_indices zeros zeros_like"""

CREATED = frozenset(_CREATED.split())
"""Operators that read no data: of their operands they take the shape alone."""

_VIEWS = """
    _resize_output_ _unsafe_view as_strided_ detach_ resize_ set_ shallow_copy_data_ squeeze_ t_ transpose_
    unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze_"""

VIEWS = frozenset(_VIEWS.split())
"""Operators that change the view of a storage and not its contents, beside those whose schema says so."""

_SILENT = """
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async _fused_sdp_choice
    _has_same_storage_numel _linalg_check_errors _print _use_cudnn_ctc_loss is_pinned is_same_size is_set_to
    record_stream sym_constrain_range sym_constrain_range_for_size"""

SILENT = frozenset(_SILENT.split())
"""Operators whose result is no data."""

READS = frozenset(("_local_scalar_dense", "equal", "_is_all_true", "_is_any_true", "allclose"))
"""Operators whose result the host waits for."""
