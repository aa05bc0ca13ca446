"""Sudoku on the host, compiled: rounds of singles, the number of solutions, and puzzles of a wanted depth.

A board is an array of bits, 1 << d for digit d and 0 for an open cell. `units` holds the row, the column and
the box of each cell as indices from 0 to 3 n − 1.

Puzzles are found by hill climbing. From a random grid clues are dug out in random order while what is left is
determined (by singles, or at all) until there are as few as wanted; then up to three clues at a time change
places with open cells, and a change is kept if it brings the depth no farther from the one wanted. So the
puzzles of one depth are no uniform sample of all that have it: digging from above favours boards with few
redundant clues, climbing favours those near many others, and grids come from a randomised search, which does
not give all with equal probability. `natural_rounds` digs and does not climb.
"""

import hashlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np

from .pools import kept
from .search import compiled

STUCK, CONTRADICTION, NONE, UNDECIDED = -1, -2, -1, -1
SINGLES, GUESS, AMBIGUOUS, DUG = 0, 1, 2, 3
"""The tiers: solved by singles; one solution, but singles get stuck; several solutions. And what digging
gives, with one solution and of any depth."""
CODES = {"singles": SINGLES, "guess": GUESS, "ambiguous": AMBIGUOUS}
MOVES = 2000
"""The moves on one grid."""
ATTEMPTS = 200
"""The grids tried for one puzzle."""
AT_ONCE = 32
"""The puzzles that a thread finds before it takes others."""
PATIENCE_S = 2.0
"""Seconds after which the search says on standard error how far it is."""
BETWEEN_S = 1.0
"""Seconds from then on between one report and the next."""
MOST_SWAPPED = 3
"""Clues that change places in one move."""
MOST_BOARDS = 1000
"""Boards after which a search for a second solution is given up, and the puzzle not used."""
FAR = 1_000_000
"""The distance from the wanted depth of a board that has none."""


