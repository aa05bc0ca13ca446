"""Decoding: the extrapolated cost of an answer is that of the loop written out, and hand counts."""

import pytest
import torch
import transformers
from torch import nn

from seriality.meter.pytorch import measure_generate, measure_program
from seriality.meter.pytorch.generate import greedy
from seriality.meter.rules import COST_MODELS

LLAMA = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
MODELS = {
    "Llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA)),
    "GPT-2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=32)
    ),
    "Mamba": lambda: transformers.MambaForCausalLM(
        transformers.MambaConfig(hidden_size=8, num_hidden_layers=1, state_size=4, vocab_size=32)
    ),
    "sliding window": lambda: transformers.MistralForCausalLM(
        transformers.MistralConfig(**LLAMA, sliding_window=8)
    ),
}


def written_out(model, prompt, new_tokens):
    """The loop, run to its end."""
    with torch.no_grad():
        return measure_program(greedy, (model, prompt, new_tokens))


@pytest.mark.parametrize("name", MODELS)
def test_an_extrapolated_answer_is_the_loop_written_out(name):
    model = MODELS[name]().eval()
    found, expected = (
        measure_generate(model, 5, 14),
        written_out(model, torch.zeros(1, 5, dtype=torch.long), 14),
    )
    assert (found.cost, found.products, found.launches, found.bound) == (
        expected.cost,
        expected.products,
        expected.launches,
        "exact",
    )
    assert found.log2_degree == pytest.approx(expected.log2_degree, rel=1e-3)
    assert "14 tokens: steps were measured with" in found.notes[-1]


def test_steps_that_grow_with_the_logarithm_of_the_cache_are_found():
    model = MODELS["Llama"]().eval()
    found = measure_generate(model, 5, 14, cost_model="fan_in_2")
    with torch.no_grad():
        loop = measure_program(
            greedy, (model, torch.zeros(1, 5, dtype=torch.long), 14), cost_model="fan_in_2"
        )
    assert found.cost == loop.cost


@pytest.mark.parametrize("cost_model", COST_MODELS)
def test_few_tokens_are_run(cost_model):
    model = MODELS["GPT-2"]()
    found = measure_generate(model, 3, 2, cost_model=cost_model)
    assert (found.bound, found.notes) == ("exact", ())
    assert found.profile().root.span == found.span
    assert model.training


def test_every_token_is_a_pass_through_all_layers():
    # 3 layers of 6 products (query, key and value are one), and the output
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(n_embd=16, n_layer=3, n_head=2, vocab_size=32)
    )
    assert measure_generate(model, 4, 10, cost_model="layer").span == 10 * (3 * 6 + 1)


def test_a_batch_multiplies_work_and_keeps_the_span():
    model = MODELS["Llama"]()
    one, many = measure_generate(model, 4, 3), measure_generate(model, 4, 3, batch=5)
    assert many.span == one.span
    assert 4.9 * one.work < many.work < 5 * one.work  # positions are encoded once


def test_a_large_model_needs_no_weights():
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(num_hidden_layers=2))
    found = measure_generate(model, 100, 1000, cost_model="layer")
    assert (found.span, found.bound) == (1000 * (2 * 6 + 1), "exact")


def test_what_cannot_be_decoded_is_refused():
    class Stateless(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(4, 4)

        def forward(self, tokens, use_cache):
            return transformers.modeling_outputs.CausalLMOutput(logits=self.table(tokens))

    with pytest.raises(ValueError, match=r"Stateless gives no cache.*measure_program"):
        measure_generate(Stateless(), 4, 3)
    with pytest.raises(ValueError, match=r"new_tokens=0.*new_tokens=16"):
        measure_generate(Stateless(), 4, 0)
