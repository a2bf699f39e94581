// Draws the figure that the page carries, in the colours of the theme. Needs no server: a saved page draws itself.
const element = document.getElementById("chart");
const figure = JSON.parse(document.getElementById("figure").textContent);
const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "sendChartToCloud"],
  plotlyServerURL: "", // no chart leaves for a cloud
};

// Columns of each trace by name, as fitted; what is drawn may be another threshold's.
export const columns = Object.fromEntries(
  figure.data.map(({ name, x, y, customdata, meta }) => [name, { x, y, customdata, isOpen: Boolean(meta?.is_open) }]),
);
export const has = (name) => name in columns;
const traces = Object.fromEntries(figure.data.map((trace) => [trace.name, trace]));

export const shown = () => element.layout.xaxis.range.map(milliseconds);
export const whenMoved = (listener) => element.on("plotly_relayout", listener);

export function set(name, changes) {
  Object.assign(traces[name], changes);
}

export function draw() {
  paint();
  return Plotly.react(element, figure.data, figure.layout, CONFIG);
}

// Plotly keeps the ends of an axis as text, without a zone: it is UTC.
function milliseconds(end) {
  const [day, time] = String(end).split(" ");
  return Date.parse(time ? `${day}T${time}Z` : day);
}

function paint() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  traces.value.line.color = traces.value.marker.color = colour("chart-line");
  if (has("normal band")) traces["normal band"].fillcolor = colour("chart-band");
  if (has("expected")) traces.expected.line.color = colour("chart-expected");
  Object.assign(traces.anomaly.marker, { color: colour("chart-anomaly"), line: { width: 1, color: colour("card") } });
  traces.tried.marker.color = colour("chart-tried");
  const axis = { gridcolor: colour("chart-grid"), linecolor: colour("rule"), tickcolor: colour("rule") };
  Object.assign(figure.layout.xaxis, axis);
  Object.assign(figure.layout.yaxis, axis);
  Object.assign(figure.layout.xaxis.rangeslider, { bgcolor: colour("paper"), bordercolor: colour("rule"), borderwidth: 1 });
  Object.assign(figure.layout, {
    font: { color: colour("faint"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    hoverlabel: { bgcolor: colour("card"), bordercolor: colour("rule"), font: { color: colour("ink") } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: colour("faint"), activecolor: colour("accent") },
  });
  for (const edge of figure.layout.shapes) edge.line.color = colour("faint");
}

element.replaceChildren();
await draw();
document.documentElement.addEventListener("themechange", draw);
