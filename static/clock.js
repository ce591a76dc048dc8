// One tick a second, and only while something on the page counts.
import { computed, effect, signal } from "./vendor/vendor.js";
import { connection, items, runner, seconds, status, worker } from "./state.js";

/** The time in seconds; changes once a second while something counts. */
export const now = signal(seconds());

/** The time of what is shown of items: it stands still where nothing is heard of them. */
export const heard = computed(() => (
  ["offline", "ended"].includes(connection.value.state) ? connection.value.since : now.value));

let timer = 0;

function counts() {
  if (connection.value.state === "offline") return true;
  if (connection.value.state !== "live") return false;
  return Boolean(runner.value?.active || status.value?.next_in != null || worker.value);
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
