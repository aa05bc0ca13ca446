"""Provenance: what a record says of the code and the machine that made it."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import jax

from ..registry import packages


def environment() -> dict[str, Any]:
    """Versions, those of packages that bring tasks, solvers or studies too, commit, device and machine, for a
    record."""
    own = ("seriality", "jax", "jaxlib", "equinox", "optax", "numpy")
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in own},
            **packages(),
        },
        "commit": _commit(),
        **computer(),
    }


def computer() -> dict[str, str]:
    """The device and the machine that this process computes on."""
    device = jax.devices()[0]
    return {
        "device": f"{device.platform}: {device.device_kind}",
        "machine": f"{processor()}, {os.cpu_count()} cores",
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree, which the commit tells
        return "not installed"


def processor() -> str:
    """The name of the processor, or its architecture where the system does not tell."""
    try:
        names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit of the source tree this module lies in, a plus sign if changed; None outside one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        if git("ls-files", "--error-unmatch", __file__) == "":
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", str(folder)) else "")
    except (OSError, subprocess.CalledProcessError):
        return None
