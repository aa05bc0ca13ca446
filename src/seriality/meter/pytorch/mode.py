"""Recording a program: every operator that runs becomes a node of a `Graph`.

`Recorder` sees the operators of ATen below autograd, backward passes included. `Interception` sees the calls
above it that must not reach a fused kernel or leave the tensors unseen: attention is written out, so that it
counts the same on every device, and what the host reads is noted.

A read of what depends on inputs is a choice of the host: with `control="full"` all that is launched later
waits for it, and what is made later is no longer known before the run. With `control="data"` nothing waits,
and what the host does with the value is not followed, except that tensors it makes of its own data are taken
to depend on all it has read.
"""

import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import jaxtyping
import torch
from torch import Tensor
from torch._decomp import decomposition_table
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from ...cost import Cost
from ..measurement import Bound, Settings
from ..rules import CHOICE, NOTHING, Operation, elementwise
from . import regions
from .canonical import SUBSTITUTES
from .graph import INPUT, KNOWN, Graph, Place
from .higher_order import HIGHER_ORDER
from .operators import CREATED, ELEMENTWISE, MOVE, READS, REDUCTION, RULES, SILENT, SUM, VIEWS, Rule
from .regions import ATTRIBUTE, Owners
from .special import SPECIAL

Handler = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]

CHOOSING = Operation(1, CHOICE["unit"], CHOICE["fan_in_2"], CHOICE["layer"])
"""The host, or a control operator, decides by a value."""

_OWN = (*(str(Path(str(module.__file__)).parent) for module in (torch, jaxtyping, regions)), "<")
_STANDARD = sysconfig.get_paths()["stdlib"]


class UncountedError(NotImplementedError):
    """An operator without a rule."""


