"""Dependence through storages: views, writes in place and slices make the chains they make, and no others.

The oracle keeps one number for every element, the operation that wrote it, in a NumPy array; it takes the
same views of that array as the program takes of its tensor. It knows nothing of storages, strides or blocks.
"""

import gc

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality.cost import Cost
from seriality.meter.pytorch import measure_program, regions

SIZE = 6
WHOLE = (SIZE, SIZE)


def cost(fn, *args, **options):
    return measure_program(fn, args, **options).cost


def x():
    return torch.empty(SIZE, SIZE, device="meta")


def test_a_chain_in_place_is_a_chain():
    def chain(x):
        y = x.clone()
        for _ in range(32):
            y.add_(1.0)
        return y

    assert cost(chain, x()) == Cost(32 * 36, 32)


def test_slices_written_apart_are_no_chain():
    def slices(x):
        out = torch.zeros(32, SIZE, SIZE)
        for t in range(32):
            out[t] = torch.tanh(x @ x)
        return out + 1

    def updates(x):
        out = torch.zeros(32, SIZE, SIZE)
        for t in range(32):
            out[t].add_(x)
        return out

    def columns(x):
        out = torch.zeros(SIZE, 32)
        for t in range(32):
            out[:, t] += x[:, 0]
        return out

    def chained(x):
        out = torch.zeros(32, SIZE)
        for t in range(1, 32):
            out[t] = torch.tanh(out[t - 1] + x[0])
        return out

    assert cost(slices, x()).span == 3
    assert cost(updates, x()).span == 1
    assert cost(columns, x()) == Cost(32 * SIZE, 1)
    assert cost(chained, x()).span == 2 * 31


def test_an_untouched_half_is_ready_before_the_other():
    def read(half):
        def program(x):
            both = torch.zeros(2, SIZE, SIZE)
            both[0].copy_(torch.tanh(torch.tanh(torch.tanh(x))))
            both[1].copy_(x)
            return both[half] + 1

        return program

    assert cost(read(1), x()).span == 1
    assert cost(read(0), x()).span == 4
    assert cost(read(1), x()).work == 36  # and what only the other half needs is dead


@pytest.mark.parametrize("take", [np.s_[:, ::2], np.s_[1::3], np.s_[2:, 3:5], np.s_[:, 4], np.s_[3, 1:]])
def test_a_strided_part_is_told_from_the_rest(take):
    def program(reads_written):
        def run(x):
            out = x.clone()
            mask = torch.zeros(SIZE, SIZE)
            out[take] = torch.tanh(torch.tanh(out[take]))
            touched = np.zeros((SIZE, SIZE), dtype=bool)
            touched[take] = True
            rows, columns = np.nonzero(touched == reads_written)
            return out[rows[0], columns[0]] + mask[0, 0]

        return run

    assert cost(program(True), x()).span == 3
    assert cost(program(False), x()).span == 1


def test_out_arguments_and_overwriting_start_anew():
    def out_argument(x):
        y = torch.tanh(torch.tanh(x))
        torch.add(x, 1, out=y)
        return y

    def overwritten(x):
        y = torch.tanh(x)
        y.zero_()
        return y + x

    def other_type(x):
        y = x.clone()
        y.view(torch.int32)[0] = 7
        return y[1] + 1

    assert cost(out_argument, x()) == Cost(36, 1)
    assert cost(overwritten, x()) == Cost(36, 1)
    assert cost(other_type, x()) == Cost(SIZE, 1)


def test_an_argument_written_in_place_is_a_result():
    def write(x):
        x[0].tanh_()

    assert cost(write, x()) == Cost(SIZE, 1)


def test_views_of_one_argument_share_its_storage():
    whole = torch.zeros(SIZE, SIZE)

    def write(whole, row):
        row.tanh_()
        return whole[0] + whole[1]

    assert cost(write, whole, whole[0]).span == 2
    assert cost(write, whole, torch.zeros(SIZE)).span == 1


def test_a_recycled_address_is_a_new_tensor():
    def recycle(x):
        for _ in range(50):
            torch.tanh(torch.tanh(x) * x)
        gc.collect()
        return [torch.ones(SIZE, SIZE) + 1 for _ in range(50)]

    assert measure_program(recycle, (torch.zeros(SIZE, SIZE),)).cost == Cost(0, 0)


def test_a_storage_in_too_many_parts_is_an_upper_bound(monkeypatch):
    def updates(x):
        out = torch.zeros(8, SIZE)
        for t in range(8):
            out[t].add_(x[0])
        return out

    assert measure_program(updates, (x(),)).bound == "exact"
    monkeypatch.setattr(regions, "MOST_BLOCKS", 4)
    found = measure_program(updates, (x(),))
    assert (found.span, found.bound) == (8, "upper")


# Random programs.


@st.composite
def views(draw):
    """A part of a matrix, as an index that NumPy and PyTorch both read as a view."""
    index = []
    for _ in range(2):
        if draw(st.booleans()):
            index.append(draw(st.integers(0, SIZE - 1)))
        else:
            start = draw(st.integers(0, SIZE - 1))
            index.append(slice(start, draw(st.integers(start + 1, SIZE)), draw(st.integers(1, 3))))
    return tuple(index)


KINDS = [
    "add",
    "in place",
    "copy",
    "view",
    "transpose",
    "diagonal",
    "reshape",
    "clone",
    "known",
    "fill",
    "sum",
]


