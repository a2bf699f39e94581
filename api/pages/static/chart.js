// Draws the page's figure in the theme's colors. It needs no server, so saved pages work too.
const NO_SCORES = { rangemode: "fixed", range: [-2, -1] }; // the small chart below shows only the values
const element = document.getElementById("chart");
const figure = JSON.parse(document.getElementById("figure").textContent);
export const isPhone = matchMedia("(max-width: 640px)").matches;
const CONFIG = {
  responsive: true,
  displayModeBar: isPhone ? false : "hover",
  doubleClick: "autosize",
  showTips: false, // toasts would cover the chart
  displaylogo: false,
  modeBarButtonsToRemove: ["toImage", "lasso2d", "sendChartToCloud"],
  plotlyServerURL: "", // no upload of charts
};

// Columns of each trace by name, at the fitted threshold. The chart may show another threshold.
export const columns = Object.fromEntries(
  figure.data.map(({ name, x, y, customdata, meta }) => [name, { x, y, customdata, isOpen: Boolean(meta?.is_open) }]),
);
columns.score = scoresOf(columns.value);
let selects = !isPhone; // on a phone, dragging scrolls the page
export const has = (name) => name in columns;
const traces = Object.fromEntries(figure.data.map((trace) => [trace.name, trace]));

export const shown = () => element.layout.xaxis.range.map(milliseconds);
export const whenMoved = (listener) => element.on("plotly_relayout", listener);
export const whenSelected = (listener) => element.on("plotly_selected", (event) => event?.range && listener(event.range.x.map(milliseconds)));
export const whenDeselected = (listener) => element.on("plotly_deselect", listener);
export const zoomTo = (from, to) => Plotly.relayout(element, { "xaxis.range": [from, to] });
export const clearSelection = () => Plotly.relayout(element, { selections: [] });

const fixed = figure.layout.shapes;
const shaded = new Map(); // shapes by what they show

// Shades spans of milliseconds, [{ from, to }], in the color of this name; `what` names those that they replace.
export function shade(what, spans, color) {
  const shapes = spans.map(({ from, to }) => ({ type: "rect", xref: "x", x0: from, x1: to, yref: "paper", y0: 0, y1: 1, layer: "below", line: { width: 0 }, opacity: 0.5, name: color }));
  shaded.set(what, shapes);
  figure.layout.shapes = [...fixed, ...[...shaded.values()].flat()];
  return draw();
}

// Chooses whether dragging selects a span.
export function selectByDragging(chosen) {
  selects = chosen;
  return draw();
}

export function markThreshold(scale) {
  const line = figure.layout.shapes.find(({ name }) => name === "threshold");
  line.y0 = line.y1 = scale;
}

export function set(name, changes) {
  Object.assign(traces[name], changes);
}

// Returns the track of scores of a line; a long series has no score for some of its points.
export function scoresOf({ x, customdata }) {
  const scored = customdata.flatMap(([, score], index) => (score === null ? [] : [index]));
  return { x: scored.map((index) => x[index]), y: scored.map((index) => customdata[index][1]) };
}

export function draw() {
  paint();
  return Plotly.react(element, figure.data, figure.layout, CONFIG);
}

// Converts the end of an axis to milliseconds. Plotly stores it as a number, or as UTC text without a time zone.
function milliseconds(end) {
  if (typeof end === "number") return end;
  const [day, time] = String(end).split(" ");
  return Date.parse(time ? `${day}T${time}Z` : day);
}

function paint() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  traces.value.line.color = traces.value.marker.color = color("chart-line");
  if (has("normal band")) traces["normal band"].fillcolor = color("chart-band");
  if (has("expected")) traces.expected.line.color = color("chart-expected");
  Object.assign(traces.anomaly.marker, { color: color("chart-anomaly"), line: { width: 1, color: color("card") } });
  traces.tried.marker.color = color("chart-tried");
  traces["a week before"].line.color = color("chart-before");
  Object.assign(traces.score, { line: { width: 1, color: color("chart-expected") }, fillcolor: color("chart-band") });
  const axis = { gridcolor: color("chart-grid"), linecolor: color("rule"), tickcolor: color("rule") };
  Object.assign(figure.layout.xaxis, axis);
  Object.assign(figure.layout.yaxis, axis);
  Object.assign(figure.layout.yaxis2, axis);
  Object.assign(figure.layout.xaxis.rangeslider, { bgcolor: color("wash"), bordercolor: color("faint"), borderwidth: 1, yaxis2: NO_SCORES });
  Object.assign(figure.layout, {
    font: { color: color("faint"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    hoverlabel: { bgcolor: color("card"), bordercolor: color("rule"), font: { color: color("ink") } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: color("faint"), activecolor: color("accent") },
  });
  for (const shape of figure.layout.shapes) {
    if (shape.type === "rect") shape.fillcolor = color(shape.name);
    else shape.line.color = color("faint");
  }
  figure.layout.dragmode = selects ? "select" : false;
  figure.layout.xaxis.rangeslider.visible = !isPhone;
  figure.layout.showlegend = !isPhone;
  Object.assign(figure.layout.margin, isPhone ? { l: 48, r: 8 } : { l: 64, r: 16 });
  figure.layout.newselection = { line: { color: color("accent"), width: 1, dash: "solid" } };
}

element.replaceChildren();
set("score", columns.score);
await draw();
document.documentElement.addEventListener("themechange", draw);
