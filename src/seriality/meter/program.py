"""`measure`: one call for a program of either front end. Each is loaded when it is needed."""

import difflib
import sys
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, cast, get_args

from ..cost import Cost
from .measurement import Control, Measurement, Settings
from .rules import COST_MODELS, CostModel, Declared


def measure(
    fn: Callable[..., Any],
    *args: Any,
    cost_model: str = "unit",
    control: str = "full",
    trips: int | None = None,
    declared: Declared | None = None,
    uncounted: str = "error",
    most_blow_up: float = 1024,
) -> Measurement:
    """The work and span of `fn(*args)`, a JAX or a PyTorch program.

    Arrays and `jax.ShapeDtypeStruct`s in `args` (any pytree, Equinox modules included) and in `fn` itself
    are the inputs; all other leaves are static. A JAX program is traced and never executed. Where `fn` is a
    `torch.nn.Module` or an argument holds a tensor, the program is PyTorch's.

    `cost_model` is "unit", "fan_in_2" or "layer". With `control="full"` what a predicate decides waits for
    it; with "data" only the choice of its result does. `trips` is the trip count assumed for each while loop
    whose own cannot be read, and no more than what can be read of it allows. `declared` gives the costs of
    operations that cannot be looked into (Pallas kernels, custom operators) or need not be (any jitted
    function), by name. `uncounted="list"` goes on past operations without a rule and names them. A shortcut
    that takes more than `most_blow_up` times the work of its loop is refused.

    Raises ValueError for an option that is not allowed, for no inputs, and for a while loop of unknown
    length; NotImplementedError for an operation without a rule.

    >>> import jax, jax.numpy as jnp
    >>> print(measure(lambda x: jnp.tanh(x @ x), jax.ShapeDtypeStruct((8, 8), "float32")))
    work 1,088, span 2 in the unit model
    """
    settings = _settings(cost_model, control, trips, declared, uncounted)
    if not isinstance(most_blow_up, (int, float)) or not most_blow_up > 0:
        raise ValueError(
            f"most_blow_up={most_blow_up!r}; allowed is a number above 0, as in most_blow_up=100"
        )
    if _is_torch(fn, args):
        from .pytorch import measure_program

        return measure_program(
            fn,
            args,
            cost_model=settings.cost_model,
            control=settings.control,
            declared=settings.declared,
            lists_uncounted=settings.lists_uncounted,
        )
    from .jax_program import measure_program

    return measure_program(fn, args, settings, most_blow_up)


def _settings(
    cost_model: str, control: str, trips: int | None, declared: Declared | None, uncounted: str
) -> Settings:
    """The options of `measure`, or what is wrong with them."""
    if cost_model not in COST_MODELS:
        near = difflib.get_close_matches(str(cost_model), COST_MODELS, n=1, cutoff=0)
        raise ValueError(
            f"unknown cost model {cost_model!r}; allowed are {sorted(COST_MODELS)}: "
            f"measure(..., cost_model={(near or ['unit'])[0]!r})"
        )
    if control not in get_args(Control):
        raise ValueError(f'control={control!r}; allowed are "full" and "data"')
    if uncounted not in ("error", "list"):
        raise ValueError(f'uncounted={uncounted!r}; allowed are "error" and "list"')
    if trips is not None and (isinstance(trips, bool) or not isinstance(trips, Integral) or trips < 0):
        raise ValueError(f"trips={trips!r}; allowed is an integer from 0 up, as in trips=100")
    if declared is not None and not isinstance(declared, Mapping):
        raise ValueError(
            f"declared={declared!r}; allowed are costs by name, "
            "measure(..., declared={'my_kernel': Cost(work=100, span=1)})"
        )
    for name, cost in (declared or {}).items():
        if not isinstance(cost, Cost) and not callable(cost):
            raise ValueError(
                f"declared[{name!r}] is {cost!r}; allowed is a Cost, or a function of the shapes "
                "of operands and results that gives one: "
                f"measure(..., declared={{{name!r}: Cost(work=100, span=1)}})"
            )
    return Settings(
        cast(CostModel, cost_model), cast(Control, control), trips, declared or {}, uncounted == "list"
    )


def _is_torch(fn: Any, args: Any) -> bool:
    """Whether a program is PyTorch's. Nobody has one who has not imported it."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    kinds = (torch.nn.Module, torch.Tensor)
    leaves = torch.utils._pytree.tree_leaves(args)
    if not any(isinstance(leaf, kinds) for leaf in leaves) and any(hasattr(leaf, "shape") for leaf in leaves):
        return False
    closed = [cell.cell_contents for cell in getattr(fn, "__closure__", None) or () if _is_filled(cell)]
    return any(isinstance(leaf, kinds) for leaf in (getattr(fn, "__self__", fn), *leaves, *closed))


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
