"""All plays of Countdown on the host, compiled: which numbers give a target, and how.

A play is one choice a turn: choice c takes pair c // 4 (of `PAIRS`) of the numbers on the table and puts the
result of operation c % 4 before the rest. Plays are tried in lexicographic order, as the reference numbers
them.
"""

from functools import lru_cache
from itertools import combinations_with_replacement
from math import factorial

import numpy as np

from .countdown import LIMIT, OPERATORS, PAIRS
from .search import compiled


@compiled
def find_play(numbers, target, limit, pairs, choices):
    """Whether a play of all numbers ends at the target; `choices` is filled with the first that does."""
    count = len(numbers)
    values = np.zeros((count, count), np.int64)
    values[0] = numbers
    choices[:] = -1
    turn = 0
    while turn >= 0:
        left = count - turn
        if left == 1:
            if values[turn, 0] == target:
                return True
            turn -= 1
            continue
        choices[turn] += 1
        if choices[turn] == 2 * left * (left - 1):
            choices[turn] = -1
            turn -= 1
            continue
        i, j = pairs[choices[turn] // 4]
        x, y = max(values[turn, i], values[turn, j]), min(values[turn, i], values[turn, j])
        operation = choices[turn] % 4
        if operation == 0:
            result = x + y
        elif operation == 1:
            result = x - y
        elif operation == 2:
            result = x * y
        else:
            result = x // y if x % y == 0 else 0
        if 1 <= result <= limit:
            values[turn + 1, 0] = result
            place = 1
            for slot in range(left):
                if slot not in (i, j):
                    values[turn + 1, place] = values[turn, slot]
                    place += 1
            turn += 1
    return False


@compiled
def find_plays(numbers, target, limit, pairs, choices, found):
    """`find_play` of every row."""
    for row in range(len(numbers)):
        found[row] = find_play(numbers[row], target, limit, pairs, choices[row])


def first_expression(numbers: list[int], target: int) -> list[int | str] | None:
    """The expression of the first play that ends at the target, in reverse Polish notation; None if none
    does."""
    choices = np.zeros(len(numbers) - 1, np.int64)
    if not find_play(np.array(numbers, np.int64), target, LIMIT, PAIRS, choices):
        return None
    return _expression(numbers, choices.tolist())


@lru_cache(maxsize=16)
def solvable(count: int, largest: int, target: int) -> tuple[np.ndarray, list[list[int | str]], np.ndarray]:
    """All sets of so many numbers from 1 to `largest`, with repetition and in ascending order, that give the
    target; the first expression of each, and in how many orders its numbers can be written."""
    numbers = np.array(list(combinations_with_replacement(range(1, largest + 1), count)), np.int64)
    choices = np.zeros((len(numbers), count - 1), np.int64)
    found = np.zeros(len(numbers), np.bool_)
    find_plays(numbers, target, LIMIT, PAIRS, choices, found)
    numbers, choices = numbers[found], choices[found]
    rows = numbers.tolist()
    expressions = [_expression(row, play) for row, play in zip(rows, choices.tolist(), strict=True)]
    return numbers, expressions, np.array([_orders(row) for row in rows], np.int64)


def _expression(numbers: list[int], choices: list[int]) -> list[int | str]:
    """What a play writes, the larger operand first."""
    table: list[tuple[int, list[int | str]]] = [(number, [number]) for number in numbers]
    for choice in choices:
        i, j = PAIRS[choice // 4]
        (x, first), (y, second) = sorted((table[i], table[j]), key=lambda each: -each[0])
        result = (x + y, x - y, x * y, x // y)[choice % 4]
        rest = [each for slot, each in enumerate(table) if slot not in (i, j)]
        table = [(result, [*first, *second, OPERATORS[choice % 4]]), *rest]
    return table[0][1]


def _orders(numbers: list[int]) -> int:
    """In how many orders numbers can be written."""
    orders = factorial(len(numbers))
    for number in set(numbers):
        orders //= factorial(numbers.count(number))
    return orders
