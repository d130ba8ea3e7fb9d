// A visitor's phone in a room: they give a word or a line, and see what becomes of it.

import { requestInRoom, requestScansion } from "./requests.js";
import { describeLine, scanLine } from "./scansion.js";
import { SENTENCES } from "./sentences.js";

const $ = (id) => document.getElementById(id);
const TYPED_MS = 300; // without a key, after which a line is looked at

export class Phone {
  // `token` returns what the server knows this visitor by.
  constructor(code, token) {
    this.code = code;
    this.token = token;
    this.state = null;
    this.typing = 0; // the timer after the last key
    this.looking = new AbortController(); // the request for a line's rhyme and beat
    $("give").hidden = false;
    $("give").addEventListener("submit", (event) => {
      event.preventDefault();
      this.give();
    });
    $("give").addEventListener("change", (event) => event.target.name === "kind" && this.choose());
    $("own").addEventListener("input", () => this.type());
  }

  get kind() {
    return $("give").elements.kind.value;
  }

  show(state) {
    const isOther = state.lines.length !== this.state?.lines.length;
    this.state = state;
    if (isOther) this.choose();
    const sentence = this.sentence(state);
    if ($("yours").textContent !== sentence) $("yours").textContent = sentence;
  }

  sentence({ yours, outcome }) {
    if (yours) {
      const { kind, text, place } = yours;
      return place > 1
        ? SENTENCES.yoursWaits(kind, text, place - 1)
        : SENTENCES.yoursNext(kind, text);
    }
    if (!outcome?.kind) return "";
    if (outcome.kind === "removed") return SENTENCES.yoursRemoved;
    if (outcome.kind === "failed") return SENTENCES.yoursFailed(outcome.sentence);
    if (outcome.gift === "line") return SENTENCES.yoursIsLine(outcome.line);
    return outcome.has_word
      ? SENTENCES.yoursIsIn(outcome.line)
      : SENTENCES.yoursIsAbout(outcome.line);
  }

  // Say what the field is for, and look at what stands there.
  choose() {
    const { lines, count, whole } = this.state;
    const label = whole ? SENTENCES.lineLabel : SENTENCES.lineLabelAt(lines.length + 1, count);
    $("own-label").textContent = this.kind === "word" ? SENTENCES.wordLabel : label;
    this.type();
  }

  // Look at what the visitor types, once no key has been pressed for a moment.
  type() {
    clearTimeout(this.typing);
    this.looking.abort();
    if (this.kind === "word" || this.state.whole || !$("own").value.trim()) this.showLook(null);
    else this.typing = setTimeout(() => this.lookAtTyped(), TYPED_MS);
  }

  async lookAtTyped() {
    this.looking = new AbortController();
    const { signal } = this.looking;
    const { form, lines } = this.state;
    const written = [...lines.map((line) => line.text), wellFormed($("own").value)];
    try {
      const line = await requestScansion({ form, written }, signal);
      if (!signal.aborted) this.showLook(line);
    } catch {
      if (!signal.aborted) this.showLook(null); // it can be given all the same
    }
  }

  showLook(line) {
    $("look").replaceChildren(...(line ? [scanLine(line)] : []));
    $("told").textContent = line ? [describeLine(line), ...line.notes].join(" ") : "";
  }

  // Give what stands there; what becomes of it comes with the room's next state.
  async give() {
    const text = wellFormed($("own").value).trim();
    if (!text) return this.complain(SENTENCES.noWord);
    this.complain("");
    this.write("");
    try {
      const gift = { visitor: this.token(), kind: this.kind, text };
      await requestInRoom(this.code, "contributions", gift);
    } catch (error) {
      this.complain(error.status === undefined ? SENTENCES.roomGone : error.message);
      if (!$("own").value) this.write(text);
    }
    return undefined;
  }

  write(text) {
    $("own").value = text;
    $("own").focus();
    this.type();
  }

  complain(sentence) {
    $("trouble").textContent = sentence;
    $("trouble").hidden = !sentence;
  }

  end() {
    $("give").hidden = true;
  }
}

function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}
