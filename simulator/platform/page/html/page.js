// Keeps a page as the platform is: when the API says that something has changed,
// the page is fetched again, and the parts that are live and differ are put in.
"use strict";
(() => {
  const events = document.body.dataset.events;
  if (!events) return;
  const note = document.getElementById("live");
  const pause = 1000, idle = 10000; // milliseconds: between two fetches, and without an event
  let last = 0, timer = 0, busy = false, again = false;

  // keep remembers what the reader has chosen and where the focus is.
  const keep = part => ({
    checked: new Set([...part.querySelectorAll("input:checked")].map(i => i.value)),
    open: [...part.querySelectorAll("details")].map(d => d.open),
    typed: [...part.querySelectorAll("input:not([type=checkbox]):not([type=hidden])")].map(i => i.value),
    focus: part.contains(document.activeElement) ? document.activeElement.id : "",
    scroll: [...part.querySelectorAll(".scroll")].map(s => [s.scrollLeft, s.scrollTop]),
  });
  const restore = (part, kept) => {
    part.querySelectorAll("input[type=checkbox]").forEach(i => { i.checked = kept.checked.has(i.value); });
    part.querySelectorAll("details").forEach((d, i) => { d.open = kept.open[i] || false; });
    part.querySelectorAll("input:not([type=checkbox]):not([type=hidden])").forEach((f, i) => { f.value = kept.typed[i] || f.value; });
    part.querySelectorAll(".scroll").forEach((s, i) => { if (kept.scroll[i]) [s.scrollLeft, s.scrollTop] = kept.scroll[i]; });
    if (kept.focus) document.getElementById(kept.focus)?.focus({preventScroll: true});
  };

  const fetchAgain = async () => {
    timer = 0;
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, {headers: {Accept: "text/html"}});
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.body.dataset.events) { location.reload(); return; }
      for (const part of fresh.querySelectorAll("[data-live]")) {
        const here = document.getElementById(part.id);
        if (!here) { location.reload(); return; }
        if (here.innerHTML === part.innerHTML) continue;
        const kept = keep(here);
        here.replaceChildren(...part.childNodes);
        restore(here, kept);
      }
      last = Date.now();
    } catch { /* the stream says when the platform is back */ } finally {
      busy = false;
      if (again) { again = false; soon(); }
    }
  };
  const soon = () => { if (!timer && !document.hidden) timer = setTimeout(fetchAgain, Math.max(0, last + pause - Date.now())); };

  const stream = new EventSource(events);
  const say = (text, state) => { if (note.textContent !== text) { note.textContent = text; note.dataset.state = state; } };
  stream.addEventListener("open", () => { say("Live", "live"); soon(); });
  stream.addEventListener("error", () => {
    say("No connection: trying again", "lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  for (const kind of ["plan", "device", "report", "missed"]) stream.addEventListener(kind, soon);
  document.addEventListener("visibilitychange", soon);
  setInterval(() => { if (Date.now() - last >= idle) soon(); }, idle);
})();
