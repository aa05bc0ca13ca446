"""The card of a data file: what it holds, how it was made, how a model's answers are scored."""

import json
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

COLUMNS = {
    "id": "names the instance; `seriality score` makes it again from this alone",
    "split": "train, validation or test: it follows from the question, so no question is in two of them",
    "depth": "the serial depth",
    "question": "the whole question as text",
    "solution": "the serial steps as text: a chain of thought",
    "answer": "a right answer as text",
    "prompt_tokens": "the question as token ids; it ends with a QUERY for each token of the answer",
    "labels": "the token that is right at each place of the prompt: the answer at its QUERYs, in some tasks "
    "steps on the way before them; -1 where nothing is asked",
    "trace_tokens": "the serial steps as token ids, PAD at the end",
    "answer_tokens": "a right answer as token ids",
}
TEXT = ("question", "solution", "answer")
TOKENS = ("prompt_tokens", "labels", "trace_tokens", "answer_tokens")


def card(about: dict[str, Any], file: Path, counts: dict[str, dict[int, int]]) -> str:
    """The card as Markdown with the front matter of Hugging Face."""
    dials = {name: value for name, value in about["dials"].items() if value is not None}
    typed = not any(isinstance(value, dict | list) for value in dials.values())
    task = " ".join(
        [about["task"], *(f"--set {shlex.quote(f'{name}={value}')}" for name, value in dials.items())]
    )
    make = (
        f"    seriality export {task} --depth {','.join(map(str, about['depths']))} --count {about['count']} "
        f"--seed {about['seed']} --form {about['form']} --out {shlex.quote(file.name)}"
    )
    score = f"    seriality score {task} predictions{file.suffix}"
    kept = [
        name
        for name in COLUMNS
        if not ((name in TEXT and about["form"] == "tokens") or (name in TOKENS and about["form"] == "text"))
    ]
    kind = "parquet" if file.suffix.lower() == ".parquet" else "json"
    total = sum(map(sum, (by_depth.values() for by_depth in counts.values())))
    lines = [
        "---",
        f"pretty_name: {json.dumps('seriality ' + about['task'])}",
        "tags: [serial-compute, seriality]",
        f"size_categories: [{_size(total)}]",
        "---",
        "",
        f"# {about['task']}, {total:,} instances",
        "",
        about["about"],
        "",
        f"Made by seriality {about['seriality']} (task version {about['version']}, seed {about['seed']}); "
        + (
            "the same command makes the same rows:"
            if typed
            else "see `seriality.exchange` for how, in Python."
        ),
        "",
        *([make, ""] if typed else ()),
        "## Rows",
        "",
        "| depth | train | validation | test | work | span |",
        "|---|---|---|---|---|---|",
        *(
            f"| {depth} | {' | '.join(f'{by_depth[depth]:,}' for by_depth in counts.values())} "
            f"| {about['work'][depth]:,} | {about['span'][depth]:,} |"
            for depth in about["depths"]
        ),
        "",
        "Work and span are those of the best algorithm known, in operations of the unit cost model, for a "
        "task whose largest depth is the row's.",
        f"Control, the twin with a shortcut: `{about['control']}`."
        if about["control"]
        else "It is a control itself.",
        "",
        *_shared(about),
        "## Columns",
        "",
        *(f"- `{name}`: {COLUMNS[name]}" for name in kept),
        "",
        "## Load and score",
        "",
        "```python",
        "from datasets import load_dataset",
        f'rows = load_dataset("{kind}", data_files={json.dumps(file.name)}, split="train")',
        'test = rows.filter(lambda row: row["split"] == "test")',
        "```",
        "",
        '(To Hugging Face every row of a file is `split="train"`; the column tells the splits of this set.) '
        "A file of predictions has the columns `id` and `prediction`: an answer's text, or the list of its "
        "token ids (those that stand at the QUERYs).",
        *(
            [
                "",
                "pandas takes answers of digits for numbers: read the file with `pandas.read_json(..., "
                "lines=True, dtype=False)`.",
            ]
            if kind == "json"
            else []
        ),
        "",
        score if typed else "`seriality.exchange.score` scores it, in Python.",
        "",
        f"## Tokens: {len(about['tokens']):,}",
        "",
        "Their texts, by id from 0:",
        "",
        "```json",
        json.dumps(about["tokens"], ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join(lines)


def _shared(about: dict[str, Any]) -> list[str]:
    if not about["shared_depth"]:
        return []
    return [
        f"Up to depth {about['shared_depth']} there are fewer than {about['smallest_space']:,} different "
        "questions. Their rows are divided like all others, but labels and traces of deeper training rows "
        "may hold their answers: read nothing from test accuracy there.",
        "",
    ]


def _size(rows: int) -> str:
    """The size category of Hugging Face."""
    bounds = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    names = ["n<1K", *(f"{low}<n<{high}" for low, high in pairwise(bounds)), "n>1T"]
    return names[sum(rows >= 10**power for power in range(3, 3 + len(bounds)))]
