"""Training steps per second: our compiled scan of steps against the same networks in plain PyTorch.

A step is forward, backward and an AdamW update on a batch of random sequences of length 32, the same batch
every time: 128 of them, where arithmetic decides, and 32, the studies' batch. Ours runs its steps in one
compiled scan, as the trainer does; PyTorch runs eager modules with `torch.optim.AdamW`, in its default form
and in its fused one, on one thread or on all, whichever a trial finds faster (threads that wait for each
other lose much where a core is busy with something else). Before anything is timed the weights of ours are
copied into the PyTorch module, and logits and the gradient of the embedding must agree.

Beside the bare step stands the step of `study.train.Trainer`, which also makes a fresh batch, keeps it apart
from the other splits, clips the gradient and gates. The PyTorch it is divided by does none of this: the ratio
is of the step a study pays for, not of like with like.

The second table says how far each is from the machine: floating-point operations of the step's matrix
products per second, against the largest rate seen on a large matrix product in the same run.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import plain_torch
import torch
import torch.nn.functional as F
from jaxtyping import Array, Float, Int
from measuring import Timing, alternate, keep, machine, options, show
from torch.utils._python_dispatch import TorchDispatchMode

from seriality.networks import GRU, AbstractNetwork, Transformer
from seriality.solvers.base import cross_entropy
from seriality.solvers.single_pass import SinglePass
from seriality.study.train import Trainer
from seriality.study.trial import Training
from seriality.tasks import Words

BATCHES, LENGTH, RATE = (128, 32), 32, 1e-3
STEPS, THEIR_STEPS, TRAINER_STEPS = 5, 3, 50
"""Steps in one block: of ours, which is one compiled scan, of theirs, and of the trainer, whose block ends
with a gate that asks 384 instances (in the studies after 150 steps)."""
TASK = Words("S5", length=LENGTH - 1)
VOCABULARY = TASK.format.vocabulary

OURS: dict[str, Callable[..., AbstractNetwork]] = {
    "Transformer": partial(Transformer, width=64, layers=2, heads=4),
    "GRU": partial(GRU, width=128, layers=1),
}
THEIRS: dict[str, dict[str, tuple[Callable[[], torch.nn.Module], Callable[..., None]]]] = {
    "Transformer": {
        "PyTorch": (
            partial(plain_torch.Transformer, VOCABULARY, width=64, layers=2, heads=4, length=LENGTH),
            plain_torch.copy_transformer,
        )
    },
    "GRU": {
        "PyTorch nn.GRU": (partial(plain_torch.GRU, VOCABULARY, width=128), plain_torch.copy_gru),
        "PyTorch cell loop": (partial(plain_torch.GRULoop, VOCABULARY, width=128), plain_torch.copy_gru),
    },
}


def random_tokens(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and labels."""
    tokens, labels = np.random.default_rng(0).integers(VOCABULARY, size=(2, batch, LENGTH))
    return tokens, labels


def loss_of(
    network: AbstractNetwork, tokens: Int[Array, "batch length"], labels: Int[Array, "batch length"]
) -> Float[Array, ""]:
    return cross_entropy(jax.vmap(network)(tokens), labels)


def ours_bare(network: AbstractNetwork, batch: int) -> Callable[[], None]:
    """A block of STEPS steps of ours, compiled."""
    tokens, labels = map(jnp.asarray, random_tokens(batch))
    parameters, static = eqx.partition(network, eqx.is_inexact_array)
    optimiser = optax.adamw(RATE, weight_decay=0.01)

    @partial(jax.jit, donate_argnums=0)
    def steps(state: Any, tokens: Array, labels: Array) -> Any:
        def step(state, _):
            parameters, memory = state
            gradient = jax.grad(lambda p: loss_of(eqx.combine(p, static), tokens, labels))(parameters)
            updates, memory = optimiser.update(gradient, memory, parameters)
            return (optax.apply_updates(parameters, updates), memory), None

        return jax.lax.scan(step, state, length=STEPS)[0]

    fresh = jax.tree.map(jnp.array, parameters)  # the state is given away, the network is not
    state: Any = (fresh, optimiser.init(fresh))

    def block() -> None:
        nonlocal state
        state = jax.block_until_ready(steps(state, tokens, labels))

    return block


