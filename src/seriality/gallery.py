"""The gallery: a page of all tasks, made from `TASKS`: picture, question, steps, dials, costs, sources.

Markdown with pictures as SVG files in a folder beside it. Made anew by `seriality gallery`; nothing in it is
written by hand.
"""

import inspect
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import jax
import numpy as np

from .tasks.base import AbstractTask

MARK = "<!-- made by `seriality gallery`; changes by hand are lost -->"
"""How a page and a picture begin: only such files are written over."""
SEED = 1
DEPTHS = (1, 2, 4, 8, 16, 32, 64)
LONGEST = 1200
"""Characters of a question or of its steps that are shown."""


def write_gallery(page: Path, tasks: dict[str, AbstractTask]) -> list[Path]:
    """Write the page and its pictures; all files written. A FileExistsError if one there is another's."""
    pictures = page.parent / f"{page.stem}_pictures"
    for file in (page, *(pictures / f"{name}.svg" for name in tasks)):
        if os.path.lexists(file) and not _is_own(file):
            raise FileExistsError(
                f"{str(file)!r} is there and is no gallery's; move it, or name another page"
            )
    if os.path.lexists(pictures) and not pictures.is_dir():
        raise FileExistsError(f"{str(pictures)!r} is there and is no folder; move it, or name another page")
    pictures.mkdir(exist_ok=True)
    written, sections = [page], []
    for name, task in tasks.items():
        lines, picture = _section(name, task)
        if picture is not None:
            file = pictures / f"{name}.svg"
            _put(file, f"{MARK}\n{picture}")
            written.append(file)
            lines.insert(
                2, f'<img src="{pictures.name}/{name}.svg" alt="An instance of {name}" width="420">\n'
            )
        sections += lines
    head = [
        MARK,
        "",
        "# Gallery",
        "",
        "One instance of every task, as `seriality show NAME --seed 1` draws it. [Tasks](tasks.md) says why "
        "they have the form they have.",
        "",
        *(f"- [{name}](#{name.lower()}): {_summary(task)}" for name, task in tasks.items()),
        "",
    ]
    _put(page, "\n".join([*head, *sections]))
    return written


def _is_own(file: Path) -> bool:
    """Whether it is a file that begins with the mark; a link is none."""
    if file.is_symlink() or not file.is_file():
        return False
    with open(file, "rb") as opened:
        return opened.read(len(MARK)) == MARK.encode()


def _put(file: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def _summary(task: AbstractTask) -> str:
    return " ".join((inspect.getdoc(type(task)) or "").partition("\n\n")[0].split())


def _section(name: str, task: AbstractTask) -> tuple[list[str], str | None]:
    drawn = task.sample(1, key=jax.random.key(SEED))
    prompt, trace, answer = (np.asarray(x)[0] for x in (drawn.prompt, drawn.trace, drawn.answer))
    dials = ", ".join(f"`{dial.name}={getattr(task, dial.name)!r}`" for dial in fields(task))  # type: ignore
    form = task.format
    lines = [
        f"## {name}",
        "",
        _summary(task),
        "",
        f"Dials: {dials}. Tokens: prompt {form.prompt_length}, trace {form.trace_length}, answer "
        f"{form.answer_length}, vocabulary {form.vocabulary}. One constant answer is right for at most "
        f"{task.guess_rate:.2g} of the instances.",
        "",
        "```text",
        _cut(task.render(prompt)),
        "",
        "steps:",
        _cut(task.render_trace(trace)),
        "",
        f"answer: {task.render_answer(answer)}",
        "```",
        "",
        *_costs(task),
        "",
        "<details><summary>Definition, complexity, sources</summary>",
        "",
        "```text",
        inspect.getdoc(inspect.getmodule(type(task))) or "",
        "```",
        "",
        "</details>",
        "",
    ]
    return lines, task.picture(prompt, trace, answer)


def _costs(task: AbstractTask) -> Iterator[str]:
    """A table of work and span by depth, for the task and its control."""
    control = task.control
    yield "| depth | work | span |" + (" work of the control | its span |" if control else "")
    yield "|---|---|---|" + ("---|---|" if control else "")
    for depth in DEPTHS:
        try:
            resized = task.resized(depth)
        except ValueError:  # dials that do not allow this depth
            continue
        cost = resized.cost()
        row = f"| {depth} | {cost.work:,} | {cost.span:,} |"
        if control:
            twin = resized.control
            row += f" {twin.cost().work:,} | {twin.cost().span:,} |" if twin else " | |"
        yield row
    yield ""
    yield (
        f"Control: `{control!r}`."
        if control
        else "It needs no control: its span does not grow, or it is one."
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(chr(10), 1)[0]}\n..."
