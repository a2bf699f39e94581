// Finer points for the span that the reader looks at; the rest keeps those of the overview.
import { call } from "./api.js";
import * as chart from "./chart.js";

const PAUSE_MS = 150;
const BESIDE = 0.5; // of the span, on both sides, so that a small move finds its points there
const detail = document.getElementById("detail");

export function watchZoom(about, redraw) {
  const overview = { ...chart.columns };
  const whole = detail.textContent;
  let timer;
  let newest = 0;
  let loaded = null; // [from, to, whether every point of it is there]

  const showOverview = () => {
    newest += 1;
    if (!loaded) return;
    loaded = null;
    Object.assign(chart.columns, overview);
    detail.textContent = whole;
    redraw();
  };

  const load = async () => {
    const [left, right] = chart.shown();
    const span = right - left;
    const from = Math.max(Math.floor((left - BESIDE * span) / 1000), about.first);
    const to = Math.min(Math.ceil((right + BESIDE * span) / 1000), about.last);
    if (!(from < to) || (from === about.first && to === about.last && span > 0.9 * 1000 * (about.last - about.first)))
      return showOverview();
    if (loaded && loaded.complete && loaded.from <= from && to <= loaded.to) return;
    newest += 1;
    const mine = newest;
    try {
      const path = `series/${about.series_id}/versions/${about.version}/points`;
      const points = await call("GET", `${path}?from=${from}&to=${to}&max_points=${about.most_shown}`);
      if (mine !== newest) return;
      loaded = { from, to, complete: points.timestamps.length === points.points };
      for (const [name, fine] of Object.entries(tracesOf(points, overview))) {
        chart.columns[name] = merged(overview[name], fine, 1000 * from, 1000 * to);
      }
      const few = loaded.complete ? "each one shown" : `${points.timestamps.length.toLocaleString("en")} of them shown`;
      detail.textContent = `${points.points.toLocaleString("en")} points around here, ${few}.`;
      redraw();
    } catch (problem) {
      if (mine === newest) detail.textContent = problem.message;
    }
  };

  if (about.shown === about.points) return; // there is nothing finer
  chart.whenMoved((change) => {
    if (!Object.keys(change).some((name) => name.startsWith("xaxis"))) return;
    clearTimeout(timer);
    timer = setTimeout(load, PAUSE_MS);
  });
}

function tracesOf(points, overview) {
  const x = points.timestamps.map((timestamp) => 1000 * timestamp);
  const traces = { value: { x, y: points.values, customdata: points.timestamps.map((at, place) => [at, points.score[place]]) } };
  const told = x.flatMap((_, place) => (points.score[place] === null ? [] : [place]));
  for (const [name, column] of [["lower edge", "lower"], ["normal band", "upper"], ["expected", "expected"]]) {
    if (!(name in overview)) continue;
    const { isOpen, y } = overview[name];
    traces[name] = { x: told.map((place) => x[place]), y: told.map((place) => (isOpen ? y[0] : points[column][place])), isOpen };
  }
  return traces;
}

function merged(overview, fine, from, to) {
  const before = overview.x.findIndex((at) => at >= from);
  const after = overview.x.findIndex((at) => at > to);
  const [start, end] = [before < 0 ? overview.x.length : before, after < 0 ? overview.x.length : after];
  const join = (name) => [...overview[name].slice(0, start), ...fine[name], ...overview[name].slice(end)];
  return { ...fine, x: join("x"), y: join("y"), ...(fine.customdata && { customdata: join("customdata") }) };
}
