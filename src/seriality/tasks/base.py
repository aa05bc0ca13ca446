"""The contract of a task: a distribution of instances with dials.

A task says how one instance is drawn and what the best known algorithm answers. Batches, seeding, depth and
scoring are the same for all tasks and live here. It knows nothing of solvers: what passes to them is
`Instances`.
"""

import abc
import dataclasses
import math
import reprlib
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Int, Key, UInt32

from ..cost import Cost
from ..instance import PAD, QUERY, UNASKED, Format, Instances

SPECIAL = ("PAD", "QUERY")
"""The texts of the token ids PAD and QUERY."""

FIRST = len(SPECIAL)
"""The first token id that is a task's own."""


class AbstractTask(abc.ABC):
    """A distribution of instances whose dials are the fields of the (frozen dataclass) task.

    `version` rises when the same key gives other instances or other scores, not for a speed-up.
    """

    version: ClassVar[int]
    drawn_together: ClassVar[int | None] = None
    """How many instances are drawn side by side; None for all. For tasks that reject candidates, where
    account is kept of all instances that are still missing."""

    @property
    def other_values(self) -> Mapping[str, object]:
        """Another value for each dial that `check_task` cannot move by adding one: names, odd numbers. The
        present value says that with the other dials as they are there is no other."""
        return {}

    @property
    def dials_without_cost(self) -> tuple[str, ...]:
        """The dials that move the instances and leave the cost of the reference as it is."""
        return ()

    @property
    def guess_rate(self) -> float:
        """No one answer is right for a larger share of instances of `max_depth`; `check_task` tests it."""
        return 0.5

    def settings(self) -> dict[str, Any]:
        """The dials as plain JSON: what a record keeps and a digest is made of.

        A dial that joined a version later, `field(default=..., metadata={"later": True})`, is left out where
        it has its default: the instances are the same, and so are the records of them.
        """
        kept = dataclasses.asdict(self)  # type: ignore[call-overload]
        for each in dataclasses.fields(self):  # type: ignore[arg-type]
            if each.metadata.get("later") and kept[each.name] == each.default:
                del kept[each.name]
        return kept

    @property
    @abc.abstractmethod
    def format(self) -> Format:
        """The layout of the instances; it depends on the dials alone."""

    @property
    @abc.abstractmethod
    def max_depth(self) -> int:
        """The largest serial depth of an instance; depths run from 1 to it."""

    @abc.abstractmethod
    def resized(self, max_depth: int) -> "AbstractTask":
        """The same task with another `max_depth`, all other dials as they are."""

    @property
    @abc.abstractmethod
    def control(self) -> "AbstractTask | None":
        """The twin in the same layout whose steps have a shortcut; None if this task is one."""

    @abc.abstractmethod
    def distinct(self, depth: int) -> int:
        """The number of different prompts of this depth, which never falls with depth; where some are
        likelier than others, how many there would be were all as likely as the likeliest."""

    def leading(self, depth: int) -> int:
        """The first so many tokens of a prompt fix an instance of this depth that it continues: its labels
        and trace hold the answer to that one too. All of a prompt's fields if it continues none."""
        return self.format.prompt_length - self.format.answer_length

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """What prompts of this depth and deeper must share to be in one split: the beginning that answers
        the same shallower questions. A task whose instances come in equivalent forms (Sudoku) gives what is
        the same in all of them."""
        return prompt[:, : self.leading(depth)]

    @abc.abstractmethod
    def draw(
        self, depth: Int[Array, ""], *, key: Key[Array, ""]
    ) -> tuple[
        Int[Array, " prompt_length"],
        Int[Array, " prompt_length"],
        Int[Array, " trace_length"],
        Int[Array, " answer_length"],
    ]:
        """One instance: its prompt, labels, trace and answer."""

    @abc.abstractmethod
    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        """The right answer to one prompt, by the best algorithm known: what the meter reads the span from.

        The prompt must be one that `sample` can draw; of any other the answer means nothing.
        """

    @abc.abstractmethod
    def cost(self) -> Cost:
        """Work and span of `reference` in the `unit` cost model, in closed form; the meter must agree."""

    @abc.abstractmethod
    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        """The question in plain text, whole: the rules, the instance, and in what form to answer."""

    @abc.abstractmethod
    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        """The prompt that `render` shows as this text; a ValueError of one line if there is none."""

    def render_answer(self, answer: Int[np.ndarray, " answer_length"]) -> str:
        """An answer as one line of plain text; also a wrong one, or one that is no answer at all."""
        return " ".join(self.format.tokens[token] for token in answer.tolist())

    def parse_answer(self, text: str) -> Int[np.ndarray, " answer_length"]:
        """The answer that `render_answer` shows as this text; a ValueError of one line if there is none."""
        return in_full(self.token_ids(text.split()), self.format.answer_length, "answer")

    def render_trace(self, trace: Int[np.ndarray, " trace_length"]) -> str:
        """The serial steps in plain text, a line for each unit of depth."""
        steps = trace.reshape(self.max_depth, -1).tolist()
        tokens = self.format.tokens
        return "\n".join(" ".join(tokens[token] for token in step) for step in steps if step[0] != PAD)

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """An instance with its steps as an SVG, where a picture says more than text."""
        return None

    def token_ids(self, words: Iterable[str]) -> Int[np.ndarray, " words"]:
        """The ids of tokens given by their texts; a ValueError that names the first that is none."""
        return np.array([_token_id(self.format.tokens, word) for word in words], np.int32)

    def sample(
        self, count: int, *, key: Key[Array, ""], depth: int | Int[Array, "..."] | None = None
    ) -> Instances:
        """`count` instances of the given depth: one for all, one each, or (None) `max_depth`.

        Instance i is a function of `fold_in(key, i)` and its depth alone, so batch size never changes data.
        `depth` may be traced, and must then lie in 1..max_depth; known depths outside are a ValueError.
        """
        return _sample(self, jnp.arange(count), self._depths(count, depth), key)

    def sample_at(
        self,
        index: Int[Array, " batch"],
        *,
        key: Key[Array, ""],
        depth: int | Int[Array, "..."] | None = None,
    ) -> Instances:
        """The instances of these indices among all that `sample` draws with this key: for reading a large
        sample in parts, and single instances again."""
        return _sample(self, index, self._depths(len(index), depth), key)

    def prepare(self) -> None:  # noqa: B027 - most tasks have nothing to make
        """Make now what the first draw would make on the host, if that takes long, such as a pool."""

    def score(self, answer: Int[Array, "batch answer_length"], instances: Instances) -> Bool[Array, " batch"]:
        """Whether each answer is right in all of its tokens."""
        return jnp.all(answer == instances.answer, axis=-1)

    def _depths(self, count: int, depth: int | Int[Array, "..."] | None) -> Int[Array, " count"]:
        wanted = self.max_depth if depth is None else depth
        if not isinstance(wanted, Tracer):
            wanted = np.asarray(wanted)
        faults = []
        if count < 0:
            faults.append(f"count={count}: must be at least 0")
        if wanted.shape not in ((), (count,)):
            faults.append(f"depth of shape {wanted.shape}: give one depth, or one each as shape ({count},)")
        if isinstance(wanted, np.ndarray):
            outside = [d for d in wanted.ravel().tolist() if d not in range(1, self.max_depth + 1)]
            if outside:
                faults.append(
                    f"depth={outside[0]}: must be an integer in 1..{self.max_depth}; "
                    f"for more, make a larger {self!r}"
                )
        refuse(f"an instance of {self!r}", faults)
        if isinstance(wanted, np.ndarray):
            return jnp.asarray(np.broadcast_to(wanted.astype(np.int32), (count,)))
        return jnp.broadcast_to(wanted.astype(jnp.int32), (count,))


