"""Squarings against Python's integers, moduli against trial division, and theorems about their groups."""

import math
import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, QUERY
from seriality.meter import growth, measure
from seriality.study.splits import TEST, TRAIN, draw
from seriality.tasks.base import FIRST
from seriality.tasks.iterated_squaring import IteratedSquaring, order_of_two

KEY = jax.random.key(37)
ORDERS = pytest.mark.parametrize("order", ["hidden", "known"])


def numbers(text):
    """N, x, the number beside and the squarings, read from the text alone."""
    labels = ("N", "x", "(?:Another number|Totient of N)", "Squarings")
    return [int(re.search(rf"^{label}: (\d+)$", text, re.MULTILINE)[1]) for label in labels]


def sampled(task, count, depth=None):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, depth=depth))


def factors(n):
    found, divisor = [], 2
    while n > 1:
        while n % divisor == 0:
            found.append(divisor)
            n //= divisor
        divisor += 1 if divisor * divisor <= n else n - divisor
    return found


@ORDERS
@pytest.mark.parametrize("bits", [10, 16, 31])
def test_trace_and_answer_are_powers(order, bits):
    task = IteratedSquaring(squarings=6, bits=bits, order=order)
    batch = sampled(task, 60, jnp.asarray(np.arange(60) % 6 + 1))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    assert np.array_equal(answers, batch.answer)
    for i, depth in enumerate(batch.depth.tolist()):
        modulus, x, beside, squarings = numbers(task.render(batch.prompt[i]))
        assert squarings == depth
        assert modulus.bit_length() == bits
        residues = [pow(x, 2**n, modulus) for n in range(1, depth + 1)]
        assert task.render_trace(batch.trace[i]).split() == [str(residue) for residue in residues]
        assert task.render_answer(batch.answer[i]) == str(residues[-1])
        assert not batch.trace[i, depth * task.digits :].any()
        p, q = factors(modulus)
        assert (beside == (p - 1) * (q - 1)) == (order == "known")


def test_the_reference_on_every_prompt_of_ten_bits():
    task = IteratedSquaring(squarings=9, bits=10, order="known")
    prompts, right = [], []
    for modulus in task.moduli:
        p, q = factors(modulus)
        for x in residues(modulus):
            depth = x % 9 + 1
            digits = "".join(f"{number:04}" for number in (modulus, x, (p - 1) * (q - 1)))
            steps = [FIRST + 10] * depth + [PAD] * (9 - depth)
            prompt = np.array([*(FIRST + int(digit) for digit in digits), *steps, *[QUERY] * 4], np.int32)
            assert f"\nx: {x}\nTotient of N: {(p - 1) * (q - 1)}\nSquarings: {depth}\n" in task.render(prompt)
            prompts.append(prompt)
            right.append(pow(x, 2**depth, modulus))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(np.stack(prompts)))
    assert [int(task.render_answer(answer)) for answer in answers] == right
    hidden = jax.jit(jax.vmap(IteratedSquaring(squarings=9, bits=10).reference))(np.stack(prompts))
    assert np.array_equal(hidden, answers)  # of the totient it takes no notice


@ORDERS
def test_many_squarings(order):
    """2^t mod φ(N) needs all of its rounds, and Carmichael's function would do as well."""
    task = IteratedSquaring(squarings=300, bits=31, order=order)
    batch = sampled(task, 8, jnp.arange(293, 301))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(batch.prompt))
    for i in range(8):
        modulus, x, _, squarings = numbers(task.render(batch.prompt[i]))
        p, q = factors(modulus)
        exponent = pow(2, squarings, math.lcm(p - 1, q - 1))
        assert int(task.render_answer(answers[i])) == pow(x, exponent, modulus)


