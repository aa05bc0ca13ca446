"""The machinery of experiments: studies, trials, training, evaluation, running."""

from ..analysis import CONTROL, SERIAL
from .executors import EXECUTORS, ExecutorError, TrialError
from .experiment import Experiment
from .run import groups, run
from .trial import Study, Training, Trial
from .work import Progress

__all__ = [
    "CONTROL",
    "EXECUTORS",
    "SERIAL",
    "ExecutorError",
    "Experiment",
    "Progress",
    "Study",
    "Training",
    "Trial",
    "TrialError",
    "groups",
    "run",
]
