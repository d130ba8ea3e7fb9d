// The kiosk: a screen in a room. While nobody is there it writes a poem every minute; whoever types
// gets a poem of their own; a while after their last touch it is as before. One poem is asked for at
// a time, and a server that is busy or gone is asked again when it may have room.

import { Pen } from "./pen.js";
import { showCode } from "./qr.js";
import { Refusal, requestPoem } from "./requests.js";
import { SENTENCES } from "./sentences.js";

const $ = (id) => document.getElementById(id);
const EVERY_MS = 60_000; // from the start of one idle poem to that of the next
const READ_MS = 20_000; // that a finished poem stands at the least
const LEAVE_MS = 60_000; // without a touch, after which the visitor has gone
const GONE_MS = 10_000; // between two tries to reach a server that is gone
const SOONEST_MS = 2_000; // between two tries at a server that is busy
const AGAIN_MS = 10_000; // between two idle poems, however often somebody starts over
const LONGEST_MS = 300_000; // that a server's Retry-After is believed

let visitor = false; // whether somebody is there
let writing = null; // the AbortController of the poem on its way
let pen = null;
let idleBegan = -Infinity; // when the last idle poem did
let next = 0; // the timer of the next idle poem
let leaving = 0; // the timer after which the visitor has gone

// Write a poem, however long the server takes to have room for it.
async function write(seed) {
  writing?.abort();
  clearTimeout(next);
  const mine = new AbortController();
  const isVisitors = visitor;
  if (!isVisitors) idleBegan = Date.now();
  writing = mine;
  if (isVisitors) say(SENTENCES.writing);
  while (!mine.signal.aborted) {
    try {
      await writeOnce(seed, isVisitors, mine.signal);
      break;
    } catch (error) {
      if (mine.signal.aborted) return;
      pen?.lift();
      say(sentenceOf(error));
      if (isVisitors && isLasting(error)) break;
      await pause(pauseOf(error), mine.signal);
      if (visitor && !isVisitors) mine.abort(); // `leave` begins another
    }
  }
  if (mine.signal.aborted) return;
  writing = null;
  if (!visitor) beIdle(Math.max(idleBegan + EVERY_MS - Date.now(), READ_MS));
}

// Write an idle poem, after so many milliseconds.
function beIdle(milliseconds) {
  clearTimeout(next);
  next = setTimeout(() => write(""), milliseconds);
}

async function writeOnce(seed, isVisitors, signal) {
  let poem = null;
  let told = 0;
  for await (const { event, data } of requestPoem({ seed }, signal)) {
    if (isVisitors) attend(); // as long as it comes, its reader is taken to be there
    if (event === "start") open(isVisitors);
    if (event === "place" && isVisitors) say(data.sentence || SENTENCES.writing);
    if (event === "text") {
      pen.add(data, told ? "ink" : "seed");
      told += data.length;
    }
    if (event === "end") poem = data;
  }
  await pen.done();
  if (signal.aborted) return;
  $("leaf").dataset.state = "done";
  $("title").textContent = poem.title;
  if (!isVisitors) return;
  say(SENTENCES.finished(poem.lines.length));
  attend();
}

// Take a new leaf.
function open(isVisitors) {
  pen?.lift();
  pen = new Pen($("poem"), matchMedia("(prefers-reduced-motion: reduce)").matches);
  $("title").textContent = "";
  $("leaf").dataset.state = "writing";
  scrollTo({ top: 0, behavior: "instant" });
  say(isVisitors ? SENTENCES.writing : "");
}

// ---- Who is there ----

// Take note that somebody is there.
function attend() {
  visitor = true;
  clearTimeout(next);
  clearTimeout(leaving);
  leaving = setTimeout(leave, LEAVE_MS);
}

// Be as before anybody came; nothing of theirs stays on the screen.
function leave() {
  visitor = false;
  clearTimeout(leaving);
  writing?.abort();
  $("seed").value = "";
  $("seed").blur();
  open(false);
  beIdle(Math.max(idleBegan + AGAIN_MS - Date.now(), 0));
}

// ---- A server that is busy or gone ----

function sentenceOf(error) {
  if (isGone(error)) return SENTENCES.kioskGone;
  return [429, 503].includes(error.status) ? SENTENCES.kioskBusy : error.message;
}

// Whether nobody answers, or a proxy in a server's place.
function isGone(error) {
  return !(error instanceof Refusal) || [0, 502, 504].includes(error.status);
}

// Whether to ask again for the same is of no use: the words themselves were refused.
function isLasting(error) {
  return error instanceof Refusal && [400, 403, 404, 413].includes(error.status);
}

function pauseOf(error) {
  if (isGone(error)) return GONE_MS;
  if (error.retrySeconds === null) return EVERY_MS;
  return Math.min(Math.max(error.retrySeconds * 1000, SOONEST_MS), LONGEST_MS);
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function say(sentence) {
  if ($("status").textContent !== sentence) $("status").textContent = sentence; // told once
}

// ---- What the visitor does ----

function submit() {
  attend();
  write($("seed").value.toWellFormed?.() ?? $("seed").value);
}

for (const event of ["pointerdown", "keydown", "input"]) addEventListener(event, attend);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("seed").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!event.repeat) submit();
});
$("over").addEventListener("click", leave);
addEventListener("keydown", (event) => event.key === "Escape" && !event.repeat && leave());

showCode($("code"), $("code-note"), new URL("./", location.href));
write("");
