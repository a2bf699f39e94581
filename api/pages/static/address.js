// Keeps what the page shows in its URL, so that a link shows the same.
export function remember(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href !== location.href) history.replaceState(null, "", url);
}

const DAY_MS = 86_400_000;
const PHONE_POINTS = 400; // that a phone shows at first
const text = (time) => new Date(time).toISOString().slice(0, 19);

// The range of the chart: two fields and buttons set it, and the fields and the URL follow it.
export function followRange(plot, chart) {
  const form = document.getElementById("range");
  const { from, to } = form.elements;
  const [first, last] = [1000 * plot.first, 1000 * plot.last];

  const show = () => {
    const [left, right] = chart.shown();
    const isAll = left <= first && right >= last;
    const [start, end] = [Math.max(left, first), Math.min(right, last)];
    from.value = text(start);
    to.value = text(end);
    remember(isAll ? { from: null, to: null } : { from: Math.floor(start / 1000), to: Math.ceil(end / 1000) });
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [start, end] = [from, to].map(({ value }) => Date.parse(`${value}Z`));
    if (start < end) chart.zoomTo(start, end);
    else show();
  });
  form.addEventListener("click", ({ target }) => {
    const { days } = target.dataset;
    if (days !== undefined) chart.zoomTo(days === "" ? first : last - DAY_MS * Number(days), last);
  });
  if (chart.isPhone && !new URL(location.href).searchParams.has("from")) {
    const span = (PHONE_POINTS * (last - first)) / plot.points; // more would be a solid block
    if (span < last - first) chart.zoomTo(last - span, last);
  }
  chart.whenMoved((change) => {
    if (Object.keys(change).some((name) => name.startsWith("xaxis"))) show();
  });
}
