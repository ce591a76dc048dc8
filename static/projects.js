// The view Projects: the volunteer's order, and a card for each project on offer.
import { useLayoutEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { ordinal, plural } from "./format.js";
import { drop, insert, moved, useSelection } from "./order.js";
import {
  AUTO, Cleaned, Deadline, Logo, Problem, StateTag, byName, chosen,
} from "./project.js";
import { logHref, route } from "./route.js";
import { live, projects } from "./state.js";
import { TextLog } from "./textlog.js";

const SOURCES = {
  hq: "From Warrior HQ", operator: "Added on this computer", shipped: "Comes with the warrior",
  gone: "",
};

export function Projects() {
  const name = route.value.log;
  if (name) return html`<${ProjectLog} key=${name} name=${name} />`;
  const all = projects.value;
  const offered = all.filter((project) => project.id !== AUTO);
  return html`
    <h1>Projects</h1>
    <${Order} />
    <section aria-labelledby="on-offer">
      <h2 id="on-offer" class="group-name">On offer <span class="figures">${offered.length}</span></h2>
      <ul class="cards">${all.map((project) => html`<${Card} key=${project.id} project=${project} />`)}</ul>
      ${offered.length === 0 && html`<p class="empty">No projects are known yet.
        The warrior asks Warrior HQ every ten minutes; the sentence at the top shows the result.</p>`}
    </section>`;
}

/** The chosen projects, with buttons that change their order. */
function Order() {
  const { choose, busy, problem } = useSelection();
  const [said, setSaid] = useState("");
  const focus = useRef(null);
  const list = useRef(null);
  const order = chosen();
  useLayoutEffect(() => {
    // A moved row has lost the focus: give it back, unless the user has moved the focus. The
    // answer may come before the new order does.
    if (!focus.current || busy) return;
    const { name, direction, at } = focus.current;
    const row = list.current?.children[at];
    if (row?.dataset.name !== name) return;
    focus.current = null;
    if (document.activeElement !== document.body && !row.contains(document.activeElement)) return;
    const button = row.querySelector(`[data-move="${direction}"]:not(:disabled)`)
      ?? row.querySelector("[data-move]:not(:disabled)");
    button?.focus();
  });
  const move = async (project, by, direction) => {
    const wanted = moved(project.id, by);
    const at = wanted.indexOf(project.id);
    focus.current = { name: project.id, direction, at };
    if (await choose(wanted)) setSaid(`${project.title} is now ${ordinal(at + 1)}.`);
    else focus.current = null;
  };
  const off = busy || !live.value;
  return html`<section class="order" aria-labelledby="your-order">
    <h2 id="your-order" class="group-name">Your order</h2>
    ${order.length === 0
      ? html`<p class="empty">Nothing is chosen. Choose a project below, or Archive Team’s choice,
          which is always a project that needs help.</p>`
      : html`<ol class="order-list" ref=${list}>${order.map((project, at) => html`
          <li key=${project.id} data-name=${project.id}>
            <span class="order-place figures">${ordinal(at + 1)}</span>
            <span class="order-name"><b>${project.title}</b> <${Now} project=${project} /></span>
            <span class="order-buttons">
              ${order.length > 1 && html`
                <button class="button small" data-move="up" disabled=${off || at === 0}
                  aria-label=${`Move up: ${project.title}`}
                  onClick=${() => move(project, -1, "up")}>Move up</button>
                <button class="button small" data-move="down"
                  disabled=${off || at === order.length - 1}
                  aria-label=${`Move down: ${project.title}`}
                  onClick=${() => move(project, 1, "down")}>Move down</button>`}
              <button class="button small" disabled=${off} aria-label=${`Drop: ${project.title}`}
                onClick=${() => choose(drop(project.id))}>Drop</button>
            </span>
          </li>`)}</ol>`}
    ${order.length > 1 && html`<p class="soft">The first project that has work gets the items. While it
      only waits, the next one gets them.</p>`}
    <p class="hidden" role="status">${said}</p>
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
  </section>`;
}

function Now({ project }) {
  if (project.id === AUTO) {
    return project.now ? html`<span class="soft">now ${byName(project.now)?.title ?? project.now}</span>` : null;
  }
  return html`<${StateTag} project=${project} />`;
}

function Card({ project }) {
  const { choose, busy, problem } = useSelection();
  const off = busy || !live.value;
  const taken = project.order != null;
  const auto = project.id === AUTO;
  return html`<li class="card" data-chosen=${taken} data-choice=${auto} data-state=${project.state}>
    <div class="card-head">
      <${Logo} src=${project.logo} size=${44} />
      <div class="card-title"><h3>${project.title}</h3>
        <p class="tags">
          ${taken && html`<span class="tag" data-state="chosen">Chosen, ${ordinal(project.order + 1)}</span>`}
          ${project.auto && html`<span class="tag">Archive Team’s choice</span>`}
          <${StateTag} project=${project} />
        </p></div>
    </div>
    ${project.description && html`<${Cleaned} class="card-text" html=${project.description} />`}
    ${project.sentence && project.state !== "broken" && html`<p class="says">${project.sentence}</p>`}
    <${Deadline} project=${project} />
    <${Problem} project=${project} />
    <div class="card-foot">
      ${taken
        ? html`<button class="button" disabled=${off} aria-label=${`Drop: ${project.title}`}
            onClick=${() => choose(drop(project.id))}>Drop</button>`
        : html`<button class="button primary" disabled=${off} aria-label=${`Choose: ${project.title}`}
            onClick=${() => choose(insert(project.id))}>Choose</button>`}
      ${!auto && html`<${Origin} project=${project} />`}
    </div>
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
  </li>`;
}

function Origin({ project }) {
  const { completed = 0 } = project.counts ?? {};
  return html`<p class="origin">
    ${completed > 0 && html`<span><b class="figures">${plural(completed, "item")}</b> done here</span>`}
    ${project.leaderboard && html`<a href=${project.leaderboard} target="_blank"
      rel="noopener noreferrer">Leaderboard</a>`}
    ${project.has_log && !project.problem && html`<a href=${logHref(project.id)}>Log</a>`}
    <span title=${project.repository}>${SOURCES[project.source] ?? project.source}</span>
  </p>`;
}

function ProjectLog({ name }) {
  const title = byName(name)?.title ?? name;
  return html`<p class="back"><a href="#projects">All projects</a></p>
    <h1>${title}: log</h1>
    <p class="soft">The output of fetching, installing and loading its code.</p>
    <${TextLog} path=${`/api/projects/${encodeURIComponent(name)}/log`}
      name=${`${name}.log`} label=${`Log of ${title}`} />`;
}
