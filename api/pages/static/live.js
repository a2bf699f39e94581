// Keeps a page true. One stream tells what became of jobs; whenever it tells something that the page does not show, the
// page is fetched again and its live parts are put in place, so that each part is written once, by the server.
import { ROOT } from "./api.js";

const SHORTEST_GAP_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
const CLOCKS_DIFFER_MS = 5000; // the server's and the database's

const state = document.getElementById("live");
const served = new WeakMap(); // parts, as the server wrote them
let source = null;
let retryMs = 1000;
let missed = false; // the stream was away for a while
let resting = false; // after a refresh, so that a busy installation is not asked all the time
let wanted = false;
let asked = 0; // how often the page was fetched again, and which of the answers it shows
let shown = 0;

for (const part of document.querySelectorAll("[data-live] > *")) served.set(part, part.outerHTML);

// --------------------------------------------------------------------------------------------------- the page again

export async function refresh() {
  const began = performance.now();
  asked += 1;
  const mine = asked;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const html = await answer.text();
    if (!answer.ok || mine < shown) return performance.now() - began; // a later one may have been quicker
    shown = mine;
    replaceParts(new DOMParser().parseFromString(html, "text/html"));
  } catch {
    missed = true; // the stream will tell when the server is back
  }
  return performance.now() - began;
}

async function refreshSoon() {
  wanted = true;
  if (resting) return;
  resting = true;
  while (wanted) {
    wanted = false;
    const took = await refresh();
    await new Promise((resume) => setTimeout(resume, Math.max(SHORTEST_GAP_MS, 5 * took)));
  }
  resting = false;
}

function replaceParts(fresh) {
  for (const now of document.querySelectorAll("[data-live]")) {
    const then = fresh.getElementById(now.id);
    if (then) replaceChildren(now, then);
  }
  state.dataset.now = fresh.getElementById("live")?.dataset.now ?? state.dataset.now;
  writeTimes();
}

function replaceChildren(now, then) {
  const known = new Map([...now.children].map((part) => [part.id, part]));
  let last = null;
  for (const part of [...then.children]) {
    const html = part.outerHTML;
    let kept = known.get(part.id);
    known.delete(part.id);
    if (served.get(kept) !== html) kept = replace(kept, document.importNode(part, true), html);
    const place = last ? last.nextElementSibling : now.firstElementChild;
    if (kept !== place) now.insertBefore(kept, place);
    last = kept;
  }
  for (const gone of known.values()) {
    if (gone.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
    gone.remove();
  }
}

function replace(old, fresh, html) {
  const focused = old?.contains(document.activeElement) ? document.activeElement : null;
  served.set(fresh, html);
  old?.replaceWith(fresh);
  if (focused) {
    const same = [...fresh.querySelectorAll("[data-path]")].find((one) => one.dataset.path === focused.dataset.path);
    (same ?? fresh.querySelector("button, a") ?? document.getElementById("main")).focus({ preventScroll: true });
  }
  return fresh;
}

// ------------------------------------------------------------------------------------------------------- the stream

function connect() {
  const mine = new EventSource(new URL(state.dataset.stream, ROOT));
  source = mine;
  mine.addEventListener("open", () => {
    retryMs = 1000;
    state.textContent = "Live";
    state.classList.add("on");
    if (missed) refreshSoon();
    missed = false;
  });
  mine.addEventListener("job", (event) => show(JSON.parse(event.data)));
  mine.addEventListener("error", () => {
    missed = true;
    state.textContent = "Reconnecting";
    state.classList.remove("on");
    if (mine.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(() => mine === source && connect(), retryMs);
    retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
  });
}

function show(job) {
  const parts = document.querySelectorAll(`[data-job="${CSS.escape(job.job_id)}"]`);
  const changed = Date.parse(job.finished_at ?? job.started_at ?? job.created_at);
  const isNew = changed > Date.parse(state.dataset.now) - CLOCKS_DIFFER_MS;
  if (parts.length ? [...parts].some((part) => part.dataset.status !== job.status) : isNew) refreshSoon();
  for (const part of parts) {
    part.querySelector("progress")?.setAttribute("value", job.progress);
    for (const text of part.querySelectorAll("[data-percent]")) text.textContent = `${Math.floor(100 * job.progress)} %`;
  }
}

// A hidden page needs no stream: browsers open six connections to a host, however many tabs there are.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
    missed = true;
  } else if (source === null) {
    connect();
  }
});

// --------------------------------------------------------------------------------------------------------- the time

const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

export function ago(seconds) {
  const [size, unit] = UNITS.find(([least]) => seconds >= least) ?? UNITS[3];
  return `${Math.floor(Math.max(seconds, 0) / size)} ${unit} ago`;
}

function writeTimes() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

writeTimes();
setInterval(writeTimes, 1000);
if (!document.hidden) connect();
