"""Whether a task keeps its contract: `check_task`, for the tasks here and for users' own.

Each check is a function that returns what it found in a few words, or raises `Broken` with what is wrong.
They draw instances from fixed keys, so the same task gives the same report. What they cannot see: whether
the reference is *right*, which takes truth from elsewhere, and whether it is the best algorithm there is.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import bdtrc

from .cost import Cost
from .instance import PAD, QUERY, UNASKED, Instances
from .meter import measure
from .study.splits import TEST, TRAIN, VALIDATION, draw, shared_depth, split_of
from .tasks.base import SPECIAL, AbstractTask

COUNT = 2048
"""Instances in a sample from which rates are read."""
FEW = 64
"""Instances where each is looked at by itself."""
SIGMAS = 5.0
"""How many standard errors the number of different prompts may lie below what is stated."""
ALARM = 1e-6
"""How likely a check of a rate may fail a task that keeps to what it states."""


class Broken(Exception):
    """What a task promises and does not keep."""


@dataclass(frozen=True)
class Check:
    """One check: its name, whether it passed, and what was found."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Conformance:
    """What `check_task` found.

    >>> from seriality.tasks import Words
    >>> check_task(Words("S5", length=6)).passed
    True
    """

    task: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def faults(self) -> tuple[str, ...]:
        """One line for every check that failed."""
        return tuple(f"{check.name}: {check.found}" for check in self.checks if not check.passed)

    def __str__(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [
            f"{'pass' if check.passed else 'FAIL'}  {check.name.ljust(width)}  {check.found}"
            for check in self.checks
        ]
        return "\n".join([self.task, *lines])


def check_task(task: AbstractTask, *, count: int = COUNT, only: Sequence[str] = ()) -> Conformance:
    """Hold a task to the contract of `AbstractTask`, with rates read from `count` instances.

    `only` names the checks to make, if not all. The task needs a `max_depth` of 2 or more, so that growth
    shows. Checks after a broken one still run, and whatever error a task raises is told as the fault of the
    check that met it.
    """
    if not isinstance(task, AbstractTask):
        raise TypeError(f"check_task takes a task, as in check_task(Words('S5')); {task!r} is none")
    if task.max_depth < 2:
        raise ValueError(f"{task!r} has max_depth {task.max_depth}; to see growth it needs 2 or more")
    checks = {_name(check): check for check in CHECKS}
    if unknown := [name for name in only if name not in checks]:
        raise ValueError(f"only={unknown[0]!r}: allowed are {', '.join(checks)}")
    made = [check for name, check in checks.items() if not only or name in only]
    return Conformance(repr(task), tuple(_carry_out(check, task, count) for check in made))


def _name(check: Callable[..., str]) -> str:
    return check.__name__.strip("_").replace("_", " ")


def _carry_out(check: Callable[[AbstractTask, int], str], task: AbstractTask, count: int) -> Check:
    name = _name(check)
    try:
        return Check(name, True, check(task, count))
    except Broken as error:
        return Check(name, False, str(error))
    except Exception as error:  # a user's task may raise anything; the report says what
        return Check(name, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _want(holds: Any, what: str) -> None:
    if not bool(holds):
        raise Broken(what)


# What is drawn


def _key(name: str) -> Any:
    return jax.random.key(sum(map(ord, name)))


def _mixed(task: AbstractTask, count: int, key: Any = None) -> Instances:
    """Instances of all depths in turn, as NumPy arrays."""
    depth = jnp.asarray(np.arange(count) % task.max_depth + 1)
    drawn = task.sample(count, key=_key("mixed") if key is None else key, depth=depth)
    return jax.tree.map(np.asarray, drawn)


def _deepest(task: AbstractTask, count: int) -> Instances:
    return jax.tree.map(np.asarray, task.sample(count, key=_key("deepest")))


def _same(left: Instances, right: Instances) -> bool:
    return bool(jax.tree.all(jax.tree.map(np.array_equal, left, right)))


def _metered(task: AbstractTask) -> Cost:
    prompt = jax.ShapeDtypeStruct((task.format.prompt_length,), jnp.int32)
    found = measure(task.reference, prompt, cost_model="unit")
    _want(found.bound == "exact", f"the meter gives the reference of {task!r} a bound, not an exact cost")
    return found.cost


def _smaller(task: AbstractTask) -> AbstractTask:
    return task.resized(max(1, task.max_depth // 2))


# The checks, in the order of the report


def _contract(task: AbstractTask, count: int) -> str:
    parameters = getattr(type(task), "__dataclass_params__", None)
    _want(parameters is not None and parameters.frozen, "the class is no frozen dataclass")
    _want(isinstance(task.version, int) and task.version >= 1, f"version={task.version!r}: must be 1 or more")
    _want(
        type(task)() is not None and hash(task) == hash(replace(cast(Any, task))),
        "equal tasks hash differently",
    )
    json.dumps(task.settings(), allow_nan=False)
    smaller = _smaller(task)
    _want(
        smaller.max_depth == max(1, task.max_depth // 2),
        f"resized({max(1, task.max_depth // 2)}) has max_depth {smaller.max_depth}",
    )
    _want(_smaller(task).resized(task.max_depth) == task, "resized there and back is another task")
    return f"version {task.version}, depths 1..{task.max_depth}"


def _layout(task: AbstractTask, count: int) -> str:
    form, batch = task.format, _mixed(task, FEW)
    _want(form.tokens[: len(SPECIAL)] == SPECIAL, f"tokens begin with {form.tokens[:2]}, must with {SPECIAL}")
    _want(len(set(form.tokens)) == form.vocabulary, "two tokens have the same text")
    shapes = {
        "prompt": form.prompt_length,
        "labels": form.prompt_length,
        "trace": form.trace_length,
        "answer": form.answer_length,
    }
    for part, length in shapes.items():
        found = getattr(batch, part)
        _want(found.shape == (FEW, length), f"{part} of shape {found.shape}, must be ({FEW}, {length})")
        low = UNASKED if part == "labels" else 0
        _want(
            found.min(initial=0) >= low and found.max(initial=0) < form.vocabulary,
            f"{part} holds a token outside {low}..{form.vocabulary - 1}",
        )
    asked = batch.prompt == QUERY
    _want(asked[:, -form.answer_length :].all(), "a prompt does not end with a QUERY for each answer token")
    _want(not asked[:, : -form.answer_length].any(), "a prompt has a QUERY before its last ones")
    _want((batch.labels[:, -form.answer_length :] == batch.answer).all(), "labels do not end with the answer")
    _want(not ((batch.labels != UNASKED) & (batch.prompt == PAD)).any(), "a PAD of a prompt has a label")
    _want((batch.answer != PAD).all() and (batch.answer != QUERY).all(), "an answer holds PAD or QUERY")
    written = batch.trace != PAD
    _want(written.any(axis=1).all(), "a trace is empty")
    _want((written[:, :-1] >= written[:, 1:]).all(), "a trace has a PAD before its last step")
    return f"prompt {form.prompt_length}, trace {form.trace_length}, answer {form.answer_length} tokens"


def _determinism(task: AbstractTask, count: int) -> str:
    first, again = _mixed(task, FEW), _mixed(task, FEW)
    _want(_same(first, again), "the same key gave other instances")
    other = _mixed(task, FEW, _key("other"))
    _want(not np.array_equal(first.prompt, other.prompt), "another key gave the same instances")
    copy: Any = replace(cast(Any, task))
    _want(_same(first, _mixed(copy, FEW)), "an equal task gave other instances")
    return "a key fixes its instances"


def _batch_size(task: AbstractTask, count: int) -> str:
    whole = _deepest(task, FEW)
    for size in (1, 5):
        part = _deepest(task, size)
        _want(
            _same(jax.tree.map(lambda x, size=size: x[:size], whole), part),
            f"the first {size} of {FEW} instances are others than those of a batch of {size}",
        )
    return "changes no instance"


def _depth(task: AbstractTask, count: int) -> str:
    wanted = np.arange(FEW) % task.max_depth + 1
    batch = _mixed(task, FEW)
    _want(np.array_equal(batch.depth, wanted), "instances have other depths than those asked for")
    traced = jax.jit(lambda depth: task.sample(FEW, key=_key("mixed"), depth=depth))(jnp.asarray(wanted))
    _want(_same(batch, jax.tree.map(np.asarray, traced)), "a traced depth gave other instances")
    deepest = _deepest(task, FEW).prompt
    for depth in sorted({1, max(1, task.max_depth // 2)}):
        kept = task.leading(depth)
        if kept >= task.leading(task.max_depth):
            continue
        shallow = np.asarray(task.sample(FEW, key=_key("deepest"), depth=depth).prompt)
        _want(
            np.array_equal(shallow[:, :kept], deepest[:, :kept]),
            f"leading({depth}) is {kept}, but deeper instances of the same key begin otherwise",
        )
    return "an integer, an array or traced gives the same"


def _reference(task: AbstractTask, count: int) -> str:
    batch = _mixed(task, count)
    _want(np.asarray(task.score(jnp.asarray(batch.answer), batch)).all(), "an instance's answer is not right")
    answers = jax.jit(jax.vmap(task.reference))(jnp.asarray(batch.prompt))
    right = np.asarray(task.score(answers, batch))
    if not right.all():
        first = int(np.argmin(right))
        raise Broken(
            f"the reference is wrong on {int((~right).sum())} of {count} instances, first on "
            f"{first} of depth {batch.depth[first]}"
        )
    return f"right on {count} of {count} instances"


def _splits(task: AbstractTask, count: int) -> str:
    shared = shared_depth(task)
    if shared >= task.max_depth:
        return f"not divided: fewer than 4,096 prompts at every depth up to {task.max_depth}"
    seen = {}
    draw_jitted = jax.jit(draw, static_argnums=(0, 2))
    for split in (TRAIN, VALIDATION, TEST):
        prompts = draw_jitted(task, split, 256, depth=task.max_depth, key=_key("split")).prompt
        _want(np.asarray(split_of(task, prompts) == split).all(), "a split holds instances of another")
        kept = np.asarray(task.lineage(prompts, min(shared + 1, task.max_depth)))
        seen[split] = {row.tobytes() for row in kept}
    both = seen[TRAIN] & seen[VALIDATION] | seen[TRAIN] & seen[TEST] | seen[VALIDATION] & seen[TEST]
    _want(not both, f"{len(both)} beginnings are in two splits")
    return f"share no question beyond depth {shared}"


def _uniqueness(task: AbstractTask, count: int) -> str:
    depths = range(1, task.max_depth + 1)
    stated = [task.distinct(depth) for depth in depths]
    _want(stated == sorted(stated), f"distinct falls with depth: {stated}")
    different = len({row.tobytes() for row in _deepest(task, count).prompt})
    space = min(stated[-1], 2**64)
    expected = -space * math.expm1(count * math.log1p(-1 / space)) if space > 1 else 1.0
    _want(
        different >= expected - SIGMAS * math.sqrt(max(1.0, count - expected)) - 1,
        f"{different} different prompts in {count}; of {space} as stated by distinct({task.max_depth}), "
        f"{expected:.0f} were expected",
    )
    return f"{different} different prompts in {count}"


def _answers(task: AbstractTask, count: int) -> str:
    _want(task.guess_rate < 1, "one answer is right for all instances, by the stated guess_rate")
    rate, largest = _kept_rate(task, count), _largest_rate(task, count)
    return f"majority baseline {rate:.3f}; stated {task.guess_rate:.3f}, by chance up to {largest:.3f}"


def _kept_rate(task: AbstractTask, count: int) -> float:
    """The share for which one answer is right, no larger than stated."""
    rate = majority_rate(task, _deepest(task, count))
    _want(
        rate <= _largest_rate(task, count),
        f"one answer is right for {rate:.3f} of {count} instances, stated is at most {task.guess_rate:.3f}",
    )
    return rate


def _largest_rate(task: AbstractTask, count: int) -> float:
    """The share of `count` instances that one of the 1 / guess_rate likeliest answers has, at most, by chance
    (the tail of a binomial distribution, and a union bound). Some answer is there once, however rare all are.
    """
    above = bdtrc(np.arange(count + 1), count, task.guess_rate)
    return max(1, int(np.argmax(above <= ALARM * task.guess_rate))) / count


def majority_rate(task: AbstractTask, batch: Instances) -> float:
    """The share of a batch for which its most common answer is right."""
    (most, _), *_ = Counter(row.tobytes() for row in np.asarray(batch.answer)).most_common(1)
    answer = np.frombuffer(most, np.asarray(batch.answer).dtype)
    everywhere = jnp.asarray(np.broadcast_to(answer, batch.answer.shape))
    return float(np.mean(np.asarray(task.score(everywhere, batch))))


def _scores(task: AbstractTask, count: int) -> str:
    batch = _deepest(task, count)
    shifted = jnp.asarray(np.roll(batch.answer, 1, axis=0))
    rate = float(np.mean(np.asarray(task.score(shifted, batch))))
    _want(
        rate <= _largest_rate(task, count),
        f"a neighbour's answer is right for {rate:.3f} of {count} instances",
    )
    for wrong in (PAD, QUERY):
        nothing = jnp.full_like(jnp.asarray(batch.answer), wrong)
        _want(not np.asarray(task.score(nothing, batch)).any(), f"an answer of {SPECIAL[wrong]} is right")
    return f"a neighbour's answer is right for {rate:.3f}"


def _dials(task: AbstractTask, count: int) -> str:
    _want(is_dataclass(task), "the class is no dataclass")
    before, cost = _mixed(task, FEW), _metered(task)
    moved, still, fixed = [], [], []
    for dial in fields(task):  # type: ignore[arg-type]
        value = getattr(task, dial.name)
        other = task.other_values.get(dial.name)
        if dial.name in task.other_values and other == value:
            fixed.append(dial.name)
            continue
        if other is None:
            _want(
                isinstance(value, int) and not isinstance(value, bool),
                f"{dial.name}={value!r} is no integer: name another value in other_values",
            )
            other = value + 1
        changed = replace(task, **{dial.name: other})  # type: ignore[type-var]
        after = _mixed(changed, FEW)
        differ = (
            any(
                not np.array_equal(getattr(before, part), getattr(after, part))
                for part in ("prompt", "trace", "answer")
            )
            or changed.format.tokens != task.format.tokens
        )
        _want(differ, f"{dial.name}={other!r} gives the instances of {dial.name}={value!r}")
        costs = _metered(changed) != cost
        listed = dial.name in task.dials_without_cost
        _want(
            costs != listed,
            f"{dial.name}={other!r} "
            + (
                "changes the metered cost, yet is in"
                if listed
                else "costs what it did; if that is so, add it to"
            )
            + " dials_without_cost",
        )
        (moved if costs else still).append(dial.name)
    unknown = {*task.other_values, *task.dials_without_cost} - {*moved, *still, *fixed}
    _want(not unknown, f"{sorted(unknown)} are no dials")
    kinds = {"move cost": moved, "instances only": still} | ({"cannot move here": fixed} if fixed else {})
    return "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in kinds.items())


def _cost(task: AbstractTask, count: int) -> str:
    sizes = [task, _smaller(task)]
    sizes += [each.control for each in sizes if each.control is not None]
    for each in sizes:
        declared, found = each.cost(), _metered(each)
        _want(declared == found, f"{each!r} declares {declared}, the meter reads {found}")
    return f"declared is metered: work {task.cost().work}, span {task.cost().span}"


def _control(task: AbstractTask, count: int) -> str:
    control, smaller = task.control, _smaller(task)
    grown = task.cost().span - smaller.cost().span
    if control is None:
        return f"is one: span grows by {grown} from depth {smaller.max_depth} to {task.max_depth}"
    ours, twin = task.format, control.format
    for length in ("prompt_length", "trace_length", "answer_length"):
        mine, its = getattr(ours, length), getattr(twin, length)
        _want(mine == its, f"its {length} is {its}, the task's {mine}")
    _want(control.max_depth == task.max_depth, f"its max_depth is {control.max_depth}, not {task.max_depth}")
    _want(control.guess_rate < 1, "one answer is right for all of its instances, by its guess_rate")
    _want(control.control is None, "the control names a control of its own")
    its_smaller = smaller.control
    _want(its_smaller is not None, f"at max_depth {smaller.max_depth} there is none")
    its_grown = control.cost().span - its_smaller.cost().span  # type: ignore[union-attr]
    _want(
        its_grown < grown,
        f"its span grows by {its_grown} from depth {smaller.max_depth} to {task.max_depth}, "
        f"the task's by {grown}; a task too small for its control to be faster passes at larger dials",
    )
    rate = _kept_rate(control, count)
    return (
        f"same layout; its span grows by {its_grown} where the task's grows by {grown}; majority baseline "
        f"{rate:.3f}"
    )


def _text(task: AbstractTask, count: int) -> str:
    batch = _mixed(task, FEW)
    longest = 0
    for prompt, trace, answer in zip(batch.prompt, batch.trace, batch.answer, strict=True):
        question = task.render(prompt)
        longest = max(longest, len(question))
        _want(question.strip(), "a question is empty")
        _want(
            np.array_equal(task.parse(question), prompt),
            f"parse(render(prompt)) is another prompt: {question!r}",
        )
        line = task.render_answer(answer)
        _want("\n" not in line and line.strip(), f"the answer {line!r} is not one line")
        for typed in (line, f" {line}\n"):
            _want(
                np.array_equal(task.parse_answer(typed), answer), f"parse_answer({typed!r}) is another answer"
            )
        _want(task.render_trace(trace).strip(), "the steps of an instance are no text")
    prompt = np.asarray(batch.prompt)[0]
    question = task.render(prompt)
    for place in range(0, len(question), max(1, len(question) // FEW)):
        sign = question[place]
        altered = f"{question[:place]}{'x' if sign != 'x' else 'y'}{question[place + 1 :]}"
        with suppress(ValueError):
            _want(
                not np.array_equal(task.parse(altered), prompt),
                f"parse reads a question with {sign!r} altered at character {place} as if it were not",
            )
    for reader in (task.parse, task.parse_answer):
        for nonsense in ("", "?", "word: ()\nnonsense " * 3):
            try:
                reader(nonsense)
            except ValueError as error:
                _want("\n" not in str(error), f"{reader.__name__} tells a fault in more than one line")
            else:
                raise Broken(f"{reader.__name__} reads {nonsense!r} without complaint")
    return f"questions and answers come back; the longest has {longest} characters"


CHECKS: tuple[Callable[[AbstractTask, int], str], ...] = (
    _contract,
    _layout,
    _determinism,
    _batch_size,
    _depth,
    _reference,
    _splits,
    _uniqueness,
    _answers,
    _scores,
    _dials,
    _cost,
    _control,
    _text,
)
"""Every check of the report, in its order."""
