// Shows what rules would have said about points of the past: their alerts on one time axis, and a sentence for each.
const SVG = "http://www.w3.org/2000/svg";
const MAX_LISTED = 50;
const DIAMOND = "m0-5 5 5-5 5-5-5z";
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const clock = (time) => new Date(1000 * time).toISOString().slice(0, 16).replace("T", " ");

// Writes the outcomes into the element. outcomes: [{ name, answer }], answers of POST /simulate about the same points.
export function showOutcomes(element, outcomes) {
  const { answer } = outcomes.at(-1);
  const { timestamps } = answer.verdicts;
  const [first, last] = [timestamps[0], timestamps.at(-1)];
  const table = make("table", { className: "outcomes" });
  table.innerHTML = '<thead><tr><th scope="col">Rule</th><th scope="col">Alerts</th><th scope="col" class="number">Alerts</th><th scope="col" class="number">Notices</th><th scope="col" class="number">Notices a week</th></tr></thead>';
  table.append(make("tbody", {}, ...outcomes.map((outcome) => row(outcome, first, last))));
  const list = make("ol", { className: "plainly" });
  for (const { sentence } of answer.alerts.slice(0, MAX_LISTED)) list.append(make("li", { textContent: sentence }));
  element.replaceChildren(make("p", { textContent: summary(answer, first, last) }), table, list);
  if (answer.alerts.length > MAX_LISTED) {
    element.append(make("p", { className: "faint", textContent: `The first ${MAX_LISTED} of ${count(answer.alerts.length, "alert")}.` }));
  }
}

function summary({ points, fits, refits_left_out: leftOut }, first, last) {
  const span = `${count(points, "point")} from ${clock(first)} to ${clock(last)} UTC`;
  if (!fits.length) return `${span}: too few for the first fit, so none was judged.`;
  const judged = `${span}, ${count(fits.length, "fit")}, judged from ${clock(fits[0].timestamp)} on.`;
  return leftOut ? `${judged} A simulation has at most 20 fits: ${count(leftOut, "later one")} of the schedule left out.` : judged;
}

function row({ name, answer }, first, last) {
  const cell = (textContent) => make("td", { className: "number", textContent });
  return make(
    "tr",
    {},
    make("th", { scope: "row", textContent: name }),
    make("td", {}, strip(answer.alerts, first, last)),
    cell(answer.alerts.length.toLocaleString("en")),
    cell(answer.notices.length.toLocaleString("en")),
    cell(String(Number(answer.notices_per_week.toPrecision(3)))),
  );
}

// A diamond for each alert, at the time when it opened.
function strip(alerts, first, last) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "strip");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Times of ${count(alerts.length, "alert")}`);
  for (const { opened_at: opened } of alerts) {
    const mark = document.createElementNS(SVG, "svg");
    mark.setAttribute("x", `${2 + (96 * (opened - first)) / Math.max(last - first, 1)}%`);
    mark.setAttribute("y", "50%");
    mark.setAttribute("overflow", "visible");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", DIAMOND);
    mark.append(path);
    svg.append(mark);
  }
  return svg;
}

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}
