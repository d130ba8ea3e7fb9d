// A poem with its rhyme letters and a mark over each syllable.

import { SENTENCES } from "./sentences.js";

// Return the lines of `text` as elements; `looks` has one entry for each that is not blank.
export function scan(text, looks) {
  let next = 0;
  return text
    .trim()
    .split("\n")
    .map((line) => scanLine(line.trim() ? looks[next++] : null));
}

// Return one line; a blank one for null.
export function scanLine(look) {
  const line = Object.assign(document.createElement("span"), { className: "line" });
  if (!look) return line;
  if (look.rhyme) line.dataset.rhyme = look.rhyme;
  const last = look.syllables.findLastIndex(([text]) => /\p{L}/u.test(text));
  look.syllables.forEach(([text, beat], place) => {
    if (!/\p{L}/u.test(text)) return line.append(text);
    const syllable = Object.assign(document.createElement("span"), { textContent: text });
    syllable.className = `syllable${beat ? " beat" : ""}${place === last ? " end" : ""}`;
    return line.append(syllable);
  });
  return line;
}

// Say what is shown above a line's syllables.
export function describeLine(look) {
  const parts = look.syllables.filter(([text]) => /[\p{L}\p{N}]/u.test(text));
  return SENTENCES.lineLook(parts.length, parts.filter(([, beat]) => beat).length, look.rhyme);
}
