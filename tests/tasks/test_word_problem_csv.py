"""The CSV format of the word-problem repository, against its numbering written anew from its description."""

import csv
import re
from itertools import permutations, product

import jax
import numpy as np
import pytest

from seriality.tasks import Words, read_word_problem_csv, write_word_problem_csv


def even(p):
    return sum(p[i] > p[j] for i in range(len(p)) for j in range(i + 1, len(p))) % 2 == 0


def after(a, b):
    """Their product of permutations: b acts first."""
    return tuple(a[x] for x in b)


def theirs(name):
    """Their elements, in order, with their product."""
    if name in ("Z60", "parity"):
        k = {"Z60": 60, "parity": 2}[name]
        return list(range(k)), lambda a, b: (a + b) % k
    if name == "A4xZ5":
        a4 = [p for p in permutations(range(4)) if even(p)]
        return list(product(a4, range(5))), lambda a, b: (after(a[0], b[0]), (a[1] + b[1]) % 5)
    return [p for p in permutations(range(5)) if name == "S5" or even(p)], after


@pytest.mark.parametrize("name", ["S5", "A5", "A4xZ5", "Z60", "parity"])
def test_what_is_written_has_their_products_and_is_read_back(name, tmp_path):
    task = Words(name, length=6, generators="all")
    file = tmp_path / "words.csv"
    write_word_problem_csv(file, task, 40, key=jax.random.key(3), depth=5, seed=7)
    elements, times = theirs(name)
    with open(file, newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 40
    assert list(rows[0]) == ["seed", "input", "target"]
    for row in rows:
        so_far, products = elements[0], []
        for letter in map(int, row["input"].split()):
            so_far = times(so_far, elements[letter])
            products.append(elements.index(so_far))
        assert row["seed"] == "7"
        assert len(products) == 5
        assert products == list(map(int, row["target"].split()))
    (read,) = read_word_problem_csv(file, task)
    drawn = task.sample(40, key=jax.random.key(3), depth=5)
    for got, expected in zip(jax.tree.leaves(read), jax.tree.leaves(drawn), strict=True):
        np.testing.assert_array_equal(got, expected)


PUBLISHED = {
    "A5": "17 5 57,17 23 24;9 8 49,9 7 12;13 37 41,13 28 2;10 7 57,10 0 57;57 45 44,57 29 45;4 41 29,4 17 56",
    "A4xZ5": "9 8 49,9 12 31;47 18 15,47 10 45;18 42 4,18 55 59;13 14 57,13 7 29;29 38 50,29 42 27",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_rows_that_the_repository_published(name, tmp_path):
    """Of data/A5=3.csv at its commit 37626ea and data/A4_x_Z5=3.csv at 4fb58cd."""
    file = tmp_path / "published.csv"
    rows = PUBLISHED[name].split(";")
    file.write_text("\n".join(["seed,input,target", *(f"892858,{row}" for row in rows)]))
    (read,) = read_word_problem_csv(file, Words(name, length=3, generators="all"))
    assert read.depth.tolist() == [3] * len(rows)
    swapped = rows[0].split(",")[0].split()[::-1]  # the same letters from right to left: not their products
    file.write_text(f"seed,input,target\n0,{' '.join(swapped)},{rows[0].split(',')[1]}\n")
    with pytest.raises(ValueError, match="is not the prefix products"):
        list(read_word_problem_csv(file, Words(name, length=3, generators="all")))


def test_an_element_keeps_its_permutation_up_to_the_inverse(tmp_path):
    """(01234) here takes 0 to 1; in their order the images of its inverse are (4, 0, 1, 2, 3)."""
    elements, _ = theirs("S5")
    file = tmp_path / "one.csv"
    number = elements.index((4, 0, 1, 2, 3))
    file.write_text(f"seed,input,target\n0,{number},{number}\n")
    task = Words("S5", length=2)
    (read,) = read_word_problem_csv(file, task)
    assert task.format.tokens[int(read.answer[0, 0])] == "(01234)"


def test_files_longer_than_a_batch_come_in_parts(tmp_path):
    file = tmp_path / "long.csv"
    task = Words("parity", length=3)
    write_word_problem_csv(file, task, 1500, key=jax.random.key(0))
    assert [len(part.depth) for part in read_word_problem_csv(file, task)] == [1024, 476]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input,target\n", "header 'input,target': must be seed,input,target"),
        ("", "header '': must be seed,input,target"),
        ("seed,input,target\n0,1 1,1 0\n0,1\n", "row 2: 2 columns, must be 3: seed,input,target"),
        ("seed,input,target\n0,1 2,1 0\n", "row 1: input '2': must be a whole number from 0 to 1"),
        ("seed,input,target\n0,1 1,1 x\n", "row 1: target 'x': must be a whole number from 0 to 1"),
        ("seed,input,target\n0,1 1,1 1\n", "row 1: target '1 1' is not the prefix products, '1 0'"),
        ("seed,input,target\n0,1 1,1\n", "row 1: target '1' is not the prefix products, '1 0'"),
        ("seed,input,target\n0," + "1 " * 70000 + ",1\n", "line 2: field larger than field limit (131072)"),
        ("seed,input,target\n0,,\n", "row 1: input of 0 letters, must be 1 to 3"),
        ("seed,input,target\n0,0 0 0 0,0 0 0 0\n", "row 1: input of 4 letters, must be 1 to 3"),
    ],
)
def test_bad_rows_are_named(text, message, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        list(read_word_problem_csv(file, Words("parity", length=3)))


def test_refusals(tmp_path):
    file = tmp_path / "words.csv"
    with pytest.raises(ValueError, match="monoid 'reset': the format has S5, A5"):
        write_word_problem_csv(file, Words("reset"), 1, key=jax.random.key(0))
    with pytest.raises(ValueError, match="count=0"):
        write_word_problem_csv(file, Words("parity"), 0, key=jax.random.key(0))
    file.write_text("seed,input,target\n0,1,1\n")
    with pytest.raises(ValueError, match="is there already"):
        write_word_problem_csv(file, Words("parity"), 1, key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"row 1: input 1 is no letter of .*, allowed are 0, 12, 15, 20"):
        list(read_word_problem_csv(file, Words("Z60")))
    assert [each.name for each in tmp_path.iterdir()] == ["words.csv"]
