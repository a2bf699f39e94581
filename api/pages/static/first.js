// The first series of an empty installation: a sample, or a file that the user drops. Ends on its chart.
import { act } from "./act.js";
import { ROOT, call } from "./api.js";
import { pointsOf } from "./lines.js";

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const WAIT_S = 8; // for the fit; a longer one ends on the page of its job
const drop = document.getElementById("drop");

export async function fitAndShow(seriesId, body) {
  const accepted = await call("POST", `fit/${seriesId}`, { ...body, detector: "auto" });
  const job = await call("GET", `jobs/${accepted.job_id}?wait=${WAIT_S}`);
  location.assign(new URL(job.version ? `plot?series_id=${seriesId}` : `ui/jobs/${job.job_id}`, ROOT));
}

async function fitFile(file) {
  if (file.size > MAX_FILE_BYTES) throw new Error("The file is larger than 16 MiB. Use `tsad fit` instead.");
  const points = pointsOf(await file.text());
  const seriesId = file.name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, 128);
  await fitAndShow(seriesId, { timestamps: points.map(([time]) => time), values: points.map(([, value]) => value) });
}

const open = (file) => file && act(drop, () => fitFile(file));

for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () =>
    act(button, async () => fitAndShow(button.dataset.sample, await call("GET", `ui/samples/${button.dataset.sample}`))),
  );
}
drop?.querySelector("input").addEventListener("change", ({ target }) => open(target.files[0]));
drop?.addEventListener("dragover", (event) => event.preventDefault());
drop?.addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
