"""The public names: each is there, and none is loaded, nor JAX with it, before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seriality

HEAVY = ("jax", "numpy", "equinox", "optax", "altair", "rich", "typer")


def loaded_after(statement):
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    script = f"import sys; {statement}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import seriality; dir(seriality); seriality.__version__; seriality.Cost") == []


@pytest.mark.parametrize("name", ["certify", "TASKS", "STUDIES"])
def test_what_is_heavy_would_be_noticed(name):
    assert "jax" in loaded_after(f"import seriality; seriality.{name}")


def test_a_pytorch_program_needs_no_jax():
    script = "from seriality import measure; import torch; measure(torch.nn.Linear(2, 2), torch.ones(3, 2))"
    assert "jax" not in loaded_after(script)


def test_records_and_claims_need_no_jax():
    assert "jax" not in loaded_after("import seriality; seriality.Store; seriality.Record; seriality.CLAIMS")


@pytest.mark.parametrize("name", seriality.__all__)
def test_every_public_name_is_there(name):
    assert getattr(seriality, name) is not None
    assert name in dir(seriality)


def test_the_three_lists_of_public_names_agree():
    """What is exported, where it is loaded from, and what type checkers are told."""
    source = ast.parse(Path(seriality.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in source.body if isinstance(node, ast.If))
    told = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == seriality._HOME
    assert set(seriality.__all__) == {*told, "__version__"}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'seriality' has no attribute 'mesure'"):
        seriality.mesure  # noqa: B018
