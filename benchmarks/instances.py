"""Instances made per second: three of the tasks, compiled and in batches, against plain Python.

The plain generators below are written from the definitions of the tasks, with `random` and lists, one
instance at a time, as a script that makes a data set would. Each draws its fields with `random.choices` and
then computes labels, trace and answer. Before anything is timed, that second half is given the fields of
instances drawn by ours and must compute the same instances.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from random import Random
from typing import Any

import jax
import numpy as np
from measuring import Timing, alternate, keep, machine, options, show

from seriality.instance import PAD, QUERY, UNASKED
from seriality.tasks import MONOIDS, TASKS, CircuitValue, ElementaryAutomaton, Words
from seriality.tasks.base import FIRST, AbstractTask

BATCHES = {4096: 200, 65_536: 12}
"""Batch sizes, and the batches in one block of ours, which takes about as long as a block of plain Python:
after a turn of the other's, the first batches meet cold caches and sleeping threads."""
PLAIN = 4096
"""Instances in one block of plain Python."""
CHECKED = 64

Tokens = list[int]
Made = tuple[Tokens, Tokens, Tokens, Tokens]
"""Prompt, labels, trace, answer."""


class PlainWords:
    """Letters of a monoid given by its multiplication table; the trace is the prefix products."""

    def __init__(self, task: Words):
        assert isinstance(task.monoid, str)
        monoid = MONOIDS[task.monoid]()
        self.length = task.length
        self.table = monoid.array.tolist()
        self.identity = monoid.identity
        self.letters = list(monoid.generators)

    def draw(self, random: Random) -> Tokens:
        return random.choices(self.letters, k=self.length)

    def make(self, word: Tokens) -> Made:
        product, products = self.identity, []
        for letter in word:
            product = self.table[product][letter]
            products.append(product + FIRST)
        prompt = [letter + FIRST for letter in word] + [QUERY]
        return prompt, products + products[-1:], products, products[-1:]

    def fields(self, prompt: Tokens) -> Tokens:
        return [token - FIRST for token in prompt[: self.length]]


class PlainAutomaton:
    """A ring of cells and the eight outcomes of a Wolfram rule."""

    def __init__(self, task: ElementaryAutomaton):
        self.width, self.steps = task.width, task.steps
        self.outcomes = [task.rule >> pattern & 1 for pattern in range(8)]
        self.steps_in_unary = [FIRST + 2] * task.steps

    def draw(self, random: Random) -> Tokens:
        return random.choices((0, 1), k=self.width)

    def make(self, first: Tokens) -> Made:
        outcomes, width = self.outcomes, self.width
        cells, trace = first, []
        for _ in range(self.steps):
            cells = [outcomes[4 * cells[i - 1] + 2 * cells[i] + cells[(i + 1) % width]] for i in range(width)]
            trace += [cell + FIRST for cell in cells]
        answer = [cell + FIRST for cell in cells]
        fields = [cell + FIRST for cell in first] + self.steps_in_unary
        return fields + [QUERY] * width, [UNASKED] * len(fields) + answer, trace, answer

    def fields(self, prompt: Tokens) -> Tokens:
        return [token - FIRST for token in prompt[: self.width]]


OPERATIONS: tuple[Callable[[int, int], int], ...] = (
    lambda a, b: a & b,
    lambda a, b: a | b,
    lambda a, b: 1 - (a & b),
    lambda a, b: 1 - (a | b),
    lambda a, b: int(a > b),
    lambda a, b: int(a < b),
    lambda a, b: int(a >= b),
    lambda a, b: int(a <= b),
)


