"""`verify` finds what was done to a live release behind publisher's back."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher import serve
from tests.e2e.conftest import Release, copy_of_example, publisher

FOUND = 8
CHUNK = "v0.9/segmentation/1024_1024_1024"


def chunk(target: Path) -> Path:
    return min((target / CHUNK).glob("*.gz"))


def delete(target: Path) -> str:
    path = target / "v0.9/rois/obj/lh.obj"
    path.unlink()
    return "v0.9/rois/obj/lh.obj"


def edit_same_size(target: Path) -> str:
    path = target / "v0.9/rois/obj/lh.obj"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    return "v0.9/rois/obj/lh.obj"


def lose_encoding(target: Path) -> str:
    path = chunk(target)
    plain = path.with_suffix("")
    path.rename(plain)
    return str(plain.relative_to(target))


def gzip_again(target: Path) -> str:
    path = chunk(target)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return str(path.with_suffix("").relative_to(target))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (delete, "404"),
        (edit_same_size, "digest"),
        (lose_encoding, "content-encoding"),
        (gzip_again, "gzip"),
    ],
)
def test_finds(make_release: Callable[..., Release], break_it: Callable[[Path], str], words: str) -> None:
    release = make_release()
    good = publisher("verify", release.manifest, "--target", release.target, "--json")
    assert (good.code, good.json["findings"]) == (0, [])
    key = break_it(release.target)
    bad = publisher("verify", release.manifest, "--target", release.target, "--depth", "full", "--json")
    assert bad.code == FOUND
    errors = [finding for finding in bad.json["findings"] if finding["severity"] == "error"]
    assert [finding["key"] for finding in errors] == [key]
    assert words in str(errors[0]).lower()


@pytest.mark.parametrize("spelling", ["", "/v0.9", "/v0.9/", "/v0.9/.release/release.json", "/releases.json"])
def test_works_from_an_address_alone(published: Release, served: str, spelling: str) -> None:
    result = publisher("verify", f"{served}{spelling}", "--json", "--depth", "quick")
    assert result.code == 0, result.err
    assert result.json["objects"] == published.result.json["objects"]


def test_finds_cors_switched_off(published: Release) -> None:
    with serve.running(published.target, cors=False) as base:
        result = publisher("verify", base, "--json", "--depth", "quick")
    assert result.code == FOUND
    assert {finding["check"] for finding in result.json["findings"]} == {"cors"}


def test_nobody_there() -> None:
    result = publisher("verify", "http://127.0.0.1:9", "--json")
    assert result.code == 7
    assert "127.0.0.1:9" in result.err


def test_finds_what_is_no_object(make_release: Callable[..., Release]) -> None:
    release = make_release()
    stray = release.target / CHUNK / "0-64_0-64_0-64"
    stray.write_bytes(b"not a chunk")
    result = publisher("verify", release.manifest, "--target", release.target, "--json", "--depth", "quick")
    assert result.code == FOUND
    assert [(f["check"], f["key"]) for f in result.json["findings"]] == [("extra", f"{CHUNK}/0-64_0-64_0-64")]


def test_a_damaged_record_is_found(make_release: Callable[..., Release]) -> None:
    release = make_release()
    (release.target / "v0.9/.release/release.json").write_text("{}")
    result = publisher("verify", release.manifest, "--target", release.target)
    assert result.code == FOUND
    assert "restore it" in result.err


def test_a_private_release_is_verified_by_its_owner(inputs: Path, tmp_path: Path) -> None:
    manifest = copy_of_example(inputs, tmp_path / "release")
    private = 'local: {url: ../public, access: private, public_url: "http://127.0.0.1:8000"}'
    text = manifest.read_text()
    manifest.write_text(text.replace('local: {url: ../public, public_url: "http://127.0.0.1:8000"}', private))
    result = publisher("release", manifest, "--json", "--until", "verify")
    assert result.code == 0, result.err
    assert [finding["check"] for finding in result.json["findings"]] == ["anonymous"]
    with serve.running(tmp_path / "public") as base:
        assert publisher("verify", base).code == 7  # strangers are refused
