// What the page and the kiosk say, in one place, in the reader's language.

import { counted, translate } from "./languages.js";

export const SENTENCES = {
  get writing() {
    return translate("Writing…");
  },
  finished: (count) => counted("Finished: {count} line.", "Finished: {count} lines.", count),
  stoppedAfter: (count) =>
    counted("Stopped after {count} line.", "Stopped after {count} lines.", count),
  get stopped() {
    return translate("Stopped.");
  },
  nextModel: (name) => translate("The next poem will use {name}.", { name }),
  noNumber: (label) => translate("{label} must be a number.", { label }),
  unknownForm: (name) => translate("{name} (unknown)", { name }),
  missingModel: (name) => translate("{name} (not installed)", { name }),
  provenance: (model, manner, seed) =>
    translate("{model} · {manner} · random seed {seed}", { model, manner, seed: String(seed) }),
  get greedy() {
    return translate("greedy");
  },
  temperature: (value) => translate("temperature {value}", { value }),
  form: (name) =>
    ({
      sonnet: translate("sonnet"),
      quatrain: translate("quatrain"),
      couplet: translate("couplet"),
      haiku: translate("haiku"),
      free: translate("free"),
    })[name] ?? name,

  get lookingForLines() {
    return translate("Looking for lines…");
  },
  lineOf: (number, count) => translate("Line {number} of {count}.", { number, count }),
  aboutLine: (number) => translate("About line {number}:", { number }),
  chooseLine: (number) => translate("Choose line {number}", { number }),
  allWritten: (count) =>
    counted("The only line is written.", "All {count} lines are written.", count),
  lineLook: (syllableCount, beatCount, rhyme) => {
    const syllables = counted("{count} syllable", "{count} syllables", syllableCount);
    const beats = counted("{count} beat", "{count} beats", beatCount);
    return rhyme
      ? translate("{syllables}, {beats}, rhyme {rhyme}.", { syllables, beats, rhyme })
      : translate("{syllables}, {beats}.", { syllables, beats });
  },
  get noLine() {
    return translate("There is no line yet. Choose one, or write your own.");
  },
  get finishForMe() {
    return translate("Finish for me");
  },
  get finishWhole() {
    return translate("Finish the poem");
  },

  get unreachable() {
    return translate("Sonneteer is not reachable. Is it still running?");
  },
  get offline() {
    return translate(
      "Sonneteer is not reachable. The page tries again by itself. " +
        "The poems in your gallery can be read meanwhile.",
    );
  },
  get back() {
    return translate("Sonneteer is reachable again.");
  },
  get lost() {
    return translate("The connection was lost before the poem was finished.");
  },

  get copied() {
    return translate("Copied.");
  },
  get linkCopied() {
    return translate("Link copied. It is also in the address bar.");
  },
  get textToCopy() {
    return translate("Text to copy");
  },
  get copyBlocked() {
    return translate("Your browser blocks copying. Select the text and copy it.");
  },
  get cardSaved() {
    return translate("The card was saved to your downloads.");
  },

  get readAloud() {
    return translate("Read aloud");
  },
  get stopReading() {
    return translate("Stop reading");
  },
  get readingFailed() {
    return translate("Your browser could not read the poem aloud.");
  },

  get shared() {
    return translate("Shared.");
  },
  get shareAgain() {
    return translate("The card is ready. Press Share once more.");
  },
  get shareFailed() {
    return translate("Your browser could not share the poem.");
  },

  get kept() {
    return translate("Kept in your gallery.");
  },
  get keptBefore() {
    return translate("This poem is in your gallery already.");
  },
  tooLongToKeep: (limit) =>
    translate("A poem in the gallery has at most {limit} characters.", { limit }),
  galleryFull: (limit) =>
    counted(
      "Your gallery is full: {count} poem. Delete one to keep another.",
      "Your gallery is full: {count} poems. Delete one to keep another.",
      limit,
    ),
  get galleryOff() {
    return translate("This browser lets the page store nothing, so no poem can be kept.");
  },
  get galleryNoRoom() {
    return translate("This browser has no more room for the gallery. Delete some poems.");
  },
  get galleryUnreadable() {
    return translate(
      "The gallery in this browser is damaged and cannot be read. " +
        "The next poem that you keep begins it anew.",
    );
  },
  galleryDamaged: (count) =>
    counted(
      "A part of the gallery in this browser is damaged; {count} poem could be read.",
      "A part of the gallery in this browser is damaged; {count} poems could be read.",
      count,
    ),
  galleryTitle: (count) =>
    count ? translate("Your gallery ({count})", { count }) : translate("Your gallery"),
  keptOn: (model, date) => translate("{model} · kept on {date}", { model, date }),
  get writeAgain() {
    return translate("Write again");
  },
  get copy() {
    return translate("Copy");
  },
  get remove() {
    return translate("Delete");
  },
  get removed() {
    return translate("Deleted.");
  },
  clear: (count) => counted("Delete the poem?", "Delete all {count} poems?", count),
  get cleared() {
    return translate("The gallery is empty.");
  },

  get kioskBusy() {
    return translate("Sonneteer is busy. It goes on by itself as soon as there is room.");
  },
  get kioskGone() {
    return translate("Sonneteer is not reachable. It goes on by itself when it is back.");
  },
  get codeLocal() {
    return translate(
      "Open this page by this machine's name or network address, and a QR code appears here.",
    );
  },

  get wordLabel() {
    return translate("One word, for which a line is written");
  },
  get lineLabel() {
    return translate("A line, which stays as it is");
  },
  lineLabelAt: (number, count) =>
    translate("Line {number} of {count}, which stays as it is", { number, count }),
  get noWord() {
    return translate("There is nothing to give yet.");
  },
  get roomBegins() {
    return translate("The poem begins with the first word or line.");
  },
  get roomWhole() {
    return translate("The poem is finished.");
  },
  get roomWholeHost() {
    return translate("The poem is finished. The host's button Next poem begins another.");
  },
  get roomBusy() {
    return translate("Sonneteer is busy. The poem goes on by itself as soon as there is room.");
  },
  get roomGone() {
    return translate("The connection is lost. The page tries again by itself.");
  },
  roomTrouble: (reason) => translate("The last line could not be written. {reason}", { reason }),
  people: (people, waiting) =>
    [
      counted("{count} person", "{count} people", people),
      translate("{number} waiting", { number: waiting }),
    ].join(" · "),
  joinAt: (address) => translate("Join at {address} with the code", { address }),
  removeGift: (text) => translate("Remove “{text}”", { text }),
  yoursNext: (kind, text) =>
    kind === "line"
      ? translate("Your line “{text}” is next.", { text })
      : translate("Your word “{text}” is next.", { text }),
  yoursWaits: (kind, text, before) =>
    kind === "line"
      ? translate("Your line “{text}” waits. Before it: {before}. You can still change it.", {
          text,
          before,
        })
      : translate("Your word “{text}” waits. Before it: {before}. You can still change it.", {
          text,
          before,
        }),
  yoursIsLine: (number) => translate("Line {number} is yours.", { number }),
  yoursIsIn: (number) => translate("Your word is in line {number}.", { number }),
  yoursIsAbout: (number) =>
    translate("Line {number} was written for your word, but could not have it.", { number }),
  get yoursRemoved() {
    return translate("The host left yours out. Try another one.");
  },
  yoursFailed: (reason) => translate("Yours could not be used. {reason}", { reason }),
  get roomEnded() {
    return {
      closed: translate("The host has closed the room."),
      idle: translate("The room has ended: for an hour nobody gave anything."),
      stopping: translate("The room has ended, because Sonneteer is restarting."),
      failed: translate("The room has ended, because something went wrong."),
      gone: translate("The room has ended. Perhaps Sonneteer was restarted."),
    };
  },
  get openAnother() {
    return translate("Open a new room");
  },
  get joinAnother() {
    return translate("Join another room");
  },
};
