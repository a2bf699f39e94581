// Runs the actions that buttons declare in their attributes:
//   data-call, data-path, data-body   the request to the API: method, path, JSON body
//   data-follow                       then open the page of the accepted job
//   data-then                         then open this page; with neither, refresh the current page
//   data-opens, data-version          the dialog that asks for confirmation, and the version it concerns
import { act } from "./act.js";
import { ROOT, call } from "./api.js";
import { refresh } from "./live.js";

function go(path) {
  location.assign(new URL(path, ROOT));
}

async function callApi({ dataset }) {
  const result = await call(dataset.call, dataset.path, dataset.body ? JSON.parse(dataset.body) : undefined);
  if ("follow" in dataset) go(`ui/jobs/${result.job_id}`);
  else if (dataset.then !== undefined) go(dataset.then);
  else await refresh();
}

function open({ opens, version }) {
  const dialog = document.getElementById(opens);
  for (const text of dialog.querySelectorAll("[data-version-text]")) text.textContent = version;
  for (const button of dialog.querySelectorAll("[data-version-path]")) {
    button.dataset.path = button.dataset.versionPath + version;
  }
  dialog.showModal();
}

// Commands to copy need the URL that this browser uses to reach the server, including any proxy prefix.
for (const text of document.querySelectorAll("[data-root]")) text.textContent = ROOT.href;

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.dataset.call) act(button, () => callApi(button));
  else if (button.dataset.opens) open(button.dataset);
  else if ("closes" in button.dataset) button.closest("dialog").close();
});
