// The page: reads the form, asks for a poem, shows it while it is written.

import { Reading, watchVoices } from "./aloud.js";
import { showBooks } from "./books.js";
import { Gallery, keepPoem } from "./gallery.js";
import { languageHeaders, onLanguage } from "./languages.js";
import { LineByLine } from "./lines.js";
import { Pen } from "./pen.js";
import { Refusal, checked, requestCard, requestPoem } from "./requests.js";
import { scan } from "./scansion.js";
import { SENTENCES } from "./sentences.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["temperature", "random_seed", "top_k", "top_p", "min_p", "repetition_guard"];
const RETRY_MS = 10_000; // between two tries to reach a server that is gone
const MODELS_MS = 10_000; // for a server that does not answer

let writing = null; // { abort, told }: the request on its way, or the last one
let pen = null; // of the poem on the page
let shown = null; // { start, poem, picture } of that poem; `poem` and its card come later
let reading = null; // the voice, while it reads
let models = [];
let defaults = null;

// ---- The form ----

// Return the body of the request; raise Refusal for what is no number at all.
function readForm() {
  const body = { seed: $("seed").value, greedy: $("greedy").checked };
  body.stop = $("stop_at").value.split("\n").filter((line) => line !== "");
  if ($("model").value) body.model = $("model").value;
  for (const name of NUMBERS) body[name] = readNumber($(name));
  body.avoid = $("avoid").value.split(/[\s,;]+/).filter((word) => word !== "");
  body.form = $("shape").value || null;
  if (body.form === "free") body[$("unit").value] = readNumber($("length"));
  body.seed = body.seed.toWellFormed?.() ?? body.seed;
  return body;
}

function readNumber(input) {
  if (input.validity.badInput) {
    for (const fold of [$("settings"), $("more")]) fold.open ||= fold.contains(input);
    input.focus();
    throw new Refusal(SENTENCES.noNumber(input.labels[0].textContent));
  }
  return input.value === "" ? null : Number(input.value);
}

function fillForm(query) {
  $("seed").value = query.get("seed") ?? "";
  for (const name of NUMBERS) $(name).value = query.get(name) ?? "";
  const unit = query.has("characters") ? "characters" : "lines";
  $("unit").value = unit;
  $("length").value = query.get(unit) ?? "";
  $("greedy").checked = query.get("greedy") === "true";
  $("stop_at").value = query.getAll("stop").join("\n");
  $("avoid").value = query.getAll("avoid").join(" ");
  // Links of before there were forms have a length alone.
  chooseForm(query.get("form") ?? (query.has("lines") || query.has("characters") ? "free" : null));
  chooseModel(query.get("model"));
  const written = [$("stop_at").value, $("avoid").value];
  $("more").open = NUMBERS.slice(1).some(isUnusual) || written.some((text) => text !== "");
  $("slider").value = $("temperature").value || $("temperature").placeholder || 0.5;
}

function isUnusual(name) {
  return $(name).value !== "" && Number($(name).value) !== defaults?.[name];
}

// Select a model by name or by the beginning of its hash; an unknown one is the server's to refuse.
function chooseModel(wanted) {
  if (!wanted) return;
  const found = models.find((model) => model.name === wanted || model.sha256.startsWith(wanted));
  if (!found) $("model").append(new Option(SENTENCES.missingModel(wanted), wanted));
  $("model").value = found ? found.name : wanted;
}

// Select a form, and show the settings that it has.
function chooseForm(wanted) {
  if (wanted && ![...$("shape").options].some((option) => option.value === wanted)) {
    $("shape").append(new Option(SENTENCES.unknownForm(wanted), wanted));
  }
  $("shape").value = wanted ?? defaults?.form ?? "free";
  fitForm();
}

function fitForm() {
  const free = $("shape").value === "free";
  $("free_length").hidden = !free;
  const usual = free ? defaults?.temperature : defaults?.verse_temperature;
  if (usual === undefined) return;
  $("temperature").placeholder = usual;
}

