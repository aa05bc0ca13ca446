"""The gallery in the docs is the one that the tasks make."""

import inspect
from pathlib import Path
from xml.etree import ElementTree

import pytest

from seriality.gallery import MARK, write_gallery
from seriality.tasks import TASKS, CircuitValue, Words

DOCS = Path(__file__).parents[1] / "docs"


def test_every_task_is_in_the_gallery():
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    sections = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert sections == list(TASKS.built_in)
    for section, kind in zip(page.split("\n## ")[1:], map(TASKS.get, TASKS.built_in), strict=True):
        task = kind()
        assert repr(task.control) in section or task.control is None
        assert inspect.getdoc(inspect.getmodule(kind)) in section
        cost = task.resized(4).cost()
        assert f"| 4 | {cost.work:,} | {cost.span:,} |" in section
        assert f"for at most {task.guess_rate:.2g} of the instances" in section


def test_the_page_is_made_anew_from_the_tasks(tmp_path):
    """Two tasks, whose sections must be those of the page in the docs."""
    committed = (DOCS / "gallery.md").read_text(encoding="utf-8")
    page = tmp_path / "gallery.md"
    written = write_gallery(page, {"Words": Words(), "CircuitValue": CircuitValue()})
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:]:
        assert f"## {section.rstrip()}" in committed
    assert [file.name for file in written] == ["gallery.md", "CircuitValue.svg"]
    picture = written[1].read_text(encoding="utf-8")
    assert picture == (DOCS / "gallery_pictures" / "CircuitValue.svg").read_text(encoding="utf-8")


def test_pictures_are_well_formed_and_small():
    pictures = sorted((DOCS / "gallery_pictures").glob("*.svg"))
    assert pictures
    for file in pictures:
        root = ElementTree.parse(file).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "viewBox" in root.attrib
        assert file.stat().st_size < 20_000


def test_only_a_gallery_is_written_over(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("mine")
    for content in (b"mine", b"\xff\x00", b""):
        page.write_bytes(content)
        with pytest.raises(FileExistsError, match="is no gallery's; move it"):
            write_gallery(page, {})
        assert page.read_bytes() == content
    page.unlink()
    picture = tmp_path / "page_pictures" / "Words.svg"
    picture.parent.mkdir()
    picture.write_text("mine")
    (tmp_path / "target").write_text("mine too")
    with pytest.raises(FileExistsError, match=r"Words.svg' is there and is no gallery's"):
        write_gallery(page, {"Words": TASKS["Words"]()})
    picture.unlink()
    picture.symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError, match=r"Words.svg' is there"):
        write_gallery(page, {"Words": TASKS["Words"]()})
    assert (tmp_path / "target").read_text() == "mine too"
    picture.unlink()
    page.write_text(f"{MARK} old")
    write_gallery(page, {})
    assert "# Gallery" in page.read_text()
