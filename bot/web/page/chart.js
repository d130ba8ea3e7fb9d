// The losses of a training as a small chart, and in words for readers who cannot see it.

import { counted, locale, translate } from "./languages.js";
import { make, write } from "./svg.js";

const WIDTH = 300; // the chart's own units; it grows and shrinks with its card
const HEIGHT = 148;
const PLOT = { left: 36, right: 290, top: 24, bottom: 122 };
const AIR = 0.08; // above and below the curves, of their height
const MOST_TICKS = 4; // lines across
const MOST_DOTTED = 16; // epochs; where there are more, dots would run into each other

// Return { training, heldOut, best }: two curves of { epoch, loss }, and the point of the lowest
// loss, on held-out text where any was measured.
export function curvesOf(losses) {
  const curve = (name) =>
    losses
      .map((each, index) => ({ epoch: index + 1, loss: each[name] }))
      .filter((point) => point.loss !== null);
  const [training, heldOut] = [curve("running"), curve("held_out")];
  const watched = heldOut.length ? heldOut : training;
  const best = watched.reduce((lowest, point) => (point.loss < lowest.loss ? point : lowest));
  return { training, heldOut, best };
}

// Return a chart of two epochs or more.
export function drawChart(losses) {
  const { training, heldOut, best } = curvesOf(losses);
  const scale = scaleOf([...training, ...heldOut], losses.length);
  const chart = make("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  chart.setAttribute("aria-label", describe(losses));
  chart.append(...drawAxes(scale, losses.length));
  const dotted = losses.length <= MOST_DOTTED;
  for (const [kind, points] of [["training", training], ["held-out", heldOut]]) {
    chart.append(drawCurve(kind, points, scale));
    if (dotted) chart.append(...points.map((point) => drawDot(kind, point, scale, 2.4)));
  }
  chart.append(drawDot("best", best, scale, 5.5));
  return chart;
}

// Say the figures of a training of two epochs or more.
export function describe(losses) {
  const { training, heldOut, best } = curvesOf(losses);
  const ends = (points) => ({ first: figure(points[0].loss), last: figure(points.at(-1).loss) });
  return [
    counted(
      "Losses of {count} epoch, in nats per character.",
      "Losses of {count} epochs, in nats per character.",
      losses.length,
    ),
    ...(training.length ? [translate("Training: from {first} to {last}.", ends(training))] : []),
    ...(heldOut.length ? [translate("Held-out text: from {first} to {last}.", ends(heldOut))] : []),
    translate("Best: {loss}, after epoch {epoch}.", {
      loss: figure(best.loss),
      epoch: best.epoch,
    }),
  ].join(" ");
}

// Write a loss as people compare them.
export function figure(loss, digits = 3) {
  return loss.toLocaleString(locale(), {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: false,
  });
}

// Return where the chart puts an epoch and a loss, and the losses that get a line across.
function scaleOf(points, epochs) {
  const [low, high] = points.reduce(
    ([least, most], { loss }) => [Math.min(least, loss), Math.max(most, loss)],
    [Infinity, -Infinity],
  );
  const span = Math.max(high - low, Math.abs(high) / 1000, 1e-6); // all may be the same
  const middle = (low + high) / 2;
  const floor = middle - (0.5 + AIR) * span;
  const ceiling = middle + (0.5 + AIR) * span;
  const step = stepOf(floor, ceiling);
  const first = Math.ceil(floor / step);
  const count = Math.floor(ceiling / step) - first + 1;
  const share = (loss) => (loss - floor) / (ceiling - floor);
  return {
    x: (epoch) => PLOT.left + ((epoch - 1) / (epochs - 1)) * (PLOT.right - PLOT.left),
    y: (loss) => PLOT.bottom - share(loss) * (PLOT.bottom - PLOT.top),
    ticks: Array.from({ length: count }, (_, index) => (first + index) * step),
    decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)),
  };
}

// Return the smallest of 1, 2, 5, 10, … (or 0.1, 0.2, …) that needs few lines between two losses.
function stepOf(floor, ceiling) {
  const power = 10 ** Math.floor(Math.log10((ceiling - floor) / MOST_TICKS));
  const steps = [1, 2, 5, 10, 20].map((factor) => factor * power);
  const isSparse = (step) => Math.floor(ceiling / step) - Math.ceil(floor / step) < MOST_TICKS;
  return steps.find(isSparse) ?? steps.at(-1);
}

function drawAxes({ y, ticks, decimals }, epochs) {
  const below = HEIGHT - 8;
  const across = (kind, height) =>
    make("line", { class: kind, x1: PLOT.left, x2: PLOT.right, y1: height, y2: height });
  return [
    across("base", PLOT.bottom),
    ...ticks.flatMap((loss) => [
      across("tick", y(loss)),
      write(loss.toFixed(decimals), { x: PLOT.left - 6, y: y(loss) + 4, "text-anchor": "end" }),
    ]),
    write(translate("nats per character"), { x: 0, y: 10 }),
    write("1", { x: PLOT.left, y: below, "text-anchor": "middle" }),
    write(translate("epoch"), { x: (PLOT.left + PLOT.right) / 2, y: below, "text-anchor": "middle" }),
    write(epochs, { x: PLOT.right, y: below, "text-anchor": epochs > 99 ? "end" : "middle" }),
  ];
}

function drawCurve(kind, points, { x, y }) {
  const path = points.map(({ epoch, loss }) => `${x(epoch).toFixed(1)},${y(loss).toFixed(1)}`);
  return make("polyline", { class: `curve ${kind}`, points: path.join(" ") });
}

function drawDot(kind, { epoch, loss }, { x, y }, r) {
  const [cx, cy] = [x(epoch).toFixed(1), y(loss).toFixed(1)];
  return make("circle", { class: `dot ${kind}`, cx, cy, r });
}
