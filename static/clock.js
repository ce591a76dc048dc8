// One tick a second, but only while the page shows a time that changes.
import { computed, effect, signal } from "./vendor/vendor.js";
import {
  connection, items, projects, runner, seconds, status, workers,
} from "./state.js";

/** The time in seconds; changes once a second while the page shows a time. */
export const now = signal(seconds());

/** The time for durations from the server: it stops while the server does not answer. */
export const heard = computed(() => (
  ["offline", "ended"].includes(connection.value.state) ? connection.value.since : now.value));

/** The seconds left of `next`, which counts from the moment `at`; null without a countdown. */
export function left(next, at) {
  return next == null ? null : next - Math.max(0, heard.value - at);
}

let timer = 0;

function counts() {
  if (connection.value.state === "offline") return true;
  if (connection.value.state !== "live") return false;
  return Boolean(runner.value?.active || status.value?.next_in != null || workers.value.length
    || projects.value.some((project) => project.problem?.next_in != null));
}

function tick() {
  timer = 0;
  now.value = seconds();
  if (counts() && !document.hidden) timer = setTimeout(tick, 1000);
}

effect(() => {
  void items.value;
  if (counts() && !timer && !document.hidden) timer = setTimeout(tick, 1000);
  now.value = seconds();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !timer) tick();
});

/** The date, for deadlines; changes once a minute. */
export const today = signal(Date.now());
setInterval(() => { today.value = Date.now(); }, 60000);
