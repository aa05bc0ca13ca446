"""The meter of PyTorch programs: exact work and span of what runs.

**Definition.** A program is the graph of the operators that run below autograd, backward passes included,
loops as they unroll. Work is the sum of the operations, span the longest chain of dependent steps from an
input to a result (Brent 1974; Blelloch 1996). `operators` says what an operator counts.

- *Inputs* are the tensors in the arguments, the parameters and buffers of modules that are arguments or the
  function itself, and every parameter the program closes over. What needs none of them is known before the
  run and costs nothing: masks, positions, random numbers, tensors the program closes over.
- *Results* are the tensors returned, the values the host read, inputs written in place, and gradients
  accumulated on inputs. What no result needs runs but is not counted, as in the JAX front end.

**Method.** Arguments and modules are replaced by twins on the meta device, so that nothing is allocated and
every device gives the same numbers. A program that reads its data cannot run there: after the attempt it runs
for real, as it was given. Dependence is followed through storages, part by part (`regions`). A module is a
region of the profile; a backward pass belongs to the region that calls for it.

**What it does not do.** It sees what ran: a Python loop is unrolled, and a branch that Python did not take is
not there. It looks for no shortcut; `Measurement.log2_degree` tells whether there may be one.
"""

import copy
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..measurement import Control, Measurement, Settings, joint
from ..rules import CostModel, Declared
from .graph import INPUT, KNOWN, Reading
from .mode import Interception, Recorder, UncountedError


def measure_program(
    fn: Callable[..., Any],
    args: Sequence[Any],
    *,
    cost_model: CostModel = "unit",
    control: Control = "full",
    declared: Declared | None = None,
    lists_uncounted: bool = False,
) -> Measurement:
    """The work and span of `fn(*args)`, a PyTorch program.

    `control` and `declared` are those of `measure`. With `lists_uncounted` operators without a rule are named
    and left out. A program that reads data runs for real, and changes its arguments if that is what it does.

    Raises ValueError for a program without inputs, and for one that reads data it was not given;
    NotImplementedError for an operator without a rule.

    >>> print(measure_program(lambda x: torch.tanh(x @ x), (torch.empty(8, 8, device="meta"),)))
    work 1,088, span 2 in the unit model
    """
    settings = Settings(cost_model, control, None, declared or {}, lists_uncounted)
    return record(fn, args, settings).measurement(cost_model)


@dataclass(frozen=True)
class Recording:
    """A program that ran, and the nodes of its results: first those of the tensors it returned, in order."""

    recorder: Recorder
    results: tuple[int, ...]
    has_inputs: bool

    def reading(self, first: int | None = None) -> Reading:
        """The graph as its results see it, or as the `first` tensors returned do."""
        return self.recorder.graph.reading(self.results[:first])

    def measurement(self, cost_model: CostModel) -> Measurement:
        """What was found."""
        reading, recorder = self.reading(), self.recorder
        cost, notes = reading.cost(cost_model), dict(recorder.notes)
        if reading.is_upper:
            notes["cond: the branches differ, the dearest is counted"] = "upper"
        return Measurement(
            cost,
            cost_model,
            joint(set(notes.values())),
            recorder.settings.control,
            log2_degree=reading.log2_degree(),
            uncounted=tuple(sorted(recorder.uncounted)),
            notes=tuple(notes),
            products=reading.products,
            launches=recorder.launches,
            reads=recorder.reads,
            _profile=lambda: reading.profile(cost_model),
        )


def record(fn: Callable[..., Any], args: Sequence[Any], settings: Settings) -> Recording:
    """Run a program once: on the meta device if it can, for real if it reads data and has some."""
    found = list(tensors_in((fn, args)))
    twins = _twins(fn, args, found)
    recording = None
    if twins is not None:
        try:
            recording = _record(twins[0], twins[1], settings, abstract=True)
        except UncountedError:
            raise
        except Exception as error:
            if found and all(tensor.is_meta for tensor in found):
                if not any(word in str(error) for word in ("meta", "unallocated storage")):
                    raise
                raise ValueError(
                    f"the program cannot run on the meta device, where tensors have no data ({error}); "
                    "measure it with tensors on another device, or without what reads them"
                ) from error
    if recording is None:
        recording = _record(fn, args, settings, abstract=False)
    if not recording.has_inputs:
        raise ValueError(
            "nothing to measure: no argument holds a tensor, so all is known before the run; "
            'pass the input as an argument, measure(fn, torch.empty(16, device="meta"))'
        )
    return recording


