// What the dashboard shows: its panels, each with its curves, and words for when there are none.

const MINUTE = 60; // seconds that counts and percentiles are of
const MOMENT = 10; // seconds that speeds are of
const MOST_CURVES = 6; // of one panel; the rest is drawn as one more
const HUES = ["B", "C", "D", "E", "F", "G"]; // as style.css colours rhymes
const WRITTEN = ["complete", "cut_off"]; // outcomes of a poem that reached its reader
const OFF_DISCORD = "Not connected to Discord.";
const NO_DATA = "No data.";
const LINUX_ONLY = "Available only on Linux.";

const BUILD = "sonneteer_build_info";
const REQUESTS = "sonneteer_requests_total";
const QUEUE = "sonneteer_request_queue_time_seconds";
const FIRST_TEXT = "sonneteer_time_to_first_text_seconds";
const WHOLE = "sonneteer_e2e_request_latency_seconds";
const ENDED_TRAININGS = "sonneteer_training_jobs_total";
const LAG = "sonneteer_event_loop_lag_seconds";
const UP = "sonneteer_discord_shard_up";
const LATENCY = "sonneteer_discord_shard_latency_seconds";
const CONNECTS = "sonneteer_discord_connects_total";
const DISCONNECTS = "sonneteer_discord_disconnects_total";
const SESSIONS_LOST = "sonneteer_discord_sessions_lost_total";
const ANSWERS = "sonneteer_discord_http_requests_total";
const RATE_LIMITS = "sonneteer_discord_rate_limits_total";
const REPEATED = "sonneteer_discord_repeated_events_total";
const UNREADABLE = "sonneteer_discord_unreadable_events_total";
const UNANSWERED = "sonneteer_unanswered_commands_total";

const gauge = (name, wanted = {}) => (history, index) => history.gauge(name, wanted, index);
const speed = (name) => (history, index) => history.rate(name, {}, index, MOMENT);
const perMinute = (name, wanted) => (history, index) =>
  MINUTE * history.rate(name, wanted, index, MINUTE);
const percentile = (share, name) => (history, index) =>
  history.quantile(share, name, index, MINUTE);

const one = (name, at) => () => [{ name, hue: "A", at }];
const median = (metric) => () => [
  { name: "p95", hue: "A", at: percentile(0.95, metric) },
  { name: "p50", hue: "B", at: percentile(0.5, metric) },
];
const seconds = (title, hint, metric) => {
  const absent = "No poem in the last 30 minutes.";
  return { title, hint, format: formatSeconds, absent, curves: median(metric) };
};

// One curve for each value of a label; `hues` names the colours of some, which come first.
function split(metric, label, hues, name = plain) {
  return (history) => {
    const named = Object.keys(hues);
    const found = history.labels(metric, label);
    const others = found.filter((value) => !named.includes(value));
    const values = [...named.filter((value) => found.includes(value)), ...others];
    const free = HUES.filter((hue) => !Object.values(hues).includes(hue));
    const [shown, rest] = [values.slice(0, MOST_CURVES), values.slice(MOST_CURVES)];
    const curves = shown.map((value) => ({
      name: name(value),
      hue: hues[value] ?? free[others.indexOf(value) % free.length],
      at: perMinute(metric, { [label]: value }),
    }));
    if (rest.length === 0) return curves;
    const each = rest.map((value) => perMinute(metric, { [label]: value }));
    const at = (history, index) => each.reduce((sum, rate) => sum + rate(history, index), 0);
    return [...curves, { name: `${rest.length} more`, hue: "none", at }];
  };
}

const POEMS = [
  {
    title: "Poems per minute",
    hint: "by outcome",
    wide: true,
    stacked: true,
    format: formatNumber,
    absent: "No poem has been requested yet.",
    curves: split(REQUESTS, "outcome", {
      complete: "C",
      cut_off: "F",
      cancelled: "E",
      failed: "A",
    }),
  },
  {
    title: "Poems in progress",
    hint: "being written and waiting",
    stacked: true,
    whole: true,
    format: formatNumber,
    absent: NO_DATA,
    curves: () => [
      { name: "being written", hue: "C", at: gauge("sonneteer_rows_running") },
      { name: "waiting", hue: "A", at: gauge("sonneteer_rows_waiting") },
    ],
  },
  seconds("Time to first text", "since the request", FIRST_TEXT),
  seconds("Time to the whole poem", "since the request", WHOLE),
  seconds("Time in the queue", "until writing starts", QUEUE),
];

const MACHINE = [
  {
    title: "Characters per second",
    format: formatNumber,
    absent: NO_DATA,
    curves: one("characters", speed("sonneteer_generated_characters_total")),
  },
  {
    title: "Steps per second",
    hint: "one token per poem in the batch",
    format: formatNumber,
    absent: NO_DATA,
    curves: one("steps", speed("sonneteer_engine_steps_total")),
  },
  {
    title: "Event loop lag",
    hint: "p99",
    format: formatSeconds,
    absent: NO_DATA,
    curves: one("p99", percentile(0.99, LAG)),
  },
  {
    title: "CPU",
    hint: "100 % is one core",
    format: formatShare,
    absent: LINUX_ONLY,
    curves: one("CPU", speed("process_cpu_seconds_total")),
  },
  {
    title: "Memory",
    hint: "resident, without trainings",
    format: formatBytes,
    absent: LINUX_ONLY,
    curves: one("memory", gauge("process_resident_memory_bytes")),
  },
  {
    title: "Open files",
    hint: "including connections",
    whole: true,
    format: formatNumber,
    absent: LINUX_ONLY,
    curves: one("files", gauge("process_open_fds")),
  },
];

