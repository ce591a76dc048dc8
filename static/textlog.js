// A log that is fetched once, not live.
import { useEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { plural } from "./format.js";
import { Painter } from "./log.js";
import { download, read } from "./server.js";
import { live } from "./state.js";
import { Terminal } from "./terminal.js";

/** The number of shown lines; the download has all that are kept. */
const SHOWN = 3000;

export function TextLog({ path, name, label }) {
  const box = useRef(null);
  const content = useRef(null);
  const [state, setState] = useState("loading");
  const [problem, setProblem] = useState("");
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let wanted = true;
    setProblem("");
    read(path).then((text) => {
      if (!wanted) return;
      draw(content.current, text);
      setState(text ? "read" : "empty");
      box.current.scrollTop = box.current.scrollHeight;
    }, (error) => {
      if (!wanted) return;
      setProblem(error.message);
      setState("read");
    });
    return () => { wanted = false; };
  }, [path, again]);
  const save = () => download(path, name)
    .then(() => setProblem(""), (error) => setProblem(error.message));
  return html`<div class="text-log">
    <div class="buttons">
      <button class="button" disabled=${!live.value} onClick=${() => setAgain(again + 1)}>Reload</button>
      <button class="button" disabled=${!live.value} onClick=${save}>Download</button>
    </div>
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
    <div class="log-box" ref=${box} tabindex="0" role="region" aria-label=${label}>
      ${state === "loading" && html`<p class="empty">Loading…</p>`}
      ${state === "empty" && html`<p class="empty">The log is empty.</p>`}
      <div class="log" ref=${content}></div>
    </div>
  </div>`;
}

function draw(element, text) {
  const terminal = new Terminal(SHOWN);
  const lines = text.split("\n");
  const before = lines.length - 1 - SHOWN;
  if (before > 0) terminal.remark(`${plural(before, "earlier line")} not shown here`);
  terminal.write(before > 0 ? lines.slice(before + 1).join("\n") : text);
  element.replaceChildren();
  new Painter(element).paint(terminal);
}
