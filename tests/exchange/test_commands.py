"""The commands check, export and score: what they print, and in what line they refuse."""

import json
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from seriality import cli
from seriality.tasks import Sudoku

DIALS = ("--set", "hops=2", "--set", "nodes=16")


def call(*arguments):
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def predict(rows, file, answer=lambda row: row["answer"]):
    lines = [json.dumps({"id": row["id"], "prediction": answer(row)}) for row in rows]
    file.write_text("\n".join(lines))
    return file


def test_export_predict_score(tmp_path):
    out = tmp_path / "rows.jsonl"
    code, said, _ = call("export", "PointerChase", *DIALS, "--count", 60, "--out", out)
    assert code == 0
    assert said.startswith("120 rows (")
    assert f"Card: {out}.md" in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["depth"] for row in rows} == {1, 2}
    predictions = predict(rows, tmp_path / "p.jsonl", lambda row: row["answer"] if row["depth"] == 1 else "0")
    code, said, err = call("score", "PointerChase", *DIALS, predictions)
    assert (code, err) == (0, "")
    assert "reach: 1 " in said
    code, said, _ = call("score", "PointerChase", *DIALS, predictions, "--json", "--split", "all")
    found = json.loads(said)
    assert [(row["depth"], row["asked"]) for row in found["rows"]] == [(1, 60), (2, 60)]
    assert found["rows"][0]["accuracy"] == 1 > found["rows"][1]["accuracy"]


def test_depths_beyond_the_largest_make_the_task_larger_and_scores_find_it(tmp_path):
    out = tmp_path / "rows.jsonl"
    code, _, _ = call("export", "PointerChase", *DIALS, "--depth", "1..4", "--count", 20, "--out", out)
    assert code == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    code, said, _ = call(
        "score", "PointerChase", *DIALS, predict(rows, tmp_path / "p.jsonl"), "--split", "all"
    )
    assert code == 0
    assert "PointerChase(hops=4" in said
    assert "reach: 4 " in said


def test_depths_that_do_not_occur_are_said_to_be_unknown(tmp_path):
    out = tmp_path / "rows.jsonl"
    call("export", "PointerChase", *DIALS, "--count", 20, "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    for kept, said in (((1, 2), False), ((2,), True)):
        file = predict([row for row in rows if row["depth"] in kept], tmp_path / "p.jsonl")
        _, printed, _ = call("score", "PointerChase", *DIALS, file, "--split", "all")
        assert ("scored: 1 of the depths 1..2" in printed) is said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_export_that_is_stopped_leaves_nothing(number, tmp_path):
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may ignore it
    )
    script += "from seriality.cli import main; main()"
    command = [sys.executable, "-c", script, "export", "Words", "--depth", "4", "--count", "4000000"]
    command += ["--out", str(tmp_path / "words.jsonl")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            while not any(file.stat().st_size for file in tmp_path.iterdir()):
                assert process.poll() is None
                time.sleep(0.2)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.endswith(b"seriality: stopped\n")
    assert not list(tmp_path.iterdir())


def test_bad_rows_are_told_on_standard_error_and_by_the_exit_code(tmp_path):
    out = tmp_path / "rows.jsonl"
    call("export", "PointerChase", *DIALS, "--count", 20, "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    file = predict(rows + rows[:1], tmp_path / "p.jsonl")
    code, said, err = call("score", "PointerChase", *DIALS, file, "--split", "all")
    assert code == 1
    assert "reach: 2 " in said
    assert err == f"seriality: 1 rows whose id was there before; row 41: '{rows[0]['id']}'\n"


def test_rows_of_other_splits_are_told(tmp_path):
    out = tmp_path / "rows.jsonl"
    call("export", "PointerChase", *DIALS, "--count", 20, "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    others = sum(row["split"] != "train" for row in rows)
    file = predict(rows, tmp_path / "p.jsonl")
    _, printed, _ = call("score", "PointerChase", *DIALS, file, "--split", "train")
    assert f"{others} rows are of other splits and were left out; --split all scores them" in printed
    assert others
    _, printed, _ = call("score", "PointerChase", *DIALS, file, "--split", "all")
    assert "other splits" not in printed


@pytest.mark.parametrize("content", ["", "PAR1 and what is no Parquet"])
def test_a_file_that_is_no_parquet_cannot_be_used(content, tmp_path):
    file = tmp_path / "p.parquet"
    file.write_text(content)
    code, said, err = call("score", "PointerChase", *DIALS, file)
    assert (code, said) == (1, "")
    assert "cannot be read as Parquet" in err
    assert file.read_text() == content


def test_a_place_that_is_taken_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(Sudoku, "prepare", lambda task: pytest.fail("pools are made"))
    (tmp_path / "taken.jsonl").write_text("mine")
    for out, form, said in (("taken", "both", "is there already"), ("free", "csv", "both, text, tokens")):
        code, _, err = call("export", "Sudoku", "--form", form, "--out", tmp_path / f"{out}.jsonl")
        assert code == 2
        assert said in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export", "Words", "--out", "x.csv"), 2, "allowed are .parquet and .jsonl"),
        (("export", "Words", "--out", "x.jsonl", "--depth", "0"), 2, "allowed is a depth from 1"),
        (("export", "Words", "--out", "x.jsonl", "--count", "0"), 2, "count is 0"),
        (("export", "Words", "--out", "x.jsonl", "--form", "csv"), 2, "both, text, tokens"),
        (("export", "PointerChase", "--out", "/proc/x.jsonl"), 1, "file '/proc/x.jsonl' cannot be written ("),
        (("export", "Wrds", "--out", "x.jsonl"), 2, "nearest: Words"),
        (("export", "Countdown", "--out", "x.jsonl", "--depth", "9"), 2, "operations=9"),
        (("score", "Words", "x.jsonl"), 1, "cannot be read (No such file"),
        (("score", "Words", "x.csv"), 2, "allowed are .parquet and .jsonl"),
        (("score", "Words", "x.jsonl", "--split", "tset"), 2, "allowed are train"),
        (("check", "Words", "--set", "length=1"), 2, "max_depth 1"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(arguments, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    assert found[:2] == (code, "")
    assert said in found[2]
    assert found[2].count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_check_prints_a_line_for_each_check():
    code, said, _ = call("check", "Words", "--set", "length=4", "--set", "monoid=Z60")
    assert code == 0
    assert said.count("\npass  ") == 14
    assert "FAIL" not in said
