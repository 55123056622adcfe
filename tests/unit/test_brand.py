"""A lab's own templates, colours and pictures: what they change, and what is told of those that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from publisher import manifest
from publisher.brand import Brand, brand
from publisher.errors import InvalidInput
from publisher.page import colors, pictures, templates
from publisher.page.pages import pages
from publisher.resources import folder
from tests.unit.test_site import a_book

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SVG = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">\n{}\n</svg>\n'
HEAD = {
    "schema": 1,
    "version": "v1",
    "date": "2026-11-21",
    "status": "final",
    "dataset": {"name": "a", "title": "A", "description": "a", "license": "CC0-1.0", "authors": [{"name": "A"}]},
}


def branded(at: Path, **more: object) -> Brand:
    path = at / "v1.yaml"
    path.write_text(yaml.safe_dump(HEAD | more, sort_keys=False))
    return brand(manifest.load(path))


# Colours


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_what_others_measure(one: str, other: str, ratio: float) -> None:
    assert round(colors.contrast(one, other), 2) == round(colors.contrast(other, one), 2) == ratio


def test_every_colour_has_an_ink_and_a_readable_neighbour() -> None:
    for red in range(0, 256, 51):
        for green in range(0, 256, 51):
            for blue in range(0, 256, 51):
                color = f"#{red:02x}{green:02x}{blue:02x}"
                assert colors.contrast(color, colors.ink(color)) >= colors.AA, color
                assert colors.contrast(colors.readable(color, "#ffffff", "#000000"), "#ffffff") >= colors.AA
                assert colors.contrast(colors.readable(color, colors.DARK, "#ffffff"), colors.DARK) >= colors.AA


def test_the_style_sheet_has_what_was_chosen_and_what_follows() -> None:
    made = colors.style({"primary": "#ffd800", "accent": "#0a5fb4"})
    assert "--md-primary-fg-color:#ffd800" in made
    assert "--md-primary-bg-color:#000000" in made  # white could not be read on yellow
    dark = re.search(r'slate"\]\{.*?typeset-a-color:(#\w{6})', made)
    assert dark is not None
    assert colors.contrast(dark[1], colors.DARK) >= colors.AA > colors.contrast("#0a5fb4", colors.DARK)
    assert colors.style({}) == ""
    assert ":root" not in colors.style({"accent": "#0a5fb4"})


def test_faint_links_are_warned_of_with_the_ratio(tmp_path: Path) -> None:
    (warning,) = branded(tmp_path, site={"colors": {"accent": "#ffd800"}}).warnings
    assert warning.where.endswith("v1.yaml:14:5")
    assert "contrast of 1.39 : 1" in warning.message
    near = re.match("#[0-9a-f]{6}", warning.hint)
    assert near is not None
    assert branded(tmp_path, site={"colors": {"accent": near[0]}}).warnings == ()


@pytest.mark.parametrize("color", ["red", "#fff", "#17324d;}body{display:none", "17324d"])
def test_what_is_no_colour_is_refused(color: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="must be a colour such as #17324d"):
        branded(tmp_path, site={"colors": {"primary": color}})


# Pictures


def test_pictures_are_told_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.svg").write_text(SVG.format('<style>path { fill: url(#g) }</style><path id="g" d="M0 0"/>'))
    (tmp_path / "a.ico").write_bytes(b"\x00\x00\x01\x00more")
    for logo, favicon in (("a.png", "a.svg"), ("a.svg", "a.ico")):
        found = branded(tmp_path, site={"logo": logo, "favicon": favicon})
        assert found.problems == ()
        assert found.pictures == {"logo": tmp_path / logo, "favicon": tmp_path / favicon}


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<script>alert(1)</script>", r"<script> in it.*line 3"),
        ('<path onload="alert(1)"/>', "onload= in it, which is a script"),
        ('<a href="javascript:alert(1)"/>', "leads elsewhere: href='javascript:alert"),
        ('<image href="https://others.example/x.png"/>', "leads elsewhere"),
        ('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="//x.example/a.svg#b"/>', "leads elsewhere"),
        ("<style>@import 'https://x.example/a.css';</style>", "style that leads elsewhere"),
        ('<path style="fill: url(https://x.example/a)"/>', "style that leads elsewhere"),
        ("<foreignObject/>", "<foreignobject>"),
        ("<path>", r"is no SVG: mismatched tag \(line 4\)"),
    ],
)
def test_an_svg_may_draw_but_not_act(inside: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text(SVG.format(inside))
    (problem,) = branded(tmp_path, site={"logo": "a.svg"}).problems
    assert re.search(said, problem.message), problem.message
    assert problem.where.endswith("v1.yaml:13:3")


def test_other_files_are_no_pictures(tmp_path: Path) -> None:
    def why(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return pictures.trouble(tmp_path / name, pictures.LOGOS)

    assert "its first bytes are others" in why("a.png", b"<svg/>")
    assert "is no SVG or PNG by its name" in why("a.gif", b"GIF89a")
    assert "without xmlns" in why("b.svg", b"<svg/>")
    assert "DOCTYPE" in why("c.svg", b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>')
    assert "make a quick page" in why("d.png", PNG + bytes(pictures.MOST_BYTES))
    assert "No such file" in pictures.trouble(tmp_path / "none.svg", pictures.LOGOS)


# Templates


@pytest.fixture
def own(tmp_path: Path) -> Path:
    made = tmp_path / "ours"
    (made / "site").mkdir(parents=True)
    return made


def shown(own: Path) -> str:
    with templates.using(own):
        return pages(a_book(), None, None)["index.md"][0]


def test_a_template_takes_the_place_of_publishers_own(own: Path) -> None:
    before = pages(a_book(), None, None)
    (own / "site/index.md.jinja").write_text("# Ours: {{ dataset.title | text }}\n")
    assert shown(own).endswith("---\n\n# Ours: Hemibrain DA1 projection neurons\n")
    assert pages(a_book(), None, None) == before
    with templates.using(own):
        assert {**pages(a_book(), None, None), "index.md": before["index.md"]} == before
    with templates.using(None):
        assert pages(a_book(), None, None) == before


def test_a_template_extends_publishers_own(own: Path) -> None:
    (own / "site/index.md.jinja").write_text(
        '{% extends "publisher/site/index.md.jinja" %}\n'
        "{% block before %}Before {{ m.chip(release) }}.\n\n{% endblock %}\n"
        "{% block after %}After {{ record.release | text }}.\n{% endblock %}\n"
    )
    plain = pages(a_book(), None, None)["index.md"][0]
    head, _, body = plain.partition("---\n\n# ")
    made = shown(own)
    assert made.startswith(f'{head}---\n\nBefore <span class="pub-chip">v0&#46;9</span>.\n\n# ')
    assert made.endswith(f"{body.rstrip()}\n\nAfter v0&#46;9.\n")


@pytest.mark.parametrize("name", ["index", "explore", "download", "files", "cite"])
def test_every_page_has_room_before_and_after(name: str, own: Path) -> None:
    (own / f"site/{name}.md.jinja").write_text(
        f'{{% extends "publisher/site/{name}.md.jinja" %}}{{% block before %}}B!{{% endblock %}}'
        "{% block after %}A!{% endblock %}"
    )
    with templates.using(own):
        text = pages(a_book(), None, None)[f"{name}.md"][0]
    assert re.search(r"---\n\nB!# ", text)
    assert text.endswith("A!\n")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("# A\n\n{{ nothing | text }}\n", 3, "'nothing' is undefined"),
        ("# A\n{% if %}\n{% endif %}\n", 2, "Expected an expression"),
        ("# A\n{{ dataset.title | loud }}\n", 2, "No filter named 'loud'"),
        ("# A\n{{ 1 / 0 }}\n", 2, "ZeroDivisionError"),
        ('\n{% include "site/indx.md.jinja" %}\n', 2, "did you mean 'site/index.md.jinja'"),
        ("# A\n{{ m.chip(release) }}\n", 2, "'m' is undefined"),
        ("{% for each in book.views %}\n{{ each.described.titel | text }}\n{% endfor %}\n", 2, "titel"),
    ],
)
def test_a_fault_in_a_template_is_told_with_its_line(text: str, line: int, said: str, own: Path) -> None:
    path = own / "site/index.md.jinja"
    path.write_text(text)
    with pytest.raises(InvalidInput) as raised:
        shown(own)
    (problem,) = raised.value.problems
    assert problem.where == f"{path}:{line}"
    assert said in problem.message


def test_a_fault_in_what_a_template_includes_is_told_there(own: Path) -> None:
    (own / "site/_more.jinja").write_text("\n\n{{ nothing }}\n")
    (own / "site/index.md.jinja").write_text('# A\n{% include "site/_more.jinja" %}\n')
    with pytest.raises(InvalidInput) as raised:
        shown(own)
    assert raised.value.problems[0].where == f"{own}/site/_more.jinja:3"


def test_what_is_wrong_with_a_folder_is_told_at_once_and_before_anything_is_built(own: Path, tmp_path: Path) -> None:
    (own / "site/index.md.jinja").write_text("{% if %}")
    (own / "site/cite.md.jinja").write_text("# Cite\n{{ 'a }}\n")
    (own / "site/indx.md.jinja").write_text("# Home")
    (own / "site/_part.jinja").write_text("a part")
    (own / "notes.txt").write_text("about these")
    found = branded(tmp_path, templates="ours")
    assert [problem.where for problem in found.problems] == [
        f"{own}/site/cite.md.jinja:2",
        f"{own}/site/index.md.jinja:1",
    ]
    notes, near = found.warnings
    assert near.message.endswith("did you mean 'site/index.md.jinja'?")
    assert (notes.where, "begin its own with _" in notes.hint) == (f"{own}/notes.txt", True)
    (missing,) = branded(tmp_path, templates="theirs").problems
    assert (missing.where.rpartition("/")[2], missing.message) == ("v1.yaml:12:1", "there is no folder theirs")


def test_every_template_of_a_page_can_be_replaced() -> None:
    names = templates.known()
    assert {"site/index.md.jinja", "site/kinds/table.md.jinja", "examples/table-pandas.py.jinja"} <= {*names}
    assert not [name for name in names if not (folder("templates") / name).is_file() or name.startswith("ci/")]
