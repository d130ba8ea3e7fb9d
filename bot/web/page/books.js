// The books that models learnt: a card each. What a model's file says is text, never markup.

import { curvesOf, drawChart, figure } from "./chart.js";
import { languageHeaders, locale, translate } from "./languages.js";

// Fill `shelf` with the books as they are now; `choose` is called with the one to write with. Errors
// are shown in `note`.
export async function showBooks(shelf, note, choose) {
  try {
    const response = await fetch("api/books", { headers: languageHeaders() });
    const answer = await response.json();
    note.textContent = response.ok ? "" : answer.error;
    if (response.ok) shelf.replaceChildren(...answer.books.map((book) => makeCard(book, choose)));
  } catch {
    note.textContent = translate("Cannot load the books: Sonneteer is not reachable.");
  }
}

function makeCard(book, choose) {
  const title = book.book || book.name;
  const button = make("button", "", translate("Write with this model"));
  button.type = "button";
  const { name } = book;
  button.setAttribute("aria-label", translate("Write with this model: {name}", { name }));
  button.addEventListener("click", () => choose(book));
  const by = book.default
    ? translate("model {name} · default", { name })
    : translate("model {name}", { name });
  const card = make("li", "book");
  card.append(
    make("h3", "", title),
    make("p", "by", by),
    makeFacts(book),
    makeTraining(book.losses),
    button,
  );
  return card;
}

function makeFacts(book) {
  const facts = make("dl", "facts");
  const measured = book.held_out_loss !== null;
  const rows = [
    [translate("Loss"), figure(measured ? book.held_out_loss : book.loss)],
    ...(book.characters > 0
      ? [[translate("Book"), translate("{count} characters", { count: book.characters })]]
      : []),
    [translate("Trained"), dateOf(book.created)],
    [translate("Model"), translate("{size} MB", { size: figure(book.size_bytes / 1e6, 1) })],
  ];
  const where = measured
    ? ` ${translate("on held-out text")}`
    : book.losses.length
      ? ` ${translate("in training")}`
      : "";
  // Without the size there is no book to speak of: the file is of before sizes were noted.
  for (const [name, value] of rows) {
    const row = make("div", "");
    row.append(make("dt", "", name), make("dd", "", value));
    facts.append(row);
  }
  facts.querySelector("dd").append(make("small", "", where));
  return facts;
}

// Return a chart where there are epochs to compare, else words.
function makeTraining(losses) {
  const say = (sentence) => make("p", "untold", sentence);
  if (losses.length === 0) return say(translate("The model file has no training history."));
  if (losses.length === 1) {
    const [{ running, held_out }] = losses;
    const loss = figure(running);
    if (held_out === null) return say(translate("Trained for one epoch: loss {loss}.", { loss }));
    const measured = { loss, held_out: figure(held_out) };
    return say(
      translate("Trained for one epoch: loss {loss}, {held_out} on held-out text.", measured),
    );
  }
  const { heldOut, best } = curvesOf(losses);
  const legend = make("figcaption", "legend");
  legend.append(make("span", "training", translate("training")));
  if (heldOut.length) legend.append(make("span", "held-out", translate("held-out text")));
  const lowest = { loss: figure(best.loss), epoch: best.epoch };
  legend.append(make("span", "best", translate("best: {loss}, epoch {epoch}", lowest)));
  const drawing = make("figure", "");
  drawing.append(drawChart(losses), legend);
  return drawing;
}

// Write a date as people do; what is none stands as the file has it.
function dateOf(created) {
  const date = new Date(created);
  if (Number.isNaN(date.getTime())) return created || translate("unknown date");
  const parts = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  return date.toLocaleDateString(locale(), parts);
}

function make(name, className, text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
