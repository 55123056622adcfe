// What pages do beyond showing text. Everything here is an addition: without scripts, pages say the same, and what would
// do nothing (`hidden` in the page) stays hidden. No framework, no inline scripts, nothing asked of other hosts.

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- Tabs ---------------------------------------------------------------------------------------------------------
// Tabs hide what they do not show. A link to a tab, or to a section in one, opens that tab and those around it, also when
// a page is opened with such a link; and the table of contents names only sections that are to be seen.

function choose(block) {
  const inputs = all(":scope > input", block.closest(".tabbed-set"));
  inputs[[...block.parentElement.children].indexOf(block)].checked = true;
}

function reveal() {
  let name = location.hash.slice(1);
  try {
    name = decodeURIComponent(name);
  } catch {
    return; // not an address that any page has
  }
  const target = name && document.getElementById(name);
  if (!target) return;
  if (target.matches(".tabbed-set > input")) target.checked = true;
  for (let block = target.closest(".tabbed-block"); block; block = block.parentElement.closest(".tabbed-block")) {
    choose(block);
  }
  shorten();
  // A tab's own input is invisible and has no place of its own: its row of tabs is what is to be seen.
  (target.matches("input") ? target.closest(".tabbed-set") : target).scrollIntoView();
}

function shorten() {
  const list = one(".md-sidebar--secondary .md-nav__list");
  if (!list || !one(".tabbed-set h2")) return;
  for (const item of list.children) {
    const target = document.getElementById(decodeURIComponent(one("a", item).hash.slice(1)));
    item.hidden = !target?.checkVisibility();
  }
  list.closest("nav").hidden = [...list.children].every((item) => item.hidden);
}

// --- Copying ------------------------------------------------------------------------------------------------------

let told; // where readers of a screen hear what happened

function say(words) {
  told.textContent = ""; // the same words again are news, too
  setTimeout(() => (told.textContent = words), 50);
}

async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard for pages over plain http: the old way still works there.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

async function copy(button) {
  const source = button.dataset.copy ?? button.copied();
  const done = await put(source);
  button.focus();
  const words = button.textContent;
  if (button.classList.contains("pub-copy--done")) return;
  button.classList.toggle("pub-copy--done", done);
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  say(done ? `Copied ${source.length < 200 ? source : `${source.split("\n").length} lines`}` : "Copying is not allowed here");
  setTimeout(() => {
    button.textContent = words;
    button.classList.remove("pub-copy--done");
  }, 1600);
}

function copier(name, copied) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "pub-copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${name}`);
  button.copied = copied;
  return button;
}

function offerCopies() {
  // Instead of the theme's own buttons, which have no words, tell nobody that it worked, and are landmarks without names.
  for (const block of all(".highlight")) {
    const code = one("code", block);
    const name = one(".filename", block)?.textContent ?? "this code";
    if (code) block.append(copier(name, () => code.textContent.replace(/\n$/, "")));
  }
  for (const place of all(".pub-copyable")) {
    const text = one("code", place).textContent;
    place.append(copier(text, () => text));
  }
  for (const button of all(".pub-copy[data-copy]")) {
    button.hidden = false;
    button.setAttribute("aria-label", `Copy ${button.dataset.copy}`);
  }
}

// --- The download picker ------------------------------------------------------------------------------------------
// All commands are on the page already, some lines for each artifact: picking hides the lines of what is not ticked.

const whole = (number) => number.toLocaleString("en-US");

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  for (; bytes >= 999.5 && unit < units.length - 1; unit++) bytes /= 1000;
  if (!unit) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  return `${Number(bytes.toPrecision(3))} ${units[unit]}`;
}

function lasting(seconds) {
  if (seconds < 1) return "under a second";
  const steps = [["second", 1, 90], ["minute", 60, 90], ["hour", 3600, 48], ["day", 86400, Infinity]];
  const [word, unit] = steps.find(([, unit, most]) => seconds / unit < most);
  const number = Math.ceil(seconds / unit);
  return `${whole(number)} ${word}${number === 1 ? "" : "s"}`;
}

