// A preview's page: loads itself again when the site has been built anew, and shows why it could not be.
(async () => {
  let seen = null;
  for (;;) {
    try {
      const answer = await fetch(`/site/.preview/changes${seen === null ? "" : `?seen=${seen}`}`, { cache: "no-store" });
      const news = await answer.json();
      if (seen !== null && news.number !== seen && !news.trouble) return location.reload();
      seen = news.number;
      show(news.trouble);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000)); // the server was stopped; it may come back
    }
  }
})();

function show(trouble) {
  let box = document.getElementById("preview-trouble");
  if (!trouble) return box?.remove();
  if (!box) {
    box = document.createElement("pre");
    box.id = "preview-trouble";
    box.setAttribute("role", "alert");
    box.style = "position:fixed;z-index:99;inset:auto 0 0;margin:0;padding:1em;max-height:50%;overflow:auto;white-space:pre-wrap;background:#8a1c1c;color:#fff;font:.7rem/1.5 monospace";
    document.body.append(box);
  }
  box.textContent = trouble;
}
