"""Every check of `check_task` notices what it is for: one good task, and a twin of it for each fault."""

from dataclasses import dataclass, replace
from math import comb, fsum

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.conformance import CHECKS, _largest_rate, check_task
from seriality.cost import Cost
from seriality.instance import PAD, QUERY, Format
from seriality.tasks import AbstractTask
from seriality.tasks.base import FIRST, SPECIAL, ask_at_the_end, lay_out, line_after, uniform
from seriality.tasks.texts import same_text

COUNT = 512


@dataclass(frozen=True)
class Modular(AbstractTask):
    """The alternating sum of up to `length` digits modulo 7, digit by digit, or (wide) the sum at once."""

    length: int = 6
    wide: str = "no"

    version = 1

    @property
    def other_values(self):
        return {"wide": "yes" if self.wide == "no" else "no"}

    @property
    def guess_rate(self):
        return 0.2

    @property
    def control(self):
        return None if self.wide == "yes" else replace(self, wide="yes")

    @property
    def format(self):
        return Format((*SPECIAL, *"0123456"), self.length + 1, self.length, 1)

    @property
    def max_depth(self):
        return self.length

    def resized(self, max_depth):
        return replace(self, length=max_depth)

    def distinct(self, depth):
        return 7**depth

    def leading(self, depth):
        return depth

    def _steps(self, digits, within):
        state, states = jnp.zeros((), jnp.int32), []
        for digit, inside in zip(digits, within, strict=True):
            moved = digit + state if self.wide == "yes" else digit - state
            state = jnp.where(inside, jnp.remainder(moved, 7), state)
            states.append(state)
        return jnp.stack(states)

    def draw(self, depth, *, key):
        within = jnp.arange(self.length) < depth
        digits = uniform(np.full(self.length, 7), key=key)
        steps = self._steps(digits, within)
        answer = steps[-1:] + FIRST
        prompt = lay_out(jnp.where(within, digits + FIRST, PAD), 1)
        return prompt, ask_at_the_end(len(prompt), answer), jnp.where(within, steps + FIRST, PAD), answer

    def reference(self, prompt):
        digits, within = jnp.maximum(prompt[:-1] - FIRST, 0), prompt[:-1] != PAD
        if self.wide == "yes":
            return jnp.remainder(digits.sum(keepdims=True), 7) + FIRST
        return self._steps(digits, within)[-1:] + FIRST

    def cost(self):
        n = self.length
        return Cost(3 * n + 7, 9) if self.wide == "yes" else Cost(12 * n + 1, 7 * n + 3)

    def render(self, prompt):
        asked = "sum" if self.wide == "yes" else "alternating sum, the last digit with a plus,"
        digits = " ".join(self.format.tokens[token] for token in prompt[:-1].tolist() if token != PAD)
        return f"What is the {asked} of the digits modulo 7? Answer with a digit.\ndigits: {digits}"

    def parse(self, text):
        digits = self.token_ids(line_after(text, "digits").split())
        prompt = np.full(self.length + 1, PAD, np.int32)
        prompt[: len(digits)], prompt[-1] = digits, QUERY
        same_text(text, self.render(prompt))
        return prompt


def test_a_good_task_passes_every_check():
    for task in (Modular(), Modular(wide="yes")):
        found = check_task(task, count=COUNT)
        assert found.passed, str(found)
        assert len(found.checks) == len(CHECKS)
        assert str(found).count("pass") == len(CHECKS)
        assert found.faults == ()


@dataclass(frozen=True)
class NoVersion(Modular):
    version = 0


@dataclass(frozen=True)
class Resizes(Modular):
    def resized(self, max_depth):
        return replace(self, length=max_depth + 1)


@dataclass(frozen=True)
class UnlabelledAnswer(Modular):
    def draw(self, depth, *, key):
        prompt, labels, trace, answer = super().draw(depth, key=key)
        return prompt, jnp.roll(labels, 1), trace, answer


