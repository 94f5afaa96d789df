"use strict";
// Moving over the chart shows the numbers of that moment in its legend.
(function () {
  const data = document.getElementById("series");
  if (!data) return;
  const series = JSON.parse(data.textContent);
  const chart = document.getElementById("chart");
  const area = chart.querySelector("svg.area");
  const cursor = document.getElementById("cursor");
  const when = document.getElementById("when");
  const numbers = document.querySelectorAll("#legend li b");
  const last = series.times.length - 1;
  const places = series.places.map(parseFloat);
  let at = last;

  function show(i, pointed) {
    at = Math.max(0, Math.min(last, i));
    when.textContent = series.times[at];
    numbers.forEach((n, band) => { n.textContent = series.bands[band][at].toLocaleString("en"); });
    cursor.setAttribute("visibility", pointed ? "visible" : "hidden");
    cursor.setAttribute("x1", series.places[at]);
    cursor.setAttribute("x2", series.places[at]);
  }
  function nearest(share) {
    let best = 0;
    places.forEach((p, i) => { if (Math.abs(p - share) < Math.abs(places[best] - share)) best = i; });
    return best;
  }
  chart.addEventListener("pointermove", (e) => {
    const box = area.getBoundingClientRect();
    show(nearest((e.clientX - box.left) / box.width * 100), true);
  });
  chart.addEventListener("pointerleave", () => show(last, false));
  chart.addEventListener("blur", () => show(last, false));
  chart.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[e.key];
    if (e.key === "Home") show(0, true);
    else if (e.key === "End") show(last, true);
    else if (step) show(at + step, true);
    else return;
    e.preventDefault();
  });
})();

// A device that a link points to is opened; on paper the scenario is.
(function () {
  function open() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target) target.scrollIntoView();
  }
  addEventListener("hashchange", open);
  open();
  addEventListener("beforeprint", () => {
    const scenario = document.getElementById("scenario");
    if (scenario) scenario.open = true;
  });
})();
