// Has the server read a file or text as the command line does, and offers the options that its sentences name.
import { call } from "./api.js";

const MIB = 1024 * 1024;
const details = document.getElementById("reading-options");
const form = document.getElementById("reading");

// Returns [{ series_id, label, timestamps, values, notes }, …]; throws the server's sentence. content: a Blob.
export async function readSeries(content, name, series) {
  const maxBytes = Number(form.dataset.maxBytes);
  if (content.size > maxBytes) {
    const sizes = `has ${Math.ceil(content.size / MIB)} MiB; the server takes ${Math.floor(maxBytes / MIB)} MiB`;
    throw new Error(`${name || "The text"} ${sizes}. Compress it with gzip, or use tsad fit.`);
  }
  const query = new URLSearchParams([...new FormData(form)].filter(([, stated]) => stated !== ""));
  if (name) query.set("name", name.slice(-255));
  if (series) query.set("series", series);
  try {
    return (await call("POST", `ui/files?${query}`, content)).series;
  } catch (problem) {
    offerNamedOptions(problem.message);
    throw problem;
  }
}

// Reads again when the user has stated something.
export function onStated(again) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    again();
  });
}

function offerNamedOptions(sentence) {
  const named = new Set([...sentence.matchAll(/--([a-z-]+)/g)].map(([, option]) => option.replaceAll("-", "_")));
  for (const control of form.elements) control.closest(".field")?.classList.toggle("named", named.has(control.name));
  if (form.querySelector(".named")) details.open = true;
}
