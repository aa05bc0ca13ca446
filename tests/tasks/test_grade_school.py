"""Stories against a solver in plain Python that knows their English text alone; that each operation counts
and nothing shallow tells the total; and circuits of NAND gates told as stories."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.meter import growth, measure
from seriality.tasks.grade_school import ITEMS, MOST_AMOUNTS, MOST_DRAWN, NAMES, GradeSchool

KEY = jax.random.key(41)
PRIMES = [p for p in range(5, 98) if all(p % q for q in range(2, p))]


@dataclass(frozen=True)
class Story:
    """What a question says: amounts by owner and kind, as numbers or as (sign, left, right)."""

    text: str

    @cached_property
    def modulus(self):
        return int(re.search(r"counted modulo (\d+):", self.text)[1])

    @cached_property
    def given(self):
        found = re.findall(r"(\w+) has (\d+) (\w+)\.", self.text)
        return {(name, item if number != "1" else f"{item}s"): int(number) for name, number, item in found}

    @cached_property
    def told(self):
        one = r"(\w+)'s (\w+)"
        short = re.findall(rf"{one} are as many as {one} (plus|times) {one}\.", self.text)
        long = re.findall(rf"{one} equal the (sum|product) of {one} and {one}\.", self.text)
        found = [(a, i, sign, b, j, c, k) for a, i, b, j, sign, c, k in short] + long
        signs = {"plus": "+", "sum": "+", "times": "*", "product": "*"}
        return {(a, i): (signs[sign], (b, j), (c, k)) for a, i, sign, b, j, c, k in found}

    @cached_property
    def counted(self):
        asked = re.search(r"How many (\w+) and (\w+) are there in all", self.text).groups()
        return {name for name in (*self.given, *self.told) if name[1] in asked}

    @cached_property
    def results(self):
        return self.counted & {*self.told}

    @cached_property
    def order(self):
        """The amounts told by others, each after those that it reads."""
        found, left = [], set(self.told)
        while left:
            ready = {name for name in left if not left & {*self.told[name][1:]}}
            assert ready
            found += sorted(ready)
            left -= ready
        return found

    @cached_property
    def depths(self):
        depths = dict.fromkeys(self.given, 0)
        for name in self.order:
            depths[name] = 1 + max(depths[each] for each in self.told[name][1:])
        return depths

    @cached_property
    def depth(self):
        return max(self.depths[name] for name in self.counted)

    @cached_property
    def start(self):
        return dict.fromkeys(self.told, 1) | self.given if "tells of one moment" in self.text else None

    def amounts(self, fixed=None, modulus=None):
        """All amounts; those that are fixed as they are there."""
        fixed = {**self.given, **(fixed or {})}
        values = {name: fixed[name] for name in self.given}
        for name in self.order:
            sign, left, right = self.told[name]
            read = values if self.start is None else self.start
            value = read[left] + read[right] if sign == "+" else read[left] * read[right]
            values[name] = fixed.get(name, value % (modulus or self.modulus))
        return values

    def total(self, values):
        return sum(values[name] for name in self.counted) % self.modulus


def drawn(task, count, **at):
    return jax.tree.map(np.asarray, task.sample(count, key=KEY, **at))


def stories(task, count, **at):
    return [Story(task.render(prompt)) for prompt in drawn(task, count, **at).prompt]


@partial(jax.jit, static_argnums=0)
def solved(task, prompts):
    return jax.vmap(task.reference)(prompts)


def question(p, story, asked):
    return f"""\
