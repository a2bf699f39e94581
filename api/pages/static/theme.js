// Loaded before anything is painted, so that no page flashes in the other theme. A choice is kept in this browser
// while it differs from what the system prefers.
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
      return null; // storage is switched off
    }
  };

  const choose = (theme) => {
    try {
      if (theme === preferred()) localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // then it holds for this page alone
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
