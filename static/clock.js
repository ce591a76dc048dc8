// One tick a second, and only while something on the page counts.
import { computed, effect, signal } from "./vendor/vendor.js";
import {
  connection, items, projects, runner, seconds, status, workers,
} from "./state.js";

/** The time in seconds; changes once a second while something counts. */
export const now = signal(seconds());

/** The time of what was heard of the server: it stands still where nothing is heard. */
export const heard = computed(() => (
  ["offline", "ended"].includes(connection.value.state) ? connection.value.since : now.value));

/** What is left of `next`, counted from the moment `at`; null where nothing counts down. */
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
