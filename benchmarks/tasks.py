"""The families of tasks beside packages that do the same job; new Sudokus; memory; and a soak.

For every pair a check comes first: the peer must find the rows, positions or solutions of our instances, or
give our answers full marks. Ours makes batches of token arrays, labels and trace included; where the peer
writes text, writing the same as text is timed too. Peers make one item after the other, on one core.
`--soak` draws ten million instances of all families instead, and compares answers with references.
"""

import argparse
import csv
import importlib.util
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count, permutations
from pathlib import Path
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key
from measuring import RESULTS, Timing, alternate, keep, machine, show

from seriality.instance import Instances
from seriality.tasks import (
    TASKS,
    Billiards,
    Countdown,
    ElementaryAutomaton,
    GradeSchool,
    LatticeAutomaton,
    Sudoku,
    Words,
    write_word_problem_csv,
)
from seriality.tasks.base import FIRST, AbstractTask, line_after
from seriality.tasks.sudoku_search import DUG, SINGLES, puzzles

BATCH = 4096
SMALL_BATCH = 256
"""For texts."""
CHECKED = 64
BLOCK_S = 1.0
CLUES = 28
ROUNDS = range(3, 13)
NEW_PUZZLES = 1024
"""For each number of rounds: as many as a pool holds."""
EXPORTED = (("jsonl", 100_000), ("jsonl", 1_000_000), ("parquet", 1_000_000), ("parquet", 10_000_000))
SOAKED = 10_000_000
SHARES = {"Sudoku": 0.05, "Billiards": 0.04, "OccludedBalls": 0.01}
"""The parts of the soak of slow families; all others have equal parts of the rest. Half of every part is of
the control."""
PARTS = 10
"""The soak goes round all families so many times, and notes the memory after each."""
MANY = 100_000
"""The items of a data set of reasoning-gym, after which it begins again."""
PEERS = {
    "billiards": "billiards",
    "cellpylib": "cellpylib",
    "py-sudoku": "sudoku",
    "reasoning-gym": "reasoning_gym",
}
"""Packages and their modules, which are imported where they are used: the soak needs none."""

Board = list[list[int]]


# The peers: `make` makes one more item, and `agrees` tells whether it is what ours is


class WordProblem:
    """The way of the word-problem repository, written anew: elements go by their names, for a product two
    names are looked for in a list and then a place in a table, and a word is a row of CSV."""

    name, writes_text = "word-problem (its way)", True

    def __init__(self, task: Words):
        images = list(permutations(range(5)))
        places = {image: place for place, image in enumerate(images)}
        self.names = [str(image) for image in images]
        self.table = np.array([[places[tuple(a[i] for i in b)] for b in images] for a in images])
        self.length, self.random = task.length, Random(0)

    def times(self, a: int, b: int) -> int:
        places = self.names.index(self.names[a]), self.names.index(self.names[b])
        return self.names.index(self.names[self.table[places]])

    def row(self, word: list[int]) -> str:
        product, products = 0, []
        for letter in word:
            product = self.times(product, letter)
            products.append(product)
        row = io.StringIO()
        parts = (" ".join(map(str, numbers)) for numbers in (word, products))
        csv.writer(row, lineterminator="\n").writerow((0, *parts))
        return row.getvalue()

    def make(self) -> str:
        return self.row(self.random.choices(range(len(self.names)), k=self.length))

    def agrees(self, task: Words, instances: Instances) -> bool:
        rows = csv_rows(task, CHECKED, jax.random.key(1))
        return all(self.row(list(map(int, row.split(",")[1].split()))) == row for row in rows)


def csv_rows(task: Words, number: int, key: Key[Array, ""]) -> list[str]:
    """Rows of our own file in that format."""
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        file = Path(folder) / "words.csv"
        write_word_problem_csv(file, task, number, key=key)
        return file.read_text().splitlines(keepends=True)[1:]


