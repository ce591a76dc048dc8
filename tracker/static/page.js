// Keeps a page of the tracker up to date: requests it again with the ETag of the current one, and
// replaces the sections that changed. The server has rendered and escaped all of them.

const EVERY = 3000;
const LONGEST = 60000;

const main = document.querySelector("main");
const connection = document.getElementById("connection");
/** The sections as the server last sent them; on the page, the times are in the reader's form. */
let known = sections(main);
let etag = null;
let delay = EVERY;
let timer = 0;
let asking = null;
/** How far the server's clock is ahead of ours, in milliseconds. */
let ahead = 0;

function sections(root) {
  return new Map([...root.querySelectorAll("section[id]")].map((one) => [one.id, one.outerHTML]));
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

function plural(number, unit) {
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}

function ago(date) {
  const seconds = Math.max(0, Math.floor((Date.now() + ahead - date) / 1000));
  if (seconds < 10) return "now";
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400 * 2) return `${plural(Math.floor(seconds / 3600), "hour")} ago`;
  if (seconds < 86400 * 60) return `${plural(Math.floor(seconds / 86400), "day")} ago`;
  return DAY.format(date);
}

/** The start of a bar or chart: a day if its steps are long, else the time of day. */
function begin(date, step) {
  if (step >= 86400) return DAY.format(date);
  const today = new Date(Date.now() + ahead).toDateString() === date.toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

function updateTimes() {
  for (const time of main.querySelectorAll("time")) {
    const date = new Date(time.dateTime);
    const step = Number(time.closest("[data-step]")?.dataset.step ?? 0);
    const text = time.dataset.as === "ago" ? ago(date) : begin(date, step);
    if (time.textContent !== text) time.textContent = text;
    if (!time.title) time.title = WHOLE.format(date);
  }
}

/** Replace the sections that changed, or everything if sections were added or removed. */
function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const coming = sections(fresh);
  const before = new Set([...main.querySelectorAll("[data-id]")].map((one) => one.dataset.id));
  if ([...coming.keys()].join() === [...known.keys()].join()) {
    for (const [id, html] of coming) {
      if (html !== known.get(id)) {
        document.getElementById(id).replaceWith(document.adoptNode(fresh.getElementById(id)));
      }
    }
  } else {
    main.replaceChildren(...document.adoptNode(fresh.querySelector("main")).childNodes);
  }
  known = coming;
  document.title = fresh.title;
  for (const row of main.querySelectorAll("[data-id]")) {
    if (!before.has(row.dataset.id)) row.classList.add("new");
  }
}

function showState(sentence) {
  if (connection.textContent !== sentence) connection.textContent = sentence;
}

async function ask() {
  asking = new AbortController();
  const limit = setTimeout(() => asking?.abort(), 20000);
  try {
    const headers = { Accept: "text/html" };
    if (etag) headers["If-None-Match"] = etag;
    const answer = await fetch(location.href, { headers, signal: asking.signal, cache: "no-store" });
    const date = Date.parse(answer.headers.get("Date") ?? "");
    if (date) ahead = date - Date.now();
    if (answer.status === 200) {
      const text = await answer.text();
      etag = answer.headers.get("ETag");
      show(text);
    } else if (answer.status !== 304) throw new Error(String(answer.status));
    delay = EVERY;
    showState("");
  } catch {
    if (document.hidden) return;
    delay = Math.min(LONGEST, delay * 1.5);
    showState("The tracker does not answer. The page shows its last known state.");
  } finally {
    clearTimeout(limit);
    asking = null;
    updateTimes();
    plan();
  }
}

/** Request the page again after a while, but not while it is hidden. */
function plan(wait = delay) {
  clearTimeout(timer);
  if (!document.hidden && !asking) timer = setTimeout(ask, wait);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    asking?.abort();
  } else plan(0);
});

// Describe the bar under the pointer or finger above the chart.
main.addEventListener("pointerover", (event) => {
  const at = event.target.closest?.("[data-at]");
  if (!at) return;
  const chart = at.closest(".chart");
  const readout = chart.querySelector(".readout");
  readout.dataset.most ??= readout.textContent;
  const when = begin(new Date(at.dataset.at * 1000), Number(chart.dataset.step));
  readout.textContent = `${when}: ${at.dataset.says}`;
});
main.addEventListener("pointerout", (event) => {
  const chart = event.target.closest?.(".chart");
  if (!chart || chart.contains(event.relatedTarget)) return;
  const readout = chart.querySelector(".readout");
  if (readout.dataset.most !== undefined) readout.textContent = readout.dataset.most;
});

updateTimes();
setInterval(() => { if (!document.hidden) updateTimes(); }, 10000);
// A page that shows an error is not updated.
if (!main.querySelector("[data-still]")) plan();
