"""The span of a recorded run is the longest path of the graph that `make_fx` traces of the same program.

The graph is traced by other means, and read by an oracle of its own: each node is run once more on tensors of
names, in which every element holds the node that wrote it, so that views and writes in place are PyTorch's
own. Edges carry the steps of the node they enter; networkx finds the longest path. The steps are written down
here.
"""

import networkx as nx
import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn
from torch._decomp import decomposition_table
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from seriality.meter.pytorch import measure_program

STEPS = {
    "_softmax": 5,
    "_log_softmax": 6,
    "gelu": 4,
    "silu": 2,
    "softplus": 7,
    "leaky_relu": 2,
    "elu": 5,
    "mean": 2,
    "sort": 6,
    "max_pool2d_with_indices": 1,
    "avg_pool2d": 2,
    "linalg_vector_norm": 3,
}
"""Unit steps of what takes more than one; a reduction of one term takes none."""

MOVED = """
    _to_copy _unsafe_view alias cat clone constant_pad_nd copy_ detach diagonal expand fill_ flip
    lift_fresh_copy permute repeat select select_backward slice slice_backward split split_with_sizes squeeze
    stack t transpose unbind unfold unsafe_split unsqueeze view zero_"""
MOVES = MOVED.split()
MADE = """
    arange empty empty_like empty_permuted eye full full_like new_empty new_empty_strided new_full new_ones
    new_zeros ones ones_like scalar_tensor zeros zeros_like"""
CREATED = MADE.split()
LOOKUPS = {"embedding": 1, "index": 1, "index_select": 2, "gather": 2}
BIASED = {"addmm": 0, "baddbmm": 0, "convolution": 2}
REDUCTIONS = ("sum", "mean", "amax", "argmax", "prod", "linalg_vector_norm")

SPLIT = {
    target: definition
    for target, definition in decomposition_table.items()
    if isinstance(target, torch._ops.OpOverload)
    and "_backward" in target._schema.name
    and target._schema.name.removeprefix("aten::")
    not in (*MOVES, "convolution_backward", "embedding_dense_backward")
}
"""Backward operators are taken apart before they are traced, as the meter does."""


class Longest(torch.fx.Interpreter):
    """Runs a graph on tensors of names beside its values."""

    def __init__(self, module):
        super().__init__(module)
        self.paths = nx.DiGraph()
        self.names = {}
        self.number = 0

    def run_node(self, node):
        value = super().run_node(node)
        if node.op == "placeholder":
            self.names[node] = torch.zeros(value.shape, dtype=torch.long)
        elif node.op == "get_attr":
            self.names[node] = torch.full(value.shape, -1)
        elif node.op == "call_function":
            self.names[node] = self.call(node, value)
        return value

    def call(self, node, value):
        if not isinstance(node.target, torch._ops.OpOverload):  # getitem
            source, place = node.args
            return self.names[source][place]
        name = node.target._schema.name.removeprefix("aten::")
        base = name.rstrip("_")
        of = lambda tree: torch.fx.node.map_arg(tree, lambda other: self.names[other])  # noqa: E731
        schema = node.target._schema
        writes = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
        aliases = any(r.alias_info is not None for r in schema.returns)
        if name in ("_unsafe_view", "unsafe_split") or (aliases and not writes):
            return node.target(*of(node.args), **of(node.kwargs))  # a view of the names
        if base in CREATED:
            return torch.full(value.shape, -1)
        blind = name in ("copy_", "fill_", "zero_", "add.out")
        operands = [
            (place, self.names[other])
            for place, argument in enumerate(node.args)
            if not (blind and place == 0)
            for other in (argument if isinstance(argument, (list, tuple)) else [argument])
            if isinstance(other, torch.fx.Node)
        ]
        first = value if isinstance(value, torch.Tensor) else value[0]
        made = self.operation(name if name in MOVES else base, node, operands, first)
        if writes:
            return self.names[node.args[0]].fill_(made)
        if isinstance(value, torch.Tensor):
            return torch.full(value.shape, made)
        return tuple(None if item is None else torch.full(item.shape, made) for item in value)

    def operation(self, base, node, operands, result):
        """A node of the paths, or two where a bias comes late."""
        steps = 0 if base in MOVES else STEPS.get(base, 1)
        source = node.args[0].meta["val"] if isinstance(node.args[0], torch.fx.Node) else None
        if base in REDUCTIONS and source is not None and source.numel() == result.numel():
            steps = {"mean": 1, "linalg_vector_norm": 2}.get(base, 0)
        if base in LOOKUPS:
            index = [names for place, names in operands if place == LOOKUPS[base]]
            steps = int(any((names >= 0).any() for names in index))
        if base == "native_layer_norm":
            made = self.node(9, [names for place, names in operands if place == 0])
            for place in (2, 3):
                late = [names for at, names in operands if at == place]
                made = self.node(1, [torch.tensor(made), *late]) if late else made
            return made
        if base in ("add", "sub", "rsub") and node.kwargs.get("alpha", 1) != 1:
            steps = 2
        if base in ("addcmul", "addcdiv"):
            steps = 2 + (node.kwargs.get("value", 1) != 1)
        if base == "clamp":
            steps = sum(bound is not None for bound in node.args[1:])
        if base in BIASED:
            late = [names for place, names in operands if place == BIASED[base]]
            made = self.node(1, [names for place, names in operands if place != BIASED[base]])
            return self.node(1, [torch.tensor(made), *late]) if late else made
        return self.node(steps, [names for _, names in operands])

    def node(self, steps, operands):
        before = {name for names in operands for name in names.unique().tolist()} - {-1}
        if not before:
            return -1
        self.number += 1
        self.paths.add_edges_from(((name, self.number) for name in before), steps=steps)
        return self.number

    def longest(self, *inputs):
        self.run(*inputs)
        [output] = [node for node in self.module.graph.nodes if node.op == "output"]
        results = torch.cat([self.names[node].flatten() for node in output.all_input_nodes]).unique().tolist()
        live = set(results).union(*(nx.ancestors(self.paths, name) for name in results if name > 0)) - {-1}
        live = self.paths.subgraph(live)
        return nx.dag_longest_path_length(live, weight="steps") if live.edges else 0


