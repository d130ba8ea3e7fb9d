// The language of the page: the reader's choice, or the first that their browser names and the page
// has. It runs before the first paint: a page that has to be translated stays hidden until it is,
// but not for long.
"use strict";

(() => {
  const KEY = "sonneteer-language";
  const KNOWN = ["en", "de", "fr", "es", "pt-BR", "ru"];
  const LONGEST_MS = 2_000; // that the page is hidden
  const root = document.documentElement;

  function known(tag) {
    const part = tag.split("-")[0].toLowerCase();
    return KNOWN.find((language) => language.split("-")[0] === part);
  }

  function chosen() {
    try {
      const kept = localStorage.getItem(KEY);
      return KNOWN.includes(kept) ? kept : undefined;
    } catch {
      return undefined; // storage is turned off
    }
  }

  root.lang = chosen() ?? navigator.languages.map(known).find((language) => language) ?? "en";
  if (root.lang === "en") return;
  root.dataset.untranslated = "";
  setTimeout(() => delete root.dataset.untranslated, LONGEST_MS);
})();
