"""The studies themselves. STUDIES is the only list."""

from ..study import Study
from .deep_and_wide import DEEP_AND_WIDE
from .demonstrations import DEMONSTRATIONS
from .depth_of_one import DEPTH_OF_ONE, DEPTH_OF_ONE_SMALL
from .derandomised import DERANDOMISED
from .exchange_rate import (
    EXCHANGE_RATE,
    EXCHANGE_RATE_AUTOMATON,
    EXCHANGE_RATE_LARGE,
    EXCHANGE_RATE_SUDOKU,
)
from .loops import LOOPS_STUDY
from .machine import MACHINE
from .miniature import MINIATURE
from .pairs import PAIRS
from .plateau import ESCAPES, ESCAPES_SMALL, PLATEAU, PLATEAU_SMALL
from .sampler_error import SAMPLER_ERROR
from .sleeping import SLEEPING
from .sudoku_orders import SUDOKU_ORDERS
from .sudoku_trained import SUDOKU_TRAINED, SUDOKU_TRAINED_SMALL
from .table1 import DEMO, TABLE1
from .thinning import THINNING
from .widths import WIDTHS_STUDY

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        *(DEMO, TABLE1, PAIRS, MINIATURE),
        *(SAMPLER_ERROR, DERANDOMISED, SUDOKU_ORDERS, DEPTH_OF_ONE, DEPTH_OF_ONE_SMALL, WIDTHS_STUDY),
        *(PLATEAU, PLATEAU_SMALL, ESCAPES, ESCAPES_SMALL),
        *(SUDOKU_TRAINED, SUDOKU_TRAINED_SMALL),
        *(EXCHANGE_RATE, EXCHANGE_RATE_AUTOMATON, EXCHANGE_RATE_SUDOKU, EXCHANGE_RATE_LARGE),
        *(DEEP_AND_WIDE, THINNING, LOOPS_STUDY),
        *(MACHINE, DEMONSTRATIONS, SLEEPING),
    )
}