@partial(jax.jit, static_argnums=0)
def _sample(
    task: AbstractTask, index: Int[Array, " batch"], depth: Int[Array, " batch"], key: Key[Array, ""]
) -> Instances:
    return drawn(task, depth, jax.vmap(jax.random.fold_in, (None, 0))(key, index))


def drawn(task: AbstractTask, depth: Int[Array, " batch"], keys: Key[Array, " batch"]) -> Instances:
    """An instance of each depth from each key."""

    def draw(one):
        depth, key = one
        return task.draw(depth, key=key)

    if task.drawn_together is None or len(depth) <= task.drawn_together:
        parts = jax.vmap(draw)((depth, keys))
    else:
        parts = jax.lax.map(draw, (depth, keys), batch_size=task.drawn_together)
    prompt, labels, trace, answer = parts
    return Instances(prompt=prompt, labels=labels, trace=trace, answer=answer, depth=depth)


def uniform(choices: Int[np.ndarray, " draws"], *, key: Key[Array, ""]) -> Int[Array, " draws"]:
    """Independent integers, the i-th uniform in 0..choices[i] − 1: exactly for powers of two, and for others
    up to a relative bias of 2^-16, or choices[i] / 2^32 where that is more.

    Random words are what an instance costs most, so each serves as many neighbouring draws of equal choices
    as it has room for. One call of the generator whatever is drawn: calls dominate the time to compile.
    """
    stretches = [(choice, len(list(equal))) for choice, equal in groupby(choices.tolist())]
    room = [_draws_per_word(choice) for choice, _ in stretches]
    words = [-(-count // per) for (_, count), per in zip(stretches, room, strict=True)]
    bits = jnp.split(jax.random.bits(key, (sum(words),)), np.cumsum(words)[:-1])
    drawn = [
        _digits(own, choice, per).ravel()[:count]
        for own, (choice, count), per in zip(bits, stretches, room, strict=True)
    ]
    return jnp.concatenate(drawn).astype(jnp.int32)


def _draws_per_word(choice: int) -> int:
    """How many draws a word of 32 bits serves: all of its bits if they divide evenly, else about half."""
    if choice & (choice - 1) == 0:
        return 32 // max(1, choice.bit_length() - 1)
    return max(1, int(16 / math.log2(choice)))


def _digits(bits: UInt32[Array, " words"], choice: int, count: int) -> UInt32[Array, "words count"]:
    """The lowest digits of each word in base `choice`."""
    if choice & (choice - 1) == 0:
        shifts = np.arange(count, dtype=np.uint32) * np.uint32(choice.bit_length() - 1)
        return bits[:, None] >> shifts & np.uint32(choice - 1)
    digits = []
    for _ in range(count):  # by a constant: several times as fast as by an array of divisors
        digits.append(bits % np.uint32(choice))
        bits = bits // np.uint32(choice)
    return jnp.stack(digits, axis=1)


@lru_cache(maxsize=64)
def _ids(tokens: tuple[str, ...]) -> dict[str, int]:
    return {text: i for i, text in enumerate(tokens)}


def _token_id(tokens: tuple[str, ...], word: str) -> int:
    if (found := _ids(tokens).get(word)) is None:
        own = tokens[FIRST:]
        few = ", ".join(own[:8]) + (", ..." if len(own) > 8 else "")
        raise ValueError(f"{shortened(word)} is no token of this task; allowed are {few}")
    return found


def in_full(tokens: Int[np.ndarray, " words"], length: int, what: str) -> Int[np.ndarray, " words"]:
    """The tokens, if they are as many as wanted; else a ValueError."""
    if len(tokens) != length:
        raise ValueError(f"{what}: {len(tokens)} tokens, must be {length}")
    return tokens


def line_after(text: str, label: str) -> str:
    """The rest of the line that begins with `label: `; a ValueError if there is none, or more than one."""
    found = [line[len(label) + 1 :] for line in text.splitlines() if line.startswith(f"{label}:")]
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines begin with {label + ':'!r}, must be one")
    return found[0].strip()


def shortened(text: str, length: int = 40) -> str:
    """A user's text as a quotation of bounded length."""
    return repr(text if len(text) <= length else f"{text[:length]}…")


def brief(value: object) -> str:
    """A user's value, whatever it is, as a `repr` of bounded length."""
    return _BRIEF.repr(value)


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxlist, _BRIEF.maxdict, _BRIEF.maxstring, _BRIEF.maxother = 2, 8, 2, 40, 40


def lay_out(fields: Int[Array, " field_length"], answer_length: int) -> Int[Array, " prompt_length"]:
    """The prompt: the fields of the task, then a QUERY for every token of the answer."""
    return jnp.concatenate([fields, jnp.full(answer_length, QUERY, fields.dtype)])


def ask_at_the_end(prompt_length: int, answer: Int[Array, " answer_length"]) -> Int[Array, " prompt_length"]:
    """The labels of a task that asks nothing before the QUERY tokens."""
    return jnp.concatenate([jnp.full(prompt_length - len(answer), UNASKED, answer.dtype), answer])


def lookup(table: Array | np.ndarray, *indices: Array) -> Array:
    """`table[indices]`, for indices known to be in range: one step, and no arithmetic on the indices."""
    return jnp.asarray(table).at[indices].get(mode="promise_in_bounds", wrap_negative_indices=False)


LARGEST = 2**20
"""The largest value of a dial, and of the length of a trace: beyond it no instance fits a machine."""


def integer_fault(name: str, value: int, low: int, example: int, high: int = LARGEST) -> list[str]:
    """The fault, if there is one, of a dial that must be an integer from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        said = f"must be an integer, at least {low}, at most {high}; e.g. {name}={example}"
        return [f"{name}={brief(value)}: {said}"]
    return []


def size_fault(length: int, **dials: int) -> list[str]:
    """The fault, if there is one, of dials that make the trace longer than LARGEST tokens."""
    if length > LARGEST:
        named = ", ".join(f"{name}={value}" for name, value in dials.items())
        return [f"{named}: the trace has {length} tokens, allowed are {LARGEST}; make one of them smaller"]
    return []


def refuse(what: str, faults: list[str]) -> None:
    """Raise a ValueError of one line for every fault, if there are any."""
    if len(faults) == 1:
        raise ValueError(f"{what}: {faults[0]}")
    if faults:
        raise ValueError("\n  ".join([f"{what}: {len(faults)} faults", *faults]))
