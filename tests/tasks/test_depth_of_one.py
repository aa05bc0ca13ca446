"""Depth of 1, against circuits read from the question's text and evaluated gate by gate."""

import re
from collections import Counter
from itertools import chain, product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, UNASKED
from seriality.meter import measure
from seriality.tasks import CircuitValue, DepthOfOne

KEY = jax.random.key(23)


def read(text):
    """From a question's text alone: the gates as (kind, what each reads), inputs first as (None, value)."""
    nodes = [(None, int(value)) for value in re.search(r"^inputs: (.*)$", text, re.M)[1].split()]
    below = range(len(nodes))
    for kind, gates in re.findall(r"^layer \d+, (OR|AND): (.*)$", text, re.M):
        start = len(nodes)
        nodes += [(kind, [below[int(place) - 1] for place in gate.split(",")]) for gate in gates.split()]
        below = range(start, len(nodes))
    return nodes


def values_and_depths(nodes):
    """What every node outputs, and the longest path to it from an input."""
    values, depths = [], []
    for kind, reads in nodes:
        if kind is None:
            values.append(reads)
            depths.append(0)
        else:
            values.append(int((any if kind == "OR" else all)(values[each] for each in reads)))
            depths.append(1 + max(depths[each] for each in reads))
    return values, depths


def depth_of_one(nodes):
    """The largest depth of a gate that outputs 1; 0 if there is none: the definition."""
    gates = [each for each in zip(*values_and_depths(nodes), nodes, strict=True) if each[2][0]]
    return max((depth for value, depth, _ in gates if value), default=0)


def alternates(nodes):
    return all(nodes[each][0] != kind for kind, reads in nodes if kind for each in reads)


def drawn(task, count, **at):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, **at))


@settings(max_examples=5, deadline=None)
@given(
    st.integers(2, 4),
    st.integers(1, 6),
    st.sampled_from(["depth", "choice"]),
    st.sampled_from(["deep", "wide"]),
)
def test_answers_follow_from_the_text(gates, layers, question, wiring):
    task = DepthOfOne(gates, layers, question, wiring)
    batch = drawn(task, 16, depth=jnp.asarray(np.arange(16) % layers + 1))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(jnp.asarray(batch.prompt)))
    assert np.array_equal(answers, batch.answer)
    for prompt, answer, depth in zip(batch.prompt, batch.answer, batch.depth, strict=True):
        text = task.render(prompt)
        nodes = read(text)
        assert alternates(nodes)
        assert max(values_and_depths(nodes)[1]) == 2 * depth + 3
        found = depth_of_one(nodes)
        if question == "choice":
            length = int(re.search(r"^layers of the chain: (\d+)$", text, re.M)[1])
            assert length != found
            assert task.render_answer(answer) == ("circuit" if found > length else "chain")
        else:
            assert task.render_answer(answer) == str(found)
        assert np.array_equal(task.parse(text), prompt)


def test_every_circuit_of_one_block_on_every_input():
    """All 64 gates of two wires, all guards, all 16 inputs."""
    task = DepthOfOne(2, 1)
    tokens = task.format.tokens
    run = jax.jit(jax.vmap(task.reference))
    gates = [[i for i, text in enumerate(tokens) if text.startswith(f"u{w}^=")] for w in (0, 1)]
    literals = [[tokens.index(text) for text in (f"u{w}=0", f"u{w}=1", "-")] for w in (0, 1)]
    inputs = [[tokens.index(f"{wire}={bit}") for bit in "01"] for wire in ("u0", "u1", "v0", "v1")]
    prompts = np.array([(*each, 1) for each in product(*inputs, *gates, *literals)], np.int32)
    assert len(prompts) == 16 * 64 * 9
    answers = np.asarray(run(jnp.asarray(prompts)))[:, 0]
    for prompt, answer in zip(prompts[::7], answers[::7], strict=True):
        assert depth_of_one(read(task.render(prompt))) == int(tokens[answer])


def test_the_rails_compute_the_wires():
    """While a circuit lives, an AND layer holds each wire of CircuitValue and its opposite."""
    task, wires = DepthOfOne(3, 5), CircuitValue(3, 5)
    run = jax.jit(wires.run)
    for prompt in drawn(task, 12).prompt:
        blocks = prompt[6:-1].reshape(5, 2, 3)
        _, changed = run(jnp.asarray((prompt[:6] % 2).reshape(2, 3) + 2), jnp.asarray(blocks[:, 0]))
        below = np.cumsum([0, *(len(gates) for _, gates in task.circuit(prompt).layers)])
        values, _ = values_and_depths(read(task.render(prompt)))
        for k in range(5):
            rails = np.array(values[12 + below[2 * k + 1] :][:12]).reshape(2, 3, 2)[k % 2]
            if rails.any():
                assert np.array_equal(rails[:, 0], np.asarray(changed[k]) - 2)
                assert np.array_equal(rails[:, 1], 1 - rails[:, 0])


