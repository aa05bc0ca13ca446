"""From records to statements: intervals, reach, the rows of Table 1, the exchange of serial and parallel
compute, findings. NumPy and SciPy, no JAX."""

from .crossing import Crossing as Crossing
from .crossing import crossing as crossing
from .exchange import Band as Band
from .exchange import ExchangeRate as ExchangeRate
from .finding import Finding as Finding
from .finding import Panel as Panel
from .finding import Point as Point
from .finding import Series as Series
from .intervals import Interval as Interval
from .intervals import bootstrap as bootstrap
from .intervals import median as median
from .intervals import wilson as wilson
from .laws import LawComparison as LawComparison
from .laws import Loss as Loss
from .laws import compare as compare
from .observations import Observations as Observations
from .observations import one_version as one_version
from .reach import reach as reach
from .readers import READERS as READERS
from .surface import Surface as Surface
from .surface import fit as fit
from .table import CONTROL as CONTROL
from .table import PAIR_RULE as PAIR_RULE
from .table import SERIAL as SERIAL
from .table import UNJUDGED as UNJUDGED
from .table import Row as Row
from .table import Rule as Rule
from .table import Run as Run
from .table import Side as Side
from .table import Verdict as Verdict
from .table import choose as choose
from .table import read as read
from .table import rows as rows
from .table import verdict as verdict
