"""Made-up records of the study `table1`, for tests of what reads records. None is ever kept in results/."""

from types import SimpleNamespace

import numpy as np
import pytest

from seriality.claims import CLAIMS, TABLE_1
from seriality.store import Record, digest

DEPTHS = (1, 2, 4, 8, 16)
LAWS = {
    "MLP": ("3", "constant", 3),
    "Transformer": ("14", "constant", 14),
    "State-space model": ("4 ceil(log2 n) + 6", "logarithmic", 22),
    "RNN": ("2n + 3", "linear", 35),
    "Repeating layers": ("6n + 1", "linear", 97),
    "Chain of thought": ("14n + 2", "linear", 226),
    "Diffusion": ("14n", "linear", 224),
}
REACH = {"MLP": 2, "Transformer": 8, "State-space model": 4, "Diffusion": 4}


def record(
    row="RNN",
    *,
    role="serial",
    family="words",
    study="table1",
    seed=0,
    learning_rate=0.003,
    reach=16,
    test=None,
    validation=None,
    diverged=False,
    steps=800,
    tries=512,
):
    """A record whose accuracy is right up to `reach` and falls beyond it, or has the given counts."""
    draw = np.random.default_rng([seed, sum(map(ord, row + role + family)), int(1e6 * learning_rate)])
    depths = np.array(DEPTHS)
    if diverged:
        truth = np.full(len(DEPTHS), 0.02)
    else:
        beyond = np.log2(np.maximum(depths / max(reach, 0.5), 1))
        truth = np.where(depths <= reach, 0.985, 0.02 + 0.75 * np.exp(-1.4 * beyond))
    counts = {
        split: {
            "successes": given if given is not None else draw.binomial(tries, truth).tolist(),
            "tries": [tries] * len(DEPTHS),
        }
        for split, given in (("validation", validation), ("test", test))
    }
    formula, law, span = LAWS.get(row, ("n", "linear", 16))
    settings = {
        "study": study,
        "row": row,
        "family": family,
        "role": role,
        "task": {
            "name": "Words",
            "version": 3,
            "monoid": "S5" if role == "serial" else "registers",
            "length": 16,
            "generators": "few",
        },
        "solver": {"name": row, "width": 128},
        "training": {
            "steps": steps,
            "batch": 64,
            "learning_rate": learning_rate,
        },
        "seed": seed,
    }
    outcome = {
        "depths": list(DEPTHS),
        **counts,
        "shared_depth": 11,
        "diverged": diverged,
        "stage": 4,
        "solved": reach >= max(DEPTHS),
        "steps_run": 500,
        "curve": {"step": [0, 100], "loss": [4.8, None], "accuracy": [0.01, 0.4], "depth": [1, 2]},
        "passes": 17,
        "cost": {
            "layer": {"work": 1000 * span, "span": span},
            "unit": {"work": 10**6 * span, "span": 9 * span},
        },
        "growth": {
            "law": law,
            "formula": formula,
            "parallel": law != "linear",
            "lengths": [16, 32, 64, 128],
            "spans": [span, span, span, span],
            "cost_model": "layer",
        },
        "parameters": 12345,
    }
    provenance = {
        "versions": {"seriality": "0.1.0", "jax": "0.10.2"},
        "commit": "0123abc",
        "device": "cpu (2 cores)",
        "created": "2026-01-01T00:00:00Z",
        "rules": {"C01": digest(CLAIMS["C01"].fixed)},
        "wall_s": 12.5,
    }
    return Record(digest(settings), study, settings, outcome, provenance)


def study(
    *, seeds=5, families=("words",), rows=None, roles=("serial", "control"), name="table1", rates=(0.003,)
):
    """The records of a whole study in which every row does what the paper says."""
    return [
        record(
            expected.name,
            role=role,
            family=family,
            study=name,
            seed=seed,
            learning_rate=rate,
            reach=16 if role == "control" else REACH.get(expected.name, 16),
        )
        for family in families
        for expected in TABLE_1
        if rows is None or expected.name in rows
        for role in roles
        for rate in rates
        for seed in range(seeds)
    ]


@pytest.fixture(scope="session")
def made_up():
    """The two makers of records: `made_up.record` and `made_up.study`."""
    return SimpleNamespace(record=record, study=study)
