// A poem line by line: the reader takes one of the lines that are offered, changes it, or writes
// their own. The server keeps nothing: all of the poem so far goes with each request.

import { Refusal, requestLines, requestScansion } from "./requests.js";
import { describeLine, scanLine } from "./scansion.js";
import { SENTENCES } from "./sentences.js";

const TYPED_MS = 250; // without a key, after which a line is looked at

export class LineByLine {
  // `say` is called with what goes on; `finish` with a request for the rest of the poem.
  constructor(desk, say, finish) {
    const part = (name) => desk.querySelector(`[data-part=${name}]`);
    this.desk = desk;
    this.say = say;
    this.finish = finish;
    this.so_far = part("lines");
    this.choice = part("choice");
    this.legend = part("legend");
    this.candidates = part("candidates");
    this.own = part("own");
    this.look = part("look");
    this.told = part("told");
    this.trouble = part("trouble");
    this.take = part("take");
    this.undo = part("undo");
    this.rest = part("finish");
    this.asking = new AbortController(); // the request for lines, or the last one
    this.looking = new AbortController(); // the request for a line's rhyme and beat
    this.typing = 0; // the timer after the last key
    this.body = null; // of the requests; `written` is the poem so far
    this.busy = false;
    part("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.use();
    });
    this.candidates.addEventListener("change", () => this.choose());
    this.own.addEventListener("input", () => this.type());
    this.undo.addEventListener("click", () => this.takeBack());
    this.rest.addEventListener("click", () => this.busy || this.finish(this.body));
  }

  get open() {
    return !this.desk.hidden;
  }

  // Begin a poem with a request as for a whole one.
  async begin(body) {
    this.body = { ...body, written: [] };
    this.desk.hidden = false;
    this.show({ lines: [], candidates: [], whole: false });
    await this.ask();
  }

  // End it; what is under way counts no more.
  close() {
    this.stop();
    this.desk.hidden = true;
  }

  // Stop waiting for lines; tell whether any were on their way.
  stop() {
    const was = this.busy;
    this.asking.abort();
    this.hush();
    this.busy = false;
    this.desk.removeAttribute("aria-busy");
    return was;
  }

  // Ask what the next line may be; `typed` is what then stands to be changed.
  async ask(typed = null) {
    this.stop();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.busy = true;
    this.desk.setAttribute("aria-busy", "true");
    this.complain("");
    this.say(SENTENCES.lookingForLines);
    try {
      const answer = await requestLines(this.body, signal);
      if (signal.aborted) return true;
      const { random_seed, lines } = answer;
      this.body = { ...this.body, random_seed, written: lines.map((line) => line.text) };
      this.stop();
      this.show(answer, typed);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      this.stop();
      this.say("");
      this.complain(error instanceof Refusal ? error.message : SENTENCES.unreachable);
      return false;
    }
  }

  show({ lines, candidates, whole, settings, notes = [] }, typed = null) {
    this.so_far.replaceChildren(...lines.map(scanLine));
    this.choice.hidden = !candidates.length;
    this.own.closest(".field").hidden = this.take.hidden = whole;
    this.undo.hidden = !lines.length;
    this.rest.textContent = whole ? SENTENCES.finishWhole : SENTENCES.finishForMe;
    this.rest.classList.toggle("primary", whole);
    const count = settings?.lines ?? 0;
    const place = whole ? SENTENCES.allWritten(count) : SENTENCES.lineOf(lines.length + 1, count);
    this.legend.textContent = SENTENCES.chooseLine(lines.length + 1);
    this.candidates.replaceChildren(...candidates.map((line, n) => candidate(line, n)));
    this.offered = candidates;
    const last = lines.at(-1)?.notes ?? [];
    const about = last.length ? [SENTENCES.aboutLine(lines.length), ...last] : [];
    if (settings) this.say([place, ...about, ...notes].join(" "));
    const [first] = this.candidates.querySelectorAll("input");
    if (typed === null && first) first.checked = true;
    if (typed === null) this.choose();
    else this.write(typed);
    const chosen = this.candidates.querySelector("input:checked");
    if (settings) (whole ? this.rest : (chosen ?? this.own)).focus();
  }

  // Put the line that is chosen where it can be changed.
  choose() {
    this.hush();
    const chosen = this.candidates.querySelector("input:checked");
    const line = chosen ? this.offered[chosen.value] : null;
    this.own.value = line?.text ?? "";
    this.showLook(line);
  }

  // Put a line of the reader's own there.
  write(text) {
    this.own.value = text;
    this.type();
  }

  // Look at what the reader types, once no key has been pressed for a moment.
  type() {
    this.hush();
    for (const input of this.candidates.querySelectorAll("input")) {
      input.checked = this.offered[input.value].text === this.own.value;
    }
    if (!this.own.value.trim()) return this.showLook(null);
    this.typing = setTimeout(() => this.lookAtTyped(), TYPED_MS);
    return undefined;
  }

  async lookAtTyped() {
    this.looking = new AbortController();
    const { signal } = this.looking;
    const written = [...this.body.written, wellFormed(this.own.value)];
    try {
      const line = await requestScansion({ ...this.body, written }, signal);
      if (!signal.aborted) this.showLook(line);
    } catch (error) {
      // Where it cannot be looked at just now, the line can be used all the same.
      if (!signal.aborted) this.showLook(null, error.status === 400 ? error.message : "");
    }
  }

  hush() {
    clearTimeout(this.typing);
    this.looking.abort();
  }

  showLook(line, sentence = "") {
    this.look.replaceChildren(...(line ? [scanLine(line)] : []));
    this.told.textContent = line ? [describeLine(line), ...line.notes].join(" ") : sentence;
  }

  // Use the line that stands there, and go on to the next.
  async use() {
    if (this.busy) return;
    const text = wellFormed(this.own.value);
    if (!text.trim()) {
      this.complain(SENTENCES.noLine);
      return;
    }
    const before = this.body;
    this.body = { ...before, written: [...before.written, text] };
    if (!(await this.ask())) this.body = before;
  }

  async takeBack() {
    if (this.busy) return;
    const before = this.body;
    this.body = { ...before, written: before.written.slice(0, -1) };
    if (!(await this.ask(before.written.at(-1)))) this.body = before;
  }

  complain(sentence) {
    this.trouble.textContent = sentence;
    this.trouble.hidden = !sentence;
  }
}

// Return a line that can be chosen; its syllables are for the eye alone.
function candidate(line, number) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "candidate", value: number });
  input.setAttribute("aria-label", line.text);
  const look = scanLine(line);
  look.setAttribute("aria-hidden", "true");
  label.append(input, look);
  return label;
}

function wellFormed(text) {
  return text.toWellFormed?.() ?? text;
}
