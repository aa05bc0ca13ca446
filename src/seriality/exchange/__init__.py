"""Instances out as files, predictions back as scores: how a model of any framework is benchmarked.

`export` writes instances with their answers, `score` reads predictions and regenerates what they answer from
their ids: a file of predictions needs nothing but ids, and the answers scored against cannot be altered.
"""

from .export import export as export
from .plan import Plan as Plan
from .plan import Refused as Refused
from .plan import Unusable as Unusable
from .scoring import Score as Score
from .scoring import score as score

__all__ = ["Plan", "Refused", "Score", "Unusable", "export", "score"]
