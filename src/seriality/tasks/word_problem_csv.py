"""Words as the CSV files of the word-problem repository, written and read a batch at a time.

The format of `github.com/jopetty/word-problem` (Merrill, Petty & Sabharwal 2024, The Illusion of State in
State-Space Models): a header `seed,input,target`, then a row per word; `seed` is one integer, `input` the
letters and `target` all prefix products, as numbers of elements with spaces between.

Their numbers count permutations in lexicographic order of their images, the even ones alone for A5 and A4,
and the number p·5 + z for the pair (p, z) of A4 and Z5, as do the elements here. Their product ab of
permutations is "first b, then a", here it is "first a, then b". What takes one to the other is the inverse:
their number of a permutation is the number here of its inverse, and every product agrees.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from ..instance import PAD, QUERY, UNASKED, Instances
from .base import FIRST, shortened
from .monoids import MONOIDS
from .texts import whole_number
from .words import Words

COLUMNS = ("seed", "input", "target")
NAMES = {"S5": "S5", "A5": "A5", "A4xZ5": "A4_x_Z5", "Z60": "Z60", "parity": "Z2"}
"""The monoids that both have, and the names of theirs: a file of words of length k is called `A5=k.csv`."""
BATCH = 1024


def write_word_problem_csv(
    file: str | Path,
    task: Words,
    count: int,
    *,
    key: Key[Array, ""],
    depth: int | None = None,
    seed: int = 0,
) -> None:
    """Write the instances that `task.sample(count, key=key, depth=depth)` draws; `seed` is what the column of
    that name says. The file appears when it is whole. Raises a ValueError where it is there already."""
    numbers = _numbers(task)
    if count < 1:
        raise ValueError(f"count={count}: must be at least 1")
    file = Path(file)
    if file.exists():
        raise ValueError(f"file {str(file)!r} is there already; name another, or move it away")
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened, lineterminator="\n")
            rows.writerow(COLUMNS)
            for start in range(0, count, BATCH):
                index = jnp.arange(start, min(start + BATCH, count))
                some = task.sample_at(index, key=key, depth=depth)
                arrays = map(np.asarray, (some.prompt, some.trace, some.depth))
                for word, products, d in zip(*arrays, strict=True):
                    texts = (" ".join(map(str, numbers[x[:d] - FIRST].tolist())) for x in (word, products))
                    rows.writerow((seed, *texts))
        if file.exists():
            raise ValueError(f"file {str(file)!r} has appeared meanwhile and was left as it is")
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def read_word_problem_csv(file: str | Path, task: Words) -> Iterator[Instances]:
    """The words of a file as instances of `task`, at most BATCH at a time; the seeds are not read.

    Raises a ValueError of one line, with the row (the first below the header is row 1), what is there and
    what is allowed: numbers that are no elements, letters that `task` does not have, words that are too long,
    targets that are not the prefix products."""
    numbers = _numbers(task)
    element = np.argsort(numbers)
    allowed = set(task._letters.tolist())
    with open(file, encoding="utf-8", errors="replace", newline="") as opened:
        rows = _rows(opened)
        header = next(rows, [])
        if tuple(header) != COLUMNS:
            raise ValueError(f"header {shortened(','.join(header))}: must be {','.join(COLUMNS)}")
        words: list[np.ndarray] = []
        for number, row in enumerate(rows, 1):
            if len(row) != len(COLUMNS):
                raise ValueError(f"row {number}: {len(row)} columns, must be 3: {','.join(COLUMNS)}")
            word, target = (
                element[[whole_number(x, 0, len(element) - 1, f"row {number}: {name}") for x in text.split()]]
                if text.split()
                else np.zeros(0, int)
                for name, text in zip(COLUMNS[1:], row[1:], strict=True)
            )
            if not 1 <= len(word) <= task.length:
                raise ValueError(f"row {number}: input of {len(word)} letters, must be 1 to {task.length}")
            if other := [x for x in word.tolist() if x + FIRST not in allowed]:
                some = sorted(int(numbers[x - FIRST]) for x in allowed)
                raise ValueError(
                    f"row {number}: input {numbers[other[0]]} is no letter of {task!r}, allowed are "
                    f"{', '.join(map(str, some[:8]))}"
                )
            products = _products(task, word)
            if target.tolist() != products.tolist():
                right = " ".join(map(str, numbers[products].tolist()))
                raise ValueError(
                    f"row {number}: target {shortened(row[2])} is not the prefix products, {shortened(right)}"
                )
            words.append(word)
            if len(words) == BATCH:
                yield _instances(task, words)
                words = []
        if words:
            yield _instances(task, words)


def _rows(opened: Iterable[str]) -> Iterator[list[str]]:
    rows = csv.reader(opened)
    try:
        yield from rows
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None


def _numbers(task: Words) -> np.ndarray:
    """The number there of each element here."""
    name = next((each for each in NAMES if task._monoid == MONOIDS[each]()), None)
    if name is None:
        raise ValueError(f"monoid {task._monoid.name!r}: the format has {', '.join(NAMES)}")
    table, elements = task._monoid.array, np.arange(task._monoid.size)
    if task._monoid.is_addition:
        return elements
    inverse = np.argmax(table == task._monoid.identity, axis=1)
    z = elements % (5 if name == "A4xZ5" else 1)
    return inverse[elements - z] + z


def _products(task: Words, word: np.ndarray) -> np.ndarray:
    table, product, products = task._monoid.array, task._monoid.identity, []
    for letter in word.tolist():
        product = table[product, letter]
        products.append(product)
    return np.array(products)


def _instances(task: Words, words: list[np.ndarray]) -> Instances:
    trace = np.full((len(words), task.length), PAD, np.int32)
    prompt = np.full((len(words), task.length + 1), PAD, np.int32)
    labels = np.full((len(words), task.length + 1), UNASKED, np.int32)
    prompt[:, -1] = QUERY
    for i, word in enumerate(words):
        products = _products(task, word) + FIRST
        prompt[i, : len(word)] = word + FIRST
        trace[i, : len(word)] = labels[i, : len(word)] = products
        labels[i, -1] = products[-1]
    return Instances(
        prompt=jnp.array(prompt),
        labels=jnp.array(labels),
        trace=jnp.array(trace),
        answer=jnp.array(labels[:, -1:]),
        depth=jnp.array([len(word) for word in words], jnp.int32),
    )
