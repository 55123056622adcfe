"""What the render check makes of what it saw: values in, findings out. The browser is in tests/browser/test_render.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from publisher import finish
from publisher.errors import InvalidInput
from publisher.render import chromium
from publisher.render.seen import Layer, Mark, Source, look
from publisher.render.state import dropped
from publisher.render.traffic import Answer, Traffic, place_of
from tests.browser.stage import record


def layer(name: str = "EM", **more: Any) -> Layer:
    fields = {"type": "image", "visible": True, "archived": False, "ready": True, "segments": None}
    source = Source("precomputed://http://x/em", loaded=True, error="", bounds={}, kinds=("volume",))
    fields |= {"sources": (source,), "shader_errors": (), "controls": (), "messages": ()}
    return Layer(name, **(fields | more))


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("precomputed://gs://bucket/a/b", "bucket/a/b"),
        ("gs://bucket/a/b/|neuroglancer-precomputed:", "bucket/a/b"),
        ("n5://https://host/a%20b/", "host/a b"),
        ("https://host/a", "host/a"),
        ("https://bucket.s3.amazonaws.com/a/info", "bucket/a/info"),
        ("https://storage.googleapis.com/storage/v1/b/bucket/o/a%2Fb%2Finfo?alt=media", "bucket/a/b/info?alt=media"),
    ],
)
def test_where_a_source_lies(url: str, place: str) -> None:
    assert place_of(url) == place


def test_newer_answers_come_first_and_others_are_left_out() -> None:
    traffic = Traffic()
    for name in ("em/1", "seg/1", "em/2"):
        traffic.answers.append(Answer(f"http://x/{name}", 200, "", ranged=False))
    assert [each.url for each in traffic.below("x/em")] == ["http://x/em/2", "http://x/em/1"]


def test_fields_at_their_default_are_not_dropped() -> None:
    kept = {"showAxisLines": None, "layers": [{"name": "EM", "type": "image", "opacity": None}]}
    given = {"showAxisLines": True, "layers": [{"name": "EM", "type": "image", "opacity": 0.5, "visible": True}]}
    assert list(dropped(given, kept, [layer()])) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"showAxisLine": True}, ("", "showAxisLine")),
        ({"layers": [{"name": "EM", "opacty": 1}]}, ("EM", "opacty")),
        ({"layers": [{"name": "EM", "shaderControls": {"low": 1}}]}, ("EM", "shaderControls.low")),
        ({"layout": {"type": "row", "children": [{"typ": "viewer"}]}}, ("", "layout.children[0].typ")),
    ],
)
def test_fields_that_the_viewer_does_not_know_are_dropped(given: dict[str, Any], found: tuple[str, str]) -> None:
    kept = {
        "showAxisLines": None,
        "layers": [{"name": "EM", "shaderControls": None}],
        "layout": {"type": "row", "children": [{"type": "viewer"}]},
    }
    assert list(dropped(given, kept, [layer()])) == [found]


def test_segments_of_a_linked_layer_are_kept_by_the_other() -> None:
    given = {"layers": [{"name": "EM", "linkedSegmentationGroup": "other", "segments": ["1"]}]}
    assert list(dropped(given, {"layers": [{"name": "EM", "linkedSegmentationGroup": "other"}]}, [layer()])) == []


def test_a_layer_without_sources_is_never_loaded() -> None:
    """The viewer calls it ready."""
    assert layer().settled
    assert not layer(sources=()).settled
    assert layer(sources=(), archived=True).settled


def test_loaded_means_that_nothing_is_on_its_way_and_nothing_failed() -> None:
    given = {"layers": [], "drawn": True, "shown": 3, "coming": 0, "failed": 0}
    assert look(given).loaded
    assert not look(given | {"coming": 1}).loaded
    assert not look(given | {"failed": 1}).loaded
    assert not look(given | {"drawn": False}).loaded


def test_how_much_of_one_box_another_covers() -> None:
    small, large = Mark(4, 1, (10, 10, 19, 19)), Mark(9, 1, (15, 0, 99, 99))
    assert small.shared(large) == pytest.approx(0.5)
    assert small.shared(Mark(1, 1, (50, 50, 60, 60))) == 0
    assert small.shared(Mark()) == 0
    assert (small.reach, Mark().reach) == (10, 0)


@pytest.fixture
def without_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))


@pytest.mark.usefixtures("without_a_browser")
def test_without_a_browser_a_note_says_how_to_get_one(tmp_path: Path) -> None:
    assert "chromium" in chromium.lacking()
    result = finish.rendered(record(["main"]), "http://x", tmp_path, wanted=None)
    assert [(each.check, each.severity) for each in result.findings] == [("render", "note")]
    assert "playwright install chromium" in result.findings[0].message


@pytest.mark.usefixtures("without_a_browser")
def test_who_wants_it_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--no-render"):
        finish.rendered(record(["main"]), "http://x", tmp_path, wanted=True)


def test_what_only_its_owner_may_read_is_not_opened(tmp_path: Path) -> None:
    result = finish.rendered(record(["main"]), "http://x", tmp_path, wanted=True, readable=False)
    assert result.scenes == ()
    assert [each.severity for each in result.findings] == ["note"]


def test_without_scenes_there_is_nothing_to_open(tmp_path: Path) -> None:
    assert finish.rendered(record([]), "http://x", tmp_path, wanted=True) == ((), ())