class Recorder(TorchDispatchMode):
    """One run of a program. With `abstract` every tensor it makes is on the meta device: shape, no data."""

    supports_higher_order_operators = True

    def __init__(self, settings: Settings, names: Mapping[int, str], abstract: bool):
        super().__init__()
        self.settings = settings
        self.names = names
        self.abstract = abstract
        self.graph = Graph()
        self.run = object()
        self.gate = KNOWN
        self.fresh = KNOWN
        self.region = 0
        self.reads = 0
        self.launches = 0
        self.inputs: list[Tensor] = []
        self.observed: list[int] = []
        self.notes: dict[str, Bound] = {}
        self.uncounted: set[str] = set()
        self._handlers: dict[Any, Handler | None] = {}
        self._hidden: dict[str, bool] = {}
        self._around: list[tuple[int, str]] = []
        self._regions: dict[tuple[int, str], int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        try:
            handler = self._handlers[func]
        except KeyError:
            handler = self._handlers[func] = self._resolve(func)
        if handler is None:
            return func(*args, **(kwargs or {}))
        return handler(func, args, kwargs or {})

    # What is known of tensors.

    def owner(self, tensor: Tensor) -> int:
        """The node after which a tensor can be read."""
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:
            raise UncountedError(
                f"no rule for tensors without a storage, here {tensor.layout}; pass tensor.to_dense()"
            ) from None
        owners = getattr(storage, ATTRIBUTE, None)
        if owners is None or owners.run is not self.run:
            return self._first_met(tensor, storage)
        if owners.blocks is None:
            return owners.whole
        node = owners.read(tensor, self.graph.join)
        if owners.is_merged:
            self._note_merged()
        return node

    def own(self, tensor: Tensor, node: int) -> None:
        """A node wrote this tensor."""
        storage = tensor.untyped_storage()
        owners = getattr(storage, ATTRIBUTE, None)
        if owners is None or owners.run is not self.run:
            if tensor.numel() * tensor.itemsize >= storage.nbytes():
                setattr(storage, ATTRIBUTE, Owners(self.run, node))
                return
            self._first_met(tensor, storage)
            owners = getattr(storage, ATTRIBUTE)
        owners.write(tensor, node, self.graph.join)
        if owners.is_merged:
            self._note_merged()

    def make(self, tensor: Tensor, node: int) -> None:
        """A node made this tensor, in a storage of its own."""
        storage = tensor.untyped_storage()
        owners = getattr(storage, ATTRIBUTE, None)
        if owners is not None and owners.run is self.run:  # it was handed on from an operand
            owners.write(tensor, node, self.graph.join)
        else:
            setattr(storage, ATTRIBUTE, Owners(self.run, node))

    def take(self, tensor: Tensor) -> None:
        """The tensor is an input."""
        setattr(tensor.untyped_storage(), ATTRIBUTE, Owners(self.run, INPUT))
        self.inputs.append(tensor)

    def forget(self) -> None:
        """Leave nothing on the inputs, and hold none of them."""
        for tensor in self.inputs:
            storage = tensor.untyped_storage()
            if hasattr(storage, ATTRIBUTE):
                delattr(storage, ATTRIBUTE)
        self.inputs.clear()

    def _meet(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        owners = getattr(storage, ATTRIBUTE, None)
        if owners is None or owners.run is not self.run:
            self._first_met(tensor, storage)

    def _first_met(self, tensor: Tensor, storage: Any) -> int:
        """A tensor that no recorded operator made: a parameter, or closed over, or made by the host."""
        if isinstance(tensor, torch.nn.Parameter):
            self.take(tensor)
            return INPUT
        if self.fresh != self.gate:
            self.notes["what is first met after a read is taken to depend on what was read"] = "upper"
        setattr(storage, ATTRIBUTE, Owners(self.run, self.fresh))
        return self.fresh

    def _note_merged(self) -> None:
        self.notes["a storage is written in too many parts to tell them apart"] = "upper"

    # What becomes a node.

    def node(
        self,
        name: str,
        rule: Rule,
        operation: Operation,
        operands: tuple[int, ...],
        addresses: tuple[int, ...] = (),
    ) -> int:
        """A node, if it costs something or waits for several; otherwise the one thing it waits for."""
        gate = self.gate
        if not operation.work and not operation.unit:
            return self.graph.join((*operands, *addresses, gate))
        if gate == KNOWN and max(operands, default=KNOWN) == KNOWN and max(addresses, default=KNOWN) == KNOWN:
            return KNOWN
        place, region, launched = self._place(), self.region, self.launches
        return self.graph.add(name, rule, operation, operands, addresses, gate, place, region, launched)

    def launch(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run an operator. In a run on shapes, tensors that are closed over give their shapes alone."""
        self.launches += 1
        if not self.abstract:
            return func(*args, **kwargs)
        try:
            return func(*args, **kwargs)
        except RuntimeError:
            on_meta = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
            if func._schema.is_mutable or all(
                tensor.is_meta for tensor in _tensors((args, *kwargs.values()))
            ):
                raise
            return func(*on_meta[0], **on_meta[1])

    def read(self, node: int) -> None:
        """The host waits for a node and decides by it."""
        if node == KNOWN:
            return
        self.reads += 1
        self.observed.append(node)
        if self.settings.control == "full":
            place, region, launched = self._place(), self.region, self.launches
            chosen = self.graph.add(
                "read", ELEMENTWISE, CHOOSING, (node,), (), self.gate, place, region, launched
            )
            self.gate = self.fresh = chosen
        else:
            self.fresh = self.graph.join((self.fresh, node))
            self.notes["what the host does with the values it reads is not followed"] = "lower"

    def _place(self) -> Place | None:
        """The line that launched the operator: the innermost frame outside of PyTorch and of this package."""
        frame, hidden = sys._getframe(2), self._hidden
        while frame is not None:
            file = frame.f_code.co_filename
            try:
                is_hidden = hidden[file]
            except KeyError:
                is_hidden = hidden[file] = _is_hidden(file)
            if not is_hidden:
                return file, frame.f_lineno, frame.f_code.co_name
            frame = frame.f_back
        return None

    # Modules.

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Keep track of the module that runs."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, module: torch.nn.Module, args: Any) -> None:
        name = self.names.get(id(module), type(module).__name__)
        around = self._around[-1][1] if self._around else ""
        label = name.removeprefix(f"{around}.") if around else name
        key = (self.region, label)
        if key not in self._regions:
            self._regions[key] = self.graph.region(self.region, label or type(module).__name__)
        self._around.append((self.region, name))
        self.region = self._regions[key]

    def _leave(self, module: torch.nn.Module, args: Any, result: Any) -> None:
        if self._around:
            self.region = self._around.pop()[0]

    # Operators.

    def _resolve(self, func: Any) -> Handler | None:
        """What to do with an operator; None if there is nothing to record."""
        if not isinstance(func, torch._ops.OpOverload):
            return self._higher_order
        name, schema = func._schema.name.split("::")[1], func._schema
        base = name[:-1] if name.endswith("_") and not name.endswith("__") else name
        declared = self.settings.declared.get(func._schema.name)
        if declared is not None:
            return self._operator(func, Rule(_declared(declared)))
        if func.namespace in ("prim", "profiler"):
            return None
        if func.namespace == "prims":
            return self._taken_apart(cast(Any, func).impl_aten)
        if func.namespace == "aten":
            if name in SILENT:
                return None
            if name in VIEWS:
                return self._viewed
            if name in ("lift_fresh", "lift"):
                return self._lifted
            if name in READS:
                return self._read
            if base in CREATED:
                return self._created
            if name.startswith("_foreach_"):
                return self._one_by_one(name.removeprefix("_foreach_"))
            if base in SPECIAL:
                return partial(SPECIAL[base], self)
            if _is_composite(func):
                return self._decomposed
            if _is_view(schema):
                return self._viewed
            rule = RULES.get(name) or RULES.get(base)
            if rule is not None:
                return self._operator(func, rule)
            is_defined = "_backward" in base and func in decomposition_table
            if _has_tag(base, torch.Tag.pointwise) and not is_defined:
                return self._operator(func, ELEMENTWISE)
            if _has_tag(base, torch.Tag.reduction):
                return self._operator(func, REDUCTION)
        if _is_composite(func):
            return self._decomposed
        if func in decomposition_table:
            return self._taken_apart(decomposition_table[func])
        functional = getattr(torch.ops.aten, base, None) if base != name else None
        if functional is not None and func._overloadname in functional.overloads():
            return self._in_place(getattr(functional, func._overloadname))
        return self._unknown(func)

    def _operator(self, func: Any, rule: Rule) -> Handler:
        """An operator of the table."""
        name = func._schema.name.removeprefix("aten::")
        written = [
            (place, argument.name)
            for place, argument in enumerate(func._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        is_blind = rule.blind or any(argument == "out" for _, argument in written)
        unread = {slot for pair in written for slot in pair} if is_blind else set()
        count, places, bias = rule.count, rule.addresses, rule.bias
        combines, waits = rule.combines, rule.waits
        is_plain = not (written or places or waits or bias is not None or rule.is_assumed)
        owner, make, launch = self.owner, self.make, self.launch

        def plain(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            operands = []
            for argument in args:
                if isinstance(argument, Tensor):
                    operands.append(owner(argument))
                elif isinstance(argument, (list, tuple)):
                    operands.extend([owner(item) for item in argument if isinstance(item, Tensor)])
            for argument in kwargs.values():
                if isinstance(argument, Tensor):
                    operands.append(owner(argument))
            result = launch(func, args, kwargs)
            node = self.gate if self.gate != KNOWN else max(operands, default=KNOWN)
            if node != KNOWN:
                node = self.node(name, rule, count(args, kwargs, result), tuple(operands))
            if isinstance(result, Tensor):
                make(result, node)
            else:
                for item in _tensors(result):
                    make(item, node)
            return result

        def general(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            targets = [
                args[place] if place < len(args) else kwargs.get(argument) for place, argument in written
            ]
            targets = _tensors(targets)
            operands, addresses = [], []
            for place, argument in (*enumerate(args), *kwargs.items()):
                if place == bias:
                    continue
                found = [] if place in unread else [owner(item) for item in _tensors(argument)]
                (addresses if place in places else operands).extend(found)
            added = owner(args[bias]) if bias is not None and isinstance(args[bias], Tensor) else None
            result = launch(func, args, kwargs)
            operation = count(args, kwargs, result)
            if (
                rule.algebra == "lookup"
                and places
                and not (combines and combines(args, kwargs))
                and max(addresses, default=KNOWN) == KNOWN
            ):
                node = self.node(name, MOVE, NOTHING, tuple(operands))
            else:
                node = self.node(name, rule, operation, tuple(operands), tuple(addresses))
            if added is not None:
                node = self._biased(name, node, added, _tensors(result)[0].numel(), kwargs)
            if rule.is_assumed and node != KNOWN:
                self.notes[f"{name} runs until it converges: its count is a convention"] = "assumed"
            for target in targets:
                self.own(target, node)
            for item in _tensors(result):
                if not _among(item, targets):
                    make(item, node)
            if waits is not None and waits(args):
                self.read(self.graph.join(addresses) if places else node)
            return result

        return plain if is_plain else general

    def _biased(self, name: str, node: int, added: int, outputs: int, kwargs: Mapping[str, Any]) -> int:
        """The bias of a product, `beta * bias + alpha * product`."""
        if kwargs.get("alpha", 1) != 1:
            node = self.node(name, RULES["mul"], elementwise(outputs), (node,))
        beta = kwargs.get("beta", 1)
        if beta == 0:
            return node
        if beta != 1:
            added = self.node(name, RULES["mul"], elementwise(outputs), (added,))
        return self.node(name, SUM, elementwise(outputs), (node, added))

    def _viewed(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Another view of a storage. It is met here, since a view of a parameter is no parameter."""
        if isinstance(args[0], Tensor):
            self._meet(args[0])
        return func(*args, **kwargs)

    def _created(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A tensor made of no data."""
        if self.abstract and "device" in kwargs:
            kwargs = {name: value for name, value in kwargs.items() if name != "pin_memory"}
            kwargs["device"] = torch.device("meta")
        result = self.launch(func, args, kwargs)
        for item in _tensors(result):
            self.make(item, self.gate)
        return result

    def _lifted(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A tensor made of data of the host. Numbers stay on the host, where they can be read."""
        result = func(*args, **kwargs)
        if self.abstract and result.dim():
            result = result.to("meta")
        self._first_met(result, result.untyped_storage())
        return result

    def _read(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A value for the host."""
        owners = tuple(self.owner(argument) for argument in args if isinstance(argument, Tensor))
        result = func(*args, **kwargs)
        elements = args[0].numel()
        tested = elementwise(elements) if len(owners) > 1 or elements > 1 else NOTHING
        self.read(self.node(func._schema.name, ELEMENTWISE, tested, owners))
        return result

    def _decomposed(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """A composite operator, met whole in inference mode."""
        with self:
            return func.decompose(*args, **kwargs)

    def _taken_apart(self, definition: Callable[..., Any]) -> Handler:
        """An operator by its definition in others."""

        def handler(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            with self:
                return definition(*args, **kwargs)

        return handler

    def _in_place(self, functional: Any) -> Handler:
        """An operator in place: the one that is not, and a copy."""

        def handler(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            if not isinstance(args[0], Tensor):
                return self._unknown(func)(func, args, kwargs)
            with self:
                return args[0].copy_(functional(*args, **kwargs))

        return handler

    def _one_by_one(self, name: str) -> Handler:
        """An operator on lists: the same on each of their members."""
        packet = getattr(torch.ops.aten, _RENAMED.get(name, name))

        def handler(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            number = len(args[0])
            if name.startswith("addc") and len(args) > 3:
                args, kwargs = args[:3], {**kwargs, "value": args[3]}

            def nth(argument: Any, place: int) -> Any:
                return argument[place] if isinstance(argument, (list, tuple)) else argument

            with self:
                results = [
                    packet(
                        *(nth(argument, place) for argument in args),
                        **{key: nth(value, place) for key, value in kwargs.items()},
                    )
                    for place in range(number)
                ]
            return None if name.endswith("_") else results

        return handler

    def _higher_order(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """An operator that takes functions."""
        name = func.__name__
        if name in HIGHER_ORDER:
            return HIGHER_ORDER[name](self, *args, **kwargs)
        definition = func.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
        if definition is None:
            raise UncountedError(f"no rule for the operator {name!r}, which takes functions; write it out")
        with self:
            return definition(*args, **kwargs)

    def _unknown(self, func: Any) -> Handler:
        """An operator without a rule: an error, or named and left out, unless all it reads is known."""
        name, left_out = func._schema.name, self._operator(func, _LEFT_OUT)

        def handler(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            read = [self.owner(item) for item in _tensors((*args, *kwargs.values()))]
            if max((*read, self.gate)) != KNOWN:
                if not self.settings.lists_uncounted:
                    raise UncountedError(
                        f"no rule for the operator {name!r}; say what it costs, "
                        f'measure(..., declared={{"{name}": Cost(work=..., span=...)}}), '
                        'or go on without counting it: measure(..., uncounted="list")'
                    )
                self.uncounted.add(name)
                self.notes[f"not counted: {name}"] = "lower"
            return left_out(func, args, kwargs)

        return handler


_LEFT_OUT = Rule(MOVE.count)
_RENAMED = {"norm": "linalg_vector_norm"}


class Interception(TorchFunctionMode):
    """The calls that are looked at above autograd."""

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func in SUBSTITUTES:
            return SUBSTITUTES[func](*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if func in HOST_READS:
            self.recorder.read(self.recorder.owner(args[0]))
        elif func is Tensor.data_ptr and self.recorder.owner(args[0]) != KNOWN:
            self.recorder.notes["what is done with the address of a tensor is not followed"] = "lower"
        return result


HOST_READS = frozenset({Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__dlpack__})
"""Methods that hand data to the host, unseen by the dispatcher."""


def _is_hidden(file: str) -> bool:
    """Whether a file is of PyTorch, of this package, of its type checks or of Python itself."""
    return file.startswith(_OWN) or (file.startswith(_STANDARD) and "site-packages" not in file)


def _declared(cost: Any) -> Any:
    """The rule of a declared cost."""

    def count(args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Operation:
        found = cost
        if not isinstance(cost, Cost):
            operands = [tuple(item.shape) for item in _tensors((*args, *kwargs.values()))]
            found = cost(operands, [tuple(item.shape) for item in _tensors(result)])
        return Operation(found.work, found.span, found.span, found.span)

    return count


def _tensors(found: Any) -> list[Tensor]:
    """The tensors in an argument or result of an operator."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, (list, tuple)):
        return [tensor for item in found for tensor in _tensors(item)]
    return []


def _among(tensor: Tensor, others: Sequence[Tensor]) -> bool:
    return any(tensor is other for other in others)


def _is_composite(func: Any) -> bool:
    """Whether the operator is defined by others, and met whole in inference mode only."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _is_view(schema: Any) -> bool:
    """Whether the result is a view of an operand that nothing is written to."""
    aliases = [returned.alias_info for returned in schema.returns]
    return any(alias is not None for alias in aliases) and not any(
        argument.alias_info is not None and argument.alias_info.is_write for argument in schema.arguments
    )


def _has_tag(name: str, tag: torch.Tag) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    return packet is not None and any(tag in getattr(packet, each).tags for each in packet.overloads())
