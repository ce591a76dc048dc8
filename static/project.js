// What several views show of a project: its logo, its deadline, its problem.
import { useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { day, distance, hour } from "./format.js";
import { left, today } from "./clock.js";
import { countdown } from "./items.js";
import { logHref } from "./route.js";
import { live, projects } from "./state.js";
import { useCommand } from "./widgets.js";

/** The name of Archive Team's choice. */
export const AUTO = "auto";

/** The chosen projects, in order. */
export function chosen() {
  return projects.value.filter((project) => project.order != null)
    .sort((a, b) => a.order - b.order);
}

export function byName(name) {
  return projects.value.find((project) => project.id === name);
}

const STATES = {
  idle: "Ready", fetching: "Fetching its code", loading: "Loading", running: "Running",
  draining: "Finishing", broken: "Does not run", gone: "No longer on offer",
};

/** The state in a word or two; a project that is only on offer has none. */
export function StateTag({ project }) {
  const { state, id, order, auto } = project;
  if (id === AUTO || (state === "idle" && order == null && !auto)) return null;
  return html`<span class="tag" data-state=${state}>${STATES[state] ?? state}</span>`;
}

/** An image from another server; hidden if it does not load. */
export function Logo({ src, size }) {
  const [broken, setBroken] = useState("");
  if (!src || broken === src) return null;
  return html`<img class="logo" src=${src} alt="" height=${size} loading="lazy"
    referrerpolicy="no-referrer" onError=${() => setBroken(src)} />`;
}

export function Deadline({ project }) {
  if (!project.deadline) return null;
  const date = new Date(project.deadline);
  if (Number.isNaN(date.getTime())) return null;
  const rest = date - today.value;
  return html`<p class="deadline" data-near=${rest < 3 * 86400e3}>
    ${rest < 0 ? "Deadline was " : "Deadline "}<b>${distance(rest)}</b>${", "}<time datetime=${project.deadline}>${day(date)}, ${hour(date)}</time></p>`;
}

/** Why a project, or its new version, does not run, and what to do about it. */
export function Problem({ project }) {
  const { tell, busy, problem: refused } = useCommand();
  const trouble = project.problem;
  if (!trouble) return null;
  const off = busy || !live.value;
  const path = `/api/projects/${encodeURIComponent(project.id)}`;
  const rest = left(trouble.next_in, project.at);
  const button = (what, name) => html`<button class="button" disabled=${off}
    aria-label=${`${name}: ${project.title}`} onClick=${() => tell(`${path}/${what}`)}>${name}</button>`;
  return html`<div class="problem" data-running=${project.state === "running"}>
    <p class="reason">${trouble.reason}</p>
    ${trouble.advice && html`<p class="advice">${trouble.advice}</p>`}
    <p class="soft">${rest == null
      ? "There is no automatic retry until there is new code." : countdown(rest)}</p>
    <div class="buttons">
      ${button("retry", "Try again")} ${button("update", "Look for updates")}
      ${trouble.code === "install" && button("install-anyway", "Install anyway")}
      ${project.has_log && html`<a class="button" href=${logHref(project.id)}>See the log</a>`}
    </div>
    ${refused && html`<p class="answer" role="alert">${refused}</p>`}
    ${(trouble.traceback || trouble.output) && html`<details>
      <summary>Output</summary>
      ${trouble.output && html`<p class="soft">Output</p><pre tabindex="0">${trouble.output}</pre>`}
      ${trouble.traceback && html`<p class="soft">Traceback</p>
        <pre tabindex="0">${trouble.traceback}</pre>`}
    </details>`}
  </div>`;
}

/** Markup from outside, which the server has cleaned. */
export function Cleaned({ class: name, html: text }) {
  return html`<div class=${`cleaned ${name}`} dangerouslySetInnerHTML=${{ __html: text }}></div>`;
}
