// Applies the theme before the first paint, so that pages do not flash in the other theme. The browser stores a choice
// only while it differs from the system's preference.
{
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  const preferred = () => (system.matches ? "dark" : "light");

  const apply = (theme) => {
    root.dataset.theme = theme;
    document.getElementById("theme")?.setAttribute("aria-pressed", String(theme === "dark"));
    root.dispatchEvent(new Event("themechange"));
  };

  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is disabled
    }
  };

  const choose = (theme) => {
    try {
      if (theme === preferred()) localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // storage is disabled: the choice applies to this page only
    }
    apply(theme);
  };

  apply(chosen() ?? preferred());
  system.addEventListener("change", () => apply(chosen() ?? preferred()));
  addEventListener("DOMContentLoaded", () => {
    apply(root.dataset.theme);
    document.getElementById("theme").addEventListener("click", () => {
      choose(root.dataset.theme === "dark" ? "light" : "dark");
    });
  });
}
