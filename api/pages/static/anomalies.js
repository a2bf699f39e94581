// The list of anomalies: choosing one shows it in the chart; n and p choose the next and the previous one.
const list = document.getElementById("anomalies");
const MARGIN = 3; // times the duration of the anomaly, on each side
const MIN_MARGIN_POINTS = 40;

export function offerAnomalies(plot, chart) {
  if (!list) return;
  const items = [...list.querySelectorAll("button")];
  const interval = (1000 * (plot.last - plot.first)) / Math.max(plot.points - 1, 1);
  let chosen = -1;

  const choose = (index) => {
    chosen = (index + items.length) % items.length;
    for (const [place, item] of items.entries()) item.toggleAttribute("aria-current", place === chosen);
    const item = items[chosen];
    item.scrollIntoView({ block: "nearest" });
    const [first, last] = [1000 * item.dataset.first, 1000 * item.dataset.last];
    const margin = Math.max(MARGIN * (last - first), MIN_MARGIN_POINTS * interval);
    document.getElementById("anomaly-count").textContent = `${chosen + 1} of ${items.length}`;
    chart.zoomTo(first - margin, last + margin);
  };

  for (const [index, item] of items.entries()) item.addEventListener("click", () => choose(index));
  const next = () => choose(chosen + 1);
  const previous = () => choose(chosen < 0 ? items.length - 1 : chosen - 1);
  document.getElementById("next-anomaly").addEventListener("click", next);
  document.getElementById("previous-anomaly").addEventListener("click", previous);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "n") next();
    if (event.key === "p") previous();
  });
}