async function loadModels() {
  const asked = fetch("api/models", {
    headers: languageHeaders(),
    signal: AbortSignal.timeout(MODELS_MS),
  });
  const answer = await (await checked(await asked)).json();
  ({ models, defaults } = answer);
  $("model").replaceChildren(
    ...models.map((model) => new Option(titled(model), model.name)),
  );
  for (const [name, [low, high]] of Object.entries(answer.ranges)) {
    const input = $(name);
    if (input) Object.assign(input, { min: low, max: high });
    if (input && name in defaults) input.placeholder = defaults[name];
  }
  Object.assign($("slider"), {
    min: answer.ranges.temperature[0],
    max: answer.ranges.temperature[1],
    value: defaults.temperature,
  });
  $("length").value = defaults.lines;
  $("shape").replaceChildren(...answer.forms.map((form) => new Option(SENTENCES.form(form), form)));
  chooseForm(null);
  useUsualTemperature();
}

function titled(model) {
  return `${model.name} · ${model.book}`;
}

// Take up a model from the books, where one may stand that came after the page.
function writeWith(book) {
  const stands = [...$("model").options].some((option) => option.value === book.name);
  if (!stands) $("model").append(new Option(titled(book), book.name));
  $("model").value = book.name;
  if (!isWriting()) say(SENTENCES.nextModel(book.name));
  $("seed").focus();
}

function useUsualTemperature() {
  $("temperature").value = $("temperature").placeholder;
  $("slider").value = $("temperature").value;
}

// ---- A poem ----

async function write(body) {
  stop();
  const mine = begin();
  const { signal } = mine.abort;
  try {
    for await (const { event, data } of requestPoem(body, signal)) receive(mine, event, data);
    await pen.done();
    if (!signal.aborted) end(shown.poem);
  } catch (error) {
    if (signal.aborted) return;
    pen?.lift();
    settle("");
    if (byLine.open) byLine.complain(sentenceOf(error));
    else showError(sentenceOf(error));
  }
}

function sentenceOf(error) {
  return error instanceof Refusal ? error.message : SENTENCES.unreachable;
}

// Make ready for a poem; the last one stands until the new one really comes.
function begin() {
  fallSilent();
  showError("");
  $("leaf").dataset.state = "writing";
  $("stop").setAttribute("aria-disabled", "false");
  say(SENTENCES.writing);
  writing = { abort: new AbortController(), told: 0 };
  return writing;
}

function openLeaf(start) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  pen = new Pen($("poem"), calm);
  shown = { start, poem: null, picture: null };
  byLine.close();
  $("poem").setAttribute("aria-busy", "true");
  $("invitation").hidden = true;
  $("colophon").hidden = true;
  showLooks(null);
  showProvenance(start);
  showNotes(start.notes);
  showLeaf();
}

// Scroll to the poem where it is out of sight.
function showLeaf() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if ($("leaf").getBoundingClientRect().top > innerHeight * 0.6) {
    $("leaf").scrollIntoView({ behavior: calm ? "instant" : "smooth", block: "start" });
  }
}

function receive(mine, event, data) {
  if (mine.abort.signal.aborted) return;
  switch (event) {
    case "start":
      openLeaf(data);
      break;
    case "place":
      say(data.sentence || SENTENCES.writing);
      break;
    case "text":
      pen.add(data, mine.told ? "ink" : "seed");
      mine.told += data.length;
      break;
    case "end":
      shown.poem = data;
      break;
  }
}

function end(poem) {
  const count = poem.lines.length;
  showNotes(poem.notes);
  showLooks(poem);
  const stopped = poem.ending === "cancelled";
  settle(stopped ? SENTENCES.stoppedAfter(count) : SENTENCES.finished(count));
}

// Stop writing, by the reader's wish; what has been written stays.
function stop() {
  if (byLine.stop()) say(SENTENCES.stopped);
  if (!isWriting()) return false;
  writing.abort.abort();
  pen?.lift();
  settle(SENTENCES.stopped);
  return true;
}

function isWriting() {
  return $("leaf").dataset.state === "writing";
}

function settle(sentence) {
  const has = Boolean(pen?.shown.trim());
  $("leaf").dataset.state = has ? "done" : "empty";
  $("invitation").hidden = has || byLine.open;
  $("colophon").hidden = !has || byLine.open;
  $("poem").setAttribute("aria-busy", "false");
  $("stop").setAttribute("aria-disabled", "true");
  say(sentence);
}

