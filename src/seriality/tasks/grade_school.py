"""Word problems of grade school: how many are there in all?

A story gives some amounts as numbers ("Mia has 7 pens.") and every other one in terms of two amounts ("Leo's
cups are as many as Mia's pens times Ann's keys."). The sentences of the second kind come in random order, so
they must be put in the order of their dependencies first, as in iGSM (Ye, Xu, Li & Allen-Zhu 2024), a formal
twin of GSM8K (Cobbe et al. 2021). All is counted modulo a prime, as there (23), so that answers are bounded
and products do not grow. The question asks for the total of two kinds of things: of exactly `operations`
amounts that sentences define, each of which counts, and of one given amount that nothing reads, so that given
all else the answer is uniform on p − 1 numbers. Distractors define things of other kinds. They read amounts
that count, but nothing that counts reads them. A given amount that no operation happens to read is idle too.

Depth is the longest chain of operations, and apart from work: iGSM's dial is the number of operations. At
every depth d from 1 to `chain` there are as many operations, tokens and terms of the total; d of the
operations are put on the levels 1 to d, one on each, and the others on random ones. An operation of level l
reads a random result of level l − 1 (on level 1, a given amount), and a random other result of a lower level,
or a given amount if there is none. So depth 1 is the widest problem and depth = operations a single chain, at
equal work.

Half of the operations are sums and half are products; a sum that would be 0 is made a product. So no amount
is 0: an operation depends on both of its operands, and to leave one out of the total is wrong always. Nothing
is subtracted, so that nothing cancels: as polynomials in any amounts, totals have no negative coefficients.
The trace works out the operations level by level: operands, result, and the total so far.

Complexity. A problem is an arithmetic circuit over the field of p elements, whose value problem is P-complete
(Greenlaw, Hoover & Ruzzo 1995, page 124), and remains so though no amount is 0, for p ≥ 5: with the bits 0
and 1 written as 2 and 1, and t = xy, the NAND of x and y is ((t − 3)² + 2) / 3, and no step to it is 0. Nor
does the total hide an amount: told p times, by other names, a circuit adds 0, and one more sentence then adds
its output (`tests/tasks/test_grade_school.py` tells it so). This takes `operations` and `chain` to grow; the
other dials may stay. It also takes results that are read more than once, and products of results. A story in
which every result is read once is a formula: in NC1 when written as one (Buss, Cook, Gupta & Ramachandran
1992), which takes logarithmic space. One that multiplies results by given amounts only is affine; circuits of
polynomial degree, these among them, are in NC2 (Valiant, Skyum, Berkowitz & Rackoff 1983). So that word
problems are P-complete ("The Serial Scaling Hypothesis", section 3.5) holds of the general form, and not of
every set of problems that looks like it.

Control, `reads="start"`: the same stories, told of one moment. Sentences read what the amounts were before
it: the given ones as given, all others 1. Depth is then that of the text alone: every operation is ready at
once, and the total is one sum. (Here a sum may be 0.)

What this task does not show: hardness of random stories, of few operations or a short chain; finding out what
is needed, which the kinds of things tell; nor language beyond a few sentence forms. Tokens are words and
phrases, without what every sentence has alike; `render` gives the whole text.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import pairwise
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt32

from ..cost import Cost
from ..instance import QUERY, Format
from .base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    ask_at_the_end,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    shortened,
)
from .texts import same_text, whole_number

ITEMS = ("pens", "cups", "cards", "books", "keys", "coins", "stamps", "shells")
ASKED = 2
"""Of how many kinds of things the total is asked."""
OTHER = len(ITEMS) - ASKED
NAMES = (
    *("Mia", "Leo", "Ann", "Tom", "Eva", "Max", "Zoe", "Ben", "Ida", "Sam", "Lea", "Jon", "Amy", "Tim"),
    *("Kai", "Ada", "Nick", "Ruth", "Paul", "Nora", "Hugo", "Lily", "Omar", "Rosa", "Finn", "Cleo", "Ivan"),
    *("Tara", "Luis", "Anna", "Karl", "Jane", "Otto", "Mary", "Noah", "Iris", "Adam", "Vera", "Joel", "Dora"),
)
SUM, PRODUCT = range(2)
VERBS = ("are as many as", "equal the sum of", "equal the product of")
LINKS = ("plus", "times", "and")
"""Those of a sentence; the first two also stand for the operations, in their order."""
FORMS = np.array([[(0, 0), (1, 2)], [(0, 1), (2, 2)]], np.int32)
"""The verb and the link of a sentence by [operation, wording]."""
FIRST_ITEM = FIRST
FIRST_VERB = FIRST_ITEM + len(ITEMS)
FIRST_LINK = FIRST_VERB + len(VERBS)
FIRST_NUMBER = FIRST_LINK + len(LINKS)
OPERATION_OF = np.zeros((FIRST_LINK, FIRST_NUMBER), np.int32)
"""The operation that tokens of a verb and a link say together."""
OPERATION_OF[FIRST_VERB + FORMS[..., 0], FIRST_LINK + FORMS[..., 1]] = np.arange(2)[:, None]

GIVEN_LENGTH, SENTENCE_LENGTH, STEP_LENGTH = 3, 8, 7
LARGEST_MODULUS = 97
MOST_AMOUNTS = 2**12
"""The most amounts of a story."""
MOST_DRAWN = 40
"""The most amounts of a picture."""


@dataclass(frozen=True)
class GradeSchool(AbstractTask):
    """Stories whose question takes `operations` operations, up to `chain` of them in a row. Depth is the
    longest chain.

    `distractors` more operations are told and not needed; `givens` amounts are told as numbers. All is
    counted modulo `modulus`, a prime from 5 to 97. `reads` says whether sentences speak of each other's
    "results" or of amounts at the "start" (the control). `resized` adds operations where there would be too
    few.

    >>> GradeSchool(chain=8, operations=8).cost()
    Cost(work=366, span=22)
    """

    chain: int = 8
    operations: int = 8
    distractors: int = 2
    givens: int = 5
    modulus: int = 23
    reads: str = "results"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = [
            *integer_fault("chain", self.chain, 1, 8, MOST_AMOUNTS),
            *integer_fault("operations", self.operations, 1, 8, MOST_AMOUNTS),
            *integer_fault("distractors", self.distractors, 0, 2, MOST_AMOUNTS),
            *integer_fault("givens", self.givens, 3, 5, MOST_AMOUNTS),
        ]
        if not faults and self.chain > self.operations:
            faults.append(
                f"chain={self.chain}, operations={self.operations}: a chain has no more operations than "
                f"there are; allowed are chain=1..{self.operations} or operations={self.chain}"
            )
        if not faults and self._amounts > MOST_AMOUNTS:
            faults.append(
                f"operations={self.operations}, distractors={self.distractors}, givens={self.givens}: "
                f"{self._amounts} amounts, allowed are {MOST_AMOUNTS}; make one of them smaller"
            )
        if not isinstance(self.modulus, int) or self.modulus not in _PRIMES:
            faults.append(f"modulus={self.modulus!r}: must be a prime from 5 to 97; e.g. modulus=23")
        if self.reads not in ("results", "start"):
            faults.append(f"reads={self.reads!r}: must be 'results' or 'start'; e.g. reads='results'")
        refuse("GradeSchool", faults)

    @property
    def other_values(self) -> dict[str, object]:
        return {
            "chain": self.chain + 1 if self.chain < self.operations else max(1, self.chain - 1),
            "modulus": 23 if self.modulus != 23 else 19,
            "reads": "start" if self.reads == "results" else "results",
        }

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        return ("modulus",) if self.reads == "results" else ("modulus", "chain")

    @property
    def guess_rate(self) -> float:
        """Exact: the given amount that counts is uniform from 1 to p − 1, and independent of all else."""
        return 1 / (self.modulus - 1)

    @cached_property
    def format(self) -> Format:
        rounds = [divmod(i, len(NAMES)) for i in range(self._owners)]
        owners = [f"{NAMES[i]}{again + 1 if again else ''}'s" for again, i in rounds]
        return Format(
            tokens=(*SPECIAL, *ITEMS, *VERBS, *LINKS, *map(str, range(self.modulus)), *owners),
            prompt_length=sum(self._lengths) + 1,
            trace_length=STEP_LENGTH * self.operations,
            answer_length=1,
        )

    @property
    def max_depth(self) -> int:
        return self.chain

    def resized(self, max_depth: int) -> "GradeSchool":
        return replace(self, chain=max_depth, operations=max(self.operations, max_depth))

    @property
    def control(self) -> "GradeSchool | None":
        """The same stories, read at the start; None if this task is that."""
        return None if self.reads == "start" else replace(self, reads="start")

    def distinct(self, depth: int) -> int:
        """At least: the names and numbers of (15 of) the given amounts that are read."""
        return math.prod((self.modulus - 1) * (OTHER * self._owners - i) for i in range(min(self._read, 15)))

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        r, n, s = self._read, self.operations, self._sentences
        shuffled = [len(ITEMS), ASKED * self._owners, OTHER * self._owners, s]
        lengths = [n, s, s, s, self.givens, sum(shuffled)]
        words = jnp.split(jax.random.bits(key, (sum(lengths),)), np.cumsum(lengths)[:-1])
        for_level, for_first, for_second, for_form, for_amount, for_orders = words
        items, counted, others, order = _shuffles(shuffled, for_orders)

        # Places: the given amounts that are read, the operations by level, the distractors.
        place = jnp.arange(n, dtype=jnp.int32)
        level = jnp.sort(jnp.where(place < depth, place + 1, 1 + _below(for_level, depth)))
        ends = jnp.cumsum(jnp.zeros(n + 2, jnp.int32).at[1].set(r).at[level + 1].add(1))  # of level l − 1
        idle = jnp.arange(r + n, r + s, dtype=jnp.int32)
        low = jnp.concatenate([lookup(ends, level - 1), jnp.zeros_like(idle)])
        high = jnp.concatenate([lookup(ends, level), idle])
        wanted = (for_form >> 31).astype(jnp.int32)
        first = low + _below(for_first, high - low)
        alone = high - (first >= r) == r  # there is no other result to read
        low, high = jnp.where(alone, 0, r), jnp.where(alone, r, high)
        among = (low <= first) & (first < high)
        second = low + _below(for_second, high - low - among)
        second = second + (among & (second >= first))

        amounts = 1 + _below(for_amount, jnp.full(self.givens, self.modulus - 1))
        before = jnp.concatenate([amounts[:r], jnp.ones(s, jnp.int32)])

        def work_out(known: Int[Array, " places"], now):
            at, wanted, first, second = now
            result = lookup(self._nonzero_results, wanted, lookup(known, first), lookup(known, second))
            return known.at[at].set(result), None

        known, _ = jax.lax.scan(work_out, before, (r + jnp.arange(s), wanted, first, second))
        zero = lookup(self._results, wanted, lookup(known, first), lookup(known, second)) == 0
        operation = jnp.where(zero, PRODUCT, wanted)
        swapped = for_form & 1 == 1
        left, right = jnp.where(swapped, second, first), jnp.where(swapped, first, second)
        read = known if self.reads == "results" else before
        a, b = lookup(read, left), lookup(read, right)
        value = lookup(self._results, operation, a, b)

        def named(drawn: Int[Array, " amounts"], first: int, kinds: int) -> Int[Array, "amounts 2"]:
            """Owners and kinds of things, of `kinds` kinds from the `first` of this story on."""
            item = lookup(items, first + drawn % kinds)
            return jnp.stack([self._first_owner + drawn // kinds, FIRST_ITEM + item], axis=1)

        counted = named(counted[: n + 1], 0, ASKED)
        others = named(others[: r + self.distractors], ASKED, OTHER)
        names = jnp.concatenate([others[:r], counted[:n], others[r:]])
        form = lookup(FORMS, operation, (for_form >> 1 & 1).astype(jnp.int32))
        verb, link = FIRST_VERB + form[:, :1], FIRST_LINK + form[:, 1:]
        parts = [names[r:], verb, lookup(names, left), link, lookup(names, right)]
        sentences = lookup(jnp.concatenate(parts, axis=1), order)
        told = jnp.concatenate([names[:r], counted[n:]])
        told = jnp.concatenate([told, FIRST_NUMBER + amounts[:, None]], axis=1)
        prompt = lay_out(jnp.concatenate([told.ravel(), sentences.ravel(), FIRST_ITEM + items[:ASKED]]), 1)

        total = FIRST_NUMBER + (amounts[r] + jnp.cumsum(value[:n])) % self.modulus
        numbers = [FIRST_NUMBER + a[:n], FIRST_LINK + operation[:n], FIRST_NUMBER + b[:n]]
        numbers = jnp.stack([*numbers, FIRST_NUMBER + value[:n], total], axis=1)
        trace = jnp.concatenate([counted[:n], numbers], axis=1).ravel()
        answer = total[-1:]
        return prompt, ask_at_the_end(len(prompt), answer), trace, answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        told, sentences, asked = self._parts(prompt)
        names = jnp.concatenate([told[:, :2], sentences[:, :2]])
        places = jnp.arange(self._amounts, dtype=jnp.int32)
        index = jnp.zeros((self.format.vocabulary, FIRST_VERB), jnp.int32)
        index = index.at[names[:, 0], names[:, 1]].set(
            places, mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False
        )
        left = lookup(index, sentences[:, 3], sentences[:, 4])
        right = lookup(index, sentences[:, 6], sentences[:, 7])
        operation = lookup(OPERATION_OF, sentences[:, 2], sentences[:, 5])
        amounts = told[:, 2] - FIRST_NUMBER

        def work_out(results: Int[Array, " sentences"], _):
            known = jnp.concatenate([amounts, results])
            return lookup(self._results, operation, lookup(known, left), lookup(known, right)), None

        rounds = self.chain if self.reads == "results" else 1
        results, _ = jax.lax.scan(work_out, jnp.ones(self._sentences, jnp.int32), length=rounds)
        counts = (names[:, 1] == asked[0]) | (names[:, 1] == asked[1])
        total = jnp.sum(jnp.where(counts, jnp.concatenate([amounts, results]), 0))
        return (jax.lax.rem(total, jnp.int32(self.modulus)) + FIRST_NUMBER)[None]

    def cost(self) -> Cost:
        """Find all amounts by their names and the operations by their words; in every round, read two amounts
        and look up the result; pick the amounts that count, add, divide, write."""
        a, s, rounds = self._amounts, self._sentences, self.chain if self.reads == "results" else 1
        return Cost(work=a + 3 * s + self.givens + 3 * s * rounds + 4 * a + (a - 1) + 2, span=2 * rounds + 6)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        text, p = self.format.tokens, self.modulus
        told, sentences, asked = self._parts(prompt)
        story = [
            f"{text[owner][:-2]} has {text[number]} {text[item][: -1 if text[number] == '1' else None]}."
            for owner, item, number in told.tolist()
        ]
        story += [" ".join(text[token] for token in sentence) + "." for sentence in sentences.tolist()]
        how = {
            "results": "The sentences of the story are in no particular order, and all hold together.",
            "start": "The story tells of one moment. Amounts told as numbers are the same before and after "
            "it; all others are 1 before it, and their sentences say what they are after it, in terms of "
            "what two amounts were before it.",
        }[self.reads]
        when = "" if self.reads == "results" else " after it"
        return "\n".join(
            [
                f"All amounts are counted modulo {p}: only the remainder on division by {p} counts, a number "
                f"from 0 to {p - 1}. So {p - 2} plus 3 is 1, and 2 times {(p + 1) // 2} is 1.",
                f"Mia's pens stand for the number of pens that Mia has, and so on. {how}",
                f"Story: {' '.join(story)}",
                f"Question: How many {' and '.join(text[token] for token in asked)} are there in all{when}?",
                f"Add up those of all people in the story, modulo {p}. Answer with the number alone, from 0 "
                f"to {p - 1}.",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        parts = line_after(text, "Story").removesuffix(".").split(". ")
        if len(parts) != self._amounts:
            raise ValueError(f"the story has {len(parts)} sentences, must have {self._amounts}")
        words = [word for part in parts[: self.givens] for word in self._words_of_given(part)]
        words += [word for part in parts[self.givens :] for word in _words_of_sentence(part)]
        question = line_after(text, "Question")
        asked = re.match(r"How many (\w+) and (\w+) are there in all", question)
        if asked is None:
            raise ValueError(
                f"question {shortened(question)}: must be as 'How many pens and cups are there in all?'"
            )
        prompt = np.array([*self.token_ids([*words, *asked.groups()]), QUERY], np.int32)
        self._check(prompt)
        same_text(text, self.render(prompt))
        return prompt

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        return np.array([FIRST_NUMBER + whole_number(text.strip(), 0, self.modulus - 1, "answer")], np.int32)

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        words = [self.format.tokens[token] for token in trace]
        lines = [words[i : i + STEP_LENGTH] for i in range(0, len(words), STEP_LENGTH)]
        return "\n".join(
            f"{owner} {item}: {left} {sign} {right} is {value}; in all so far {total}"
            for owner, item, left, sign, right, value, total in lines
        )

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The amounts by level, with arrows to those that read them: given ones grey, those that count framed
        in blue, distractors dashed; in each its value. None beyond 40 amounts."""
        if self._amounts > MOST_DRAWN:
            return None
        text = self.format.tokens
        told, sentences, asked = self._parts(prompt)
        amounts = {(owner, item): number - FIRST_NUMBER for owner, item, number in told.tolist()}
        told_in = _definitions(sentences)
        levels = _levels(amounts, told_in)
        values = dict(amounts)
        for name in sorted(told_in, key=levels.__getitem__):
            operation, *operands = told_in[name]
            read = values if self.reads == "results" else amounts
            values[name] = int(self._results[operation, *(read.get(operand, 1) for operand in operands)])
        columns = [[name for name in levels if levels[name] == at] for at in range(max(levels.values()) + 1)]
        tall = max(map(len, columns))
        places = {
            name: (60 + 120 * x, 34 + 44 * (y + 2 * x % (tall - len(column) + 1)))
            for x, column in enumerate(columns)
            for y, name in enumerate(column)
        }
        dashed = ' stroke-dasharray="3 3"'
        arrows, boxes = [], []
        for name, (x, y) in places.items():
            counts = name[1] in asked
            sign, kind = "", f'fill="#eee" stroke="{"#1667b7" if counts else "#888"}"'
            if name in told_in:
                operation, *operands = told_in[name]
                sign = f" ({'+×'[operation]})"
                kind = 'fill="#dceaf7" stroke="#1667b7"' if counts else f'fill="#fff" stroke="#888"{dashed}'
                for u, v in map(places.__getitem__, operands):
                    bend = f"M{u + 46} {v}C{u + 75} {v} {x - 75} {y} {x - 49} {y}"
                    arrows.append(f'<path d="{bend}"{"" if counts else dashed}/>')
            boxes.append(f'<rect x="{x - 46}" y="{y - 15}" width="92" height="30" rx="5" {kind}/>')
            boxes.append(f'<text x="{x}" y="{y - 3}">{escape(f"{text[name[0]]} {text[name[1]]}")}</text>')
            boxes.append(f'<text x="{x}" y="{y + 10}" font-weight="bold">{values[name]}{sign}</text>')
        width, height = 120 * len(columns), 44 * tall + 40
        said = " and ".join(text[token] for token in asked)
        said = f"{said} in all: {self.render_answer(answer)} (modulo {self.modulus})"
        if self.reads == "start":
            said += "; arrows carry the amounts at the start"
        tip = (
            '<defs><marker id="t" viewBox="0 0 6 6" refX="3" refY="3" markerWidth="5" markerHeight="5" '
            'orient="auto"><path d="M0 0L6 3L0 6z" fill="#777"/></marker></defs>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="10" '
            f'font-family="sans-serif" text-anchor="middle" fill="#222">{tip}'
            f'<rect width="{width}" height="{height}" fill="#fff"/>'
            f'<g fill="none" stroke="#777" marker-end="url(#t)">{"".join(arrows)}</g>{"".join(boxes)}'
            f'<text x="14" y="{height - 10}" text-anchor="start" font-size="12">{escape(said)}</text></svg>'
        )

    # The layout

    @property
    def _read(self) -> int:
        """The given amounts that may be read: all but the last, which counts."""
        return self.givens - 1

    @property
    def _sentences(self) -> int:
        """The sentences that define an amount by two others."""
        return self.operations + self.distractors

    @property
    def _amounts(self) -> int:
        return self.givens + self._sentences

    @property
    def _owners(self) -> int:
        """Enough that every amount has a name of its own: an owner and a kind of things."""
        others = self._read + self.distractors
        return max(8, -(-(self.operations + 1) // ASKED), -(-others // OTHER))

    @property
    def _first_owner(self) -> int:
        return FIRST_NUMBER + self.modulus

    @property
    def _lengths(self) -> tuple[int, int, int]:
        """The tokens of the given amounts, of the sentences and of the kinds asked for."""
        return GIVEN_LENGTH * self.givens, SENTENCE_LENGTH * self._sentences, ASKED

    def _parts(self, prompt):
        """The given amounts, the sentences and the kinds asked for, each token a column."""
        told, sentences, asked = (prompt[i:j] for i, j in pairwise([0, *np.cumsum(self._lengths).tolist()]))
        return told.reshape(-1, GIVEN_LENGTH), sentences.reshape(-1, SENTENCE_LENGTH), asked

    @cached_property
    def _results(self) -> np.ndarray:
        """What an operation makes of two numbers, by [operation, left, right]."""
        a, b = np.arange(self.modulus)[:, None], np.arange(self.modulus)
        return (np.stack([a + b, a * b]) % self.modulus).astype(np.int32)

    @cached_property
    def _nonzero_results(self) -> np.ndarray:
        """The same with a product where it would be 0."""
        return np.where(self._results == 0, self._results[PRODUCT], self._results)

    # What is wrong with a story

    def _words_of_given(self, sentence: str) -> list[str]:
        found = re.fullmatch(r"(\w+) has (\w+) (\w+)", sentence)
        if found is None:
            raise ValueError(f"{shortened(sentence)}: the first {self.givens} must be as 'Mia has 7 pens'")
        name, number, item = found.groups()
        whole_number(number, 1, self.modulus - 1, "amount")
        return [f"{name}'s", item + "s" * (number == "1"), number]

    def _check(self, prompt: Int[np.ndarray, " prompt_length"]) -> None:
        """A ValueError if tokens in the places of words are no story."""
        told, sentences, asked = self._parts(prompt)
        text = self.format.tokens

        def said(name: Name) -> str:
            return f"{text[name[0]]} {text[name[1]]}"

        named = np.concatenate([told[:, :2], sentences[:, :2], sentences[:, 3:5], sentences[:, 6:]])
        for owner in named[:, 0].tolist():
            if owner < self._first_owner:
                raise ValueError(f"{text[owner]!r} is no person's; must be as {text[self._first_owner]!r}")
        for item in (*named[:, 1].tolist(), *asked.tolist()):
            if not FIRST_ITEM <= item < FIRST_VERB:
                raise ValueError(f"{text[item]!r} are no things; allowed are {', '.join(ITEMS)}")
        pairs = [(owner, item) for owner, item in named.tolist()]
        amounts, names, read = pairs[: self.givens], Counter(pairs[: self._amounts]), pairs[self._amounts :]
        told_in = _definitions(sentences)
        for name, count in names.items():
            if count > 1:
                raise ValueError(f"{said(name)} are told {count} times, must be once")
        for name in read:
            if name not in names:
                raise ValueError(f"{said(name)} are read and not told")
        for name, (_, left, right) in told_in.items():
            if left == right:
                raise ValueError(f"{said(name)} are told by {said(left)} twice, must be by two amounts")
        counted = [name for name in names if name[1] in asked]
        results = [name for name in counted if name in told_in]
        if (len(results), len(counted) - len(results)) != (self.operations, 1) or asked[0] == asked[1]:
            raise ValueError(
                f"the question asks for {len(results)} results and {len(counted) - len(results)} given "
                f"amounts, must for {self.operations} and 1, of two kinds of things"
            )
        levels = _levels(amounts, told_in)
        for name in names:
            if name not in levels:
                raise ValueError(f"{said(name)} depend on themselves")
        if (longest := max(levels[name] for name in counted)) > self.chain:
            raise ValueError(f"the longest chain has {longest} operations, allowed are {self.chain}")


Name = tuple[int, int]
"""An amount by the tokens of its owner and its kind of things."""
_PRIMES = tuple(p for p in range(5, LARGEST_MODULUS + 1) if all(p % q for q in range(2, p)))
_ALLOWED = [(VERBS[verb], LINKS[link]) for verb, link in FORMS.reshape(-1, 2).tolist()]
_SENTENCES = [
    re.compile(rf"(\S+) (\w+) ({verb}) (\S+) (\w+) ({link}) (\S+) (\w+)") for verb, link in _ALLOWED
]


def _words_of_sentence(sentence: str) -> tuple[str, ...]:
    for form in _SENTENCES:
        if found := form.fullmatch(sentence):
            return found.groups()
    forms = ", ".join(f"'{verb} ... {link}'" for verb, link in _ALLOWED)
    raise ValueError(
        f"{shortened(sentence)}: must be as 'Ann's pens are as many as Leo's cups plus Mia's keys', with one "
        f"of {forms}"
    )


def _below(words: UInt32[Array, " draws"], bounds: Array) -> Int[Array, " draws"]:
    """Integers from 0, each below its bound of at most 2^12, with a relative bias of at most bound / 2^20."""
    return ((words >> 12) * bounds.astype(jnp.uint32) >> 20).astype(jnp.int32)


def _shuffles(lengths: list[int], words: UInt32[Array, " entries"]) -> list[Int[Array, " length"]]:
    """The numbers below each length in random order: one sort of words that hold which row they are of,
    random bits (23 of them for 128 entries), and their place, which decides where the bits are equal."""
    starts = np.cumsum([0, *lengths[:-1]])
    place = np.arange(sum(lengths), dtype=np.uint32)
    low = int(place[-1]).bit_length()
    row = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    order = jnp.sort(row << 30 | words >> (2 + low) << low | place) & np.uint32((1 << low) - 1)
    parts = jnp.split(order.astype(jnp.int32), starts[1:])
    return [part - start for part, start in zip(parts, starts.tolist(), strict=True)]


def _definitions(sentences: Int[np.ndarray, "sentences 8"]) -> dict[Name, tuple[int, Name, Name]]:
    """Operation and operands of every amount that a sentence defines."""
    return {
        (row[0], row[1]): (int(OPERATION_OF[row[2], row[5]]), (row[3], row[4]), (row[6], row[7]))
        for row in sentences.tolist()
    }


def _levels(amounts: Iterable[Name], told_in: dict[Name, tuple[int, Name, Name]]) -> dict[Name, int]:
    """The longest chain of operations to every amount, without those that depend on themselves."""
    levels = dict.fromkeys(amounts, 0)
    left = dict(told_in)
    while ready := [name for name, (_, *read) in left.items() if all(each in levels for each in read)]:
        levels |= {name: 1 + max(levels[each] for each in left.pop(name)[1:]) for name in ready}
    return levels
