"""Ready programs for the meter: published architectures, built from shapes alone.

Each entry of EXAMPLES takes its sizes and gives a function and its arguments, so that

    measure(*EXAMPLES["gpt2"](tokens=64))

meters it. Weights are shapes: nothing is allocated and nothing runs. Sizes left out are those of the source.
The equations are those of the source; dropout, dtypes and what is used in training alone are left out.

Papers count depth in blocks. With `blocks_only=True` a block is one matrix product, the loops are those of
the full model, and embeddings, adapters and heads are no products: the span in the `layer` model is the
number of blocks on the critical path.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

Program = tuple[Any, ...]
"""A function, then its arguments."""

Weights = Mapping[str, Any]
Block = Callable[[Weights, Any], Any]
"""Takes its weights and (tokens, width), and gives (tokens, width)."""


# Pieces


def shape(*sizes: int, dtype: str = "float32") -> jax.ShapeDtypeStruct:
    """An array that is nowhere."""
    return jax.ShapeDtypeStruct(sizes, dtype)


def shapes(stack: int | None = None, **weights: tuple[int, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    """Weights by name; `stack` of each for a scan over layers."""
    return {name: shape(*(() if stack is None else (stack,)), *size) for name, size in weights.items()}


def rows(table: Float[Array, "entries width"], at: Int[Array, "..."]) -> Float[Array, "... width"]:
    """Lookups and nothing else: no index is negative."""
    return table.at[at].get(mode="promise_in_bounds", wrap_negative_indices=False)


def layer_norm(x: Array, scale: Any = 1.0, shift: Any = 0.0) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5) * scale + shift


def rms_norm(x: Array, scale: Array | None = None) -> Array:
    normed = x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-5)
    return normed if scale is None else normed * scale


def angles(tokens: int, size: int, base: float = 10_000.0) -> Float[Array, "tokens half"]:
    """Of every position, at geometric frequencies: known before the run."""
    return jnp.outer(jnp.arange(tokens), base ** (-jnp.arange(0, size, 2) / size))


def rotated(
    x: Float[Array, "tokens heads size"], base: float = 10_000.0
) -> Float[Array, "tokens heads size"]:
    """Rotary position embedding (Su et al. 2021)."""
    turn = angles(x.shape[0], x.shape[2], base)[:, None, :]
    cosine, sine = (jnp.concatenate([f(turn), f(turn)], -1) for f in (jnp.cos, jnp.sin))
    left, right = jnp.split(x, 2, -1)
    return x * cosine + jnp.concatenate([-right, left], -1) * sine


def causal(tokens: int) -> Bool[Array, "tokens tokens"]:
    return jnp.tril(jnp.ones((tokens, tokens), bool))


def attention(
    q: Float[Array, "queries heads size"],
    k: Float[Array, "keys heads size"],
    v: Float[Array, "keys heads size"],
    mask: Bool[Array, "queries keys"] | None,
) -> Float[Array, "queries width"]:
    """Softmax attention (Vaswani et al. 2017), computed for all pairs and then masked."""
    scores = jnp.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[2])
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    return jnp.einsum("hqk,khd->qhd", jax.nn.softmax(scores), v).reshape(q.shape[0], -1)


def heads_of(x: Float[Array, "tokens width"], heads: int, parts: int) -> list[Array]:
    """Queries, keys and values, each of shape (tokens, heads, size)."""
    return [part.reshape(x.shape[0], heads, -1) for part in jnp.split(x, parts, -1)]


def swiglu(x: Float[Array, "tokens width"], up: Array, down: Array) -> Float[Array, "tokens width"]:
    """Gated linear unit (Shazeer 2020); `up` holds the gate and the value."""
    gate, value = jnp.split(x @ up, 2, -1)
    return (jax.nn.silu(gate) * value) @ down


def product(weights: Weights, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
    """A block that is one matrix product."""
    return x @ weights["block"]


def through(block: Block, weights: Weights, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
    """A stack of blocks, one after the other."""
    return lax.scan(lambda x, layer: (block(layer, x), None), x, weights)[0]


# Transformers


def gpt_block(
    w: Weights,
    x: Float[Array, "tokens width"],
    mask: Bool[Array, "tokens keys"],
    *,
    heads: int,
    cache: tuple[Array, Array] | None = None,
    place: Any = 0,
) -> tuple[Float[Array, "tokens width"], tuple[Array, Array]]:
    """Pre-norm block; also the keys and values seen: those in `cache`, the new ones written at `place`."""
    hidden = layer_norm(x, w["scale_1"], w["shift_1"])
    q, k, v = heads_of(hidden @ w["qkv"] + w["qkv_shift"], heads, 3)
    if cache is not None:
        k, v = (
            lax.dynamic_update_slice(old, new, (place, 0, 0)) for old, new in zip(cache, (k, v), strict=True)
        )
    x = x + attention(q, k, v, mask) @ w["out"] + w["out_shift"]
    hidden = layer_norm(x, w["scale_2"], w["shift_2"]) @ w["up"] + w["up_shift"]
    return x + jax.nn.gelu(hidden) @ w["down"] + w["down_shift"], (k, v)


def gpt_weights(tokens: int, layers: int, width: int, vocabulary: int) -> dict[str, Any]:
    blocks = shapes(
        layers,
        **dict.fromkeys(("scale_1", "shift_1", "scale_2", "shift_2", "out_shift", "down_shift"), (width,)),
        qkv=(width, 3 * width),
        qkv_shift=(3 * width,),
        out=(width, width),
        up=(width, 4 * width),
        up_shift=(4 * width,),
        down=(4 * width, width),
    )
    ends = shapes(words=(vocabulary, width), positions=(tokens, width), scale=(width,), shift=(width,))
    return ends | {"blocks": blocks}


def gpt2(
    *, tokens: int = 1024, layers: int = 12, heads: int = 12, width: int = 768, vocabulary: int = 50257
) -> Program:
    """GPT-2, 124M parameters: logits at every position of a text of `tokens`.

    Radford et al. 2019, its head tied to the embedding. The matrix products are 291,648,307,200 operations.

    >>> from seriality.meter import measure
    >>> measure(*gpt2(), cost_model="layer").span  # 12 blocks of 6 products, and the head
    73
    """

    def forward(w: Weights, words: Int[Array, " tokens"]) -> Float[Array, "tokens vocabulary"]:
        def step(x: Array, layer: Weights) -> tuple[Array, None]:
            return gpt_block(layer, x, causal(tokens), heads=heads)[0], None

        x, _ = lax.scan(step, rows(w["words"], words) + w["positions"], w["blocks"])
        return layer_norm(x, w["scale"], w["shift"]) @ w["words"].T

    return forward, gpt_weights(tokens, layers, width, vocabulary), shape(tokens, dtype="int32")


def chain_of_thought(
    *,
    tokens: int = 32_768,
    layers: int = 96,
    heads: int = 96,
    width: int = 12_288,
    vocabulary: int = 50257,
    blocks_only: bool = False,
) -> Program:
    """A language model of 96 layers that writes 32,768 tokens, each chosen from the one before.

    Appendix C.3 of "The Serial Scaling Hypothesis" counts 96 steps for a pass over a given text and
    96 · 32,768 = 3,145,728 for writing it: the span with `blocks_only`. The full model has the sizes of GPT-3
    (Brown et al. 2020), the block of GPT-2, a cache of keys and values as long as the text, and takes the
    likeliest token each time.
    """

    def decode(w: Weights, word: Int[Array, ""]) -> Int[Array, " tokens"]:
        def step(state: Any, place: Int[Array, ""]) -> tuple[Any, Int[Array, ""]]:
            word, cache = state
            x = (rows(w["words"], word) + rows(w["positions"], place))[None]
            mask = jnp.arange(tokens)[None] <= place

            def layer(x: Array, entry: tuple[Weights, tuple[Array, Array]]) -> tuple[Array, Any]:
                return gpt_block(entry[0], x, mask, heads=heads, cache=entry[1], place=place)

            x, cache = lax.scan(layer, x, (w["blocks"], cache))
            word = jnp.argmax(layer_norm(x[0], w["scale"], w["shift"]) @ w["words"].T).astype("int32")
            return (word, cache), word

        empty = jnp.zeros((layers, tokens, heads, width // heads))
        return lax.scan(step, (word, (empty, empty)), jnp.arange(tokens))[1]

    def decode_blocks(w: Weights, word: Int[Array, ""]) -> Int[Array, " tokens"]:
        def step(word: Int[Array, ""], _: None) -> tuple[Int[Array, ""], Int[Array, ""]]:
            x = through(product, w["blocks"], rows(w["words"], word)[None])
            word = jnp.argmax(x).astype("int32")
            return word, word

        return lax.scan(step, word, None, length=tokens)[1]

    if blocks_only:
        weights = {"words": shape(width, width), "blocks": shapes(layers, block=(width, width))}
        return decode_blocks, weights, shape(dtype="int32")
    return decode, gpt_weights(tokens, layers, width, vocabulary), shape(dtype="int32")


def llama(
    *,
    tokens: int = 2048,
    layers: int = 32,
    heads: int = 32,
    width: int = 4096,
    hidden: int = 11_008,
    vocabulary: int = 32_000,
) -> Program:
    """LLaMA-7B: logits at every position of a text of `tokens`.

    Touvron et al. 2023: RMSNorm, rotary positions, SwiGLU. The matrix products are 29,261,612,187,648
    operations.
    """

    def block(w: Weights, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        q, k, v = heads_of(rms_norm(x, w["scale_1"]) @ w["qkv"], heads, 3)
        x = x + attention(rotated(q), rotated(k), v, causal(tokens)) @ w["out"]
        return x + swiglu(rms_norm(x, w["scale_2"]), w["up"], w["down"])

    def forward(w: Weights, words: Int[Array, " tokens"]) -> Float[Array, "tokens vocabulary"]:
        x = through(block, w["blocks"], rows(w["words"], words))
        return rms_norm(x, w["scale"]) @ w["head"]

    blocks = shapes(
        layers,
        scale_1=(width,),
        qkv=(width, 3 * width),
        out=(width, width),
        scale_2=(width,),
        up=(width, 2 * hidden),
        down=(hidden, width),
    )
    ends = shapes(words=(vocabulary, width), scale=(width,), head=(width, vocabulary))
    return forward, ends | {"blocks": blocks}, shape(tokens, dtype="int32")


def diffusion(
    *,
    steps: int = 250,
    tokens: int = 256,
    layers: int = 12,
    heads: int = 6,
    width: int = 384,
    patch: int = 16,
    classes: int = 1000,
) -> Program:
    """A diffusion transformer, DiT-S/2: an answer of `tokens` patches, denoised in `steps` dependent passes.

    Peebles and Xie 2023: adaptive layer norm from the class and the time; 250 steps on a latent image of
    32 × 32 × 4 in patches of 2 × 2 × 4 = 16. The steps are the deterministic ones of Song et al. 2021, so the
    variances that the network gives too are not used.
    """

    def condition(w: Weights, time: Float[Array, ""], kind: Int[Array, ""]) -> Float[Array, " width"]:
        turn = time * 10_000.0 ** (-jnp.arange(128) / 128)
        wave = jnp.concatenate([jnp.cos(turn), jnp.sin(turn)])
        hidden = jax.nn.silu(wave @ w["time_in"] + w["time_in_shift"])
        return hidden @ w["time_out"] + w["time_out_shift"] + rows(w["kinds"], kind)

    def modulation(w: Weights, c: Float[Array, " width"], parts: int) -> list[Array]:
        return jnp.split(jax.nn.silu(c) @ w["modulate"] + w["modulate_shift"], parts)

    def block(w: Weights, c: Array, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation(w, c, 6)
        q, k, v = heads_of(layer_norm(x, 1 + scale_1, shift_1) @ w["qkv"] + w["qkv_shift"], heads, 3)
        x = x + gate_1 * (attention(q, k, v, None) @ w["out"] + w["out_shift"])
        up = jax.nn.gelu(layer_norm(x, 1 + scale_2, shift_2) @ w["up"] + w["up_shift"])
        return x + gate_2 * (up @ w["down"] + w["down_shift"])

    def denoise(w: Weights, noise: Float[Array, "tokens patch"], kind: Int[Array, ""]) -> Array:
        waves = angles(tokens, width)
        places = jnp.concatenate([jnp.cos(waves), jnp.sin(waves)], -1)
        times = jnp.linspace(999, 0, steps)
        kept = jnp.cumprod(1 - jnp.linspace(1e-4, 0.02, 1000))[times.astype("int32")]
        following = jnp.append(kept[1:], 1.0)

        def step(x: Array, now: tuple[Array, Array, Array]) -> tuple[Array, None]:
            time, signal, next_signal = now
            c = condition(w, time, kind)
            hidden = through(
                lambda w, x: block(w, c, x), w["blocks"], x @ w["enter"] + w["enter_shift"] + places
            )
            shift, scale = modulation(w["last"], c, 2)
            noise = (layer_norm(hidden, 1 + scale, shift) @ w["last"]["out"] + w["last"]["out_shift"])[
                :, :patch
            ]
            kept_share = jnp.sqrt(next_signal / signal)
            return kept_share * x + (
                jnp.sqrt(1 - next_signal) - kept_share * jnp.sqrt(1 - signal)
            ) * noise, None

        return lax.scan(step, noise, (times, kept, following))[0]

    blocks = shapes(
        layers,
        modulate=(width, 6 * width),
        modulate_shift=(6 * width,),
        qkv=(width, 3 * width),
        qkv_shift=(3 * width,),
        out=(width, width),
        out_shift=(width,),
        up=(width, 4 * width),
        up_shift=(4 * width,),
        down=(4 * width, width),
        down_shift=(width,),
    )
    ends = shapes(
        time_in=(256, width),
        time_in_shift=(width,),
        time_out=(width, width),
        time_out_shift=(width,),
        kinds=(classes + 1, width),
        enter_shift=(width,),
        enter=(patch, width),
    )
    last = shapes(
        modulate=(width, 2 * width),
        modulate_shift=(2 * width,),
        out=(width, 2 * patch),
        out_shift=(2 * patch,),
    )
    return denoise, ends | {"blocks": blocks, "last": last}, shape(tokens, patch), shape(dtype="int32")


# Loops in depth


def looped(
    *,
    loops: int = 32,
    tokens: int = 4096,
    prelude: int = 2,
    core: int = 4,
    coda: int = 2,
    heads: int = 55,
    width: int = 5280,
    hidden: int = 17_920,
    vocabulary: int = 65_536,
    blocks_only: bool = False,
) -> Program:
    """Huginn-3.5B: a transformer whose core of 4 blocks is looped, each time given the embedded text again.

    Geiping et al. 2025 (arXiv 2502.05171): 2 + 4 · 32 + 2 = 132 blocks on the critical path. The state starts
    as noise, which is an argument.
    """

    def block(w: Weights, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        q, k, v = heads_of(rms_norm(x, w["scale_1"]) @ w["qkv"], heads, 3)
        q, k = (rotated(part + w["qk_shift"][place], 50_000.0) for place, part in enumerate((q, k)))
        x = rms_norm(x + attention(q, k, v, causal(tokens)) @ w["out"], w["scale_2"])
        return rms_norm(x + swiglu(rms_norm(x, w["scale_3"]), w["up"], w["down"]), w["scale_4"])

    def forward(w: Weights, words: Int[Array, " tokens"], state: Float[Array, "tokens width"]) -> Array:
        text = through(block, w["prelude"], rows(w["words"], words) * math.sqrt(width))

        def loop(state: Array, _: None) -> tuple[Array, None]:
            return through(block, w["core"], jnp.concatenate([state, text], -1) @ w["adapter"]), None

        state, _ = lax.scan(loop, state, None, length=loops)
        return rms_norm(through(block, w["coda"], rms_norm(state, w["scale"])), w["scale"]) @ w["words"].T

    def forward_blocks(
        w: Weights, words: Int[Array, " tokens"], state: Float[Array, "tokens width"]
    ) -> Array:
        text = through(product, w["prelude"], rows(w["words"], words))
        state, _ = lax.scan(
            lambda s, _: (through(product, w["core"], s + text), None), state, None, length=loops
        )
        return through(product, w["coda"], state)

    inputs = shape(tokens, dtype="int32"), shape(tokens, width)
    parts = {"prelude": prelude, "core": core, "coda": coda}
    if blocks_only:
        blocks = {name: shapes(count, block=(width, width)) for name, count in parts.items()}
        return forward_blocks, {"words": shape(vocabulary, width), **blocks}, *inputs
    blocks = {
        name: shapes(
            count,
            qkv=(width, 3 * width),
            qk_shift=(2, heads, width // heads),
            out=(width, width),
            up=(width, 2 * hidden),
            down=(hidden, width),
            **{f"scale_{place}": (width,) for place in (1, 2, 3, 4)},
        )
        for name, count in parts.items()
    }
    ends = shapes(words=(vocabulary, width), adapter=(2 * width, width), scale=(width,))
    return forward, ends | blocks, *inputs


def puzzle_hidden(width: int) -> int:
    """The hidden width of a SwiGLU of expansion 4 in the two models of puzzles: a multiple of 256."""
    return -(-round(4 * width * 2 / 3) // 256) * 256


def puzzle_block(w: Weights, x: Float[Array, "tokens width"], *, heads: int) -> Float[Array, "tokens width"]:
    """Post-norm block: attention without a mask, or, without weights for it, a SwiGLU along the tokens."""
    if "qkv" in w:
        q, k, v = heads_of(x @ w["qkv"], heads, 3)
        x = rms_norm(x + attention(rotated(q), rotated(k), v, None) @ w["out"])
    else:
        x = rms_norm(x.T + swiglu(x.T, w["mix_up"], w["mix_down"])).T
    return rms_norm(x + swiglu(x, w["up"], w["down"]))


def puzzle_blocks(layers: int, width: int, places: int | None = None) -> dict[str, jax.ShapeDtypeStruct]:
    """Weights of such blocks; with `places` they mix that many tokens without attention."""
    hidden = puzzle_hidden(width)
    mixing = {"qkv": (width, 3 * width), "out": (width, width)}
    if places is not None:
        inner = puzzle_hidden(places)
        mixing = {"mix_up": (places, 2 * inner), "mix_down": (inner, places)}
    return shapes(layers, up=(width, 2 * hidden), down=(hidden, width), **mixing)


def solve_puzzle(
    segment: Callable[[Weights, Array, Array, Array], tuple[Array, Array]], segments: int, has_head: bool
) -> Callable[..., Array]:
    """Segments of refinement on two states, (high, low) or (answer, latent), and the logits of the first."""

    def forward(w: Weights, words: Int[Array, " tokens"]) -> Float[Array, "tokens _"]:
        prefix = w["prefix"]
        given = jnp.concatenate([prefix, rows(w["words"], words)]) * math.sqrt(prefix.shape[1])
        high, low = (jnp.broadcast_to(w[name], given.shape) for name in ("high", "low"))
        (high, _), _ = lax.scan(
            lambda states, _: (segment(w, given, *states), None), (high, low), None, length=segments
        )
        return (high @ w["head"] if has_head else high)[prefix.shape[0] :]

    return forward


def puzzle_ends(prefix: int, width: int, vocabulary: int) -> dict[str, jax.ShapeDtypeStruct]:
    return shapes(
        words=(vocabulary, width),
        prefix=(prefix, width),
        high=(width,),
        low=(width,),
        head=(width, vocabulary),
    )


def hrm(
    *,
    segments: int = 16,
    cycles: int = 2,
    steps: int = 2,
    layers: int = 4,
    tokens: int = 81,
    prefix: int = 1,
    heads: int = 8,
    width: int = 512,
    vocabulary: int = 11,
    blocks_only: bool = False,
) -> Program:
    """Hierarchical Reasoning Model on Sudoku: a slow and a fast module of 4 blocks each, in 16 segments.

    Wang et al. 2025 (arXiv 2506.21734): each of 2 cycles is 2 low-level updates and 1 high-level one, so a
    segment is 2 · (2 + 1) · 4 = 24 blocks and all are 16 · 24 = 384, each waiting for the one before. All
    segments run, as in its evaluation; the head that would halt is left out.
    """
    block = product if blocks_only else partial(puzzle_block, heads=heads)

    def segment(w: Weights, given: Array, high: Array, low: Array) -> tuple[Array, Array]:
        for _ in range(cycles):
            for _ in range(steps):
                low = through(block, w["low_blocks"], low + high + given)
            high = through(block, w["high_blocks"], high + low)
        return high, low

    blocks = shapes(layers, block=(width, width)) if blocks_only else puzzle_blocks(layers, width)
    weights = puzzle_ends(prefix, width, vocabulary) | {"high_blocks": blocks, "low_blocks": blocks}
    return solve_puzzle(segment, segments, not blocks_only), weights, shape(tokens, dtype="int32")


def trm(
    *,
    segments: int = 16,
    recursions: int = 3,
    latents: int = 6,
    layers: int = 2,
    attention: bool = False,
    tokens: int = 81,
    prefix: int = 16,
    heads: int = 8,
    width: int = 512,
    vocabulary: int = 11,
    blocks_only: bool = False,
) -> Program:
    """Tiny Recursive Model on Sudoku: one network of 2 blocks refines a latent state and then the answer.

    Jolicoeur-Martineau 2025 (arXiv 2510.04871): a segment is 3 recursions of 6 latent updates and 1 of the
    answer, 3 · (6 + 1) · 2 = 42 blocks, and all are 16 · 42 = 672. For ARC-AGI and mazes there are 4 latent
    updates and the blocks have attention, `latents=4, attention=True, tokens=900`: 3 · (4 + 1) · 2 = 30 and
    16 · 30 = 480. All segments run, as in its evaluation; the head that would halt is left out.
    """
    block = product if blocks_only else partial(puzzle_block, heads=heads)

    def segment(w: Weights, given: Array, answer: Array, latent: Array) -> tuple[Array, Array]:
        for _ in range(recursions):
            for _ in range(latents):
                latent = through(block, w["blocks"], latent + answer + given)
            answer = through(block, w["blocks"], answer + latent)
        return answer, latent

    mixed = None if attention else tokens + prefix
    blocks = shapes(layers, block=(width, width)) if blocks_only else puzzle_blocks(layers, width, mixed)
    weights = puzzle_ends(prefix, width, vocabulary) | {"blocks": blocks}
    return solve_puzzle(segment, segments, not blocks_only), weights, shape(tokens, dtype="int32")


# Recurrences in time


def mamba(
    *,
    tokens: int = 2048,
    layers: int = 24,
    width: int = 768,
    inner: int = 1536,
    states: int = 16,
    kernel: int = 4,
    rank: int = 48,
    vocabulary: int = 50_280,
) -> Program:
    """Mamba-130M: logits at every position of a text of `tokens`.

    Gu and Dao 2023. The selective scan is written step by step: a recurrence linear in its state, which has a
    parallel form.
    """

    def block(w: Weights, x: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        u, gate = jnp.split(rms_norm(x, w["scale"]) @ w["enter"], 2, -1)
        u = lax.conv_general_dilated(
            u.T[None], w["kernel"], (1,), [(kernel - 1, 0)], feature_group_count=inner
        )[0].T
        u = jax.nn.silu(u + w["kernel_shift"])
        step, inwards, outwards = jnp.split(u @ w["select"], (rank, rank + states), -1)
        step = jax.nn.softplus(step @ w["step"] + w["step_shift"])
        decay = jnp.exp(step[:, :, None] * -jnp.exp(w["log_decay"]))
        inflow = (step * u)[:, :, None] * inwards[:, None, :]

        def advance(state: Float[Array, "inner states"], now: Any) -> tuple[Array, Array]:
            decay, inflow, outwards = now
            state = decay * state + inflow
            return state, state @ outwards

        _, y = lax.scan(advance, jnp.zeros((inner, states)), (decay, inflow, outwards))
        return x + ((y + u * w["skip"]) * jax.nn.silu(gate)) @ w["out"]

    def forward(w: Weights, words: Int[Array, " tokens"]) -> Float[Array, "tokens vocabulary"]:
        x = through(block, w["blocks"], rows(w["words"], words))
        return rms_norm(x, w["scale"]) @ w["words"].T

    blocks = shapes(
        layers,
        scale=(width,),
        kernel=(inner, 1, kernel),
        kernel_shift=(inner,),
        select=(inner, rank + 2 * states),
        step=(rank, inner),
        step_shift=(inner,),
        log_decay=(inner, states),
        skip=(inner,),
        out=(inner, width),
        enter=(width, 2 * inner),
    )
    ends = shapes(words=(vocabulary, width), scale=(width,))
    return forward, ends | {"blocks": blocks}, shape(tokens, dtype="int32")


def linear_attention(*, tokens: int = 784, heads: int = 8, size: int = 32) -> Program:
    """Causal linear attention as a recurrence: a sum of outer products, read by the queries.

    Katharopoulos et al. 2020, one layer of its model of MNIST, queries, keys and values given.
    """

    def mix(q: Float[Array, "tokens heads size"], k: Array, v: Array) -> Float[Array, "tokens heads size"]:
        def advance(state: tuple[Array, Array], now: tuple[Array, Array, Array]) -> tuple[Any, Array]:
            total, norm = state
            q, k, v = now
            total, norm = total + k[:, :, None] * v[:, None, :], norm + k
            read = jnp.einsum("hk,hkv->hv", q, total) / jnp.einsum("hk,hk->h", q, norm)[:, None]
            return (total, norm), read

        start = jnp.zeros((heads, size, size)), jnp.zeros((heads, size))
        return lax.scan(advance, start, (jax.nn.elu(q) + 1, jax.nn.elu(k) + 1, v))[1]

    return mix, *[shape(tokens, heads, size)] * 3


def delta_rule(*, tokens: int = 2048, heads: int = 8, size: int = 128) -> Program:
    """The delta rule: a fast weight matrix that is corrected towards each value, S ← S + β (v − S k) kᵀ.

    Schlag et al. 2021; one layer of the 340M DeltaNet of Yang et al. 2024, keys of norm 1, its inputs given.
    Linear in the state, by dense matrices that depend on the data.
    """

    def mix(q: Float[Array, "tokens heads size"], k: Array, v: Array, rate: Array) -> Array:
        def advance(state: Float[Array, "heads size size"], now: Any) -> tuple[Array, Array]:
            q, k, v, rate = now
            error = v - jnp.einsum("hvk,hk->hv", state, k)
            state = state + (rate[:, None] * error)[:, :, None] * k[:, None, :]
            return state, jnp.einsum("hvk,hk->hv", state, q)

        k = k * lax.rsqrt(jnp.square(k).sum(-1, keepdims=True))
        start = jnp.zeros((heads, size, size))
        return lax.scan(advance, start, (q, k, v, jax.nn.sigmoid(rate)))[1]

    return mix, *[shape(tokens, heads, size)] * 3, shape(tokens, heads)


def recurrent(cell: Callable[..., Any], gates: int, carries: int, tokens: int, width: int) -> Program:
    """A recurrent layer from a zero state; `cell(u, b, state, x)` gives the next state, its output first."""

    def run(w: Weights, xs: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
        def advance(state: tuple[Array, ...], x: Array) -> tuple[tuple[Array, ...], Array]:
            state = cell(w["hidden"], w["hidden_shift"], state, x)
            return state, state[0]

        start = tuple(jnp.zeros(width) for _ in range(carries))
        return lax.scan(advance, start, xs @ w["enter"] + w["enter_shift"])[1]

    weights = shapes(
        hidden=(width, gates * width),
        hidden_shift=(gates * width,),
        enter_shift=(gates * width,),
        enter=(width, gates * width),
    )
    return run, weights, shape(tokens, width)


def rnn(*, tokens: int = 1024, width: int = 256) -> Program:
    """A recurrent network (Elman 1990): h ← tanh(W x + U h + b). No size is the source's."""

    def cell(u: Array, b: Array, state: tuple[Array], x: Array) -> tuple[Array]:
        return (jnp.tanh(x + (state[0] @ u + b)),)

    return recurrent(cell, 1, 1, tokens, width)


