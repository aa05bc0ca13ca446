"""The demos: what they compute is what the tasks compute, and they answer to mouse, keyboard and the hash."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from seriality.report.explore import demos
from seriality.studies.sudoku_oracles import digits_of, duplicates, singles, spread, units
from seriality.tasks import Billiards, ElementaryAutomaton, Sudoku
from seriality.tasks.monoids import MONOIDS
from seriality.tasks.sudoku import OPEN

DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def shipped():
    """What the page is given of each demo."""
    return demos()


@pytest.fixture
def ask(built, visit):
    """Calls a function of one of the page's modules with plain arguments."""
    page = visit(built)

    def call(module, function, *arguments):
        program = "([module, name, given]) => window.seriality[module][name](...given)"
        return page.evaluate(program, [f"demos/{module}.js", function, json.loads(json.dumps(arguments))])

    return call


# What they compute


@pytest.mark.parametrize("row", ["one disc", "five discs"])
def test_discs_are_where_the_simulator_has_them(ask, shipped, row):
    """At times between events, by another path of the simulator than the one that was recorded."""
    motion = shipped["balls"][row]
    count = len(motion["place"][0])
    discs = Billiards(collisions=8, balls=5).discs
    if count == 1:
        discs = Billiards(collisions=8, balls=5, present="one").discs
    for time in DRAW.uniform(0, motion["time"][-1], 12):
        with jax.enable_x64(True):
            place, velocity = (jnp.asarray(motion[name][0], jnp.float64) for name in ("place", "velocity"))
            truth = discs.at(place, velocity, time, len(motion["time"])).place
        assert np.allclose(ask("balls", "stepped", motion, time), truth, atol=2e-3)


def test_one_disc_is_where_its_formula_has_it(ask, shipped):
    motion = shipped["balls"]["one disc"]
    for time in DRAW.uniform(0, motion["time"][-1], 20):
        (stepped,), jumped = ask("balls", "stepped", motion, time), ask("balls", "jumped", motion, time)
        assert np.allclose(stepped, jumped, atol=2e-3)


def test_the_chain_of_causes_is_the_longest(ask, shipped):
    """By the longest path in the graph of events that share a disc, found by trying all predecessors."""
    who = shipped["balls"]["five discs"]["who"]
    discs = [{one, other} - {-1, -2} for one, other in who]
    longest = []
    for k, mine in enumerate(discs):
        longest.append(1 + max((longest[j] for j in range(k) if discs[j] & mine), default=0))
    for events in (0, 1, 7, len(who)):
        assert ask("balls", "chain", shipped["balls"]["five discs"], events) == max([0, *longest[:events]])
    assert 8 < max(longest) < len(who)  # some events are side by side


@pytest.mark.parametrize("rule", [110, 30, 90])
def test_rows_are_those_of_the_task(ask, shipped, rule):
    width, steps = 48, 32
    task = ElementaryAutomaton(rule=rule, width=width, steps=steps)
    row = "".join(map(str, DRAW.integers(0, 2, width)))
    text = task.render(np.asarray(task.sample(1, key=jax.random.key(0), depth=steps).prompt[0]))
    question = text.rpartition("row: ")[0] + f"row: {row}"
    answer = task.render_answer(np.asarray(task.reference(jnp.asarray(task.parse(question)))))
    found = ask("cells", "rows", [*map(int, row)], rule, steps)
    assert "".join(map(str, found[-1])) == answer
    if rule in (110, 90):
        recorded = shipped["cells"][f"Rule {rule}"]
        found = ask("cells", "rows", [*map(int, recorded["row"])], rule, steps)
        assert "".join(map(str, found[-1])) == recorded["after"]


def test_the_jump_of_rule_90_is_its_rows(ask):
    for steps in range(33):
        row = DRAW.integers(0, 2, 48).tolist()
        assert ask("cells", "jumped", row, steps) == ask("cells", "rows", row, 90, steps)[-1]


@pytest.mark.parametrize("rule", [110, 90])
def test_what_a_cell_depends_on_is_what_changes_it(ask, rule):
    def last(row, steps):
        for _ in range(steps):
            row = [
                (rule >> (4 * row[i - 1] + 2 * row[i] + row[(i + 1) % len(row)])) & 1 for i in range(len(row))
            ]
        return row

    row = DRAW.integers(0, 2, 20).tolist()
    for steps, target in ((1, 3), (5, 0), (9, 19)):
        truth = last(row, steps)[target]
        changed = [
            i for i in range(20) if last([b ^ (i == j) for j, b in enumerate(row)], steps)[target] != truth
        ]
        assert ask("cells", "depends", row, rule, steps, target) == changed
        if rule == 90:
            offsets = ask("cells", "terms", 20, steps)
            assert sorted((target + at) % 20 for at in offsets) == changed


