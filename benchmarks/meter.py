"""The meter against what counts operations elsewhere: error, time, memory, and the span that no peer has.

Counted are the operations of matrix products and convolutions, 2 for each multiply-add; the truth of each
program is derived below from its published sizes. Of what a peer tells, that is taken which is fairest to it:

    FlopCounterMode   its total
    fvcore            its matrix products and convolutions, doubled: it counts 1 for each multiply-add
    calflops          its FLOPs, which hold other operations too, or its multiply-adds doubled: the nearer
    XLA               `cost_analysis` of the lowered program: FLOPs, other operations included
    roofline          `jax.experimental.roofline`: FLOPs

PyTorch's programs are Hugging Face's models from their configurations, and no weights are downloaded; JAX's
are `seriality.meter.examples`, layers and time in scans, and the same with every scan unrolled. Nothing
trains: all runs without gradients, and PyTorch on one thread. Ours and the peers take turns in one process;
"of FCM" is the median time over that of FlopCounterMode. "Rest" is ours without the tracing, by differences
within a turn. Memory is the peak of a fresh process that imports, builds and counts once, and in brackets the
part above its imports.
"""

import gc
import importlib
import math
import os
import resource
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# Neither PyTorch nor JAX is imported here, nor `measuring`, which brings JAX: every process that measures
# something imports this file, and its memory is to be its own.

Program = tuple[Any, ...]
"""A function, then its arguments."""

OURS, FCM = "ours", "FlopCounterMode"
ALONE = {"PyTorch": "the program alone", "JAX": "tracing alone"}


# The truth


def gpt2_products(tokens: int, layers: int = 12, width: int = 768, vocabulary: int = 50_257) -> int:
    """Queries, keys, values, output, and two products of width 4d: 12 d² a token; attention: 2 T d."""
    return 2 * tokens * (layers * (12 * width**2 + 2 * tokens * width) + width * vocabulary)


def llama_products(
    tokens: int, layers: int = 32, width: int = 4096, hidden: int = 11_008, vocabulary: int = 32_000
) -> int:
    """Four products in attention, three in SwiGLU."""
    a_token = layers * (4 * width**2 + 3 * width * hidden + 2 * tokens * width) + width * vocabulary
    return 2 * tokens * a_token


def mamba_products(
    tokens: int,
    *,
    layers: int = 24,
    width: int = 768,
    inner: int = 1536,
    states: int = 16,
    kernel: int = 4,
    rank: int = 48,
    vocabulary: int = 50_280,
    padded: bool = False,
) -> int:
    """In and gate, selection, step size, state to output, out; the head; and the convolution.

    `padded`: the convolution has zeros at both ends and makes kernel - 1 outputs that are cut off, as in the
    code of Hugging Face.
    """
    a_token = width * 2 * inner + inner * (rank + 2 * states) + rank * inner + inner * states + inner * width
    convolution = (tokens + (kernel - 1) * padded) * inner * kernel
    return 2 * (layers * (tokens * a_token + convolution) + tokens * width * vocabulary)


def lstm_products(tokens: int, width: int) -> int:
    """Four gates, each from the input and from the state before."""
    return 2 * tokens * 4 * width * 2 * width


def matvec_products(steps: int, width: int) -> int:
    return 2 * steps * width**2


# The programs


def model(name: str, tokens: int, *, device: str, attention: str = "eager") -> Program:
    """A language model of its published size, and a text of one kind of token."""
    import torch
    import transformers

    if name == "Mamba":
        config, options = transformers.MambaConfig(num_hidden_layers=24), {"use_cache": False}
    else:  # with a cache, or they look for packed texts, which reads data
        config, options = getattr(transformers, f"{name}Config")(attn_implementation=attention), {}

    class Logits(torch.nn.Module):
        """One tensor in, one tensor out, as fvcore needs it."""

        def __init__(self) -> None:
            super().__init__()
            head = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
            self.model = getattr(transformers, name + head)(config)

        def forward(self, words: torch.Tensor) -> torch.Tensor:
            return self.model(words, **options).logits

    with torch.device(device):
        return Logits().eval(), torch.zeros(1, tokens, dtype=torch.int64)


def torch_lstm(*, device: str) -> Program:
    import torch

    with torch.device(device):
        return torch.nn.LSTM(64, 64).eval(), torch.zeros(32, 1, 64)


