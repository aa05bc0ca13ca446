"""Countdown against brute force in plain Python: what numbers give, which tokens are right, what is drawn."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from itertools import combinations, combinations_with_replacement, permutations, product
from math import comb, factorial
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.instance import PAD, QUERY, Instances
from seriality.meter import measure
from seriality.study.splits import split_of
from seriality.tasks.base import FIRST
from seriality.tasks.countdown import CHOICE_DRAWS, MOST_SETS, PAIR_DRAWS, Countdown
from seriality.tasks.countdown_search import first_expression, solvable

KEY = jax.random.key(29)
GAME_OF_24 = Countdown(largest=13, target=24)
EACH_TARGET = pytest.mark.parametrize(
    "task", [Countdown(), Countdown(target="sum"), GAME_OF_24], ids=lambda task: str(task.target)
)


def by_the_rules(x, sign, y):
    """The result of an operation, or None; from the text of the question."""
    if sign == "/" and x % y:
        return None
    result = x // y if sign == "/" else {"+": x + y, "-": x - y, "*": x * y}[sign]
    return result if 1 <= result <= 999 else None


def is_right(words, numbers, target):
    """Whether words are a right answer, END aside: by a stack, one word after the other."""
    while words and words[-1] == "END":
        words = words[:-1]
    stack, used = [], []
    for word in words:
        if word.isdigit():
            stack.append(int(word))
            used.append(int(word))
        elif word in "+-*/" and len(stack) >= 2:
            y, x = stack.pop(), stack.pop()
            if (result := by_the_rules(x, word, y)) is None:
                return False
            stack.append(result)
        else:
            return False
    return stack == [target] and sorted(used) == sorted(numbers)


@cache
def reach(numbers):
    """All values of expressions by the rules of numbers in ascending order: over all ways to part them."""
    if len(numbers) == 1:
        return frozenset(numbers)
    found = set()
    for places in range(1, 2 ** (len(numbers) - 1)):
        left = tuple(x for i, x in enumerate(numbers) if places >> i & 1)
        right = tuple(x for i, x in enumerate(numbers) if not places >> i & 1)
        for x, y in product(reach(left), reach(right)):
            found |= {by_the_rules(*each) for each in product((x,), "+-*/", (y,))}
            found |= {by_the_rules(*each) for each in product((y,), "+-*/", (x,))}
    return frozenset(found - {None})


def question(task, i, batch):
    """Numbers and target of an instance, from its text."""
    lines = dict(line.split(": ") for line in task.render(batch.prompt[i]).splitlines()[2:4])
    return [int(word) for word in lines["Numbers"].split()], int(lines["Target"])


def sampled(task, count, depth=None, key=KEY):
    return jax.tree.map(np.asarray, task.sample(count, key=key, depth=depth))


@cache
def mixed(task):
    """Instances of depths 1, 2, 3, 1, ..."""
    return sampled(task, 300, jnp.asarray(np.arange(300) % 3 + 1))


def asked(task, numbers, target):
    """A prompt, whether `sample` can draw it or not."""
    tokens = [FIRST + int(digit) for digit in f"{target:03}"] + [FIRST + number for number in numbers]
    tokens += [PAD] * (task.operations + 1 - len(numbers)) + [QUERY] * task.format.answer_length
    return np.array(tokens, np.int32)


@partial(jax.jit, static_argnums=0)
def jitted_score(task, answers, instances):
    return task.score(answers, instances)


def scores(task, answers, prompt):
    answers = jnp.asarray(answers, jnp.int32)
    prompts = jnp.broadcast_to(jnp.asarray(prompt), (len(answers), len(prompt)))
    nothing = jnp.zeros((len(answers), 0), jnp.int32)
    depth = jnp.ones(len(answers), jnp.int32)
    return np.asarray(jitted_score(task, answers, Instances(prompts, prompts, nothing, answers, depth)))


# What is drawn


@EACH_TARGET
def test_answers_and_traces_are_right(task):
    batch = mixed(task)
    for i, depth in enumerate(batch.depth.tolist()):
        numbers, target = question(task, i, batch)
        assert len(numbers) == depth + 1
        assert 1 <= min(numbers) <= max(numbers) <= task.largest
        words = task.render_answer(batch.answer[i]).split()
        assert len(words) == 2 * depth + 1
        assert is_right(words, numbers, target)
        stack, steps = [], []
        for word in words:
            if word.isdigit():
                stack.append(int(word))
                continue
            y, x = stack.pop(), stack.pop()
            stack.append(by_the_rules(x, word, y))
            steps.append(f"{x} {word} {y} = {stack[-1]}")
        assert task.render_trace(batch.trace[i]) == "\n".join(steps)
        if task.target == "sum":
            assert target == sum(numbers)
            assert set(words[1:]) - {str(number) for number in numbers} == {"+"}
        if isinstance(task.target, int):
            assert target == task.target


def plays(numbers):
    """The probability of every result of a random play."""
    if len(numbers) == 1:
        return {numbers[0]: 1.0}
    found = Counter()
    pairs = list(combinations(range(len(numbers)), 2))
    for i, j in pairs:
        x, y = max(numbers[i], numbers[j]), min(numbers[i], numbers[j])
        results = [r for sign in "+-*/" if (r := by_the_rules(x, sign, y)) is not None]
        rest = tuple(number for k, number in enumerate(numbers) if k not in (i, j))
        for result in results:
            for target, chance in plays((result, *rest)).items():
                found[target] += chance / len(pairs) / len(results)
    return found


def test_draws_are_divided_evenly():
    """A remainder of them is then exactly uniform."""
    assert not any(PAIR_DRAWS % comb(left, 2) for left in range(2, 6))
    assert not any(CHOICE_DRAWS % allowed for allowed in range(1, 5))


def test_targets_are_the_results_of_random_plays():
    """All rows of three numbers up to 3, term by term."""
    count, task = 40_000, Countdown(operations=3, largest=3)
    for depth in (2, 3):
        batch = sampled(task, count, depth)
        fields = Counter(map(tuple, (batch.prompt[:, : 4 + depth] - FIRST).tolist()))
        statistic, cells = 0.0, 0
        for numbers in product((1, 2, 3), repeat=depth + 1):
            for target, chance in plays(numbers).items():
                expected = count * chance / 3 ** (depth + 1)
                seen = fields.pop((target // 100, target // 10 % 10, target % 10, *numbers), 0)
                statistic += (seen - expected) ** 2 / expected
                cells += 1
        assert not fields
        assert abs(statistic - cells) < 5 * np.sqrt(2 * cells)


def test_numbers_for_a_fixed_target_are_uniform():
    count, task = 30_000, Countdown(operations=2, largest=6, target=6)
    for depth in (1, 2):
        rows = [
            numbers
            for numbers in product(range(1, 7), repeat=depth + 1)
            if 6 in reach(tuple(sorted(numbers)))
        ]
        batch = sampled(task, count, depth)
        seen = Counter(map(tuple, (batch.prompt[:, 3 : 4 + depth] - FIRST).tolist()))
        assert set(seen) == set(rows)
        assert task.distinct(depth) == len(rows)
        expected = count / len(rows)
        statistic = sum((seen[row] - expected) ** 2 / expected for row in rows)
        assert abs(statistic - len(rows)) < 5 * np.sqrt(2 * len(rows))
    orders = Counter(tuple(sorted(row)) for row in rows)
    assert task.guess_rate == max(orders.values()) / len(rows)


@pytest.mark.parametrize(("operations", "largest"), [(1, 4), (2, 4), (3, 2), (3, 3), (4, 3)])
def test_no_set_of_numbers_is_commoner_than_stated(operations, largest):
    """An answer is right for one set of numbers at most; it is the sum that makes it always right there."""
    numbers = product(range(1, largest + 1), repeat=operations + 1)
    orders = Counter(tuple(sorted(row)) for row in numbers)
    stated = Countdown(operations, largest, "sum").guess_rate
    assert stated == max(orders.values()) / largest ** (operations + 1)


# The game of 24


@cache
def rational(numbers):
    """All values of expressions of numbers, in any arithmetic: fractions, and negative results too."""
    if len(numbers) == 1:
        return frozenset({Fraction(numbers[0])})
    found = set()
    for left, right in partings(numbers):
        for x, y in product(rational(left), rational(right)):
            found |= {x + y, x - y, x * y} | ({x / y} if y else set())
    return frozenset(found)


def partings(numbers):
    """All ways to part numbers in ascending order in two that are not empty, in both orders."""
    for chosen in product((True, False), repeat=len(numbers)):
        left = tuple(x for x, is_left in zip(numbers, chosen, strict=True) if is_left)
        right = tuple(x for x, is_left in zip(numbers, chosen, strict=True) if not is_left)
        if left and right:
            yield left, right


def gives_24(numbers):
    """Whether any arithmetic gives 24: which value of one part would do, for every value of the other?"""
    for left, right in partings(numbers):
        if len(left) >= len(right):
            values = rational(left)
            for y in rational(right):
                wanted = {24 - y, 24 + y, y - 24} | ({24 / y, y / 24} if y else set())
                if wanted & values or (y and 24 * y in values):
                    return True
    return False


def test_the_game_of_24():
    """Of the 1,820 sets of four numbers up to 13, 1,362 give 24 in rational arithmetic, as is well known; 16
    of them only with fractions or negative numbers on the way."""
    sets = list(combinations_with_replacement(range(1, 14), 4))
    assert len(sets) == 1820
    rationally = {numbers for numbers in sets if gives_24(numbers)}
    assert len(rationally) == 1362
    assert {(3, 3, 8, 8), (1, 5, 5, 5), (1, 3, 4, 6)} <= rationally
    numbers, expressions, orders = solvable(4, 13, 24)
    ours = set(map(tuple, numbers.tolist()))
    assert ours <= rationally
    assert len(ours) == 1346
    assert not {(3, 3, 8, 8), (1, 5, 5, 5), (1, 3, 4, 6)} & ours
    for row, expression, ways in zip(numbers.tolist(), expressions, orders.tolist(), strict=True):
        assert is_right([str(word) for word in expression], row, 24)
        assert ways == len(set(permutations(row)))
    for numbers in rationally - ours:
        assert 24 not in reach(numbers)
    assert GAME_OF_24.distinct(3) == orders.sum() == 22425


# The search


def test_the_reference_finds_every_value_that_numbers_have():
    """All sets of up to four numbers from 1 to 5, each with all values that they can be made to have."""
    task = Countdown(operations=3, largest=5)
    cases = [
        (numbers, target)
        for count in (2, 3, 4)
        for numbers in combinations_with_replacement(range(1, 6), count)
        for target in sorted(reach(numbers))
    ]
    prompts = np.array([asked(task, numbers, target) for numbers, target in cases])
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(prompts))
    assert len(cases) > 2000
    for (numbers, target), answer in zip(cases, answers, strict=True):
        assert is_right(task.render_answer(answer).split(), numbers, target)


def test_the_order_of_the_numbers_does_not_matter():
    """To the reference, and to the split that a question is in; the target does."""
    task = Countdown(largest=20)
    numbers, target = (5, 7, 11, 20), 17
    orders = list(permutations(numbers))
    prompts = jnp.asarray(np.array([asked(task, order, target) for order in orders]))
    answers = np.asarray(jax.jit(jax.vmap(task.reference))(prompts))
    assert target in reach(numbers)
    assert all(is_right(task.render_answer(answer).split(), numbers, target) for answer in answers)
    split = jax.jit(partial(split_of, task))
    assert len(set(split(prompts).tolist())) == 1
    others = np.array([asked(task, numbers, target) for target in range(1, 99)])
    assert len(set(split(others).tolist())) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=4), st.integers(1, 999), st.data())
def test_the_search_on_the_host_finds_what_there_is(numbers, target, data):
    values = reach(tuple(sorted(numbers)))
    assert (first_expression(numbers, target) is not None) == (target in values)
    reached = data.draw(st.sampled_from(sorted(values)))
    expression = first_expression(numbers, reached)
    assert is_right([str(word) for word in expression], numbers, reached)


def test_the_search_on_the_host_keeps_to_the_range():
    """99 · 13 - 5 · 100 = 787 and the like: there is no other way."""
    for numbers, target in (((5, 13, 99, 100), 787), ((6, 14, 89, 97), 824)):
        assert target not in reach(numbers)
        assert first_expression(list(numbers), target) is None
    assert first_expression([9, 13, 99], 143) == [13, 99, 9, "/", "*"]  # and not 99 · 13 / 9


# The score


@pytest.mark.parametrize(
    ("numbers", "target"), [((3, 2, 2), 7), ((3, 2, 2), 4), ((2, 3, 5), 1), ((3, 2), 6), ((9, 9, 1), 81)]
)
def test_every_row_of_tokens_is_scored_right(numbers, target):
    """All rows of five of the numbers, the operators, END, PAD, and a number that is not given."""
    task = Countdown(operations=2, largest=20)
    words = [*sorted({str(number) for number in numbers}), *"+-*/", "END", "PAD", "4"]
    rows = list(product(words, repeat=5))
    ids = {word: task.token_ids([word])[0] for word in words}
    found = scores(task, [[ids[word] for word in row] for row in rows], asked(task, numbers, target))
    expected = [is_right(row, numbers, target) for row in rows]
    assert found.tolist() == expected
    assert 0 < sum(expected) < 40


def test_any_integers_are_scored():
    """Tokens that are none, to the ends of 32 bits: never an error, and never right."""
    task = Countdown(operations=2, largest=20)
    rng = np.random.default_rng(0)
    rows = rng.choice([-(2**31), -1, 0, 1, 2, 3, 5, 23, 24, 26, 27, 28, 2**31 - 1], (20_000, 5))
    assert not scores(task, rows, asked(task, (17, 19, 13), 999)).any()


def test_random_expressions_are_scored_right():
    """Well-formed ones of large numbers, whose results leave the range on the way."""
    task, rng = Countdown(operations=3, largest=100), np.random.default_rng(1)
    right = 0
    for _ in range(8):
        numbers = rng.choice([1, 2, 3, 4, 10, 25, 75, 99, 100], 4).tolist()
        rows = []
        for _ in range(250):
            a, b, c, d = map(str, rng.permutation(numbers).tolist())
            x, y, z = rng.choice([*"+-*/"], 3).tolist()
            rows += [[a, b, x, c, y, d, z], [a, b, x, c, d, y, z], [a, b, c, d, x, y, z]]
        target = rng.choice(sorted(reach(tuple(sorted(numbers)))))
        found = scores(task, [task.token_ids(row) for row in rows], asked(task, numbers, target))
        assert found.tolist() == [is_right(row, numbers, target) for row in rows]
        right += found.sum()
    assert right > 10


def test_results_beyond_the_range_are_wrong_though_the_value_is_right():
    task = Countdown(operations=3, largest=100)
    numbers = (100, 100, 100, 10)
    beyond = task.parse_answer("100 100 * 100 / 10 /")  # 10,000 on the way
    within = task.parse_answer("100 10 / 100 100 / *")
    assert scores(task, [beyond, within], asked(task, numbers, 10)).tolist() == [False, True]


# Costs, texts, dials


@pytest.mark.parametrize("target", ["expression", "sum", 24])
@pytest.mark.parametrize("operations", [1, 2, 3, 4])
def test_the_meter_agrees_with_the_declared_cost(operations, target):
    task = Countdown(operations, 13, target)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")
    if target != "sum":  # the plays, and their operations
        n = operations + 1
        number = factorial(n) * factorial(n - 1) * 2 ** (n - 1)
        assert number < task.cost().work < 100 * number


@pytest.mark.parametrize(
    "task",
    [
        Countdown(operations=4, largest=100),
        Countdown(operations=3, largest=24, target=24),
        Countdown(operations=4, largest=16, target=24),
    ],
    ids=str,
)
def test_dials_at_their_ends_have_other_values(task):
    for dial, other in task.other_values.items():
        assert getattr(replace(task, **{dial: other}), dial) == other != getattr(task, dial)


@EACH_TARGET
def test_questions_answers_and_pictures(task):
    batch = jax.tree.map(lambda part: part[:12], mixed(task))
    for prompt, trace, answer, depth in zip(
        batch.prompt, batch.trace, batch.answer, batch.depth, strict=True
    ):
        assert np.array_equal(task.parse(task.render(prompt)), prompt)
        text = task.render_answer(answer)
        assert "END" not in text
        assert np.array_equal(task.parse_answer(text), answer)
        assert np.array_equal(
            task.parse_answer(f" {text} END "[: None if depth < task.max_depth else -5]), answer
        )
        picture = task.picture(prompt, trace, answer)
        tree = ElementTree.fromstring(picture)
        texts = [each.text for each in tree.iter() if each.tag.endswith("text") and each.text]
        assert Counter(word for word in texts if word.isdigit()) == Counter(
            [*(word for word in text.split() if word.isdigit())]
            + [line.split(" = ")[1] for line in task.render_trace(trace).splitlines()]
        )
        assert len(picture) < 20_000
    nothing = np.full(task.format.answer_length, task.token_ids(["END"])[0], np.int32)
    assert task.render_answer(nothing) == "END"
    assert task.render_answer(np.zeros_like(nothing)).split() == ["PAD"] * len(nothing)


@pytest.mark.parametrize(
    ("task", "old", "new", "fault"),
    [
        (Countdown(), "Numbers: ", "Numbers: 21 ", "number '21': must be a whole number from 1 to 20"),
        (Countdown(), "Numbers: ", "Numbers: 1 1 1 1 ", "numbers are given, must be 2 to 4"),
        (Countdown(), "Target: ", "Target: 1000", "must be a whole number from 1 to 999"),
        (Countdown(), "Target: ", "Target: x\nNumbers: ", "2 lines begin with 'Numbers:'"),
        (Countdown(), "exactly once", "once", "the text around the numbers"),
        (Countdown(), "\nTarget: ", "\nTarget: 0", "must be a whole number"),
        (GAME_OF_24, "Target: 24", "Target: 23", "target 23: must be 24"),
    ],
)
def test_bad_texts(task, old, new, fault):
    text = task.render(mixed(task).prompt[1])
    assert old in text
    with pytest.raises(ValueError, match=fault) as error:
        task.parse(text.replace(old, new))
    assert "\n" not in str(error.value)


def test_questions_without_an_answer_are_refused():
    text = Countdown().render(asked(Countdown(), (2, 2), 5))
    with pytest.raises(ValueError, match="no expression of 2 2 has the value 5"):
        Countdown().parse(text)
    with pytest.raises(ValueError, match="target 5: must be the sum of the numbers, 4"):
        Countdown(target="sum").parse(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "0 tokens, must be 1 to 7"),
        ("1 2 + 3 + 4 + 5", "8 tokens, must be 1 to 7"),
        ("1 2 x", "'x' is no token"),
        ("(1 + 2)", r"'\(1' is no token"),
        ("21 1 -", "'21' is no token"),
    ],
)
def test_bad_answers(text, fault):
    with pytest.raises(ValueError, match=fault) as error:
        Countdown().parse_answer(text)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("as_users_call")
def test_bad_dials():
    with pytest.raises(ValueError, match="3 faults") as error:
        Countdown(operations=5, largest=1, target="product")
    for each in ("operations=5", "at most 4", "largest=1", "at most 100", "target='product'", "'sum'"):
        assert each in str(error.value)
    for target in (0, 1000, True, 2.5, None, "24"):
        with pytest.raises(
            ValueError, match=r"target=.*must be 'expression', 'sum' or an integer from 1 to 999"
        ):
            Countdown(target=target)


@pytest.mark.parametrize("target", [1, 7, 24, 49, 97, 200])
def test_the_smallest_largest_number_for_a_target(target):
    """That is told, and with it there are two numbers that give the target; without it there are none."""
    enough = [n for n in range(1, 101) if any(target in reach((m, n)) for m in range(1, n + 1))]
    assert Countdown(1, max(2, enough[0]), target).distinct(1) > 0
    if enough[0] > 2:
        with pytest.raises(ValueError, match=rf"largest must be at least {enough[0]}$"):
            Countdown(1, enough[0] - 1, target)


def test_sets_that_are_too_many_are_not_searched():
    assert comb(27, 4) <= MOST_SETS < comb(28, 4)
    Countdown(3, 24, 24)
    with pytest.raises(ValueError, match=r"largest=25, target=24: there are 20475 sets.*at most 24$"):
        Countdown(3, 25, 24)
