"""Programs as parts: the work of each, its longest paths, and the operations on any one of them.

A part has inputs and outputs. `paths` is its max-plus matrix: entry [o, i] is the longest path from input i
to output o, NONE where there is none. `trace(o, i)` gives the operations on that path, each with how often it
occurs, in order of first appearance. `contents` gives what the part runs, and how often.

A loop of n iterations is the n-th power of one iteration, so its paths are those of the unrolled program and
cost O(k³ log n) for k carries.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int

from .maxplus import NONE, extend, identity, no_paths, power, product, up_to
from .rules import Operation

Rows = Int[np.ndarray, "_outputs _inputs"]


@dataclass(frozen=True, eq=False)
class Leaf:
    """One operation, all of whose outputs need all of its inputs, and where it was written.

    `moved` is the number of bytes that it moves (`traffic`).
    """

    name: str
    operation: Operation
    steps: int
    functions: tuple[str, ...] = ()
    line: str = ""
    moved: int = 0

    @property
    def work(self) -> int:
        return self.operation.work

    def trace(self, output: int, input: int) -> "Trace":
        return {self: 1}

    def contents(self) -> Iterable[tuple["Part", int]]:
        return ()


Trace = dict[Leaf, int]


class Part(Protocol):
    """A piece of a program."""

    @property
    def work(self) -> int: ...

    @property
    def paths(self) -> Rows: ...

    def trace(self, output: int, input: int) -> Trace: ...

    def contents(self) -> Iterable[tuple[Any, int]]: ...


def total(part: Any, of: Callable[[Leaf], int], memo: dict[int, int] | None = None) -> int:
    """The sum of `of` over all operations of a part, each as often as it runs."""
    memo = {} if memo is None else memo
    if isinstance(part, Leaf):
        return of(part)
    if id(part) not in memo:
        memo[id(part)] = sum(count * total(inner, of, memo) for inner, count in part.contents())
    return memo[id(part)]


def joined(traces: Iterable[Trace]) -> Trace:
    """One trace after the other."""
    total: Trace = {}
    for trace in traces:
        for leaf, count in trace.items():
            total[leaf] = total.get(leaf, 0) + count
    return total


@dataclass(frozen=True, eq=False)
class Made:
    """Where a value of a body comes from: an output of a leaf or a part, given these operands."""

    part: Any
    output: int
    operands: Sequence[Any]


@dataclass(frozen=True, eq=False)
class Body:
    """A straight line of parts. `rows` holds the paths to every value from each input."""

    work: int
    paths: Rows
    rows: dict[Any, Int[np.ndarray, " inputs"]]
    made: dict[Any, Made]
    outputs: Sequence[Any]
    parts: Sequence[Any]

    def trace(self, output: int, input: int) -> Trace:
        value, found = self.outputs[output], []
        while value in self.made:
            made, target = self.made[value], self.rows[value][input]
            before = np.array([self.row(operand)[input] for operand in made.operands])
            inside = made.part.steps if isinstance(made.part, Leaf) else made.part.paths[made.output]
            through = np.where(before == NONE, NONE, extend(before, inside))
            place = int(np.argmax(through == target))
            found.append(made.part.trace(made.output, place))
            value = made.operands[place]
        return joined(reversed(found))

    def row(self, value: Any) -> Int[np.ndarray, " inputs"]:
        try:
            return self.rows[value]
        except (KeyError, TypeError):  # a literal: known, and perhaps without a hash
            return no_paths(1, self.paths.shape[1])[0]

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(part, 1) for part in self.parts]


@dataclass(frozen=True, eq=False)
class Rearranged:
    """A part whose inputs are taken from other places: input i is `columns[i]` of the part, None no input."""

    part: Any
    columns: Sequence[int | None]

    @property
    def work(self) -> int:
        return self.part.work

    @cached_property
    def paths(self) -> Rows:
        padded = np.concatenate([self.part.paths, no_paths(len(self.part.paths), 1)], axis=1)
        return padded[:, [-1 if column is None else column for column in self.columns]]

    def trace(self, output: int, input: int) -> Trace:
        column = self.columns[input]
        assert column is not None, "no path starts at an input that is not there"
        return self.part.trace(output, column)

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(self.part, 1)]


@dataclass(frozen=True, eq=False)
class Copies:
    """The same part on several devices."""

    part: Any
    count: int

    @property
    def work(self) -> int:
        return self.count * self.part.work

    @property
    def paths(self) -> Rows:
        return self.part.paths

    def trace(self, output: int, input: int) -> Trace:
        return self.part.trace(output, input)

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(self.part, self.count)]


@dataclass(frozen=True, eq=False)
class Gated:
    """A part that a predicate decides on; both have the same inputs, the predicate one output.

    With `waits` the part starts when the predicate is known; else only the choice of its result waits.
    """

    predicate: Any
    part: Any
    choice: Leaf
    waits: bool

    @property
    def work(self) -> int:
        return self.predicate.work + self.part.work + self.choice.work

    @cached_property
    def after(self) -> Int[np.ndarray, "outputs 1"]:
        """The longest chain behind the predicate, for each output."""
        longest = self.part.paths.max(axis=1, keepdims=True, initial=NONE)
        return extend(np.maximum(longest, 0) if self.waits else np.zeros_like(longest), self.choice.steps)

    @cached_property
    def paths(self) -> Rows:
        through = extend(self.part.paths, self.choice.steps)
        return np.maximum(through, product(self.after, self.predicate.paths))

    def trace(self, output: int, input: int) -> Trace:
        target, direct = self.paths[output, input], self.part.paths[output, input]
        if direct != NONE and direct + self.choice.steps == target:
            return joined(({self.choice: 1}, self.part.trace(output, input)))
        waited = joined((self.predicate.trace(0, input), {self.choice: 1}))
        longest = int(np.argmax(self.part.paths[output])) if self.part.paths.shape[1] else 0
        if not self.waits or self.part.paths[output].max(initial=NONE) == NONE:
            return waited
        return joined((waited, self.part.trace(output, longest)))

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(self.predicate, 1), (self.choice, 1), (self.part, 1)]


@dataclass(frozen=True, eq=False)
class Branches:
    """The dearest of several parts with equal inputs and outputs; for each path perhaps another."""

    branches: Sequence[Any]

    @cached_property
    def dearest(self) -> Any:
        return max(self.branches, key=lambda branch: branch.work)

    @property
    def work(self) -> int:
        return self.dearest.work

    @cached_property
    def paths(self) -> Rows:
        return np.max([branch.paths for branch in self.branches], axis=0)

    def trace(self, output: int, input: int) -> Trace:
        return max(self.branches, key=lambda branch: branch.paths[output, input]).trace(output, input)

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(self.dearest, 1)]


@dataclass(frozen=True, eq=False)
class Unchanged:
    """All of the first inputs that are not known before the run, passed on."""

    passed: Sequence[bool]
    inputs: int
    work: int = 0

    @cached_property
    def paths(self) -> Rows:
        paths = no_paths(len(self.passed), self.inputs)
        for place, is_passed in enumerate(self.passed):
            if is_passed:
                paths[place, place] = 0
        return paths

    def trace(self, output: int, input: int) -> Trace:
        return {}

    def contents(self) -> Iterable[tuple[Any, int]]:
        return ()


@dataclass(frozen=True, eq=False)
class Chain:
    """A part whose outputs are the first inputs of the next, which takes all other inputs too."""

    first: Any
    second: Any

    @property
    def work(self) -> int:
        return self.first.work + self.second.work

    @cached_property
    def paths(self) -> Rows:
        size = len(self.first.paths)
        direct = self.second.paths.copy()
        direct[:, :size] = NONE
        return np.maximum(product(self.second.paths[:, :size], self.first.paths), direct)

    def trace(self, output: int, input: int) -> Trace:
        size, target = len(self.first.paths), self.paths[output, input]
        if input >= size and self.second.paths[output, input] == target:
            return self.second.trace(output, input)
        middle = int(np.argmax(extend(self.second.paths[output, :size], self.first.paths[:, input])))
        return joined((self.first.trace(middle, input), self.second.trace(output, middle)))

    def contents(self) -> Iterable[tuple[Any, int]]:
        return [(self.first, 1), (self.second, 1)]


@dataclass(frozen=True, eq=False)
class Repeat:
    """A loop: first iterations one by one, then `count` equal ones.

    Each iteration takes `carries` carries and then side inputs, and gives the carries and then outputs of its
    own. The loop takes the same inputs and gives the last carries and all outputs of the iterations. `known`
    marks carries that are known before the loop starts.
    """

    first: Sequence[Any]
    steady: Any
    count: int
    carries: int
    known: Sequence[bool]
    inputs: int
    outputs: int

    @cached_property
    def work(self) -> int:
        return sum(part.work for part in self.first) + (self.count * self.steady.work if self.count else 0)

    @cached_property
    def paths(self) -> Rows:
        size, width = self.carries, self.inputs
        carry, collected = no_paths(size, width), no_paths(self.outputs, width)
        for place in range(size):
            if not self.known[place]:
                carry[place, place] = 0

        def beside(paths: Rows) -> Rows:
            """The paths from the side inputs alone."""
            only = paths.copy()
            only[:, :size] = NONE
            return only

        for part in self.first:
            after = np.maximum(product(part.paths[:, :size], carry), beside(part.paths))
            carry, collected = after[:size], np.maximum(collected, after[size:])
        if not self.count:
            return np.concatenate([carry, collected])
        between, across = self.steady.paths[:size, :size], self.steady.paths[size:, :size]
        fresh, extra = beside(self.steady.paths[:size]), beside(self.steady.paths[size:])
        last = np.maximum(
            product(power(between, self.count), carry), product(up_to(between, self.count - 1), fresh)
        )
        seen = np.maximum(
            product(up_to(between, self.count - 1), carry), product(up_to(between, self.count - 2), fresh)
        )
        collected = np.max([collected, extra, product(across, seen)], axis=0)
        return np.concatenate([last, collected])

    def trace(self, output: int, input: int) -> Trace:
        """Follow one path through a machine of the carries, the input (a source) and the output (a sink)."""
        size = self.carries
        source, sink = size, size + 1
        start = input if input < size else source
        end = output if output < size else sink

        def machine(part: Any) -> Rows:
            paths = no_paths(size + 2, size + 2)
            paths[:size, :size] = part.paths[:size, :size]
            if input >= size:
                paths[:size, source], paths[source, source] = part.paths[:size, input], 0
            if output >= size:
                paths[sink, :size], paths[sink, sink] = part.paths[output, :size], 0
                if input >= size:
                    paths[sink, source] = part.paths[output, input]
            return paths

        def edge(part: Any, after: int, before: int) -> Trace:
            if after == before and after >= size:
                return {}
            return part.trace(output if after == sink else after, input if before == source else before)

        reached = [identity(size + 2)[start]]
        for part in self.first:
            reached.append(product(machine(part), reached[-1][:, None])[:, 0])
        traces = []
        if self.count:
            steady = machine(self.steady)
            powers = {1: steady}
            memo: dict[tuple[int, int, int], Trace] = {}

            def nth(count: int) -> Rows:
                if count not in powers:
                    powers[count] = product(nth(count - count // 2), nth(count // 2))
                return powers[count]

            def follow(count: int, after: int, before: int) -> Trace:
                key = (count, after, before)
                if key not in memo:
                    if count == 1:
                        memo[key] = edge(self.steady, after, before)
                    else:
                        late, early = nth(count - count // 2)[after], nth(count // 2)[:, before]
                        middle = int(np.argmax(extend(late, early)))
                        memo[key] = joined(
                            (
                                follow(count // 2, middle, before),
                                follow(count - count // 2, after, middle),
                            )
                        )
                return memo[key]

            begin = int(np.argmax(extend(nth(self.count)[end], reached[-1])))
            traces.append(follow(self.count, end, begin))
            end = begin
        for part, before in zip(reversed(self.first), reversed(reached[:-1]), strict=True):
            begin = int(np.argmax(extend(machine(part)[end], before)))
            traces.append(edge(part, end, begin))
            end = begin
        return joined(reversed(traces))

    def contents(self) -> Iterable[tuple[Any, int]]:
        repeated = [(self.steady, self.count)] if self.count else []
        return [*((part, 1) for part in self.first), *repeated]
