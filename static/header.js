// The top of every view: the sentence, the stepper, the Stop button, the views.
import { useEffect, useRef } from "./vendor/vendor.js";
import { html } from "./html.js";
import { count, rate } from "./format.js";
import { left } from "./clock.js";
import { Controls } from "./controls.js";
import { countdown, upTo } from "./items.js";
import { href, route, views } from "./route.js";
import { prefix } from "./server.js";
import { connection, isWarrior, machine, projects, runner, settings, status } from "./state.js";
import { Stepper } from "./stepper.js";

function Sentence() {
  const { state, text } = connection.value;
  if (state === "ended") return html`<p class="sentence" role="status">${text}</p>`;
  const said = status.value;
  if (!said) return html`<p class="sentence">Connecting…</p>`;
  const rest = left(said.next_in, said.at);
  // A screen reader does not read out each second of the countdown.
  return html`<p class="sentence"><span role="status">${said.text} ${upTo(said.whose)}</span>${
    rest == null ? "" : html` <span class="next">${countdown(rest)}</span>`}</p>`;
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
    ${!isWarrior.value && html`<span>${known.concurrent} at once</span>`}
    ${known.downloader && html`<span>as ${known.downloader}</span>`}
    ${status.value?.note && html`<span class="note" title=${status.value.note}>${status.value.note}</span>`}
  </p>`;
}

/** The name of the program or project on this page. */
export function pageTitle() {
  return isWarrior.value ? "Warrior" : projects.value[0]?.title || "Pipeline";
}

export function Header() {
  const box = useRef(null);
  const sentence = useRef(null);
  useEffect(() => {
    // Sticky elements below the header need its height; in a narrow window only the sentence
    // stays.
    const observer = new ResizeObserver(() => document.documentElement.style.setProperty(
      "--header", `${box.current.offsetHeight || sentence.current.offsetHeight}px`));
    observer.observe(box.current);
    observer.observe(sentence.current);
    return () => observer.disconnect();
  }, []);
  const tone = connection.value.state === "ended" ? "stopped"
    : connection.value.state === "offline" ? "offline" : status.value?.tone ?? "waiting";
  const first = settings.value?.first_visit;
  return html`<header class="top" ref=${box}>
    <div class="brand"><img class="mark" src=${`${prefix}/static/mark.svg`} alt="" width="36" height="36" />
      <p class="brand-name">${pageTitle()}</p></div>
    <div class="status" data-tone=${tone} ref=${sentence}>
      <${Sentence} />${!first && html`<${Counts} />`}</div>
    ${!first && html`<div class="actions">
      ${isWarrior.value && connection.value.state !== "ended" && html`<${Stepper} />`}
      <${Controls} />
    </div>`}
  </header>`;
}

/** The views, and in a narrow window the button of the machine's drawer. */
export function Views({ drawer, opened, open }) {
  if (!runner.value || settings.value?.first_visit) return null;
  const latest = machine.value?.latest;
  return html`<nav class="views" aria-label="Views">
    ${views.value.map(([view, name]) => html`<a key=${view} class="view" href=${href(view)}
      aria-current=${route.value.view === view ? "page" : null}>${name}</a>`)}
    ${drawer && html`<button class="view" aria-expanded=${opened} onClick=${open}>
      <span>Machine</span>${latest && html`<span class="figures rates"> ${
        rate(latest.received)} in, ${rate(latest.sent)} out</span>`}</button>`}
  </nav>`;
}
