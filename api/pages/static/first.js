// Fits a sample, or the series of a file that the user drops after showing what was read. Ends on the chart.
import { act } from "./act.js";
import { ROOT, call } from "./api.js";
import { onStated, readSeries } from "./files.js";

const WAIT_S = 8; // for the fit; a longer one ends on the page of its job
const MOST_ROWS = 100; // of series; for one series, a few points
const [WIDTH, HEIGHT] = [300, 80]; // of the shape
const byId = (id) => document.getElementById(id);
const drop = byId("drop");
let file = null;
let series = [];

async function fit(seriesId, { timestamps, values }) {
  return call("POST", `fit/${encodeURIComponent(seriesId)}`, { timestamps, values, detector: "auto" });
}

async function fitAndShow(seriesId, points) {
  const accepted = await fit(seriesId, points);
  const job = await call("GET", `jobs/${accepted.job_id}?wait=${WAIT_S}`);
  location.assign(new URL(job.version ? `plot?series_id=${seriesId}` : `ui/jobs/${job.job_id}`, ROOT));
}

async function fitAll() {
  if (series.length === 1) return fitAndShow(byId("file-id").value, series[0]);
  for (const [index, one] of series.entries()) {
    byId("file-progress").textContent = `${index + 1} of ${series.length}`;
    await fit(one.series_id, one);
  }
  location.assign(new URL("ui/jobs", ROOT));
}

async function open(chosen) {
  if (!chosen) return;
  file = chosen;
  byId("file").hidden = false;
  byId("file-name").textContent = file.name;
  byId("file-series").hidden = true;
  series = await readSeries(file, file.name);
  show();
}

function show() {
  const isOne = series.length === 1;
  const points = series.reduce((total, { timestamps }) => total + timestamps.length, 0);
  const last = series.reduce((latest, { timestamps }) => Math.max(latest, timestamps.at(-1)), -Infinity);
  const first = series.reduce((earliest, { timestamps }) => Math.min(earliest, timestamps[0]), Infinity);
  const count = isOne ? "" : `${series.length.toLocaleString("en")} series with `;
  byId("file-summary").textContent = `${count}${points.toLocaleString("en")} points from ${moment(first)} to ${moment(last)}`;
  const notes = [...new Set(series.flatMap((one) => one.notes))];
  byId("file-notes").replaceChildren(...notes.slice(0, 20).map((note) => make("li", note)));
  byId("file-shape").toggleAttribute("hidden", !isOne);
  byId("file-shape").firstElementChild.setAttribute("d", isOne ? shapeOf(series[0]) : "");
  const head = isOne ? ["Time, UTC", "Value"] : ["Series", "Points", "From", "To"];
  byId("file-rows").querySelector("thead").replaceChildren(row(head, "th"));
  byId("file-rows").querySelector("tbody").replaceChildren(...(isOne ? pointRows(series[0]) : series.slice(0, MOST_ROWS).map(seriesRow)));
  byId("file-id-field").hidden = !isOne;
  byId("file-id").disabled = !isOne;
  byId("file-id").value = series[0].series_id;
  byId("file-fit").querySelector("button").textContent = isOne ? "Fit" : `Fit all ${series.length.toLocaleString("en")}`;
  byId("file-progress").textContent = "";
  byId("file-series").hidden = false;
  byId("file").scrollIntoView({ block: "nearest" });
}

function pointRows({ timestamps, values }) {
  const places = [...timestamps.keys()].slice(0, 3);
  if (timestamps.length > 5) places.push(null, timestamps.length - 1);
  else places.push(...[...timestamps.keys()].slice(3));
  return places.map((place) => (place === null ? row(["…", "…"]) : row([moment(timestamps[place]), String(values[place])])));
}

const seriesRow = (one) => row([one.series_id, one.timestamps.length.toLocaleString("en"), moment(one.timestamps[0]), moment(one.timestamps.at(-1))]);

function row(cells, kind = "td") {
  const element = document.createElement("tr");
  element.append(...cells.map((text) => make(kind, text)));
  return element;
}

function make(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

const moment = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 19).replace("T", " ");

// Returns a path through the smallest and the largest value of each slice, like the sparklines of the server.
function shapeOf({ timestamps, values }) {
  const [first, span] = [timestamps[0], timestamps.at(-1) - timestamps[0] || 1];
  const slices = Array.from({ length: WIDTH }, () => [Infinity, -Infinity]);
  let [low, high] = [Infinity, -Infinity];
  for (const [index, value] of values.entries()) {
    const slice = slices[Math.min(Math.floor((WIDTH * (timestamps[index] - first)) / span), WIDTH - 1)];
    slice[0] = Math.min(slice[0], value);
    slice[1] = Math.max(slice[1], value);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const y = (value) => (HEIGHT - 2 - ((HEIGHT - 4) * (value - low)) / (high - low || 1)).toFixed(1);
  const corners = slices.flatMap(([least, most], x) => (most >= least ? [`${x},${y(least)}`, `${x},${y(most)}`] : []));
  return `M${corners.join(" L")}`;
}

for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () =>
    act(button, async () => fitAndShow(button.dataset.sample, await call("GET", `ui/samples/${button.dataset.sample}`))),
  );
}

const read = (chosen) => act(drop, () => open(chosen), byId("file-problem"));
drop.querySelector("input").addEventListener("change", async ({ target }) => {
  await read(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
});
drop.addEventListener("dragover", (event) => event.preventDefault());
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  read(event.dataTransfer.files[0]);
});
onStated(() => read(file));
byId("file-fit").addEventListener("submit", (event) => {
  event.preventDefault();
  act(byId("file-fit").querySelector("button"), fitAll, byId("file-problem"));
});
