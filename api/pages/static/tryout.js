// Points that the reader types, pastes or drops are judged by this version, drawn, and listed.
import { call } from "./api.js";
import * as chart from "./chart.js";
import { pointsOf } from "./lines.js";

const MOST_LISTED = 200;
const LARGEST_FILE = 8 * 1024 * 1024;
const lines = document.getElementById("lines");
const problem = document.getElementById("tryout-problem");
const list = document.getElementById("verdicts");
const summary = document.getElementById("verdict");

export function offerTryout(about) {
  const form = document.getElementById("points");
  const file = document.getElementById("file");

  const judge = async () => {
    say("");
    try {
      const points = pointsOf(lines.value);
      show(points, await verdictsOf(about, points));
    } catch (error) {
      show([], []);
      say(error.message);
    }
  };

  const open = async (chosen) => {
    if (!chosen) return;
    if (chosen.size > LARGEST_FILE) return say("The file is larger than 8 MiB: post it to the API instead.");
    lines.value = await chosen.text();
    await judge();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  file.addEventListener("change", async () => {
    await open(file.files[0]);
    file.value = "";
  });
  document.getElementById("clear").addEventListener("click", () => {
    lines.value = "";
    say("");
    show([], []);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length === 0) return; // text goes into the field by itself
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
}

// After the training data, the server itself judges points by what comes before them. Inside of it, a detector that
// judges a point by those before it gets the training points before the first.
async function verdictsOf(about, points) {
  const isInside = points[0][0] <= about.last;
  const before = about.context_points && isInside ? await trainingBefore(about, points[0][0]) : [];
  const all = [...before, ...points];
  const body = { timestamps: all.map(([at]) => at), values: all.map(([, value]) => value) };
  const answer = await call("POST", `predict/${about.series_id}/batch?version=${about.version}`, body);
  const ofPoints = (name) => answer[name].slice(before.length);
  const [anomaly, score, lower, upper] = ["anomaly", "score", "lower", "upper"].map(ofPoints);
  return points.map((_, place) => ({
    anomaly: anomaly[place],
    score: score[place],
    lower: lower[place],
    upper: upper[place],
  }));
}

async function trainingBefore(about, time) {
  const interval = (about.last - about.first) / (about.points - 1);
  const to = time - 1;
  const from = Math.max(Math.floor(to - 2 * about.context_points * interval), about.first);
  if (from > to) return [];
  const path = `series/${about.series_id}/versions/${about.version}/points?from=${from}&to=${to}&max_points=20000`;
  const found = await call("GET", path);
  return found.timestamps.map((at, place) => [at, found.values[place]]).slice(-about.context_points);
}

function say(sentence) {
  problem.textContent = sentence;
  problem.hidden = sentence === "";
}

function show(points, verdicts) {
  const words = verdicts.map(wordOf);
  chart.set("tried", {
    x: points.map(([at]) => 1000 * at),
    y: points.map(([, value]) => value),
    customdata: points.map(([at], place) => [at, `${words[place]}${scoreOf(verdicts[place], ", score ")}`]),
    marker: {
      size: 11,
      line: { width: 2 },
      symbol: words.map((word) => ({ anomaly: "diamond", normal: "circle-open" })[word] ?? "x-thin-open"),
    },
    showlegend: points.length > 0,
  });
  chart.draw();
  const anomalies = words.filter((word) => word === "anomaly").length;
  const unknown = words.filter((word) => word === "unknown").length;
  const shortened = points.length > MOST_LISTED ? ` The first ${MOST_LISTED} are listed.` : "";
  const unsaid = unknown ? ` Of ${unknown} nothing can be said: too few points come before.` : "";
  summary.textContent = points.length ? `Anomalies: ${anomalies} of ${points.length}.${unsaid}${shortened}` : "";
  list.hidden = points.length === 0;
  list.querySelector("tbody").replaceChildren(
    ...points.slice(0, MOST_LISTED).map((point, place) => row(point, verdicts[place], words[place])),
  );
}

const wordOf = ({ anomaly }) => ({ true: "anomaly", false: "normal" })[anomaly] ?? "unknown";
const brief = (number) => String(Number(number.toPrecision(6)));
const scoreOf = ({ score }, before = "") => (score === null ? "" : `${before}${Number(score.toPrecision(3))}`);

function row([at, value], verdict, word) {
  const cells = [
    [new Date(1000 * at).toISOString().slice(0, 19).replace("T", " "), "number-left"],
    [brief(value), "number"],
    [word, `verdict ${word}`],
    [scoreOf(verdict), "number"],
    [rangeOf(verdict), "number"],
  ];
  const made = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement("td");
    cell.className = kind;
    cell.textContent = text;
    made.append(cell);
  }
  return made;
}

function rangeOf({ lower, upper }) {
  if (lower === null && upper === null) return "";
  if (lower === null) return `up to ${brief(upper)}`;
  return upper === null ? `from ${brief(lower)}` : `${brief(lower)} to ${brief(upper)}`;
}
