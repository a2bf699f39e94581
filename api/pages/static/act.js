// Runs the button's action, and shows an error in the notice.
export async function act(button, action, notice = document.getElementById("problem")) {
  if (button.ariaDisabled) return; // already running; the disabled attribute would drop the focus
  button.ariaDisabled = "true";
  notice.hidden = true;
  try {
    await action();
  } catch (error) {
    notice.textContent = error.message;
    notice.hidden = false;
    notice.scrollIntoView({ block: "nearest" });
  } finally {
    if (!button.closest("dialog")?.contains(notice)) button.closest("dialog")?.close();
    button.ariaDisabled = null;
  }
}
