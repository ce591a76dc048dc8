// The log of one item, live; it follows the end unless somebody scrolls up.
import { useEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { count, duration, itemName, plural, stateWord } from "./format.js";
import { heard } from "./clock.js";
import { download } from "./server.js";
import { items } from "./state.js";
import { Terminal } from "./terminal.js";
import { watchLog } from "./socket.js";
import { Waiting, tasksOf } from "./items.js";

/** Draws the changed lines of a terminal into an element. */
export class Painter {
  constructor(element) {
    this.element = element;
    this.first = 0;
  }

  paint(terminal) {
    const { from, lines } = terminal.take();
    const box = this.element;
    while (this.first < terminal.first && box.firstChild) {
      box.firstChild.remove();
      this.first += 1;
    }
    this.first = terminal.first;
    while (box.childNodes.length > from - terminal.first) box.lastChild.remove();
    const fragment = document.createDocumentFragment();
    for (const line of lines) fragment.append(lineElement(line));
    box.append(fragment);
  }

  clear() {
    this.element.replaceChildren();
    this.first = 0;
  }
}

function lineElement(line) {
  const element = document.createElement("div");
  element.className = line.remark ? "line remark" : "line";
  for (const { text, name } of line.segments) {
    if (!name) element.append(text);
    else {
      const span = document.createElement("span");
      span.className = name;
      span.textContent = text;
      element.append(span);
    }
  }
  if (!line.segments.length) element.append("\u200b");
  return element;
}

function useLog(id, box, content) {
  const [following, setFollowing] = useState(true);
  const [empty, setEmpty] = useState(true);
  const follows = useRef(true);
  follows.current = following;
  useEffect(() => {
    let terminal = new Terminal();
    const painter = new Painter(content.current);
    let frame = 0;
    const paint = () => {
      frame = 0;
      painter.paint(terminal);
      if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
    };
    const stop = watchLog(id, (message) => {
      if (message.start || message.gone) {
        terminal = new Terminal();
        painter.clear();
      }
      if (message.gone) terminal.remark("This log is no longer kept.");
      if (message.before) {
        terminal.remark(`${plural(message.before, "earlier line")} not shown here`);
      }
      if (message.skipped) terminal.remark(`${plural(message.skipped, "line")} skipped`);
      if (message.text) terminal.write(message.text);
      setEmpty(terminal.lines.length === 0);
      if (!frame) frame = requestAnimationFrame(paint);
    });
    return () => {
      stop();
      cancelAnimationFrame(frame);
      content.current?.replaceChildren();
    };
  }, [id]);
  return { following, setFollowing, empty };
}

export function LogPanel({ id, close }) {
  const box = useRef(null);
  const content = useRef(null);
  const [problem, setProblem] = useState("");
  const { following, setFollowing, empty } = useLog(id, box, content);
  const item = items.value.get(id);
  const scrolled = () => {
    if (!box.current) return;
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    setFollowing(scrollHeight - scrollTop - clientHeight < 24);
  };
  const follow = () => {
    setFollowing(true);
    box.current.scrollTop = box.current.scrollHeight;
  };
  const save = () => download(`/api/items/${encodeURIComponent(id)}/log`, `item-${id}.log`)
    .then(() => setProblem(""), (error) => setProblem(error.message));
  return html`<section class="log-panel" aria-label="Log">
    <header class="log-head">
      <div class="log-title">
        <h2 title=${item?.name}>${item ? itemName(item) : "An item that is no longer shown"}</h2>
        ${item && html`<${Facts} item=${item} />`}
      </div>
      <button class="button" onClick=${save} disabled=${!item}>Download log</button>
      <button class="button" onClick=${close}>Close</button>
    </header>
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
    ${item && html`<${Steps} item=${item} />`}
    ${item?.waiting && html`<p class="log-waiting"><${Waiting} item=${item} /></p>`}
    <div class="log-box" ref=${box} onScroll=${scrolled} tabindex="0">
      ${empty && html`<p class="empty">No output yet.</p>`}
      <div class="log" ref=${content}></div>
    </div>
    ${!following && html`<button class="button follow" onClick=${follow}>Go to the end</button>`}
  </section>`;
}

function Facts({ item }) {
  const age = item.state === "running" ? item.age + Math.max(0, heard.value - item.at) : item.age;
  return html`<p class="facts"><span class="state" data-state=${item.state}>${stateWord(item)}</span>
    <span>item ${count(item.number)}</span> <span class="figures">${duration(age)}</span></p>`;
}

/** The names of all steps; the running one is marked. */
function Steps({ item }) {
  const tasks = tasksOf(item);
  return html`<ol class="steps">${tasks.map(([position, name]) => {
    const state = item.tasks[position] ?? "ahead";
    return html`<li key=${position} class="step" data-state=${state}
      aria-label=${`${name}: ${state}`}>${name}</li>`;
  })}</ol>`;
}
