"""Turns: two processes that run one study on one machine take different trials.

A turn is a lock on one byte of a file beside the store. The system lets go of it when its process ends,
however it ends, so nothing stale is left behind. A turn only saves work: that no record is lost or doubled is
the store's doing. Where there are no such locks (Windows, some network folders, a full disk), and across
machines, every process takes every turn.
"""

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None


class Turns:
    """The turns at one store. A context manager: leaving it gives all of them back.

    `path` is the store's; the file of turns is named after it and stays, empty.
    """

    def __init__(self, path: Path):
        self.path = path.with_name(f"{path.name}-turns")

    def __enter__(self) -> "Turns":
        try:
            self.file = None if fcntl is None else os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            self.file = None
        return self

    def __exit__(self, *exception: object) -> None:
        if self.file is not None:
            os.close(self.file)

    def take(self, trial: str, *, wait: bool) -> bool:
        """Whether this process has the turn of a trial (its id); waits for it if asked to."""
        if fcntl is None or self.file is None:
            return True
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, _byte(trial))
        except (BlockingIOError, PermissionError):  # POSIX allows either
            return False
        except OSError:  # no locks here
            return True
        return True

    def give_back(self, trial: str) -> None:
        """Let others take the turn of a trial."""
        if fcntl is not None and self.file is not None:
            with suppress(OSError):  # no locks here
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, _byte(trial))


def _byte(trial: str) -> int:
    return int(trial[:15], 16)  # below 2^60, and a file's offsets go up to 2^63
