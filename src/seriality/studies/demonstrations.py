"""What the page lets one play with: one instance of each of five tasks, whole, as the tasks draw it.

The page steps through them: discs with every event of their motion, a row of cells, a Sudoku grid with the
rounds that fill it and two trajectories of masked diffusion on it, circuits of equally many gates, a word
over S5. `spans` has, for every task and its control, how the span of the best algorithm known grows: the
page's map is drawn with it.

It bears on no claim and nothing is chosen: each instance is the first of its key.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..instance import QUERY
from ..meter import growth
from ..solvers import MaskedDiffusion
from ..study import CONTROL, SERIAL, Experiment, Study
from ..study.train import depths_of
from ..tasks import TASKS, Billiards, CircuitValue, ElementaryAutomaton, Sudoku, Words
from ..tasks.sudoku import OPEN
from .sudoku_oracles import Propagation, turns_of

NAME = "demonstrations"
ROUNDS = 4
"""Rounds of singles in a pass of the denoiser, as in the study `sudoku_orders`."""
STEPS = 64


def _first(task: Any, seed: int, depth: int | None = None) -> Any:
    """The first instance of a key."""
    drawn = task.sample(1, key=jax.random.key(seed), depth=depth)
    return jax.tree.map(lambda values: values[0], drawn)


def discs(balls: int, events: int, *, seed: int) -> dict[str, Any]:
    """The motion of the discs of an instance of five, or of the first of them alone, right after each event
    whose order is certain. `who` has the two discs of a collision, or a disc and -1 for a side wall, -2 for
    the floor or the ceiling."""
    task = Billiards(collisions=8, balls=5)
    instance = _first(task, seed)
    if balls == 1:
        task = task.control
        assert task is not None
    with jax.enable_x64(True):
        place, velocity = task.start(instance.prompt)
        path = task.discs.follow(place, velocity, events)
    certain = int(np.asarray(path.certain).sum())
    pairs = task.discs.pairs
    who = [
        pairs[event] if event < len(pairs) else divmod(event - len(pairs), 2)
        for event in np.asarray(path.event)[:certain].tolist()
    ]
    return {
        "side": task.precision,
        "radius": task.radius,
        "time": [0.0, *np.round(path.motion.time[:certain], 6).tolist()],
        "place": [np.asarray(place).tolist(), *np.round(path.motion.place[:certain], 5).tolist()],
        "velocity": [np.asarray(velocity).tolist(), *np.round(path.motion.velocity[:certain], 5).tolist()],
        "who": [
            [*each] if event < len(pairs) else [each[0], -1 - each[1]]
            for each, event in zip(who, np.asarray(path.event).tolist(), strict=False)
        ],
    }


def cells(rule: int, width: int, steps: int, *, seed: int) -> dict[str, Any]:
    """A row of an elementary automaton, and the row after all steps."""
    task = ElementaryAutomaton(rule=rule, width=width, steps=steps)
    instance = _first(task, seed, steps)
    bits = [task.format.tokens[token] for token in instance.prompt.tolist()]
    row = [bit for bit in bits if bit in ("0", "1")][-width:]
    return {"row": "".join(row), "after": task.render_answer(np.asarray(instance.answer))}


def grid(rounds: int, *, seed: int) -> dict[str, Any]:
    """A 9x9 grid, the round in which each cell is filled, and the boards of two samplers of the same
    denoiser: a digit a cell, 0 where it is open."""
    task = Sudoku(side=9, rounds=rounds)
    instance = _first(task, seed, rounds)
    network = Propagation(9, ROUNDS)
    trajectories = {}
    for order in ("random", "confidence"):
        solver = MaskedDiffusion(network, task.format, steps={"constant": STEPS}, order=order)
        boards = solver.trajectory(instance.prompt, key=jax.random.key(seed))
        trajectories[order] = [_digits(board) for board in boards]
    return {
        "clues": _digits(instance.prompt[:81]),
        "turn": turns_of(task, instance.trace).tolist(),
        "answer": _digits(instance.answer),
        "rounds_a_pass": ROUNDS,
        **trajectories,
    }


def _digits(board: Any) -> str:
    return "".join(map(str, jnp.where(board == QUERY, 0, jnp.maximum(board - OPEN, 0)).tolist()))


def circuits(gates: int, *, seed: int) -> dict[str, Any]:
    """A deep and a wide circuit of as many gates: inputs and layers as the question has them, and what every
    layer then holds."""
    told = {}
    for name, task in zip(("deep", "wide"), CircuitValue.deep_and_wide(gates, narrow=3), strict=True):
        instance = _first(task, seed)
        question = task.render(np.asarray(instance.prompt)).splitlines()
        layers = [line.partition(": ")[2].split() for line in question if line.startswith("layer ")]
        inputs = next(line.partition(": ")[2] for line in question if line.startswith("inputs: "))
        values = task.render_trace(np.asarray(instance.trace)).splitlines()
        told[name] = {
            "inputs": inputs.split(),
            "layers": layers,
            "values": [line.rpartition(" ")[2] for line in values],
            "answer": task.render_answer(np.asarray(instance.answer)),
        }
    return told


def word(monoid: str, length: int, *, seed: int) -> dict[str, Any]:
    """A word and the product of every prefix."""
    task = Words(monoid, length=length, generators="all")
    instance = _first(task, seed, length)
    names = task.format.tokens
    return {
        "letters": [names[token] for token in instance.prompt[:length].tolist()],
        "products": [names[token] for token in instance.trace.tolist()],
    }


def spans(task: str, role: str) -> dict[str, Any]:
    """How the declared span of a task, or of its control, grows with depth."""
    made = TASKS[task]()
    chosen = made if role == SERIAL else made.control
    if chosen is None:
        raise ValueError(f"{task} has no control")
    for depths in ((32, 64, 128, 256), depths_of(chosen)):
        try:
            found = growth({n: chosen.resized(n).cost().span for n in depths})
        except ValueError:  # dials that do not allow these depths
            continue
        if found.law != "unnamed":
            return {"law": found.law, "formula": found.formula, "depths": list(depths)}
    return {"law": "unnamed", "formula": "", "depths": []}


def trials(seeds: int) -> list[Experiment]:
    """One of each, and the spans of all tasks."""
    asked = [
        ("five discs", "balls", SERIAL, discs, {"balls": 5, "events": 48}),
        ("one disc", "balls", CONTROL, discs, {"balls": 1, "events": 48}),
        ("Rule 110", "cells", SERIAL, cells, {"rule": 110, "width": 48, "steps": 32}),
        ("Rule 90", "cells", CONTROL, cells, {"rule": 90, "width": 48, "steps": 32}),
        ("14 rounds", "Sudoku", SERIAL, grid, {"rounds": 14}),
        ("24 gates", "circuits", SERIAL, circuits, {"gates": 24}),
        ("S5", "words", SERIAL, word, {"monoid": "S5", "length": 16}),
    ]
    found = [
        Experiment(NAME, row, family, role, function, arguments, seed=seed)
        for row, family, role, function, arguments in asked
        for seed in range(seeds)
    ]
    for task in TASKS.built_in:
        roles = [SERIAL] if TASKS[task]().control is None else [SERIAL, CONTROL]
        found += [
            Experiment(NAME, task, "spans", role, spans, {"task": task, "role": role}) for role in roles
        ]
    return found


DEMONSTRATIONS = Study(
    name=NAME,
    title="Instances that the page steps through, and how the span of every task grows",
    claims=(),
    seeds=1,
    trials=trials,
)