const TRAININGS = [
  {
    title: "Trainings",
    hint: "running and waiting",
    wide: true,
    stacked: true,
    whole: true,
    format: formatNumber,
    absent: NO_DATA,
    curves: () => [
      { name: "running", hue: "C", at: gauge("sonneteer_training_jobs_running") },
      { name: "waiting", hue: "A", at: gauge("sonneteer_training_jobs_waiting") },
    ],
  },
  {
    title: "Finished trainings",
    hint: "since the bot started",
    absent: "None since the bot started.",
    facts: (history) => totalsBy(history, ENDED_TRAININGS, "outcome"),
  },
];

const DISCORD = [
  {
    title: "Shards",
    hint: "counts since the bot started",
    wide: true,
    absent: OFF_DISCORD,
    table: tableOfShards,
  },
  {
    title: "Heartbeat",
    hint: "time to the gateway's answer",
    format: formatSeconds,
    absent: OFF_DISCORD,
    curves: (history) =>
      history.labels(LATENCY, "shard").slice(0, MOST_CURVES).map((shard, index) => ({
        name: `shard ${shard}`,
        hue: ["A", ...HUES][index],
        at: gauge(LATENCY, { shard }),
      })),
  },
  {
    title: "Requests per minute",
    hint: "to Discord, by status",
    stacked: true,
    format: formatNumber,
    absent: "No requests to Discord yet.",
    curves: split(
      ANSWERS,
      "status",
      { 200: "C", 204: "F", 429: "A", 0: "D" },
      (status) => (status === "0" ? "no answer" : status),
    ),
  },
  {
    title: "Rate limits per minute",
    hint: "status 429 from Discord, by scope",
    stacked: true,
    format: formatNumber,
    absent: "None since the bot started.",
    curves: split(RATE_LIMITS, "scope", { global: "A" }),
  },
  {
    title: "Totals",
    hint: "since the bot started",
    absent: OFF_DISCORD,
    facts: (history) => [
      ...totalsBy(history, RATE_LIMITS, "scope", (s) => `rate limits, ${s}`),
      ...totalsBy(history, DISCONNECTS, "why", (w) => `connections lost, ${w}`),
      ...told("duplicate commands", history.total(REPEATED)),
      ...told("unreadable events", history.total(UNREADABLE)),
      ...told("commands dropped in floods", history.total(UNANSWERED)),
    ],
  },
];

export const SECTIONS = [
  { title: "Poems", panels: POEMS },
  { title: "The machine", panels: MACHINE },
  { title: "Discord", panels: DISCORD },
  { title: "Trainings", panels: TRAININGS },
];

// Return what stands at the top: pairs of a name and a text.
export function vitals(history, now) {
  const version = history.told(BUILD)[0]?.labels.version;
  const requests = history.total(REQUESTS);
  const written = WRITTEN.map((outcome) => history.total(REQUESTS, { outcome }));
  const poems = written.filter((count) => !Number.isNaN(count)).reduce((a, b) => a + b, 0);
  const shards = history.labels(UP, "shard");
  const up = history.total(UP);
  return [
    ["Version", version ?? "–"],
    ["Uptime", formatDuration(now / 1000 - history.startedAt)],
    ["Poems written", formatNumber(poems)],
    ["Requested but not written", formatNumber((requests || 0) - poems)],
    ["Discord", shards.length ? `${up || 0} of ${shards.length} shards up` : "not connected"],
  ];
}

function tableOfShards(history) {
  const total = (name, wanted) => formatNumber(history.total(name, wanted) || 0);
  const head = ["Shard", "State", "Heartbeat", "Connects", "Resumes", "Disconnects", "Sessions lost"];
  const rows = history.labels(UP, "shard").map((shard) => [
    shard,
    { 1: "up", 0: "down" }[history.total(UP, { shard })] ?? "?",
    formatSeconds(history.total(LATENCY, { shard })),
    total(CONNECTS, { shard, how: "identified" }),
    total(CONNECTS, { shard, how: "resumed" }),
    total(DISCONNECTS, { shard }),
    total(SESSIONS_LOST, { shard }),
  ]);
  return { head, rows };
}

function totalsBy(history, metric, label, name = plain) {
  return history
    .labels(metric, label)
    .flatMap((value) => told(name(value), history.total(metric, { [label]: value })));
}

function told(name, value) {
  return Number.isNaN(value) ? [] : [[name, formatNumber(value)]];
}

// Write a label's value as words: "cut_off" and "QueueFull" are cut off and queue full.
export function plain(value) {
  return value.replace(/_/g, " ").replace(/(?<=[a-z])[A-Z]/g, " $&").toLowerCase();
}

export function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) < 10 ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function formatSeconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (value < 0.9995) return `${digits3(value * 1000)} ms`;
  return value < 120 ? `${digits3(value)} s` : formatDuration(value);
}

export function formatBytes(value) {
  if (!Number.isFinite(value)) return "–";
  return value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${(value / 1e9).toFixed(2)} GB`;
}

export function formatShare(value) {
  return Number.isFinite(value) ? `${Math.round(value * 100)} %` : "–";
}

export function formatDuration(value) {
  if (!Number.isFinite(value)) return "–";
  const minutes = Math.floor(Math.max(value, 0) / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}

function digits3(value) {
  return Number(value.toPrecision(value < 100 ? 2 : 3)).toLocaleString("en");
}
