// The figures of /metrics: read, kept for a while, and made into rates and percentiles.
//
// Counters are kept as what they have risen by, so that a restart of the bot, which sets them back
// to nothing, is no fall.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const COUNTED = /_(total|bucket|count|sum)$/;
const START = "process_start_time_seconds";
const ESCAPED = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };
const ENOUGH = 0.25; // of the seconds that a rate is of; over less it would jump about

// Read Prometheus' text format: a list of { key, name, labels, value }.
export function readFigures(text) {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) return []; // a comment, or nothing
    return [{ key: `${name}{${labels}}`, name, labels: readLabels(labels), value: number(value) }];
  });
}

function readLabels(text) {
  const unescape = (value) => value.replace(/\\[n"\\]/g, (pair) => ESCAPED[pair]);
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, k, v]) => [k, unescape(v)]));
}

function number(text) {
  return { "+Inf": Infinity, "-Inf": -Infinity }[text] ?? Number(text);
}

// Estimate a percentile from the buckets of a histogram, [{ bound, count }] with counts that
// include the smaller buckets', as Prometheus does: evenly spread within a bucket. Above the last
// bound nothing is known, so it is the answer. NaN where nothing was counted.
export function quantile(share, buckets) {
  const rank = share * (buckets.at(-1)?.count ?? 0);
  if (!(rank > 0)) return NaN;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const { bound, count } = buckets[index];
  const below = index > 0 ? buckets[index - 1] : { bound: 0, count: 0 };
  if (bound === Infinity) return below.bound;
  return below.bound + ((bound - below.bound) * (rank - below.count)) / (count - below.count);
}

// What was heard in the last `seconds`. Times are in milliseconds, a moment is its index.
export class History {
  constructor(seconds) {
    this.seconds = seconds;
    this.times = [];
    this.heard = []; // false: nothing came then
    this.series = new Map(); // by key; their values are as many as the times
    this.totals = new Map(); // key → what the bot itself says now, counted since its start
    this.startedAt = undefined;
  }

  // Take in what was read at `time`.
  add(time, samples) {
    const startedAt = samples.find(({ name }) => name === START)?.value;
    const restarted = startedAt !== this.startedAt;
    this.startedAt = startedAt;
    if (restarted) for (const series of this.series.values()) series.last = 0;
    this.totals = new Map(samples.map(({ key, value }) => [key, value]));
    for (const sample of samples) if (!this.series.has(sample.key)) this.begin(sample);
    for (const [key, series] of this.series) this.append(series, this.totals.get(key));
    this.mark(time, true);
  }

  // Note that nothing was heard at `time`.
  miss(time) {
    this.totals = new Map();
    for (const series of this.series.values()) this.append(series, undefined);
    this.mark(time, false);
  }

  // A counter that was not told of before, while others were, began at nothing.
  begin({ key, name, labels, value }) {
    const counted = COUNTED.test(name);
    const values = this.times.map(() => (counted ? 0 : NaN));
    const last = this.times.length ? 0 : value;
    this.series.set(key, { key, name, labels, counted, values, last });
  }

  append(series, value) {
    if (!series.counted) {
      series.values.push(value ?? NaN);
      return;
    }
    const risen = series.values.at(-1) ?? 0;
    const rise = value === undefined ? 0 : value - (value < series.last ? 0 : series.last);
    series.values.push(risen + rise);
    series.last = value ?? series.last;
  }

  mark(time, heard) {
    this.times.push(time);
    this.heard.push(heard);
    const old = this.times.findIndex((each) => each >= time - this.seconds * 1000);
    for (const list of [this.times, this.heard]) list.splice(0, old);
    for (const { values } of this.series.values()) values.splice(0, old);
  }

  // Return the series of a name whose labels are as in `wanted`.
  named(name, wanted = {}) {
    const isWanted = ({ labels }) => Object.entries(wanted).every(([k, v]) => labels[k] === v);
    return [...this.series.values()].filter((each) => each.name === name && isWanted(each));
  }

  // Return the values that a label has, in order.
  labels(name, label) {
    const values = new Set(this.named(name).map(({ labels }) => labels[label] ?? ""));
    return [...values].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  }

  // Return a gauge's value at a moment, summed over its series; NaN where it was not told.
  gauge(name, wanted, index) {
    const values = this.named(name, wanted).map((each) => each.values[index]);
    return values.length ? sum(values) : NaN;
  }

  // Return by how much a counter rose a second, over the `seconds` before a moment.
  rate(name, wanted, index, seconds) {
    const from = this.since(index, seconds);
    if (from === undefined) return NaN;
    const elapsed = (this.times[index] - this.times[from]) / 1000;
    const series = this.named(name, wanted);
    if (elapsed < seconds * ENOUGH || series.length === 0) return NaN;
    return sum(series.map(({ values }) => values[index] - values[from])) / elapsed;
  }

  // Return a percentile of what a histogram counted in the `seconds` before a moment.
  quantile(share, name, index, seconds) {
    const from = this.since(index, seconds);
    if (from === undefined) return NaN;
    const counts = new Map();
    for (const { labels, values } of this.named(`${name}_bucket`)) {
      const bound = number(labels.le);
      counts.set(bound, (counts.get(bound) ?? 0) + values[index] - values[from]);
    }
    const buckets = [...counts].map(([bound, count]) => ({ bound, count }));
    return quantile(share, buckets.sort((a, b) => a.bound - b.bound));
  }

  // Return what a counter or gauge is now, as the bot itself says, summed over its series.
  total(name, wanted = {}) {
    const values = this.told(name, wanted).map(({ key }) => this.totals.get(key));
    return values.length ? sum(values) : NaN;
  }

  // Return the series of a name that the bot tells of now, and not only told of once.
  told(name, wanted = {}) {
    return this.named(name, wanted).filter(({ key }) => this.totals.has(key));
  }

  // Return the earliest moment within the `seconds` before another, or the one just before it, as
  // in a tab that the browser lets sleep. Undefined where nothing was heard.
  since(index, seconds) {
    if (!this.heard[index]) return undefined;
    const earliest = this.times[index] - seconds * 1000;
    let from = index - 1;
    if (!this.heard[from]) return undefined;
    while (this.heard[from - 1] && this.times[from - 1] >= earliest) from -= 1;
    return from;
  }
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}
