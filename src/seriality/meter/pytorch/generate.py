"""Greedy decoding of a Hugging Face language model: work and span of a whole answer.

The prompt is read in one pass that fills the cache; its last logits give the first new token, and each
further token is a pass over the token before it. Every token waits for the one before: the lookup of its
embedding needs the choice, so the span of the answer is a chain from token to token.

Few tokens are simply run. Of many, only some steps are: between two lengths of the cache at which a step was
measured, its span is taken to be constant and its work to be affine in the length, if a step halfway agrees;
if not, the stretch is cut in two there. A step is measured as the third token after a shorter prompt, and a
run of four tokens tests that this is the same as the fourth after a prompt that is shorter still.
"""

import inspect
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from ...cost import Cost
from ..measurement import Control, Measurement, Settings
from ..rules import CostModel, Declared
from .program import Recording, record

RUN = 4
"""How many tokens are run of a longer answer."""

CACHES = ("cache", "past_key_values", "cache_params")
"""What versions of the library call the state that is passed from token to token."""


def measure_generate(
    model: nn.Module,
    prompt_length: int,
    new_tokens: int,
    *,
    batch: int = 1,
    cost_model: CostModel = "unit",
    control: Control = "full",
    declared: Declared | None = None,
    lists_uncounted: bool = False,
) -> Measurement:
    """The work and span of greedily decoding `new_tokens` tokens after a prompt, with the model's own cache.

    The model may be on the meta device: no weights are needed. `batch` sequences are decoded side by side. No
    token ends the answer early. `control`, `declared` and `lists_uncounted` are those of `measure_program`.

    Raises ValueError for lengths below 1 and for a model without a cache.
    """
    for name, value in (("prompt_length", prompt_length), ("new_tokens", new_tokens), ("batch", batch)):
        if value < 1:
            raise ValueError(f"{name}={value}; allowed is an integer from 1 up, as in {name}=16")
    settings = Settings(cost_model, control, None, declared or {}, lists_uncounted)
    decoding = _Decoding(model, batch, settings)
    if new_tokens > RUN:
        found = decoding.extrapolated(prompt_length, new_tokens)
        if found is not None:
            return found
    return decoding.run(prompt_length, new_tokens).measurement(cost_model)


def greedy(model: nn.Module, prompt: Tensor, new_tokens: int) -> list[Tensor]:
    """The most likely tokens after a prompt (batch, length), one after the other, each (batch, 1)."""
    takes = inspect.signature(model.forward).parameters
    options: dict[str, Any] = {"use_cache": True}
    if "logits_to_keep" in takes:
        options["logits_to_keep"] = 1
    tokens, given = [], prompt
    for _ in range(new_tokens):
        output = model(given, **options)
        given = output.logits[:, -1:].argmax(-1)
        tokens.append(given)
        state = next((name for name in CACHES if getattr(output, name, None) is not None), None)
        if state is None:
            raise ValueError(
                f"{type(model).__name__} gives no cache; measure_program(model, (tokens,)) measures one pass"
            )
        options[state] = getattr(output, state)
    return tokens


@dataclass(frozen=True)
class _Step:
    """What one more token adds, or several."""

    cost: Cost
    products: int
    launches: int

    def then(self, other: "_Step") -> "_Step":
        return _Step(
            self.cost.then(other.cost), self.products + other.products, self.launches + other.launches
        )


@dataclass
class _Decoding:
    """A model, decoded at several lengths. `steps` holds what one more token adds, by length of the cache."""

    model: nn.Module
    batch: int
    settings: Settings
    steps: dict[int, _Step] = field(default_factory=dict)

    def run(self, prompt_length: int, new_tokens: int) -> Recording:
        """Decode so many tokens."""
        device = next(self.model.parameters()).device
        prompt = torch.zeros(self.batch, prompt_length, dtype=torch.long, device=device)
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return record(greedy, (self.model, prompt, new_tokens), self.settings)
        finally:
            self.model.train(was_training)

    def added(self, recording: Recording, token: int) -> _Step:
        """What one token of a recording adds to those before it."""
        readings = [recording.reading(count) for count in (token - 1, token)]
        before, after = (reading.cost(self.settings.cost_model) for reading in readings)
        earlier, later = (
            recording.recorder.graph.launched[node] for node in recording.results[token - 2 : token]
        )
        cost = Cost(after.work - before.work, after.span - before.span)
        return _Step(cost, readings[1].products - readings[0].products, later - earlier)

    def step(self, length: int) -> _Step:
        """What a token adds when the cache holds `length` tokens."""
        if length not in self.steps:
            self.steps[length] = self.added(self.run(length - 1, 3), 3)
        return self.steps[length]

    def extrapolated(self, prompt_length: int, new_tokens: int) -> Measurement | None:
        """The cost of many tokens from that of a few, or None where steps depend on the prompt before."""
        first = self.run(prompt_length, RUN)
        start, end = prompt_length + 1, prompt_length + new_tokens - 2
        self.steps[start], fourth = self.added(first, 3), self.added(first, 4)
        if first.recorder.reads or self.step(start + 1) != fourth:
            return None
        found, rest = first.measurement(self.settings.cost_model), self.between(start, end)
        degrees = [first.reading(count).log2_degree() for count in (2, 3, 4)]
        growth = degrees[2] - degrees[1]
        is_steady = abs(growth - (degrees[1] - degrees[0])) < 1e-3
        measured = ", ".join(map(str, sorted(self.steps)))
        note = (
            f"{new_tokens} tokens: steps were measured with {measured} tokens in the cache; "
            "between these the span is constant and the work affine"
        )
        return replace(
            found,
            cost=first.reading(2).cost(self.settings.cost_model).then(rest.cost),
            products=first.reading(2).products + rest.products,
            log2_degree=degrees[2] + (new_tokens - RUN) * growth if is_steady else None,
            notes=(*found.notes, note),
            launches=found.launches - self.steps[start].launches - fourth.launches + rest.launches,
            _profile=None,
        )

    def between(self, start: int, end: int) -> _Step:
        """One step at every length of the cache from `start` to `end`."""
        count = end - start + 1
        if count < 3:
            last = self.step(end)
            return last if count == 1 else self.step(start).then(last)
        middle = (start + end) // 2
        first, halfway, last = (self.step(length) for length in (start, middle, end))

        def is_affine(low: int, mid: int, high: int) -> bool:
            return (mid - low) * (end - start) == (high - low) * (middle - start)

        if (
            is_affine(first.cost.work, halfway.cost.work, last.cost.work)
            and is_affine(first.products, halfway.products, last.products)
            and first.cost.span == halfway.cost.span == last.cost.span
            and first.launches == halfway.launches == last.launches
        ):
            return _Step(
                Cost(count * (first.cost.work + last.cost.work) // 2, count * first.cost.span),
                count * (first.products + last.products) // 2,
                count * first.launches,
            )
        return self.between(start, middle).then(self.between(middle + 1, end))