class CellPyLib:
    """`evolve`, remembering what the rule gives: by far the fastest of its three ways."""

    name, writes_text = "cellpylib", False

    def __init__(self, task: ElementaryAutomaton):
        import cellpylib

        self.library, self.task = cellpylib, task

    def rows(self, first: np.ndarray) -> np.ndarray:
        def rule(neighbourhood: np.ndarray, cell: int, step: int) -> int:
            return self.library.nks_rule(neighbourhood, self.task.rule)

        return self.library.evolve(first, timesteps=self.task.steps + 1, apply_rule=rule, memoize=True)

    def make(self) -> np.ndarray:
        return self.rows(self.library.init_random(self.task.width))

    def agrees(self, task: ElementaryAutomaton, instances: Instances) -> bool:
        firsts, traces = (np.asarray(x) - FIRST for x in (instances.prompt[:, : task.width], instances.trace))
        return all(
            np.array_equal(self.rows(first[None])[1:].ravel(), trace)
            for first, trace in zip(firsts, traces, strict=True)
        )


class Gym:
    """A data set of reasoning-gym, item by item."""

    name, writes_text = "reasoning-gym", True

    def __init__(self, generator: str, **settings: Any):
        import reasoning_gym

        self.name = f"reasoning-gym {generator}"
        self.items = reasoning_gym.create_dataset(generator, seed=0, size=MANY, **settings)
        self.numbers = count()

    def make(self) -> dict[str, Any]:
        return self.items[next(self.numbers) % MANY]

    def agrees(self, task: Any, instances: Instances) -> bool:
        """Stories from a hundred templates: nothing can be compared, and the job is the nearest there is."""
        return True


class GymLife(Gym):
    """Boards with as many cells set as ours have on average, if all were set in different places."""

    def __init__(self, task: LatticeAutomaton):
        n = task.side
        super().__init__(
            "game_of_life",
            grid_size_x=n,
            grid_size_y=n,
            filled_cells=n * n // 2,
            simulation_steps=task.steps,
        )

    def agrees(self, task: LatticeAutomaton, instances: Instances) -> bool:
        """Ours answers their boards as they do."""
        items = [self.make() for _ in range(CHECKED)]
        boards = [json.loads(item["question"].split("\n\n", 1)[1].removesuffix(".")) for item in items]
        ends = np.array([json.loads(item["answer"]) for item in items]).reshape(CHECKED, -1)
        firsts = jnp.asarray(np.array(boards, np.int32).reshape(CHECKED, -1) + FIRST)
        prompts = instances.prompt.at[:, : task.cells].set(firsts)
        return np.array_equal(jax.vmap(task.reference)(prompts) - FIRST, ends)


class GymExpressions(Gym):
    """Numbers, a target and an expression: from left to right in one case, by rejection in the other."""

    def agrees(self, task: Countdown, instances: Instances) -> bool:
        """Our answers have full marks, as written with brackets."""
        prompts, answers = np.asarray(instances.prompt), np.asarray(instances.answer)
        for prompt, answer in zip(prompts, answers, strict=True):
            text = task.render(prompt)
            numbers = [int(number) for number in line_after(text, "Numbers").split()]
            entry = {"metadata": {"numbers": numbers, "target": int(line_after(text, "Target"))}}
            stack: list[str] = []
            for word in task.render_answer(answer).split():
                if not word.isdigit():
                    right, left = stack.pop(), stack.pop()
                    word = f"({left} {word} {right})"
                stack.append(word)
            if self.items.score_answer(stack.pop(), entry) != 1:
                return False
        return True


def boards_of(task: Sudoku, instances: Instances) -> tuple[list[Board], list[Board]]:
    """Clues and solutions as rows of digits, 0 for an open cell."""
    shape, cells = (-1, task.side, task.side), task.side**2
    clues, solutions = instances.prompt[:, :cells] - FIRST, instances.answer - FIRST
    return np.asarray(clues).reshape(shape).tolist(), np.asarray(solutions).reshape(shape).tolist()