class PlainCircuit:
    """Two halves of wires, changed in turn: a gate XORs an operation on the other half onto its target."""

    def __init__(self, task: CircuitValue):
        self.wires, self.layers, self.deep = task.gates_per_layer, task.layers, task.wiring == "deep"
        pairs = combinations(range(self.wires), 2)
        self.gates = [(operation, a, b) for a, b in pairs for operation in OPERATIONS]
        self.kinds = range(len(self.gates))
        self.first_gate = FIRST + 2 + 4 * self.wires

    def draw(self, random: Random) -> Tokens:
        inputs = random.choices((0, 1), k=2 * self.wires)
        return inputs + random.choices(self.kinds, k=self.wires * self.layers)

    def make(self, fields: Tokens) -> Made:
        wires, state = self.wires, fields[: 2 * self.wires]
        inputs, trace = state[:], []
        prompt = [FIRST + 2 + 2 * wire + bit for wire, bit in enumerate(inputs)]
        for place, kind in enumerate(fields[2 * wires :]):
            layer, wire = divmod(place, wires)
            half = layer % 2 * wires
            other = wires - half
            operation, a, b = self.gates[kind]
            read = state if self.deep else inputs
            state[half + wire] ^= operation(read[other + a], read[other + b])
            trace.append(state[half + wire] + FIRST)
            prompt.append(self.first_gate + (half + wire) * len(self.gates) + kind)
        answer = [bit + FIRST for bit in state]
        labels = [UNASKED] * len(inputs) + trace + answer
        return prompt + [QUERY] * len(answer), labels, trace, answer

    def fields(self, prompt: Tokens) -> Tokens:
        inputs, end = 2 * self.wires, (2 + self.layers) * self.wires
        bits = [(token - FIRST) % 2 for token in prompt[:inputs]]
        return bits + [(token - self.first_gate) % len(self.gates) for token in prompt[inputs:end]]


PLAIN_GENERATORS: dict[str, Callable[[Any], Any]] = {
    "Words": PlainWords,
    "ElementaryAutomaton": PlainAutomaton,
    "CircuitValue": PlainCircuit,
}


def check_same_instances(task: AbstractTask, plain: Any) -> None:
    """SystemExit unless plain Python completes the fields of our instances as ours does."""
    instances = task.sample(CHECKED, key=jax.random.key(1))
    drawn = (instances.prompt, instances.labels, instances.trace, instances.answer)
    for ours in zip(*(np.asarray(part).tolist() for part in drawn), strict=True):
        assert PAD not in ours[0]
        if plain.make(plain.fields(ours[0])) != ours:
            raise SystemExit(f"{task}: plain Python makes another instance; nothing is measured")


def main() -> None:
    chosen = options(__doc__, repeats=7)
    here = machine("jax", "jaxlib")
    rows: list[dict[str, Any]] = []
    for name, plain_generator in PLAIN_GENERATORS.items():
        kind = TASKS[name]
        for task in (kind(), kind().control):
            if task is None:
                continue
            plain = plain_generator(task)
            check_same_instances(task, plain)
            random = Random(0)

            def ours(task: AbstractTask, batch: int, keys: list[jax.Array]) -> None:
                for key in keys:
                    jax.block_until_ready(task.sample(batch, key=key))

            def theirs(plain: Any, random: Random) -> None:
                for _ in range(PLAIN):
                    plain.make(plain.draw(random))

            blocks: dict[str, Callable[[], None]] = {"plain": partial(theirs, plain, random)}
            for batch, count in BATCHES.items():
                keys = list(jax.random.split(jax.random.key(0), count))
                blocks[str(batch)] = partial(ours, task, batch, keys)
            seconds = alternate(blocks, chosen.repeats)
            their = Timing.of(seconds["plain"], PLAIN)
            for batch, count in BATCHES.items():
                our = Timing.of(seconds[str(batch)], batch * count)
                rows.append(
                    {
                        "task": repr(task),
                        "batch": batch,
                        "ours_per_s": our.per_second(),
                        "theirs_per_s": their.per_second(),
                        "ratio": their.median_s / our.median_s,
                        "ratio_of_minima": their.minimum_s / our.minimum_s,
                    }
                )
    show(
        f"Instances per second (medians of {chosen.repeats} blocks)",
        ["task", "batch", "ours", "plain Python", "ratio", "ratio of minima"],
        [
            [
                row["task"],
                f"{row['batch']:,}",
                f"{row['ours_per_s']:,.0f}",
                f"{row['theirs_per_s']:,.0f}",
                f"{row['ratio']:.0f}",
                f"{row['ratio_of_minima']:.0f}",
            ]
            for row in rows
        ],
    )
    if chosen.keep:
        keep("instances", {"machine": here, "repeats": chosen.repeats, "rows": rows})


if __name__ == "__main__":
    main()