def lstm(*, tokens: int = 1024, width: int = 256) -> Program:
    """Long short-term memory with a forget gate (Gers et al. 2000). No size is the source's."""

    def cell(u: Array, b: Array, state: tuple[Array, Array], x: Array) -> tuple[Array, Array]:
        hidden, memory = state
        enter, forget, leave, new = jnp.split(x + (hidden @ u + b), 4)
        memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(enter) * jnp.tanh(new)
        return jax.nn.sigmoid(leave) * jnp.tanh(memory), memory

    return recurrent(cell, 4, 2, tokens, width)


def gru(*, tokens: int = 1024, width: int = 256) -> Program:
    """Gated recurrent unit (Cho et al. 2014), its reset gate behind the product. No size is the source's."""

    def cell(u: Array, b: Array, state: tuple[Array], x: Array) -> tuple[Array]:
        (hidden,) = state
        given, seen = jnp.split(x, 3), jnp.split(hidden @ u + b, 3)
        reset, update = (jax.nn.sigmoid(given[place] + seen[place]) for place in (0, 1))
        new = jnp.tanh(given[2] + reset * seen[2])
        return (update * hidden + (1 - update) * new,)

    return recurrent(cell, 3, 1, tokens, width)


EXAMPLES: Mapping[str, Callable[..., Program]] = {
    "gpt2": gpt2,
    "llama-7b": llama,
    "mamba": mamba,
    "looped": looped,
    "hrm": hrm,
    "trm": trm,
    "diffusion": diffusion,
    "chain-of-thought": chain_of_thought,
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "linear-attention": linear_attention,
    "delta-rule": delta_rule,
}
"""The only list of the examples, by name."""
