// Marks spans of a live chart: dragging, with a mouse or a finger, fills the form, which sends the span.
import { act } from "./act.js";
import { call } from "./api.js";
import { refresh } from "./live.js";

const MIN_DRAG_PX = 5; // less is a tap
const chart = document.getElementById("live-chart");
const box = document.getElementById("mark");
const form = document.getElementById("mark-form");
const shade = document.querySelector("#selection rect");
const { from, to, kind, note } = form.elements;
const text = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 19);
const seconds = ({ value }) => Date.parse(`${value}Z`) / 1000;
let start = null; // where the drag began, in pixels of the page

// The part of the page that shows time, and its first and last second; the server draws it anew with new points.
function axis() {
  const field = chart.querySelector("svg.field");
  return { field, first: Number(field.dataset.first), last: Number(field.dataset.last) };
}

function timeAt(x) {
  const { field, first, last } = axis();
  const { left, width } = field.getBoundingClientRect();
  const share = Math.min(Math.max((x - left) / width, 0), 1);
  return Math.round(first + share * (last - first));
}

function showSelection() {
  const { first, last } = axis();
  const ends = [seconds(from), seconds(to)].map((time) => Math.min(Math.max((time - first) / (last - first), 0), 1));
  const isShown = ends[0] < ends[1];
  shade.toggleAttribute("hidden", !isShown);
  if (!isShown) return;
  shade.setAttribute("x", `${100 * ends[0]}%`);
  shade.setAttribute("width", `${100 * (ends[1] - ends[0])}%`);
}

chart.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  start = event.pageX;
  chart.setPointerCapture(event.pointerId);
});
chart.addEventListener("pointermove", (event) => {
  if (start === null || Math.abs(event.pageX - start) < MIN_DRAG_PX) return;
  const ends = [start, event.pageX].map(timeAt).sort((one, other) => one - other);
  [from.value, to.value] = ends.map(text);
  box.open = true;
  showSelection();
});
for (const name of ["pointerup", "pointercancel"]) chart.addEventListener(name, () => (start = null));
form.addEventListener("input", showSelection);
form.addEventListener("reset", () => setTimeout(showSelection)); // after the fields are empty
new MutationObserver(showSelection).observe(chart, { childList: true, subtree: true });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, async () => {
    const span = { from: seconds(from), to: seconds(to), kind: kind.value, note: note.value };
    await call("POST", `series/${form.dataset.series}/spans`, span);
    form.reset();
    box.open = false;
    await refresh();
  });
});
