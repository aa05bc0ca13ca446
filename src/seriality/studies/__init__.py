"""The studies themselves. STUDIES is the only list."""

from ..study import Study
from .miniature import MINIATURE
from .pairs import PAIRS
from .table1 import DEMO, TABLE1

STUDIES: dict[str, Study] = {study.name: study for study in (DEMO, TABLE1, PAIRS, MINIATURE)}
