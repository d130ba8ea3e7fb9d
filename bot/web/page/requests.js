// Asking the server: a poem as it is written, its next line, a card, and rooms.

import { readEvents } from "./events.js";
import { languageHeaders } from "./languages.js";
import { SENTENCES } from "./sentences.js";

const QUIET_MS = 40_000; // after which a server is gone: it gives a sign of life every 15 s

// What the server refused, in its sentence. `status` is 0 for a connection that was lost;
// `retrySeconds` is how long the server asks to wait, null if it does not say.
export class Refusal extends Error {
  constructor(sentence, status, retrySeconds = null) {
    super(sentence);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}

// Yield { event, data } of a poem, "end" the last; throw Refusal, or another error where nobody
// answers.
export async function* requestPoem(body, signal) {
  let ended = false;
  for await (const { event, data } of requestEvents("api/poems", body, signal)) {
    if (event === "error") throw new Refusal(data.error, 500);
    ended ||= event === "end";
    yield { event, data };
  }
  if (!ended) throw new Refusal(SENTENCES.lost, 0);
}

// Yield { event, data } of a room, "ended" the last unless the connection is lost; throw as above.
export function requestRoom(code, key, signal) {
  return requestEvents(`api/rooms/${encodeURIComponent(code)}/events`, key, signal);
}

async function* requestEvents(address, body, signal) {
  const quiet = new AbortController();
  const abort = () => quiet.abort();
  let timer = setTimeout(abort, QUIET_MS);
  const hear = () => {
    clearTimeout(timer);
    timer = setTimeout(abort, QUIET_MS);
  };
  signal.addEventListener("abort", abort);
  try {
    const response = await post(address, body, { Accept: "text/event-stream" }, quiet.signal);
    yield* readEvents(response.body, hear);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

// Open a room; return its code and the host's secret. Throw as above.
export async function requestOpening(settings) {
  return (await post("api/rooms", settings)).json();
}

// Give something to a room, or act as its host; `what` is the end of the address. Throw as above.
export async function requestInRoom(code, what, body) {
  return (await post(`api/rooms/${encodeURIComponent(code)}/${what}`, body)).json();
}

// Return what the next line of a poem may be; throw as above.
export async function requestLines(body, signal) {
  return (await post("api/lines", body, {}, signal)).json();
}

// Return the last of the lines that are written, with its rhyme and beat; throw as above.
export async function requestScansion(body, signal) {
  return (await post("api/scansion", body, {}, signal)).json();
}

// Return the picture of a poem, a PNG; throw as above.
export async function requestCard({ title, text, model, random_seed }) {
  return (await post("api/cards", { title, text, model, random_seed })).blob();
}

async function post(address, body, headers = {}, signal = undefined) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...languageHeaders(), ...headers },
    body: JSON.stringify(body),
    signal,
  });
  return checked(response);
}

// Return an answer that is none of the server's refusals; a proxy's page in its place is one.
export async function checked(response) {
  if (response.ok) return response;
  const retry = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const answer = await response.json().catch(() => ({ error: SENTENCES.unreachable }));
  throw new Refusal(answer.error, response.status, Number.isNaN(retry) ? null : retry);
}
