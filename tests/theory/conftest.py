"""What the tests of circuits share: their meaning without packing and compiling."""

import numpy as np
import pytest

from seriality.theory.circuits import Circuit


def outputs_of(circuit: Circuit, bits):
    """The outputs, gate by gate, with numbers: a row of bits at a time is a column here."""
    values = [np.zeros(len(bits), bool), np.ones(len(bits), bool), *bits.T]
    for layer in circuit.layers:
        for kind, wires in layer:
            for gate in wires:
                read = np.array([values[wire] for wire in gate])
                values.append(
                    {
                        "AND": read.all(0),
                        "OR": read.any(0),
                        "NOT": ~read[0],
                        "MAJORITY": 2 * read.sum(0) > len(read),
                    }[kind]
                )
    return np.array([values[wire] for wire in circuit.outputs]).reshape(-1, len(bits)).T


@pytest.fixture(scope="session")
def gate_by_gate():
    """The outputs of a circuit for rows of bits, one gate after the other."""
    return outputs_of
