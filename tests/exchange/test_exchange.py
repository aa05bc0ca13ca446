"""Files out and scores back: what is written is what the task draws, and every bad row is named."""

import json
import os
import re
import shlex
from itertools import pairwise
from types import SimpleNamespace

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seriality import cli
from seriality.analysis import wilson
from seriality.exchange import Plan, Refused, export, score
from seriality.exchange import files as files_module
from seriality.exchange import parquet as parquet_module
from seriality.exchange import plan as plan_module
from seriality.exchange.card import card
from seriality.exchange.export import card_of, description
from seriality.exchange.plan import SPLITS, Id, read_depths, read_id
from seriality.study.splits import split_of
from seriality.tasks import TASKS, ElementaryAutomaton, Monoid, PointerChase, Words

TASK = PointerChase(hops=4, nodes=16)
COUNT = 40
PLAN = Plan(TASK, depths=(1, 2, 4), count=COUNT, seed=3)


@pytest.fixture(autouse=True)
def _few_at_a_time(monkeypatch):
    """Several batches, the last of them partial."""
    monkeypatch.setattr(plan_module, "BATCH", 16)
    monkeypatch.setattr(files_module, "ROWS", 7)


@pytest.fixture(scope="module", params=[".parquet", ".jsonl"])
def exported(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("exported") / f"rows{request.param}"
    counts = export(PLAN, file)
    return file, counts, rows_of(file)


def rows_of(file):
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    return [json.loads(line) for line in file.read_text().splitlines()]


def write_rows(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def answered(rows, **others):
    return [{"id": row["id"], "prediction": row["answer"]} for row in rows]


def test_rows_are_the_instances_that_the_ids_name(exported):
    _, _, rows = exported
    assert len(rows) == len(PLAN) == 3 * COUNT
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows[:: len(rows) // 9]:
        name = read_id(row["id"])
        key = jax.random.fold_in(jax.random.key(name.seed), name.depth)
        drawn = TASK.sample_at(jax.numpy.array([name.index]), key=key, depth=name.depth)
        prompt, trace, answer = (np.asarray(x)[0] for x in (drawn.prompt, drawn.trace, drawn.answer))
        assert row["depth"] == name.depth
        assert row["prompt_tokens"] == prompt.tolist()
        assert row["labels"] == np.asarray(drawn.labels)[0].tolist()
        assert row["trace_tokens"] == trace.tolist()
        assert row["answer_tokens"] == answer.tolist()
        assert row["question"] == TASK.render(prompt)
        assert row["solution"] == TASK.render_trace(trace)
        assert row["answer"] == TASK.render_answer(answer)


def test_splits_are_those_of_the_studies(exported):
    _, counts, rows = exported
    prompts = np.array([row["prompt_tokens"] for row in rows], np.int32)
    codes = np.asarray(split_of(TASK, jax.numpy.asarray(prompts)))
    assert [row["split"] for row in rows] == [("train", "validation", "test")[code] for code in codes]
    for split in ("train", "validation", "test"):
        for depth in PLAN.depths:
            assert counts[split][depth] == sum((r["split"], r["depth"]) == (split, depth) for r in rows)
    assert len({row["split"] for row in rows}) == 3


def test_a_smaller_count_gives_the_first_rows_of_a_larger(tmp_path):
    export(Plan(TASK, (2,), 5, 3), tmp_path / "few.jsonl", form="tokens")
    export(Plan(TASK, (2,), 20, 3), tmp_path / "many.jsonl", form="tokens")
    few, many = rows_of(tmp_path / "few.jsonl"), rows_of(tmp_path / "many.jsonl")
    assert [row["prompt_tokens"] for row in few] == [row["prompt_tokens"] for row in many[:5]]
    assert "question" not in few[0]


def test_the_form_chooses_the_columns(tmp_path):
    export(Plan(TASK, (2,), 3, 3), tmp_path / "text.parquet", form="text")
    assert pq.read_schema(tmp_path / "text.parquet").names == [
        "id", "split", "depth", "question", "solution", "answer",
    ]  # fmt: skip
    with pytest.raises(Refused, match="form is 'csv', allowed are both, text, tokens"):
        export(PLAN, tmp_path / "more.parquet", form="csv")


def test_metadata_and_card_say_how_to_make_and_score_it(exported):
    file, counts, _ = exported
    said = card_of(file).read_text()
    assert (
        "--set hops=4 --set nodes=16 --set graph=cycle --depth 1,2,4 --count 40 --seed 3 --form both" in said
    )
    for depth in PLAN.depths:
        cost = TASK.resized(depth).cost()
        assert f"| {depth} | {counts['train'][depth]} |" in said
        assert f"| {cost.work} | {cost.span} |" in said
    if file.suffix == ".parquet":
        about = json.loads(pq.read_schema(file).metadata[b"seriality"])
        assert about["dials"] == {"hops": 4, "nodes": 16, "graph": "cycle"}
        assert about["tokens"] == list(TASK.format.tokens)


@pytest.mark.parametrize("name", TASKS.built_in)
def test_the_commands_of_a_card_are_taken(name, tmp_path):
    """Every dial of the defaults comes back from the command that the card gives."""
    task = TASKS[name]()
    plan = Plan(task, (1,), 2, 5)
    about = description(plan, "text")
    text = card(about, tmp_path / "two words.jsonl", {split: {1: 0} for split in SPLITS})
    (made,) = re.findall(r"^    seriality export (.*)$", text, re.M)
    typed, *words = shlex.split(made)
    assert words[-4:] == ["--form", "text", "--out", "two words.jsonl"]
    settings = [word for before, word in pairwise(words) if before == "--set"]
    assert cli._task(typed, settings) == task
    assert f"seriality score {made.partition(' --depth')[0]} predictions.jsonl" in text


def test_a_card_of_a_task_that_cannot_be_typed_names_python(tmp_path):
    flip = Monoid("flip", ((0, 1), (1, 0)), (0, 1), ("stay", "swap"))
    about = description(Plan(Words(flip, length=4), (1,), 2), "both")
    text = card(about, tmp_path / "x.parquet", {split: {1: 10**8} for split in SPLITS})
    assert "size_categories: [100M<n<1B]" in text
    assert "seriality export" not in text
    assert text.count("in Python.") == 2


def test_instances_are_made_fewer_at_a_time_where_they_are_large(exported, tmp_path, monkeypatch):
    _, _, rows = exported
    monkeypatch.setattr(plan_module, "BATCH", 4096)
    assert plan_module.at_a_time(TASK, 10**9) == 4096
    large = ElementaryAutomaton(width=128, steps=128)  # 2 x 384 + 128 x 128 + 128 tokens
    assert plan_module.at_a_time(large, 10**9) == 968
    assert plan_module.at_a_time(large, 5) == 5
    monkeypatch.setattr(plan_module, "TOKENS", 1)
    assert plan_module.at_a_time(TASK, COUNT) == 8
    export(PLAN, tmp_path / "rows.jsonl")
    assert rows_of(tmp_path / "rows.jsonl") == rows


def test_hugging_face_and_pandas_read_it(exported, tmp_path):
    datasets, pandas = pytest.importorskip("datasets"), pytest.importorskip("pandas")
    file, counts, rows = exported
    kind = "parquet" if file.suffix == ".parquet" else "json"
    loaded = datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == len(rows)
    assert loaded[17] == rows[17]
    assert loaded.filter(lambda row: row["split"] == "test").num_rows == sum(counts["test"].values())
    frame = pandas.read_parquet(file) if kind == "parquet" else pandas.read_json(file, lines=True)
    assert frame.groupby(["split", "depth"]).size().sum() == len(rows)


def test_files_that_are_there_are_left_alone(tmp_path):
    for name in ("rows.parquet", "rows.jsonl"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(Refused, match="is there already"):
            export(PLAN, tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"
    (tmp_path / "new.jsonl.md").write_text("mine")
    with pytest.raises(Refused, match="the card, is there already"):
        export(PLAN, tmp_path / "new.jsonl")
    with pytest.raises(Refused, match=r"ends in '.csv', allowed are .parquet and .jsonl"):
        export(PLAN, tmp_path / "rows.csv")
    with pytest.raises(Refused, match="is not there; make it"):
        export(PLAN, tmp_path / "nowhere" / "rows.jsonl")
    assert sorted(os.listdir(tmp_path)) == ["new.jsonl.md", "rows.jsonl", "rows.parquet"]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_an_export_that_is_stopped_leaves_nothing(tmp_path, name):
    def stop(made):
        if made > 30:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        export(PLAN, tmp_path / name, observe=stop)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_what_would_not_fit_is_refused_before_the_disk_is_full(tmp_path, name, monkeypatch):
    """A disk of 600 kB, of which what is written takes its part; ten million rows need more."""
    disk = 600_000

    def usage(folder):
        assert folder == tmp_path
        used = sum(file.stat().st_size for file in tmp_path.iterdir())
        return SimpleNamespace(free=disk - used)

    monkeypatch.setattr(files_module.shutil, "disk_usage", usage)
    monkeypatch.setattr(parquet_module, "ROW_GROUP", 1000)
    monkeypatch.setattr(plan_module, "BATCH", 1000)
    task = PointerChase(hops=2, nodes=16)
    small, large = Plan(task, (1, 2), 100), Plan(task, (1, 2), 10**7)
    with pytest.raises(
        Refused, match=r"would take about \d+\.\d [MG]B, and 600\.0 kB are free; ask for fewer rows"
    ):
        export(large, tmp_path / name)
    assert not list(tmp_path.iterdir())
    export(small, tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_that_appears_meanwhile_is_left_alone(tmp_path):
    file = tmp_path / "rows.jsonl"
    with pytest.raises(Refused, match="has appeared meanwhile"):
        export(PLAN, file, observe=lambda made: file.write_text("mine"))
    assert os.listdir(tmp_path) == ["rows.jsonl"]
    assert file.read_text() == "mine"


def test_a_card_that_appears_meanwhile_is_left_alone(tmp_path):
    file, card = tmp_path / "rows.jsonl", tmp_path / "rows.jsonl.md"
    target = tmp_path / "target"
    card.symlink_to(target)
    with pytest.raises(Refused, match="the card, is there already"):
        export(PLAN, file)
    card.unlink()
    with pytest.raises(Refused, match="has appeared meanwhile"):
        export(PLAN, file, observe=lambda made: card.write_text("mine"))
    assert os.listdir(tmp_path) == ["rows.jsonl.md"]
    assert card.read_text() == "mine"


def test_right_answers_score_one_as_text_and_as_tokens(exported, tmp_path):
    _, counts, rows = exported
    as_text = [{"id": row["id"], "prediction": row["answer"]} for row in rows]
    as_tokens = [{"id": row["id"], "prediction": row["answer_tokens"]} for row in rows]
    for given_rows in (as_text, as_tokens):
        file = tmp_path / f"{len(os.listdir(tmp_path))}.jsonl"
        found = score(TASK, write_rows(file, given_rows))
        assert [(row.depth, row.asked, row.right) for row in found.rows] == [
            (depth, count, count) for depth, count in counts["test"].items() if count
        ]
        assert found.reach == found.rows[-1].depth
        assert not found.faults
        assert not found.unreadable.count
        assert not found.missing.count


def test_counts_intervals_and_reach(exported, tmp_path):
    _, _, rows = exported
    wrong_at = {row["id"]: str((int(row["answer"]) + 1) % 16) for row in rows if row["depth"] == 2}
    predictions = [{"id": r["id"], "prediction": wrong_at.get(r["id"], r["answer"])} for r in rows]
    found = score(TASK, write_rows(tmp_path / "p.jsonl", predictions), split="all")
    assert [(row.depth, row.asked, row.right) for row in found.rows] == [(1, 40, 40), (2, 40, 0), (4, 40, 40)]
    assert found.reach == 1
    low, high = wilson(np.array(40), np.array(40))
    assert (found.rows[0].low, found.rows[0].high) == (float(low), float(high))
    assert all(0 <= row.baseline <= 0.3 for row in found.rows)


def test_the_baseline_is_the_commonest_answer_of_training(exported, tmp_path, monkeypatch):
    _, _, rows = exported
    scoring = __import__("seriality.exchange.scoring", fromlist=["_Reading"])
    seven = np.array([TASK.format.tokens.index("7")], np.int32)
    monkeypatch.setattr(scoring._Reading, "_commonest", lambda self, depth: seven)
    found = score(TASK, write_rows(tmp_path / "p.jsonl", answered(rows)), split="all")
    for row in found.rows:
        assert row.baseline == np.mean([r["answer"] == "7" for r in rows if r["depth"] == row.depth])


def test_missing_rows_are_wrong_and_named(exported, tmp_path):
    _, counts, rows = exported
    test = [row for row in rows if row["split"] == "test" and row["depth"] == 4]
    file = write_rows(tmp_path / "p.jsonl", answered(test[1:]))
    found = score(TASK, file)
    assert found.missing.count == 1
    assert found.missing.first == [test[0]["id"]]
    assert (found.rows[0].asked, found.rows[0].given, found.rows[0].right) == (
        counts["test"][4], len(test) - 1, len(test) - 1,
    )  # fmt: skip
    assert score(TASK, file, given_only=True).rows[0].accuracy == 1


def test_bad_rows_are_counted_and_named(exported, tmp_path):
    _, _, rows = exported
    good = answered(rows[:10])
    name = [row["id"] for row in rows]
    bad = [
        good[0],
        {"id": 5, "prediction": "1"},
        {"id": name[11], "prediction": None},
        {"prediction": "2"},
        {"id": "x" * 10**5, "prediction": "1"},
        {"id": name[12].replace("-d1-", "-d9-"), "prediction": "1"},
        {"id": name[12].replace("-n40-", "-n9-"), "prediction": "1"},
        {"id": name[13].replace("-s3-", "-s4-"), "prediction": "1"},
        {"id": name[14].replace("Pointer", "Painter"), "prediction": "1"},
        {"id": name[15], "prediction": "y" * 10**6},
        {"id": name[16], "prediction": "no idea"},
        {"id": name[17], "prediction": [1, 2]},
        {"id": name[18], "prediction": [True]},
        {"id": name[20], "prediction": rows[20]["answer_tokens"][0]},
    ]
    file = write_rows(tmp_path / "p.jsonl", good + bad)
    with open(file, "a") as opened:
        opened.write("not JSON\n[1, 2]\n" + "[" * 100_000 + "\n" + "z" * 3_000_000 + "\n\n")
        opened.write(json.dumps({"id": name[19], "prediction": rows[19]["answer"]}) + "\n")
    found = score(TASK, file, split="all")
    counted = {fault.what.partition(" ")[2][:12]: fault.count for fault in found.faults}
    assert counted == {
        "that are no ": 4,
        "without an i": 3,  # 5, no id, a number
        "with an unkn": 3,
        "of another t": 1,
        "of another e": 1,
        "whose id was": 1,
    }
    assert found.unreadable.count == 4
    assert found.rows[0].right == 11
    assert found.rows[0].asked == COUNT
    said = [str(fault) for fault in (*found.faults, found.unreadable)]
    assert all(len(line) < 1000 and "\n" not in line for line in said)
    assert "row 12: id 5, prediction '1'" in "".join(said)


def test_a_file_without_a_line_of_json_is_told_as_such(tmp_path):
    file = tmp_path / "p.jsonl"
    file.write_text("1: yes\n" + "2" * 10_000)
    with pytest.raises(Refused, match=r"no row has 'id' or 'prediction'; '1: yes' is no JSON object$"):
        score(TASK, file)


def test_one_altered_first_id_does_not_decide_what_is_scored(exported, tmp_path):
    _, _, rows = exported
    altered = answered(rows)
    altered[0]["id"] = altered[0]["id"].replace("-n40-", "-n1000000000-")
    found = score(TASK, write_rows(tmp_path / "p.jsonl", altered), split="all")
    assert [str(fault)[:1] for fault in found.faults] == ["1"]
    assert found.missing.count == 1
    assert found.rows[0].right == COUNT - 1


def test_values_nested_without_end_are_told_in_short(exported, tmp_path):
    _, _, rows = exported
    file = write_rows(tmp_path / "p.jsonl", answered(rows))
    with open(file, "a") as opened:
        opened.write('{"id": "x", "prediction": ' + "[" * 600 + "]" * 600 + "}\n")
        wide = [[[["y" * 99] * 8] * 8] * 8] * 8
        opened.write(json.dumps({"id": wide, "prediction": wide}) + "\n")
    found = score(TASK, file, split="all")
    assert found.rows[0].right == COUNT
    assert all(len(str(fault)) < 1000 for fault in found.faults)


@pytest.mark.parametrize("prediction", ["answer", "answer_tokens"])
def test_a_number_is_refused_as_it_may_be_an_answer_or_a_token(exported, tmp_path, prediction):
    """pandas makes such numbers of answers of digits."""
    _, _, rows = exported
    values = [row[prediction] if prediction == "answer" else row[prediction][0] for row in rows]
    given = [{"id": row["id"], "prediction": int(value)} for row, value in zip(rows, values, strict=True)]
    with pytest.raises(Refused, match=r"120 rows without .* a prediction as text or a list of token ids"):
        score(TASK, write_rows(tmp_path / "p.jsonl", given), split="all")


def test_null_is_no_prediction(exported, tmp_path):
    _, _, rows = exported
    given = answered(rows[:COUNT])
    for row in given[::2]:
        row["prediction"] = None
    file = write_rows(tmp_path / "p.jsonl", given)
    whole, part = score(TASK, file, split="all"), score(TASK, file, split="all", given_only=True)
    assert (whole.faults, part.faults) == ((), ())
    assert (whole.rows[0].asked, whole.rows[0].right, whole.missing.count) == (COUNT, COUNT // 2, COUNT // 2)
    assert (part.rows[0].asked, part.rows[0].right, part.missing.count) == (COUNT // 2, COUNT // 2, 0)
    assert (whole.given_only, part.given_only) == (False, True)
    for row in given:
        row["prediction"] = None
    with pytest.raises(Refused, match="no row can be scored: none has a prediction"):
        score(TASK, write_rows(file, given), split="all")


def test_what_cannot_be_read_counts_where_the_row_does(exported, tmp_path):
    _, _, rows = exported
    given = [{"id": row["id"], "prediction": "?"} for row in rows]
    found = score(TASK, write_rows(tmp_path / "p.jsonl", given), split="test")
    asked = sum(row["split"] == "test" for row in rows)
    assert found.unreadable.count == asked < len(rows)
    assert found.elsewhere == len(rows) - asked


def test_scores_do_not_depend_on_how_much_is_held_at_a_time(exported, tmp_path, monkeypatch):
    _, _, rows = exported
    file = write_rows(tmp_path / "p.jsonl", [*answered(rows[::3]), {"id": rows[1]["id"], "prediction": "?"}])
    whole = score(TASK, file)
    monkeypatch.setattr(plan_module, "TOKENS", 1)
    monkeypatch.setattr(files_module, "BYTES", 100)
    assert score(TASK, file) == whole


def test_columns_that_are_no_text_are_refused(exported, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    _, _, rows = exported
    name = pa.array([rows[0]["id"]])
    bad_text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    late = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    for number, columns in enumerate(([name, bad_text], [name, late], [bad_text, name])):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table(columns, names=["id", "prediction"]), file)
        with pytest.raises(Refused, match="cannot be read as Parquet"):
            score(TASK, file)
    pq.write_table(pa.table([name, name, name], names=["id", "prediction", "prediction"]), file)
    with pytest.raises(Refused, match="has 2 columns 'prediction', must be one"):
        score(TASK, file)


def test_nothing_to_score_is_refused(exported, tmp_path):
    _, _, rows = exported
    train = [row for row in rows if row["split"] == "train"]
    with pytest.raises(Refused, match=f"{len(train)} rows are not of split 'test': --split all scores them"):
        score(TASK, write_rows(tmp_path / "train.jsonl", answered(train)))
    with pytest.raises(Refused, match="rows of another task, other dials or another version"):
        score(PointerChase(hops=4, nodes=17), write_rows(tmp_path / "other.jsonl", answered(rows)))
    with pytest.raises(Refused, match="no row has 'prediction'"):
        score(TASK, write_rows(tmp_path / "ids.jsonl", [{"id": rows[0]["id"]}]))
    for empty in ("empty.jsonl", "empty.parquet"):
        (tmp_path / empty).write_text("")
        with pytest.raises(Refused, match=r"no row has|cannot be read as Parquet"):
            score(TASK, tmp_path / empty)
    with pytest.raises(Refused, match="split is 'tests', allowed are train, validation, test and all"):
        score(TASK, tmp_path / "ids.jsonl", split="tests")


def test_ids_find_a_task_of_another_largest_depth(exported, tmp_path):
    _, _, rows = exported
    found = score(TASK.resized(2), write_rows(tmp_path / "p.jsonl", answered(rows)), split="all")
    assert [row.right for row in found.rows] == [COUNT] * 3
    assert found.task == repr(TASK)


ids = st.builds(
    Id,
    task=st.sampled_from(["Words", "A_1"]),
    code=st.text("0123456789abcdef", min_size=8, max_size=8),
    most=st.integers(0, 10**6),
    count=st.integers(0, 10**9),
    seed=st.integers(0, 2**32),
    depth=st.integers(0, 10**6),
    index=st.integers(0, 10**9),
)


@given(ids)
@settings(max_examples=50, deadline=None)
def test_ids_are_read_back(name):
    assert read_id(str(name)) == name


NO_IDS = [
    "",
    "Words",
    "Words-8f3a12bc-m4-n01-s0-d1-0",
    "Words-8f3a12bc-m4-n1-s0-d1-0\n",
    "Words-8f3a12bc-m4-n1-s0-d1-٣",
    "-".join("a" * 300),
]


@pytest.mark.parametrize("text", NO_IDS)
def test_what_is_no_id(text):
    assert read_id(text) is None


def test_depths_as_typed():
    assert read_depths("1..4,8, 2") == (1, 2, 3, 4, 8)
    for text in ("", "0", "3..1", "x", "1..x", "1...3", "-2", "9" * 5000):
        with pytest.raises(Refused, match="allowed is a depth from 1"):
            read_depths(text)


def test_plans_that_cannot_be():
    with pytest.raises(Refused, match=r"count is 0.*seed is -1.*depths are '1,9'.*1..4"):
        Plan(TASK, (1, 9), 0, -1)