@pytest.mark.parametrize("question", ["depth", "choice"])
def test_trace_and_labels(question):
    task = DepthOfOne(3, 4, question)
    batch = drawn(task, 40, depth=jnp.asarray(np.arange(40) % 4 + 1))
    text = task.format.tokens
    for i, depth in enumerate(batch.depth):
        circuit = task.circuit(batch.prompt[i])
        values, fields = circuit.values(), batch.labels[i, 6:30].reshape(4, 2, 3)
        for k, row in enumerate(batch.trace[i].reshape(4, 4)):
            if k >= depth:
                assert (row == PAD).all()
                assert (fields[k] == UNASKED).all()
                continue
            rails = values[2 * k + 1][6 * (k % 2) :][:6:2]
            lives, goes_on = any(values[2 * k + 1]), any(values[2 * k + 3])
            wires = [str(value) if lives else "off" for value in rails]
            assert [text[token] for token in row] == [*wires, "on" if goes_on else "off"]
            assert [text[token] for token in fields[k, 0]] == wires
            cut = min(sum(map(any, values)), 2 * k + 5)
            asked = [UNASKED, UNASKED, text.index(str(cut)) if question == "depth" else UNASKED]
            assert fields[k, 1].tolist() == asked
        assert batch.labels[i, -1] == batch.answer[i, 0]


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize(("gates", "depth"), [(3, 8), (3, 3), (2, 8)])
def test_every_depth_has_its_chance(gates, depth, wiring):
    task = DepthOfOne(gates, 8, "depth", wiring)
    chances = task.chances(depth)
    assert sum(chances.values()) == pytest.approx(1)
    assert list(chances) == [2 * m + 3 for m in range(depth + 1)]
    count = 4096
    found = Counter(task.format.tokens[token] for token in drawn(task, count, depth=depth).answer[:, 0])
    for do1, chance in chances.items():
        assert abs(found[str(do1)] / count - chance) <= 5 * np.sqrt(chance * (1 - chance) / count)


def test_chances_are_near_uniform_where_guards_can_be_rare():
    for layers in (1, 4, 8, 16, 32):
        for depth in range(1, layers + 1):
            assert max(DepthOfOne(5, layers).chances(depth).values()) <= 2 / (depth + 1)
    narrow = DepthOfOne(2, 16).chances(16)
    assert max(narrow.values()) == 0.25
    assert sum(narrow[do1] for do1 in narrow if do1 >= 17) > 0.5


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
def test_the_choice_is_a_fair_coin_whatever_the_chain(depth):
    task, count = DepthOfOne(3, 8, "choice"), 8192
    batch = drawn(task, count, depth=depth)
    lengths = batch.prompt[:, -2]
    circuit = batch.answer[:, 0] == task.format.tokens.index("circuit")
    for length in np.unique(lengths):
        own = circuit[lengths == length]
        assert abs(own.mean() - 0.5) <= 5 * 0.5 / np.sqrt(len(own))


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_each_guard_says_nothing_without_the_inputs(layers):
    """Over all inputs the wires that it reads take all values equally often, and it fails for 2^-q."""
    task = DepthOfOne(2, layers)
    inputs = np.array(list(product((0, 1), repeat=4)))
    run = jax.jit(jax.vmap(task._wires.run, (0, None)))
    for prompt in drawn(task, 8).prompt:
        blocks = prompt[4:-1].reshape(layers, 2, 2)
        values = np.asarray(run(jnp.asarray(inputs.reshape(-1, 2, 2) + 2), jnp.asarray(blocks[:, 0]))[1]) - 2
        for k, guard in enumerate(blocks[:, 1]):
            texts = [task.format.tokens[token] for token in guard]
            read = [place for place, text in enumerate(texts) if text != "-"]
            false = np.all([values[:, k, place] != int(texts[place][-1]) for place in read], axis=0)
            assert false.mean() == (2.0 ** -len(read) if read else 0)