@pytest.mark.parametrize("bits", [10, 13, 16])
def test_the_moduli_are_all_there_are(bits):
    """By trial division and by squaring until it repeats."""
    found = []
    for modulus in range(2 ** (bits - 1) + 1, 2**bits, 4):  # p = q = 3 modulo 4
        if len(primes := factors(modulus)) != 2 or primes[0] == primes[1]:
            continue
        halves = [(p - 1) // 2 for p in primes]
        if all(len(factors(half)) == 1 and half % 2 for half in halves):
            period, power = 1, 2 % math.prod(halves)
            while power != 1:
                period, power = period + 1, 2 * power % math.prod(halves)
            if period >= 2 ** (bits / 2):
                found.append(modulus)
    assert list(IteratedSquaring(bits=bits).moduli) == found
    assert 179 * 47 not in IteratedSquaring(bits=14).moduli


def test_large_moduli_are_of_balanced_primes():
    moduli = IteratedSquaring(bits=31).moduli
    assert len(moduli) == 4096
    for modulus in moduli[::256]:
        p, q = factors(modulus)
        assert p < q < 2**16
        assert q / p < 1.6
        assert order_of_two(p // 2) * order_of_two(q // 2) > 2**15.5


def test_orders_of_two():
    """Against counting; 2^11 - 1 = 23 * 89."""
    assert order_of_two(23) == order_of_two(89) == 11
    for prime in (3, 5, 7, 11, 127, 257, 8191, 65537):
        order, power = 1, 2 % prime
        while power != 1:
            order, power = order + 1, 2 * power % prime
        assert order_of_two(prime) == order


def residues(modulus):
    """All x that may be asked for: neither 0 nor 1 nor -1 modulo p or q."""
    p, q = factors(modulus)
    return [x for x in range(modulus) if x % p not in (0, 1, p - 1) and x % q not in (0, 1, q - 1)]


def test_squaring_is_a_bijection_of_the_squares():
    """So over all x every square of full order is the answer equally often, and walks come back together."""
    for modulus in IteratedSquaring(bits=10).moduli:
        p, q = factors(modulus)
        for squarings in (1, 2, 7):
            counts = Counter(pow(x, 2**squarings, modulus) for x in residues(modulus))
            assert len(counts) == (p - 3) * (q - 3) // 4
            assert set(counts.values()) == {4}
        period = math.lcm(order_of_two(p // 2), order_of_two(q // 2))
        for x in residues(modulus):
            walk = [pow(x, 2**n, modulus) for n in range(1, period + 1)]
            assert len(set(walk)) == period
            assert walk[-1] ** 2 % modulus == walk[0]
    twin = Counter(pow(x, 2**4, 17 * 41) for x in residues(17 * 41))
    assert max(twin.values()) > 100  # where p - 1 is divisible by 8, squaring ends at few squares


def test_guesses():
    """4 is the likeliest answer, as often as stated; other cheap guesses are as rarely right."""
    task = IteratedSquaring(squarings=12, bits=10)
    batch = sampled(task, 8000)
    asked = [numbers(task.render(prompt))[:3] for prompt in batch.prompt]
    answers = [int(task.render_answer(answer)) for answer in batch.answer]
    counts = Counter(answers)
    error = 5 * math.sqrt(task.guess_rate / 8000)
    assert abs(counts[4] / 8000 - task.guess_rate) < error
    assert max(counts.values()) / 8000 < task.guess_rate + error
    guesses = {
        "x": lambda n, x, beside: x,
        "its square": lambda n, x, beside: x * x % n,
        "beside": lambda n, x, beside: beside % n,
        "power": lambda n, x, beside: pow(x, pow(2, 12, beside), n),
        "one squaring short": lambda n, x, beside: pow(x, 2**11, n),
    }
    rare = 4 * task.guess_rate  # any root in four
    for name, guess in guesses.items():
        right = np.mean([guess(*question) == answer for question, answer in zip(asked, answers, strict=True)])
        assert right < rare + 5 * math.sqrt(rare / 8000), name
    known = sampled(task.control, 1000)
    for prompt, answer in zip(known.prompt, known.answer, strict=True):
        n, x, beside, _ = numbers(task.control.render(prompt))
        assert guesses["power"](n, x, beside) == int(task.render_answer(answer))


@ORDERS
def test_every_modulus_and_residue_is_as_likely(order):
    task = IteratedSquaring(squarings=1, bits=10, order=order)
    prompts, counts = np.unique(sampled(task, 40_000).prompt[:, :8], axis=0, return_counts=True)
    asked = {modulus: len(residues(modulus)) for modulus in task.moduli}
    assert len(prompts) == sum(asked.values())
    modulus = prompts[:, :4] @ [1000, 100, 10, 1] - 2222
    share = [1 / asked[int(each)] / len(asked) for each in modulus]
    expected = 40_000 * np.array(share)
    degrees = len(counts) - 1
    assert np.sum((counts - expected) ** 2 / expected) < degrees + 5 * np.sqrt(2 * degrees)


def test_task_and_control_differ_in_the_number_beside_alone():
    task = IteratedSquaring(squarings=4)
    ours, theirs = sampled(task, 500), sampled(task.control, 500)
    d = task.digits
    beside = np.arange(ours.prompt.shape[1]) // d == 2
    assert np.array_equal(ours.prompt[:, ~beside], theirs.prompt[:, ~beside])
    assert np.array_equal(ours.trace, theirs.trace)
    assert np.all((ours.prompt != theirs.prompt)[:, beside].any(axis=1))
    values = [set(map(bytes, batch.prompt[:, beside])) for batch in (ours, theirs)]
    assert len(values[0] & values[1]) > 0.9 * len(values[0] | values[1])
    assert task.control.control is None


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 70), st.integers(10, 31), st.sampled_from(["hidden", "known"]))
def test_the_meter_agrees_with_the_declared_cost(squarings, bits, order):
    task = IteratedSquaring(squarings, bits, order)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_spans_grow_as_told():
    spans = [
        growth({n: IteratedSquaring(n, 16, order).cost().span for n in (32, 64, 128, 256)})
        for order in ("hidden", "known")
    ]
    assert [each.law for each in spans] == ["linear", "constant"]
    shorter = [
        n
        for n in range(1, 100)
        if IteratedSquaring(n, 16, "known").cost().span < IteratedSquaring(n).cost().span
    ]
    assert shorter[0] == 40


def test_splits_share_no_square():
    task = IteratedSquaring(squarings=3, bits=12)
    jitted = jax.jit(draw, static_argnums=(0, 1, 2))
    squares = []
    for split in (TRAIN, TEST):
        prompts = np.asarray(jitted(task, split, 1500, depth=3, key=KEY).prompt)
        asked = [numbers(task.render(prompt)) for prompt in prompts]
        squares.append({(n, x * x % n) for n, x, _, _ in asked})
    assert len(squares[0]) > 1000
    assert len(squares[1]) > 500
    assert not squares[0] & squares[1]


def test_render():
    task = IteratedSquaring(squarings=3, bits=10)
    assert task.moduli == (11 * 47, 7 * 107)
    text = "\n".join(
        [
            "A squaring replaces x by the remainder of x*x divided by N.",
            "N: 517",
            "x: 7",
            "Another number: 636",
            "Squarings: 2",
            "(The other number is not needed.)",
            "What is x after all squarings? Answer with that number alone, in decimal.",
        ]
    )
    prompt = [2, 7, 3, 9, 2, 2, 2, 9, 2, 8, 5, 8, 12, 12, PAD, 1, 1, 1, 1]
    assert task.parse(text).tolist() == prompt
    assert task.render(np.array(prompt)) == text
    assert (
        np.asarray(task.reference(jnp.array(prompt, jnp.int32))).tolist() == task.parse_answer("333").tolist()
    )
    assert 7**4 % 517 == 333
    assert task.render_answer(np.array([2, 2, 2, 9])) == "7"
    assert task.parse_answer(" 7\n").tolist() == [2, 2, 2, 9]
    assert task.render_answer(np.array([PAD, 2, 2, 9])) == "PAD 0 0 7"


@pytest.mark.parametrize(
    ("order", "old", "new", "fault"),
    [
        ("hidden", "N: 517", "N: 519", r"N 519: must be one of 2 moduli, e.g. 517"),
        ("hidden", "N: 517", "N: 1517", r"N '1517': must be a whole number from 512 to 1023"),
        ("hidden", "N: 517\n", "", r"0 lines begin with 'N:'"),
        ("hidden", "x: 7", "x: 77", r"x 77: neither x nor x \+ 1 nor x - 1 may have a factor"),
        ("hidden", "x: 7", "x: 12", r"x 12: neither"),
        ("hidden", "x: 7", "x: 517", r"x '517': must be a whole number from 1 to 516"),
        ("hidden", "x: 7", "x: 7.0", r"x '7.0'"),
        (
            "hidden",
            "number: 636",
            "number: 460",
            r"Another number 460: must be the totient of another modulus",
        ),
        ("hidden", "number: 636", "number: 637", r"e.g. 636"),
        ("hidden", "Squarings: 2", "Squarings: 4", r"squarings '4': must be a whole number from 1 to 3"),
        ("known", "Totient of N: 460", "Totient of N: 636", r"Totient of N 636: that of 517 is 460"),
    ],
)
def test_bad_texts(order, old, new, fault):
    task = IteratedSquaring(squarings=3, bits=10, order=order)
    beside = [2, 8, 5, 8] if order == "hidden" else [2, 6, 8, 2]
    text = task.render(np.array([2, 7, 3, 9, 2, 2, 2, 9, *beside, 12, 12, PAD, 1, 1, 1, 1]))
    assert task.parse(text) is not None
    assert old in text
    with pytest.raises(ValueError, match=fault) as error:
        task.parse(text.replace(old, new))
    assert "\n" not in str(error.value)


def test_bad_answers_and_dials():
    for answer in ("10000", "-1", "7 8", "", "x = 7"):
        with pytest.raises(ValueError, match=r"answer .* must be a whole number from 0 to 9999"):
            IteratedSquaring(bits=10).parse_answer(answer)
    with pytest.raises(ValueError, match="3 faults") as error:
        IteratedSquaring(0, 9, "open")
    assert all(name in str(error.value) for name in ("squarings=0", "bits=9", "order='open'", "at most 31"))
    with pytest.raises(ValueError, match="make one of them smaller"):
        IteratedSquaring(2**20, 16)
