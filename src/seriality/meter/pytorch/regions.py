"""Which operation wrote which part of a storage.

Tensors are views of storages, and programs write slices: `out[t] = f(x)` must not make `out[t + 1]` wait.
A storage that was written as a whole has one owner. Once a part of it is written, it is cut into blocks of
equal size, as large as all parts seen so far allow, with one owner each; a view of the storage is then the
same strided view of its blocks. This is exact for every view: slices along any dimension, steps, diagonals,
other element types, overlaps.

The owners are an attribute of the Python object of the storage, which lives exactly as long as its memory, so
a recycled address is never taken for the tensor that had it before.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch

MOST_BLOCKS = 2**24
"""A storage that would have more blocks is kept whole: what is written waits for what was there."""

ATTRIBUTE = "_seriality_owners"

Join = Callable[[Iterable[int]], int]
"""One node for several."""


class Owners:
    """The nodes that wrote a storage: `whole`, or one for each block of `unit` bytes.

    `run` tells one measurement from another. `is_merged` says that parts share an owner that need not.
    """

    __slots__ = ("blocks", "is_merged", "run", "unit", "whole")

    def __init__(self, run: object, whole: int):
        self.run = run
        self.whole = whole
        self.blocks: np.ndarray | None = None
        self.unit = 0
        self.is_merged = False

    def read(self, tensor: torch.Tensor, join: Join) -> int:
        """The node after which the tensor can be read."""
        if self.blocks is None:
            return self.whole
        view = self._view(tensor, join)
        if view is None:
            return self.whole
        if not view.size:
            return join(())
        first = int(view.min())
        return first if first == int(view.max()) else join(np.unique(view).tolist())

    def write(self, tensor: torch.Tensor, node: int, join: Join) -> None:
        """Make the node the owner of the tensor."""
        count = tensor.numel()
        reach = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True)) + 1
        if reach == count and count * tensor.itemsize >= tensor.untyped_storage().nbytes():
            self.whole, self.blocks = node, None
        elif self.blocks is not None or self.whole != node:
            view = self._view(tensor, join)
            if view is None:
                self.whole = join((self.whole, node))
            else:
                view[...] = node

    def _view(self, tensor: torch.Tensor, join: Join) -> np.ndarray | None:
        """The blocks of a tensor, the storage cut as finely as that needs; None if it is kept whole."""
        run, dimensions = _strided(tensor)
        start = tensor.storage_offset() * tensor.itemsize
        unit = math.gcd(self.unit if self.blocks is not None else 0, start, run, *(s for _, s in dimensions))
        unit = unit or tensor.itemsize
        count = -(-tensor.untyped_storage().nbytes() // unit)
        if count > MOST_BLOCKS:
            if self.blocks is not None:
                self.whole, self.blocks = join(np.unique(self.blocks).tolist()), None
            self.is_merged = True
            return None
        if self.blocks is None:
            self.blocks = np.full(count, self.whole, np.int32)
        elif unit != self.unit:
            self.blocks = np.repeat(self.blocks, self.unit // unit)
        if len(self.blocks) < count:  # the storage has grown since
            self.blocks = np.concatenate(
                [self.blocks, np.full(count - len(self.blocks), self.whole, np.int32)]
            )
        self.unit = unit
        width = self.blocks.itemsize
        return np.ndarray(
            (*(size for size, _ in dimensions), run // unit),
            self.blocks.dtype,
            self.blocks.data,
            start // unit * width,
            (*(stride // unit * width for _, stride in dimensions), width),
        )


def _strided(tensor: torch.Tensor) -> tuple[int, list[tuple[int, int]]]:
    """The bytes that lie together, and how often and how far apart: (size, stride) of each dimension left."""
    run = tensor.itemsize if tensor.numel() else 0
    dimensions = []
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size < 2 or not stride:
            continue
        if stride * tensor.itemsize == run:
            run *= size
        else:
            dimensions.append((size, stride * tensor.itemsize))
    return run, dimensions
