"""Monoids against permutations composed by hand, a brute-force check of the laws, and known groups."""

import re
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seriality.tasks import MONOIDS, Monoid, Words, monoid
from seriality.tasks.monoids import _generating, cycle_notation


def parse(cycles, points):
    """The map that a text in cycle notation stands for."""
    image = {p: p for p in range(points)}
    for cycle in cycles.strip("()").split(")("):
        for here, there in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            image[int(here)] = int(there)
    return image


def after(first, then):
    return {p: then[first[p]] for p in first}


def is_monoid(table):
    """The definition, by brute force."""
    k = range(len(table))
    if any(entry not in k for row in table for entry in row):
        return False
    associative = all(table[table[a][b]][c] == table[a][table[b][c]] for a, b, c in product(k, repeat=3))
    return associative and any(all(table[e][a] == a == table[a][e] for a in k) for e in k)


def permutation_group(members):
    index = {p: i for i, p in enumerate(members)}
    return [[index[tuple(b[x] for x in a)] for b in members] for a in members]


@pytest.mark.parametrize(("name", "points", "size"), [("S5", 5, 120), ("A5", 5, 60)])
def test_permutations_compose_as_maps(name, points, size):
    group = MONOIDS[name]()
    maps = [parse(text, points) for text in group.elements]
    assert len({tuple(m.values()) for m in maps}) == group.size == size
    for a, b in product(range(size), repeat=2):
        assert maps[group.table[a][b]] == after(maps[a], maps[b])


def test_a4_times_z5_composes_in_both_parts():
    group = MONOIDS["A4xZ5"]()
    parts = [(parse(text.split("+")[0], 4), int(text.split("+")[1])) for text in group.elements]
    assert len(parts) == 60
    for a, b in product(range(60), repeat=2):
        (p, i), (q, j) = parts[a], parts[b]
        assert parts[group.table[a][b]] == (after(p, q), (i + j) % 5)


def test_the_small_ones_by_hand():
    assert MONOIDS["parity"]().table == ((0, 1), (1, 0))
    assert MONOIDS["Z60"]().table[59][7] == 6
    reset = MONOIDS["reset"]()
    state = reset.identity
    for letter, expected in [("hold", "hold"), ("set1", "set1"), ("hold", "set1"), ("set0", "set0")]:
        state = reset.table[state][reset.elements.index(letter)]
        assert reset.elements[state] == expected


@pytest.mark.parametrize("name", MONOIDS)
def test_words_of_one_length_reach_every_element(name):
    built_in = MONOIDS[name]()
    reached = {built_in.identity}
    for _ in range(300):
        reached = {built_in.table[a][g] for a in reached for g in built_in.generators}
        if len(reached) == built_in.size:
            return
    pytest.fail(f"after 300 letters only {len(reached)} of {built_in.size} elements can occur")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("S5", (False, False, 0)),
        ("A5", (False, False, 0)),
        ("A4xZ5", (True, False, 0)),
        ("Z60", (True, True, 0)),
        ("parity", (True, True, 0)),
        ("reset", (True, False, 1)),
        ("registers", (True, False, 2)),
    ],
)
def test_what_each_is(name, kind):
    built_in = MONOIDS[name]()
    registers = 0 if built_in.registers is None else built_in.registers.shape[1]
    assert (built_in.is_solvable, built_in.is_addition, registers) == kind


def test_two_registers_keep_what_was_written_last():
    registers = MONOIDS["registers"]()
    for word in product(registers.elements, repeat=3):
        state, last = registers.identity, {"a": "", "b": ""}
        for letter in word:
            state = registers.table[state][registers.elements.index(letter)]
            for written in {"hold": []}.get(letter, [letter[i : i + 2] for i in range(0, len(letter), 2)]):
                last[written[0]] = written
        assert registers.elements[state] == ("".join(last.values()) or "hold")


def product_of_resets(sizes):
    """By the definition: in every place the later value, where 0 is none."""
    members = list(product(*map(range, sizes)))
    index = {member: i for i, member in enumerate(members)}
    return [[index[tuple(y or x for x, y in zip(a, b, strict=True))] for b in members] for a in members], [
        index[m] for m in members if sum(map(bool, m)) == 1
    ]


@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.data())
def test_registers_are_found_whatever_the_elements_are_called(sizes, data):
    table, letters = product_of_resets(sizes)
    k = len(table)
    order = data.draw(st.permutations(range(k)))
    back = [order.index(i) for i in range(k)]
    renamed = monoid(
        [[order[table[back[a]][back[b]]] for b in range(k)] for a in range(k)],
        sorted({order[0], *(order[g] for g in letters)}),
    )
    assert renamed.registers.shape == (k, len(sizes))
    for a, b in product(range(k), repeat=2):
        later = np.where(renamed.registers[b] != order[0], renamed.registers[b], renamed.registers[a])
        assert np.array_equal(renamed.registers[renamed.table[a][b]], later)


def test_what_only_looks_like_registers_is_none():
    maximum = [[max(a, b) for b in range(4)] for a in range(4)]
    left_zeros = [[0, 1, 2], [1, 1, 1], [2, 2, 2]]
    free_left_regular = [
        "",
        "a",
        "b",
        "ab",
        "ba",
    ]  # the order in which letters first come: they overwrite nothing

    def first_comes(a, b):
        return free_left_regular.index("".join(dict.fromkeys(free_left_regular[a] + free_left_regular[b])))

    regular = [[first_comes(a, b) for b in range(5)] for a in range(5)]
    mirrored = [list(row) for row in zip(*regular, strict=True)]  # idempotent, but a and b do not commute
    for table in (maximum, left_zeros, regular, mirrored):
        assert monoid(table).registers is None
    assert monoid(mirrored, [0, 1, 2]).registers is None