def example(name: str, tokens: int, *, unrolled: bool = False) -> Program:
    from seriality.meter.examples import EXAMPLES

    fn, *arguments = EXAMPLES[name](tokens=tokens)
    return unroll(fn) if unrolled else fn, *arguments


def matvecs(*, unrolled: bool = False) -> Program:
    """512 products of one 256 × 256 matrix with a vector, each waiting for the one before."""
    from jax import lax

    from seriality.meter.examples import shape

    def run(matrix: Any, vector: Any) -> Any:
        return lax.scan(lambda v, _: (matrix @ v, None), vector, None, length=512)[0]

    return unroll(run) if unrolled else run, shape(256, 256), shape(256)


def unroll(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The same with every scan a loop of Python."""
    import jax

    def unrolled(*arguments: Any) -> Any:
        with jax.disable_jit():
            return fn(*arguments)

    return unrolled


@dataclass(frozen=True)
class Subject:
    """A program and its truth; whether memory is measured; turns over `--repeats`, 0: only counted."""

    library: str
    truth: int
    build: Callable[[], Program]
    has_memory: bool = False
    share: float = 1


SUBJECTS: Mapping[str, Subject] = {
    **{
        f"GPT-2, {attention}, {device}": Subject(
            "PyTorch",
            gpt2_products(1024),
            partial(model, "GPT2", 1024, device=device, attention=attention),
            has_memory=attention == "sdpa",
            share=1 if device == "meta" else 0.2 if attention == "sdpa" else 0,
        )
        for device in ("meta", "cpu")
        for attention in ("eager", "sdpa")
    },
    **{
        f"Llama-7B, {attention}, meta": Subject(
            "PyTorch",
            llama_products(2048),
            partial(model, "Llama", 2048, device="meta", attention=attention),
            has_memory=attention == "sdpa",
        )
        for attention in ("eager", "sdpa")
    },
    "Mamba-130M, meta": Subject(
        "PyTorch",
        mamba_products(128, padded=True),
        partial(model, "Mamba", 128, device="meta"),
        has_memory=True,
        share=0.6,
    ),
    "Mamba, 16 tokens, cpu": Subject(
        "PyTorch", mamba_products(16, padded=True), partial(model, "Mamba", 16, device="cpu"), share=0.6
    ),
    **{
        f"nn.LSTM, {device}": Subject(
            "PyTorch", lstm_products(32, 64), partial(torch_lstm, device=device), share=4
        )
        for device in ("meta", "cpu")
    },
    **{
        f"{name}, {'unrolled' if unrolled else 'scan'}": Subject(
            "JAX",
            truth,
            partial(build, unrolled=unrolled),
            has_memory=not unrolled and name != "512 matvecs",
            share=4 if not unrolled else 0.2 if name == "Mamba-130M" else 1,
        )
        for name, truth, build in (
            ("GPT-2", gpt2_products(1024), partial(example, "gpt2", 1024)),
            ("Llama-7B", llama_products(2048), partial(example, "llama-7b", 2048)),
            ("Mamba-130M", mamba_products(128), partial(example, "mamba", 128)),
            ("512 matvecs", matvec_products(512, 256), matvecs),
        )
        for unrolled in (False, True)
    },
}


# The counters


@dataclass(frozen=True)
class Count:
    """What a counter says of a program: operations in products, or why none; its own total; the span."""

    products: int | None = None
    own_total: int | None = None
    span: int | None = None
    left_out: tuple[str, ...] = ()
    failure: str | None = None


def ours(truth: int, fn: Any, *arguments: Any) -> Count:
    from seriality import measure

    found = measure(fn, *arguments)
    return Count(found.products, found.work, found.span, found.uncounted)


def flop_counter_mode(truth: int, fn: Any, *arguments: Any) -> Count:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        fn(*arguments)
    return Count(counter.get_total_flops(), counter.get_total_flops())


def fvcore(truth: int, fn: Any, *arguments: Any) -> Count:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(fn, arguments)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    found = analysis.by_operator()
    products = sum(int(found[name]) for name in ("linear", "addmm", "matmul", "bmm", "einsum", "conv"))
    return Count(2 * products, 2 * int(analysis.total()), left_out=tuple(analysis.unsupported_ops()))


def calflops(truth: int, fn: Any, *arguments: Any) -> Count:
    from calflops import calculate_flops

    flops, multiply_adds, _ = calculate_flops(
        fn, args=list(arguments), print_results=False, output_as_string=False
    )
    return Count(min(int(flops), 2 * int(multiply_adds), key=lambda count: abs(count - truth)), int(flops))


def xla(truth: int, fn: Any, *arguments: Any) -> Count:
    import jax

    analysis = jax.jit(lambda *given: fn(*given)).lower(*arguments).cost_analysis()
    return Count(int(analysis["flops"]), int(analysis["flops"]))


def roofline(truth: int, fn: Any, *arguments: Any) -> Count:
    from jax.experimental.roofline import roofline

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _, result = roofline(lambda *given: fn(*given))(*arguments)
    return Count(int(result.flops), int(result.flops), left_out=tuple(sorted({str(w.message) for w in said})))


def torch_alone(truth: int, fn: Any, *arguments: Any) -> Count:
    fn(*arguments)
    return Count()


def jax_alone(truth: int, fn: Any, *arguments: Any) -> Count:
    import jax

    jax.make_jaxpr(lambda *given: fn(*given))(*arguments)
    return Count()


Counter = Callable[..., Count]

COUNTERS: Mapping[str, Mapping[str, tuple[Counter, tuple[str, ...]]]] = {
    "PyTorch": {
        OURS: (ours, ("seriality.meter.program", "seriality.meter.pytorch")),
        FCM: (flop_counter_mode, ("torch.utils.flop_counter",)),
        "fvcore": (fvcore, ("fvcore.nn",)),
        "calflops": (calflops, ("calflops",)),
        ALONE["PyTorch"]: (torch_alone, ()),
    },
    "JAX": {
        OURS: (ours, ("seriality.meter.program",)),
        "XLA": (xla, ()),
        "roofline": (roofline, ("jax.experimental.roofline",)),
        ALONE["JAX"]: (jax_alone, ()),
    },
}
"""The counters of a library, and what each imports beyond it."""


def attempt(counter: Counter, truth: int, program: Program) -> Count:
    """What a counter says, or the first words of its error."""
    try:
        return counter(truth, *program)
    except Exception as error:
        return Count(failure=f"{type(error).__name__}: {str(error).strip().splitlines()[0][:60]}")


# What runs in a process of its own


def prepared(library: str) -> AbstractContextManager[Any]:
    """No warnings; and of PyTorch no gradients, and one thread, for two lose much on a busy machine."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    warnings.simplefilter("ignore")
    if library == "JAX":
        return nullcontext()
    import torch

    torch.set_num_threads(1)
    return torch.no_grad()


def peak_mb() -> float:
    """The most memory this process has held. `getrusage` would give the parent's where that is larger."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def memory(subject: str, counter: str) -> dict[str, float]:
    """Peaks of this process: at its start, with its library, with all imports, and after one count."""
    found = SUBJECTS[subject]
    peaks = {"python_mb": peak_mb()}
    importlib.import_module("torch" if found.library == "PyTorch" else "jax.numpy")
    peaks["library_mb"] = peak_mb()
    count, needed = COUNTERS[found.library][counter]
    with prepared(found.library):
        if found.library == "PyTorch":
            import transformers

            for name in ("GPT2LMHeadModel", "LlamaForCausalLM", "MambaForCausalLM"):
                getattr(transformers, name)  # imported when it is asked for
        else:
            importlib.import_module("seriality.meter.examples")
        for name in needed:
            importlib.import_module(name)
        peaks["imports_mb"] = peak_mb()
        program = found.build()
        attempt(count, found.truth, program)
    return peaks | {"peak_mb": peak_mb()}


def turns(subject: str, repeats: int) -> tuple[dict[str, Count], dict[str, list[float]]]:
    """What each counter says of a program, and its seconds, turn by turn; none clears up after another."""
    from measuring import alternate

    found = SUBJECTS[subject]
    said: dict[str, set[Count]] = {}
    with prepared(found.library):
        program = found.build()

        def block(name: str, counter: Counter) -> None:
            said.setdefault(name, set()).add(attempt(counter, found.truth, program))

        blocks: dict[str, Callable[[], object]] = {}
        for name, (counter, _) in COUNTERS[found.library].items():
            if name in ALONE.values() and not found.share:
                continue
            blocks |= {name: partial(block, name, counter), f"{name}, swept": gc.collect}
        gc.collect()
        gc.freeze()  # what is there by now is not looked through again
        seconds = alternate(blocks, math.ceil(repeats * found.share))
    for name, counts in said.items():
        if len(counts) > 1:
            raise SystemExit(f"{name} says different things of {subject}: {counts}")
    return {name: counts.pop() for name, counts in said.items()}, seconds


# The tables


def rows_of(
    subject: str,
    said: Mapping[str, Count],
    seconds: Mapping[str, Sequence[float]],
    peaks: Mapping[str, Mapping[str, float]],
) -> list[dict[str, Any]]:
    """One row for each counter."""
    from measuring import Timing

    found = SUBJECTS[subject]
    rows = []
    for name, count in said.items():
        row: dict[str, Any] = {
            "program": subject,
            "library": found.library,
            "counter": name,
            "truth": found.truth,
            "products": count.products,
            "error": None if count.products is None else count.products / found.truth - 1,
            "own_total": count.own_total,
            "span": count.span,
            "left_out": count.left_out,
            "failure": count.failure,
        }
        if seconds[name] and count.failure is None:
            time = Timing.of(seconds[name])
            row |= {"median_s": time.median_s, "minimum_s": time.minimum_s, "repeats": len(seconds[name])}
            if FCM in said:
                theirs = Timing.of(seconds[FCM])
                row["of_flop_counter_mode"] = time.median_s / theirs.median_s
                row["of_flop_counter_mode_minima"] = time.minimum_s / theirs.minimum_s
            if found.library == "JAX" and name == OURS:
                traced = zip(seconds[OURS], seconds[ALONE["JAX"]], strict=True)
                rest = Timing.of([whole - trace for whole, trace in traced])
                row |= {"after_tracing_median_s": rest.median_s, "after_tracing_minimum_s": rest.minimum_s}
        rows.append(row | dict(peaks.get(name, {})))
    return rows


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table; what is not known or does not apply is a dash."""

    def number(key: str, form: str, unit: float = 1) -> str:
        return "–" if row.get(key) is None else format(row[key] * unit, form)

    own = f" ({row['peak_mb'] - row['imports_mb']:,.0f})" if "peak_mb" in row else ""
    return [
        "  " + row["counter"],
        textwrap.fill(row["failure"] or "", 18) or number("products", ","),
        "0" if row["products"] == row["truth"] else number("error", "+.2%"),
        number("median_s", ",.1f", 1e3),
        number("of_flop_counter_mode", ".2f"),
        number("after_tracing_median_s", ".1f", 1e3),
        number("peak_mb", ",.0f") + own,
        number("span", ","),
    ]


def main() -> None:
    from measuring import keep, machine, options, show

    chosen = options(__doc__, repeats=5)
    here = machine("jax", "jaxlib", "torch", "transformers", "fvcore", "calflops")
    rows: list[dict[str, Any]] = []
    lines: list[list[str]] = []
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as fresh,
        ProcessPoolExecutor(1, mp_context=spawn) as warm,
    ):
        for name, subject in SUBJECTS.items():
            counters = [c for c in COUNTERS[subject.library] if c not in ALONE.values()]
            peaks = {c: fresh.submit(memory, name, c).result() for c in counters if subject.has_memory}
            found = rows_of(name, *warm.submit(turns, name, chosen.repeats).result(), peaks)
            lines += [[name, f"{subject.truth:,}", *[""] * 6], *map(cells, found)]
            rows += found
    show(
        f"Operations in matrix products (medians; {chosen.repeats} turns, more of short programs)",
        ["program", "truth, counted", "error", "ms", "of FCM", "rest", "MB (own)", "span"],
        lines,
    )
    imports = {f"{row['library']}, {row['counter']}": row for row in rows if "peak_mb" in row}
    show(
        "Peak MB of imports, before anything is built or counted",
        ["", "Python", "with its library", "with all"],
        [
            [name, *(f"{row[key]:,.0f}" for key in ("python_mb", "library_mb", "imports_mb"))]
            for name, row in imports.items()
        ],
    )
    if chosen.keep:
        keep("meter", {"machine": here, "repeats": chosen.repeats, "rows": rows})


if __name__ == "__main__":
    main()
