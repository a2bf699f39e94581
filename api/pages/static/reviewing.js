// The form with which people review an alert: one of three words, or none, and a note. It is outside the parts that are
// replaced while the page is open, so that nobody loses a note while writing it.
import { act } from "./act.js";
import { call } from "./api.js";
import { refresh } from "./live.js";

const form = document.getElementById("review");
const choices = [...form.querySelectorAll("button[name=review]")];
const isPressed = (button) => button.ariaPressed === "true";

form.addEventListener("submit", (event) => {
  event.preventDefault(); // also Enter in the note: the choice stays
  act(form.elements.save, () => save(choices.find(isPressed)?.value ?? null));
});
for (const choice of choices) {
  choice.addEventListener("click", () => act(choice, () => save(isPressed(choice) ? null : choice.value)));
}

async function save(review) {
  const stored = await call("PUT", form.dataset.path, { review, note: form.elements.note.value });
  for (const choice of choices) choice.ariaPressed = String(choice.value === stored.review);
  await refresh();
}
