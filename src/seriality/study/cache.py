"""The compilation cache: what was compiled once on a machine is not compiled again.

JAX keeps compiled programs in a folder if it is told one. Compiling takes a good part of a small trial, and a
second run, a resumed one included, finds it done. Nothing here changes a result.
"""

import os
import tempfile
from pathlib import Path

import jax

from ..tasks.pools import cache_root

SHORTEST_S = 0.3
"""Programs that compile faster than this are not kept."""


def cache_folder() -> Path | None:
    """$SERIALITY_CACHE, else $XDG_CACHE_HOME/seriality/jax, else ~/.cache/seriality/jax.

    None, which is no cache, if $SERIALITY_CACHE is empty or there is no home.
    """
    root = cache_root()
    return root if root is None or "SERIALITY_CACHE" in os.environ else root / "jax"


def use_cache() -> Path | None:
    """Have JAX keep compiled programs in `cache_folder()`; call it before anything is compiled.

    Returns the folder in use. A folder that JAX was already told stays; one that cannot be written is not
    used, and None is returned: everything works without.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return Path(jax.config.jax_compilation_cache_dir)  # type: ignore[attr-defined]
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST_S)
    return folder
