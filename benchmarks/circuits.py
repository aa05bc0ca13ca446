"""Circuits: gate evaluations a second, and the ratio to NumPy with a byte to a gate.

A gate evaluation is one gate on one input. NumPy takes a whole block of gates and a whole batch at once, as
`values[wires].all(1)`, so the ratio is that of packing and of staying in the cache. Random layers of AND and
OR of fan-in 2, wide and deep; Rule 110 as a circuit; the thresholds of a parity, whose fan-in is the number
of inputs. Both sides are checked to say the same before they are timed.
"""

import time

import jax.numpy as jnp
import numpy as np
from measuring import Timing, alternate, keep, machine, options, show

from seriality.theory.builders import parity
from seriality.theory.circuits import Builder, Circuit, evaluate, unpack
from seriality.theory.compilers import automaton

BITS, FEW = 2**19, 2**13
"""Inputs of a batch, and for NumPy, whose time for each does not fall with more."""


def random_layers(width: int, depth: int) -> Circuit:
    rng, build = np.random.default_rng(0), Builder(width)
    wires = list(build.inputs)
    for _ in range(depth):
        wires = [
            build.gate("AND" if place < width // 2 else "OR", rng.choice(wires, 2, replace=False).tolist())
            for place in range(width)
        ]
    return build.circuit(wires)


def of_parity(inputs: int) -> Circuit:
    build = Builder(inputs)
    return build.circuit([parity(build, build.inputs)])


CIRCUITS = {
    "fan-in 2, 64 wide, 200 deep": random_layers(64, 200),
    "fan-in 2, 2,048 wide, 8 deep": random_layers(2048, 8),
    "Rule 110, 64 cells, 64 steps": automaton(110, 64, 64),
    "parity of 64 by thresholds": of_parity(64),
}


MEANING = {
    "AND": lambda read: read.all(1),
    "OR": lambda read: read.any(1),
    "NOT": lambda read: ~read[:, 0],
    "MAJORITY": lambda read: 2 * read.sum(1) > read.shape[1],
}


def plain(circuit: Circuit, bits: np.ndarray) -> np.ndarray:
    """The outputs [outputs, batch], by blocks of gates, a byte to a gate."""
    values = np.zeros((2 + circuit.inputs + circuit.size, bits.shape[1]), bool)
    values[1], values[2 : 2 + circuit.inputs] = True, bits
    end = 2 + circuit.inputs
    for layer in circuit.layers:
        for kind, wires in layer:
            read = values[wires]
            values[end : end + len(wires)] = MEANING[kind](read)
            end += len(wires)
    return values[circuit.outputs]


def main() -> None:
    given = options(__doc__, 5)
    before = machine("jax", "jaxlib", "numpy")
    rows, result = [], {}
    for name, circuit in CIRCUITS.items():
        rng = np.random.default_rng(1)
        words = jnp.asarray(rng.integers(0, 2**32, (circuit.inputs, BITS // 32), dtype=np.uint32))
        few = unpack(np.asarray(words[:, : FEW // 32]), FEW).T
        start = time.perf_counter()
        found = np.asarray(evaluate(circuit, words))
        first_s = time.perf_counter() - start
        same = plain(circuit, few) == unpack(found[:, : FEW // 32], FEW).T
        assert same.all()
        seconds = alternate(
            {
                "packed": lambda circuit=circuit, words=words: evaluate(circuit, words).block_until_ready(),
                "plain": lambda circuit=circuit, few=few: plain(circuit, few),
            },
            given.repeats,
        )
        packed = Timing.of(seconds["packed"], circuit.size * BITS)
        numpy = Timing.of(seconds["plain"], circuit.size * FEW)
        result[name] = {
            "gates": circuit.size,
            "depth": circuit.depth,
            "wires": circuit.edges,
            "gates_per_s": packed.per_second(),
            "wires_per_s": packed.per_second() * circuit.edges / circuit.size,
            "numpy_gates_per_s": numpy.per_second(),
            "ratio": numpy.median_s / packed.median_s,
            "first_call_s": first_s,
        }
        rows.append((name, *list(result[name].values())))
    columns = ("circuit", "gates", "depth", "wires", "gates/s", "wires/s", "NumPy", "ratio", "first call, s")
    show("Gate evaluations", columns, rows)
    if given.keep:
        keep("circuits", {"machine": before, "circuits": result})


if __name__ == "__main__":
    main()
