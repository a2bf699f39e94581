// Retries the failed fits of a page: of every series whose newest job failed, so that none is fitted twice.
import { call } from "./api.js";

const button = document.getElementById("retry-all");
const outcome = document.getElementById("retried");
const MAX_AT_A_TIME = 4;

button?.addEventListener("click", async () => {
  button.disabled = true;
  try {
    await retryAll(button.dataset.series);
  } catch (problem) {
    outcome.textContent = problem.message;
  }
  button.disabled = false;
});

async function retryAll(seriesId) {
  outcome.textContent = "Looking for failed fits …";
  const jobs = await newestFailedOfSeries(seriesId);
  const counts = { retried: 0, kept: 0 };
  const workers = Array.from({ length: MAX_AT_A_TIME }, async () => {
    for (let job = jobs.pop(); job; job = jobs.pop()) {
      const { jobs: [newest] } = await call("GET", `jobs?series_id=${job.series_id}&limit=1`);
      const isRetried = newest.job_id === job.job_id && newest.links.retry;
      if (isRetried) await call("POST", `jobs/${job.job_id}/retry`);
      counts[isRetried ? "retried" : "kept"] += 1;
      outcome.textContent = `Retrying: ${counts.retried} …`;
    }
  });
  await Promise.all(workers);
  const kept = counts.kept ? ` Skipped, with a newer job or without data: ${counts.kept}.` : "";
  outcome.textContent = `Retried: ${counts.retried}.${kept}`;
}

async function newestFailedOfSeries(seriesId) {
  const bySeries = new Map();
  const filter = seriesId ? `&series_id=${seriesId}` : "";
  let cursor = "";
  do {
    const page = await call("GET", `jobs?status=failed&limit=200${filter}${cursor}`);
    for (const job of page.jobs) if (!bySeries.has(job.series_id)) bySeries.set(job.series_id, job);
    cursor = page.next_cursor ? `&cursor=${page.next_cursor}` : "";
  } while (cursor);
  return [...bySeries.values()];
}