def ours_trainer(make: Callable[..., AbstractNetwork], batch: int) -> Callable[[], None]:
    """A block of TRAINER_STEPS steps of the trainer with one replica: instances, clipping and gate too."""
    training = Training(
        stages=(TASK.max_depth,), steps=100 * TRAINER_STEPS, batch=batch, chunk=TRAINER_STEPS, gate=1.1
    )
    trainer = Trainer(TASK, lambda key: SinglePass(make(TASK.format, key=key), TASK.format), training)
    keys = jax.random.split(jax.random.key(0), (1, 3))
    rates = jnp.full(1, RATE)
    state = trainer.replicas(keys[:, 0])
    first = 0

    def block() -> None:
        nonlocal state, first
        state, gate = trainer.advance(state, keys[:, 1:], rates, jnp.array(first))
        jax.block_until_ready(gate)
        first += TRAINER_STEPS

    return block


def theirs(module: torch.nn.Module, batch: int, *, fused: bool, threads: int) -> Callable[[], None]:
    """A block of THEIR_STEPS eager steps."""
    tokens, labels = map(torch.from_numpy, random_tokens(batch))
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.01, fused=fused)

    def block() -> None:
        torch.set_num_threads(threads)
        for _ in range(THEIR_STEPS):
            optimiser.zero_grad()
            F.cross_entropy(module(tokens).flatten(0, 1), labels.flatten()).backward()
            optimiser.step()

    return block


def faster_threads(module: torch.nn.Module, batch: int) -> int:
    """One thread or as many as there are cores, whichever is faster with this network now."""
    counts = {str(n): n for n in (1, os.cpu_count() or 1)}
    trials = {name: theirs(module, batch, fused=False, threads=n) for name, n in counts.items()}
    seconds = alternate(trials, 1)
    return counts[min(seconds, key=lambda name: seconds[name])]


def check_same_function(network: AbstractNetwork, module: torch.nn.Module) -> dict[str, float]:
    """The largest difference of logits, and of the embedding's gradient over its largest entry."""
    tokens, labels = random_tokens(BATCHES[0])
    logits = np.array(jax.jit(jax.vmap(network))(jnp.asarray(tokens)))
    gradient = np.array(
        jax.jit(jax.grad(loss_of))(network, jnp.asarray(tokens), jnp.asarray(labels)).embedding
    )
    module.zero_grad()
    their_logits = module(torch.from_numpy(tokens))
    F.cross_entropy(their_logits.flatten(0, 1), torch.from_numpy(labels).flatten()).backward()
    their_gradient = module.embedding.weight.grad.numpy()  # type: ignore[union-attr]
    found = {
        "logits": float(np.abs(logits - their_logits.detach().numpy()).max()),
        "gradient": float(np.abs(gradient - their_gradient).max() / np.abs(gradient).max()),
    }
    if max(found.values()) > 1e-4:
        raise SystemExit(f"not the same function, allowed is 1e-4: {found}; nothing is measured")
    return found


def product_flops(name: str, batch: int) -> float:
    """Floating-point operations of a step's matrix products: forward once, backward twice."""
    tokens = batch * LENGTH
    if name == "Transformer":
        width, layers = 64, 2
        per_token = layers * (12 * width**2 + 2 * LENGTH * width) + width * VOCABULARY
    else:
        width = 128
        per_token = 6 * width**2 + width * VOCABULARY
    return 3 * 2 * tokens * per_token


def peaks(repeats: int) -> dict[str, float]:
    """FLOP/s of a large matrix product, and seconds to dispatch one small operation, in both libraries."""
    size, calls = 1024, 200
    left = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
    ours, other = jnp.asarray(left), torch.from_numpy(left)
    product, small = jax.jit(lambda a: a @ a), jax.jit(lambda a: a + 1)
    few, other_few = jnp.zeros(8), torch.zeros(8)

    def ours_products() -> None:
        for _ in range(4):
            jax.block_until_ready(product(ours))

    def their_products() -> None:
        for _ in range(4):
            torch.mm(other, other)

    def ours_dispatch() -> None:
        for _ in range(calls):
            jax.block_until_ready(small(few))

    def their_dispatch() -> None:
        for _ in range(calls):
            torch.add(other_few, 1)

    blocks = {
        "jax_product": ours_products,
        "torch_product": their_products,
        "jax_dispatch": ours_dispatch,
        "torch_dispatch": their_dispatch,
    }
    seconds = alternate(blocks, repeats)
    flops = 4 * 2 * size**3
    return {
        "jax_peak_flop_per_s": flops / min(seconds["jax_product"]),
        "torch_peak_flop_per_s": flops / min(seconds["torch_product"]),
        "jax_dispatch_s": min(seconds["jax_dispatch"]) / calls,
        "torch_dispatch_s": min(seconds["torch_dispatch"]) / calls,
    }