All amounts are counted modulo {p}: only the remainder on division by {p} counts, a number from 0 to \
{p - 1}. So {p - 2} plus 3 is 1, and 2 times {(p + 1) // 2} is 1.
Mia's pens stand for the number of pens that Mia has, and so on. The sentences of the story are in no \
particular order, and all hold together.
Story: {story}
Question: How many {asked} are there in all?
Add up those of all people in the story, modulo {p}. Answer with the number alone, from 0 to {p - 1}."""


STEP = re.compile(r"(\w+)'s (\w+): (\d+) (plus|times) (\d+) is (\d+); in all so far (\d+)")


@settings(max_examples=6, deadline=None)
@given(
    st.integers(1, 10).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
    st.integers(0, 4),
    st.integers(3, 7),
    st.sampled_from(PRIMES),
    st.sampled_from(["results", "start"]),
)
def test_answers_depths_and_traces_follow_from_the_text(sizes, distractors, givens, modulus, reads):
    task = GradeSchool(*sizes, distractors, givens, modulus, reads)
    chain, operations = sizes
    batch = drawn(task, 24, depth=jnp.asarray(np.arange(24) % chain + 1))
    assert np.array_equal(solved(task, batch.prompt), batch.answer)
    parts = (batch.prompt, batch.trace, batch.answer, batch.depth)
    for prompt, trace, answer, depth in zip(*parts, strict=True):
        text = task.render(prompt)
        story = Story(text)
        values, results = story.amounts(), story.results
        assert np.array_equal(task.parse(text), prompt)
        assert task.render_answer(answer) == str(story.total(values))
        assert np.array_equal(task.parse_answer(task.render_answer(answer)), answer)
        assert (story.modulus, story.depth) == (modulus, depth)

        assert (len(story.given), len(story.told)) == (givens, operations + distractors)
        assert len(results) == operations
        (counted,) = story.counted & {*story.given}
        assert all(counted not in read for read in story.told.values())
        assert all(left != right for _, left, right in story.told.values())
        assert all({*story.told[name][1:]} <= {*results, *story.given} for name in results)
        assert {story.depths[name] for name in results} == {*range(1, depth + 1)}
        assert reads == "start" or 0 not in values.values()

        read = values if story.start is None else story.start
        total, seen = story.given[counted], set()
        for line in task.render_trace(trace).splitlines():
            *name, a, sign, b, value, so_far = STEP.fullmatch(line).groups()
            name = tuple(name)
            says, left, right = story.told[name]
            total = (total + values[name]) % modulus
            assert {"plus": "+", "times": "*"}[sign] == says
            assert (int(a), int(b), int(value)) == (read[left], read[right], values[name])
            assert int(so_far) == total
            assert {left, right} & results <= seen
            seen.add(name)
        assert seen == results
        assert total == story.total(values)


def test_operations_are_drawn_as_told():
    task, count = GradeSchool(chain=8, operations=12), 400
    for depth in (1, 3, 8):
        levels, signs, places, asked = Counter(), Counter(), Counter(), Counter()
        for story in stories(task, count, depth=depth):
            for name in story.results:
                sign, *read = story.told[name]
                level = story.depths[name]
                levels[level] += 1
                signs[sign] += 1
                below = sum(story.depths[each] < level for each in story.results)
                assert len({*read} & story.results) == min(below, 2)
                assert level - 1 in [story.depths[each] for each in read]
            deepest = max(story.order, key=lambda name: story.depths[name])
            places[[*re.findall(r"(\w+)'s (\w+) (?:are|equal)", story.text)].index(deepest)] += 1
            asked.update({item for _, item in story.counted})
        more = (12 - depth) * count / depth
        assert all(abs(levels[level] - count - more) <= 5 * np.sqrt(more) for level in range(1, depth + 1))
        products = 0.5 + 0.5 / 22  # a sum is 0 for one in 22
        assert abs(signs["*"] / signs.total() - products) < 5 * 0.5 / np.sqrt(12 * count)
        assert all(abs(asked[item] - count / 4) < 5 * np.sqrt(count / 4) for item in ITEMS)
        assert sum((places[at] - count / 14) ** 2 for at in range(14)) / (count / 14) < 13 + 5 * np.sqrt(26)
    (chain,) = {tuple(sorted(s.depths[name] for name in s.results)) for s in stories(GradeSchool(), 20)}
    assert chain == (1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_every_operation_counts_and_no_distractor(depth):
    rng = np.random.default_rng(0)
    matter = []
    for story in stories(GradeSchool(), 200, depth=depth):
        values = story.amounts()
        for name in story.told:
            other = 1 + (values[name] - 1 + rng.integers(1, 22)) % 22
            changed = story.total(story.amounts({name: other})) != story.total(values)
            if name in story.results:
                matter.append(changed)
                assert values[name] != 0  # so the total without it is wrong
            else:
                assert not changed
    assert np.mean(matter) > 0.94
    assert depth > 1 or all(matter)


def test_nothing_cancels_before_the_remainder():
    """Counted without a modulus, the total rises by 1 at least with every amount that is read or counts."""
    for story in stories(GradeSchool(chain=5, operations=9, distractors=3), 60):
        whole = story.amounts(modulus=10**60)
        for name in story.results:
            more = story.amounts({name: whole[name] + 1}, modulus=10**60)
            assert sum(more[each] - whole[each] for each in story.counted) >= 1


def commonest(statistic, answer):
    """How often the commonest answer for each value of a statistic, learnt on the first half, is right on the
    second."""
    half = len(answer) // 2
    counts = np.zeros((statistic.max() + 1, answer.max() + 1))
    np.add.at(counts, (statistic[:half], answer[:half]), 1)
    return np.mean(counts.argmax(axis=1)[statistic[half:]] == answer[half:])


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_shallow_statistics_tell_nothing(depth):
    """Neither of the answer nor of the answer without the given amount that counts."""
    task, count = GradeSchool(), 40_000
    batch = drawn(task, count, depth=depth)
    tokens = task.format.tokens
    first = tokens.index("0")
    told = batch.prompt[:, :15].reshape(count, 5, 3)[:, :, 2] - first
    shallow = GradeSchool(chain=1, operations=8)
    rounds = [
        np.asarray(solved(each, batch.prompt))[:, 0] - first
        for each in (shallow, replace(shallow, chain=2))[: depth // 2]
    ]
    answer = batch.answer[:, 0] - first
    statistics = [
        *(told[:, 0], told[:, :4].sum(axis=1) % 23, told[:, :4].prod(axis=1) % 23, told.sum(axis=1) % 23),
        (batch.prompt == tokens.index("times")).sum(axis=1),
        (batch.prompt == tokens.index("equal the sum of")).sum(axis=1),
        *rounds,
        *((each - told[:, 4]) % 23 for each in rounds),
    ]
    chance = 1 / 22 + 5 * np.sqrt(1 / 22 / (count / 2))
    for asked in (answer, (answer - told[:, 4]) % 23):
        assert all(commonest(each, asked) < chance for each in statistics)
        hint = np.where(np.arange(count) % 8 == 0, asked, told[:, 0])
        assert commonest(hint, asked) > chance


@pytest.mark.parametrize("sizes", [(1, 2, 0, 3, 23), (3, 3, 0, 5, 23), (8, 8, 2, 5, 23), (1, 5, 0, 3, 5)])
def test_no_answer_is_likelier_than_told(sizes):
    """Though the results' own total is uneven if they are few: (x + 1)(y + 1) − 1 is p − 1 if x or y is."""
    task, count = GradeSchool(*sizes), 40_000
    batch = drawn(task, count)
    p, first = task.modulus, task.format.tokens.index("0")
    answer = batch.answer[:, 0] - first
    shares = np.bincount(answer, minlength=p) / count
    bound = task.guess_rate + 5 * np.sqrt(task.guess_rate / count)
    assert task.guess_rate == 1 / (p - 1)
    assert shares.max() < bound
    results = np.bincount((answer - batch.prompt[:, 3 * sizes[3] - 1] + first) % p, minlength=p) / count
    assert (results.max() > bound) == (sizes != (8, 8, 2, 5, 23))


def test_rounds_short_of_the_depth_are_guesses():
    task, count = GradeSchool(), 4000
    for depth, short in ((2, 1), (4, 2), (8, 1), (8, 4), (8, 7)):
        batch = drawn(task, count, depth=depth)
        for rounds, least, most in ((short, 0.02, 0.08), (depth, 1, 1)):
            right = np.mean(np.asarray(solved(replace(task, chain=rounds), batch.prompt)) == batch.answer)
            assert least <= right <= most


# NAND by arithmetic: bits 0 and 1 as 2 and 1


@pytest.mark.parametrize("p", PRIMES)
def test_nand_by_arithmetic(p):
    for x, y in product((1, 2), repeat=2):
        t = x * y % p
        u = (t - 3) % p
        steps = [t, u, u * u % p, (u * u + 2) % p, (u * u + 2) * pow(3, -1, p) % p]
        assert 0 not in steps
        assert steps[-1] == (2 if (x, y) == (1, 1) else 1)


def nand_circuit(gates, seed):
    """Random gates, each on two different nodes; nodes 0 and 1 hold a 0 and a 1."""
    rng = np.random.default_rng(seed)
    reads = [sorted(rng.choice(i + 2, 2, replace=False).tolist()) for i in range(gates)]
    bits = [0, 1]
    for a, b in reads:
        bits.append(1 - bits[a] * bits[b])
    return reads, bits


@pytest.mark.parametrize(("p", "gates"), [(5, 8), (7, 5), (23, 2)])
def test_circuits_of_nand_gates_told_as_stories(p, gates):
    """The circuit is told p times, and its output once more: the total is the output and what is given."""
    seen = set()
    for seed in range(4):
        reads, bits = nand_circuit(gates, seed)
        task = GradeSchool(5 * gates + 1, 6 * gates * p + 1, 0, 5, p)
        owners = iter([text for text in task.format.tokens if text.endswith("'s")])
        names = (f"{owner} {item}" for owner in owners for item in ("pens", "cups"))
        told, counted = [], next(names).replace("'s", f" has {p - 1}")
        for _ in range(p):
            nodes = ["Mia's keys", "Leo's keys"]
            for a, b in reads:
                t, u, v, w, s, out = (next(names) for _ in range(6))
                told += [
                    f"{t} are as many as {nodes[a]} times {nodes[b]}.",
                    f"{u} are as many as {t} plus Ann's keys.",
                    f"{v} equal the sum of Ann's keys and {t}.",
                    f"{w} equal the product of {u} and {v}.",
                    f"{s} are as many as {w} plus Mia's keys.",
                    f"{out} are as many as {s} times Tom's keys.",
                ]
                nodes.append(out)
        told.append(f"{next(names)} are as many as {nodes[-1]} times Leo's keys.")
        told = np.random.default_rng(seed).permutation(told).tolist()
        given = f"Mia has 2 keys. Leo has 1 key. Ann has {p - 3} keys. Tom has {pow(3, -1, p)} keys."
        text = question(p, f"{given} {counted}. {' '.join(told)}", "pens and cups")
        story = Story(text)
        assert 0 not in story.amounts().values()
        right = (p - 1 + 2 - bits[-1]) % p
        answer = solved(task, task.parse(text)[None])
        assert task.render_answer(np.asarray(answer[0])) == str(right) == str(story.total(story.amounts()))
        seen.add(bits[-1])
    assert seen == {0, 1}


# The rest of the contract


def test_the_control_has_the_prompts_of_the_task():
    task = GradeSchool(chain=6, operations=9)
    ours, theirs = drawn(task, 200), drawn(task.control, 200)
    assert task.control == GradeSchool(chain=6, operations=9, reads="start")
    assert task.control.control is None
    assert np.array_equal(ours.prompt, theirs.prompt)
    assert np.mean(ours.answer == theirs.answer) < 0.12
    deep = {n: task.resized(n).cost().span for n in (8, 16, 32, 64)}
    flat = {n: task.control.resized(n).cost().span for n in deep}
    assert (growth(deep).law, growth(flat).law) == ("linear", "constant")


@pytest.mark.parametrize("reads", ["results", "start"])
@pytest.mark.parametrize("sizes", [(1, 1, 0, 3), (2, 3, 1, 4), (8, 8, 2, 5), (5, 40, 9, 12), (33, 70, 0, 30)])
def test_the_meter_agrees_with_the_declared_cost(sizes, reads):
    task = GradeSchool(*sizes, 23, reads)
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    assert (found.cost, found.bound) == (task.cost(), "exact")


def test_instances_are_made_of_integers():
    """So that they depend on no way of compiling them."""
    program = str(jax.make_jaxpr(lambda key: GradeSchool().sample(3, key=key))(KEY))
    assert "i32[" in program
    assert not re.search(r"\b(f|bf)(16|32|64)\[", program)


def test_stories_with_more_people_than_names():
    task = GradeSchool(chain=40, operations=100, distractors=300, givens=6)
    text = task.render(drawn(task, 1).prompt[0])
    people = {name for name, _ in (*Story(text).given, *Story(text).told)}
    assert len(people) > len(NAMES)
    assert f"{NAMES[0]}2" in people
    story = Story(text)
    assert str(story.total(story.amounts())) == task.render_answer(drawn(task, 1).answer[0])
    assert np.array_equal(task.parse(text), drawn(task, 1).prompt[0])


STORY = (
    "Mia has 7 pens. Leo has 1 card. Ann has 5 keys. Tom's cups equal the sum of Mia's pens and Leo's cards. "
    "Zoe's pens are as many as Eva's cups times Mia's pens. "
    "Eva's cups are as many as Mia's pens times Tom's cups."
)
SMALL = GradeSchool(chain=2, operations=2, distractors=1, givens=3, modulus=11)


TEXT = question(11, STORY, "keys and cups")


def test_text():
    prompt = SMALL.parse(TEXT)
    assert SMALL.render(prompt) == TEXT
    answer = solved(SMALL, prompt[None])[0]  # 5 + (7 + 1) + 7 * 8
    assert SMALL.render_answer(np.asarray(answer)) == str(69 % 11)
    at_start = solved(SMALL.control, prompt[None])[0]  # 5 + (7 + 1) + 7 * 1
    assert SMALL.render_answer(np.asarray(at_start)) == str(20 % 11)
    assert SMALL.control.render(prompt).splitlines()[1:4:2] == [
        "Mia's pens stand for the number of pens that Mia has, and so on. The story tells of one moment. "
        "Amounts told as numbers are the same before and after it; all others are 1 before it, and their "
        "sentences say what they are after it, in terms of what two amounts were before it.",
        "Question: How many keys and cups are there in all after it?",
    ]
    words = ["Tom's", "cups", "7", "plus", "1", "8", "2", "Eva's", "cups", "7", "times", "8", "1", "3"]
    trace = np.array([SMALL.format.tokens.index(word) for word in words], np.int32)
    assert SMALL.render_trace(trace) == (
        "Tom's cups: 7 plus 1 is 8; in all so far 2\nEva's cups: 7 times 8 is 1; in all so far 3"
    )


@pytest.mark.parametrize("task", [SMALL, SMALL.control], ids=["results", "start"])
def test_one_altered_word_anywhere_is_refused(task):
    text = task.render(drawn(task, 1).prompt[0])
    for word in re.finditer(r"\S+", text):
        for wrong in ("other", word[0].swapcase(), ""):
            if wrong != word[0]:
                with pytest.raises(ValueError, match=r".") as error:
                    task.parse(text[: word.start()] + wrong + text[word.end() :])
                assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="differs from this task's at character"):
        (task.control or SMALL).parse(text)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Mia has 7 pens. ", "", "the story has 5 sentences, must have 6"),
        ("Mia has 7 pens", "Mia owns 7 pens", "'Mia owns 7 pens': the first 3 must be as 'Mia has 7 pens'"),
        ("has 7", "has 0", "amount '0': must be a whole number from 1 to 10"),
        ("has 7", "has 11", "amount '11': must be a whole number from 1 to 10"),
        ("1 card", "1 cards", "'cardss' is no token"),
        ("7 pens", "7 pen", "'pen' is no token"),
        ("Mia has", "Sue has", '"Sue\'s" is no token'),
        ("times Tom", "minus Tom", "must be as 'Ann's pens are as many as"),
        ("Eva's cups are", "Tom's cups are", "Tom's cups are told 2 times, must be once"),
        ("times Mia's pens", "times Mia's cups", "Mia's cups are read and not told"),
        ("Mia's pens times Tom", "Tom's cups times Tom", "Eva's cups are told by Tom's cups twice"),
        ("times Tom's cups", "times Zoe's pens", "s depend on themselves"),
        ("of Mia's pens and Leo's cards", "of Eva's cups and Leo's cards", "depend on themselves"),
        ("keys and cups", "pens and cups", "for 3 results and 1 given amounts, must for 2 and 1, of two"),
        ("keys and cups", "cups and cups", "asks for 2 results and 0 given amounts"),
        ("keys and cups", "keys and plus", "'plus' are no things; allowed are pens, cups"),
        ("times Mia's pens", "times pens pens", "'pens' is no person's; must be as \"Mia's\""),
        ("How many keys", "How much keys", "question 'How much keys .*': must be as 'How many pens and cups"),
        ("in all?", "in all after it?", "differs from this task's at character"),
        ("modulo 11:", "modulo 13:", "differs from this task's at character"),
        ("Story: ", "Tale: ", "0 lines begin with 'Story:'"),
        ("'s pens stand", "'s pens  stand", "differs from this task's at character"),
    ],
)
def test_bad_texts(old, new, fault):
    assert old in TEXT
    with pytest.raises(ValueError, match=fault) as error:
        SMALL.parse(TEXT.replace(old, new))
    assert "\n" not in str(error.value)


