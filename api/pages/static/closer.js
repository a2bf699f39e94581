// Loads finer points for the visible span. The rest of the chart keeps the points of the overview.
import { call } from "./api.js";
import * as chart from "./chart.js";

const PAUSE_MS = 150;
const MARGIN = 0.5; // share of the span also loaded on each side, so that small moves need no request
const detail = document.getElementById("detail");

export function watchZoom(plot, redraw) {
  const overview = { ...chart.columns };
  const overviewText = detail.textContent;
  let timer;
  let newestRequest = 0;
  let loaded = null; // { from, to, complete: whether it has every point of the span }

  const showOverview = () => {
    newestRequest += 1;
    if (!loaded) return;
    loaded = null;
    Object.assign(chart.columns, overview);
    detail.textContent = overviewText;
    redraw();
  };

  const load = async () => {
    const [left, right] = chart.shown();
    const span = right - left;
    const from = Math.max(Math.floor((left - MARGIN * span) / 1000), plot.first);
    const to = Math.min(Math.ceil((right + MARGIN * span) / 1000), plot.last);
    if (!(from < to) || (from === plot.first && to === plot.last && span > 0.9 * 1000 * (plot.last - plot.first)))
      return showOverview();
    if (loaded && loaded.complete && loaded.from <= from && to <= loaded.to) return;
    newestRequest += 1;
    const request = newestRequest;
    try {
      const path = `series/${plot.series_id}/versions/${plot.version}/points`;
      const points = await call("GET", `${path}?from=${from}&to=${to}&max_points=${plot.most_shown}`);
      if (request !== newestRequest) return;
      loaded = { from, to, complete: points.timestamps.length === points.points };
      for (const [name, fine] of Object.entries(tracesOf(points, overview))) {
        chart.columns[name] = merged(overview[name], fine, 1000 * from, 1000 * to);
      }
      const shown = loaded.complete ? "all shown" : `${points.timestamps.length.toLocaleString("en")} shown`;
      const noun = points.points === 1 ? "point" : "points";
      detail.textContent = `${points.points.toLocaleString("en")} ${noun} in and near this range, ${shown}.`;
      redraw();
    } catch (problem) {
      if (request === newestRequest) detail.textContent = problem.message;
    }
  };

  if (plot.shown === plot.points) return; // there are no finer points
  load(); // the URL may name a part
  chart.whenMoved((change) => {
    if (!Object.keys(change).some((name) => name.startsWith("xaxis"))) return;
    clearTimeout(timer);
    timer = setTimeout(load, PAUSE_MS);
  });
}

function tracesOf(points, overview) {
  const x = points.timestamps.map((timestamp) => 1000 * timestamp);
  const traces = { value: { x, y: points.values, customdata: points.timestamps.map((time, i) => [time, points.score[i]]) } };
  const scored = x.flatMap((_, i) => (points.score[i] === null ? [] : [i]));
  traces.score = chart.scoresOf(traces.value);
  for (const [name, column] of [["lower edge", "lower"], ["normal band", "upper"], ["expected", "expected"]]) {
    if (!(name in overview)) continue;
    const { isOpen, y } = overview[name];
    traces[name] = { x: scored.map((i) => x[i]), y: scored.map((i) => (isOpen ? y[0] : points[column][i])), isOpen };
  }
  return traces;
}

function merged(overview, fine, from, to) {
  const before = overview.x.findIndex((time) => time >= from);
  const after = overview.x.findIndex((time) => time > to);
  const [start, end] = [before < 0 ? overview.x.length : before, after < 0 ? overview.x.length : after];
  const join = (name) => [...overview[name].slice(0, start), ...fine[name], ...overview[name].slice(end)];
  return { ...fine, x: join("x"), y: join("y"), ...(fine.customdata && { customdata: join("customdata") }) };
}
