// Which training points fire at another threshold. A score is a distance in units of the threshold, so that at one
// `scale` times as high those fire whose score is greater than `scale`. A long series stores one score for each block of
// points, the highest: then "at least" so many fire.
import * as chart from "./chart.js";

const slider = document.getElementById("scale");
const asFitted = document.getElementById("as-fitted");
const count = (number) => number.toLocaleString("en");
const short = (number) => String(Number(number.toPrecision(4)));

// Returns what has to be called when the chart got other points.
export function offerThreshold(about) {
  const middle = Number(slider.value);

  const show = () => {
    const place = Number(slider.value);
    const scale = about.scales[place];
    mark(scale);
    document.getElementById("fires").textContent = sentence(about, scale, about.firing[place]);
    slider.setAttribute("aria-valuetext", `${short(scale)} times`);
    asFitted.disabled = place === middle;
    return chart.draw();
  };

  slider.addEventListener("input", show);
  asFitted.addEventListener("click", () => {
    slider.value = middle;
    show();
  });
  slider.value = middle; // a browser may have kept another
  show();
  return show;
}

function mark(scale) {
  const { x, y, customdata } = chart.columns.value;
  const firing = customdata.flatMap(([, score], place) => (score !== null && score > scale ? [place] : []));
  const pick = (column) => firing.map((place) => column[place]);
  chart.set("anomaly", { x: pick(x), y: pick(y), customdata: pick(customdata) });
  chart.set("value", { x, y, customdata });
  for (const name of ["lower edge", "normal band", "expected"]) {
    if (chart.has(name)) chart.set(name, { x: chart.columns[name].x, y: edge(name, scale) });
  }
}

// A band is as wide as the threshold is high; an open side stays where it is.
function edge(name, scale) {
  const { y, isOpen } = chart.columns[name];
  const expected = chart.columns.expected?.y;
  return isOpen || !expected ? y : y.map((value, place) => expected[place] + (value - expected[place]) * scale);
}

function sentence(about, scale, firing) {
  const some = about.stored < about.points ? "at least " : "";
  const fires = `${some}${count(firing)} of ${count(about.points)} training points ${firing === 1 ? "fires" : "fire"}`;
  const rate = firing ? `, one in ${count(Math.round(about.points / firing))}${some && " or more"}` : "";
  const name = `At ${short(scale)} times the threshold`;
  return `${scale === 1 ? "As fitted" : name}: ${fires}${rate}. ${parameter(about, scale, firing)}`;
}

// What to fit with to get that threshold: it, where the detector takes one, else an alarm rate that comes near.
function parameter({ threshold, alarm_rate: alarmRate, is_parameter: isParameter, points, stored }, scale, firing) {
  if (isParameter) return `That is threshold = ${short(threshold * scale)}${alarmRate ? ', alarm_rate = "off"' : ""}.`;
  if (scale === 1) return `Fitted with alarm_rate = "${alarmRate}".`;
  if (firing === 0) return `That is rarer than alarm_rate = "1 in ${points}".`;
  if (stored < points && firing > stored / 4) return ""; // too many share a block with a higher score to be counted
  return `That is near alarm_rate = "1 in ${Math.round(points / firing)}".`;
}
