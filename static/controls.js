// Stop, stop now, keep running.
import { useEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { plural } from "./format.js";
import { command } from "./server.js";
import { connection, runner } from "./state.js";

export function Controls() {
  const [open, setOpen] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const box = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    const away = (event) => {
      if (event.key === "Escape" || (event.type === "pointerdown"
          && !box.current?.contains(event.target))) setOpen("");
    };
    addEventListener("pointerdown", away);
    addEventListener("keydown", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("keydown", away);
    };
  }, [open]);
  const state = runner.value?.status;
  if (!state || state === "stopped" || connection.value.state === "ended") return null;
  const tell = async (path) => {
    setBusy(true);
    setProblem("");
    try {
      await command(path);
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
    setOpen("");
  };
  const off = busy || connection.value.state !== "live";
  const active = runner.value.active;
  const menu = html`<div class="menu">
    <button class="menu-item" onClick=${() => tell("/api/stop")} disabled=${off}>
      <b>Stop when the items are done</b>
      <span>${active ? `${plural(active, "item")} at work will be finished.`
        : "No new items start."} You can change your mind.</span></button>
    <button class="menu-item" onClick=${() => setOpen("sure")} disabled=${off}>
      <b>Stop now…</b><span>Ends the items in the middle of their work.</span></button>
  </div>`;
  const sure = html`<div class="menu ask">
    <p>${active ? `End ${plural(active, "item")} now? What they have downloaded so far is thrown away.`
      : "Stop now?"}</p>
    <div class="buttons">
      <button class="button danger" onClick=${() => tell("/api/stop-now")} disabled=${off}>
        ${active ? "End them now" : "Stop now"}</button>
      <button class="button" onClick=${() => setOpen("")}>Cancel</button>
    </div>
  </div>`;
  return html`<div class="controls" ref=${box}>
    ${state === "stopping"
      ? html`<button class="button primary" onClick=${() => tell("/api/keep-running")}
          disabled=${off}>Keep running</button>
        <button class="button" onClick=${() => setOpen(open ? "" : "sure")} disabled=${off}
          aria-expanded=${Boolean(open)}>Stop now…</button>`
      : html`<button class="button primary" onClick=${() => setOpen(open ? "" : "menu")}
          disabled=${off} aria-expanded=${Boolean(open)}>Stop…</button>`}
    ${open === "menu" ? menu : open === "sure" ? sure : null}
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
  </div>`;
}