def test_one_kind_of_things_is_refused():
    text = TEXT.replace("5 keys", "5 cups").replace("keys and cups", "cups and cups")
    with pytest.raises(ValueError, match="2 results and 1 given amounts, must for 2 and 1, of two kinds"):
        SMALL.parse(text)


def test_a_longer_chain_is_refused():
    with pytest.raises(ValueError, match=r"the longest chain has 2 operations, allowed are 1$"):
        replace(SMALL, chain=1).parse(TEXT)


@pytest.mark.parametrize("text", ["", "11", "-1", "03", "7 pens", "3.0", "x" * 10**6])
def test_bad_answers(text):
    with pytest.raises(ValueError, match=r"answer '.*: must be a whole number from 0 to 10") as error:
        SMALL.parse_answer(text)
    assert len(str(error.value)) < 120


@pytest.mark.usefixtures("as_users_call")
def test_bad_dials():
    with pytest.raises(ValueError, match="6 faults") as error:
        GradeSchool(0, 0, -1, 2, 9, "end")
    for said in ("chain=0", "operations=0", "distractors=-1", "givens=2", "modulus=9", "reads='end'"):
        assert said in str(error.value)
    with pytest.raises(ValueError, match=r"allowed are chain=1\.\.4 or operations=5$"):
        GradeSchool(chain=5, operations=4)
    with pytest.raises(ValueError, match=f"4107 amounts, allowed are {MOST_AMOUNTS}; make one"):
        GradeSchool(operations=4000, distractors=100, givens=7)
    for modulus in (3, 101, True, 23.0, "23", None):
        with pytest.raises(ValueError, match=r"modulus=.*must be a prime from 5 to 97; e.g. modulus=23"):
            GradeSchool(modulus=modulus)


