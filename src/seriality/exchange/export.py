"""Instances as a file that any framework reads, with a card that says what it holds."""

import os
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..instance import Instances
from ..study.splits import SMALLEST_SPACE, shared_depth
from .card import card
from .files import Columns, check_place, put_beside, writing
from .plan import NAMES, SPLITS, Plan, Refused

FORMS = ("both", "text", "tokens")
"""What a row holds beside its id, split and depth."""


def export(
    plan: Plan,
    file: Path,
    *,
    form: str = "both",
    observe: Callable[[int], object] = lambda rows: None,
) -> dict[str, dict[int, int]]:
    """Write the instances of a plan to a `.parquet` or `.jsonl` file and a card `FILE.md` beside it.

    Rows stream: memory does not grow with their number. Columns: `id`, `split`, `depth`; as text `question`,
    `solution` (the serial steps), `answer`; as token ids `prompt_tokens`, `labels` (-1 where nothing is
    asked), `trace_tokens`, `answer_tokens`. `observe` is told how many rows are made. Returns how many rows
    each split has of each depth. A file that is there is never written over,
    nor is one begun that would not fit on the disk: that is `Refused`.
    """
    check(file, form)
    beside = card_of(file)
    described = description(plan, form)
    found: Counter[tuple[str, int]] = Counter()
    made = 0
    has_card = False
    try:
        with writing(file, described, len(plan)) as write:
            for depth, index, instances, splits in plan.batches():
                write(_columns(plan, depth, index, instances, splits, form))
                found.update((split, depth) for split in NAMES[splits].tolist())
                made += len(index)
                observe(made)
            counts = {split: {depth: found[split, depth] for depth in plan.depths} for split in SPLITS}
            put_beside(beside, card(described, file, counts))  # before the file: no data without its card
            has_card = True
    except BaseException:
        if has_card:
            beside.unlink(missing_ok=True)
        raise
    return counts


def check(file: Path, form: str) -> None:
    """Refuse a form that there is not, and a file that is there or cannot be."""
    if form not in FORMS:
        raise Refused(f"form is {form!r}, allowed are {', '.join(FORMS)}")
    check_place(file)
    if os.path.lexists(beside := card_of(file)):
        raise Refused(f"file {str(beside)!r}, the card, is there already; name another file, or move it away")


def card_of(file: Path) -> Path:
    """Where the card of a data file is."""
    return file.with_name(f"{file.name}.md")


def description(plan: Plan, form: str) -> dict[str, Any]:
    """What a data file says of itself, as plain JSON."""
    task, layout = plan.task, plan.task.format
    documentation = (type(task).__doc__ or "").partition("\n\n")[0]
    return {
        "task": type(task).__name__,
        "version": task.version,
        "dials": task.settings(),
        "code": plan.code,
        "about": " ".join(documentation.split()),
        "depths": list(plan.depths),
        "count": plan.count,
        "seed": plan.seed,
        "form": form,
        "tokens": list(layout.tokens),
        "prompt_length": layout.prompt_length,
        "trace_length": layout.trace_length,
        "answer_length": layout.answer_length,
        "work": {depth: task.resized(depth).cost().work for depth in plan.depths},
        "span": {depth: task.resized(depth).cost().span for depth in plan.depths},
        "control": None if task.control is None else repr(task.control),
        "shared_depth": min(shared_depth(task), task.max_depth),
        "smallest_space": SMALLEST_SPACE,
        "seriality": version("seriality"),
    }


def _columns(
    plan: Plan, depth: int, index: np.ndarray, instances: Instances, splits: np.ndarray, form: str
) -> Columns:
    task = plan.task
    columns: Columns = {
        "id": [str(plan.id(depth, i)) for i in index.tolist()],
        "split": NAMES[splits].tolist(),
        "depth": [depth] * len(index),
    }
    prompts, traces, answers = (
        np.asarray(part) for part in (instances.prompt, instances.trace, instances.answer)
    )
    if form != "tokens":
        columns["question"] = [task.render(prompt) for prompt in prompts]
        columns["solution"] = [task.render_trace(trace) for trace in traces]
        columns["answer"] = [task.render_answer(answer) for answer in answers]
    if form != "text":
        columns["prompt_tokens"] = prompts
        columns["labels"] = np.asarray(instances.labels)
        columns["trace_tokens"] = traces
        columns["answer_tokens"] = answers
    return columns
