// The light or dark look: as the system has it until the reader chooses. It runs before the first
// paint, so that nothing flashes.
"use strict";

(() => {
  const KEY = "sonneteer-look";
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is turned off: the choice lasts as long as the page
    }
  }

  function remember(look) {
    try {
      localStorage.setItem(KEY, look);
    } catch {
      // as above
    }
  }

  function look() {
    return root.dataset.look || (systemIsDark.matches ? "dark" : "light");
  }

  const before = chosen();
  if (before === "dark" || before === "light") root.dataset.look = before;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("look");
    if (!button) return; // the kiosk has no settings
    const show = () => button.setAttribute("aria-pressed", String(look() === "dark"));
    button.addEventListener("click", () => {
      root.dataset.look = look() === "dark" ? "light" : "dark";
      remember(root.dataset.look);
      show();
    });
    systemIsDark.addEventListener("change", show);
    show();
  });
})();
