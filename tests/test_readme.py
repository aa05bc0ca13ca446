"""The README's program prints what the README says it prints, and the commands it names exist."""

import re
import shlex
from pathlib import Path

import typer
from typer.main import get_command

from seriality.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_program_prints_its_comment(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(program, "README.md", "exec"), {})
    (expected,) = re.findall(r"print\(.*?\)\s+# (.*)", program)
    assert capsys.readouterr().out.strip() == expected


def test_the_commands_exist():
    group = get_command(app)
    context = typer.Context(group)
    named = [shlex.split(line)[1] for line in re.findall(r"^    (seriality .*)$", README, re.M)]
    assert len(named) >= 3
    assert set(named) <= set(group.list_commands(context))