function showProvenance(start) {
  const { temperature, greedy } = start.settings;
  const manner = greedy ? SENTENCES.greedy : SENTENCES.temperature(temperature);
  $("provenance").textContent = SENTENCES.provenance(start.model, manner, start.random_seed);
  $("link").href = start.link;
}

function showNotes(notes) {
  $("notes").replaceChildren(
    ...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
}

// Show the title of a finished poem, and offer its rhymes and beats where it has a form.
function showLooks(poem) {
  const looks = poem?.looks ?? [];
  $("title").textContent = poem?.title ?? "";
  $("title").hidden = !poem?.title;
  $("scan").hidden = looks.length === 0;
  $("card").hidden = !poem?.title;
  $("scansion").replaceChildren(...scan(poem?.text ?? "", looks));
  toggleScansion(looks.length > 0 && $("scan").getAttribute("aria-pressed") === "true");
}

function toggleScansion(on) {
  $("scansion").hidden = !on;
  $("poem").hidden = on;
}

function say(sentence) {
  $("status").textContent = sentence;
  $("told").textContent = "";
}

// Say what came of a button below the poem, for the eye there as well.
function tell(sentence) {
  say(sentence);
  $("told").textContent = sentence;
}

function complain(sentence) {
  showError(sentence);
  $("told").textContent = sentence;
}

function showError(sentence) {
  $("error").hidden = !sentence;
  if ($("error").textContent !== sentence) $("error").textContent = sentence; // told once
}

// ---- Reading aloud ----

function readAloud() {
  if (fallSilent()) return;
  $("aloud").textContent = SENTENCES.stopReading;
  const lines = pen.shown.split("\n").filter((line) => line.trim());
  reading = new Reading(lines, $("poem").lang, light, (whole) => {
    fallSilent();
    if (!whole) complain(SENTENCES.readingFailed);
  });
}

// Stop reading; tell whether there was anything to stop.
function fallSilent() {
  if (!reading) return false;
  reading.stop();
  reading = null;
  $("aloud").textContent = SENTENCES.readAloud;
  light(-1);
  return true;
}

// Light a line, counted without the blank ones, in both of the poem's shapes.
function light(index) {
  for (const name of ["poem", "scansion"]) {
    const lines = [...$(name).children].filter((line) => line.textContent.trim());
    lines.forEach((line, place) => line.classList.toggle("spoken", place === index));
    if (!$(name).hidden) lines[index]?.scrollIntoView({ behavior: "instant", block: "nearest" });
  }
}

// ---- Taking a poem along ----

// Return what is told of the poem on the page; one that was stopped has no title.
function current() {
  const { model, random_seed, link } = shown.start;
  return { title: shown.poem?.title ?? "", text: pen.shown, model, random_seed, link };
}

// Return the card of the poem on the page, a file; it is drawn once.
async function drawCard() {
  const { poem, picture } = shown;
  const name = `${poem.title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.png`;
  const file = picture ?? new File([await requestCard(poem)], name, { type: "image/png" });
  if (shown.poem === poem) shown.picture = file;
  return file;
}

async function saveCard() {
  try {
    const file = await drawCard();
    const address = URL.createObjectURL(file);
    Object.assign(document.createElement("a"), { href: address, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(SENTENCES.cardSaved);
  } catch (error) {
    complain(sentenceOf(error));
  }
}

// Share the poem with its card, or without where there is none.
async function share() {
  const { title, text, link } = current();
  const told = { title, text, url: new URL(link, location.href).href };
  const ready = shown.picture !== null;
  const files = shown.poem?.title && takesFiles() ? await drawCard().then((f) => [f], () => []) : [];
  try {
    await navigator.share(files.length ? { ...told, files } : told);
    tell(SENTENCES.shared);
  } catch (error) {
    if (error.name === "AbortError") return; // the reader thought better of it
    // A browser shares only just after a press, and the card may have taken longer.
    if (error.name === "NotAllowedError" && files.length && !ready) tell(SENTENCES.shareAgain);
    else complain(SENTENCES.shareFailed);
  }
}

function takesFiles() {
  const sample = new File([new Uint8Array(1)], "card.png", { type: "image/png" });
  return navigator.canShare?.({ files: [sample] }) ?? false;
}

function keep() {
  tell(keepPoem(current()));
  gallery.show();
}

// Put text on the clipboard; plain HTTP on a name other than localhost has only the old way.
async function toClipboard(text, done, report = tell) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const before = document.activeElement;
    const box = Object.assign(document.createElement("textarea"), { value: text });
    box.setAttribute("aria-label", SENTENCES.textToCopy);
    document.body.append(box);
    box.select();
    const copied = document.execCommand("copy");
    box.remove();
    before?.focus();
    if (!copied) return complain(SENTENCES.copyBlocked);
  }
  return report(done);
}

// ---- What the reader does ----

// Write a poem, after lines that are written where there are any.
function submit(written = []) {
  try {
    write({ ...readForm(), written });
  } catch (error) {
    showError(error.message);
  }
}

// Begin a poem that the reader writes line by line.
function beginByLine() {
  try {
    const body = readForm();
    stop();
    fallSilent();
    showError("");
    pen = new Pen($("poem"), true);
    showLooks(null);
    byLine.begin(body);
    settle(SENTENCES.lookingForLines);
    showLeaf();
  } catch (error) {
    showError(error.message);
  }
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("seed").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && (stop() || fallSilent())) event.preventDefault();
});
$("stop").addEventListener("click", stop);
const byLine = new LineByLine($("by_line"), say, write);
$("by_line_begin").addEventListener("click", beginByLine);
$("again").addEventListener("click", () => {
  $("random_seed").value = "";
  submit();
});
$("openings").addEventListener("click", (event) => {
  if (event.target.tagName !== "BUTTON") return;
  $("seed").value = event.target.textContent;
  $("seed").focus({ preventScroll: true });
  submit();
});
$("slider").addEventListener("input", () => ($("temperature").value = $("slider").value));
$("temperature").addEventListener("input", () => ($("slider").value = $("temperature").value));
$("unit").addEventListener("change", () => {
  $("length").value = $("unit").value === "lines" ? (defaults?.lines ?? 14) : 600;
});
$("shape").addEventListener("change", () => {
  fitForm();
  useUsualTemperature();
});
$("books").addEventListener("toggle", () => {
  if ($("books").open) showBooks($("shelf"), $("books-note"), writeWith);
});
$("scan").addEventListener("click", () => {
  const on = $("scan").getAttribute("aria-pressed") !== "true";
  $("scan").setAttribute("aria-pressed", String(on));
  toggleScansion(on);
});
$("card").addEventListener("click", saveCard);
$("share").addEventListener("click", share);
$("share").hidden = !navigator.share;
$("keep").addEventListener("click", keep);
$("aloud").addEventListener("click", readAloud);
watchVoices((any) => ($("aloud").hidden = !any));
addEventListener("pagehide", fallSilent);
$("copy").addEventListener("click", () => toClipboard(pen.shown, SENTENCES.copied));
const gallery = new Gallery($("gallery"), (text, tell) => {
  toClipboard(text, SENTENCES.copied, tell);
});
$("link").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.replaceState(null, "", $("link").href);
  toClipboard($("link").href, SENTENCES.linkCopied);
});

// What the scripts have written into the page, in the language that the reader has chosen now.
onLanguage(() => {
  for (const option of $("shape").options) option.textContent = SENTENCES.form(option.value);
  gallery.show();
  if ($("books").open) showBooks($("shelf"), $("books-note"), writeWith);
  if (shown) showProvenance(shown.start);
  say("");
});

async function open() {
  if (matchMedia("(max-width: 52rem)").matches) $("settings").open = false; // the poem comes first
  await reach();
  const query = new URLSearchParams(location.search);
  if (query.has("random_seed") || query.has("seed")) {
    fillForm(query);
    submit(query.getAll("written"));
  }
}

// Load the models, as soon as the server can be reached.
async function reach() {
  for (let tries = 1; ; tries += 1) {
    try {
      await loadModels();
      if (tries === 1) return;
      showError("");
      return say(SENTENCES.back);
    } catch (error) {
      showError(error instanceof Refusal ? error.message : SENTENCES.offline);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

open();
