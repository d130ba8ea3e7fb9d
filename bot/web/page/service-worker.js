// The files of the page, the kiosk and rooms, for when the server is not reachable: a copy of the newest
// that was seen. Nothing else is kept: no answer of the API, and of an address not its query, which
// has a reader's words.
"use strict";

const CACHE = "sonneteer-shell";
const WAIT_MS = 8_000; // for a server that does not answer at all
const PAGE = "./";
const OTHERS = ["kiosk", "room"]; // pages at the same address
const FILES = [
  "aloud.js",
  "books.css",
  "books.js",
  "chart.js",
  "events.js",
  "favicon.svg",
  "gallery.js",
  "icon-192.png",
  "kiosk.css",
  "kiosk.js",
  "language.js",
  "languages.js",
  "languages/de.json",
  "languages/es.json",
  "languages/fr.json",
  "languages/pt-BR.json",
  "languages/ru.json",
  "lines.css",
  "lines.js",
  "manifest.webmanifest",
  "offline.js",
  "pen.js",
  "qr.js",
  "requests.js",
  "room.css",
  "room.js",
  "room.phone.js",
  "room.screen.js",
  "scansion.js",
  "script.js",
  "sentences.js",
  "style.css",
  "svg.js",
  "theme.js",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([PAGE, ...OTHERS.map(addressOf), ...FILES]))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const name = nameOf(event.request);
  if (name !== null) event.respondWith(answer(event, name));
});

// Return the name under which an answer is kept; null for what is none of the page's files.
function nameOf(request) {
  const { origin, pathname, searchParams, search } = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (request.method !== "GET" || origin !== scope.origin) return null;
  if (pathname === scope.pathname) {
    const other = OTHERS.find((each) => searchParams.has(each));
    return other ? addressOf(other) : PAGE;
  }
  const file = pathname.slice(scope.pathname.length);
  return search === "" && FILES.includes(file) ? file : null;
}

function addressOf(other) {
  return `${PAGE}?${other}`;
}

// The server comes first; what it refuses is shown as well.
async function answer(event, name) {
  try {
    const response = await fetch(event.request, { signal: AbortSignal.timeout(WAIT_MS) });
    if (response.ok) event.waitUntil(keep(name, response.clone()));
    return response;
  } catch (error) {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(name);
    if (kept) return kept;
    throw error;
  }
}

async function keep(name, response) {
  try {
    const cache = await caches.open(CACHE);
    await cache.put(name, response);
  } catch {
    // no room: the copy of before stays
  }
}
