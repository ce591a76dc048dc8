// What the page knows. Snapshots and changes come from the socket; nothing else writes here.
import { batch, signal } from "./vendor/vendor.js";

/** connecting, live, offline (the server does not answer) or ended (it has said goodbye). */
export const connection = signal({ state: "connecting", since: 0, retryAt: 0, text: "" });
export const status = signal(null);
export const runner = signal(null);
export const worker = signal(null);
export const projects = signal([]);
/** Items by id, in the order in which they began. */
export const items = signal(new Map());
/** The last lines of the items in view, by id. */
export const lines = signal(new Map());

/** Seconds since something was true: times arrive relative to the moment of sending. */
export const seconds = () => performance.now() / 1000;

let sequence = 0;

const stamped = (value) => value && { ...value, at: seconds() };

export function applySnapshot(message) {
  const { state } = message;
  sequence = message.seq;
  batch(() => {
    status.value = stamped(state.status);
    runner.value = state.runner;
    worker.value = stamped(state.worker);
    projects.value = state.projects;
    items.value = new Map(state.items.map((item) => [item.id, stamped(item)]));
    lines.value = new Map(state.items.map((item) => [item.id, item.line]));
  });
}

/** Take in a change; false when one before it is missing. */
export function applyChange(message) {
  if (message.seq <= sequence) return true;
  if (message.seq !== sequence + 1) return false;
  sequence = message.seq;
  batch(() => {
    status.value = stamped(message.set.status);
    runner.value = message.set.runner;
    worker.value = stamped(message.set.worker);
    if (message.items.length || message.gone.length) {
      const next = new Map(items.value);
      const text = new Map(lines.value);
      for (const item of message.items) {
        next.set(item.id, stamped(item));
        text.set(item.id, item.line);
      }
      for (const id of message.gone) {
        next.delete(id);
        text.delete(id);
      }
      items.value = next;
      lines.value = text;
    }
  });
  return true;
}

export function applyLines(message) {
  const text = new Map(lines.value);
  for (const [id, line] of Object.entries(message.lines)) {
    if (items.value.has(id)) text.set(id, line);
  }
  lines.value = text;
}
