// Puts the page into the reader's language. The English sentence is the key of a translation; what
// has none is said in English.

const KEY = "sonneteer-language";
const WAIT_MS = 5_000; // for a catalogue, after which the page is English
const PLURALS = { ru: ["one", "few", "many"] }; // the forms in a catalogue; elsewhere one and other
const ATTRIBUTES = ["aria-label", "placeholder", "alt", "title"];
const root = document.documentElement;
const tellers = []; // called when the reader chooses another language
let catalogue = {};

// Return a sentence with `values` in the places of its named fields. A value is never read as a
// message: braces in it are text.
export function translate(message, values = {}) {
  return fill(catalogue[message] ?? message, values);
}

// Return a sentence on `count` things, which its messages may name as {count}.
export function counted(one, many, count, values = {}) {
  const forms = catalogue[one];
  const message = forms ? forms[pluralOf(count)] : count === 1 ? one : many;
  return fill(message, { ...values, count });
}

function fill(message, values) {
  return message.replace(/\{(\w+)\}/g, (field, name) =>
    name in values ? shown(values[name]) : field,
  );
}

function shown(value) {
  return typeof value === "number" ? value.toLocaleString(locale()) : String(value);
}

function pluralOf(count) {
  const names = PLURALS[root.lang] ?? ["one", "other"];
  const place = names.indexOf(new Intl.PluralRules(root.lang).select(count));
  return place < 0 ? names.length - 1 : place;
}

// Return the locale that numbers and dates are written in.
export function locale() {
  return root.lang === "en" ? "en-GB" : root.lang;
}

// Return the headers by which the server answers in the same language.
export function languageHeaders() {
  return { "Accept-Language": root.lang };
}

// Call `tell` whenever the reader chooses another language.
export function onLanguage(tell) {
  tellers.push(tell);
}

// ---- The texts of the page itself ----

const texts = [...document.body.querySelectorAll("*")]
  .filter((element) => !element.closest("[translate=no], noscript, script, kbd"))
  .flatMap((element) => [...ownText(element), ...ownAttributes(element)]);

// An element that has no other within it than keys is one message; keys stand in brackets.
function ownText(element) {
  const nodes = [...element.childNodes];
  if (nodes.some((node) => node.nodeType === Node.ELEMENT_NODE && node.tagName !== "KBD")) return [];
  const message = nodes
    .map((node) => (node.tagName === "KBD" ? `[${node.textContent}]` : node.textContent))
    .join("")
    .replace(/\s+/g, " ")
    .trim();
  return /[A-Za-z]{2}/.test(message) ? [{ element, name: null, message, last: null }] : [];
}

function ownAttributes(element) {
  return ATTRIBUTES.filter((name) => element.getAttribute(name)).map((name) => {
    return { element, name, message: element.getAttribute(name), last: null };
  });
}

// Show the texts in the present language; what a script has changed meanwhile stays.
function showTexts() {
  for (const text of texts) {
    const { element, name, message, last } = text;
    const now = name ? element.getAttribute(name) : element.textContent;
    if (last !== null && now !== last) continue;
    if (name) element.setAttribute(name, translate(message));
    else element.replaceChildren(...withKeys(translate(message)));
    text.last = name ? element.getAttribute(name) : element.textContent;
  }
}

function withKeys(text) {
  return text.split(/\[([^\]]+)\]/).map((part, index) => {
    if (index % 2 === 0) return part;
    return Object.assign(document.createElement("kbd"), { textContent: part });
  });
}

// ---- Choosing ----

// Take up a language: load its catalogue, and show the page in it.
async function speak(language) {
  try {
    catalogue = language === "en" ? {} : await load(language);
    root.lang = language;
  } catch {
    root.lang = Object.keys(catalogue).length ? root.lang : "en";
  }
  showTexts();
}

async function load(language) {
  const asked = fetch(`languages/${language}.json`, { signal: AbortSignal.timeout(WAIT_MS) });
  const response = await asked;
  if (!response.ok) throw new Error(response.status);
  return response.json();
}

const choice = document.getElementById("language"); // the kiosk has none
choice?.addEventListener("change", async () => {
  await speak(choice.value);
  choice.value = root.lang;
  try {
    localStorage.setItem(KEY, root.lang);
  } catch {
    // storage is turned off: the choice lasts as long as the page
  }
  for (const tell of tellers) tell();
});

if (root.lang !== "en") await speak(root.lang);
if (choice) choice.value = root.lang;
delete root.dataset.untranslated;
