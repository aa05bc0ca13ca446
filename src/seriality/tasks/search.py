"""Searches on the host, compiled: what fills the pools that the jitted side draws from.

The only module that imports Numba. Modules that decorate with `compiled` are imported where they are used,
inside functions, since Numba takes half a second to load.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator: the function compiled by Numba when first called, and kept on disk.

    A runtime type checker may have wrapped the function: what it wraps is compiled.
    """
    if function is None:
        return lambda function: compiled(function, **options)
    return numba.njit(inspect.unwrap(function), cache=True, **options)
