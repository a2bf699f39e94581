// Refit form: asks for the detectors when it opens, shows the fields of the chosen one, and sends their values as JSON.
import { act } from "./act.js";
import { ROOT, call } from "./api.js";

const MANY_CHOICES = 20; // such as time zones: a field that suggests them instead of a list
const form = document.getElementById("fit-form");
const fields = document.getElementById("fit-fields");
let detectors = null;

async function load() {
  detectors ??= (await call("GET", "detectors")).detectors;
  const { detector } = form.elements;
  const chosen = detector.value;
  detector.replaceChildren(...detectors.map(({ name }) => new Option(name, name, false, name === chosen)));
  showFields();
}

function showFields() {
  const { purpose, parameters } = detectors.find(({ name }) => name === form.elements.detector.value);
  const shown = Object.entries(parameters.properties).filter(([name]) => name !== "exclude");
  fields.replaceChildren(make("p", { textContent: purpose }), ...shown.map(([name, schema]) => field(name, schema)));
}

function field(name, schema) {
  const id = `fit-${name}`;
  const label = make("label", { htmlFor: id, textContent: name.replaceAll("_", " ") });
  const help = make("small", { id: `${id}-help`, textContent: schema.description ?? "" });
  const control = controlOf(schema, id);
  Object.assign(control, { id, name });
  control.setAttribute("aria-describedby", help.id);
  const box = make("div", { className: "field" });
  box.append(label, control, ...(schema.enum?.length > MANY_CHOICES ? [suggestions(schema.enum, id)] : []), help);
  return box;
}

function controlOf(schema, id) {
  const isNumber = ["number", "integer"].includes(schema.type) && schema.default !== null;
  if (schema.enum && schema.enum.length <= MANY_CHOICES) {
    const select = make("select", {});
    select.dataset.type = "string";
    select.append(...schema.enum.map((option) => new Option(option, option, false, option === schema.default)));
    return select;
  }
  const type = isNumber ? "number" : schema.type === "string" ? "string" : "json";
  const input = make("input", { required: true, value: type === "json" ? JSON.stringify(schema.default) : schema.default });
  input.dataset.type = type;
  if (isNumber) Object.assign(input, { type: "number", step: "any", max: schema.maximum ?? "" });
  if (schema.enum) input.setAttribute("list", `${id}-choices`);
  return input;
}

function suggestions(choices, id) {
  const list = make("datalist", { id: `${id}-choices` });
  list.append(...choices.map((choice) => new Option(choice)));
  return list;
}

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
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
  const parameters = Object.fromEntries([...fields.querySelectorAll("[name]")].map((control) => [control.name, valueOf(control)]));
  const { version, detector } = form.elements;
  const path = `series/${form.dataset.series}/versions/${version.value}/fit`;
  const job = await call("POST", path, { detector: detector.value, parameters });
  location.assign(new URL(`ui/jobs/${job.job_id}`, ROOT));
}

const notice = form?.querySelector(".notice");
for (const button of document.querySelectorAll('[data-opens="fit"]')) button.addEventListener("click", () => act(button, load, notice));
form?.elements.detector.addEventListener("change", showFields);
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  act(event.submitter, fit, notice);
});