def test_boards_are_those_of_the_rounds(ask, shipped):
    record = shipped["Sudoku"]["14 rounds"]
    board = jnp.asarray([OPEN + int(digit) for digit in record["clues"]])
    filled = digits_of(board, 9)
    assert max(record["turn"]) == 14
    for rounds in range(15):
        told = ask("sudoku", "afterRounds", record, rounds)
        digits = jnp.where(filled.any(0), filled.argmax(0) + 1, 0).ravel()
        assert told == "".join(map(str, digits.tolist()))
        candidates = ~spread(units(filled, 9), lambda count: count > 0, 9)
        filled = filled | (candidates & singles(candidates, 9))
    assert ask("sudoku", "afterRounds", record, 14) == record["answer"]


def test_the_recorded_orders_end_as_the_page_says(ask, shipped):
    record = shipped["Sudoku"]["14 rounds"]
    assert ask("sudoku", "wrong", record["confidence"][-1], record["answer"]) == []
    last = record["random"][-1]
    wrong = [i for i, (one, other) in enumerate(zip(last, record["answer"], strict=True)) if one != other]
    assert ask("sudoku", "wrong", last, record["answer"]) == wrong
    assert len(wrong) > 9
    for board in (last, record["random"][30], record["answer"]):
        tokens = jnp.asarray([OPEN + int(digit) for digit in board])
        _, *counts = units(digits_of(tokens, 9), 9)
        again = sum(int(jnp.maximum(count - 1, 0).sum()) for count in counts)
        assert ask("sudoku", "repeated", board) == again
        if "0" not in board:
            assert again == int(duplicates(tokens, 9))


