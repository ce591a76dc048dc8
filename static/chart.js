// A chart of the machine's bandwidth: a line for received and one for sent data.
import { uPlot, useEffect, useRef } from "./vendor/vendor.js";
import { html } from "./html.js";
import { rate } from "./format.js";
import { CHART_SPAN, machine, seconds } from "./state.js";

const HEIGHT = 130;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Samples in the form that uPlot needs; times are negative, in seconds before now. */
function columns(samples) {
  const now = samples.at(-1)?.[0] ?? seconds();
  return [samples.map(([at]) => at - now), samples.map((one) => one[1]),
    samples.map((one) => one[2])];
}

function ago(value) {
  return value === 0 ? "now" : `\u2212${Math.round(-value / 60)} min`;
}

function options(width, onPoint) {
  const axis = {
    stroke: () => css("--soft"), font: `11px ${css("--sans")}`, ticks: { show: false },
    grid: { stroke: () => css("--line"), width: 1 },
  };
  const line = (name, colour) => ({
    label: name, stroke: () => css(colour), width: 1.5, points: { show: false },
    fill: () => `${css(colour)}24`, // the colours have six hexadecimal digits; these two are the alpha
  });
  return {
    width, height: HEIGHT, legend: { show: false }, padding: [6, 4, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: false, range: [-CHART_SPAN, 0] },
      y: { range: (_, least, most) => [0, Math.max(10000, (most ?? 0) * 1.15)] },
    },
    axes: [
      { ...axis, size: 20, gap: 3, splits: () => [-240, -120, 0],
        values: (_, at) => at.map(ago), align: 2 },
      { ...axis, size: 58, gap: 4, space: 34,
        values: (_, at) => at.map((value) => (value ? rate(value) : "0")) },
    ],
    series: [{}, line("received", "--received"), line("sent", "--sent")],
    hooks: { setCursor: [(chart) => onPoint(chart.cursor.idx ?? null)] },
  };
}

/** `onPoint(index or null)` gets the sample under the pointer. */
export function Chart({ onPoint, label }) {
  const box = useRef(null);
  useEffect(() => {
    const chart = new uPlot(options(box.current.clientWidth, onPoint), columns([]), box.current);
    const stop = machine.subscribe((known) => {
      if (known && !document.hidden) chart.setData(columns(known.samples));
    });
    const observer = new ResizeObserver(() => {
      const width = box.current?.clientWidth;
      if (width && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    });
    observer.observe(box.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => chart.redraw();
    scheme.addEventListener("change", redraw);
    return () => {
      stop();
      observer.disconnect();
      scheme.removeEventListener("change", redraw);
      chart.destroy();
    };
  }, []);
  return html`<div class="chart" ref=${box} role="img" aria-label=${label}></div>`;
}
