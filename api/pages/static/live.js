// Keeps a page up to date. Streams report changes of jobs and of alerts. For a change that the page does not show yet,
// this script fetches the page again and replaces its live parts, so that only the server renders them.
import { ROOT } from "./api.js";

const MIN_GAP_MS = 1000;
const MAX_RETRY_MS = 30_000;
const OFFLINE_AFTER_MS = 5000; // a restart of the server takes less
const CLOCK_SKEW_MS = 5000; // tolerated between server and database

const state = document.getElementById("live");
const served = new WeakMap(); // HTML of each part, as the server rendered it
let sources = []; // one stream for each URL of the page; the first one shows whether the server can be reached
let retryMs = 1000;
let offline = null; // timer that says so after a while
let stale = false; // the stream may have missed changes
let refreshing = false; // also during the pause after a refresh, which limits the load on a busy installation
let refreshNeeded = false;
let newestFetch = 0; // number of the last fetch of the page
let shownFetch = 0; // number of the fetch that the page shows

for (const part of document.querySelectorAll("[data-live] > *")) served.set(part, part.outerHTML);

// --------------------------------------------------------------------------------------------------- refreshing

export async function refresh() {
  const began = performance.now();
  newestFetch += 1;
  const fetchNumber = newestFetch;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    const html = await response.text();
    if (!response.ok || fetchNumber < shownFetch) return performance.now() - began; // a later fetch may finish first
    shownFetch = fetchNumber;
    replaceParts(new DOMParser().parseFromString(html, "text/html"));
  } catch {
    stale = true; // when the server is back, the stream reopens and triggers a refresh
  }
  return performance.now() - began;
}

async function refreshSoon() {
  refreshNeeded = true;
  if (refreshing) return;
  refreshing = true;
  while (refreshNeeded) {
    refreshNeeded = false;
    const tookMs = await refresh();
    await new Promise((resume) => setTimeout(resume, Math.max(MIN_GAP_MS, 5 * tookMs)));
  }
  refreshing = false;
}

function replaceParts(fresh) {
  for (const current of document.querySelectorAll("[data-live]")) {
    const replacement = fresh.getElementById(current.id);
    if (replacement) replaceChildren(current, replacement);
  }
  state.dataset.now = fresh.getElementById("live")?.dataset.now ?? state.dataset.now;
  writeTimes();
}

function replaceChildren(current, replacement) {
  const obsolete = new Map([...current.children].map((part) => [part.id, part]));
  let previous = null;
  for (const freshPart of [...replacement.children]) {
    const html = freshPart.outerHTML;
    let part = obsolete.get(freshPart.id);
    obsolete.delete(freshPart.id);
    if (served.get(part) !== html) part = replace(part, document.importNode(freshPart, true), html);
    const next = previous ? previous.nextElementSibling : current.firstElementChild;
    if (part !== next) current.insertBefore(part, next);
    previous = part;
  }
  for (const part of obsolete.values()) {
    if (part.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
    part.remove();
  }
}

function replace(old, fresh, html) {
  const focused = old?.contains(document.activeElement) ? document.activeElement : null;
  served.set(fresh, html);
  old?.replaceWith(fresh);
  if (focused) {
    const target = ({ dataset, href }) => dataset.path ?? href;
    const alike = (part) => [...part.querySelectorAll("[data-path], a")].filter((control) => target(control) === target(focused));
    const same = alike(fresh)[alike(old).indexOf(focused)];
    (same ?? fresh.querySelector("button, a") ?? document.getElementById("main")).focus({ preventScroll: true });
  }
  return fresh;
}

// ------------------------------------------------------------------------------------------------------- the stream

function connect() {
  sources = state.dataset.stream.split(" ").map((url, place) => follow(url, place === 0));
}

function follow(url, isFirst) {
  const stream = new EventSource(new URL(url, ROOT));
  stream.addEventListener("job", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("alert", (event) => showAlert(JSON.parse(event.data), Number(event.lastEventId)));
  stream.addEventListener("open", () => {
    if (isFirst) connected();
    if (stale) refreshSoon();
    stale = sources.some(({ readyState }) => readyState !== EventSource.OPEN);
  });
  stream.addEventListener("error", () => {
    stale = true;
    if (isFirst) disconnected();
    if (stream.readyState !== EventSource.CLOSED) return; // the browser reconnects automatically
    setTimeout(() => {
      const place = sources.indexOf(stream);
      if (place >= 0) sources[place] = follow(url, isFirst);
    }, retryMs);
    retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
  });
  return stream;
}

function connected() {
  retryMs = 1000;
  state.textContent = "Live";
  state.classList.add("on");
  clearTimeout(offline);
  offline = null;
}

function disconnected() {
  state.classList.remove("on");
  if (offline !== null) return;
  state.textContent = "Reconnecting";
  const since = new Date().toTimeString().slice(0, 5);
  offline = setTimeout(() => (state.textContent = `Server unreachable since ${since}, retrying`), OFFLINE_AFTER_MS);
}

const isRecent = (time) => Date.parse(time) > Date.parse(state.dataset.now) - CLOCK_SKEW_MS;

function showAlert(alert, revision) {
  const parts = [...document.querySelectorAll(`[data-alert="${CSS.escape(alert.alert_id)}"]`)];
  const isShown = parts.length > 0 && parts.every((part) => Number(part.dataset.revision) >= revision);
  if (!isShown && (parts.length > 0 || isRecent(alert.changed_at))) refreshSoon();
}

function show(job) {
  const parts = document.querySelectorAll(`[data-job="${CSS.escape(job.job_id)}"]`);
  const isNew = isRecent(job.finished_at ?? job.started_at ?? job.created_at);
  if (parts.length ? [...parts].some((part) => part.dataset.status !== job.status) : isNew) refreshSoon();
  for (const part of parts) {
    part.querySelector("progress")?.setAttribute("value", job.progress);
    for (const text of part.querySelectorAll("[data-percent]")) text.textContent = `${Math.floor(100 * job.progress)} %`;
  }
}

// A hidden page closes its stream, because all tabs of a browser share six connections per host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    for (const stream of sources) stream.close();
    sources = [];
    stale = true;
  } else if (sources.length === 0) {
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
  const [size, unit] = UNITS.find(([unitSeconds]) => seconds >= unitSeconds) ?? UNITS[3];
  return `${Math.floor(Math.max(seconds, 0) / size)} ${unit} ago`;
}

function writeTimes() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const passed = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
    const text = time.dataset.ago === "for" ? passed.replace(" ago", "") : passed;
    if (time.textContent !== text) time.textContent = text;
  }
}

writeTimes();
setInterval(writeTimes, 1000);
// Charts move on while nothing changes that a stream reports.
if (state.dataset.everyS) setInterval(() => document.hidden || refreshSoon(), 1000 * state.dataset.everyS);
if (!document.hidden) connect();