def longest_path(fn, *args):
    traced = make_fx(fn, decomposition_table=SPLIT)(*args)
    return Longest(traced).longest(*args)


# Programs of tensors.


def lstm(x, w, u):
    h, c, out = torch.zeros(2, 4), torch.zeros(2, 4), torch.zeros(5, 2, 4)
    for t in range(5):
        i, f, g, o = (x[t] @ w + h @ u).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out[t] = h
    return out


def gru(x, w, u):
    h = torch.zeros(2, 4)
    for t in range(5):
        r, z, n = (x[t] @ w).chunk(3, -1)
        a, b, c = (h @ u).chunk(3, -1)
        gate = torch.sigmoid(z + b)
        h = (1 - gate) * torch.tanh(n + torch.sigmoid(r + a) * c) + gate * h
    return h


def attention(x, w):
    q, k, v = (x @ w).chunk(3, -1)
    scores = q @ k.transpose(-2, -1) / 2
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    return x + scores.masked_fill(~mask, -1e9).softmax(-1) @ v


def ring_buffer(x):
    buffer = torch.zeros(3, 4)
    for t in range(8):
        buffer[t % 3] = torch.tanh(buffer[(t - 1) % 3] + buffer[t % 3] + x[t % 5, 0])
    return buffer


def bubble(x):
    y = x.clone()
    for i in range(4):
        low, high = torch.minimum(y[i], y[i + 1]), torch.maximum(y[i], y[i + 1])
        y[i], y[i + 1] = low, high
    return y


def prefix(x):
    y = x.clone()
    for width in (1, 2, 4):
        y[width:] += y[:-width].clone()
    return y


def power(x):
    v = torch.ones(5)
    for _ in range(4):
        v = x[:, 0, 0] * v
        v = v / v.norm()
    return v


def lookups(table, places):
    for _ in range(6):
        places = table[places]
    return places


def pooled(x, kernel):
    x = F.relu(F.conv2d(x, kernel, padding=1))
    return F.avg_pool2d(F.max_pool2d(x, 2), 2).flatten(1).log_softmax(-1)


def states(step):
    """A loop over the series that keeps every state."""

    def run(x, w):
        h, out = torch.zeros(2, 4), torch.zeros(5, 2, 4)
        for t in range(5):
            h = step(h, x[t], w)
            out[t] = h
        return out

    return run


