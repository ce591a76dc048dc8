// The Stop button, with a menu of gentle and hard ways to stop.
import { useLayoutEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { plural } from "./format.js";
import { connection, isWarrior, live, program, runner } from "./state.js";
import { useCommand, useDismiss } from "./widgets.js";

/** The menu, as [next question or command, name, explanation]. */
function choices(state, active) {
  const stop = ["/api/stop", "Stop when the items are done",
    `${active ? `${plural(active, "item")} at work will finish.`
      : "No new items start."} You can undo this.`];
  const now = ["stop-now", "Stop now…", "Ends the items at once."];
  if (!isWarrior.value) return [stop, now];
  const off = ["shut-down", "Shut down…", program.value.real_shutdown
    ? "Ends the warrior and turns the computer off." : "Ends the warrior."];
  const again = ["restart", "Restart…", program.value.real_shutdown
    ? "Ends the warrior and restarts the computer." : "Ends the warrior and starts it again."];
  if (state === "running" || state === "starting") return [stop, now, off, again];
  return state === "draining" ? [now, off, again] : [off, again];
}

/** The last question: its text, the gentle way and the hard way, each [name, path, body]. */
function question(what, active) {
  const many = plural(active, "item");
  const lost = "What they have downloaded will be lost.";
  if (what === "stop-now") {
    return { text: active ? `End ${many} now? ${lost}` : "Stop now?", gentle: null,
      hard: [active ? "End them now" : "Stop now", "/api/stop-now", {}] };
  }
  const real = program.value.real_shutdown;
  const [verb, path, text] = what === "shut-down"
    ? ["Shut down", "/api/shut-down", real ? "This also turns the computer off."
      : "To start it again, you need access to its computer."]
    : ["Restart", "/api/restart", real ? "This also restarts the computer."
      : "This page reconnects automatically."];
  return active
    ? { text: `${text} ${many} at work: if you end them at once, what they have downloaded is lost.`,
      gentle: [`${verb} when they are done`, path, {}],
      hard: [`${verb} at once`, path, { now: true }] }
    : { text, gentle: null, hard: [verb, path, {}] };
}

export function Controls() {
  const [open, setOpen] = useState("");
  const { tell, busy, problem } = useCommand();
  const box = useRef(null);
  useDismiss(open, box, () => setOpen(""));
  useLayoutEffect(() => {
    if (open) box.current?.querySelector(".menu button")?.focus();
  }, [open]);
  const state = runner.value?.state;
  if (!state || state === "ended" || connection.value.state === "ended") return null;
  const send = async (path, body) => {
    await tell(path, body);
    setOpen("");
  };
  const off = busy || !live.value;
  const active = runner.value.active;
  const stopping = runner.value.stopping;
  const only = stopping && !isWarrior.value ? "stop-now" : "menu";
  const menu = html`<div class="menu">${choices(state, active).map(([next, name, text]) => html`
    <button class="menu-item" key=${next} disabled=${off}
      onClick=${() => (next.startsWith("/") ? send(next) : setOpen(next))}>
      <b>${name}</b><span>${text}</span></button>`)}
  </div>`;
  return html`<div class="controls" ref=${box}>
    ${stopping && html`<button class="button primary" disabled=${off}
      onClick=${() => send("/api/keep-running")}>Keep running</button>`}
    <button class=${stopping ? "button" : "button primary"} disabled=${off}
      aria-expanded=${Boolean(open)} onClick=${() => setOpen(open ? "" : only)}>${
        only === "menu" ? "Stop…" : "Stop now…"}</button>
    ${open === "menu" ? menu
      : open && html`<${Ask} what=${open} active=${active} off=${off} send=${send}
        close=${() => setOpen("")} />`}
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
  </div>`;
}

function Ask({ what, active, off, send, close }) {
  const { text, gentle, hard } = question(what, active);
  return html`<div class="menu ask" role="group" aria-label="Are you sure?">
    <p>${text}</p>
    <div class="buttons">
      ${gentle && html`<button class="button primary" disabled=${off}
        onClick=${() => send(gentle[1], gentle[2])}>${gentle[0]}</button>`}
      <button class="button danger" disabled=${off}
        onClick=${() => send(hard[1], hard[2])}>${hard[0]}</button>
      <button class="button" onClick=${close}>Cancel</button>
    </div>
  </div>`;
}