function dollars(amount) {
  return amount < 0.01 ? "less than $0.01" : amount.toLocaleString("en-US", { style: "currency", currency: "USD" });
}

function total(picker) {
  const boxes = all(".pub-picker__box", picker);
  const ticked = boxes.filter((box) => box.checked);
  const sum = (name) => ticked.reduce((so_far, box) => so_far + Number(box.dataset[name]), 0);
  const [objects, bytes] = [sum("objects"), sum("bytes")];
  for (const box of all(".pub-picker__all, .pub-picker__group-box", picker)) {
    const mine = box.matches(".pub-picker__all") ? boxes : all(".pub-picker__box", box.closest("tbody"));
    const on = mine.filter((other) => other.checked).length;
    box.checked = on === mine.length;
    box.indeterminate = on > 0 && on < mine.length;
  }
  one(".pub-picker__sum", picker).textContent =
    `${ticked.length} of ${boxes.length} artifacts: ${whole(objects)} ${objects === 1 ? "object" : "objects"}, ` +
    `${whole(bytes)} bytes${bytes >= 1000 ? ` (${size(bytes)})` : ""}`;
  for (const place of all("[data-mbits]", picker)) {
    place.textContent = lasting((bytes * 8) / (Number(place.dataset.mbits) * 1e6));
  }
  const cost = one(".pub-picker__cost", picker);
  if (cost) cost.textContent = dollars((bytes / 1e9) * cost.dataset.gb + (objects / 1000) * cost.dataset.reads);
  const names = new Set(ticked.map((box) => box.dataset.artifact));
  for (const tool of all(".pub-tool", picker)) {
    const lines = all("[data-of]", tool);
    for (const line of lines) line.hidden = !names.has(line.dataset.of);
    one(".pub-copy", tool).disabled = lines.every((line) => line.hidden);
  }
}

function startPicker(picker) {
  picker.addEventListener("change", ({ target }) => {
    const group = target.matches(".pub-picker__all") ? picker : target.matches(".pub-picker__group-box") && target.closest("tbody");
    if (group) for (const box of all(".pub-picker__box", group)) box.checked = target.checked;
    total(picker);
  });
  for (const tool of all(".pub-tool", picker)) {
    const code = one("code", tool);
    // Hidden lines are not to be copied, and neither are they in what a page is seen to say.
    const shown = () => [...code.childNodes].filter((node) => !node.hidden).map((node) => node.textContent).join("");
    one(".pub-tool__code", tool).append(copier(`the commands of ${one("summary", tool).textContent}`, shown));
  }
  one(".pub-picker__told", picker).hidden = false;
  total(picker); // browsers keep ticks over a reload
}

// --- The filter of the list of files ------------------------------------------------------------------------------

function startFilter(files) {
  const [field, count, rows] = [one(".pub-filter__words", files), one(".pub-filter__told", files), all("tbody tr", files)];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, index) => (row.hidden = !words.every((word) => texts[index].includes(word))));
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
  });
  one(".pub-filter", files).hidden = false;
}

// --- Scenes -------------------------------------------------------------------------------------------------------
// A scene is shown on the page itself only when somebody asks: until then, nothing of the viewer is loaded.

function pictureOf(button) {
  let at = button.closest("p");
  while (at && at.tagName !== "H2" && !one(".pub-picture", at)) at = at.previousElementSibling;
  return at && one(".pub-picture", at);
}

function embed(button) {
  const frame = document.createElement("iframe");
  frame.className = "pub-frame";
  frame.title = button.dataset.title;
  frame.allowFullscreen = true;
  frame.src = new URL(button.dataset.scene, location.href).href;
  const picture = pictureOf(button);
  if (picture) picture.closest("p").replaceWith(frame);
  else button.closest("p").after(frame);
  button.remove();
  frame.focus();
}

