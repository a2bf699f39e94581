// Buttons: what each calls stands in its attributes.
//   data-call, data-path, data-body   the request to the API
//   data-follow                       go to the page of the job that was accepted
//   data-then                         go to this page afterwards; without either, the page shows what changed
//   data-opens, data-version          the dialog that asks first, and which version it is about
//   data-sample                       the sample to fit
import { ROOT, call } from "./api.js";
import { refresh } from "./live.js";

function go(path) {
  location.assign(new URL(path, ROOT));
}

// Does what the button is for; what went wrong is told in a sentence, where the page has a place for it.
export async function act(button, work, notice = document.getElementById("problem")) {
  if (button.ariaDisabled) return; // it is at work; a disabled button would lose the focus
  button.ariaDisabled = "true";
  notice.hidden = true;
  try {
    await work();
  } catch (error) {
    notice.textContent = error.message;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
  } finally {
    if (!button.closest("dialog")?.contains(notice)) button.closest("dialog")?.close();
    button.ariaDisabled = null;
  }
}

async function callApi({ dataset }) {
  const answer = await call(dataset.call, dataset.path, dataset.body ? JSON.parse(dataset.body) : undefined);
  if ("follow" in dataset) go(`ui/jobs/${answer.job_id}`);
  else if (dataset.then !== undefined) go(dataset.then);
  else await refresh();
}

async function fitSample({ dataset }) {
  const body = await call("GET", `ui/samples/${dataset.sample}`);
  const accepted = await call("POST", `fit/${dataset.sample}`, body);
  go(`ui/jobs/${accepted.job_id}`);
}

function open({ opens, version }) {
  const dialog = document.getElementById(opens);
  for (const text of dialog.querySelectorAll("[data-version-text]")) text.textContent = version;
  for (const button of dialog.querySelectorAll("[data-version-path]")) {
    button.dataset.path = button.dataset.versionPath + version;
  }
  dialog.showModal();
}

// What to copy must name this server as it is reached from here, through whatever proxy.
for (const text of document.querySelectorAll("[data-root]")) text.textContent = ROOT.href;

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.dataset.call) act(button, () => callApi(button));
  else if (button.dataset.sample) act(button, () => fitSample(button));
  else if (button.dataset.opens) open(button.dataset);
  else if ("closes" in button.dataset) button.closest("dialog").close();
});
