"""How the browser tests start Chromium, and when a scene counts as loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from publisher.render import chromium

FLAGS = [*chromium.FLAGS]

# Returns "" once every expected layer is there, every source loaded, and nothing on its way or failed on two polls in a
# row; otherwise what is the matter: at once where a source has an error, else when the seconds are over.
LAYERS_READY = """async ([names, seconds]) => {
  const poll = async () => {
    const layers = window.viewer?.layerManager.managedLayers;
    if (JSON.stringify(layers?.map(each => each.name)) !== JSON.stringify(names)) return "layers are not there";
    for (const each of layers) for (const source of each.layer?.dataSources ?? [undefined]) {
      if (source?.loadState?.error) return `error in ${each.name}: ${source.loadState.error}`;
      if (!source?.loadState) return `loading ${each.name}`;
    }
    if (!viewer.isReady()) return "not ready";
    const rows = [...(await viewer.chunkQueueManager.getStatistics()).values()];
    const visible = state => rows.reduce((sum, row) => sum + row[state * 9], 0);
    if ([3, 4, 5].some(state => visible(state))) return "chunks on their way";
    if (visible(6)) return "chunks failed";
    return rows.length && visible(0) ? "" : "nothing drawn yet";
  };
  let said = "", good = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    said = await poll();
    good = said === "" ? good + 1 : 0;
    if (good === 2 || said.startsWith("error")) return said;
    await new Promise(done => setTimeout(done, 100));
  }
  return said || "timed out";
}"""

GONE = "layers are not there"
_TIMES = 3


def load(page: Any, url: str, names: Iterable[str], seconds: float = 60) -> str:
    """Open a scene; return what is the matter, "" where it is loaded.

    Where a busy machine takes longer than 400 ms to restore a state, the client writes its address in the middle of it,
    stumbles over the layer that is not ready, and drops it. So a scene whose layers are not there is opened again.
    """
    said = GONE
    for _ in range(_TIMES):
        page.goto("about:blank")  # a new hash alone would keep the viewer, and its caches
        page.goto(url)
        said = page.evaluate(LAYERS_READY, [list(names), seconds / _TIMES])
        if said != GONE:
            break
    return str(said)
