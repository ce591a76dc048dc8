// The console: puts the parts on the page and connects.
import { effect, render, useEffect, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { count, duration, itemName } from "./format.js";
import { now } from "./clock.js";
import { Controls } from "./controls.js";
import { ItemLists, countdown, upTo } from "./items.js";
import { LogPanel } from "./log.js";
import { connect, retry } from "./socket.js";
import { connection, items, projects, runner, status, worker } from "./state.js";

function Sentence() {
  const { state, text } = connection.value;
  if (state === "ended") return html`<p class="sentence">${text}</p>`;
  const said = status.value;
  if (!said) return html`<p class="sentence">Connecting…</p>`;
  const left = said.next_in == null ? null : said.next_in - Math.max(0, now.value - said.at);
  return html`<p class="sentence">${said.text} ${upTo(said.whose)}${
    left == null ? "" : countdown(left)}</p>`;
}

function Counts() {
  const known = runner.value;
  if (!known) return null;
  const { completed, failed, canceled } = known.counts;
  const figure = (number, word, state) => html`<span class="tally" data-state=${state}>
    <b class="figures">${count(number)}</b> ${word}</span>`;
  return html`<p class="aside">
    ${figure(completed, "completed", "completed")}
    ${failed > 0 && figure(failed, "failed", "failed")}
    ${canceled > 0 && figure(canceled, "cancelled", "canceled")}
    ${known.max_items != null && html`<span>of at most ${count(known.max_items)}</span>`}
    <span>${known.concurrent} at once</span>
    ${known.downloader && html`<span>as ${known.downloader}</span>`}
    ${status.value?.note && html`<span class="note">${status.value.note}</span>`}
  </p>`;
}

function Header() {
  const project = projects.value[0];
  const tone = connection.value.state === "ended" ? "stopped"
    : connection.value.state === "offline" ? "offline" : status.value?.tone ?? "waiting";
  return html`<header class="top">
    <div class="brand"><img class="mark" src="/static/mark.svg" alt="" width="36" height="36" />
      <p class="brand-name">${project?.title || "Pipeline"}</p></div>
    <div class="status" data-tone=${tone} role="status"><${Sentence} /><${Counts} /></div>
    <${Controls} />
  </header>`;
}

function Banners() {
  const { state, since, retryAt } = connection.value;
  const stuck = worker.value;
  const item = stuck?.item ? items.value.get(stuck.item) : null;
  return html`
    ${state === "offline" && html`<div class="banner" data-tone="trouble" role="alert">
      <p>The console has not answered for <span class="figures">${duration(now.value - since)}</span>.
        What you see is what it said last.
        <span class="figures">${retryAt > now.value
          ? ` Trying again in ${duration(retryAt - now.value + 0.99)}.` : " Trying again now."}</span></p>
      <button class="button" onClick=${retry}>Try now</button></div>`}
    ${state === "live" && stuck && html`<div class="banner" data-tone="waiting"><p>
      The project's code in <b>${stuck.label}</b>${item && html` (${itemName(item)})`} has not
      returned for <span class="figures">${duration(stuck.age + Math.max(0, now.value - stuck.at))}</span>.
      Other code of this project waits for it; downloads and uploads go on.</p></div>`}`;
}

/** The project's own words; the server has made them safe. */
function ProjectCard() {
  const project = projects.value[0];
  if (!project || (!project.html && !project.deadline)) return null;
  return html`<section class="project">
    ${project.html && html`<div class="project-html"
      dangerouslySetInnerHTML=${{ __html: project.html }}></div>`}
    ${project.deadline && html`<p class="deadline">Deadline:
      ${new Date(project.deadline).toLocaleString()}</p>`}
  </section>`;
}

const openItem = () => /^#item\/(.+)$/.exec(location.hash)?.[1] ?? "";

function App() {
  const [open, setOpen] = useState(openItem());
  useEffect(() => {
    const moved = () => setOpen(openItem());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const select = (id) => {
    location.hash = id === open ? "" : `item/${id}`;
  };
  return html`<div class=${open ? "page with-log" : "page"} data-connection=${connection.value.state}>
    <${Header} />
    <${Banners} />
    <div class="columns">
      <main class="list"><${ProjectCard} /><${ItemLists} open=${open} select=${select} /></main>
      ${open && html`<${LogPanel} key=${open} id=${open} close=${() => { location.hash = ""; }} />`}
    </div>
  </div>`;
}

effect(() => {
  const title = projects.value[0]?.title || "Pipeline";
  const active = runner.value?.active ?? 0;
  document.title = connection.value.state === "live" && active
    ? `(${active}) ${title} – Warrior` : `${title} – Warrior`;
});

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
connect();
