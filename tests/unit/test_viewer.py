"""The wheel's client as static files: what is in it, and what its page gets before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from publisher import viewer


def content(name: str) -> bytes:
    found = viewer.file(name)
    assert found is not None
    data = found[0]
    return data.read_bytes() if isinstance(data, Path) else data


def test_the_prefix_has_the_token_that_the_client_looks_for() -> None:
    root, folder, version = viewer.prefix().split("/")
    assert (root, folder) == ("viewer", "v")
    assert version[0].isdigit()


def test_every_file_has_the_type_that_browsers_insist_on() -> None:
    types = {".js": "text/javascript; charset=utf-8", ".wasm": "application/wasm", ".css": "text/css; charset=utf-8"}
    seen = set()
    for name in viewer.names():
        found = viewer.file(name)
        assert found is not None
        assert content(name)
        suffix = Path(name).suffix
        if suffix in types:
            seen.add(suffix)
            assert found[1] == types[suffix]
    assert seen == set(types)
    assert viewer.file("index.html") == (content("index.html"), "text/html; charset=utf-8")


def test_its_licence_travels_with_it_and_its_source_maps_do_not() -> None:
    assert b"Apache License" in content("LICENSE")
    assert not [name for name in viewer.names() if name.endswith(".map")]
    assert sum(len(content(name)) for name in viewer.names()) < 8_000_000


@pytest.mark.parametrize("path", ["", "missing.js", "main.js.map", "../__init__.py", "/etc/passwd", "./index.html"])
def test_nothing_else_is_a_file_of_the_client(path: str) -> None:
    assert viewer.file(path) is None


def test_the_page_names_only_files_that_are_there() -> None:
    page = content("index.html").decode()
    sources = [part.partition('"')[0] for part in page.split(' src="')[1:]]
    assert sources
    assert set(sources) < set(viewer.names())


def test_the_boot_script_stands_before_the_first_script_of_the_client() -> None:
    page = viewer.boot('<html><head><script defer src="a.js"></script><script defer src="b.js"></script></head></html>')
    assert page.index("window.EventSource") < page.index("a.js")
    assert page.count("window.EventSource") == 1
    assert page.startswith('<html><head><link rel="icon" href="data:,"><script>')
    assert page.endswith('</script><script defer src="a.js"></script><script defer src="b.js"></script></head></html>')


def test_a_client_that_starts_differently_is_refused() -> None:
    with pytest.raises(LookupError, match=r"index\.html"):
        viewer.boot("<html><script type=module></script></html>")


def test_links() -> None:
    home = f"https://host/bucket/{viewer.prefix()}/index.html?scene="
    for base in ("https://host/bucket", "https://host/bucket/"):
        assert viewer.link(base, "https://host/bucket/v0.9/a.json") == f"{home}../../../v0.9/a.json"
    assert viewer.link("https://host/bucket", "https://other/a+b c&d.json") == f"{home}https://other/a%2Bb%20c%26d.json"


def test_neither_numpy_nor_neuroglancer_is_imported() -> None:
    code = (
        "import sys; from publisher import viewer; viewer.names(); print({'numpy', 'neuroglancer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