def test_larger_sizes_have_operations_enough():
    task = GradeSchool(chain=8, operations=12)
    assert task.resized(10) == GradeSchool(chain=10, operations=12)
    assert task.resized(20) == GradeSchool(chain=20, operations=20)


@pytest.mark.parametrize(
    "dials", [(8, 8, 2, 5, 23), (8, 8, 2, 5, 23, "start"), (4, 20, 8, MOST_DRAWN - 28, 97), (35, 35, 0, 5, 5)]
)
def test_picture(dials):
    task = GradeSchool(*dials)
    batch = drawn(task, 1)
    svg = task.picture(batch.prompt[0], batch.trace[0], batch.answer[0])
    assert len(svg) < 20_000
    tree = ElementTree.fromstring(svg)
    *texts, last = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    story = Story(task.render(batch.prompt[0]))
    names = [tuple(name.split("'s ")) for name in texts[::2]]
    shown = dict(zip(names, [int(value.split()[0]) for value in texts[1::2]], strict=True))
    assert shown == story.amounts()
    assert f"in all: {story.total(shown)} (modulo {task.modulus})" in last
    arrows = tree.findall(".//{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}path")
    assert len(arrows) == 2 * len(story.told)
    larger = replace(task, givens=task.givens + MOST_DRAWN)
    assert larger.picture(*batch.prompt, *batch.trace, *batch.answer) is None
