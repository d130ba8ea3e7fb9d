// The dashboard: asks for /metrics every two seconds and draws what came.

import { drawChart, spanOf, timeAt } from "./dashboard.chart.js";
import { History, readFigures } from "./dashboard.figures.js";
import { SECTIONS, vitals } from "./dashboard.panels.js";

const POLL_MS = 2000;
const PATIENCE_MS = 8000; // for an answer
const KEPT_SECONDS = 30 * 60;
const LISTENING = "Collecting data…";
const SLOW_MS = 70_000; // after which what is absent is really so: a minute, and a little

const trouble = document.getElementById("trouble");
const glance = document.getElementById("vitals");
const board = document.getElementById("panels");
const history = new History(KEPT_SECONDS);
const views = [];
let polls = 0;
let opened = null; // when the first figures came
let cursor = null; // a time that is pointed at, in milliseconds

for (const { title, panels } of SECTIONS) {
  const section = make("section", "figures");
  const grid = make("div", "panels");
  section.append(make("h2", "", title), grid);
  for (const panel of panels) {
    const view = makeView(panel);
    grid.append(view.card);
    views.push(view);
  }
  board.append(section);
}
addEventListener("resize", draw);
poll();

async function poll() {
  try {
    const response = await fetch("metrics", {
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw new Error((await response.json()).error);
    history.add(Date.now(), readFigures(await response.text()));
    opened ??= Date.now();
    complain("");
  } catch (error) {
    history.miss(Date.now());
    complain(whatIsWrong(error));
  }
  for (const view of views) follow(view);
  draw();
  board.dataset.polls = (polls += 1); // for a reader that waits for one
  setTimeout(poll, POLL_MS);
}

// A network's failure is a TypeError, an answer too late a DOMException; neither speaks to people.
function whatIsWrong(error) {
  if (error.constructor === Error && error.message) return error.message;
  return "Sonneteer is not reachable. Retrying every two seconds.";
}

function complain(sentence) {
  if (trouble.textContent !== sentence) trouble.textContent = sentence;
  trouble.hidden = sentence === "";
}

// Each curve's points are worked out once, as they come; a new curve's from the beginning.
function follow(view) {
  if (!view.panel.curves) return;
  const kept = new Map(view.curves.map((curve) => [curve.name, curve]));
  view.curves = view.panel.curves(history).map((curve) => {
    const points = kept.get(curve.name)?.points ?? [];
    const last = points.at(-1)?.time ?? -Infinity;
    history.times.forEach((time, index) => {
      if (time > last) points.push({ time, value: curve.at(history, index) });
    });
    return { ...curve, points: points.filter(({ time }) => time >= history.times[0]) };
  });
}

function draw() {
  const now = history.times.at(-1);
  if (now === undefined) return;
  const facts = opened === null ? [] : vitals(history, now);
  glance.replaceChildren(...facts.map(([name, text]) => makeFact(name, text)));
  for (const view of views) {
    const { panel } = view;
    if (panel.curves) drawCurves(view, now);
    else if (panel.table) fill(view, panel.table(history).rows.length, () => makeTable(view));
    else fill(view, panel.facts(history).length, () => makeFacts(panel.facts(history)));
  }
}

function drawCurves(view, now) {
  const { panel, curves } = view;
  const from = now - KEPT_SECONDS * 1000;
  const shown = curves.filter(({ points }) => points.some(({ value }) => !Number.isNaN(value)));
  const minutes = spanOf(Math.max(history.times[0], from), now);
  view.frame = { now, minutes, width: Math.max(view.body.clientWidth, 200) };
  const values = shown.map((curve) => ({ ...curve, value: valueAt(curve.points, cursor ?? now) }));
  const known = values.filter(({ value }) => !Number.isNaN(value));
  const total = known.reduce((sum, { value }) => sum + value, 0);
  const single = shown.length === 1 || panel.stacked;
  view.headline.textContent = single && known.length ? panel.format(total) : "";
  fill(view, shown.length, () => {
    const words = values.map(({ name, value }) => `${name} ${panel.format(value)}`).join(", ");
    const label = `${panel.title}: ${words}.`;
    const parts = [drawChart({ ...panel, ...view.frame, curves: shown, cursor, label })];
    if (panel.stacked || shown.length > 1) parts.push(makeLegend(values, panel));
    return parts;
  });
}

// Return the value of the moment next to `time`.
function valueAt(points, time) {
  const after = points.findIndex((point) => point.time >= time);
  const next = after === -1 ? points.length - 1 : after;
  const before = Math.max(next - 1, 0);
  const isNearer = time - points[before].time < points[next].time - time;
  return points[isNearer ? before : next].value;
}

// Put what `make` returns into a panel, or words where there is nothing to be shown.
function fill(view, count, build) {
  if (count) {
    const parts = [build()].flat();
    if (parts[0].parentElement !== view.body) view.body.replaceChildren(...parts);
    return;
  }
  const early = opened === null || history.times.at(-1) - opened < SLOW_MS;
  const absent = early && view.panel.curves ? LISTENING : view.panel.absent;
  view.body.replaceChildren(make("p", "untold", absent));
}

function makeView(panel) {
  const card = make("section", panel.wide ? "panel wide" : "panel");
  const [headline, body] = [make("p", "headline"), make("div", "body")];
  const head = make("header", "");
  const title = make("h3", "", panel.title);
  if (panel.hint) title.append(make("small", "", panel.hint));
  head.append(title, headline);
  card.append(head, body);
  const view = { panel, card, headline, body, curves: [], frame: null };
  if (panel.curves) watchPointer(view);
  return view;
}

function watchPointer(view) {
  view.body.addEventListener("pointermove", (event) => {
    if (view.frame === null) return;
    cursor = timeAt(event.clientX - view.body.getBoundingClientRect().left, view.frame);
    draw();
  });
  view.body.addEventListener("pointerleave", () => {
    cursor = null;
    draw();
  });
}

function makeLegend(values, { format }) {
  const legend = make("ul", "legend");
  for (const { name, hue, value } of values) {
    const item = make("li", "", `${name} `);
    item.dataset.rhyme = hue;
    item.append(make("b", "", format(value)));
    legend.append(item);
  }
  return legend;
}

// The frame stays, so that it keeps its place where it is scrolled.
function makeTable({ panel, body }) {
  const { head, rows } = panel.table(history);
  const [thead, tbody, table] = [make("thead"), make("tbody"), make("table")];
  thead.append(makeRow("th", head));
  tbody.append(...rows.map((cells) => makeRow("td", cells)));
  table.append(thead, tbody);
  let frame = body.querySelector(".frame");
  if (frame === null) {
    frame = make("div", "frame");
    frame.tabIndex = 0; // to be scrolled by keyboard
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", panel.title);
  }
  frame.replaceChildren(table);
  return frame;
}

function makeRow(kind, cells) {
  const row = make("tr");
  row.append(...cells.map((text) => make(kind, ["up", "down"].includes(text) ? text : "", text)));
  return row;
}

function makeFacts(facts) {
  const list = make("dl", "facts");
  list.append(...facts.map(([name, text]) => makeFact(name, text)));
  return list;
}

function makeFact(name, text) {
  const fact = make("div", "");
  fact.append(make("dt", "", name), make("dd", "", text));
  return fact;
}

function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