def test_each_guard_says_nothing_without_its_block():
    """With inputs and all below given, over the opposites of the block's gates it fails for 2^-q."""
    task = DepthOfOne(3, 2)
    opposite = {"AND": "NAND", "OR": "NOR", "GT": "LE", "LT": "GE"}
    opposite |= {name: other for other, name in opposite.items()}
    tokens = task.format.tokens
    run = jax.jit(jax.vmap(task._wires.run))
    for prompt in drawn(task, 8).prompt:
        gates = prompt[6:-1].reshape(2, 2, 3)[:, 0]
        pairs = [
            (gate, tokens.index(re.sub(r"[A-Z]+", lambda found: opposite[found[0]], tokens[gate])))
            for gate in gates[1]
        ]
        last = np.array(list(product(*pairs)))
        every = np.stack([np.tile(gates[0], (8, 1)), last], axis=1)
        inputs = np.tile((prompt[:6] % 2 + 2).reshape(2, 3), (8, 1, 1))
        values = np.asarray(run(jnp.asarray(inputs), jnp.asarray(every))[1])[:, 1]
        assert len(np.unique(values, axis=0)) == 8


def tokens_of(task, prompts):
    """Every token at its place, and how many there are of each."""
    places = [prompts[:, [place]] == np.unique(prompts[:, place]) for place in range(prompts.shape[1])]
    counts = [(prompts == token).sum(axis=1, keepdims=True) for token in range(task.format.vocabulary)]
    return np.concatenate([*places, *counts, np.ones((len(prompts), 1))], axis=1).astype(float)


def circuits_of(task, prompts):
    """How many gates there are, what layers 1 and 2 output and how many ones, and for each layer how often
    its most read places are read."""
    found = []
    for prompt in prompts:
        circuit = task.circuit(prompt)
        first, second = task.circuit(prompt)._replace(layers=circuit.layers[:2]).values()
        read = [Counter(place for gate in gates for place in gate) for _, gates in circuit.layers[:-3]]
        most = [count for each in read for _, count in each.most_common(3)]
        found.append([1, len(circuit.layers[2][1]), *first, *second, sum(first), sum(second), *most])
    return np.array(found, float)


def guessed(found, right):
    """The accuracy on the second half of a linear classifier fitted to the first half."""
    half = len(found) // 2
    x, y = found[:half], 2.0 * right[:half] - 1
    weights = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ y)
    return np.mean((found[half:] @ weights > 0) == right[half:])


def test_no_tokens_tell_the_choice():
    task, count = DepthOfOne(3, 6, "choice"), 8000
    batch = drawn(task, count)
    right = batch.answer[:, 0] == task.format.tokens.index("circuit")
    chance = 0.5 + 4 * 0.5 / np.sqrt(count / 2)
    assert guessed(tokens_of(task, batch.prompt), right) < chance
    # a third guard whose literals are true of 1 where the circuit lasts
    leaking = batch.prompt.copy()
    literals = leaking[:, 6:-2].reshape(count, 6, 2, 3)[:, 2, 1]
    literals += (literals < task._skip) & (literals % 2 == 0) & right[:, None]
    assert guessed(tokens_of(task, leaking), right) > chance + 0.1


def test_neither_wiring_nor_the_first_layers_tell_the_choice():
    task, count = DepthOfOne(3, 6, "choice"), 1200
    batch = drawn(task, count)
    right = batch.answer[:, 0] == task.format.tokens.index("circuit")
    found = circuits_of(task, batch.prompt)
    chance = 0.5 + 4 * 0.5 / np.sqrt(count / 2)
    assert guessed(found, right) < chance
    once = found[:, -15:].sum(axis=1)  # places read most often
    assert guessed(found, once > np.median(once)) > chance + 0.1


@pytest.mark.parametrize("wiring", ["deep", "wide"])
@pytest.mark.parametrize("question", ["depth", "choice"])
@pytest.mark.parametrize("size", [(2, 1), (2, 2), (3, 8), (5, 7)])
def test_the_meter_agrees_with_the_declared_cost(size, question, wiring):
    task = DepthOfOne(*size, question, wiring)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt)
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_one_guard_and_idle_blocks_part_the_depths_as_far_as_one_likes():
    """What makes approximating hard: the guard reads a result, and the rest is empty."""
    task = DepthOfOne(2, 40)
    prompt = drawn(task, 1).prompt[0].copy()
    blocks = prompt[4:-1].reshape(40, 2, 2)
    blocks[:, 1] = task._skip
    _, values = task._wires.run(jnp.asarray((prompt[:4] % 2).reshape(2, 2) + 2), jnp.asarray(blocks[:, 0]))
    found = []
    for sought in "01":
        blocks[1, 1, 0] = task.format.tokens.index(f"v0={sought}")
        text = task.render_answer(np.asarray(task.reference(jnp.asarray(prompt))))
        assert depth_of_one(read(task.render(prompt))) == int(text)
        found.append(int(text))
    assert found[int(values[1, 0]) - 2] == 83
    assert found[3 - int(values[1, 0])] == 5


