// Shows which training points fire at another threshold. A score is a distance in units of the threshold, so at a
// threshold `scale` times as high, the points with a score above `scale` fire. A long series stores only the highest
// score of each block of points, so the number of firing points is a lower bound ("at least").
import * as chart from "./chart.js";

const slider = document.getElementById("scale");
const asFitted = document.getElementById("as-fitted");
const count = (number) => number.toLocaleString("en");
const short = (number) => String(Number(number.toPrecision(4)));

// Returns the function that redraws the chart after its points changed.
export function offerThreshold(plot) {
  const middle = Number(slider.value);

  const show = () => {
    const index = Number(slider.value);
    const scale = plot.scales[index];
    mark(scale);
    document.getElementById("fires").textContent = sentence(plot, scale, plot.firing[index]);
    slider.setAttribute("aria-valuetext", `${short(scale)} times`);
    asFitted.disabled = index === middle;
    return chart.draw();
  };

  slider.addEventListener("input", show);
  asFitted.addEventListener("click", () => {
    slider.value = middle;
    show();
  });
  slider.value = middle; // browsers may restore the value of an earlier visit
  show();
  return show;
}

function mark(scale) {
  const { x, y, customdata } = chart.columns.value;
  const firing = customdata.flatMap(([, score], index) => (score !== null && score > scale ? [index] : []));
  const pick = (column) => firing.map((index) => column[index]);
  chart.set("anomaly", { x: pick(x), y: pick(y), customdata: pick(customdata) });
  chart.set("value", { x, y, customdata });
  for (const name of ["lower edge", "normal band", "expected"]) {
    if (chart.has(name)) chart.set(name, { x: chart.columns[name].x, y: edge(name, scale) });
  }
}

// Returns the edge of the band, whose width is proportional to the threshold. An open side does not move.
function edge(name, scale) {
  const { y, isOpen } = chart.columns[name];
  const expected = chart.columns.expected?.y;
  return isOpen || !expected ? y : y.map((value, index) => expected[index] + (value - expected[index]) * scale);
}

function sentence(plot, scale, firing) {
  const bound = plot.stored < plot.points ? "at least " : "";
  const fires = `${bound}${count(firing)} of ${count(plot.points)} training points ${firing === 1 ? "fires" : "fire"}`;
  const rate = firing ? `, one in ${count(Math.round(plot.points / firing))}${bound && " or more"}` : "";
  const name = `At ${short(scale)} times the threshold`;
  return `${scale === 1 ? "As fitted" : name}: ${fires}${rate}. ${parameter(plot, scale, firing)}`;
}

// Returns the parameter that yields this threshold: the threshold itself if the detector has such a parameter,
// otherwise the closest alarm rate.
function parameter({ threshold, alarm_rate: alarmRate, is_parameter: isParameter, points, stored }, scale, firing) {
  if (isParameter) return `That is threshold = ${short(threshold * scale)}${alarmRate ? ', alarm_rate = "off"' : ""}.`;
  if (scale === 1) return `Fitted with alarm_rate = "${alarmRate}".`;
  if (firing === 0) return `That is rarer than alarm_rate = "1 in ${points}".`;
  if (stored < points && firing > stored / 4) return ""; // too many points are hidden by a higher score in their block
  return `That is near alarm_rate = "1 in ${Math.round(points / firing)}".`;
}