def _record(fn: Callable[..., Any], args: Sequence[Any], settings: Settings, abstract: bool) -> Recording:
    """Run a program under a recorder."""
    names = {id(module): name for root in _modules((fn, args)) for name, module in root.named_modules()}
    recorder = Recorder(settings, names, abstract)
    for tensor in tensors_in((fn, args)):
        recorder.take(tensor)
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:  # compiled functions run as they were written
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_step_by_step())
        stack.enter_context(recorder.modules())
        stack.enter_context(recorder)
        stack.enter_context(Interception(recorder))
        result = fn(*args)
    results = [recorder.owner(tensor) for tensor in tensors_in(result)]
    is_free = bool(results) and max(results) == KNOWN
    for tensor in recorder.inputs:
        results.append(recorder.owner(tensor))
        if tensor.is_leaf and tensor.grad is not None:
            results.append(recorder.owner(tensor.grad))
    has_inputs = bool(recorder.inputs)
    if has_inputs and is_free and max((*results, *recorder.observed)) <= INPUT:
        recorder.notes[
            "no result needs an input; what leaves the tensors (a file, another thread) is not followed"
        ] = "lower"
    recorder.forget()
    return Recording(recorder, (*results, *recorder.observed), has_inputs)


@contextmanager
def _step_by_step() -> Iterator[None]:
    """Without oneDNN, which has one operator for a whole recurrent network, networks run step by step."""
    was_enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(was_enabled)


# What a program is made of.


def tensors_in(tree: Any) -> Iterator[Tensor]:
    """Every tensor in a tree of containers, modules, dataclasses and plain objects, once."""
    seen: set[int] = set()
    for leaf in _leaves(tree, seen):
        if isinstance(leaf, Tensor):
            yield leaf


def _modules(tree: Any) -> Iterator[nn.Module]:
    for leaf in _leaves(tree, set(), opens_modules=False):
        if isinstance(leaf, nn.Module):
            yield leaf


def _leaves(tree: Any, seen: set[int], opens_modules: bool = True) -> Iterator[Any]:
    for leaf in tree_leaves(tree):
        if leaf is None or isinstance(
            leaf, (str, bytes, int, float, complex, type, torch.dtype, torch.device)
        ):
            continue
        if id(leaf) in seen:
            continue
        seen.add(id(leaf))
        if isinstance(leaf, Tensor):
            yield leaf
        elif isinstance(leaf, nn.Module):
            yield leaf
            if opens_modules:
                inside = (*leaf.parameters(), *leaf.buffers())
                yield from (tensor for tensor in inside if id(tensor) not in seen)
                seen.update(map(id, inside))
        elif isinstance(leaf, functools.partial):
            yield from _leaves((leaf.func, leaf.args, leaf.keywords), seen, opens_modules)
        elif isinstance(getattr(leaf, "__self__", None), nn.Module):  # a method
            yield from _leaves(leaf.__self__, seen, opens_modules)
        elif isinstance(leaf, Mapping):
            yield from _leaves(list(leaf.values()), seen, opens_modules)
        elif is_dataclass(leaf):
            yield from _leaves(
                [getattr(leaf, field.name, None) for field in fields(leaf)], seen, opens_modules
            )
        elif not callable(leaf) and not isinstance(leaf, ModuleType) and hasattr(leaf, "__dict__"):
            yield from _leaves(list(vars(leaf).values()), seen, opens_modules)


def _twins(
    fn: Callable[..., Any], args: Sequence[Any], found: Sequence[Tensor]
) -> tuple[Callable[..., Any], Sequence[Any]] | None:
    """The same function and arguments with tensors on the meta device, or None where that cannot be had."""
    memo: dict[int, Any] = {}
    storages: dict[int, Tensor] = {}
    for tensor in found:
        if type(tensor) not in (Tensor, nn.Parameter, nn.Buffer) or tensor.layout != torch.strided:
            return None
        memo[id(tensor)] = tensor if tensor.is_meta else _twin(tensor, storages)
    for root in _modules((fn, args)):
        if all(tensor.is_meta for tensor in (*root.parameters(), *root.buffers())):
            memo[id(root)] = root
    try:
        return copy.deepcopy((fn, args), memo)
    except Exception:
        return None


def _twin(tensor: Tensor, storages: dict[int, Tensor]) -> Tensor:
    """A tensor of the same shape on the meta device; views of one storage have twins in one storage."""
    storage = tensor.untyped_storage()
    key = storage._cdata
    if key not in storages:
        storages[key] = torch.empty(storage.nbytes(), dtype=torch.uint8, device="meta")
    twin = torch.empty(0, dtype=tensor.dtype, device="meta").set_(
        storages[key].untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride()
    )
    if isinstance(tensor, nn.Parameter):
        twin = nn.Parameter(twin, requires_grad=tensor.requires_grad)
    else:
        twin.requires_grad_(tensor.requires_grad)
    if tensor.is_leaf and tensor.grad is not None:
        twin.grad = _twin(tensor.grad, storages)
    return twin