def selective(x, w):
    """The recurrence of Mamba, with its readout."""
    step, gate = F.softplus(x @ w), torch.sigmoid(x @ w)
    h, out = torch.zeros(2, 4), []
    for t in range(5):
        h = torch.exp(-step[t]) * h + step[t] * x[t]
        out.append((h * gate[t]).sum(-1))
    return torch.stack(out)


def delta_rule(x, w):
    state, out = torch.zeros(4, 4), []
    for t in range(5):
        k, v = x[t, 0], w @ x[t, 1]
        state = state + torch.outer(v - state @ k, k)
        out.append(state @ k)
    return torch.stack(out)


def online_softmax(x, w):
    top, total, out = torch.full((2,), -9.0), torch.zeros(2), torch.zeros(2, 4)
    for t in range(5):
        score = (x[t] @ w[0]).clone()
        new = torch.maximum(top, score)
        scale, weight = torch.exp(top - new), torch.exp(score - new)
        total, out = total * scale + weight, out * scale[:, None] + weight[:, None] * x[t]
        top = new
    return out / total[:, None]


def experts(x, w):
    """Two experts, mixed by a gate."""
    gate = (x @ w[:, :2]).softmax(-1)
    first, second = F.gelu(x @ w), torch.tanh(x @ w.T)
    return gate[..., :1] * first + gate[..., 1:] * second


def heat(x, w):
    """A stencil that is written in place, half by half."""
    y = x[:, 0].clone()
    for _ in range(3):
        y[1:-1] += (y[:-2] - 2 * y[1:-1] + y[2:]) * w[0, 0]
    return y


def triangle(x, w):
    """Forward substitution, row by row."""
    y = torch.zeros(4)
    for i in range(4):
        y[i] = (x[0, 0, i] - w[i] @ y.clone()) / (w[i, i] + 1)
    return y


def newton(x, w):
    y = x[0].clone()
    for _ in range(4):
        y = (y + w[0] / (y + 1)) / 2
    return y


def halves(x, w):
    """Two halves of one buffer that never meet, one of them long."""
    buffer = torch.zeros(2, 2, 4)
    for t in range(5):
        buffer[0] += x[t]
    buffer[1].copy_(torch.tanh(x[0] @ w))
    return buffer[0].sum() + buffer[1].sum()


def gradient(fn):
    """The gradient of the sum of all that the function returns."""

    def backward(*args):
        args = [argument.detach().requires_grad_(argument.is_floating_point()) for argument in args]
        result = fn(*args)
        return torch.autograd.grad(result.sum(), [a for a in args if a.requires_grad], allow_unused=True)

    return lambda *args: [item for item in backward(*args) if item is not None]


def mlp(x, w):
    for _ in range(3):
        x = torch.tanh(x @ w) + x
    return x


def norms(x, w):
    for _ in range(2):
        x = F.gelu(F.layer_norm(x @ w, (4,))) + F.silu(x)
    return x


def tensor(*sizes):
    return torch.rand(sizes)


