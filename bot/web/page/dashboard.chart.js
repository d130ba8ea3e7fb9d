// A chart of figures over time: lines, or layers that add up. All in its own pixels.

import { make, write } from "./svg.js";

const HEIGHT = 150;
const PLOT = { left: 60, right: 6, top: 10, bottom: 22 }; // what is left free around it
const MOST_TICKS = 3; // lines across, besides the base
const SPANS = [2, 5, 10, 20, 30]; // minutes that a chart may show
const NICE = [1, 2, 2.5, 5, 10];

// Return how many minutes a chart shows, of what was heard since `first`.
export function spanOf(first, now) {
  const minutes = (now - first) / 60_000;
  return SPANS.find((span) => minutes <= span) ?? SPANS.at(-1);
}

// Return { top, ticks } of an axis that begins at nothing and has room for `most`.
export function axisOf(most, whole) {
  if (!(most > 0)) return { top: 1, ticks: whole ? [1] : [] };
  const power = 10 ** Math.floor(Math.log10(most / MOST_TICKS));
  const steps = NICE.map((factor) => factor * power).filter((step) => !whole || step % 1 === 0);
  const step = steps.find((each) => most / each <= MOST_TICKS) ?? Math.max(10 * power, 1);
  const count = Math.max(Math.ceil(most / step - 1e-9), 1);
  const ticks = Array.from({ length: count }, (_, index) => (index + 1) * step);
  return { top: ticks.at(-1), ticks };
}

// Draw curves, [{ name, hue, points: [{ time, value }] }], as they stand at `now`; `cursor` is a
// time that is pointed at, or null. NaN is a gap.
export function drawChart({ curves, now, minutes, width, format, whole, stacked, cursor, label }) {
  const layers = stacked ? pile(curves) : curves.map((curve) => ({ ...curve, low: null }));
  const from = now - minutes * 60_000;
  const values = layers.flatMap(({ points }) => points.map(({ value }) => value));
  const most = values.reduce((high, value) => (value > high ? value : high), 0);
  const axis = axisOf(most, whole);
  const scale = {
    x: (time) => PLOT.left + ((time - from) / (now - from)) * (width - PLOT.left - PLOT.right),
    y: (value) => HEIGHT - PLOT.bottom - (value / axis.top) * (HEIGHT - PLOT.top - PLOT.bottom),
  };
  const chart = make("svg", { class: "plot", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  chart.setAttribute("aria-label", label);
  chart.append(...drawAxes(scale, axis, { from, now, minutes, width, format }));
  const filled = stacked || layers.length === 1;
  for (const layer of layers) chart.append(...drawLayer(layer, scale, filled, stacked));
  if (cursor !== null && cursor >= from) {
    const [x, middle] = [scale.x(cursor), (PLOT.left + width - PLOT.right) / 2];
    const clock = { x: middle, y: HEIGHT - 5, "text-anchor": "middle", class: "clock" };
    chart.append(
      make("line", { class: "cursor", x1: x, x2: x, y1: PLOT.top, y2: scale.y(0) }),
      write(new Date(cursor).toLocaleTimeString("en-GB"), clock),
    );
  }
  return chart;
}

// Return the time at a distance from a chart's left edge.
export function timeAt(x, { now, minutes, width }) {
  const share = (x - PLOT.left) / (width - PLOT.left - PLOT.right);
  return now - minutes * 60_000 * (1 - Math.min(Math.max(share, 0), 1));
}

// Put curves on top of each other. All have points at the same times; one without a value adds
// nothing, and is not drawn where it adds nothing.
function pile(curves) {
  let below = null;
  return curves.map((curve) => {
    const low = below;
    const points = curve.points.map(({ time, value }, index) => {
      const base = low?.[index].value ?? NaN;
      const sum = Number.isNaN(value) ? base : value + (base || 0);
      return { time, value: sum, own: value };
    });
    below = points;
    return { ...curve, points, low };
  });
}

function drawAxes({ x, y }, { ticks }, { from, now, minutes, width, format }) {
  const across = (kind, height) =>
    make("line", { class: kind, x1: PLOT.left, x2: width - PLOT.right, y1: height, y2: height });
  const beside = (text, height) =>
    write(text, { x: PLOT.left - 7, y: height + 4, "text-anchor": "end" });
  const below = (text, time, anchor) =>
    write(text, { x: x(time), y: HEIGHT - 5, "text-anchor": anchor });
  return [
    across("base", y(0)),
    beside("0", y(0)),
    ...ticks.flatMap((value) => [across("tick", y(value)), beside(format(value), y(value))]),
    below(`${minutes} min ago`, from, "start"),
    below("now", now, "end"),
  ];
}

function drawLayer({ hue, points, low }, { x, y }, filled, stacked) {
  const place = ({ time, value }) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`;
  const parts = [];
  const adds = (index) => points[index]?.own > 0;
  const isDrawn = (index) =>
    !Number.isNaN(points[index].value) &&
    (low === null || adds(index - 1) || adds(index) || adds(index + 1));
  for (const [start, end] of runs(points.length, isDrawn)) {
    const line = points.slice(start, end);
    if (filled) {
      const floor = line.map(({ time }, index) => ({
        time,
        value: low?.[start + index].value || 0,
      }));
      const outline = [...line, ...floor.reverse()].map(place).join(" ");
      const kind = stacked ? "area layer" : "area";
      parts.push(make("polygon", { class: kind, "data-rhyme": hue, points: outline }));
    }
    const path = (line.length > 1 ? line : [line[0], line[0]]).map(place).join(" ");
    parts.push(make("polyline", { class: "curve", "data-rhyme": hue, points: path }));
  }
  return parts;
}

// Return the stretches of indices for which something is so, as pairs of a start and an end.
function runs(count, isSo) {
  const stretches = [];
  for (let index = 0; index < count; index += 1) {
    if (!isSo(index)) continue;
    if (stretches.at(-1)?.[1] === index) stretches.at(-1)[1] = index + 1;
    else stretches.push([index, index + 1]);
  }
  return stretches;
}
