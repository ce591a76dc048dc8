// The list of items. Only the visible rows exist.
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { duration, itemName, plain, stateWord } from "./format.js";
import { heard, left } from "./clock.js";
import { items, lines, pipelines, projects } from "./state.js";
import { viewItems } from "./socket.js";

const OVERSCAN = 6;
const inView = new Map();

/** The steps of an item, as [position, name]. */
export function tasksOf(item) {
  return pipelines.value[item.pipeline]?.tasks ?? [];
}

/** The rows of `ids` that the window shows; tells the server which these are. With `named`,
 * each has the name of its project. */
export function Rows({ name, ids, open, select, named = false }) {
  const list = useRef(null);
  const [range, setRange] = useState([0, 40]);
  const measure = () => {
    const element = list.current;
    if (!element) return;
    const height = parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 64;
    const top = element.getBoundingClientRect().top;
    const start = Math.max(0, Math.floor(-top / height) - OVERSCAN);
    const end = Math.max(0, Math.ceil((innerHeight - top) / height) + OVERSCAN);
    setRange((old) => (old[0] === start && old[1] === end ? old : [start, end]));
  };
  useLayoutEffect(measure);
  useEffect(() => {
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
      inView.delete(name);
    };
  }, []);
  const start = Math.min(range[0], Math.max(0, ids.length - 1));
  const shown = ids.slice(start, range[1]);
  useEffect(() => {
    inView.set(name, shown);
    viewItems([...inView.values()].flat());
  });
  const above = useRef(null);
  const below = useRef(null);
  useLayoutEffect(() => {
    above.current.style.setProperty("height", `calc(var(--row) * ${start})`);
    const rest = Math.max(0, ids.length - start - shown.length);
    below.current.style.setProperty("height", `calc(var(--row) * ${rest})`);
  });
  return html`<div class="rows" ref=${list} role="list" aria-label=${name}>
    <div ref=${above}></div>
    ${shown.map((id) => html`<${Row} key=${id} id=${id} open=${id === open} select=${select}
      named=${named} />`)}
    <div ref=${below}></div>
  </div>`;
}

function Row({ id, open, select, named }) {
  const item = items.value.get(id);
  if (!item) return null;
  const state = item.state === "running" && item.waiting ? "waiting" : item.state;
  const age = item.state === "running" ? item.age + Math.max(0, heard.value - item.at) : item.age;
  return html`<div class="row-box" role="listitem">
    <button class=${open ? "row open" : "row"} data-state=${state} onClick=${() => select(id)}
        aria-expanded=${open} title="Open the log">
      <span class="row-name" title=${item.name}>${itemName(item)}</span>
      <${Strip} item=${item} named=${named} />
      <span class="row-age figures">${duration(age)}</span>
      <span class="row-line">${item.waiting && item.state === "running"
        ? html`<${Waiting} item=${item} />` : plain(lines.value.get(id) ?? "") || "\u00a0"}</span>
      <span class="state" data-state=${state}>${stateWord(item)}</span>
    </button>
  </div>`;
}

/** Why an item waits, who has to act, and when it continues. */
export function Waiting({ item }) {
  const { reason, whose, next_in: next } = item.waiting;
  const rest = left(next, item.at);
  // The time comes first: a narrow row cuts off the end.
  return html`<span class="why">${rest == null ? "" : html`${countdown(rest)} `}${reason} ${
    upTo(whose)}</span>`;
}

export function upTo(whose) {
  if (!whose) return "";
  if (whose === "you") return "You need to act. ";
  return whose === "this machine" ? "The cause is on this machine. " : `Waiting for ${whose}. `;
}

export function countdown(rest) {
  return rest > 0 ? html`<span class="figures">Next try in ${duration(rest + 0.99)}.</span>`
    : "Trying again now.";
}

/** A small bar for each step, and the name of the running one. */
function Strip({ item, named }) {
  const tasks = tasksOf(item);
  const at = current(item, tasks);
  const label = at < 0 ? "" : tasks[at][1];
  const project = named && (projects.value.find((p) => p.id === item.project)?.title
    ?? item.project);
  return html`<span class="strip" title=${tasks.map(
    ([position, name]) => `${name}: ${item.tasks[position] ?? "ahead"}`).join("\n")}>
    <span class="bars" aria-hidden="true">${tasks.map(([position]) => html`<i key=${position}
      class="bar" data-state=${item.tasks[position] ?? "ahead"}></i>`)}</span>
    <span class="strip-name">${project && html`<b>${project}</b> `}${label
      ? html`<span class="figures">${at + 1}/${tasks.length}</span> ${label}` : "\u00a0"}</span>
  </span>`;
}

/** The running step, else the last one. */
function current(item, tasks) {
  const find = (state) => tasks.findLastIndex(([position]) => item.tasks[position] === state);
  for (const state of ["running", "failed", "canceled", "completed"]) {
    const at = find(state);
    if (at >= 0) return at;
  }
  return -1;
}
