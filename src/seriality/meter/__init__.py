"""The ruler: work and span of JAX programs, read from their jaxprs, and the law by which a span grows.

    measure(fn, *args)       work and span of one program, exact integers
    growth({n: span, ...})   the law behind the spans at several lengths

The meter shares nothing but `seriality.cost` with what it measures, so a declared cost that equals a
measured one is evidence. `docs/meter.md` tells what is counted; `rules` holds the rule of every primitive.
"""

from .measurement import Loop, Measurement, Region, Step
from .laws import Growth, growth
from .program import measure
from .rules import COST_MODELS

__all__ = ["COST_MODELS", "Growth", "Loop", "Measurement", "Region", "Step", "growth", "measure"]
