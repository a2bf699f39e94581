// Scores the points that the user types, pastes or drops with this version, draws them and lists the verdicts.
import { call } from "./api.js";
import * as chart from "./chart.js";
import { onStated, readSeries } from "./files.js";

const MAX_LISTED = 200;
const lines = document.getElementById("lines");
const problem = document.getElementById("tryout-problem");
const list = document.getElementById("verdicts");
const summary = document.getElementById("verdict");
const notes = document.getElementById("tryout-notes");

export function offerTryout(plot) {
  const form = document.getElementById("points");
  const input = document.getElementById("file");
  let file = null; // null: the text

  const check = async () => {
    showProblem("");
    try {
      const { points, notes } = await pointsOf(plot, file ?? new Blob([lines.value]), file?.name);
      show(points, await verdictsOf(plot, points), [...(file ? [file.name] : []), ...notes]);
    } catch (error) {
      show([], [], []);
      showProblem(error.message);
    }
  };

  const open = async (chosenFile) => {
    if (!chosenFile) return;
    file = chosenFile;
    lines.value = "";
    await check();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (lines.value !== "") file = null;
    check();
  });
  onStated(check);
  input.addEventListener("change", async () => {
    await open(input.files[0]);
    input.value = "";
  });
  document.getElementById("clear").addEventListener("click", () => {
    lines.value = "";
    file = null;
    showProblem("");
    show([], [], []);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length === 0) return; // the browser inserts dropped text
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
}

// Returns the points as [[seconds, value], …], and what the server inferred and skipped.
async function pointsOf(plot, content, name) {
  const [{ timestamps, values, notes }] = await readSeries(content, name, plot.series_id);
  return { points: timestamps.map((time, index) => [time, values[index]]), notes };
}

// The server knows the context of points after the training data. For points within the training data, a detector that
// needs context gets the training points before the first of them.
async function verdictsOf(plot, points) {
  const isInside = points[0][0] <= plot.last;
  const before = plot.context_points && isInside ? await trainingBefore(plot, points[0][0]) : [];
  const all = [...before, ...points];
  const body = { timestamps: all.map(([time]) => time), values: all.map(([, value]) => value) };
  const prediction = await call("POST", `predict/${plot.series_id}/batch?version=${plot.version}`, body);
  const ofPoints = (name) => prediction[name].slice(before.length);
  const [anomaly, score, lower, upper] = ["anomaly", "score", "lower", "upper"].map(ofPoints);
  return points.map((_, index) => ({
    anomaly: anomaly[index],
    score: score[index],
    lower: lower[index],
    upper: upper[index],
  }));
}

async function trainingBefore(plot, time) {
  const interval = (plot.last - plot.first) / (plot.points - 1);
  const to = time - 1;
  const from = Math.max(Math.floor(to - 2 * plot.context_points * interval), plot.first);
  if (from > to) return [];
  const path = `series/${plot.series_id}/versions/${plot.version}/points?from=${from}&to=${to}&max_points=20000`;
  const { timestamps, values } = await call("GET", path);
  return timestamps.map((timestamp, index) => [timestamp, values[index]]).slice(-plot.context_points);
}

function showProblem(sentence) {
  problem.textContent = sentence;
  problem.hidden = sentence === "";
}

function show(points, verdicts, remarks) {
  notes.replaceChildren(...remarks.map(item));
  const words = verdicts.map(wordOf);
  chart.set("tried", {
    x: points.map(([time]) => 1000 * time),
    y: points.map(([, value]) => value),
    customdata: points.map(([time], index) => [time, `${words[index]}${scoreOf(verdicts[index], ", score ")}`]),
    marker: {
      size: 11,
      line: { width: 2 },
      symbol: words.map((word) => ({ anomaly: "diamond", normal: "circle-open" })[word] ?? "x-thin-open"),
    },
    showlegend: points.length > 0,
  });
  chart.draw();
  const anomalies = words.filter((word) => word === "anomaly").length;
  const unjudged = words.filter((word) => word === NOT_JUDGED).length;
  const shortened = points.length > MAX_LISTED ? ` The list shows the first ${MAX_LISTED}.` : "";
  const unjudgedNote = unjudged ? ` Not judged: ${unjudged}, with too few previous points or no training data at that time.` : "";
  summary.textContent = points.length ? `Anomalies: ${anomalies} of ${points.length}.${unjudgedNote}${shortened}` : "";
  list.hidden = points.length === 0;
  list.querySelector("tbody").replaceChildren(
    ...points.slice(0, MAX_LISTED).map((point, index) => row(point, verdicts[index], words[index])),
  );
}

function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

const NOT_JUDGED = "not judged";
const wordOf = ({ anomaly }) => ({ true: "anomaly", false: "normal" })[anomaly] ?? NOT_JUDGED;
const brief = (number) => String(Number(number.toPrecision(6)));
const scoreOf = ({ score }, prefix = "") => (score === null ? "" : `${prefix}${Number(score.toPrecision(3))}`);

function row([time, value], verdict, word) {
  const cells = [
    [new Date(1000 * time).toISOString().slice(0, 19).replace("T", " "), "number-left"],
    [brief(value), "number"],
    [word, `verdict ${word.replace(" ", "-")}`],
    [scoreOf(verdict), "number"],
    [rangeOf(verdict), "number"],
  ];
  const element = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement("td");
    cell.className = kind;
    cell.textContent = text;
    element.append(cell);
  }
  return element;
}

function rangeOf({ lower, upper }) {
  if (lower === null && upper === null) return "";
  if (lower === null) return `up to ${brief(upper)}`;
  return upper === null ? `from ${brief(lower)}` : `${brief(lower)} to ${brief(upper)}`;
}
