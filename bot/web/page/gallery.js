// The gallery: poems that the reader keeps, in this browser alone. What lies in the browser's
// storage may be damaged or of another version: it is text, checked before it is shown.

import { locale } from "./languages.js";
import { SENTENCES } from "./sentences.js";

export const MAX_POEMS = 100;
export const MAX_CHARACTERS = 12_000; // of a poem: the longest that the bot writes, and its seed
const MAX_LINE = 300; // characters of a title or a name
const MAX_LINK = 30_000; // it has the lines of a poem that was written line by line
const KEY = "sonneteer-gallery";

// Return { poems, trouble }: the newest first, and a sentence if not all of them could be read.
export function readGallery() {
  let stored;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    return { poems: [], trouble: SENTENCES.galleryOff };
  }
  if (stored === null) return { poems: [], trouble: "" };
  const entries = parse(stored);
  if (!entries) return { poems: [], trouble: SENTENCES.galleryUnreadable };
  const poems = entries.filter(isPoem).slice(0, MAX_POEMS);
  const damaged = poems.length < entries.length;
  return { poems, trouble: damaged ? SENTENCES.galleryDamaged(poems.length) : "" };
}

function parse(stored) {
  try {
    const entries = JSON.parse(stored);
    return Array.isArray(entries) ? entries : null;
  } catch {
    return null;
  }
}

function isPoem(entry) {
  const isText = (value, limit) => typeof value === "string" && value.length <= limit;
  return (
    entry !== null &&
    typeof entry === "object" &&
    isText(entry.title, MAX_LINE) &&
    isText(entry.text, MAX_CHARACTERS) &&
    isText(entry.model, MAX_LINE) &&
    isText(entry.link, MAX_LINK) &&
    entry.link.startsWith("?") &&
    !Number.isNaN(Date.parse(entry.kept))
  );
}

// Keep { title, text, model, link }; return the sentence that says what came of it.
export function keepPoem({ title, text, model, link }) {
  const { poems } = readGallery();
  const poem = { title, text, model, link, kept: new Date().toISOString() };
  if (!isPoem(poem)) return SENTENCES.tooLongToKeep(MAX_CHARACTERS);
  if (poems.some((other) => other.text === text && other.link === link)) {
    return SENTENCES.keptBefore;
  }
  if (poems.length >= MAX_POEMS) return SENTENCES.galleryFull(MAX_POEMS);
  return store([poem, ...poems]) || SENTENCES.kept;
}

// Return a sentence if the browser does not take the poems, else "".
function store(poems) {
  try {
    if (poems.length) localStorage.setItem(KEY, JSON.stringify(poems));
    else localStorage.removeItem(KEY);
    return "";
  } catch (error) {
    const full = error.name === "QuotaExceededError";
    return full ? SENTENCES.galleryNoRoom : SENTENCES.galleryOff;
  }
}

// The gallery on the page; `copy` is called with a poem's text, and a function to tell of it.
export class Gallery {
  constructor(fold, copy) {
    const part = (name) => fold.querySelector(`[data-part=${name}]`);
    this.copy = copy;
    this.fold = fold;
    this.head = part("head");
    this.note = part("note");
    this.empty = part("empty");
    this.list = part("list");
    this.clear = part("clear");
    this.sure = part("sure");
    this.question = part("question");
    this.clear.addEventListener("click", () => this.ask(true));
    part("no").addEventListener("click", () => this.ask(false));
    part("yes").addEventListener("click", () => this.change(() => [], SENTENCES.cleared));
    fold.addEventListener("toggle", () => this.show());
    addEventListener("storage", (event) => event.key === KEY && this.show()); // another tab
    this.show();
  }

  show() {
    const { poems, trouble } = readGallery();
    this.head.textContent = SENTENCES.galleryTitle(poems.length);
    this.say(trouble);
    this.empty.hidden = poems.length > 0 || trouble !== "";
    this.list.replaceChildren(...poems.map((poem) => this.item(poem)));
    this.clear.hidden = poems.length === 0;
    this.sure.hidden = true;
  }

  item(poem) {
    const entry = make("li", "kept");
    const fold = make("details", "");
    const head = make("summary", "");
    const title = poem.title || poem.text.trim().split("\n")[0];
    head.append(make("h3", "", title));
    const copy = make("button", "", SENTENCES.copy);
    copy.addEventListener("click", () => this.copy(poem.text, (sentence) => this.say(sentence)));
    const remove = make("button", "", SENTENCES.remove);
    remove.addEventListener("click", () => this.remove(poem, entry));
    const again = Object.assign(make("a", "button", SENTENCES.writeAgain), { href: poem.link });
    for (const button of [copy, remove]) button.type = "button";
    for (const each of [again, copy, remove]) {
      each.setAttribute("aria-label", `${each.textContent}: ${title}`);
    }
    const actions = make("div", "actions");
    actions.append(again, copy, remove);
    const date = new Date(poem.kept).toLocaleDateString(locale(), { dateStyle: "long" });
    const by = make("p", "by", SENTENCES.keptOn(poem.model, date));
    const text = make("p", "text");
    text.lang = "en"; // as all verse of the page
    text.append(...poem.text.trim().split("\n").map((line) => make("span", "", line)));
    fold.append(head, text, by, actions);
    entry.append(fold);
    return entry;
  }

  // Delete one poem; the keyboard goes on at the next one.
  remove(poem, entry) {
    const place = [...this.list.children].indexOf(entry);
    const isOther = (other) => other.text !== poem.text || other.link !== poem.link;
    this.change((poems) => poems.filter(isOther), SENTENCES.removed);
    const next = this.list.children[Math.min(place, this.list.children.length - 1)];
    if (next) next.querySelector("summary").focus();
  }

  change(alter, sentence) {
    const trouble = store(alter(readGallery().poems));
    this.show();
    this.say(trouble || sentence);
    this.fold.querySelector("summary").focus();
  }

  // Ask before all poems are deleted.
  ask(open) {
    this.question.textContent = SENTENCES.clear(this.list.children.length);
    this.sure.hidden = !open;
    this.clear.hidden = open;
    (open ? this.sure.querySelector("button") : this.clear).focus();
  }

  say(sentence) {
    this.note.textContent = sentence;
  }
}

function make(name, className, text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
