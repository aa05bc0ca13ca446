"""All tests, and the doctests, run with the shape and type annotations of the package checked.

Of the meter only in the files that name shapes. The rest of it goes through programs equation by equation
in small functions made on the spot, and a check of each of them takes some eight times as long as it does;
pyright reads their types.
"""

import os
from pathlib import Path

# Compilation takes most of the time of the tests; what they run is tiny. With these a third is left of it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import config, install_import_hook

SOURCE = Path(__file__).parents[1] / "src" / "seriality"
CHECKED = [f"seriality.{each.stem}" for each in SOURCE.iterdir() if each.stem not in ("__init__", "meter")]
CHECKED += ["seriality.meter.examples", "seriality.meter.parts", "seriality.meter.shortcuts.fractions"]
install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


def _filled(make, *args, seed=0, **dials):
    draw = np.random.default_rng(seed)
    abstract = eqx.filter_eval_shape(make, *args, **dials, key=jax.random.key(0))

    def fill(leaf):
        return jnp.asarray(draw.normal(size=leaf.shape, scale=0.7), leaf.dtype)

    return jax.tree.map(lambda x: fill(x) if isinstance(x, jax.ShapeDtypeStruct) else x, abstract)


@pytest.fixture(scope="session")
def filled():
    """`filled(make, *args, **dials)`: what `make` builds, with every parameter normal and none zero."""
    return _filled


MOST_MAPPINGS = 20_000
"""Of memory, in one process: every compiled program takes some, and Linux allows 65,530."""


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Forgets the compiled programs of earlier files before there are too many."""
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and len(mappings.read_bytes().splitlines()) > MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture
def as_users_call():
    """Annotations unchecked, as outside of these tests: what is refused is refused by the code itself."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
