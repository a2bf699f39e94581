// Draws the page's figure in the theme's colors. It needs no server, so saved pages work too.
const element = document.getElementById("chart");
const figure = JSON.parse(document.getElementById("figure").textContent);
const CONFIG = {
  responsive: true,
  displaylogo: false,
  modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "sendChartToCloud"],
  plotlyServerURL: "", // no upload of charts
};

// Columns of each trace by name, at the fitted threshold. The chart may show another threshold.
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

// Converts the end of an axis to milliseconds. Plotly stores it as UTC text without a time zone.
function milliseconds(end) {
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
  const axis = { gridcolor: color("chart-grid"), linecolor: color("rule"), tickcolor: color("rule") };
  Object.assign(figure.layout.xaxis, axis);
  Object.assign(figure.layout.yaxis, axis);
  Object.assign(figure.layout.xaxis.rangeslider, { bgcolor: color("paper"), bordercolor: color("rule"), borderwidth: 1 });
  Object.assign(figure.layout, {
    font: { color: color("faint"), family: getComputedStyle(document.body).fontFamily, size: 12 },
    hoverlabel: { bgcolor: color("card"), bordercolor: color("rule"), font: { color: color("ink") } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: color("faint"), activecolor: color("accent") },
  });
  for (const edge of figure.layout.shapes) edge.line.color = color("faint");
}

element.replaceChildren();
await draw();
document.documentElement.addEventListener("themechange", draw);