@dataclass(frozen=True)
class HoleInTrace(Modular):
    def draw(self, depth, *, key):
        prompt, labels, trace, answer = super().draw(depth, key=key)
        return prompt, labels, trace.at[0].set(jnp.where(depth > 1, PAD, trace[0])), answer


@dataclass(frozen=True)
class KeyUnused(Modular):
    def draw(self, depth, *, key):
        return super().draw(depth, key=jax.random.key(1))


@dataclass(frozen=True)
class DepthIgnored(Modular):
    def sample(self, count, *, key, depth=None):
        return super().sample(count, key=key)


@dataclass(frozen=True)
class BatchMatters(Modular):
    def sample(self, count, *, key, depth=None):
        return super().sample(count, key=jax.random.fold_in(key, count), depth=depth)


@dataclass(frozen=True)
class LeadsFurther(Modular):
    def leading(self, depth):
        return min(depth + 1, self.length)


@dataclass(frozen=True)
class WrongReference(Modular):
    def reference(self, prompt):
        found = super().reference(prompt)
        return jnp.where(prompt[0] == FIRST, FIRST, found)


@dataclass(frozen=True)
class FewPrompts(Modular):
    def distinct(self, depth):
        return 7 ** (3 * depth)


@dataclass(frozen=True)
class Guessable(Modular):
    @property
    def guess_rate(self):
        return 0.05


@dataclass(frozen=True)
class OneAnswer(Modular):
    @property
    def guess_rate(self):
        return 1.0


@dataclass(frozen=True)
class ScoresAll(Modular):
    def score(self, answer, instances):
        return jnp.ones(len(answer), bool)


@dataclass(frozen=True)
class DeadDial(Modular):
    dead: int = 3


@dataclass(frozen=True)
class FreeDial(Modular):
    @property
    def dials_without_cost(self):
        return ("length",)


@dataclass(frozen=True)
class UnnamedValue(Modular):
    other_values = {}  # noqa: RUF012


@dataclass(frozen=True)
class WrongCost(Modular):
    def cost(self):
        return super().cost().then(Cost(1, 0))


@dataclass(frozen=True)
class SerialControl(Modular):
    @property
    def control(self):
        return None if self.wide == "yes" else SerialControl(self.length, "yes")

    def cost(self):
        return Modular(self.length).cost()


@dataclass(frozen=True)
class ShortControl(Modular):
    @property
    def control(self):
        return None if self.wide == "yes" else ShortControl(self.length - 1, "yes")


@dataclass(frozen=True)
class GuessableControl(Modular):
    @property
    def guess_rate(self):
        return 0.05 if self.wide == "yes" else super().guess_rate

    @property
    def control(self):
        return None if self.wide == "yes" else GuessableControl(self.length, "yes")


@dataclass(frozen=True)
class TextOfDepth(Modular):
    def render(self, prompt):
        return super().render(np.where(np.arange(len(prompt)) == 1, FIRST, prompt))


@dataclass(frozen=True)
class ReadsLabels(Modular):
    def parse(self, text):
        rules = self.render(np.array([QUERY])).partition("digits:")[0]
        return super().parse(f"{rules}digits: {line_after(text, 'digits')}")


@dataclass(frozen=True)
class Mute(Modular):
    def render(self, prompt):
        return "\n"


@dataclass(frozen=True)
class CountsSpaces(Modular):
    def parse_answer(self, text):
        if not text.isdigit():
            raise ValueError(f"{text!r} is no number")
        return super().parse_answer(text)


@dataclass(frozen=True)
class ReadsAnything(Modular):
    def parse_answer(self, text):
        return np.array([FIRST], np.int32) if not text.strip().isdigit() else super().parse_answer(text)


