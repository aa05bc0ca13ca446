"""The ruler: work and span of JAX and PyTorch programs, as written and after every shortcut known.

    measure(fn, *args)        work and span of one program, exact integers
    growth(program_at)        the laws by which they grow with the size
    certify(fn, *args)        the shortcuts run beside the loops as written, and compared
    reassociate(fn)           the program with its shortcuts taken
    measure_generate(model)   autoregressive decoding of a Hugging Face model

The meter shares nothing but `seriality.cost` with what it measures, so a declared cost that equals a
measured one is evidence. `docs/meter.md` tells what is counted.

    rules, measurement                    what operations cost, and what a measurement is, for both front ends
    program                               `measure`
    jax_program                           the JAX front end, with jaxprs, primitives, interpret and parts
    maxplus                               the algebra of its longest paths
    profile                               its tree of functions and its critical path
    traffic                               the bytes that it moves
    pytorch                               the PyTorch front end
    shortcuts, degree, algebra            the two detectors of shortcuts
    laws                                  growth
    machine                               from work, bytes and span to seconds on a machine
    examples                              ready programs
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .laws import Growth, Scaling, growth
from .measurement import Loop, Measurement, Region, Step
from .program import measure
from .rules import COST_MODELS, COST_VERSION

if TYPE_CHECKING:
    from .pytorch import measure_generate as measure_generate
    from .shortcuts import Certificate as Certificate
    from .shortcuts import certify as certify
    from .shortcuts import reassociate as reassociate

_LAZY = {
    "Certificate": ".shortcuts",
    "certify": ".shortcuts",
    "measure_generate": ".pytorch",
    "reassociate": ".shortcuts",
}
"""Names that bring JAX or PyTorch, which are there for those who ask for them."""

__all__ = [
    "COST_MODELS",
    "COST_VERSION",
    "Certificate",
    "Growth",
    "Loop",
    "Measurement",
    "Region",
    "Scaling",
    "Step",
    "certify",
    "growth",
    "measure",
    "measure_generate",
    "reassociate",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
