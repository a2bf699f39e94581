// Refit form: shows the fields of the chosen detector and sends their values as JSON.
import { act } from "./actions.js";
import { ROOT, call } from "./api.js";

const form = document.getElementById("fit-form");

function showParameters() {
  for (const set of form.querySelectorAll("fieldset")) {
    const chosen = set.dataset.detector === form.elements.detector.value;
    set.hidden = !chosen;
    set.disabled = !chosen;
  }
}

function valueOf({ value, name, dataset }) {
  if (dataset.type === "number") return Number(value);
  if (dataset.type === "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    throw new Error(`${name} is not valid JSON.`);
  }
}

async function fit() {
  const fields = form.querySelectorAll("fieldset:enabled [name]");
  const parameters = Object.fromEntries([...fields].map((field) => [field.name, valueOf(field)]));
  const { version, detector } = form.elements;
  const path = `series/${form.dataset.series}/versions/${version.value}/fit`;
  const job = await call("POST", path, { detector: detector.value, parameters });
  location.assign(new URL(`ui/jobs/${job.job_id}`, ROOT));
}

form?.addEventListener("change", showParameters);
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, fit, form.querySelector(".notice"));
});