def test_solvable_by_galois():
    def symmetric(n):
        return permutation_group(list(permutations(range(n))))

    assert monoid(symmetric(3)).is_solvable
    assert monoid(symmetric(4)).is_solvable
    a5 = np.array(MONOIDS["A5"]().table)
    with_zero = np.full((61, 61), 60)
    with_zero[:60, :60] = a5
    assert not monoid(with_zero).is_solvable  # the group hides in a monoid that is no group
    assert monoid(np.where(a5 >= 0, a5, 0)).is_solvable is False


def test_cycle_notation():
    assert [cycle_notation(p) for p in [(0, 1), (1, 0), (2, 0, 1), (3, 2, 1, 0)]] == [
        "()",
        "(01)",
        "(021)",
        "(03)(12)",
    ]


def test_an_element_other_than_0_may_be_the_identity():
    assert monoid([[0, 0], [0, 1]]).identity == 1


KNOWN = [
    MONOIDS["parity"]().table,
    MONOIDS["reset"]().table,
    [[0, 0, 0], [0, 1, 2], [0, 2, 1]],  # multiplication modulo 3
    [[max(a, b) for b in range(4)] for a in range(4)],
    permutation_group(list(permutations(range(3)))),
]


@given(st.data())
def test_a_table_is_taken_if_and_only_if_it_is_a_monoid(data):
    table = data.draw(st.sampled_from(KNOWN))
    k = len(table)
    order = data.draw(st.permutations(range(k)))
    table = [[order[table[order.index(a)][order.index(b)]] for b in range(k)] for a in range(k)]
    for _ in range(data.draw(st.integers(0, 2))):
        row, column = data.draw(st.tuples(*[st.integers(0, k - 1)] * 2))
        table[row][column] = data.draw(st.integers(-1, k))
    if is_monoid(table):
        assert monoid(table).table == tuple(map(tuple, table))
    else:
        with pytest.raises(ValueError, match=r"not closed|not associative|no identity"):
            monoid(table)


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ([[0, 1.7], [1.2, 0.3]], {}, "'float' object cannot be interpreted as an integer"),
        ([0, 1], {}, "a table is k rows of k integers"),
        ([[0, 1], [1, 0]], {"generators": [0.5, 1]}, "cannot be interpreted as an integer"),
        ([[0, 1], [1, 0]], {"elements": ("PAD", "a")}, "'PAD' is the name of a token of every task"),
    ],
)
def test_what_is_no_table_of_integers_is_refused(table, more, said, as_users_call):
    with pytest.raises(ValueError, match=said):
        monoid(table, **more)


@pytest.mark.parametrize("table", [[[0, 1], [1, 0]], np.eye(2, dtype=int)])
def test_words_take_a_monoid_and_no_bare_table(table, as_users_call):
    with pytest.raises(ValueError, match=r"seriality\.tasks\.monoid\(table\)"):
        Words(table)


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=3, max_size=3))
def test_the_witness_of_non_associativity_is_one(table):
    try:
        monoid(table)
    except ValueError as error:
        for line in str(error).splitlines():
            if "not associative" in line:
                a, b, c = (int(x) for x in line.split("(")[1].replace(")", "").split(" ")[0].split("·"))
                assert table[table[a][b]][c] != table[a][table[b][c]]


def test_few_elements_are_tried_for_associativity():
    """1 generates addition modulo 1000: 0 and 1 are tried, not 1000. Maxima generate nothing new."""
    k = np.arange(1000)
    assert _generating((k[:, None] + k) % 1000) == [0, 1]
    assert _generating(np.maximum(k[:40, None], k[:40])) == list(range(40))


def test_one_wrong_entry_of_a_large_table_is_found():
    table = np.array(MONOIDS["S5"]().table)
    table[77, 31] = (table[77, 31] + 1) % 120
    with pytest.raises(ValueError, match="not associative") as error:
        monoid(table)
    found = re.search(r"\((\d+)·(\d+)\)·(\d+) = (\d+) but \1·\(\2·\3\) = (\d+)", str(error.value))
    a, b, c, left, right = map(int, found.groups())
    assert (table[table[a, b], c], table[a, table[b, c]]) == (left, right)
    assert left != right


def test_messages_say_what_to_do():
    with pytest.raises(
        ValueError, match=r"(?s)2 faults.*not associative: \(0·0\)·1 = 0 but 0·\(0·1\) = 1.*no identity"
    ):
        monoid([[1, 0], [0, 0]])
    with pytest.raises(ValueError, match=r"2 rows, but row 1 has 1 entries; it must be square"):
        monoid([[0, 1], [1]])
    with pytest.raises(ValueError, match="no rows; it must be square"):
        monoid([])
    with pytest.raises(ValueError, match=rf"not closed: 1·1 = {2**40}; entries must lie in 0\.\.1"):
        monoid([[0, 1], [1, 2**40]])
    with pytest.raises(ValueError, match=r"0·1 = 2; entries must lie in 0\.\.1"):
        monoid([[0, 2], [1, 0]])
    with pytest.raises(ValueError, match=r"no product of them is 1; add it"):
        monoid([[0, 1, 2], [1, 2, 0], [2, 0, 1]], [0])
    with pytest.raises(ValueError, match=r"fewer than two.*add the identity 0"):
        monoid([[0, 1], [1, 0]], [1])
    with pytest.raises(ValueError, match=r"must be elements of 0\.\.1"):
        monoid([[0, 1], [1, 0]], [1, 2])
    with pytest.raises(ValueError, match=r"1 different names, but the table has 2 rows"):
        Monoid("twice", ((0, 1), (1, 0)), (0, 1), ("a", "a"))
