// Shows which training points another threshold flags. A score is a distance in units of the threshold, so a threshold
// `scale` times as high flags the points with a score above `scale`. A long series stores only the highest score of
// each block of points, so the number of flagged points is a lower bound ("at least").
import { remember } from "./address.js";
import * as chart from "./chart.js";
import { offerPeaks } from "./peaks.js";

const WEEK_MS = 7 * 86_400_000;

const slider = document.getElementById("scale");
const asFitted = document.getElementById("as-fitted");
const count = (number) => number.toLocaleString("en");
const short = (number) => String(Number(number.toPrecision(4)));

// Sets up the slider; returns a function that redraws the chart when its points have changed.
export function offerThreshold(plot) {
  const middle = plot.scales.indexOf(1);
  const showPeaks = offerPeaks(plot.scales);

  const show = () => {
    const index = Number(slider.value);
    const scale = plot.scales[index];
    mark(scale);
    showPeaks(scale);
    document.getElementById("fires").textContent = sentence(plot, scale, plot.firing[index]);
    slider.setAttribute("aria-valuetext", `${short(scale)} times`);
    asFitted.disabled = index === middle;
    remember({ threshold: index === middle ? null : scale });
    return chart.draw();
  };

  slider.addEventListener("input", show);
  asFitted.addEventListener("click", () => {
    slider.value = middle;
    show();
  });
  slider.value = slider.defaultValue; // browsers may restore the value of an earlier visit
  show();
  return show;
}

function mark(scale) {
  const { x, y, customdata } = chart.columns.value;
  const flagged = customdata.flatMap(([, score], index) => (score !== null && score > scale ? [index] : []));
  const pick = (column) => flagged.map((index) => column[index]);
  chart.set("anomaly", { x: pick(x), y: pick(y), customdata: pick(customdata) });
  chart.set("value", { x, y, customdata });
  chart.set("score", chart.columns.score);
  chart.set("a week before", weekBefore(x, y));
  chart.markThreshold(scale);
  for (const name of ["lower edge", "normal band", "expected"]) {
    if (chart.has(name)) chart.set(name, { x: chart.columns[name].x, y: edge(name, scale) });
  }
}

// Returns the values a week later in time, so that they lie under those of the next week.
function weekBefore(x, y) {
  const end = x.findIndex((time) => time > x.at(-1) - WEEK_MS);
  return { x: x.slice(0, end).map((time) => time + WEEK_MS), y: y.slice(0, end) };
}

// Returns the edge of the band, whose width is proportional to the threshold. An open side does not move.
function edge(name, scale) {
  const { y, isOpen } = chart.columns[name];
  const expected = chart.columns.expected?.y;
  if (isOpen || !expected) return y;
  return y.map((value, index) => (expected[index] === null ? value : expected[index] + (value - expected[index]) * scale));
}

function sentence(plot, scale, flagged) {
  const bound = plot.stored < plot.points ? "at least " : "";
  const share = `${bound}${count(flagged)} of ${count(plot.points)} training points flagged`;
  const rate = flagged ? `, ${bound}1 in ${count(Math.round(plot.points / flagged))}` : "";
  const name = `At ${short(scale)} times the threshold`;
  return `${scale === 1 ? "As fitted" : name}: ${share}${rate}. ${parameter(plot, scale, flagged)}`;
}

// Returns the parameter for a fit with this threshold: the threshold itself if the detector has that parameter, else
// the closest alarm rate.
function parameter({ threshold, alarm_rate: alarmRate, is_parameter: isParameter, points, stored }, scale, flagged) {
  const off = alarmRate ? ', alarm_rate = "off"' : "";
  if (isParameter) return `Equivalent to threshold = ${short(threshold * scale)}${off}.`;
  if (scale === 1) return `Fitted with alarm_rate = "${alarmRate}".`;
  if (flagged === 0) return `Rarer than alarm_rate = "1 in ${points}".`;
  if (stored < points && flagged > stored / 4) return ""; // too many points share a block with a higher score
  return `Close to alarm_rate = "1 in ${Math.round(points / flagged)}".`;
}