def test_picture_shows_the_gates_that_output_1():
    task = DepthOfOne(3, 8)
    batch = drawn(task, 4)
    for parts in zip(batch.prompt, batch.trace, batch.answer, strict=True):
        svg = task.picture(*parts)
        assert len(svg) < 20_000
        *_, cold, hot = ElementTree.fromstring(svg)
        circuit = task.circuit(parts[0])
        shown = [*circuit.inputs, *chain.from_iterable(circuit.values())]
        assert (cold.get("d").count("M"), hot.get("d").count("M")) == (shown.count(0), shown.count(1))
        last = max(int(x) for x in re.findall(r"M(\d+) ", hot.get("d")))
        assert (last - 12) // 26 == int(task.render_answer(parts[2]))
    large = DepthOfOne(8, 16)
    batch = drawn(large, 1)
    assert large.picture(batch.prompt[0], batch.trace[0], batch.answer[0]) is None


def test_text():
    task = DepthOfOne(2, 1)
    rules = task.render(drawn(task, 1).prompt[0]).partition("inputs:")[0]
    prompt = task.parse(
        f"{rules}inputs: 1 0 0 1 0 1 1 0\n"
        "layer 1, OR: 1,5 1,7 2,6,8 2,5 2,7 1,6,8 4,5 4,8 3,6,7 3,5 3,8 4,6,7 5 6 7 8\n"
        "layer 2, AND: 1,2,3 4,5,6 7,8,9 10,11,12 13 14 15 16\n"
        "layer 3, OR: 1 2 3 4 5 6 7 8 2,3\n"
        "layer 4, AND: 1,9 2,9 3,9 4,9 5,9 6,9 7,9 8,9\n"
        "layer 5, OR: 1 2 3 4 5 6 7 8"
    )
    texts = [task.format.tokens[token] for token in prompt]
    gates = ["u0^=AND(v0,v1)", "u1^=LE(v0,v1)", "u0=0", "u1=1"]
    assert texts == ["u0=1", "u1=0", "v0=0", "v1=1", *gates, "QUERY"]
    trace = [task.format.tokens.index(text) for text in ("1", "1", "on")]
    said = "layer 2: gates 1 to 4 output 1 0 1 0; layer 4 will be not all 0"
    assert task.render_trace(np.array(trace, np.int32)) == said


def test_bad_text():
    task = DepthOfOne(2, 2, "choice")
    text = task.render(drawn(task, 1).prompt[0])
    first = re.search(r"^layer 1, OR: (.*)$", text, re.M)[1]
    for wrong, said in (
        (re.sub("inputs: . .", "inputs: 1 1", text), "must be 4 pairs of 0 1 or 1 0"),
        (re.sub("layer 7.*", "", text), "6 lines begin with 'layer '"),
        (text.replace(first, "x" + first), "gates must be numbers"),
        (text.replace(first, "1,2 " + first), "layer 1: gates 1 to 6 compute no wire"),
        (text.replace("layer 4, AND: ", "layer 4, AND: 1 "), "is no layer 4, AND of such a circuit"),
        (re.sub("(layer 3, OR: .*) .*", r"\1 5,5", text), "layer 3: its last gate reads 5, which no guard"),
        (text.replace("layer 3, OR", "layer 3, AND"), "is no layer 3, OR of such a circuit"),
        (re.sub("chain: .*", "chain: 5", text), "must be even, from 4 to 6"),
        (re.sub("chain: .*", "", text), "0 lines begin with 'layers of the chain:'"),
    ):
        assert wrong != text
        with pytest.raises(ValueError, match=said) as error:
            task.parse(wrong)
        assert "\n" not in str(error.value)
    for asked, wrong in ((task, "5"), (DepthOfOne(2, 2), "4"), (DepthOfOne(2, 2), "chain")):
        with pytest.raises(ValueError, match="must be "):
            asked.parse_answer(wrong)


def test_bad_dials_are_told_at_once():
    with pytest.raises(ValueError, match="4 faults") as error:
        DepthOfOne(1, 0, "which", "flat")
    for said in ("gates_per_layer=1", "layers=0", "question='which'", "wiring='flat'"):
        assert said in str(error.value)
