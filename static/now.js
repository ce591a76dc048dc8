// The view Now: the running projects, in order, each with its items.
import { html } from "./html.js";
import { plural } from "./format.js";
import { Rows } from "./items.js";
import { go, itemHref, route } from "./route.js";
import { AUTO, Cleaned, Deadline, Logo, Problem, StateTag, byName } from "./project.js";
import { connection, isWarrior, items, live, pipelines, projects, runner } from "./state.js";
import { drop, insert, useSelection } from "./order.js";

/** The projects that are chosen, run as Archive Team's choice, or still have items at work. */
function shown(working) {
  const auto = byName(AUTO);
  const place = (project) => project.order ?? (project.auto ? auto?.order : null) ?? Infinity;
  const busy = new Set(working.map((item) => item.project));
  const found = projects.value.filter((project) => (project.id === AUTO
    ? project.order != null && !project.now
    : project.order != null || project.auto || busy.has(project.id)
      || ["fetching", "loading", "running", "draining"].includes(project.state)))
    .sort((a, b) => place(a) - place(b));
  const known = new Set(found.map((project) => project.id));
  // Items of unknown projects are shown too.
  const strays = [...busy].filter((name) => !known.has(name)).map(
    (name) => ({ id: name, title: name, order: null, state: "draining", version: "" }));
  return [...found, ...strays];
}

export function Now() {
  if (!runner.value) return html`<p class="empty">Connecting to the console…</p>`;
  const open = route.value.item;
  const select = (id) => go(id === open ? "" : itemHref(id));
  const all = [...items.value.values()];
  const working = all.filter((item) => item.state === "running");
  const ended = all.filter((item) => item.state !== "running").map((item) => item.id).reverse();
  const sections = shown(working);
  return html`<h1 class="hidden">Now</h1>
    ${sections.map((project) => html`<${Section} key=${project.id} project=${project} open=${open}
      select=${select} items=${working.filter((item) => item.project === project.id)} />`)}
    ${sections.length === 0 && html`<${Nothing} />`}
    ${ended.length > 0 && html`<section class="group ended">
      <h2>Ended <span class="figures">${plural(ended.length, "item")} shown, newest first</span></h2>
      <${Rows} name="Items that have ended" ids=${ended} open=${open} select=${select}
        named=${isWarrior.value} />
    </section>`}`;
}

function Nothing() {
  return html`<section class="blank">
    <h2>No project is chosen</h2>
    <p>Choose one or more, in order of preference, or let Archive Team choose.</p>
    <a class="button primary" href="#projects">Choose a project</a>
  </section>`;
}

function Section({ project, items: own, open, select }) {
  const warrior = isWarrior.value;
  // Items of another version than the one that starts new items.
  const old = new Map();
  for (const item of own) {
    const version = pipelines.value[item.pipeline]?.version ?? project.version;
    if (version !== project.version) old.set(version, [...(old.get(version) ?? []), item.id]);
  }
  const current = own.map((item) => item.id).filter((id) => ![...old.values()].flat().includes(id));
  return html`<section class="project" data-state=${project.state} aria-label=${project.title}>
    <${Head} project=${project} />
    ${warrior && html`<${Facts} project=${project} />`}
    <${Problem} project=${project} />
    ${!warrior && html`<h2 class="group-name">At work <span class="figures">${own.length}</span></h2>`}
    ${current.length > 0 && html`<${Rows} name=${`Items at work, ${project.title}`} ids=${current}
      open=${open} select=${select} />`}
    ${own.length === 0 && (!warrior || (project.state === "running" && !project.sentence))
      && html`<p class="empty">${nothing()}</p>`}
    ${[...old].map(([version, ids]) => html`<div class="old" key=${version}>
      <h3>Older code ${version && html`<code>${version}</code>`}:
        ${" "}${plural(ids.length, "item")} to finish; no new ones start.</h3>
      <${Rows} name=${`Items on older code, ${project.title}`} ids=${ids} open=${open}
        select=${select} /></div>`)}
  </section>`;
}

function nothing() {
  const state = runner.value?.state;
  if (state === "ended" || connection.value.state === "ended") {
    return "No items are at work: the program has stopped.";
  }
  if (runner.value.stopping) return "No items are at work any more.";
  if (runner.value.active) return "No items of this project are at work at the moment.";
  return "No items are at work at the moment. The sentence at the top says why.";
}

function Head({ project }) {
  const headed = project.html?.includes("<h2");
  return html`<div class="project-head">
    ${!project.html && html`<${Logo} src=${project.logo} size=${40} />`}
    <div class="project-name">
      ${!headed && (isWarrior.value || !project.html) && html`<h2>${project.title}</h2>`}
      ${project.html && html`<${Cleaned} class="project-html" html=${project.html} />`}
      <${Deadline} project=${project} />
    </div>
  </div>`;
}

/** Stop this project, or keep it while its items still finish. */
function Choice({ project }) {
  const { choose, busy, problem } = useSelection();
  const off = busy || !live.value;
  const name = project.order != null ? project.id : project.auto ? AUTO : "";
  const [label, act] = name === AUTO
    ? ["Drop this choice", () => choose(drop(AUTO))]
    : name ? ["Stop this project", () => choose(drop(project.id))]
    : ["Keep this project", () => choose(insert(project.id))];
  if (!name && !byName(project.id)) return null;
  return html`<div class="project-choice">
    <button class="button small" disabled=${off} onClick=${act}
      title=${name ? "Its items finish, and no new ones start." : null}
      aria-label=${`${label}: ${project.title}`}>${label}</button>
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
  </div>`;
}

function Facts({ project }) {
  const at = project.active ?? 0;
  return html`<div class="project-facts">
    <${StateTag} project=${project} />
    ${project.auto && html`<span class="tag">Archive Team’s choice</span>`}
    ${project.sentence && project.state !== "broken" && html`<span class="says">${project.sentence}</span>`}
    ${(project.slots > 0 || at > 0) && html`<span class="figures">${at} at work${
      project.slots > 0 ? `, ${plural(project.slots, "slot")}` : ""}</span>`}
    ${project.version && html`<span>version <code>${project.version}</code></span>`}
    <${Choice} project=${project} />
  </div>`;
}
