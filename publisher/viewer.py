"""The static Neuroglancer client that the `neuroglancer` wheel carries, made to work on any host and offline.

The wheel's client is the build for Python. Hosting it as plain files takes three things, which `index.html` gets here:
a path with `/v/<token>/` in it (`prefix`), an event source that never reports a lost connection, and a hash at load.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from publisher import work

INDEX = "index.html"
LICENSE = "LICENSE"

# Browsers refuse scripts and WebAssembly that come as anything else.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
}
_TEXT = "text/plain; charset=utf-8"
_BINARY = "application/octet-stream"

# Runs while the page is parsed, before the client's deferred scripts: hence the synchronous request. A hash that holds
# a state wins over `?scene=`, because the client keeps it up to date: a reload shows what the user had before. The empty
# icon keeps browsers from asking the host for one. While the client starts, its clock stands still within a task: where
# restoring a scene takes longer than the 400 ms in which it writes its address anew, it asks annotation layers for a state
# that they do not have yet, and drops the layer that it was restoring.
_BOOT = """<link rel="icon" href="data:,"><script>
((clock) => {
  let now;
  Date.now = () => {
    if (now === undefined) { now = clock(); setTimeout(() => { now = undefined; }); }
    return now;
  };
  addEventListener("load", () => setTimeout(() => { Date.now = clock; }, 5000));
})(Date.now);
window.EventSource = class extends EventTarget {
  constructor() { super(); setTimeout(() => this.onopen?.(new Event("open"))); }
  close() {}
};
(() => {
  if (location.hash.length > 2) return;
  const asked = new URLSearchParams(location.search);
  const scene = asked.get("scene"), from = asked.get("from"), root = asked.get("root") || "../../..";
  let state = "{}";
  try {
    if (scene) {
      const url = new URL(scene, location.href);
      const request = new XMLHttpRequest();
      request.open("GET", url, false);
      request.send();
      if (request.status !== 200) throw new Error(`HTTP ${request.status}`);
      const base = new URL(".", url).href.slice(0, -1);
      const here = new URL(root + "/", location.href).href.slice(0, -1);
      const text = request.responseText.replaceAll("@BASE@", () => base).replaceAll(from || here, () => here);
      JSON.parse(text);
      state = text;
    }
  } catch (error) {
    const note = document.createElement("p");
    note.id = "scene-error";
    note.style = "position:fixed;z-index:99;inset:auto 0 0;margin:0;padding:1em;background:#b00;color:#fff;font:1em sans-serif";
    note.textContent = `The scene ${scene} cannot be read (${error.message})`;
    addEventListener("DOMContentLoaded", () => document.body.append(note));
  }
  history.replaceState(null, "", "#!" + encodeURIComponent(state));
})();
</script>"""
_BEFORE = "<script defer"


@cache
def prefix() -> str:
    """Return the key prefix that the client's files belong under, such as `viewer/v/2.41.2`."""
    return f"viewer/v/{metadata.version('neuroglancer')}"


def key(version: str) -> str:
    """Return the key prefix of the client that a release carries itself: beside its objects, and as immutable as they are."""
    return f"{version}/{prefix()}"


def lay_down(folder: Path) -> None:
    """Write the client's files to a folder; those that are there already stay as they are."""
    for name in names():
        found = file(name)
        assert found is not None
        work.write_file(folder / name, found[0].read_bytes() if isinstance(found[0], Path) else found[0])


def role(relative: str) -> str:
    """Return the role of a file of the client in the storage rules: names say it, except the licence's."""
    return "licence" if relative == LICENSE else ""


def link(base_url: str, scene_url: str, public_url: str = "", at: str = "") -> str:
    """Return the address that opens a scene in the client hosted under `base_url`, at the key prefix `at`.

    A scene below the same address is named relative to the client, so that both can move together; addresses in it that
    begin with `public_url` are then read below the client's own host, so that a preview works on any port. `index.html` is
    spelled out because buckets have no index documents.
    """
    base, at = base_url.rstrip("/") + "/", at or prefix()
    root = "/".join([".."] * (at.count("/") + 1))
    if scene_url.startswith(base):
        scene_url = f"{root}/{scene_url.removeprefix(base)}"
    moved = f"&from={quote(public_url, safe='/:')}" if public_url else ""
    deeper = f"&root={root}" if public_url and at != prefix() else ""
    return f"{base}{quote(at)}/{INDEX}?scene={quote(scene_url, safe='/:')}{moved}{deeper}"


def names() -> tuple[str, ...]:
    """Return the path of every file of the client, relative to `prefix`, its licence included."""
    return tuple(sorted(_files()))


def file(path: str) -> tuple[bytes | Path, str] | None:
    """Return a file of the client by its path relative to `prefix`, and its Content-Type; None when there is none."""
    if path == INDEX:
        return _index(), _TYPES[".html"]
    found = _files().get(path)
    if found is None:
        return None
    return found, _TEXT if path == LICENSE else _TYPES.get(found.suffix, _BINARY)


@cache
def _client() -> Path:
    # Found, not imported: importing neuroglancer takes half a second and numpy.
    spec = find_spec("neuroglancer")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "static", "client")


@cache
def _files() -> dict[str, Path]:
    """Map each path to the wheel's file. Source maps are two thirds of the bytes, and only for its developers."""
    client = _client()
    found = {
        path.relative_to(client).as_posix(): path
        for path in client.rglob("*")
        if path.is_file() and path.suffix != ".map"
    }
    terms = next(path for path in metadata.files("neuroglancer") or () if path.name == LICENSE)
    return {**found, LICENSE: Path(str(terms.locate()))}


@cache
def _index() -> bytes:
    return boot((_client() / INDEX).read_text(encoding="utf-8")).encode()


def boot(html: str) -> str:
    """Put the script that makes the client static before its first own script."""
    if _BEFORE not in html:
        raise LookupError(f"the Neuroglancer client's {INDEX} has no {_BEFORE!r} to start before")
    return html.replace(_BEFORE, _BOOT + _BEFORE, 1)
