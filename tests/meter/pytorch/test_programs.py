"""Programs of PyTorch: devices, fused kernels, control by the host, loops PyTorch knows, backward passes.

Numbers come from the definitions, from the same program written another way, or from hand counts.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_over
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import flex_attention
from torch.utils.checkpoint import checkpoint

from seriality.cost import Cost
from seriality.meter import measure
from seriality.meter.pytorch import measure_program
from seriality.meter.rules import COST_MODELS

SIZES = {"vocab_size": 32, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}


def measured(fn, *args, **options):
    return measure_program(fn, args, **options)


def cost(fn, *args, **options):
    return measure_program(fn, args, **options).cost


def meta(*sizes):
    return torch.empty(sizes, device="meta")


# Devices and fused kernels.


def gpt2(attention, device):
    config = transformers.GPT2Config(attn_implementation=attention)
    with torch.device("meta"):
        model = transformers.GPT2LMHeadModel(config).eval()
    return model if device == "meta" else model.to_empty(device=device)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_matrix_products_of_gpt2_over_1024_tokens(attention):
    model = gpt2(attention, "meta")
    tokens = torch.empty(1, 1024, dtype=torch.long, device="meta")
    with torch.no_grad():
        found = measure_program(lambda model, tokens: model(tokens).logits, (model, tokens))
        assert found.products == 291_648_307_200


def test_the_matrix_products_of_gpt2_on_a_processor():
    model, tokens = gpt2("sdpa", "cpu"), torch.zeros(1, 1024, dtype=torch.long)
    with torch.no_grad():
        found = measure_program(lambda model, tokens: model(tokens).logits, (model, tokens))
        assert found.products == 291_648_307_200


def models(attention):
    llama = transformers.LlamaConfig(
        **SIZES, intermediate_size=32, num_key_value_heads=1, attn_implementation=attention
    )
    gpt = transformers.GPT2Config(
        n_embd=16, n_head=2, n_layer=2, vocab_size=32, attn_implementation=attention
    )
    return [transformers.LlamaForCausalLM(llama).eval(), transformers.GPT2LMHeadModel(gpt).eval()]


@pytest.mark.parametrize("cost_model", COST_MODELS)
def test_attention_counts_the_same_fused_and_eager_on_every_device_with_gradient_or_without(cost_model):
    tokens = torch.zeros(2, 9, dtype=torch.long)

    def forward(model, tokens):
        return model(tokens).logits

    for eager, fused in zip(models("eager"), models("sdpa"), strict=True):
        costs = [cost(forward, model, tokens, cost_model=cost_model) for model in (eager, fused)]
        with torch.no_grad():
            costs.append(cost(forward, fused, tokens, cost_model=cost_model))
        with torch.inference_mode():
            costs.append(cost(forward, fused, tokens, cost_model=cost_model))
        costs.append(cost(forward, fused.to("meta"), tokens.to("meta"), cost_model=cost_model))
        assert len(set(costs)) == 1


def test_training_counts_the_same_with_fused_attention():
    tokens = torch.zeros(2, 9, dtype=torch.long)

    def train(model, tokens):
        model(tokens, labels=tokens).loss.backward()

    for eager, fused in zip(models("eager"), models("sdpa"), strict=True):
        assert cost(train, eager, tokens) == cost(train, fused, tokens)


def explicit(query, key, value, mask=None):
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    return (scores if mask is None else scores + mask).softmax(-1) @ value


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_every_way_to_attention_counts_its_definition():
    one = torch.zeros(1, 2, 7, 4)
    mask = torch.zeros(7, 7)
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    expected = cost(explicit, one, one, one)
    masked = cost(lambda query: explicit(query, query, query, mask), one)
    assert expected == cost(F.scaled_dot_product_attention, one, one, one)
    assert expected == cost(lambda query: kernel(query, query, query)[0], one)
    assert masked == cost(lambda query: F.scaled_dot_product_attention(query, query, query, mask), one)
    assert masked == cost(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), one)
    flexible = cost(lambda query: flex_attention(query, query, query, lambda s, *_: s + 1.0), one)
    assert flexible == Cost(masked.work + 2 * 7 * 7, masked.span + 1)  # it chooses by its block mask too
    grouped = torch.zeros(1, 1, 7, 4)
    assert expected == cost(
        lambda query, key: F.scaled_dot_product_attention(query, key, key, enable_gqa=True), one, grouped
    )


@pytest.mark.parametrize("fast", [True, False])
def test_a_transformer_layer_has_no_fast_path(fast):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train(not fast)
    layer.dropout.p = layer.dropout1.p = layer.dropout2.p = layer.self_attn.dropout = 0.0
    x = torch.zeros(2, 5, 8)
    with torch.set_grad_enabled(not fast):
        found = measured(layer, x)
    products = 2 * 2 * 5 * (8 * 24 + 2 * 5 * 8 + 8 * 8 + 2 * 8 * 16)
    assert measure_program(layer, [x]).products == products
    assert found.cost == cost(layer.train(), x)


def test_recurrent_networks_run_step_by_step_on_every_device():
    for network, steps in ((nn.LSTM(8, 8), 8), (nn.GRU(8, 8), 10), (nn.RNN(8, 8), 4)):
        series = torch.zeros(32, 1, 8)
        one = measured(network, series)
        assert one.cost == cost(network.to("meta"), series.to("meta"))
        assert one.span == 32 * steps

        def reads(network, series):
            series.sum().item()
            return network(series)

        for_real = measured(reads, network.to_empty(device="cpu"), series)
        assert for_real.cost == Cost(one.work + 255 + 1, one.span + 2)


# What is known before the run, and what no result needs.


def test_what_needs_no_input_is_free():
    closed_over = torch.ones(5)
    x = meta(5)
    assert cost(lambda x: x * (torch.arange(5).float().exp() + 1), x) == Cost(5, 1)
    assert cost(lambda x: x + torch.exp(torch.zeros_like(x)), x) == Cost(5, 1)
    assert cost(lambda x: x + closed_over.exp().exp(), torch.zeros(5)) == Cost(5, 1)
    assert cost(lambda x, y: x + y.exp().exp(), x, meta(5)).span == 3
    with pytest.raises(ValueError, match=r"nothing to measure.*torch\.empty"):
        measured(lambda: torch.ones(3) + 1)


def test_parameters_are_inputs_even_if_closed_over():
    layer = nn.Linear(4, 3)
    expected = Cost(2 * 4 * 3 + 3, 2)
    assert cost(layer, torch.zeros(4)) == expected
    assert cost(lambda x: layer(x), torch.zeros(4)) == expected
    assert cost(lambda: layer(torch.ones(4))) == expected


def test_what_no_result_needs_is_dead():
    def dead(x):
        torch.exp(x).sum()
        return x + 1

    def alive(layer, x):
        layer.running = torch.exp(x)
        layer.buffer.copy_(torch.exp(torch.exp(x)))
        return x + 1

    layer = nn.Module()
    layer.register_buffer("buffer", torch.zeros(4))
    assert cost(dead, meta(4)) == Cost(4, 1)
    assert cost(alive, layer, torch.zeros(4)) == Cost(12, 2)


def test_a_lookup_costs_a_step_if_its_index_depends_on_data():
    def chase(table, place):
        for _ in range(16):
            place = table[place]
        return place

    table, places = torch.randperm(8), torch.zeros(3, dtype=torch.long)
    assert cost(chase, table, places) == Cost(16 * 3, 16)
    assert cost(chase, table, places, cost_model="fan_in_2") == Cost(16 * 3, 16 * 3)
    assert cost(lambda table: table[torch.tensor([1, 2])], table) == Cost(0, 0)
    assert cost(lambda x: torch.zeros(4).index_add(0, torch.tensor([0, 0, 1]), x), meta(3)) == Cost(3, 1)


# Control by the host.


def test_a_value_read_by_the_host_gates_what_follows():
    def choose(x):
        y = x.sum()
        return x + 1 if y.item() > 0 else x * 2

    found = measured(choose, torch.ones(4))
    assert (found.cost, found.reads, found.bound) == (Cost(3 + 1 + 4, 3), 1, "exact")
    assert cost(choose, torch.ones(4), cost_model="layer").span == 0
    free = measured(choose, torch.ones(4), control="data")
    assert (free.cost, free.reads, free.bound) == (Cost(3 + 4, 1), 1, "lower")


def test_a_loop_of_the_host_is_a_chain():
    def halve(x):
        while bool(x.sum() > 1):
            x = x / 2
        return x

    def chase(table):
        place = 0
        for _ in range(5):
            place = int(table[place])
        return torch.tensor(place)

    # two halvings, three tests of sum and comparison, and a choice before each halving
    assert cost(halve, torch.ones(4)) == Cost(2 * 4 + 3 * (3 + 1) + 2, 2 + 3 * 2 + 2)
    assert cost(chase, torch.randperm(8)) == Cost(5, 5)


def test_a_value_read_and_not_used_gates_nothing():
    assert cost(lambda x: x.sum().item(), torch.ones(4)) == Cost(3, 1)
    assert measured(lambda x: [x + 1, torch.ones(3).sum().item()], torch.ones(4)).reads == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda y: torch.from_numpy(y.numpy() * 2),
        lambda y: torch.tensor(y.tolist()),
        lambda y: torch.as_tensor(np.asarray(y) + 1),
    ],
)
def test_what_comes_back_from_the_host_keeps_its_depth(read):
    def program(x):
        return read(torch.exp(torch.exp(x))).cos()

    full, data = measured(program, torch.ones(3)), measured(program, torch.ones(3), control="data")
    assert (full.span, full.reads) == (2 + 1 + 1, 1)
    assert data.span == 2 + 1
    assert data.bound == "neither"
    assert len(data.notes) == 2


def test_shapes_that_depend_on_data_are_read():
    found = measured(lambda x: x[x > 0] * 2, torch.ones(4))
    assert found.reads == 1
    assert measured(lambda x: x[torch.arange(4) > 1] * 2, torch.ones(4)).reads == 0
    assert measured(lambda x: x.nonzero(), torch.ones(4)).reads == 1


def test_a_program_that_reads_cannot_run_without_data():
    with pytest.raises(ValueError, match=r"meta device.*another device"):
        measured(lambda x: x + 1 if x.sum() > 0 else x, meta(4))


# Operators that take functions.


def test_loops_that_pytorch_knows_unroll():
    xs = torch.ones(8, 3)

    def body(carry, x):
        carry = torch.tanh(carry + x)
        return carry, carry.clone()

    assert cost(lambda xs: scan(body, torch.zeros(3), xs), xs) == Cost(8 * 6, 16)
    assert cost(lambda xs: map_over(torch.sin, xs), xs) == Cost(24, 1)
    prefix = cost(lambda xs: associative_scan(torch.add, xs, dim=0, combine_mode="generic"), xs)
    assert prefix.span < 2 * math.log2(8)


def test_a_while_loop_waits_for_each_test():
    def loop(x):
        return while_loop(lambda x: x.sum() < 20, lambda x: (x * 2,), (x,))[0]

    # 4, 8, 16, 32: three bodies and four tests of sum, comparison and choice
    assert cost(loop, torch.ones(4)) == Cost(3 * 4 + 4 * 5, 3 + 4 * 3)
    counted = cost(
        lambda x: while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), x)), x()
    )
    assert counted == Cost(12, 3)
    never = cost(lambda x: while_loop(lambda y: y.sum() < 0, lambda y: (y * 2,), (x.exp(),))[0] + 1, x())
    assert never == Cost(4 + 3 + 1 + 1 + 4, 1 + 3 + 1)


def x():
    return torch.ones(4)


def test_cond_charges_the_dearest_branch():
    def choose(one, other):
        return lambda x: torch.cond(x.sum() > 0, one, other, (x,))

    equal = measured(choose(torch.sin, torch.cos), x())
    assert (equal.cost, equal.bound) == (Cost(3 + 1 + 1 + 4, 4), "exact")
    for branches in ((torch.sin, lambda x: x.sin().cos()), (lambda x: x.sin().cos(), torch.sin)):
        unequal = measured(choose(*branches), x())
        assert (unequal.cost, unequal.bound) == (Cost(3 + 1 + 1 + 8, 5), "upper")
    assert cost(lambda x: torch.cond(torch.ones(1).sum() > 0, torch.sin, torch.cos, (x,)), x()) == Cost(4, 1)


def test_compiled_functions_are_measured_as_written():
    compiled = torch.compile(lambda x: torch.tanh(x * 2), backend="eager")
    assert cost(compiled, x()) == Cost(8, 2)


def test_vmap_multiplies_work_and_keeps_the_span():
    def one(w, v):
        return torch.tanh(w @ v).sum()

    w = meta(4, 4)
    alone, many = cost(one, w, meta(4)), cost(torch.func.vmap(one, in_dims=(None, 0)), w, meta(7, 4))
    assert many == Cost(7 * alone.work, alone.span)
    attention = torch.func.vmap(lambda q: F.scaled_dot_product_attention(q, q, q))
    assert cost(attention, meta(3, 1, 5, 4)) == cost(explicit, *[meta(3, 1, 5, 4)] * 3)


# Backward passes.


def test_gradients_are_results():
    def train(w, x):
        torch.tanh(x @ w).sum().backward()

    w, rows = torch.zeros(4, 4, requires_grad=True), torch.zeros(2, 4)
    # product, tanh, its derivative (three operations on each of 8), product
    assert cost(train, w, rows) == Cost(64 + 8 + 24 + 64, 1 + 1 + 3 + 1)
    assert w.grad is None  # the run was on shapes
    assert cost(lambda w, x: torch.autograd.grad(torch.tanh(x @ w).sum(), w), w, rows) == cost(train, w, rows)


def test_gradients_of_what_is_closed_over_are_results():
    layer = nn.Linear(4, 3)
    assert cost(lambda x: layer(x).sum().backward(), torch.zeros(2, 4)) == Cost(2 * 2 * 4 * 3, 1)
    assert layer.weight.grad is not None
    assert layer.weight.grad.device == layer.weight.device


def test_gradients_accumulate():
    def twice(w):
        for _ in range(2):
            (w * w).sum().backward()

    w = torch.zeros(3, requires_grad=True)
    assert cost(twice, w) == Cost(4 * 3 + 2 * 3 + 3, 3)


def test_a_checkpoint_runs_its_forward_pass_again():
    def backward(wrap):
        def program(x):
            y = wrap(lambda x: torch.tanh(torch.exp(x)), x)
            return torch.autograd.grad(y.sum(), x)

        return program

    x = torch.zeros(4, requires_grad=True)
    once = cost(backward(lambda f, x: f(x)), x)
    again = cost(backward(lambda f, x: checkpoint(f, x, use_reentrant=False)), x)
    assert once == again  # what the first pass computed is dead: no result needs it
    launches = measured(backward(lambda f, x: f(x)), x).launches
    assert measured(backward(lambda f, x: checkpoint(f, x, use_reentrant=False)), x).launches > launches


def test_a_function_of_the_user_is_looked_into():
    class Exponential(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            y = x.exp()
            context.save_for_backward(y)
            return y

        @staticmethod
        def backward(context, gradient):
            return gradient * context.saved_tensors[0]

    def program(x):
        return torch.autograd.grad((Exponential.apply(x) * x).sum(), x)

    # the exponential, two products of the sum, the product of the function, the sum of both gradients
    assert cost(program, torch.zeros(4, requires_grad=True)) == Cost(4 * 5, 3)


def test_an_optimiser_step_counts_the_same_for_lists():
    def step(foreach):
        def run(layer, x):
            optimiser = torch.optim.Adam(layer.parameters(), foreach=foreach)
            layer(x).square().mean().backward()
            optimiser.step()

        return run

    def gradients(layer, x):
        layer(x).square().mean().backward()

    layer, x = nn.Linear(3, 2), torch.zeros(4, 3)
    assert cost(step(True), layer, x) == cost(step(False), layer, x)
    assert cost(step(True), layer, x).work > cost(gradients, layer, x).work + 8 * 10


# Operators without a rule.


@torch.library.custom_op("seriality_tests::opaque", mutates_args=())
def opaque(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def test_an_operator_without_a_rule_is_an_error():
    way_out = r"declared=\{\"seriality_tests::opaque\": Cost\(work=\.\.\., span=\.\.\.\)\}"
    with pytest.raises(NotImplementedError, match=rf"'seriality_tests::opaque'.*{way_out}.*\"list\""):
        measured(lambda x: opaque(x) + 1, x())


def test_a_declared_cost_holds_in_every_cost_model():
    name = "seriality_tests::opaque"
    for cost_model in COST_MODELS:
        found = measured(lambda x: opaque(x), x(), declared={name: Cost(10, 3)}, cost_model=cost_model)
        assert (found.cost, found.bound) == (Cost(10, 3), "exact")
    shaped = {name: lambda given, made: Cost(sum(math.prod(shape) for shape in given + made), 1)}
    assert cost(lambda x: opaque(x) + 1, x(), declared=shaped) == Cost(8 + 4, 2)


def test_an_operator_left_out_is_named():
    found = measured(lambda x: opaque(x + 1) + 1, x(), lists_uncounted=True)
    assert (found.cost, found.bound, found.uncounted) == (Cost(8, 2), "lower", ("seriality_tests::opaque",))
    known = measured(lambda x: x + opaque(torch.ones(4)), x())
    assert (known.cost, known.bound) == (Cost(4, 1), "exact")


# Growth, profile.


@pytest.mark.parametrize(
    ("step", "grows"),
    [
        (lambda w, h, x: w @ h + x, "log"),
        (lambda w, h, x: h * x + x, "log"),
        (lambda w, h, x: torch.maximum(h + x, h), "log"),
        (lambda w, h, x: torch.minimum(h + x, x), "log"),
        (lambda w, h, x: torch.tanh(w @ h + x), "linear"),
        (lambda w, h, x: 3.9 * h * (1 - h), "linear"),
    ],
)
def test_the_formal_degree_tells_chains_that_can_be_shortened(step, grows):
    def run(w, xs):
        h = xs[0]
        for x in xs:
            h = step(w, h, x)
        return h

    degrees = [measured(run, meta(4, 4), meta(n, 4)).log2_degree for n in (16, 32, 64, 128)]
    ratios = [(c - b) / (b - a) for a, b, c in zip(degrees, degrees[1:], degrees[2:], strict=False)]
    assert ratios == pytest.approx([1 if grows == "log" else 2] * 2, abs=0.1)


def test_the_profile_names_modules_and_lines():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.heavy = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
            self.light = nn.Linear(4, 4)

        def forward(self, x):
            return self.heavy(x) + self.light(x)

    found = measured(nn.Sequential(Block(), Block()), meta(2, 4))
    profile = found.profile()
    names = {region.name: region for _, region in profile.root.walk()}
    assert profile.root.work == found.work
    assert (profile.root.span, profile.root.critical) == (found.span, found.span) == (8, 8)
    assert (names["heavy"].span, names["heavy"].critical) == (3, 3)
    assert (names["light"].span, names["light"].critical) == (2, 0)
    assert sum(step.steps for step in profile.path) == found.span
    assert {step.where.split(":")[0] for step in profile.path} == {"test_programs.py"}


def test_measuring_leaves_nothing_behind():
    layer, x = nn.Linear(4, 4), torch.ones(4)
    before = [parameter.clone() for parameter in layer.parameters()]
    measured(lambda layer, x: layer(x).sum().backward(), layer, x)
    for parameter, kept in zip(layer.parameters(), before, strict=True):
        assert parameter.grad is None
        assert torch.equal(parameter, kept)
        assert not vars(parameter.untyped_storage())


def test_a_module_that_is_closed_over_is_an_input():
    layer, x = nn.Linear(4, 4), torch.ones(3, 4)
    found = measure(lambda: layer(x))
    assert found.products == 2 * 3 * 4 * 4
    assert measure(layer, x).work == found.work