@pytest.mark.parametrize(
    ("task", "check", "said"),
    [
        (NoVersion(), "contract", "version=0"),
        (Resizes(), "contract", "resized(3) has max_depth 4"),
        (UnlabelledAnswer(), "layout", "labels do not end with the answer"),
        (HoleInTrace(), "layout", "PAD before its last step"),
        (KeyUnused(), "determinism", "another key gave the same"),
        (DepthIgnored(), "depth", "other depths than those asked for"),
        (BatchMatters(), "batch size", "are others than those of a batch of 1"),
        (LeadsFurther(), "depth", "leading(1) is 2"),
        (WrongReference(), "reference", "the reference is wrong on"),
        (FewPrompts(length=2), "uniqueness", "different prompts in"),
        (Guessable(), "answers", "stated is at most 0.050"),
        (OneAnswer(), "answers", "one answer is right for all instances"),
        (OneAnswer(), "control", "one answer is right for all of its instances"),
        (ScoresAll(), "scores", "a neighbour's answer is right for 1.000"),
        (DeadDial(), "dials", "dead=4 gives the instances of dead=3"),
        (FreeDial(), "dials", "length=7 changes the metered cost, yet is in dials_without_cost"),
        (UnnamedValue(), "dials", "wide='no' is no integer"),
        (WrongCost(), "cost", "declares Cost(work=74, span=45), the meter reads Cost(work=73, span=45)"),
        (SerialControl(), "control", "its span grows by 21 from depth 3 to 6, the task's by 21"),
        (ShortControl(), "control", "its prompt_length is 6, the task's 7"),
        (GuessableControl(), "control", "stated is at most 0.050"),
        (TextOfDepth(), "text", "is another prompt"),
        (ReadsLabels(), "text", "parse reads a question with 'W' altered at character 0"),
        (Mute(), "text", "a question is empty"),
        (CountsSpaces(), "text", "no number"),
        (ReadsAnything(), "text", "parse_answer reads '' without complaint"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AbstractTask) else None,
)
def test_a_fault_is_noticed_and_said(task, check, said):
    found = check_task(task, count=COUNT, only=(check,))
    (fault,) = found.faults
    assert fault.startswith(f"{check}: ")
    assert said in fault
    assert "\n" not in fault


@dataclass(frozen=True)
class Rated(Modular):
    rate: float = 0.5

    @property
    def guess_rate(self):
        return self.rate


@pytest.mark.parametrize(("rate", "count"), [(1 / 625, 512), (0.5, 64), (1 / 7, 100), (1e-4, 1000)])
def test_how_often_an_answer_may_be_right_by_chance(rate, count):
    """More often than so: for none of 1 / rate answers, but once in a million checks; by the sum itself."""

    def tail(most):
        each = (comb(count, k) * rate**k * (1 - rate) ** (count - k) for k in range(most + 1, count + 1))
        return fsum(each)

    most = round(_largest_rate(Rated(rate=rate), count) * count)
    assert tail(most) <= 1e-6 * rate < tail(most - 1)


def test_an_answer_rarer_than_a_float_can_say_may_be_there_once():
    assert _largest_rate(Rated(rate=2.0**-2000), COUNT) == 1 / COUNT


@dataclass(frozen=True)
class Raises(Modular):
    def render(self, prompt):
        raise KeyError("two\nlines")


def test_an_error_of_the_task_is_the_fault_of_the_check_that_met_it():
    found = check_task(Raises(), count=64, only=("contract", "text"))
    assert found.faults == ("text: KeyError: 'two\\nlines'",)


def test_what_is_no_task_is_refused(as_users_call):
    with pytest.raises(TypeError, match=r"takes a task, as in check_task\(Words\('S5'\)\)"):
        check_task(Modular)
    with pytest.raises(ValueError, match="only='txt': allowed are contract, layout"):
        check_task(Modular(), only=("txt",))
    with pytest.raises(ValueError, match="max_depth 1; to see growth it needs 2 or more"):
        check_task(Modular(length=1))
