"""The machinery of experiments: studies, trials, training, evaluation, running."""

from .run import Progress, groups, run
from .trial import CONTROL, SERIAL, Study, Training, Trial

__all__ = ["CONTROL", "SERIAL", "Progress", "Study", "Training", "Trial", "groups", "run"]
