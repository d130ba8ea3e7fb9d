// What the page and the kiosk say, in one place.

const lines = (count) => (count === 1 ? "1 line" : `${count} lines`);
const poems = (count) => (count === 1 ? "1 poem" : `${count} poems`);

export const SENTENCES = {
  writing: "Writing…",
  finished: (count) => `Finished: ${lines(count)}.`,
  stoppedAfter: (count) => `Stopped after ${lines(count)}.`,
  stopped: "Stopped.",
  nextModel: (name) => `The next poem will use ${name}.`,
  noNumber: (label) => `${label} must be a number.`,
  unknownForm: (name) => `${name} (unknown)`,
  missingModel: (name) => `${name} (not installed)`,
  provenance: (model, manner, seed) => `${model} · ${manner} · random seed ${seed}`,
  greedy: "greedy",
  temperature: (value) => `temperature ${value}`,

  lookingForLines: "Looking for lines…",
  lineOf: (number, count) => `Line ${number} of ${count}.`,
  aboutLine: (number) => `About line ${number}:`,
  chooseLine: (number) => `Choose line ${number}`,
  allWritten: (count) => `All ${count} lines are written.`,
  lineLook: (syllables, beats, rhyme) =>
    [
      syllables === 1 ? "1 syllable" : `${syllables} syllables`,
      beats === 1 ? "1 beat" : `${beats} beats`,
      ...(rhyme ? [`rhyme ${rhyme}`] : []),
    ].join(", ") + ".",
  noLine: "There is no line yet. Choose one, or write your own.",
  finishForMe: "Finish for me",
  finishWhole: "Finish the poem",

  unreachable: "Sonneteer is not reachable. Is it still running?",
  offline:
    "Sonneteer is not reachable. The page tries again by itself. " +
    "The poems in your gallery can be read meanwhile.",
  back: "Sonneteer is reachable again.",
  lost: "The connection was lost before the poem was finished.",

  copied: "Copied.",
  linkCopied: "Link copied. It is also in the address bar.",
  textToCopy: "Text to copy",
  copyBlocked: "Your browser blocks copying. Select the text and copy it.",
  cardSaved: "The card was saved to your downloads.",

  readAloud: "Read aloud",
  stopReading: "Stop reading",
  readingFailed: "Your browser could not read the poem aloud.",

  shared: "Shared.",
  shareAgain: "The card is ready. Press Share once more.",
  shareFailed: "Your browser could not share the poem.",

  kept: "Kept in your gallery.",
  keptBefore: "This poem is in your gallery already.",
  tooLongToKeep: (limit) => `A poem in the gallery has at most ${limit} characters.`,
  galleryFull: (limit) => `Your gallery is full: ${poems(limit)}. Delete one to keep another.`,
  galleryOff: "This browser lets the page store nothing, so no poem can be kept.",
  galleryNoRoom: "This browser has no more room for the gallery. Delete some poems.",
  galleryUnreadable:
    "The gallery in this browser is damaged and cannot be read. " +
    "The next poem that you keep begins it anew.",
  galleryDamaged: (count) =>
    `A part of the gallery in this browser is damaged; ${poems(count)} could be read.`,
  galleryTitle: (count) => (count ? `Your gallery (${count})` : "Your gallery"),
  galleryEmpty: "No poem is kept yet. The button Keep is below each poem.",
  keptOn: (model, date) => `${model} · kept on ${date}`,
  writeAgain: "Write again",
  copy: "Copy",
  remove: "Delete",
  removed: "Deleted.",
  clear: (count) => (count === 1 ? "Delete the poem?" : `Delete all ${count} poems?`),
  cleared: "The gallery is empty.",

  kioskBusy: "Sonneteer is busy. It goes on by itself as soon as there is room.",
  kioskGone: "Sonneteer is not reachable. It goes on by itself when it is back.",
  codeLocal:
    "Open this page by this machine's name or network address, and a QR code appears here.",

  wordLabel: "One word, for which a line is written",
  lineLabel: "A line, which stays as it is",
  lineLabelAt: (number, count) => `Line ${number} of ${count}, which stays as it is`,
  noWord: "There is nothing to give yet.",
  roomBegins: "The poem begins with the first word or line.",
  roomWhole: "The poem is finished.",
  roomWholeHost: "The poem is finished. The host's button Next poem begins another.",
  roomBusy: "Sonneteer is busy. The poem goes on by itself as soon as there is room.",
  roomGone: "The connection is lost. The page tries again by itself.",
  roomTrouble: (sentence) => `The last line could not be written. ${sentence}`,
  people: (people, waiting) =>
    [people === 1 ? "1 person" : `${people} people`, `${waiting} waiting`].join(" · "),
  joinAt: (address) => `Join at ${address} with the code`,
  removeGift: (text) => `Remove “${text}”`,
  yoursNext: (kind, text) => `Your ${kind} “${text}” is next.`,
  yoursWaits: (kind, text, before) =>
    `Your ${kind} “${text}” waits. Before it: ${before}. You can still change it.`,
  yoursIsLine: (number) => `Line ${number} is yours.`,
  yoursIsIn: (number) => `Your word is in line ${number}.`,
  yoursIsAbout: (number) => `Line ${number} was written for your word, but could not have it.`,
  yoursRemoved: "The host left yours out. Try another one.",
  yoursFailed: (sentence) => `Yours could not be used. ${sentence}`,
  roomEnded: {
    closed: "The host has closed the room.",
    idle: "The room has ended: for an hour nobody gave anything.",
    stopping: "The room has ended, because Sonneteer is restarting.",
    failed: "The room has ended, because something went wrong.",
    gone: "The room has ended. Perhaps Sonneteer was restarted.",
  },
  openAnother: "Open a new room",
  joinAnother: "Join another room",
};