class PySudoku:
    """The solver of py-sudoku. (Its generator does another job: it opens cells at random and says whether
    more than one solution is left, which of 28 clues is nearly always so.)"""

    name, writes_text = "py-sudoku", False

    def __init__(self, task: Sudoku):
        import sudoku

        self.library, self.box = sudoku, round(task.side**0.5)
        self.boards, _ = boards_of(task, task.sample(CHECKED, key=jax.random.key(1)))
        self.numbers = count()

    def solved(self, board: Board) -> Board:
        return self.library.Sudoku(self.box, self.box, board=board).solve().board

    def make(self) -> Board:
        return self.solved(self.boards[next(self.numbers) % CHECKED])

    def agrees(self, task: Sudoku, instances: Instances) -> bool:
        """It finds our solutions, and no others."""
        for clues, solution in zip(*boards_of(task, instances), strict=True):
            sudoku = self.library.Sudoku(self.box, self.box, board=clues)
            if self.solved(clues) != solution or sudoku.has_multiple_solutions():
                return False
        return True


class GymGrids(Gym):
    """Cells are opened in random order while there is one solution, down to as many clues as wanted if the
    grid allows."""

    def __init__(self, generator: str, task: Sudoku):
        opened = task.side**2 - task.clues_at(task.max_depth)
        super().__init__(generator, min_empty=opened, max_empty=opened)
        self.solver = PlainGrids(task)

    def agrees(self, task: Sudoku, instances: Instances) -> bool:
        """Its grids have one solution, the one that it names; so have ours."""
        its = [self.make()["metadata"] for _ in range(CHECKED)]
        theirs = [each["puzzle"] for each in its], [each["solution"] for each in its]
        return self.solver.solves(*theirs) and self.solver.solves(*boards_of(task, instances))


