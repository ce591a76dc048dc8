// The number of concurrent items: shows the chosen number at once, then the server's.
import { computed, effect, signal } from "./vendor/vendor.js";
import { html } from "./html.js";
import { command } from "./server.js";
import { live, program, runner } from "./state.js";

/** Milliseconds after saving, until the server's number replaces the chosen one. */
const PATIENCE = 2000;

const wish = signal(null);
const problem = signal("");
const truth = computed(() => runner.value?.concurrent ?? 1);
let sending = false;
let givesWay = 0;

async function send() {
  if (sending) return;
  sending = true;
  clearTimeout(givesWay); // it was set for an earlier wish
  try {
    let sent = null;
    while (wish.value !== null && wish.value !== sent) {
      sent = wish.value;
      await command("/api/settings", { values: { concurrent_items: String(sent) } });
    }
    givesWay = setTimeout(() => {
      if (!sending) wish.value = null;
    }, PATIENCE);
  } catch (error) {
    problem.value = error.message;
    wish.value = null;
  }
  sending = false;
  if (wish.value === truth.value) wish.value = null;
}

effect(() => {
  if (wish.value !== null && wish.value === truth.value && !sending) wish.value = null;
});

export function Stepper() {
  if (!runner.value || !program.value) return null;
  const shown = wish.value ?? truth.value;
  const most = program.value.max_concurrent ?? shown;
  const step = (by) => {
    const next = Math.min(most, Math.max(1, shown + by));
    problem.value = "";
    if (next === shown) return;
    wish.value = next;
    send();
  };
  // Do not disable a button at the ends: it would lose the focus.
  const button = (by, sign, label, end) => html`<button class="step-button" aria-label=${label}
    disabled=${!live.value} aria-disabled=${end} onClick=${() => step(by)}>${sign}</button>`;
  return html`<div class="stepper" role="group" aria-label="Concurrent items">
    <span class="stepper-label" id="at-once">items at once</span>
    ${button(-1, "\u2212", "One item fewer at once", shown <= 1)}
    <output class="figures" aria-labelledby="at-once" data-wish=${wish.value !== null}>${shown}</output>
    ${button(1, "+", "One item more at once", shown >= most)}
    ${problem.value && html`<p class="answer" role="alert">${problem.value}</p>`}
  </div>`;
}
