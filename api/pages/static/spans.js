// Spans that the user selects by dragging: zoom into one, or exclude it from the next fit.
import { ROOT, call } from "./api.js";

const bar = document.getElementById("span");
const hint = document.getElementById("span-hint");
const begin = document.getElementById("span-begin"); // on phones, where dragging scrolls the page otherwise
const excluded = document.getElementById("excluded");
const notice = excluded.querySelector(".notice");
const text = (time) => new Date(time).toISOString().slice(0, 16).replace("T", " ");
const label = (from, to) => `${text(from)} to ${text(to)}`;

export function offerSpans(plot, chart) {
  let selected = null; // [from, to] in milliseconds
  const spans = (plot.parameters.exclude ?? []).map(([from, to]) => ({ from: 1000 * from, to: 1000 * to }));

  const show = () => {
    bar.hidden = selected === null;
    hint.hidden = selected !== null;
    begin.hidden = selected !== null || !chart.isPhone;
    if (selected) document.getElementById("span-range").textContent = label(...selected);
  };

  const clear = () => {
    selected = null;
    show();
    return chart.clearSelection();
  };

  const offerBegin = () => {
    begin.setAttribute("aria-pressed", "false");
    return chart.selectByDragging(false);
  };

  const list = () => {
    excluded.hidden = spans.length === 0;
    excluded.querySelector("ul").replaceChildren(...spans.map(chip));
    return chart.shade("excluded", spans, "rule");
  };

  const chip = (span) => {
    const item = document.createElement("li");
    const remove = document.createElement("button");
    item.textContent = `${label(span.from, span.to)} `;
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Include ${label(span.from, span.to)} again`);
    remove.addEventListener("click", () => {
      spans.splice(spans.indexOf(span), 1);
      list();
    });
    item.append(remove);
    return item;
  };

  chart.whenSelected(([from, to]) => {
    selected = [Math.min(from, to), Math.max(from, to)];
    show();
    if (chart.isPhone) offerBegin();
  });
  begin.addEventListener("click", () => {
    begin.setAttribute("aria-pressed", "true");
    chart.selectByDragging(true);
  });
  chart.whenDeselected(() => {
    if (selected) clear();
    else chart.zoomTo(1000 * plot.first, 1000 * plot.last);
  });
  document.getElementById("span-clear").addEventListener("click", clear);
  document.getElementById("span-zoom").addEventListener("click", async () => {
    const [from, to] = selected;
    await clear();
    chart.zoomTo(from, to);
  });
  document.getElementById("span-exclude").addEventListener("click", async () => {
    const [from, to] = selected;
    spans.push({ from: 1000 * Math.ceil(from / 1000), to: 1000 * Math.floor(to / 1000) });
    spans.sort((one, other) => one.from - other.from);
    await clear();
    list();
    document.getElementById("fit-without").focus();
  });
  document.getElementById("fit-without").addEventListener("click", () => fit(plot, spans));
  show();
  if (spans.length) list();
}

async function fit(plot, spans) {
  const exclude = spans.map(({ from, to }) => [from / 1000, to / 1000]);
  const path = `series/${plot.series_id}/versions/${plot.version}/fit`;
  try {
    const job = await call("POST", path, { detector: plot.detector, parameters: { ...plot.parameters, exclude } });
    location.assign(new URL(`ui/jobs/${job.job_id}`, ROOT));
  } catch (problem) {
    notice.textContent = problem.message;
    notice.hidden = false;
  }
}
