// Simulates the watch of the series on the points in the range of the chart, and shades its alerts there.
import { act } from "./act.js";
import { call } from "./api.js";
import { showOutcomes } from "./simulation.js";

const MOST_POINTS = 20_000; // of a simulation
const button = document.getElementById("simulate");
const element = document.getElementById("simulated-alerts");
const notice = document.getElementById("simulation-problem");

export function offerSimulation(plot, chart) {
  button.disabled = false;
  button.addEventListener("click", () => act(button, () => run(plot, chart), notice));
}

async function run(plot, chart) {
  element.textContent = "Simulating …";
  try {
    const [left, right] = chart.shown().map((time) => Math.round(time / 1000));
    const points = await pointsOf(plot, Math.max(left, plot.first), Math.min(right, plot.last));
    const { timestamps, values } = points;
    const answer = await call("POST", "simulate", { series_id: plot.series_id, timestamps, values, watch: plot.watch });
    showOutcomes(element, [{ name: "this rule", answer }]);
    const spans = answer.alerts.map((alert) => ({ from: 1000 * alert.began_at, to: 1000 * (alert.ended_at ?? alert.last_anomaly_at) }));
    chart.shade("simulated", spans, "alarm-wash");
  } catch (problem) {
    element.textContent = "";
    throw problem;
  }
}

// Returns all points from `from` to `to`; if these are too many for a simulation, only the newest.
async function pointsOf(plot, from, to) {
  const path = `series/${plot.series_id}/versions/${plot.version}/points`;
  for (;;) {
    const points = await call("GET", `${path}?from=${from}&to=${to}&max_points=${MOST_POINTS}`);
    if (points.timestamps.length === points.points) return points;
    from = to - Math.floor((0.95 * (to - from) * MOST_POINTS) / points.points);
  }
}
