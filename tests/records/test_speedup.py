"""The speed-up figure: its curves are the bounds of work and span, and its files are what their names say."""

from xml.etree import ElementTree

import pytest

from seriality.report.speedup import KINDS, in_the_way, save, speedup_figure


def curves(chart):
    """Every curve as {processors: speed-up}, by the name in the legend."""
    found = {}
    (points,) = chart.to_dict()["datasets"].values()
    for point in points:
        found.setdefault(point["line"], {})[point["processors"]] = point["speedup"]
    return found


def test_the_curves_are_the_bounds():
    found = curves(speedup_figure(10_000, 10, name="program"))
    assert list(found) == ["perfect", "at most: work / span", "greedy schedule"]
    assert set(found["at most: work / span"].values()) == {1000}
    greedy = found["greedy schedule"]
    assert greedy[1] == 10_000 / 10_010
    assert greedy[100] == 10_000 / (100 + 10)
    assert max(greedy) == 10_000  # a decade beyond the parallelism
    for p, speedup in greedy.items():
        assert min(p, 1000) / 2 <= speedup <= min(p, 1000)  # Brent: never worse than half of the bound


def test_a_shortcut_is_compared_with_the_program_as_written():
    found = curves(
        speedup_figure(10_000, 1000, span_reassociated=20, work_reassociated=30_000, name="program")
    )
    assert set(found["at most: work / span"].values()) == {10}
    assert set(found["re-associated, at most"].values()) == {500}
    assert found["re-associated, greedy"][1] == 10_000 / 30_020
    assert found["re-associated, greedy"][1000] == 10_000 / (30 + 20)


@pytest.mark.parametrize("shortcut", [(10, 10_000), (None, 10_000), (10, None)])
def test_without_another_program_there_are_no_other_curves(shortcut):
    span, work = shortcut
    assert (
        len(curves(speedup_figure(10_000, 10, span_reassociated=span, work_reassociated=work, name="x"))) == 3
    )


@pytest.mark.parametrize(("work", "span"), [(0, 0), (10, 0)])
def test_what_has_no_steps_has_no_speed_up(work, span):
    with pytest.raises(ValueError, match=f"work {work} and span {span}; a speed-up needs"):
        speedup_figure(work, span, name="program")


@pytest.mark.parametrize(("work", "span"), [(3, 7), (1, 1), (10**30, 1)])
def test_any_numbers_are_drawn(work, span, tmp_path):
    save(speedup_figure(work, span, name="program"), tmp_path / "a.svg", "program")
    assert f"work {work:,}, span {span:,}" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_is_what_its_suffix_says_and_asks_nothing_of_the_network(kind, tmp_path):
    hostile = "</svg><script>alert(1)</script>\x1b[31m"
    file = tmp_path / "new" / f"figure{kind}"
    save(speedup_figure(10_000, 10, name=hostile), file, hostile)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert not in_the_way(file)
    if kind == ".png":
        assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return
    text = file.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "\x1b" not in text
    addresses = {word for word in text.replace('"', " ").split() if word.startswith("http")}
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    drawing = ElementTree.fromstring(text[text.index("<svg") :])
    words = {each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"processors", "speed-up over one processor", "greedy schedule", "1k"} <= words


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'figure.pdf' ends in '.pdf'; allowed are .svg, .png, .html"):
        save(speedup_figure(10, 1, name="program"), tmp_path / "figure.pdf", "program")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_figure_is_in_the_way(kind, tmp_path):
    (file := tmp_path / f"figure{kind}").write_text("<svg>mine</svg>")
    assert in_the_way(file)
    file.write_text("")
    assert not in_the_way(file)
    file.unlink()
    assert not in_the_way(file)
    file.mkdir()
    assert in_the_way(file)
