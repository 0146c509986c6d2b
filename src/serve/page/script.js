// What scripts add to a page that is complete without them: local times, running clocks, and live states. Newer copies
// of the same page are loaded, and the parts that changed are put in place; markup is made by the server alone.
"use strict";
(() => {
  const EVERY = 2000; // between two loads, in milliseconds
  const SLOWEST = 30000; // after failures
  const PATIENCE = 10000; // for one load

  const byId = (id, place = document) => place.getElementById(id);
  const put = (id, words) => {
    const place = byId(id);
    if (place && place.textContent !== words) place.textContent = words;
  };

  // The form: a refusal is shown without emptying the fields.
  const form = byId("enter");
  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      put("message", "");
      try {
        const body = new URLSearchParams(new FormData(form));
        const answer = await fetch(form.action, { method: "POST", body, signal: AbortSignal.timeout(PATIENCE) });
        if (answer.ok) return location.replace("./");
        const message = byId("message", new DOMParser().parseFromString(await answer.text(), "text/html"));
        put("message", message ? message.textContent : "The server refused this.");
      } catch {
        put("message", "The server cannot be reached.");
      }
      button.disabled = false;
    });
  }

  if (!byId("jobs-page")) return;

  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const sources = new Map(); // what the server sent for each part, by id
  let loadedAt = performance.now();
  let delay = EVERY;
  let timer = 0;
  let loading = false;

  const spelled = (seconds) => {
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
    return `${Math.floor(seconds / 86400)} d ${two((seconds % 86400) / 3600)} h`;
  };

  const tick = () => {
    const since = (performance.now() - loadedAt) / 1000;
    for (const clock of document.querySelectorAll("[data-elapsed]")) {
      clock.textContent = spelled(Number(clock.dataset.elapsed) + since);
    }
  };

  // Times in the reader's own zone, and a button that copies an id.
  const dress = (part) => {
    for (const time of part.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      time.textContent = local.format(at);
    }
    if (!navigator.clipboard) return;
    for (const id of part.querySelectorAll("code.id")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy job id ${id.textContent}`);
      id.after(button);
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element && event.target.closest("button.copy");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Failed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  // What decides whether a part is another one: everything but its running clocks.
  const source = (part) => {
    const copy = part.cloneNode(true);
    for (const clock of copy.querySelectorAll("[data-elapsed]")) {
      clock.textContent = "";
      clock.dataset.elapsed = "";
    }
    return copy.outerHTML;
  };

  // The part of this page that shows what `fresh` does: the one there is, or `fresh` in its place.
  const placed = (fresh) => {
    const present = byId(fresh.id);
    const text = source(fresh);
    if (present && sources.get(fresh.id) === text) {
      const clock = present.querySelector("[data-elapsed]");
      if (clock) clock.dataset.elapsed = fresh.querySelector("[data-elapsed]").dataset.elapsed;
      return present;
    }
    sources.set(fresh.id, text);
    const part = document.importNode(fresh, true);
    dress(part);
    if (present) present.replaceWith(part);
    return part;
  };

  const ended = (fresh) => {
    const present = byId(fresh.id);
    if (!present || present.dataset.state === fresh.dataset.state) return "";
    return `${fresh.querySelector(".operation").textContent}: ${fresh.dataset.state}`;
  };

  const show = (page) => {
    document.title = page.title;
    placed(byId("account", page));
    placed(byId("pager", page));
    const chart = byId("spending", page);
    const shown = byId("spending");
    if (chart && shown) {
      // Numbers that were opened stay open.
      const isOpen = shown.querySelector("details").open;
      placed(chart);
      byId("spending").querySelector("details").open = isOpen;
    }
    const table = byId("jobs");
    const fresh = byId("jobs", page);
    if (!table || !fresh) {
      // The first job came, or the last one went.
      const list = document.importNode(byId("list", page), true);
      for (const body of list.querySelectorAll("tbody")) sources.set(body.id, source(body));
      dress(list);
      byId("list").replaceWith(list);
      return;
    }
    const updates = [...fresh.tBodies].map(ended).filter(Boolean);
    if (updates.length > 0) put("updates", updates.join(", "));
    let last = table.tHead;
    const kept = new Set();
    for (const body of fresh.tBodies) {
      const row = placed(body);
      if (last.nextElementSibling !== row) last.after(row);
      last = row;
      kept.add(row.id);
    }
    for (const body of [...table.tBodies]) {
      if (kept.has(body.id)) continue;
      sources.delete(body.id);
      body.remove();
    }
  };

  const load = async () => {
    clearTimeout(timer);
    if (document.hidden || loading) return;
    loading = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!byId("jobs-page", page)) return location.reload(); // the session is over: the form is shown
      loadedAt = performance.now();
      show(page);
      tick();
      delay = EVERY;
      put("live", "Live: changes appear by themselves.");
    } catch {
      delay = Math.min(delay * 2, SLOWEST);
      put("live", "No update right now. This is what was known last; trying again.");
    } finally {
      loading = false;
    }
    timer = setTimeout(load, delay);
  };

  for (const part of document.querySelectorAll("#account, #pager, #spending, #jobs tbody")) sources.set(part.id, source(part));
  dress(document);
  put("live", "Live: changes appear by themselves.");
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
  timer = setTimeout(load, delay);
})();
