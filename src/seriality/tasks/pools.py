"""Arrays that take long to make, kept on disk: the pools that the jitted side of a task draws from.

A file is named by a digest of what the array depends on, and holds a checksum before the data. One that is
damaged, or of another length, is made anew; where nothing can be written everything works without.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

CHECKSUM = hashlib.sha256().digest_size


def cache_root() -> Path | None:
    """$SERIALITY_CACHE, else $XDG_CACHE_HOME/seriality, else ~/.cache/seriality.

    None, and nothing is kept, if $SERIALITY_CACHE is empty or there is no home.
    """
    named = os.environ.get("SERIALITY_CACHE")
    if named is not None:
        return Path(named).absolute() if named else None
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser().absolute() / "seriality"
    except RuntimeError:
        return None


def pool_folder() -> Path | None:
    """The folder `pools` in the `cache_root`, or None."""
    root = cache_root()
    return None if root is None else root / "pools"


def kept(name: str, depends_on: object, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The bytes (uint8) of this shape that `make` gives, from disk if they were made before.

    `depends_on` is all that they depend on, as something whose `repr` tells it.
    """
    digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:32]
    folder = pool_folder()
    path = None if folder is None else folder / f"{name}-{digest}.npy"
    found = None if path is None else _read(path, shape)
    if found is None:
        found = np.ascontiguousarray(make(), np.uint8).reshape(shape)
        if path is not None:
            _write(path, found)
    return found


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        content = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    size = int(np.prod(shape))
    if (
        not isinstance(content, np.ndarray)
        or content.dtype != np.uint8
        or content.shape != (CHECKSUM + size,)
    ):
        return None
    if hashlib.sha256(content[CHECKSUM:].tobytes()).digest() != content[:CHECKSUM].tobytes():
        return None
    return content[CHECKSUM:].reshape(shape)


def _write(path: Path, data: np.ndarray) -> None:
    """Whole or not at all: to a file beside, which then takes the name."""
    checksum = np.frombuffer(hashlib.sha256(data.tobytes()).digest(), np.uint8)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            beside = Path(file.name)
            np.save(file, np.concatenate([checksum, data.ravel()]), allow_pickle=False)
        beside.replace(path)
    except OSError:
        if beside is not None:
            beside.unlink(missing_ok=True)
