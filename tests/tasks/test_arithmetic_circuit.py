"""Arithmetic circuits against an evaluator that reads their text."""

import re
from itertools import product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD
from seriality.meter import measure
from seriality.tasks import ArithmeticCircuit

KEY = jax.random.key(5)


def evaluate(text, modulus, wide):
    """From the question's text alone: what the wires hold at the end, and every gate's value by layer."""
    inputs = re.search(r"^inputs: (.*)$", text, re.M)[1].split()
    names = [f"{half}{i}" for half in "uv" for i in range(len(inputs) // 2)]
    wires = dict(zip(names, map(int, inputs), strict=True))
    start, values = dict(wires), []
    for line in re.findall(r"^layer \d+: (.*)$", text, re.M):
        read = start if wide else dict(wires)
        for gate in line.split():
            target, a, b, last = re.fullmatch(r"(\w+)\+=(\w+)\*(\w+)(?:\+(\w+))?", gate).groups()
            change = read[a] * read[b] + (0 if last is None else 1 if last == "1" else read[last])
            wires[target] = (wires[target] + change) % modulus
        values.append([wires[gate.split("=")[0][:-1]] for gate in line.split()])
    return [wires[name] for name in names], values


@settings(max_examples=6, deadline=None)
@given(st.integers(2, 4), st.integers(1, 5), st.sampled_from([2, 3, 5, 7]), st.sampled_from(["deep", "wide"]))
def test_answers_and_traces_follow_from_the_text(gates, layers, modulus, wiring):
    task = ArithmeticCircuit(gates, layers, modulus, wiring)
    depth = np.arange(16) % layers + 1
    batch = jax.tree.map(np.asarray, task.sample(16, key=KEY, depth=jnp.asarray(depth)))
    for i in range(16):
        answer, values = evaluate(task.render(batch.prompt[i]), modulus, wiring == "wide")
        assert task.render_answer(batch.answer[i]) == " ".join(map(str, answer))
        assert (batch.trace[i][: depth[i] * gates] - 2).tolist() == np.ravel(values).tolist()
        assert (batch.trace[i][depth[i] * gates :] == PAD).all()
        assert np.array_equal(task.parse(task.render(batch.prompt[i])), batch.prompt[i])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_every_circuit_is_a_bijection_of_the_states(layers):
    """So answers are uniform over uniform inputs, and a change of a wire after any layer shows at the end."""
    task = ArithmeticCircuit(2, layers, 3)
    prompts = np.asarray(task.sample(4, key=KEY).prompt)
    states = np.array(list(product(range(3), repeat=4))) + 2
    run = jax.jit(jax.vmap(task.reference))
    for prompt in prompts:
        every = np.tile(prompt, (len(states), 1))
        every[:, :4] = states
        assert len(np.unique(np.asarray(run(jnp.asarray(every))), axis=0)) == len(states)


def test_the_twin_that_adds_to_its_own_half_collapses():
    """What the test above would notice: u0 += u0·u1 is no bijection modulo 3."""
    images = {((a + a * b) % 3, b) for a, b in product(range(3), repeat=2)}
    assert len(images) < 9


def test_wires_that_hold_0_and_1_compute_nand():
    """u2 = 1 becomes NAND of v0 and v1, in two steps of -1 modulo 3; all else idles on v2 = u0 = 0."""
    task = ArithmeticCircuit(4, 3, 3)
    idle_u, idle_v = "u0+=v2*v3 u1+=v2*v3", "v0+=u0*u1 v1+=u0*u1 v2+=u0*u1 v3+=u0*u1"
    add = f"{idle_u} u2+=v0*v1 u3+=v2*v3"
    some = np.asarray(task.sample(1, key=jax.random.key(0)).prompt[0])
    rules = task.render(some).partition("inputs:")[0]
    for a, b in product((0, 1), repeat=2):
        inputs = f"{rules}inputs: 0 0 1 0 {a} {b} 0 0"
        text = f"{inputs}\nlayer 1: {add}\nlayer 2: {idle_v}\nlayer 3: {add}"
        after = task.render_answer(np.asarray(task.reference(jnp.asarray(task.parse(text)))))
        assert after == f"0 0 {1 - a * b} 0 {a} {b} 0 0"


def test_two_gates_a_layer_generate_a_group_that_is_not_solvable():
    """Jordan (1873): a 2-transitive group that holds a p-cycle, p prime and at most n - 3, holds A_n."""
    n, terms = (
        81,
        [lambda a, b: a * b, lambda a, b: a * b + a, lambda a, b: a * b + b, lambda a, b: a * b + 1],
    )
    states = np.array(list(product(range(3), repeat=4)))
    maps = []
    for first, (one, other) in product((0, 2), product(terms, repeat=2)):
        after, (a, b) = states.copy(), states[:, [2 - first, 3 - first]].T
        after[:, first], after[:, first + 1] = (
            states[:, first] + one(a, b),
            states[:, first + 1] + other(a, b),
        )
        maps.append(after % 3 @ [27, 9, 3, 1])
    reached, new = np.zeros((n, n), bool), np.array([[0], [1]])
    while new.size:
        reached[new[0], new[1]] = True
        pairs = np.unique(np.concatenate([layer[new] for layer in maps], axis=1), axis=1)
        new = pairs[:, ~reached[pairs[0], pairs[1]]]
    assert reached.sum() == n * (n - 1)
    draw, word, longest = np.random.default_rng(0), np.arange(n), set()
    for layer in draw.integers(len(maps), size=300):
        word = maps[layer][word]
        longest.add(max(map(len, cycles(word.tolist()))))
    assert longest & {41, 43, 47, 53, 59, 61, 67, 71, 73}  # above 81 / 2: a power leaves only that cycle


def cycles(permutation):
    left, found = set(range(len(permutation))), []
    while left:
        cycle = [left.pop()]
        while (place := permutation[cycle[-1]]) != cycle[0]:
            left.remove(place)
            cycle.append(place)
        found.append(cycle)
    return found


def test_picture():
    task = ArithmeticCircuit(3, 4)
    batch = jax.tree.map(np.asarray, task.sample(1, key=KEY, depth=3))
    root = ElementTree.fromstring(task.picture(batch.prompt[0], batch.trace[0], batch.answer[0]))
    shown = [each.text for each in root if each.tag.endswith("text")]
    assert shown[15:] == [str(value) for value in (*batch.prompt[0, :6] - 2, *batch.trace[0, :9] - 2)]
    assert set(shown[6:15]) <= {"ab", "ab+a", "ab+b", "ab+1"}


def test_layers_are_not_affine():
    """With sums alone, f(x + y) + f(0) = f(x) + f(y), and the layers would compose in logarithmic span."""
    task = ArithmeticCircuit(2, 2, 5)
    prompts = np.asarray(task.sample(64, key=KEY).prompt)
    run = jax.jit(jax.vmap(task.reference))

    def at(numbers):
        prompt = prompts.copy()
        prompt[:, :4] = numbers % 5 + 2
        return np.asarray(run(jnp.asarray(prompt))) - 2

    x, y = np.array([1, 2, 3, 4]), np.array([2, 2, 4, 1])
    affine = (at(x + y) + at(0 * x) - at(x) - at(y)) % 5 == 0
    assert affine.all(axis=1).mean() < 0.1


def test_answers_are_uniform():
    task = ArithmeticCircuit(2, 4, 3)
    answers = np.asarray(task.sample(8100, key=KEY).answer) - 2
    counts = np.bincount(answers @ 3 ** np.arange(4), minlength=81)
    assert ((counts - 100) ** 2 / 100).sum() < 80 + 5 * np.sqrt(160)


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize("size", [(2, 1), (2, 2), (3, 3), (4, 7), (5, 16)])
def test_the_meter_agrees_with_the_declared_cost(size, wiring):
    task = ArithmeticCircuit(*size, wiring=wiring)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt)
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_bad_dials_are_told_at_once(as_users_call):
    with pytest.raises(ValueError, match="4 faults") as error:
        ArithmeticCircuit(1, 0, 6, "flat")
    for said in ("gates_per_layer=1", "layers=0", "modulus=6: must be a prime from 2 to 97", "wiring='flat'"):
        assert said in str(error.value)
    for modulus in (1, 4, 91, 101, 5.0, True):
        with pytest.raises(ValueError, match="modulus="):
            ArithmeticCircuit(modulus=modulus)


def test_bad_text():
    task = ArithmeticCircuit(2, 2, 5)
    text = task.render(np.asarray(task.sample(1, key=KEY).prompt)[0])
    first = re.search(r"^layer 1: (\S+)", text, re.M)[1]
    for wrong, said in (
        (text.replace("layer 1", "layer 3"), "where 'layer 1' must be"),
        (text.replace("layer ", "level "), "must be 1 to 2"),
        (text.replace(first, "v0+=u0*u1"), r"layer 1: v0\+=u0\*u1\S* is not in its place"),
        (re.sub(r"inputs: \d", "inputs: 9", text), "is no token"),
        (re.sub(r"inputs: \d", "inputs:", text), "inputs: 3 tokens, must be 4"),
        (re.sub(r"inputs: \d", f"inputs: {first}", text), "must be 4 numbers from 0 to 4"),
    ):
        with pytest.raises(ValueError, match=said):
            task.parse(wrong)
