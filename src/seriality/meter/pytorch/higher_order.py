"""Operators that take functions: loops are run step by step, and a choice gates what it decides.

A choice is one operation and one step, then the branch runs: what the branch reads waits for the predicate,
as in the JAX front end. Both branches of a `cond` run, and the dearest is counted.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..rules import CHOICE, Operation
from .graph import KNOWN, Choice
from .operators import ELEMENTWISE, MOVE


def scan(recorder: Any, step: Callable[..., Any], init: Any, xs: Any, extra: Any = ()) -> Any:
    """Every iteration, one after the other."""
    carry, collected = list(init), []
    with recorder:
        for place in range(xs[0].shape[0]):
            results = list(step(*carry, *(x[place] for x in xs), *extra))
            carry = results[: len(init)]
            collected.append(results[len(init) :])
        return [*carry, *(torch.stack(list(column)) for column in zip(*collected, strict=True))]


def map_over(recorder: Any, function: Callable[..., Any], xs: Any, extra: Any = (), **options: Any) -> Any:
    """Every element, side by side."""
    with recorder:
        results = [tree_flatten(function(*(x[place] for x in xs), *extra)) for place in range(xs[0].shape[0])]
        columns = zip(*(leaves for leaves, _ in results), strict=True)
        return tree_unflatten([torch.stack(list(column)) for column in columns], results[0][1])


def cond(recorder: Any, predicate: Any, if_true: Any, if_false: Any, operands: Sequence[Any] = ()) -> Any:
    """Both branches where the predicate depends on inputs; otherwise the one that is taken."""
    waited = recorder.owner(predicate) if isinstance(predicate, Tensor) else KNOWN
    if waited == KNOWN:
        with recorder:
            return (if_true if bool(predicate) else if_false)(*operands)
    graph = recorder.graph
    chosen = _chosen(recorder, waited)
    runs, results = [], []
    for branch in (if_true, if_false):
        start = len(graph)
        gated = _gated(recorder, operands, chosen) if recorder.settings.control == "full" else operands
        with recorder:
            leaves, shape = tree_flatten(branch(*gated))
        results.append(leaves)
        runs.append(range(start, len(graph)))
    taken = results[0] if predicate.is_meta or bool(predicate) else results[1]
    pairs, made = [], []
    for one, other, result in zip(*results, taken, strict=True):
        if not isinstance(result, Tensor):
            made.append(result)
            continue
        pair = recorder.owner(one), recorder.owner(other)
        pairs.append(pair)
        copy = result.clone()
        recorder.make(copy, graph.join((*pair, chosen)))
        made.append(copy)
    graph.choices.append(Choice((runs[0], runs[1]), tuple(pairs)))
    return tree_unflatten(made, shape)


def while_loop(recorder: Any, test: Any, body: Any, carried: Sequence[Any], extra: Sequence[Any] = ()) -> Any:
    """Test, choose, run the body, and at last test and choose to stop: each test gates what follows."""
    carry = list(carried)
    while True:
        with recorder:
            predicate = test(*carry, *extra)
        waited = recorder.owner(predicate) if isinstance(predicate, Tensor) else KNOWN
        goes_on = bool(predicate)
        inside = extra
        if waited != KNOWN and recorder.settings.control == "full":
            chosen = _chosen(recorder, waited)
            carry, inside = _gated(recorder, carry, chosen), _gated(recorder, extra, chosen)
        if not goes_on:
            with recorder:  # what is handed on is a tensor of its own
                return tuple(value.clone() if isinstance(value, Tensor) else value for value in carry)
        with recorder:
            carry = list(body(*carry, *inside))


def _chosen(recorder: Any, predicate: int) -> int:
    """The node that decides by a predicate."""
    operation = Operation(1, CHOICE["unit"], CHOICE["fan_in_2"], CHOICE["layer"])
    return recorder.node("choice", ELEMENTWISE, operation, (predicate,))


def _gated(recorder: Any, operands: Sequence[Any], chosen: int) -> list[Any]:
    """The operands as a branch sees them: each waits for the choice, and takes its step too."""
    passing = Operation(0, CHOICE["unit"], CHOICE["fan_in_2"], CHOICE["layer"])
    gated = []
    for operand in operands:
        owner = recorder.owner(operand) if isinstance(operand, Tensor) else KNOWN
        if owner != KNOWN:
            node = recorder.node("choice", MOVE, passing, (owner,))
            operand = operand.clone()
            recorder.make(operand, recorder.graph.join((node, chosen)))
        gated.append(operand)
    return gated


HIGHER_ORDER = {"scan": scan, "map_impl": map_over, "cond": cond, "while_loop": while_loop}
"""Operator → how it runs. What is not here runs by PyTorch's own definition, if that has one."""