function startScenes() {
  for (const button of all(".pub-embed")) {
    button.hidden = false;
    button.addEventListener("click", () => embed(button));
    const picture = pictureOf(button);
    picture?.classList.add("pub-picture--live");
    picture?.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own was asked for
      event.preventDefault();
      embed(button);
    });
  }
}

// --- Versions -----------------------------------------------------------------------------------------------------
// The list lies beside the versions' folders and changes with each release; these pages never do. A page from a disk, or
// on a host without the list, shows no versions.

function named(tag, name, words = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = words;
  return made;
}

async function startVersions() {
  const place = one('meta[name="publisher-versions"]')?.content;
  const mine = one('meta[name="publisher-release"]')?.content;
  if (!place || !location.protocol.startsWith("http")) return;
  const list = new URL(place, location.href);
  const answer = await fetch(list, { cache: "no-cache" }).catch(() => null);
  const versions = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!Array.isArray(versions)) return;
  const site = new URL(`${encodeURIComponent(mine)}/`, list).pathname;
  const page = location.pathname.startsWith(site) ? location.pathname.slice(site.length) : "index.html";
  const at = (version, name = "index.html") => new URL(`${encodeURIComponent(version)}/${name}`, list).href;
  const known = versions.findIndex(({ version }) => version === mine);
  const latest = versions.findIndex(({ aliases }) => aliases?.includes("latest"));

  const menu = named("details", "pub-versions");
  const summary = named("summary", "", mine);
  summary.setAttribute("aria-label", `Version ${mine}; choose another`);
  const items = document.createElement("ul");
  for (const { version, date, status, aliases } of versions) {
    const link = named("a", "", version);
    link.href = at(version);
    if (version === mine) link.setAttribute("aria-current", "true");
    const more = [date, status === "draft" ? "draft" : "", aliases?.includes("latest") ? "latest" : ""];
    link.append(" ", named("span", "pub-versions__more", more.filter(Boolean).join(", ")));
    // The same page of the other version, where it has one.
    link.addEventListener("click", async (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const same = await fetch(at(version, page), { method: "HEAD" }).catch(() => null);
      location.href = same?.ok ? at(version, page) + location.hash : link.href;
    });
    const item = document.createElement("li");
    item.append(link);
    items.append(item);
  }
  menu.append(summary, items);
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && menu.open) {
      menu.open = false;
      summary.focus();
    }
  });
  addEventListener("click", ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  });
  one(".md-header__title").after(menu);

  if (latest >= 0 && (known < 0 || latest < known)) {
    const banner = named("aside", "pub-newer", `This is ${mine}. A newer version is available: `);
    banner.setAttribute("aria-label", "Newer version");
    const link = named("a", "", versions[latest].version);
    link.href = at(versions[latest].version);
    banner.append(link);
    one(".md-container").prepend(banner);
  }
}

// --- Beginning ----------------------------------------------------------------------------------------------------

addEventListener("hashchange", reveal);
addEventListener("change", shorten);
addEventListener("click", ({ target }) => {
  const button = target.closest?.(".pub-copy");
  if (button) copy(button);
  const link = target.closest?.('a[href*="#"]');
  // The same address again makes no hashchange, and still means: show it.
  if (link && link.href === location.href) setTimeout(reveal);
});
told = named("div", "pub-told");
told.setAttribute("role", "status");
document.body.append(told);
offerCopies();
all(".pub-picker").forEach(startPicker);
all(".pub-files").forEach(startFilter);
startScenes();
startVersions();
reveal(); // at once: the theme marks the words that were searched for only where they are to be seen by then
// Again when all is there and has its place, and the theme has made its own changes.
addEventListener("load", () =>
  setTimeout(() => {
    // Wide tables scroll; who has no mouse scrolls what has the focus.
    for (const wrap of all(".md-typeset__scrollwrap")) wrap.tabIndex = 0;
    one(".md-search")?.setAttribute("aria-label", "Search"); // a dialog, which the theme gives no name
    shorten();
    reveal();
  }),
);
