"""A study in seconds: one pass and four, on the ant and its control. It is too small to say anything."""

from seriality.study import CONTROL, SERIAL, Study, Training, Trial

from .ant import Ant

NAME = "ant_miniature"
NETWORK = {"name": "Transformer", "width": 16, "layers": 1}
ROWS = {
    "Transformer": {"name": "SinglePass", "network": NETWORK},
    "Revised": {"name": "Revised", "network": NETWORK, "passes": {"constant": 4}},
}
TASK = Ant(steps=4, side=3)
TRAINING = Training(
    stages=(1, 2, 4),
    steps=100,
    batch=32,
    learning_rates=(1e-2,),
    warmup=5,
    chunk=50,
    gate_instances=64,
    test_instances=128,
)


def trials(seeds):
    """Both rows on both tasks, at every rate and seed."""
    return [
        Trial(NAME, row, "ant", role, task, settings, TRAINING, rate, seed)
        for role, task in ((SERIAL, TASK), (CONTROL, TASK.control))
        if task is not None
        for row, settings in ROWS.items()
        for rate in TRAINING.learning_rates
        for seed in range(seeds)
    ]


ANT_MINIATURE = Study(
    name=NAME,
    title="An example of another package: one pass and four, on the ant and its control",
    claims=(),
    seeds=1,
    trials=trials,
)