class PlainGrids:
    """The same in plain Python: bit masks, and the open cell with the fewest candidates first."""

    name, writes_text = "plain Python", False

    def __init__(self, task: Sudoku):
        n, box = task.side, round(task.side**0.5)
        self.clues, self.random = task.clues_at(task.max_depth), Random(0)
        self.units = [(i // n, n + i % n, 2 * n + i // n // box * box + i % n // box) for i in range(n * n)]
        self.bits = [1 << digit for digit in range(n)]

    def agrees(self, task: Sudoku, instances: Instances) -> bool:
        """It finds our solutions, and no others."""
        return self.solves(*boards_of(task, instances))

    def solves(self, clues: list[Board], solutions: list[Board]) -> bool:
        """Whether each of the grids has one solution, this one."""
        for grid, solution in zip(clues, solutions, strict=True):
            board = [1 << digit - 1 if digit else 0 for row in grid for digit in row]
            wanted = [1 << digit - 1 for row in solution for digit in row]
            if self.solutions(board[:], 2) != 1 or self.solutions(board, 1) != 1 or board != wanted:
                return False
        return True

    def solutions(self, board: list[int], most: int) -> int:
        """How many solutions there are, up to `most`; if so many are found, the board becomes the last."""
        used = [0] * (3 * len(self.bits))
        for cell, bit in enumerate(board):
            for unit in self.units[cell]:
                used[unit] |= bit
        return self.search(board, used, [cell for cell, bit in enumerate(board) if not bit], most)

    def search(self, board: list[int], used: list[int], left: list[int], most: int) -> int:
        if not left:
            return 1
        fewest, best, taken = len(self.bits) + 1, 0, 0
        for place, cell in enumerate(left):
            a, b, c = self.units[cell]
            both = used[a] | used[b] | used[c]
            if (free := len(self.bits) - both.bit_count()) < fewest:
                fewest, best, taken = free, place, both
                if free < 2:
                    break
        cell, rest = left[best], left[:best] + left[best + 1 :]
        found = 0
        for bit in self.random.sample(self.bits, len(self.bits)):
            if taken & bit:
                continue
            board[cell] = bit
            for unit in self.units[cell]:
                used[unit] |= bit
            found += self.search(board, used, rest, most - found)
            for unit in self.units[cell]:
                used[unit] ^= bit
            if found == most:
                return found
        board[cell] = 0
        return found

    def make(self) -> tuple[list[int], list[int]]:
        grid = [0] * len(self.units)
        self.solutions(grid, 1)
        board, left = grid[:], len(grid)
        for cell in self.random.sample(range(left), left):
            if left == self.clues:
                break
            board[cell] = 0
            if self.solutions(board[:], 2) == 1:
                left -= 1
            else:
                board[cell] = grid[cell]
        return board, grid


class BilliardTable:
    """The package billiards, from our beginnings to our times."""

    name, writes_text = "billiards", False

    def __init__(self, task: Billiards):
        from billiards import Billiard
        from billiards.obstacles import InfiniteWall

        self.task, self.table = task, Billiard
        corners = [(x * task.precision, y * task.precision) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
        self.walls = [InfiniteWall(corners[k], corners[(k + 1) % 4]) for k in range(4)]
        prompts = np.asarray(task.sample(CHECKED, key=jax.random.key(1)).prompt)
        self.beginnings, self.numbers = list(map(self.beginning, prompts)), count()

    def beginning(self, prompt: np.ndarray) -> tuple[list[list[int]], float]:
        """Cells and velocities of all discs, and the time."""
        numbers = (prompt - self.task.format.tokens.index("0")).tolist()
        end = 4 * self.task.balls
        tenths = int("".join(map(str, numbers[end : end + 4])))
        return [numbers[k : k + 4] for k in range(0, end, 4)], tenths / 10

    def run(self, beginning: tuple[list[list[int]], float]) -> tuple[Any, list[Any]]:
        discs, time_s = beginning
        table = self.table(self.walls)
        for x, y, u, v in discs:
            table.add_ball((x + 0.5, y + 0.5), (u, v), self.task.radius)
        return table, table.evolve(time_s)

    def make(self) -> object:
        return self.run(self.beginnings[next(self.numbers) % CHECKED])

    def agrees(self, task: Billiards, instances: Instances) -> bool:
        """As many collisions of two discs, and the first disc in the same cell."""
        cells = np.asarray(instances.answer) - task.format.tokens.index("0")
        for prompt, cell, depth in zip(np.asarray(instances.prompt), cells, instances.depth, strict=True):
            table, events = self.run(self.beginning(prompt))
            collisions = sum(not isinstance(other, self.walls[0].__class__) for *_, other in events)
            if collisions != depth or np.floor(table.balls_position[0]).tolist() != cell.tolist():
                return False
        return True


# Speed


@dataclass(frozen=True)
class Pair:
    """A task and a peer that does the same job, which is to "draw" instances, to "answer" given ones, or to
    "dig" grids out anew, of any rounds and from no pool."""

    job: str
    task: Any
    peer: Any
    batch: int = BATCH
    does: str = "draw"


def pairs() -> list[Pair]:
    """Every job that both do, at our usual size if the peer can be set to it, else at the peer's."""
    words, rows, life = Words(generators="all"), ElementaryAutomaton(), LatticeAutomaton()
    discs, grids, small = Billiards(), Sudoku(), Sudoku(side=4, rounds=3)
    numbers, of_24 = Countdown(), Countdown(largest=10, target=24)
    usual = {"min_numbers": 4, "max_numbers": 4, "max_value": numbers.largest, "min_target": 1}
    return [
        Pair("words of S5", words, WordProblem(words)),
        Pair("Rule 110", rows, CellPyLib(rows)),
        Pair("Life", life, GymLife(life)),
        Pair("discs, to draw", discs, BilliardTable(discs)),
        Pair("discs, to answer", discs, BilliardTable(discs), does="answer"),
        Pair("stories", GradeSchool(), Gym("gsm_symbolic")),
        Pair("Sudoku, to draw", grids, GymGrids("sudoku", grids)),
        Pair("Sudoku, to draw", grids, PlainGrids(grids)),
        Pair("Sudoku, new grids", grids, GymGrids("sudoku", grids), does="dig"),
        Pair("Sudoku, new grids", grids, PlainGrids(grids), does="dig"),
        Pair("Sudoku, to answer", grids, PySudoku(grids), does="answer"),
        Pair("Sudoku 4x4", small, GymGrids("mini_sudoku", small)),
        Pair("numbers, target", numbers, GymExpressions("countdown", **usual)),
        Pair("numbers, 24", of_24, GymExpressions("puzzle24")),
    ]


def block_of(make: Callable[[int], object], seconds: float) -> tuple[Callable[[], object], int]:
    """A block of about so many seconds, and the units in it."""
    make(1)
    units = 1
    while True:
        start = time.perf_counter()
        make(units)
        took_s = time.perf_counter() - start
        if took_s > seconds / 4:
            units = max(1, round(units * seconds / took_s))
            return partial(make, units), units
        units *= 4


def work_of(pair: Pair) -> dict[str, tuple[Callable[[int], None], int]]:
    """What is timed, as functions of how often, with the instances of one time: of theirs, of ours, and of
    ours as text if theirs is."""
    task, keys = pair.task, list(jax.random.split(jax.random.key(0), CHECKED))
    prompts, answer = task.sample(pair.batch, key=keys[0]).prompt, jax.jit(jax.vmap(task.reference))

    def make(times: int) -> None:
        for _ in range(times):
            pair.peer.make()

    def reply(times: int) -> None:
        for _ in range(times):
            jax.block_until_ready(answer(prompts))

    def draw(times: int) -> None:
        for k in range(times):
            jax.block_until_ready(task.sample(pair.batch, key=keys[k % CHECKED]))

    def dig(times: int) -> None:
        for k in range(times):
            puzzles(k, DUG, CLUES, 0, np.zeros(0, np.int64), task.side, pair.batch)

    def write(times: int) -> None:
        for k in range(times):
            if isinstance(task, Words):
                csv_rows(task, SMALL_BATCH, keys[k % CHECKED])
                continue
            instances = task.sample(SMALL_BATCH, key=keys[k % CHECKED])
            for prompt, right in zip(np.asarray(instances.prompt), np.asarray(instances.answer), strict=True):
                task.render(prompt)
                task.render_answer(right)

    ours = {"draw": draw, "answer": reply, "dig": dig}[pair.does]
    work = {"theirs": (make, 1), "ours": (ours, pair.batch)}
    return work | ({"text": (write, SMALL_BATCH)} if pair.peer.writes_text and pair.does == "draw" else {})


def speed(repeats: int, scale: float) -> list[dict[str, Any]]:
    rows = []
    for pair in pairs():
        if not pair.peer.agrees(pair.task, pair.task.sample(CHECKED, key=jax.random.key(2))):
            raise SystemExit(f"{pair.task}: {pair.peer.name} finds something else; nothing is measured")
        work = work_of(pair)
        blocks = {name: block_of(function, BLOCK_S * scale) for name, (function, _) in work.items()}
        seconds = alternate({name: block for name, (block, _) in blocks.items()}, repeats)
        timings = {
            name: Timing.of(seconds[name], times * work[name][1]) for name, (_, times) in blocks.items()
        }
        theirs, ours, text = timings["theirs"], timings["ours"], timings.get("text")
        rows.append(
            {
                "job": pair.job,
                "task": repr(pair.task),
                "peer": pair.peer.name,
                "batch": pair.batch,
                "ours_per_s": ours.per_second(),
                "theirs_per_s": theirs.per_second(),
                "ratio": theirs.median_s / ours.median_s,
                "ratio_of_minima": theirs.minimum_s / ours.minimum_s,
                "as_text_per_s": text and text.per_second(),
                "ratio_as_text": text and theirs.median_s / text.median_s,
            }
        )
    return rows


def new_puzzles(scale: float) -> list[dict[str, Any]]:
    """Seconds to find puzzles of every number of rounds anew, with no pool."""
    none, number = np.zeros(0, np.int64), max(CHECKED, round(NEW_PUZZLES * scale))
    plain, rows = PlainGrids(Sudoku()), []
    puzzles(0, SINGLES, CLUES, ROUNDS[0], none, 9, 1)  # compiles
    for rounds in ROUNDS:
        start = time.perf_counter()
        solutions, stages = puzzles(rounds, SINGLES, CLUES, rounds, none, 9, number)
        took_s = time.perf_counter() - start
        boards = np.where(stages == 0, 1 << solutions.astype(int), 0)
        if not (
            np.all(np.sum(boards > 0, axis=1) == CLUES)
            and np.all(stages.max(axis=1) == rounds)
            and len(np.unique(boards, axis=0)) == number
            and all(plain.solutions(board, 2) == 1 for board in boards[:CHECKED].tolist())
        ):
            raise SystemExit(f"Sudoku: a new puzzle of {rounds} rounds is not what it should be")
        rows.append({"rounds": rounds, "puzzles": number, "took_s": took_s, "per_s": number / took_s})
    return rows


# Memory


def peak_mb(usage: resource.struct_rusage) -> float:
    """The most memory that a process had."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def resident_mb() -> float | None:
    """What this process has now, where the system says."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return None


def exports(scale: float) -> list[dict[str, Any]]:
    """Peak memory of processes that export words, a few and ever more."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="seriality-benchmark-") as folder:
        for kind, number in EXPORTED:
            number = round(number * scale)
            command = [sys.executable, "-c", "from seriality.cli import main; main()", "export", "Words"]
            command += ["--depth", "16", "--form", "tokens", "--count", str(number)]
            start = time.perf_counter()
            process = subprocess.Popen(
                [*command, "--out", f"{folder}/{number}.{kind}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
            rows.append(
                {
                    "kind": kind,
                    "instances": number,
                    "took_s": time.perf_counter() - start,
                    "peak_mb": peak_mb(usage),
                }
            )
    return rows


# Soak


@partial(jax.jit, static_argnums=(0, 1))
def drawn(task: AbstractTask, batch: int, start: Int[Array, ""], key: Key[Array, ""]) -> Instances:
    """A batch of all depths in turn."""
    index = start + jnp.arange(batch)
    return task.sample_at(index, key=key, depth=1 + index % task.max_depth)


@partial(jax.jit, static_argnums=0)
def wrong(task: AbstractTask, instances: Instances, wanted: Int[Array, ""]) -> Int[Array, ""]:
    """On how many of the first instances the reference and the answer differ."""
    right = task.score(jax.vmap(task.reference)(instances.prompt), instances)
    return jnp.sum(~right & (jnp.arange(len(right)) < wanted))


def soak(scale: float) -> dict[str, Any]:
    total, names = round(SOAKED * scale), TASKS.built_in
    rest = 1 - sum(SHARES.values())
    shares = {name: round(total * SHARES.get(name, rest / (len(names) - len(SHARES)))) for name in names}
    shares[names[0]] += total - sum(shares.values())
    families = {name: {"instances": share, "errors": 0, "took_s": 0.0} for name, share in shares.items()}
    key, memory, done, begun = jax.random.key(4), [], 0, time.perf_counter()
    for part in range(1, PARTS + 1):
        for name, family in families.items():
            start = time.perf_counter()
            task, half = TASKS[name](), family["instances"] // 2
            for each, share in ((task, family["instances"] - half), (task.control, half)):
                assert each is not None
                end = share * part // PARTS
                for first in range(share * (part - 1) // PARTS, end, BATCH):
                    instances = drawn(each, BATCH, jnp.int32(first), key)
                    family["errors"] += int(wrong(each, instances, jnp.int32(end - first)))
                    done += min(BATCH, end - first)
            family["took_s"] += time.perf_counter() - start
            errors = sum(family["errors"] for family in families.values())
            said = f"{done:,} of {total:,} instances, {errors} errors, {time.perf_counter() - begun:.0f} s"
            print(f"\r{said}, {name:<20}", end="", file=sys.stderr, flush=True)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        memory.append({"instances": done, "peak_mb": peak_mb(usage), "resident_mb": resident_mb()})
    print(file=sys.stderr)
    assert done == total
    return {"families": families, "memory": memory, "took_s": time.perf_counter() - begun}


# Tables


def compare(chosen: argparse.Namespace) -> dict[str, Any]:
    """Memory of exports, speed and new puzzles, shown. Exports go first: a process begins with the peak of
    the one that starts it."""
    if missing := [name for name, module in PEERS.items() if importlib.util.find_spec(module) is None]:
        raise SystemExit(f"{', '.join(missing)}: not installed; type: pip install -e '.[benchmarks]'")
    here = machine("jax", "jaxlib", "numba", *PEERS)
    written = exports(chosen.scale)
    rows, found = speed(chosen.repeats, chosen.scale), new_puzzles(chosen.scale)

    def number(value: float | None, digits: int = 0) -> str:
        return "" if value is None else f"{value:,.{digits}f}"

    show(
        f"Instances a second (medians of {chosen.repeats} blocks)",
        ["job", "peer", "ours", "theirs", "ratio", "as text", "ratio"],
        [
            [
                row["job"],
                row["peer"],
                number(row["ours_per_s"]),
                number(row["theirs_per_s"], 1),
                number(row["ratio"]),
                number(row["as_text_per_s"]),
                number(row["ratio_as_text"], 1),
            ]
            for row in rows
        ],
    )
    every, took_s = (sum(row[name] for row in found) for name in ("puzzles", "took_s"))
    show(
        f"New 9x9 puzzles of {CLUES} clues: {every / took_s:,.0f} a second in all",
        ["rounds", "puzzles", "seconds", "a second"],
        [[str(row["rounds"]), row["puzzles"], row["took_s"], row["per_s"]] for row in found],
    )
    show(
        "Export of words",
        ["kind", "instances", "seconds", "peak MB"],
        [[row["kind"], f"{row['instances']:,}", row["took_s"], row["peak_mb"]] for row in written],
    )
    parts = {"rows": rows, "new_puzzles": found, "new_puzzles_per_s": every / took_s, "exports": written}
    return {"speed": {"machine": here, "repeats": chosen.repeats, **parts}}


def soaked(chosen: argparse.Namespace) -> dict[str, Any]:
    """The soak, shown."""
    here = machine("jax", "jaxlib", "numba")
    found = soak(chosen.scale)
    show(
        f"Answers compared with references, in {found['took_s']:,.0f} s",
        ["family", "instances", "errors", "seconds"],
        [
            [name, f"{family['instances']:,}", family["errors"], family["took_s"]]
            for name, family in found["families"].items()
        ],
    )
    show(
        "Memory on the way",
        ["instances", "peak MB", "resident MB"],
        [[f"{row['instances']:,}", row["peak_mb"], row["resident_mb"] or "?"] for row in found["memory"]],
    )
    return {"soak": {"machine": here, **found}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--soak", action="store_true", help="compare ten million answers with references")
    parser.add_argument("--repeats", type=int, default=7, help="timed turns (default 7)")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the work, for a trial")
    parser.add_argument("--keep", action="store_true", help="write the result to benchmarks/results")
    chosen = parser.parse_args()
    if chosen.keep and chosen.scale != 1:
        parser.error("--keep: only the whole is kept; leave out --scale")
    result = soaked(chosen) if chosen.soak else compare(chosen)
    if chosen.keep:
        earlier = RESULTS / "tasks.json"
        keep("tasks", {**(json.loads(earlier.read_text()) if earlier.exists() else {}), **result})
    if chosen.soak and (errors := sum(each["errors"] for each in result["soak"]["families"].values())):
        raise SystemExit(f"{errors} references differ from the answers")


if __name__ == "__main__":
    main()
