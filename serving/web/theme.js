// Light or dark, before anything is painted: what the person chose here, else what the system says.
// A plain script and no module, since modules wait for the document.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("pulmo-theme");
    } catch {
      return null; // storage is switched off
    }
  };
  const apply = () => {
    const theme = chosen() ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(theme === "dark"));
  };
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      try {
        if (next === (dark.matches ? "dark" : "light")) localStorage.removeItem("pulmo-theme");
        else localStorage.setItem("pulmo-theme", next);
      } catch { /* it holds until the page is left */ }
      document.documentElement.dataset.theme = next;
      document.getElementById("theme").setAttribute("aria-pressed", String(next === "dark"));
    });
  });
})();
