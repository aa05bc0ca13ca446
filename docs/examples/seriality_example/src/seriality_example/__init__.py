"""A package that brings a task, a solver and a study to seriality. Copy it and write your own."""

from .ant import Ant
from .revised import Revised
from .study import ANT_MINIATURE

__all__ = ["ANT_MINIATURE", "Ant", "Revised"]
