// Tabs hide what they do not show. A link to a section in a tab opens that tab first, also when a page is opened with
// such a link; and the table of contents names only sections that are to be seen.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let block = target.closest(".tabbed-block"); block; block = block.parentElement.closest(".tabbed-block")) {
    const set = block.closest(".tabbed-set");
    const place = [...block.parentElement.children].indexOf(block);
    set.querySelectorAll(":scope > input")[place].checked = true;
  }
  shorten();
  target.scrollIntoView();
}

function shorten() {
  const list = document.querySelector(".md-sidebar--secondary .md-nav__list");
  if (!list || !document.querySelector(".tabbed-set h2")) return;
  for (const item of list.children) {
    const target = document.getElementById(item.querySelector("a").hash.slice(1));
    item.hidden = !target.checkVisibility();
  }
  list.closest("nav").hidden = [...list.children].every((item) => item.hidden);
}

// Wide tables scroll; who has no mouse scrolls what has the focus.
function reach() {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) wrap.tabIndex = 0;
}

// A scene is shown on the page itself only when somebody asks: until then, nothing of the viewer is loaded.
function embed(button) {
  const frame = document.createElement("iframe");
  frame.className = "pub-frame";
  frame.title = button.dataset.title;
  frame.allowFullscreen = true;
  frame.src = new URL(button.dataset.scene, location.href).href;
  const line = button.closest("p");
  const picture = line.nextElementSibling?.querySelector(".pub-picture");
  (picture?.parentElement ?? line).after(frame);
  picture?.parentElement.remove();
  button.remove();
}

addEventListener("hashchange", reveal);
addEventListener("change", shorten);
addEventListener("click", (event) => {
  const button = event.target.closest?.(".pub-embed");
  if (button) embed(button);
  const link = event.target.closest?.('a[href^="#"]');
  // The same address again makes no hashchange, and still means: show it.
  if (link && link.hash === location.hash) setTimeout(reveal);
});
// After the theme's own scripts, which restore the tabs that were chosen last.
addEventListener("load", () => setTimeout(() => (reach(), shorten(), reveal())));
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".pub-embed")) button.hidden = false; // without scripts, there is the link
});
