// Writes text onto the page letter by letter, at a pace that the eye can follow, however it comes.

const SLOWEST = 90; // characters per second, a fast reader's pace
const LAG_SECONDS = 2.5; // a backlog is worked off over about so long
const NUMBERED = 5; // every fifth line carries its number, as in printed editions

export class Pen {
  // `page` takes the lines; with `instant` (reduced motion) text stands there as it comes.
  constructor(page, instant) {
    this.page = page;
    this.instant = instant;
    this.runs = []; // { text, kind } yet to be written
    this.shown = "";
    this.verses = 0;
    this.due = 0;
    this.frame = 0;
    this.last = 0;
    this.idle = null;
    page.replaceChildren();
    this.beginLine();
  }

  // Take text to write; `kind` is "seed" or "ink".
  add(text, kind) {
    this.runs.push({ text, kind });
    if (this.instant) this.put(Infinity);
    else if (!this.frame) this.ask();
  }

  // Resolve when all that was taken is written, or the pen was lifted.
  done() {
    if (!this.runs.length) return Promise.resolve();
    return new Promise((resolve) => (this.idle = resolve));
  }

  // Write nothing more; what is shown stays.
  lift() {
    this.runs = [];
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.idle?.();
  }

  ask() {
    this.last = performance.now();
    this.frame = requestAnimationFrame((now) => this.turn(now));
  }

  turn(now) {
    const backlog = this.runs.reduce((sum, run) => sum + run.text.length, 0);
    const pace = Math.max(SLOWEST, backlog / LAG_SECONDS);
    this.due += (pace * Math.max(0, now - this.last)) / 1000;
    const count = Math.floor(this.due);
    this.due -= count;
    this.put(count);
    if (this.runs.length) {
      this.last = now;
      this.frame = requestAnimationFrame((later) => this.turn(later));
    } else {
      this.frame = 0;
      this.idle?.();
    }
  }

  put(count) {
    while (count > 0 && this.runs.length) {
      const run = this.runs[0];
      let end = Math.min(count, run.text.length);
      if (isHighSurrogate(run.text.charCodeAt(end - 1))) end += 1; // never half a character
      this.write(run.text.slice(0, end), run.kind);
      run.text = run.text.slice(end);
      count -= end;
      if (!run.text) this.runs.shift();
    }
  }

  write(text, kind) {
    this.shown += text;
    text.split("\n").forEach((part, index) => {
      if (index) this.beginLine();
      if (part) this.inked(kind).appendData(part);
    });
  }

  beginLine() {
    this.line?.classList.remove("current");
    this.line = document.createElement("span");
    this.line.className = "line current";
    this.page.append(this.line);
    this.kind = null;
    this.follow();
  }

  // Return the text node that takes letters of this kind in the current line.
  inked(kind) {
    if (!this.kind) {
      this.verses += 1;
      if (this.verses % NUMBERED === 0) this.line.dataset.number = this.verses;
    }
    if (this.kind !== kind) {
      const span = document.createElement("span");
      span.className = kind;
      this.letters = document.createTextNode("");
      span.append(this.letters);
      this.line.append(span);
      this.kind = kind;
    }
    return this.letters;
  }

  // Scroll on when the pen has just left the screen, but not when the reader has scrolled away.
  follow() {
    const below = this.line.getBoundingClientRect().bottom - innerHeight;
    if (below > 0 && below < 120) scrollBy({ top: below + 24, behavior: "instant" });
  }
}

function isHighSurrogate(unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}