SERIES = tensor(5, 2, 4)
PROGRAMS = {
    "mlp": (mlp, tensor(3, 4), tensor(4, 4)),
    "mlp, backward": (gradient(mlp), tensor(3, 4), tensor(4, 4)),
    "norms": (norms, tensor(3, 4), tensor(4, 4)),
    "lstm": (lstm, SERIES, tensor(4, 16), tensor(4, 16)),
    "gru": (gru, SERIES, tensor(4, 12), tensor(4, 12)),
    "gru, backward": (gradient(gru), SERIES, tensor(4, 12), tensor(4, 12)),
    "attention": (attention, tensor(2, 5, 4), tensor(4, 12)),
    "attention, backward": (gradient(attention), tensor(2, 5, 4), tensor(4, 12)),
    "ring buffer": (ring_buffer, SERIES),
    "bubble": (bubble, SERIES),
    "prefix": (prefix, tensor(8)),
    "power iteration": (power, SERIES),
    "lookups": (lookups, torch.randperm(16), torch.arange(4)),
    "convolution": (pooled, tensor(1, 3, 8, 8), tensor(4, 3, 3, 3)),
    "einsum": (
        lambda a, b: torch.einsum("bij,bjk->bik", a, b).exp().cumsum(1),
        tensor(2, 3, 4),
        tensor(2, 4, 3),
    ),
    "vmap": (lambda w, x: torch.func.vmap(lambda v: torch.tanh(w @ v).sum())(x), tensor(4, 4), tensor(3, 4)),
    "jacobian": (torch.func.jacrev(lambda v: torch.sin(v) * v.sum()), tensor(4)),
    "linear recurrence": (states(lambda h, x, w: h @ w + x), SERIES, tensor(4, 4)),
    "gated recurrence": (states(lambda h, x, w: torch.sigmoid(x @ w) * h + x), SERIES, tensor(4, 4)),
    "tanh recurrence": (states(lambda h, x, w: torch.tanh(h @ w + x)), SERIES, tensor(4, 4)),
    "tanh recurrence, backward": (
        gradient(states(lambda h, x, w: torch.tanh(h @ w + x))),
        SERIES,
        tensor(4, 4),
    ),
    "logistic map": (states(lambda h, x, w: 3.9 * h * (1 - h) + x * w[0]), SERIES, tensor(4, 4)),
    "running maximum": (states(lambda h, x, w: torch.maximum(h, x * w[0])), SERIES, tensor(4, 4)),
    "Viterbi": (states(lambda h, x, w: (h[:, None] + w).amax(-1) + x), SERIES, tensor(4, 4)),
    "selective scan": (selective, SERIES, tensor(4, 4)),
    "delta rule": (delta_rule, SERIES, tensor(4, 4)),
    "online softmax": (online_softmax, SERIES, tensor(4, 4)),
    "experts": (experts, SERIES, tensor(4, 4)),
    "experts, backward": (gradient(experts), SERIES, tensor(4, 4)),
    "heat": (heat, SERIES, tensor(4, 4)),
    "forward substitution": (triangle, SERIES, tensor(4, 4)),
    "Newton": (newton, SERIES, tensor(4, 4)),
    "halves": (halves, SERIES, tensor(4, 4)),
    "norms, backward": (gradient(norms), tensor(3, 4), tensor(4, 4)),
    "embedding": (
        lambda t, i: F.embedding(i, t).sum(1).sigmoid(),
        tensor(9, 4),
        torch.tensor([[1, 2], [3, 4]]),
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_span_is_the_longest_path(name):
    fn, *args = PROGRAMS[name]
    assert measure_program(fn, args).span == longest_path(fn, *args)


# Modules, and models of Hugging Face.


def encoder():
    return nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True),
        2,
        enable_nested_tensor=False,
    )


SMALL = {"vocab_size": 32, "attn_implementation": "eager"}
LLAMA = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    **SMALL,
}
MODULES = {
    "sequential": lambda: nn.Sequential(
        nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 8, bias=False)
    ),
    "recurrent": lambda: nn.RNN(8, 8, batch_first=True),
    "Llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA)),
    "Mistral": lambda: transformers.MistralForCausalLM(
        transformers.MistralConfig(**LLAMA, num_key_value_heads=1, sliding_window=4)
    ),
    "GPT-2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, **SMALL)
    ),
    "Mamba": lambda: transformers.MambaForCausalLM(
        transformers.MambaConfig(hidden_size=8, num_hidden_layers=1, state_size=4, vocab_size=32)
    ),
}


def test_there_are_enough_of_them():
    assert len(PROGRAMS) + len(MODULES) >= 40


@pytest.mark.parametrize("name", MODULES)
def test_the_span_of_a_module_is_the_longest_path(name):
    module = MODULES[name]().eval()
    is_model = isinstance(module, transformers.PreTrainedModel)
    given = torch.arange(1, 7)[None] if is_model else torch.rand(1, 6, 8)
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}

    def forward(state, given):
        options = {"use_cache": False} if name == "Mamba" else {}
        result = functional_call(module, state, (given,), options)
        return result.logits if is_model else result[0] if isinstance(result, tuple) else result

    with torch.no_grad():
        traced = make_fx(forward, decomposition_table=SPLIT)(state, given)
        found = measure_program(forward, (state, given)).span
        assert found == Longest(traced).longest(*torch.utils._pytree.tree_leaves((state, given)))