def units_of(side: int) -> np.ndarray:
    """The row, column and box of each cell, as [cell, 3]."""
    box = round(side**0.5)
    row, column = np.divmod(np.arange(side * side), side)
    return np.stack([row, side + column, 2 * side + row // box * box + column // box], axis=1)


# Random numbers: SplitMix64 (Steele, Lea & Flood 2014), so that pools depend on no library's generator


@compiled
def _mixed(word):
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled
def _below(state, bound):
    """A random integer from 0 to bound − 1."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return np.int64(((_mixed(state[0]) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@compiled
def _shuffle(state, items):
    for i in range(len(items) - 1, 0, -1):
        j = _below(state, i + 1)
        items[i], items[j] = items[j], items[i]


@compiled
def _copy(source, target):
    for i in range(len(source)):
        target[i] = source[i]


# Solving


@compiled
def propagate(board, when, units):
    """Rounds of singles in place: all naked and hidden singles of one board at once, then the next round.

    Returns the rounds until solved, or STUCK, or CONTRADICTION. `when` gets the round of each cell filled.
    """
    cells = len(board)
    count_units = units[cells - 1, 2] + 1
    full = (1 << (count_units // 3)) - 1
    used = np.zeros(count_units, np.int64)
    open_cells = np.empty(cells, np.int64)
    candidates = np.empty(cells, np.int64)
    left = 0
    for cell in range(cells):
        bit = board[cell]
        if bit == 0:
            open_cells[left] = cell
            left += 1
            continue
        for k in range(3):
            if used[units[cell, k]] & bit:
                return CONTRADICTION
            used[units[cell, k]] |= bit
    rounds = 0
    once = np.zeros(count_units, np.int64)
    twice = np.zeros(count_units, np.int64)
    while left > 0:
        for unit in range(count_units):
            once[unit] = twice[unit] = 0
        for i in range(left):
            cell = open_cells[i]
            a, b, c = units[cell, 0], units[cell, 1], units[cell, 2]
            found = full & ~(used[a] | used[b] | used[c])
            if found == 0:
                return CONTRADICTION
            candidates[i] = found
            twice[a] |= once[a] & found
            once[a] |= found
            twice[b] |= once[b] & found
            once[b] |= found
            twice[c] |= once[c] & found
            once[c] |= found
        for unit in range(count_units):
            if used[unit] | once[unit] != full:
                return CONTRADICTION
            once[unit] &= ~twice[unit]
        rounds += 1
        kept = 0
        for i in range(left):
            cell = open_cells[i]
            a, b, c = units[cell, 0], units[cell, 1], units[cell, 2]
            bit = candidates[i] & (once[a] | once[b] | once[c])
            if bit == 0 and candidates[i] & (candidates[i] - 1) == 0:
                bit = candidates[i]
            if bit == 0:
                open_cells[kept] = cell
                kept += 1
                continue
            if bit & (bit - 1) or (used[a] | used[b] | used[c]) & bit:
                return CONTRADICTION
            board[cell] = bit
            when[cell] = rounds
            used[a] |= bit
            used[b] |= bit
            used[c] |= bit
        if kept == left:
            return STUCK
        left = kept
    return rounds


@compiled
def solve(board, units, most_boards, state, stack, solution):
    """How many solutions there are: 0, 1 or 2 for several; UNDECIDED after `most_boards` boards.

    Depth first, on the open cell with the fewest candidates, in random order. The first solution is written
    to `solution`.
    """
    side = (units[-1, 2] + 1) // 3
    full = (1 << side) - 1
    when = np.zeros(len(board), np.int64)
    digits = np.arange(side)
    _copy(board, stack[0])
    height, found, boards = 1, 0, 0
    used = np.zeros(3 * side, np.int64)
    now = np.zeros(len(board), np.int64)
    while height > 0:
        height -= 1
        boards += 1
        if boards > most_boards:
            return UNDECIDED
        _copy(stack[height], now)
        outcome = propagate(now, when, units)
        if outcome == CONTRADICTION:
            continue
        if outcome != STUCK:
            if found == 0:
                _copy(now, solution)
            found += 1
            if found == 2:
                return found
            continue
        for unit in range(3 * side):
            used[unit] = 0
        for cell in range(len(now)):
            for k in range(3):
                used[units[cell, k]] |= now[cell]
        best, fewest, candidates = -1, side + 1, 0
        for cell in range(len(now)):
            if now[cell] == 0:
                free = full & ~(used[units[cell, 0]] | used[units[cell, 1]] | used[units[cell, 2]])
                count = 0
                rest = free
                while rest:
                    rest &= rest - 1
                    count += 1
                if count < fewest:
                    best, fewest, candidates = cell, count, free
        _shuffle(state, digits)
        for d in digits:
            if candidates >> d & 1:
                _copy(now, stack[height])
                stack[height, best] = 1 << d
                height += 1
    return found


@compiled
def best_guess(board, units, grid, tier, trial, when, guess):
    """The fewest rounds after one more digit on an open cell, or NONE if no digit leads to a solution.

    All digits are tried if there are several solutions, else those of `grid`. `guess` gets the cell and the
    bit: the first cell, and its lowest digit, of those that take so few.
    """
    side = (units[-1, 2] + 1) // 3
    fewest = NONE
    for cell in range(len(board)):
        if board[cell]:
            continue
        for d in range(side):
            bit = 1 << d
            if tier == GUESS and bit != grid[cell]:
                continue
            _copy(board, trial)
            trial[cell] = bit
            rounds = propagate(trial, when, units)
            if rounds >= 0 and (fewest == NONE or rounds < fewest):
                fewest = rounds
                guess[0] = cell
                guess[1] = bit
    return fewest


# Making


@compiled
def _board(order, clues, grid, board):
    for cell in range(len(board)):
        board[cell] = 0
    for i in range(clues):
        board[order[i]] = grid[order[i]]


@compiled
def _depth(order, clues, grid, tier, units, most_boards, state, stack, board, trial, when, guess):
    """The depth of the puzzle whose clues are the first cells of `order`: NONE if it is not of the tier, and
    0 if it is determined and may become one."""
    _board(order, clues, grid, board)
    _copy(board, trial)
    rounds = propagate(trial, when, units)
    if tier == SINGLES:
        return rounds if rounds >= 0 else NONE
    if rounds >= 0:
        return 0
    found = solve(board, units, most_boards, state, stack, trial)
    if found != tier:
        return 0 if found == 1 else NONE
    shown, side = 0, (units[-1, 2] + 1) // 3
    for i in range(clues):
        shown |= grid[order[i]]
    absent = 0
    for d in range(side):
        absent += not shown >> d & 1
    if absent > 1:
        return NONE
    return best_guess(board, units, grid, tier, trial, when, guess)


@compiled
def _random_grid(units, most_boards, state, stack, board, grid):
    side = (units[-1, 2] + 1) // 3
    digits = np.arange(side)
    while True:
        _shuffle(state, digits)
        for cell in range(len(board)):
            board[cell] = 1 << digits[cell] if cell < side else 0
        if solve(board, units, most_boards, state, stack, grid) > 0:
            return


@compiled
def _dig(grid, clues, most_boards, units, state, stack, board, trial, order):
    """Remove clues in random order, down to `clues`, while `most_boards` boards of a search are enough to see
    that the rest has one solution: one board for singles. Returns how many are left; these cells come first
    in `order`."""
    _shuffle(state, order)
    _copy(grid, board)
    left = len(grid)
    for i in range(len(order)):
        if left == clues:
            break
        cell = order[i]
        board[cell] = 0
        if solve(board, units, most_boards, state, stack, trial) == 1:
            left -= 1
        else:
            board[cell] = grid[cell]
    first, last = 0, left
    for cell in range(len(grid)):
        if board[cell]:
            order[first] = cell
            first += 1
        else:
            order[last] = cell
            last += 1
    return left


@compiled
def climb(grid, target, clues, tier, moves, units, most_boards, state, stack, order):
    """Whether a puzzle of the tier and the depth `target` on this grid was found: the first `clues` cells of
    `order` are its clues."""
    cells = len(grid)
    board, trial, when = np.zeros(cells, np.int64), np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    guess = np.zeros(2, np.int64)
    enough = 1 if tier == SINGLES else most_boards
    if _dig(grid, clues, enough, units, state, stack, board, trial, order) > clues:
        return False
    if tier == DUG:
        return True
    swapped = np.empty((MOST_SWAPPED, 2), np.int64)
    gap = 2 * FAR
    for move in range(moves):
        count = 1 + _below(state, MOST_SWAPPED) if move else 0
        for k in range(count):
            i, j = _below(state, clues), clues + _below(state, cells - clues)
            order[i], order[j] = order[j], order[i]
            swapped[k, 0] = i
            swapped[k, 1] = j
        depth = _depth(order, clues, grid, tier, units, most_boards, state, stack, board, trial, when, guess)
        new = 2 * FAR if depth < 0 else abs(depth - target) if depth > 0 else FAR
        if new == 0:
            return True
        if new <= gap:
            gap = new
        else:
            for k in range(count - 1, -1, -1):
                i, j = swapped[k, 0], swapped[k, 1]
                order[i], order[j] = order[j], order[i]
    return False


@compiled(nogil=True)
def fill(seed, first, target, clues, tier, moves, attempts, most_boards, units, known, grids, whens):
    """Puzzles number `first` and on, of a tier and a depth, each from its own random numbers.

    `known` is the grid of all of them, or empty if each has its own. `grids` and `whens` get the solutions as
    digits from 0 and the round in which each cell is filled: 0 for a clue, NONE if singles do not fill it; a
    guess is round 1. Returns how many were found before one took more than `attempts` grids.
    """
    cells = len(units)
    side = (units[-1, 2] + 1) // 3
    stack = np.empty((cells * side, cells), np.int64)
    order = np.arange(cells)
    board, grid = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    trial, when, guess = np.zeros(cells, np.int64), np.zeros(cells, np.int64), np.zeros(2, np.int64)
    state = np.zeros(1, np.uint64)
    for i in range(len(grids)):
        state[0] = _mixed(np.uint64(seed) + _mixed(np.uint64(first + i)))
        for _ in range(attempts):
            if len(known):
                _copy(known, grid)
            else:
                _random_grid(units, most_boards, state, stack, board, grid)
            for cell in range(cells):
                order[cell] = cell
            if climb(grid, target, clues, tier, moves, units, most_boards, state, stack, order):
                break
        else:
            return i
        _board(order, clues, grid, board)
        later = 0
        if tier in (GUESS, AMBIGUOUS):
            best_guess(board, units, grid, tier, trial, when, guess)
            board[guess[0]] = guess[1]
            later = 1
        _copy(board, trial)
        propagate(trial, when, units)
        for cell in range(cells):
            whens[i, cell] = 0 if board[cell] else when[cell] + later if trial[cell] else NONE
            bits = trial[cell] if trial[cell] else grid[cell]
            digit = 0
            while bits >> digit > 1:
                digit += 1
            grids[i, cell] = digit
        if later:
            whens[i, guess[0]] = 1
    return len(grids)


# From the host


@lru_cache(maxsize=64)
def pools(
    version: int,
    side: int,
    tier: str,
    asked: tuple[tuple[int, int], ...],
    grid: tuple[int, ...],
    members: int,
) -> np.ndarray:
    """Pools of several numbers of (clues, rounds), as [pool, solution or stage, member, cell].

    Each is a function of its own clues and rounds and of the other arguments, and the first members are the
    same however many there are. `grid` is the full grid of all puzzles, as digits from 0; empty if each has
    its own.
    """
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    progress = Progress(f"{side}x{side} Sudoku, tier {tier}", members * len(asked))
    gathered = []
    for clues, rounds in asked:
        settings = (version, side, tier, clues, rounds, grid)
        seed = int.from_bytes(hashlib.sha256(repr(settings).encode()).digest()[:8], "big")

        def make(clues: int = clues, rounds: int = rounds, seed: int = seed) -> np.ndarray:
            found = puzzles(seed, CODES[tier], clues, rounds, np.array(grid), side, members, progress)
            return found.astype(np.uint8)

        name, shape = f"sudoku-{side}-{tier}-{clues}-{rounds}", (2, members, side * side)
        gathered.append(kept(name, (settings, members, source), shape, make).astype(np.int8))
        progress.move_to(members * len(gathered))
    progress.end()
    return np.stack(gathered)


class Progress:
    """One line on a terminal, if it takes long."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.shown_s = time.monotonic() + PATIENCE_S - BETWEEN_S
        self.is_shown = False
        self.is_read = sys.stderr.isatty()

    def move_to(self, done: int) -> None:
        """So many puzzles are there."""
        self.done = done
        if self.is_read and time.monotonic() - self.shown_s > BETWEEN_S:
            self.shown_s, self.is_shown = time.monotonic(), True
            print(f"\r{self.what}: {done} of {self.total} found", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.is_shown:
            print(file=sys.stderr)


def puzzles(
    seed: int,
    tier: int,
    clues: int,
    rounds: int,
    grid: np.ndarray,
    side: int,
    count: int,
    progress: Progress | None = None,
) -> np.ndarray:
    """Puzzles as [solution or stage, puzzle, cell], found on all cores; each depends on the seed and its own
    number alone. A RuntimeError if one of them cannot be found."""
    units, known = units_of(side), 1 << grid.astype(np.int64)
    found = np.zeros((2, count, side * side), np.int16)
    before = 0 if progress is None else progress.done

    def part(first: int) -> int:
        own = found[:, first : first + AT_ONCE]
        limits = (clues, tier, MOVES, ATTEMPTS, MOST_BOARDS)
        return len(own[0]) - fill(np.uint64(seed), first, rounds, *limits, units, known, *own)

    missing = part(0)  # compiles, if that is not done yet
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for k, lacking in enumerate(threads.map(part, range(AT_ONCE, count, AT_ONCE)), 2):
            missing += lacking
            if progress is not None:
                progress.move_to(before + min(count, k * AT_ONCE))
    if missing:
        raise RuntimeError(
            f"no {side}x{side} grid with {clues} clues and {rounds} rounds was found on {ATTEMPTS} full grids"
        )
    return found


def natural_rounds(seed: int, side: int, clues: int, count: int) -> np.ndarray:
    """The rounds of puzzles of one solution that are dug out and not changed further; NONE where singles get
    stuck. What is natural about them: neither tier nor depth was chosen."""
    stages = puzzles(seed, DUG, clues, 0, np.zeros(0), side, count)[1]
    return np.where((stages < 0).any(axis=1), NONE, stages.max(axis=1))


def rounds_of(board: np.ndarray, side: int) -> tuple[str, int] | None:
    """The tier and the rounds of a board of digits from 1, 0 for open cells; None if it has no solution, or
    needs more than one guess."""
    units, state = units_of(side), np.zeros(1, np.uint64)
    bits = np.where(board > 0, 1 << np.maximum(board.astype(np.int64) - 1, 0), 0)
    trial, when, guess = bits.copy(), np.zeros_like(bits), np.zeros(2, np.int64)
    rounds = propagate(trial, when, units)
    if rounds >= 0:
        return "singles", rounds
    if rounds == CONTRADICTION:
        return None
    stack = np.empty((side**3, side**2), np.int64)
    solutions = solve(bits, units, MOST_BOARDS, state, stack, trial)
    if solutions < 1:
        return None
    rounds = best_guess(bits, units, trial.copy(), solutions, trial, when, guess)
    return None if rounds == NONE else (("guess", "ambiguous")[solutions - 1], rounds)
