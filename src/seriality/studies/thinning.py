"""A chain of thought thinned to k of its steps, and votes over short chains at the same number of tokens
(claims C12, C13; the paper's Figure 7 in the small).

Words over S5 of up to 16 letters by one causal Transformer of two layers. A chain keeps k = 0, 1, 3, 7 or 15
running products and then says the last one, so it writes k + 1 = 1 to 16 tokens, and 16 / (k + 1) letters lie
between two of them. Every row is taught the running product after every letter in the prompt as well: k = 0
is a single pass that is taught as much as a full chain is, and differs in feeding nothing back.

Each trained row also answers by majority of 16 / (k + 1) chains, 16 tokens in all, and of four times as many;
chains are then sampled at temperature 1, the distribution that was taught. The control is a product of two
registers: the last write decides, and one pass sees it.

Shape chosen: one training for each k, asked in every way. Rejected: one network that is taught all k at once
(it would have to be told k, and how well it shares its training between them would be measured too); chains
thinned at random (the steps between would differ in length, and with them what a pass must do).

What it does not show: what longer training of a thinned chain would reach; chains that are found, not taught.
"""

from typing import Any

from ..study import CONTROL, SERIAL, Study, Training, Trial
from ..tasks import Words
from .table1 import training, transformer

LENGTH = 16
KEPT = (0, 1, 3, 7, 15)
"""Steps kept; one more is the number of tokens."""
OVERSPENT = 4
"""The most votes, over those that the tokens of a full chain pay for."""
TRAINING = training(2, 4, 8, 16, steps=3600, learning_rates=(4e-3,))


def chain(kept: int, temperature: float = 0.0) -> dict[str, Any]:
    """Settings of a thinned chain."""
    return {
        "name": "ChainOfThought",
        "kept": kept,
        "prefixes": True,
        "temperature": temperature,
        "network": transformer(2, causal=True),
    }


def answering(kept: int) -> dict[str, dict[str, Any]]:
    """The votes under which a row answers too, over chains that are sampled."""
    matched = LENGTH // (kept + 1)
    votes = sorted({1, matched, OVERSPENT * matched})
    return {f"votes = {n}": {"samples": n, "solver": chain(kept, 1.0)} for n in votes}


def trials(study: str, regime: Training, seeds: int) -> list[Trial]:
    """Every k on words and on the control, every seed."""
    return [
        Trial(
            study,
            f"kept {kept}",
            "words",
            role,
            task,
            {"name": "Majority", "samples": 1, "solver": chain(kept)},
            regime,
            rate,
            seed,
            answering(kept),
            regime.stages[-2:],
        )
        for role, task in ((SERIAL, Words("S5", LENGTH)), (CONTROL, Words("registers", LENGTH)))
        for kept in KEPT
        for rate in regime.learning_rates
        for seed in range(seeds)
    ]


THINNING = Study(
    "thinning",
    "Chain of thought thinned to k of its steps, and votes at the same number of tokens: words over S5",
    ("C12", "C13"),
    5,
    lambda seeds: trials("thinning", TRAINING, seeds),
)
