// The machine: bandwidth, disk, memory. A column, or a drawer in a narrow window.
import { useLayoutEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { rate, size } from "./format.js";
import { Chart } from "./chart.js";
import { connection, machine } from "./state.js";

/** A disk or memory that is used to this part is full, or nearly full. */
const FULL = 0.95;
const NEARLY = 0.85;

function Meter({ name, used, total, text, more = "", calm = false }) {
  const part = total > 0 ? Math.min(1, Math.max(0, used / total)) : 0;
  const tone = calm ? "good" : part >= FULL ? "trouble" : part >= NEARLY ? "waiting" : "good";
  return html`<div class="meter-box">
    <p class="meter-name"><b>${name}</b> <span class="figures">${text}</span></p>
    <div class="meter" role="meter" aria-label=${name} aria-valuemin="0" aria-valuemax="100"
        aria-valuenow=${Math.round(part * 100)} aria-valuetext=${text} data-tone=${tone}>
      <div class="meter-used" style=${{ width: `${(part * 100).toFixed(1)}%` }}></div></div>
    ${more && html`<p class="soft figures">${more}</p>`}
  </div>`;
}

/** The sample under the pointer in the chart, else the current one. */
function Bandwidth() {
  const [index, setIndex] = useState(null);
  const { latest, samples } = machine.value;
  const at = index == null ? null : samples[index];
  const [, received, sent] = at ?? [0, latest.received, latest.sent];
  const back = at && Math.round(samples.at(-1)[0] - at[0]);
  return html`<section class="bandwidth" aria-label="Bandwidth">
    <p class="meter-name"><b>Bandwidth</b> <span class="figures">${
      back ? `${back} s ago` : "of the whole machine"}</span></p>
    <dl class="legend">
      <div data-line="received"><dt>Received</dt><dd class="figures">${rate(received)}</dd></div>
      <div data-line="sent"><dt>Sent</dt><dd class="figures">${rate(sent)}</dd></div>
    </dl>
    <${Chart} onPoint=${setIndex} label=${
      `The last five minutes; now ${rate(latest.received)} received, ${rate(latest.sent)} sent`} />
  </section>`;
}

export function Machine({ drawer, close }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    if (!drawer) return undefined;
    const typed = (event) => {
      if (event.key !== "Escape") return;
      close();
      document.querySelector(".views [aria-expanded]")?.focus();
    };
    addEventListener("keydown", typed);
    box.current?.querySelector("button")?.focus();
    return () => removeEventListener("keydown", typed);
  }, [drawer]);
  const latest = machine.value?.latest;
  const old = connection.value.state !== "live";
  return html`<aside class=${drawer ? "machine drawer" : "machine"} aria-label="Machine" ref=${box}
      data-old=${old}>
    <div class="machine-head"><h2>Machine</h2>
      ${drawer && html`<button class="button small" onClick=${close}>Close</button>`}</div>
    ${latest ? html`<${Bandwidth} /><${Facts} latest=${latest} />`
      : html`<p class="empty">${old ? "Unknown." : "Measuring…"}</p>`}
  </aside>`;
}

function Facts({ latest }) {
  const { disk_free: free, disk_total: disk, memory_used: used, memory_total: memory } = latest;
  return html`
    <${Meter} name="Disk" used=${disk - free} total=${disk} text=${`${size(free)} free`}
      more=${`of ${size(disk)}`} />
    <${Meter} name="Memory" used=${used} total=${memory} text=${`${size(memory - used)} free`}
      more=${`of ${size(memory)}; the warrior uses ${size(latest.own_memory)}`} />
    <${Meter} name="Processor" used=${latest.cpu} total=${1} calm
      text=${`${Math.round(latest.cpu * 100)} % busy`} />`;
}