class CountOperations(TorchDispatchMode):
    """Counts the operations that PyTorch dispatches to its kernels, backward and update included."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def operations_of(block: Callable[[], None]) -> float:
    """Operations that PyTorch dispatches in one step."""
    with CountOperations() as counted:
        block()
    return counted.count / THEIR_STEPS


def compare(name: str, batch: int, repeats: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One row for each contender of a network at a batch size, and one on where its time goes."""
    make = OURS[name]
    network = make(TASK.format, key=jax.random.key(0))
    blocks = {"ours": ours_bare(network, batch)}
    agreement, threads = {}, {}
    for variant, (build, copy) in THEIRS[name].items():
        their_threads = faster_threads(build(), batch)
        for fused in (False, True):
            module = build()
            copy(network, module)
            label = f"{variant}, fused AdamW" if fused else variant
            agreement[label], threads[label] = check_same_function(network, module), their_threads
            blocks[label] = theirs(module, batch, fused=fused, threads=their_threads)
    blocks["trainer"] = ours_trainer(make, batch)
    steps_of = {"ours": STEPS, "trainer": TRAINER_STEPS}
    timings = {
        label: Timing.of(seconds, steps_of.get(label, THEIR_STEPS))
        for label, seconds in alternate(blocks, repeats).items()
    }
    ours, trainer = timings["ours"], timings["trainer"]
    rows = [
        {
            "network": name,
            "batch": batch,
            "against": label,
            "threads": threads[label],
            "ours_steps_per_s": ours.per_second(),
            "theirs_steps_per_s": timings[label].per_second(),
            "ratio": timings[label].median_s / ours.median_s,
            "ratio_of_minima": timings[label].minimum_s / ours.minimum_s,
            "trainer_steps_per_s": trainer.per_second(),
            "trainer_ratio": timings[label].median_s / trainer.median_s,
            "largest_difference": agreement[label],
        }
        for label in agreement
    ]
    steps = [
        {
            "network": name,
            "batch": batch,
            "who": label,
            "step_s": timings[label].minimum_s,
            "product_flop_per_s": product_flops(name, batch) / timings[label].minimum_s,
            "operations_per_step": None if label == "ours" else operations_of(blocks[label]),
        }
        for label in ("ours", *agreement)
    ]
    return rows, steps


def main() -> None:
    chosen = options(__doc__, repeats=5)
    here = machine("jax", "jaxlib", "optax", "torch")
    limits = peaks(chosen.repeats)
    rows: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for batch in BATCHES:
        for name in OURS:
            found = compare(name, batch, chosen.repeats)
            rows += found[0]
            steps += found[1]
    for row in steps:
        library = "jax" if row["who"] == "ours" else "torch"
        row["share_of_peak"] = row["product_flop_per_s"] / limits[f"{library}_peak_flop_per_s"]
    show(
        f"Training steps per second, length {LENGTH} (medians of {chosen.repeats} blocks)",
        ["network", "batch", "against", "threads", "ours", "theirs", "ratio", "of minima", "trainer"],
        [
            [
                row["network"],
                str(row["batch"]),
                row["against"],
                str(row["threads"]),
                row["ours_steps_per_s"],
                row["theirs_steps_per_s"],
                f"{row['ratio']:.2f}",
                f"{row['ratio_of_minima']:.2f}",
                f"{row['trainer_ratio']:.2f}",
            ]
            for row in rows
        ],
    )
    show(
        "Where the time goes (fastest blocks)",
        ["network", "batch", "who", "ms a step", "GFLOP/s in products", "of peak", "operations"],
        [
            [
                row["network"],
                str(row["batch"]),
                row["who"],
                f"{row['step_s'] * 1e3:.2f}",
                f"{row['product_flop_per_s'] / 1e9:.1f}",
                f"{row['share_of_peak']:.0%}",
                "one call" if row["operations_per_step"] is None else f"{row['operations_per_step']:.0f}",
            ]
            for row in steps
        ],
    )
    show("The machine", ["", "value"], [[key, f"{value:.3g}"] for key, value in limits.items()])
    if chosen.keep:
        found = {"rows": rows, "steps": steps, "limits": limits}
        keep("training", {"machine": here, "repeats": chosen.repeats, **found})


if __name__ == "__main__":
    main()
