"""Theorem G.2 on a family that can be measured: what does a rule of bounded depth earn? (claim C18)

Rule 110 on a ring is lifted to an alternating circuit, with a chain of L gates on one cell's bit and a rival
chain beside it (`theory.lifted_decisions`). The first choice is right if the rule knows the bit. Rules of
bounded depth see k rounds of the circuit. A bit of any other Boolean computation is lifted the same way:
trained rules see a word over S5 and say its product, and the bit is whether that element's number is odd.
What they earn follows from whether the bit is right, with a depth of two layers a letter. (A word has rules
of logarithmic depth, so this part is about constant depth, and no rule of the kind that the theorem is
about.)

Beside it: the reduction of the theorem (`theory.choice_reduction`) on planted circuits, for value functions
and policies that are as bad as their guarantee lets them be, and the regret on instances that grow.

`depth_of_one_small` is the same with less training: a look.

What it does not show: the theorem, which is about all rules and all instances, and rests on TC not being P.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..solvers import build
from ..study import CONTROL, SERIAL, Experiment, Study, Training
from ..study.evaluate import EVALUATION_KEY
from ..study.splits import TEST, draw
from ..study.train import Trainer
from ..tasks import Words
from ..theory.alternating_instances import planted
from ..theory.choice_reduction import GRIDS, POLICIES, VALUE_FUNCTIONS, estimate, greedy, guarantee
from ..theory.forced_choice import ratio, regret
from ..theory.lifted_decisions import (
    bounded_player,
    elementary,
    lift_to_decision,
    reward_ratio,
    rival_for_ratio,
    rival_for_regret,
    worst_ratio_without_bit,
)
from .table1 import training, transformer

NAME, SMALL = "depth_of_one", "depth_of_one_small"
STRETCHES = (1, 4, 16, 64)
"""The length of the chain over the depth below it, L / d."""
LENGTHS = (4, 8, 16, 24)
STEPS, SMALL_STEPS = 4800, 1200
INSTANCES = 512
PLAYERS = [f"value: {name}" for name in VALUE_FUNCTIONS] + [f"policy: {name}" for name in POLICIES]
RULES: dict[str, dict[str, Any]] = {
    **{
        f"Transformer, {layers} x {width}": {
            "name": "SinglePass",
            "network": {**transformer(layers), "width": width},
        }
        for layers, width in ((1, 64), (2, 32), (2, 64), (4, 64))
    },
    "repeated layers, 2 x 64": {
        "name": "Looped",
        "loops": {"per_token": 0.5},
        "gradient_loops": 2,
        "network": transformer(2),
    },
    "chain of thought, 2 x 64": {"name": "ChainOfThought", "network": transformer(2, causal=True)},
}


def bounded(rounds: int, steps: int, cells: int, rows: int, *, seed: int) -> dict[str, Any]:
    """What a rule that sees so many rounds earns on its worst of `rows` rows, for every stretch."""
    rng = np.random.default_rng(seed)
    bits = rng.random((rows, cells)) < 0.5
    depth = 2 * steps
    worst, theory = [], []
    for stretch in STRETCHES:
        decisions = [
            lift_to_decision([elementary(110, cells)] * steps, row, length=stretch * depth) for row in bits
        ]
        player = bounded_player(rounds)
        worst.append(min(ratio(each.start, player(each.start)) for each in decisions))
        theory.append(worst_ratio_without_bit(depth, stretch * depth))
    return {"depth": depth, "stretches": list(STRETCHES), "worst": worst, "without_the_bit": theory}


def regime(lengths: tuple[int, ...], steps: int) -> Training:
    """That of all rules. Training ends at a share of right words as high as is asked of a rule that
    resolves the environment."""
    usual = training(2, *lengths, steps=steps, learning_rates=(4e-3,))
    return replace(usual, gate=0.99, gate_instances=256)


def trained(
    monoid: str, solver: dict[str, Any], lengths: tuple[int, ...], steps: int, *, seed: int
) -> dict[str, Any]:
    """The right choices of a rule trained on words, and what it earns for every stretch: the mean and the
    least share of the best over test words of each length."""
    task, how = Words(monoid, length=lengths[-1]), regime(lengths, steps)
    trainer = Trainer(task, lambda key: build(solver, task.format, key=key), how)
    keys = jax.random.split(jax.random.key(seed), 3)[None]
    replicas = trainer.replicas(keys[:, 0])
    rates = jnp.array(how.learning_rates)
    for _, after, _ in trainer.run(replicas, keys[:, 1:], rates):
        replicas = after
    parameters = jax.tree.map(lambda leaf: leaf[0], replicas.parameters)

    @jax.jit
    def answers(parameters, prompts, keys):
        solve = trainer.solver(parameters).solve
        return jax.vmap(lambda prompt, key: solve(prompt, key=key))(prompts, keys)

    outcome: dict[str, Any] = {
        "lengths": list(lengths),
        "tries": INSTANCES,
        "solved": int(replicas.stage[0]) == len(how.stages),
        "diverged": bool(replicas.diverged[0]),
        "stretches": list(STRETCHES),
        **{name: [] for name in ("right", "ones", "mean", "least")},
    }
    for length in lengths:
        draw_key, solve_key = jax.random.split(jax.random.fold_in(jax.random.key(EVALUATION_KEY), length))
        instances = draw(task, TEST, INSTANCES, depth=length, key=draw_key)
        said = answers(parameters, instances.prompt, jax.random.split(solve_key, INSTANCES))
        alive, says_alive = (np.asarray(answer[:, 0]) % 2 == 1 for answer in (instances.answer, said))
        depth = 2 * length
        shares = [
            reward_ratio(says_alive, alive, depth, stretch * depth, rival_for_ratio(depth, stretch * depth))
            for stretch in STRETCHES
        ]
        outcome["right"].append(int((alive == says_alive).sum()))
        outcome["ones"].append(int(alive.sum()))
        outcome["mean"].append([float(share.mean()) for share in shares])
        outcome["least"].append([float(share.min()) for share in shares])
    return outcome


def reduction(player: str, accuracy: float, grid: str, circuits: int, *, seed: int) -> dict[str, Any]:
    """The estimates of the reduction over the depth of 1 of planted circuits, and whether all are within
    the proven factors."""
    makers = {**{name: (lambda a, s, m=make: greedy(m(a, s))) for name, make in VALUE_FUNCTIONS.items()}}
    rng = np.random.default_rng(seed)
    ratios, held = [], True
    for number in range(circuits):
        depth = int(rng.integers(4, 33))
        do1 = int(rng.integers(1, depth + 1))
        configuration = planted(depth, do1, 6, seed=int(rng.integers(2**31)))
        kind, _, name = player.partition(": ")
        make = makers[name] if kind == "value" else POLICIES[name]
        found = estimate(configuration, make(accuracy, seed + number), grid)
        low, high = guarantee(do1, accuracy, grid)
        held &= low - 1e-9 <= found <= high + 1e-9
        ratios.append(found / do1)
    return {"least": min(ratios), "most": max(ratios), "held": held, "circuits": circuits}


def regrets(steps: int, cells: int, rows: int, lengths: tuple[int, ...], *, seed: int) -> dict[str, Any]:
    """The largest regret of a rule that sees all rounds but the last, as the chain on the bit grows."""
    rng = np.random.default_rng(seed)
    bits = rng.random((rows, cells)) < 0.5
    depth = 2 * steps
    largest, gates = [], []
    for length in lengths:
        decisions = [
            lift_to_decision(
                [elementary(110, cells)] * steps, row, length=length, rival=rival_for_regret(depth, length)
            )
            for row in bits
        ]
        player = bounded_player(depth - 1)
        largest.append(max(regret(each.start, player(each.start)) for each in decisions))
        gates.append(decisions[0].configuration.circuit.size)
    return {"lengths": list(lengths), "gates": gates, "regret": largest}


def trials(seeds: int, name: str = NAME, training_steps: int = STEPS) -> list[Experiment]:
    """Rules of bounded depth, trained rules on words and their control, the reduction, the regret."""
    steps, cells = 8, 13
    found = [
        Experiment(
            name,
            f"{rounds} of 16 rounds",
            "bounded",
            SERIAL,
            bounded,
            {"rounds": rounds, "steps": steps, "cells": cells, "rows": 24},
            seed=seed,
        )
        for rounds in (0, 8, 15, 16)
        for seed in range(seeds)
    ]
    found += [
        Experiment(
            name,
            f"{player}, {accuracy:g}",
            f"reduction, {grid} grid",
            SERIAL,
            reduction,
            {
                "player": player,
                "accuracy": accuracy,
                "grid": grid,
                "circuits": 20 if grid == "geometric" else 4,
            },
            seed=seed,
        )
        for grid in GRIDS
        for player in PLAYERS
        for accuracy in (1.0, 0.5, 0.1)
        for seed in range(seeds)
    ]
    found += [
        Experiment(
            name,
            "15 of 16 rounds",
            "regret",
            SERIAL,
            regrets,
            {"steps": steps, "cells": cells, "rows": 12, "lengths": (16, 64, 256, 1024)},
            seed=seed,
        )
        for seed in range(seeds)
    ]
    found += [
        Experiment(
            name,
            row,
            "trained",
            role,
            trained,
            {"monoid": monoid, "solver": solver, "lengths": LENGTHS, "steps": training_steps},
            seed=seed,
        )
        for row, solver in RULES.items()
        for role, monoid in ((SERIAL, "S5"), (CONTROL, "registers"))
        for seed in range(seeds)
    ]
    return found


DEPTH_OF_ONE = Study(
    name=NAME,
    title="Theorem G.2 in rewards: rules of bounded depth, trained rules, the reduction and the regret",
    claims=("C18",),
    seeds=5,
    trials=trials,
)

DEPTH_OF_ONE_SMALL = Study(
    name=SMALL,
    title="The study depth_of_one with less training",
    claims=("C18",),
    seeds=5,
    trials=lambda seeds: trials(seeds, SMALL, SMALL_STEPS),
)
