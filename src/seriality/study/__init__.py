"""The machinery of experiments: studies, trials, training, evaluation, running."""

from ..analysis import CONTROL, SERIAL
from .experiment import Experiment
from .run import Progress, groups, run
from .trial import Study, Training, Trial

__all__ = ["CONTROL", "SERIAL", "Experiment", "Progress", "Study", "Training", "Trial", "groups", "run"]
