// Reads a poem aloud with the browser's own voices, line by line.

const SPOKEN = /[\p{L}\p{N}]/u;

// Tell whether there is a voice, now and whenever that changes: browsers find theirs late.
export function watchVoices(tell) {
  const speech = globalThis.speechSynthesis;
  const look = () => tell((speech?.getVoices?.() ?? []).length > 0);
  speech?.addEventListener?.("voiceschanged", look);
  look();
}

export class Reading {
  // `lang` is the language of the lines; `light` is called with the index of the line that is read,
  // among those that are not blank; `end` once: with true after the last line, with false if the
  // browser could not read.
  constructor(lines, lang, light, end) {
    this.lines = lines;
    this.lang = lang;
    this.light = light;
    this.end = end;
    this.utterance = null; // kept: browsers forget to tell of one that nobody holds
    speechSynthesis.cancel();
    this.read(0);
  }

  read(index) {
    const next = this.lines.findIndex((line, place) => place >= index && SPOKEN.test(line));
    if (next < 0) return this.finish(true);
    const utterance = new SpeechSynthesisUtterance(this.lines[next]);
    utterance.lang = this.lang;
    utterance.addEventListener("end", () => {
      if (this.utterance === utterance) this.read(next + 1);
    });
    utterance.addEventListener("error", () => {
      if (this.utterance === utterance) this.finish(false);
    });
    this.utterance = utterance;
    this.light(next);
    return speechSynthesis.speak(utterance);
  }

  // Fall silent; `end` is not called.
  stop() {
    this.utterance = null;
    speechSynthesis.cancel();
  }

  finish(whole) {
    this.stop();
    this.end(whole);
  }
}
