"""Readers: from the records of a study to its findings. READERS is the only list; a study without one is a
table of solvers (`analysis.table`)."""

from collections.abc import Callable, Sequence

from ..finding import Finding
from ..table import RecordLike

READERS: dict[str, Callable[[Sequence[RecordLike], int], tuple[Finding, ...]]] = {}
"""By study: from its records, and the number of its trials that are missing, to its findings."""
