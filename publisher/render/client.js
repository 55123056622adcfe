// Runs in a page with the real Neuroglancer, and tells what the viewer shows. Chunk states and tiers are the viewer's own
// numbers (chunk_manager/base.ts): a row of its statistics has three figures for each state and tier, the count first.
(() => {
  const [ON_SCREEN, DOWNLOADING, QUEUED, NEW, FAILED] = [0, 3, 4, 5, 6];
  const SEVERE = 2;
  // Panels beside the data, which a picture goes without.
  const PANELS = ["selectedLayer", "helpPanel", "settingsPanel", "selection", "layerListPanel", "statistics"];
  let empty = null; // the picture without any layer

  const plain = (value) => JSON.parse(JSON.stringify(value ?? null));
  const layers = () => viewer.layerManager.managedLayers;
  const words = (error) => String(error?.message ?? error).replaceAll("\u0000", "").trim();

  function shaderErrors(layer) {
    const holders = [layer, layer.annotationDisplayState, layer.displayState, layer.displayState?.skeletonRenderingOptions];
    const found = [];
    for (const holder of holders) {
      if (holder?.shaderError?.value) found.push(words(holder.shaderError.value));
      for (const error of (holder?.shaderControlState ?? holder?.shaderControls)?.parseErrors?.value ?? [])
        found.push(`line ${(error.line ?? 0) + 1}: ${error.message}`);
    }
    return [...new Set(found)];
  }

  function controlNames(layer) {
    const holders = [layer, layer.annotationDisplayState, layer.displayState?.skeletonRenderingOptions];
    const states = holders.flatMap((holder) => [holder?.shaderControlState, holder?.shaderControls]);  // annotations have the latter
    return states.flatMap((state) => [...(state?.controls?.value?.keys() ?? [])]);
  }

  // Along each axis of the viewer, from where to where a source says that it reaches, in metres (or the axis' own unit).
  function bounds(loaded) {
    const space = loaded.transform?.value?.outputSpace;
    if (!space) return {};
    const span = (axis) => [space.bounds.lowerBounds[axis], space.bounds.upperBounds[axis]].map((at) => at * space.scales[axis]);
    const known = space.names.map((name, axis) => [name, span(axis)]).filter(([, ends]) => ends.every(Number.isFinite));
    return Object.fromEntries(known);
  }

  // What a data source shows, in parts: the meshes and skeletons that a volume links to are things of their own.
  function parts(one) {
    const usual = (one.loadState?.subsources ?? []).filter((each) => each.usual ?? each.enabled);
    const apart = usual.filter((each) => "mesh" in each.subsourceEntry.subsource);
    const rest = usual.filter((each) => !apart.includes(each));
    return rest.length || !apart.length ? [rest, ...apart.map((each) => [each])] : apart.map((each) => [each]);
  }

  const given = (layer) => (layer?.dataSources ?? []).filter((one) => one.spec?.url);

  function sources(one) {
    const state = one.loadState;
    const failed = state?.error !== undefined;
    return parts(one).map((part, at) => ({
      url: one.spec.url,
      part: at ? part[0].subsourceEntry.id : "",
      loaded: state !== undefined,
      error: failed ? words(state.error) : "",
      bounds: state === undefined || failed ? {} : bounds(state),
      kinds: part.flatMap((each) => Object.keys(each.subsourceEntry.subsource)),
    }));
  }

  function described(managed) {
    const layer = managed.layer;
    return {
      name: managed.name,
      type: layer?.type ?? "",
      visible: managed.visible,
      archived: managed.archived,
      ready: layer?.isReady ?? false,
      segments: layer?.displayState?.segmentationGroupState?.value?.visibleSegments?.size ?? null,
      sources: given(layer).flatMap(sources),
      shaderErrors: layer ? shaderErrors(layer) : [],
      controls: layer ? controlNames(layer) : [],
      messages: [...(layer?.messages ?? [])].filter((each) => each.severity === SEVERE).map((each) => each.message),
    };
  }

  async function chunks() {
    const rows = [...(await viewer.chunkQueueManager.getStatistics()).values()];
    const wanted = (state) => rows.reduce((sum, row) => sum + row[state * 9], 0);
    return {
      shown: wanted(ON_SCREEN),
      coming: wanted(DOWNLOADING) + wanted(QUEUED) + wanted(NEW),
      failed: wanted(FAILED),
    };
  }

  // What is to be shown is asked for while drawing: until a frame is over, nothing is on its way. The viewer draws by
  // itself where something has changed; a draw at each look would only pile up work where no graphics card does it.
  async function look() {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    viewer.chunkQueueManager.flushPendingChunkUpdates();
    const statistics = await chunks();
    return plain({ layers: layers().map(described), drawn: viewer.display.isReady(), ...statistics });
  }

  function status() {
    const shown = [...document.querySelectorAll("#statusContainer li, #neuroglancer-status-container li")];
    const texts = shown.map((each) => each.innerText.trim());
    // The client is the build for Python, and has none to talk to.
    return [...new Set(texts.filter((text) => text && !text.includes("Python server")))];
  }

  // Returns what the viewer objects to. What it cannot restore of a layer, it says in its status bar only.
  function open(state) {
    try {
      viewer.state.reset();
      viewer.state.restoreState(state);
      return "";
    } catch (error) {
      return words(error);
    }
  }

  function tidy(keepAxes) {
    viewer.uiConfiguration.showUIControls.value = false;
    viewer.uiConfiguration.showPanelBorders.value = false;
    for (const name of PANELS) viewer.state.children.get(name)?.restoreState({ visible: false });
    viewer.state.children.get("toolPalettes")?.reset();
    if (!keepAxes) viewer.state.children.get("showAxisLines").restoreState(false);
  }

  function background(colors) {
    for (const [name, color] of Object.entries(colors)) viewer.state.children.get(name).restoreState(color);
  }

  // Shows the layers of these places alone; of one of them, only one source where that is said.
  function show(places, only = null) {
    layers().forEach((managed, place) => {
      if (!managed.archived) managed.setVisible(places.includes(place));
      if (only !== null && places.includes(place)) enable(managed.layer, (at) => at === only);
    });
  }

  function enable(layer, wanted) {
    given(layer).flatMap(parts).forEach((part, at) => {
      for (const each of part) {
        each.usual ??= each.enabled;
        each.enabled = wanted(at);
      }
    });
    layer.updateDataSubsourceActivations();
  }

  const enableAll = (place) => enable(layers()[place].layer, () => true);

  // The pixels are taken in the task that draws them: WebGL forgets its picture afterwards.
  function drawn() {
    viewer.display.draw();
    const { width, height } = viewer.display.canvas;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d", { willReadFrequently: true }).drawImage(viewer.display.canvas, 0, 0);
    return canvas;
  }

  function pixels(canvas) {
    const { width, height } = canvas;
    return new Uint32Array(canvas.getContext("2d").getImageData(0, 0, width, height).data.buffer);
  }

  async function encoded(canvas, type) {
    const blob = await canvas.convertToBlob({ type, quality: 0.9 });
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }

  // PNG is for keeping; WebP takes a quarter of that: pages show it, on phones too.
  const pictures = async (canvas) => ({ png: await encoded(canvas, "image/png"), webp: await encoded(canvas, "image/webp") });

  const remember = () => void (empty = pixels(drawn()));

  // Counts the pixels that are not as in the remembered picture, their colours, and the box that they fill.
  async function changed(photograph) {
    const canvas = drawn();
    const now = pixels(canvas);
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    const colors = new Set();
    let count = 0;
    for (let at = 0; at < now.length; at++) {
      if (now[at] === empty[at]) continue;
      const [x, y] = [at % canvas.width, Math.floor(at / canvas.width)];
      count++;
      if (colors.size < 256) colors.add(now[at]);
      [box[0], box[1]] = [Math.min(box[0], x), Math.min(box[1], y)];
      [box[2], box[3]] = [Math.max(box[2], x), Math.max(box[3], y)];
    }
    const kept = photograph ? await pictures(canvas) : null;
    return { pixels: count, colors: colors.size, box: count ? box : null, pictures: kept };
  }

  const photograph = () => pictures(drawn());

  const cuts = () => [...viewer.display.panels].some((panel) => panel.visible && panel.sliceView !== undefined);
  const place = () => plain([viewer.position.value && [...viewer.position.value], [...viewer.coordinateSpace.value.scales]]);
  // Fields at their default are undefined: their names are kept, because those tell which fields the viewer knows.
  const state = () => JSON.parse(JSON.stringify(viewer.state.toJSON(), (_, value) => (value === undefined ? null : value)));

  window.watch = { open, look, status, tidy, background, show, enableAll, remember, changed, photograph, cuts, place, state };
})();