@pytest.mark.parametrize("name", ["deep", "wide"])
def test_gates_are_evaluated_as_the_task_does(ask, shipped, name):
    circuit = shipped["circuits"]["24 gates"][name]
    found = ask("circuits", "evaluated", circuit)
    assert ["".join(map(str, layer)) for layer in found] == circuit["values"]
    layers = len(circuit["layers"])
    width = 24 // layers
    for processors in (1, 2, 3, 8):
        done = ask("circuits", "schedule", circuit, processors)
        assert max(map(max, done)) == layers * -(-width // processors)
        at_once = [sum(row.count(step) for row in done) for step in range(1, max(map(max, done)) + 1)]
        assert max(at_once) <= processors
        assert sum(at_once) == 24


def test_products_are_those_of_the_group(ask, shipped):
    record = shipped["words"]["S5"]
    group = MONOIDS["S5"]()
    perms = [ask("words", "permutation", name) for name in group.elements]
    assert len({tuple(each) for each in perms}) == 120
    assert [ask("words", "cycles", each) for each in perms[:30]] == list(group.elements[:30])
    for a, b in DRAW.integers(0, 120, (40, 2)).tolist():
        assert ask("words", "product", perms[a], perms[b]) == perms[int(group.array[a, b])]
    told = [ask("words", "cycles", each) for each in ask("words", "prefixes", record["letters"])]
    assert told == record["products"]
    tree = ask("words", "levels", record["letters"])
    assert [len(level) for level in tree] == [16, 8, 4, 2, 1]
    assert ask("words", "cycles", tree[-1][0]) == record["products"][-1]


# What they do


def spent(page, name):
    """What a demo says it has spent, by term."""
    lists = page.locator(f"#demo-{name} dl.spent").all()
    return [
        dict(zip(each.locator("dt").all_inner_texts(), each.locator("dd").all_inner_texts(), strict=True))
        for each in lists
    ]


@pytest.mark.parametrize("width", [1440, 390])
def test_every_demo_opens_by_mouse_and_states_work_and_span(built, visit, shipped, width):
    page = visit(built, "explore", width=width)
    for name in ("balls", "cells", "sudoku", "circuits", "words"):
        page.click(f"#tab-{name}")
        page.locator(f"#demo-{name} .controls").first.wait_for()
        for told in spent(page, name):
            assert {"Work", "Span"} <= set(told)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        ids = page.locator(f"#demo-{name} > p.note").inner_text()
        assert "seriality run demonstrations" in ids


def test_the_tabs_of_the_demos_move_by_arrow_keys(built, visit):
    page = visit(built, "explore/balls")
    page.locator("#tab-balls").focus()
    for name in ("cells", "sudoku", "circuits", "words", "balls"):
        page.keyboard.press("ArrowRight")
        page.wait_for_function("name => !document.getElementById(`demo-${name}`).hidden", arg=name)
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
        assert page.evaluate("location.hash") == f"#explore/{name}"


def test_balls_step_play_and_jump(built, visit, shipped):
    page = visit(built, "explore/balls")
    stage = page.locator("#demo-balls")
    jump = stage.get_by_role("button", name="Jump to the end")
    assert jump.is_disabled()
    for _ in range(3):
        stage.get_by_role("button", name="Next event").click()
    (told,) = spent(page, "balls")
    assert told["Span"] == "3 dependent steps, one for each event"
    assert told["Work"].startswith("60 meetings looked at: 3 events, 20 candidates each")
    stage.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function(
        "() => Number(document.querySelector('#demo-balls input[type=range]').value) > 1.5"
    )
    stage.get_by_role("button", name="Pause").press("Enter")
    stage.locator("input[type=radio][value='1']").check(force=True)
    jump.press("Enter")
    (told,) = spent(page, "balls")
    assert told["Way"].startswith("jump ahead")
    assert float(told["Check"].split()[-3]) < 0.01
    assert "balls=1" in page.evaluate("location.hash")
    assert "way=jump" in page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert spent(page, "balls")[0]["Way"].startswith("jump ahead")


def test_time_moves_by_keys(built, visit):
    page = visit(built, "explore/balls?balls=5")
    page.locator("#demo-balls input[type=range]").focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    assert float(page.locator("#demo-balls output").inner_text().split()[0]) > 3
    page.keyboard.press("End")
    assert int(spent(page, "balls")[0]["Span"].split()[0]) > 40


def test_the_first_row_is_painted_by_dragging_and_by_keys(built, visit, shipped):
    page = visit(built, "explore/cells?rule=90")
    recorded = shipped["cells"]["Rule 110"]["row"]
    canvas = page.locator("#demo-cells canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    size = box["width"] / 48
    painted = "0" if recorded[4] == "1" else "1"
    page.mouse.move(box["x"] + 4.5 * size, box["y"] + size / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 9.5 * size, box["y"] + size / 2, steps=12)
    page.mouse.up()
    row = dict(part.split("=") for part in page.evaluate("location.hash").partition("?")[2].split("&"))["row"]
    assert row[4:10] == painted * 6
    assert row[:4] + row[10:] == recorded[:4] + recorded[10:]
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    changed = page.evaluate("location.hash").partition("row=")[2][:48]
    assert [k for k in range(48) if changed[k] != row[k]] == [1]
    page.keyboard.press("ArrowUp")
    assert "cell 2 after 31 steps" in canvas.get_attribute("aria-label").lower()


def test_the_jump_ahead_is_there_for_rule_90_alone(built, visit):
    page = visit(built, "explore/cells")
    stage = page.locator("#demo-cells")
    jump = stage.get_by_role("button", name="Jump ahead")
    assert jump.is_disabled()
    assert "none" not in spent(page, "cells")[0]["Way"]
    stage.locator("input[type=radio][value='90']").check(force=True)
    jump.click()
    (told,) = spent(page, "cells")
    assert told["Check"] == "the row is that of stepping"
    assert told["Span"].startswith("1 dependent steps")  # 32 steps on 48 cells: two cells are added
    stage.locator("input[type=radio][value='110']").check(force=True)
    assert spent(page, "cells")[0]["Span"] == "32 dependent steps"


def test_sudoku_by_rounds_and_by_orders(built, visit, shipped):
    page = visit(built, "explore/sudoku")
    rounds, steps = page.locator("#demo-sudoku input[type=range]").all()
    rounds.focus()
    page.keyboard.press("End")
    told = spent(page, "sudoku")
    assert told[0]["Rounds"] == "14 of 14; 0 cells are open"
    assert told[0]["Span"].startswith("157 ")  # 11 rounds + 3, as the task declares
    assert Sudoku(side=9, rounds=14).cost().span == 157
    assert told[0]["Work"].startswith(f"{Sudoku(side=9, rounds=14).cost().work:,} ")
    steps.focus()
    page.keyboard.press("End")
    _, random, confident = spent(page, "sudoku")
    assert confident["Wrong"] == "none: solved"
    assert random["Wrong"].split()[0].isdigit()
    assert random["Span"] == confident["Span"] == "256 rounds, one after the other"
    assert page.locator("#demo-sudoku td.bad").count() == int(random["Wrong"].split()[0])
    play = page.locator("#demo-sudoku").get_by_role("button", name="Play")
    play.click()
    page.wait_for_function("() => location.hash.includes('step=3')")
    page.locator("#demo-sudoku").get_by_role("button", name="Pause").click()


def test_processors_help_the_wide_circuit_alone(built, visit):
    page = visit(built, "explore/circuits")
    times = {}
    for processors in (1, 2, 3, 8):
        page.locator(f"#demo-circuits input[type=radio][value='{processors}']").check(force=True)
        times[processors] = [int(told["Time"].split()[0]) for told in spent(page, "circuits")]
    assert times == {1: [24, 24], 2: [16, 12], 3: [8, 9], 8: [8, 3]}
    page.locator("#demo-circuits input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    deep, wide = spent(page, "circuits")
    assert deep["Answer"] == "not known yet"
    assert wide["Answer"].startswith("known after 3 steps: ")


def test_words_by_chain_and_by_tree(built, visit, shipped):
    page = visit(built, "explore/words")
    page.locator("#demo-words input[type=range]").focus()
    page.keyboard.press("End")
    (chain,) = spent(page, "words")
    assert (chain["Work"], chain["Span"]) == ("15 products of 15", "15 dependent products of 15")
    page.locator("#demo-words input[value='tree']").check(force=True)
    page.locator("#demo-words input[type=range]").focus()
    page.keyboard.press("End")
    (tree,) = spent(page, "words")
    assert (tree["Work"], tree["Span"]) == ("15 products of 15", "4 dependent products of 4")
    assert chain["Product"] == tree["Product"] == shipped["words"]["S5"]["products"][-1]


@pytest.mark.parametrize(
    "place",
    [
        "explore/balls?balls=seven&t=NaN&way=fly",
        "explore/cells?rule=256&step=-1&cell=1e9&row=%3Cscript%3E",
        "explore/sudoku?round=99&step=x",
        "explore/circuits?step=1e400&processors=0",
        "explore/words?way=%00&step=-5",
        "explore/none?x=1",
        "none",
        "claims/C99",
        "question?curve=a|b|c&records=5-1,x,9999999",
        'question?curve=["table1-accuracy",[0],"x"]',
        "question?curve=[1]&records=",
        "question?records=abc",
        "claims/C07?records=%ZZ",
        "explore/balls?t=%",
        "%E0%A4%A",
        "%",
    ],
)
def test_a_hash_that_makes_no_sense_is_left_alone(built, visit, place):
    page = visit(built, place)
    page.wait_for_timeout(300)
    assert page.locator("main > [role=tabpanel]:visible").count() == 1


def test_a_demo_that_is_left_stops_and_keeps_out_of_the_address(built, visit):
    page = visit(built, "explore/sudoku")
    page.locator("#demo-sudoku button:has-text('Play')").click()
    page.wait_for_function("() => /step=[3-9]/.test(location.hash)")
    page.click("[role=tab][href='#explore/circuits']")
    page.wait_for_function("() => location.hash.startsWith('#explore/circuits')")
    page.wait_for_timeout(600)  # four steps, if it went on
    assert page.evaluate("location.hash") == "#explore/circuits"
    assert page.locator("#demo-sudoku button:text-is('Play')").count() == 1
    page.click("[role=tab][href='#explore/balls']")
    page.locator("#demo-balls button:has-text('Play')").click()
    page.click("#tab-claims")
    page.wait_for_function("() => location.hash === '#claims'")
    page.wait_for_timeout(300)
    assert page.locator("#demo-balls button:text-is('Play')").count() == 1


def test_an_address_given_while_a_demo_plays_is_where_it_then_stands(built, visit):
    page = visit(built, "explore/sudoku?step=5")
    page.locator("#demo-sudoku button:has-text('Play')").click()
    page.evaluate("location.hash = '#explore/sudoku?step=32'")
    page.wait_for_timeout(500)
    assert page.evaluate("location.hash") == "#explore/sudoku?step=32"
    assert spent(page, "sudoku")[1]["Steps"].startswith("32 of ")


@pytest.mark.parametrize("count", [5, 1])
def test_the_address_of_an_event_shows_it_again(built, visit, count):
    page = visit(built, f"explore/balls?balls={count}")
    for event in range(1, 7):
        page.locator("#demo-balls button:has-text('Next event')").click()
        (there,) = spent(page, "balls")
        assert there["Span"].startswith(f"{event} dependent")
        again = visit(built, page.evaluate("location.hash.slice(1)"))
        assert spent(again, "balls") == [there]
        again.close()
