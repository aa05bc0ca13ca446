"""Every step of a study in seconds: two small networks on words of four letters, and their control.

It shows that an installation works. It is too small to say anything of a claim: at this depth nothing is
serial, and the words are too few to keep training and test apart.
"""

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..tasks import Words

ROWS = {
    "Transformer": {"name": "SinglePass", "network": {"name": "Transformer", "width": 16, "layers": 1}},
    "RNN": {"name": "SinglePass", "network": {"name": "GRU", "width": 16, "layers": 1}},
}

TASK = Words("S5", length=4)

TRAINING = Training(
    stages=(1, 2, 4),
    steps=50,
    batch=16,
    learning_rates=(1e-2,),
    warmup=5,
    chunk=25,
    gate_instances=32,
    test_instances=32,
)


def trials(seeds: int) -> list[Trial]:
    """Both rows on both tasks, one learning rate."""
    return [
        Trial("miniature", row, "words", role, task, settings, TRAINING, 1e-2, seed)
        for role, task in ((SERIAL, TASK), (CONTROL, TASK.control))
        if task is not None
        for row, settings in ROWS.items()
        for seed in range(seeds)
    ]


MINIATURE = Study(
    name="miniature",
    title="An installation at work: two rows of Table 1 on words of four letters; says nothing of a claim",
    claims=(),
    seeds=1,
    trials=trials,
)
