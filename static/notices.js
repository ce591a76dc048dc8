// Messages above every view: a lost connection, project code that hangs, notices.
import { html } from "./html.js";
import { duration, itemName } from "./format.js";
import { heard, now } from "./clock.js";
import { Cleaned, byName } from "./project.js";
import { route } from "./route.js";
import { retry } from "./socket.js";
import { connection, isWarrior, items, live, notices, workers } from "./state.js";
import { useCommand } from "./widgets.js";

export function Notices() {
  const { state } = connection.value;
  // An announcement disappears when it has been read, the others when their reason is gone.
  const wasRead = (notice) => notice.kind === "announcement" && !notice.new;
  const read = notices.value.filter(wasRead);
  return html`<div class="notices">
    ${state === "offline" && html`<${Offline} />`}
    ${state === "live" && workers.value.map((stuck) => html`<${Stuck}
      key=${`${stuck.project} ${stuck.label}`} stuck=${stuck} />`)}
    ${notices.value.filter((notice) => !wasRead(notice)).map(
      (notice) => html`<${Notice} key=${notice.id} notice=${notice} />`)}
    ${["", "about"].includes(route.value.view) && read.length > 0 && html`<details class="read">
      <summary>Announcements that you have read</summary>
      ${read.map((notice) => html`<${Notice} key=${notice.id} notice=${notice} />`)}</details>`}
  </div>`;
}

function Offline() {
  const { since, retryAt } = connection.value;
  // A screen reader reads it out once, not each second.
  return html`<div class="banner" data-tone="trouble" role="alert">
    <p>The console has not answered for <span class="figures" aria-live="off">${
      duration(now.value - since)}</span>. You see the last known state.
      <span class="figures" aria-live="off">${retryAt > now.value
        ? ` Trying again in ${duration(retryAt - now.value + 0.99)}.` : " Trying again now."}</span></p>
    <button class="button" onClick=${retry}>Try now</button></div>`;
}

function Stuck({ stuck }) {
  const item = stuck.item ? items.value.get(stuck.item) : null;
  const whose = isWarrior.value ? `The code of ${byName(stuck.project)?.title ?? stuck.project}`
    : "The project’s code";
  return html`<div class="banner" data-tone="waiting"><p>
    ${whose} in <b>${stuck.label}</b>${item && html` (${itemName(item)})`} has not returned for
    <span class="figures">${" "}${duration(stuck.age + Math.max(0, heard.value - stuck.at))}</span>.
    Other code of this project waits for it; downloads and uploads continue.</p></div>`;
}

function Notice({ notice }) {
  const { tell, busy, problem } = useCommand();
  const announced = notice.kind === "announcement";
  return html`<div class="banner" data-tone=${notice.tone} data-kind=${notice.kind}
      role=${announced ? "region" : null} aria-label=${announced ? "Announcement" : null}>
    <div class="banner-text">
      ${announced && html`<p class="banner-head"><b>From Archive Team</b>
        ${notice.new && html` <span class="tag" data-state="new">new</span>`}</p>`}
      ${notice.html ? html`<${Cleaned} class="cleaned" html=${notice.html} />`
        : html`<p>${notice.text}</p>`}
      ${problem && html`<p class="answer" role="alert">${problem}</p>`}
    </div>
    ${announced && notice.new && html`<button class="button" disabled=${busy || !live.value}
      onClick=${() => tell(`/api/notices/${encodeURIComponent(notice.id)}/read`)}>Mark as read</button>`}
  </div>`;
}
