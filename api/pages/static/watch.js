// The form that simulates a watch on a series: as it is and, if the form changes the rule, as proposed.
import { act } from "./act.js";
import { call } from "./api.js";
import { showOutcomes } from "./simulation.js";

const DAY_S = 86_400;
const MANY_DAYS = 28; // to begin with, where all points are too many
const MIN_SPAN_S = 60;
const form = document.getElementById("simulation");
const element = document.getElementById("simulated-alerts");
const { watch } = JSON.parse(document.getElementById("about").textContent);

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, run);
});

async function run() {
  element.textContent = "Simulating …";
  try {
    const series = form.elements.series_id.value.trim();
    const { stream } = await call("GET", `series/${encodeURIComponent(series)}`);
    if (!stream?.last_timestamp) throw new Error(`No points of ${series} were pushed.`);
    const proposed = { ...watch, open: opening() };
    const outcomes = [{ name: "now", answer: await simulate(series, stream.last_timestamp, watch) }];
    if (JSON.stringify(proposed.open) !== JSON.stringify(watch.open)) {
      outcomes.push({ name: "proposed", answer: await simulate(series, stream.last_timestamp, proposed) });
    }
    showOutcomes(element, outcomes);
  } catch (problem) {
    element.textContent = "";
    throw problem;
  }
}

function opening() {
  const { anomalies, of, at_once: atOnce } = form.elements;
  const once = atOnce.value === "" ? null : Number(atOnce.value);
  return { anomalies: Number(anomalies.value), of: Number(of.value), at_once: once };
}

// Simulates the newest points of the series. Half as long a span has fewer points, where these are too many.
async function simulate(series, last, rule) {
  let span = form.elements.days.value ? DAY_S * Number(form.elements.days.value) : null;
  for (;;) {
    try {
      const from = span === null ? {} : { from: Math.max(Math.ceil(last - span), 0) };
      return await call("POST", "simulate", { series_id: series, watch: rule, ...from });
    } catch (problem) {
      if (problem.code !== "too_many_points" || (span !== null && span < MIN_SPAN_S)) throw problem;
      span = span === null ? DAY_S * MANY_DAYS : span / 2;
    }
  }
}