@st.composite
def programs(draw):
    number = draw(st.integers(1, 14))
    steps = []
    for count in range(2, number + 2):
        steps.append((draw(st.sampled_from(KINDS)), draw(st.integers(0, 99)) % count, draw(st.integers(0, 99))
        % count,
                      draw(views()), draw(views())))  # fmt: skip
    return steps


def run(program, start):
    """All tensors the program makes; the last is its result. Every operand is a matrix or a view of one."""
    made = [start.clone(), torch.zeros(SIZE, SIZE)]
    for kind, left, right, one, other in program:
        a, b = made[left], made[right]
        a_part, b_part = (a[one] if a.shape == WHOLE else a, b[other] if b.shape == WHOLE else b)
        match kind:
            case "add":
                made.append(a_part.sum() + b)
                continue
            case "sum":
                made.append(torch.full((SIZE, SIZE), 1.0) * a_part.sum())
                continue
            case "in place":
                a_part.add_(b_part.sum())
            case "copy":
                a_part.copy_(b_part.sum())
            case "fill":
                a_part.fill_(3.0)
        match kind:
            case "view":
                made.append(a[1:, ::2] if a.shape == WHOLE else a)
            case "transpose":
                made.append(a.T if a.dim() == 2 else a)
            case "diagonal":
                made.append(a.diagonal() if a.dim() == 2 else a)
            case "reshape":
                made.append(a.view(-1) if a.is_contiguous() else a)
            case "clone":
                made.append(a.clone())
            case "known":
                made.append(torch.ones(SIZE, SIZE) + 1)
            case _:
                made.append(a)
    return made[-1], made[0]


class Oracle:
    """The same programs on arrays that hold, for each element, the operation that wrote it; -1 for none."""

    def __init__(self):
        self.graph = nx.DiGraph()
        self.graph.add_node(0, work=0, steps=0)

    def operation(self, work, steps, *operands):
        """A new operation. All its elements wait for all elements of its operands."""
        needed = {int(name) for operand in operands for name in np.unique(operand)} - {-1}
        if not needed:
            return -1
        name = len(self.graph)
        self.graph.add_node(name, work=work, steps=steps)
        self.graph.add_edges_from((before, name) for before in needed)
        return name

    def total(self, part):
        return self.operation(part.size - 1, 1 if part.size > 1 else 0, part)

    def run(self, program):
        made = [np.zeros((SIZE, SIZE), int), np.full((SIZE, SIZE), -1)]
        for kind, left, right, one, other in program:
            a, b = made[left], made[right]
            a_part = a[(*one, ...)] if a.shape == WHOLE else a
            b_part = b[(*other, ...)] if b.shape == WHOLE else b
            match kind:
                case "add":
                    made.append(np.full(b.shape, self.operation(b.size, 1, np.array(self.total(a_part)), b)))
                    continue
                case "sum":
                    name = self.operation(SIZE * SIZE, 1, np.array(self.total(a_part)))
                    made.append(np.full((SIZE, SIZE), name))
                    continue
                case "in place":
                    a_part[...] = self.operation(a_part.size, 1, a_part, np.array(self.total(b_part)))
                case "copy":
                    a_part[...] = self.total(b_part)
                case "fill":
                    a_part[...] = -1
            match kind:
                case "view":
                    made.append(a[1:, ::2] if a.shape == WHOLE else a)
                case "transpose":
                    made.append(a.T if a.ndim == 2 else a)
                case "diagonal":
                    made.append(
                        np.lib.stride_tricks.as_strided(a, (min(a.shape),), (sum(a.strides),))
                        if a.ndim == 2
                        else a
                    )
                case "reshape":
                    made.append(a.reshape(-1) if a.flags.c_contiguous else a)
                case "clone":
                    made.append(np.full(a.shape, self.operation(0, 0, a)))
                case "known":
                    made.append(np.full((SIZE, SIZE), -1))
                case _:
                    made.append(a)
        return self.cost(np.concatenate([made[-1].ravel(), made[0].ravel()]))

    def cost(self, result):
        """Work and longest path of what the result needs."""
        results = set(np.unique(result).tolist()) - {-1}
        live = results.union(*(nx.ancestors(self.graph, name) for name in results))
        graph = self.graph.subgraph(live)
        for before, after in graph.edges:
            graph.edges[before, after]["steps"] = graph.nodes[after]["steps"]
        span = nx.dag_longest_path_length(graph, weight="steps") if graph.edges else 0
        return Cost(sum(graph.nodes[name]["work"] for name in graph), span)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_random_programs_of_views_and_writes_cost_what_their_elements_say(program):
    expected = Oracle().run(program)
    assert measure_program(lambda start: run(program, start), (torch.zeros(SIZE, SIZE),)).cost == expected
    assert measure_program(lambda start: run(program, start), (x(),)).cost == expected


def test_out_may_be_an_operand():
    def program(x):
        out = x * 1.0
        torch.sin(out, out=out)
        torch.add(out, x, out=out)
        return out

    found = measure_program(program, (torch.rand(8),))
    assert (found.work, found.span) == (24, 3)


def test_an_overlapping_view_fills_no_storage():
    def program(x):
        y = x.clone()
        y.as_strided((4, 2), (1, 1)).add_(1)
        return y[6:] * 2

    assert measure_program(program, (torch.rand(8),)).cost == Cost(2, 1)


def test_what_leaves_the_tensors_is_told():
    import pickle

    found = measure_program(lambda x: pickle.loads(pickle.dumps(x * 2)) + 1, (torch.rand(8),))
    assert (found.span, found.bound) == (0, "lower")
    assert "no result needs an input" in found.notes[0]
