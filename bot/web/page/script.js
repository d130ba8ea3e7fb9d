// The page: reads the form, asks for a poem, shows it while it is written.

import { showBooks } from "./books.js";
import { readEvents } from "./events.js";
import { Pen } from "./pen.js";
import { scan } from "./scansion.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["temperature", "random_seed", "top_k", "top_p", "min_p", "repetition_guard"];
const UNREACHABLE = "Sonneteer is not reachable. Is it still running?";

let writing = null; // { abort, poem, told }: the poem on its way, or the last one
let pen = null; // of the poem on the page
let models = [];
let defaults = null;

class Refusal extends Error {}

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
    throw new Refusal(`${input.labels[0].textContent} must be a number.`);
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
  if (!found) $("model").append(new Option(`${wanted} (not installed)`, wanted));
  $("model").value = found ? found.name : wanted;
}

// Select a form, and show the settings that it has.
function chooseForm(wanted) {
  if (wanted && ![...$("shape").options].some((option) => option.value === wanted)) {
    $("shape").append(new Option(`${wanted} (unknown)`, wanted));
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
  const response = await fetch("api/models");
  const answer = await response.json();
  if (!response.ok) throw new Refusal(answer.error);
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
  $("shape").replaceChildren(...answer.forms.map((form) => new Option(form, form)));
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
  if (!isWriting()) say(`The next poem will use ${book.name}.`);
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
    const response = await fetch("api/poems", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify(body),
      signal,
    });
    if (!response.ok) throw new Refusal((await response.json()).error);
    for await (const { event, data } of readEvents(response.body)) receive(mine, event, data);
    if (!mine.poem) throw new Refusal("The connection was lost before the poem was finished.");
    await pen.done();
    if (!signal.aborted) end(mine.poem);
  } catch (error) {
    if (signal.aborted) return;
    pen?.lift();
    settle("");
    showError(error instanceof Refusal ? error.message : UNREACHABLE);
  }
}

// Make ready for a poem; the last one stands until the new one really comes.
function begin() {
  showError("");
  $("leaf").dataset.state = "writing";
  $("stop").setAttribute("aria-disabled", "false");
  say("Writing…");
  writing = { abort: new AbortController(), poem: null, told: 0 };
  return writing;
}

function openLeaf(start) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  pen = new Pen($("poem"), calm);
  $("poem").setAttribute("aria-busy", "true");
  $("invitation").hidden = true;
  $("colophon").hidden = true;
  showLooks(null);
  showProvenance(start);
  showNotes(start.notes);
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
      say(data.sentence || "Writing…");
      break;
    case "text":
      pen.add(data, mine.told ? "ink" : "seed");
      mine.told += data.length;
      break;
    case "end":
      mine.poem = data;
      break;
    case "error":
      throw new Refusal(data.error);
  }
}

function end(poem) {
  const count = poem.lines.length;
  const lines = count === 1 ? "1 line" : `${count} lines`;
  showNotes(poem.notes);
  showLooks(poem);
  settle(poem.ending === "cancelled" ? `Stopped after ${lines}.` : `Finished: ${lines}.`);
}

// Stop writing, by the reader's wish; what has been written stays.
function stop() {
  if (!isWriting()) return false;
  writing.abort.abort();
  pen?.lift();
  settle("Stopped.");
  return true;
}

function isWriting() {
  return $("leaf").dataset.state === "writing";
}

function settle(sentence) {
  const has = Boolean(pen?.shown.trim());
  $("leaf").dataset.state = has ? "done" : "empty";
  $("invitation").hidden = has;
  $("colophon").hidden = !has;
  $("poem").setAttribute("aria-busy", "false");
  $("stop").setAttribute("aria-disabled", "true");
  say(sentence);
}

function showProvenance(start) {
  const { temperature, greedy } = start.settings;
  const manner = greedy ? "greedy" : `temperature ${temperature}`;
  $("provenance").textContent = `${start.model} · ${manner} · random seed ${start.random_seed}`;
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

async function saveCard(poem) {
  const { title, text, model, random_seed } = poem;
  try {
    const response = await fetch("api/cards", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ title, text, model, random_seed }),
    });
    if (!response.ok) throw new Refusal((await response.json()).error);
    const address = URL.createObjectURL(await response.blob());
    const link = Object.assign(document.createElement("a"), { href: address });
    link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    say("The card was saved to your downloads.");
  } catch (error) {
    showError(error instanceof Refusal ? error.message : UNREACHABLE);
  }
}

function say(sentence) {
  $("status").textContent = sentence;
}

function showError(sentence) {
  $("error").hidden = !sentence;
  $("error").textContent = sentence;
}

// ---- Taking a poem along ----

// Put text on the clipboard; plain HTTP on a name other than localhost has only the old way.
async function toClipboard(text, done) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const before = document.activeElement;
    const box = Object.assign(document.createElement("textarea"), { value: text });
    box.setAttribute("aria-label", "Text to copy");
    document.body.append(box);
    box.select();
    const copied = document.execCommand("copy");
    box.remove();
    before?.focus();
    if (!copied) return showError("Your browser blocks copying. Select the text and copy it.");
  }
  return say(done);
}

// ---- What the reader does ----

function submit() {
  try {
    write(readForm());
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
  if (event.key === "Escape" && stop()) event.preventDefault();
});
$("stop").addEventListener("click", stop);
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
$("card").addEventListener("click", () => writing?.poem && saveCard(writing.poem));
$("copy").addEventListener("click", () => toClipboard(pen.shown, "Copied."));
$("link").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.replaceState(null, "", $("link").href);
  toClipboard($("link").href, "Link copied. It is also in the address bar.");
});

async function open() {
  if (matchMedia("(max-width: 52rem)").matches) $("settings").open = false; // the poem comes first
  try {
    await loadModels();
  } catch (error) {
    showError(error instanceof Refusal ? error.message : UNREACHABLE);
    return;
  }
  const query = new URLSearchParams(location.search);
  if (query.has("random_seed") || query.has("seed")) {
    fillForm(query);
    submit();
  }
}

open();
