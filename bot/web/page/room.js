// One poem, many hands: a screen that a host opens, and the phones of those who join. The server has
// the room; this page shows each state of it that comes, and comes back when the connection is lost.

import { Phone } from "./room.phone.js";
import { Screen } from "./room.screen.js";
import { requestOpening, requestRoom } from "./requests.js";
import { SENTENCES } from "./sentences.js";

const $ = (id) => document.getElementById(id);
const HOST = "sonneteer-host"; // in localStorage: the room that this browser is the host of
const VISITOR = "sonneteer-visitor"; // in sessionStorage: the room that this tab has joined
const AGAIN_MS = 3_000; // between two tries at a server that is gone, and up to so much more
const LONGEST_MS = 60_000; // that a server's Retry-After is believed

let view = null; // Screen or Phone, once there is a room to show
let shown = null; // its latest state
let following = new AbortController(); // the room that is followed

// ---- What is remembered: a browser may let the page store nothing ----

function remember(store, key, value) {
  try {
    if (value === null) window[store].removeItem(key);
    else window[store].setItem(key, JSON.stringify(value));
  } catch {
    // it lasts as long as the page
  }
}

function remembered(store, key) {
  try {
    const { code, token } = JSON.parse(window[store].getItem(key));
    return typeof code === "string" && typeof token === "string" ? { code, token } : null;
  } catch {
    return null;
  }
}

// ---- Following a room ----

// Show a room until it ends; `token` is the host's secret, or a visitor's where they have one.
async function follow(code, token, isHost) {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  while (!signal.aborted) {
    let seconds = null;
    try {
      const key = token ? { [isHost ? "host" : "visitor"]: token } : {};
      for await (const { event, data } of requestRoom(code, key, signal)) {
        if (event === "joined") {
          token = data.visitor;
          remember("sessionStorage", VISITOR, { code, token });
        }
        if (event === "room" || event === "yours") {
          show(code, () => token, isHost, { ...shown, ...data });
        }
        if (event === "ended") return end(data.reason, isHost);
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      const isGone = error.status === 404 || (isHost && error.status === 403);
      if (isGone) return end("gone", isHost, error.message);
      if (!shown && error.status) return refuse(error.message);
      seconds = error.retrySeconds;
    }
    if (shown) say(SENTENCES.roomGone);
    else refuse(SENTENCES.unreachable);
    await pause(seconds);
  }
  return undefined;
}

function show(code, token, isHost, state) {
  if (!view) {
    $("begin").hidden = true;
    $("leaf").hidden = false;
    view = isHost ? new Screen(code, token) : new Phone(code, token);
  }
  showLines(state, isHost);
  if ($("title").textContent !== state.title) $("title").textContent = state.title;
  tell(state, isHost);
  view.show(state);
  shown = state;
}

// Say how far the poem is, or what keeps it from going on. Its lines are told as they come.
function tell(state, isHost) {
  const count = state.lines.length;
  const line = state.lines.at(-1);
  if (state.busy) say(SENTENCES.roomBusy);
  else if (state.trouble) say(SENTENCES.roomTrouble(state.trouble));
  else if (state.whole) say(isHost ? SENTENCES.roomWholeHost : SENTENCES.roomWhole);
  else if (!count) say(SENTENCES.roomBegins);
  else say([SENTENCES.lineOf(count, state.count), ...line.notes].join(" "));
}

// Show the lines; those that stand there already are left as they are.
function showLines({ lines }, isHost) {
  const poem = $("poem");
  while (poem.children.length > lines.length) poem.lastChild.remove();
  lines.forEach((line, place) => {
    const before = poem.children[place];
    if (before?.textContent === line.text) return;
    const element = lineOf(line);
    if (before) before.replaceWith(element);
    else poem.append(element);
    if (isHost) element.scrollIntoView({ block: "nearest", behavior: "instant" });
  });
}

// Return a line; what visitors gave is marked in it.
function lineOf({ text, kind, word, has_word, notes }) {
  const line = Object.assign(document.createElement("span"), { className: "line" });
  const given = Object.assign(document.createElement("span"), { className: "seed" });
  given.textContent = kind === "line" ? text : has_word ? partWith(text, word) : "";
  const place = text.indexOf(given.textContent);
  line.append(text.slice(0, place), given, text.slice(place + given.textContent.length));
  if (notes.length) line.dataset.odd = "∗";
  return line;
}

// Return a word as it stands in a line, with its ending.
function partWith(text, word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/['’]/g, "['’]");
  return text.match(new RegExp(`(?<!\\p{L})${escaped}\\p{L}*`, "iu"))?.[0] ?? "";
}

// Tell that a room has ended. Its poem stays; where none was shown yet, the page is as before.
function end(reason, isHost, sentence) {
  remember(...(isHost ? ["localStorage", HOST] : ["sessionStorage", VISITOR]), null);
  if (!shown) return refuse(isHost ? SENTENCES.roomEnded.gone : sentence);
  view.end();
  say(SENTENCES.roomEnded[reason] ?? SENTENCES.roomEnded.gone);
  $("again").textContent = isHost ? SENTENCES.openAnother : SENTENCES.joinAnother;
  $("again").hidden = false;
  return undefined;
}

function say(sentence) {
  if ($("status").textContent !== sentence) $("status").textContent = sentence; // told once
}

function refuse(sentence) {
  $("begin").hidden = false;
  $("refusal").textContent = sentence;
  $("refusal").hidden = false;
}

// Wait before another try; phones do not all come back at once.
function pause(seconds) {
  const least = seconds ? Math.min(seconds * 1000, LONGEST_MS) : AGAIN_MS;
  return new Promise((resolve) => setTimeout(resolve, least + Math.random() * AGAIN_MS));
}

// ---- Opening and joining ----

$("open").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refusal").hidden = true;
  const avoid = $("avoid").value.split(/[\s,;]+/).filter(Boolean);
  const alone_seconds = Number($("alone").value) || null;
  try {
    const { code, host } = await requestOpening({ form: $("shape").value, avoid, alone_seconds });
    remember("localStorage", HOST, { code, token: host });
    history.replaceState(null, "", `./?room=${code}`);
    follow(code, host, true);
  } catch (error) {
    refuse(error.status === undefined ? SENTENCES.unreachable : error.message);
  }
});

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  $("refusal").hidden = true;
  const code = $("code").value.trim().toUpperCase();
  if (code) join(code);
  else $("code").focus();
});

// Join a room, or show it on the screen of its host.
function join(code) {
  const hosted = remembered("localStorage", HOST);
  const joined = remembered("sessionStorage", VISITOR);
  const isHost = hosted?.code === code;
  $("code").value = isHost ? "" : code;
  history.replaceState(null, "", `./?room=${encodeURIComponent(code)}`);
  follow(code, isHost ? hosted.token : joined?.code === code ? joined.token : "", isHost);
}

const wanted = new URLSearchParams(location.search).get("room") ?? "";
const hosted = remembered("localStorage", HOST);
if (wanted || hosted) join(wanted.trim().toUpperCase() || hosted.code);
else $("begin").hidden = false;
