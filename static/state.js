// The state of the page. Only messages of the socket change it.
import { batch, computed, signal } from "./vendor/vendor.js";

/** connecting, live, offline (the server does not answer) or ended (it has said goodbye). */
export const connection = signal({ state: "connecting", since: 0, retryAt: 0, text: "" });

/** The sections, each with the moment (`at`) at which it came, from which durations count. */
export const program = signal(null);
export const status = signal(null);
export const runner = signal(null);
export const workers = signal([]);
export const projects = signal([]);
export const pipelines = signal({});
export const settings = signal(null);
export const notices = signal([]);
/** Items by id, in the order in which they began. */
export const items = signal(new Map());
/** The last lines of the items in view, by id. */
export const lines = signal(new Map());
/** The machine's latest figures, and its bandwidth as rows of [time, received, sent]. */
export const machine = signal(null);

export const isWarrior = computed(() => program.value?.kind === "warrior");
export const live = computed(() => connection.value.state === "live");

/** The time in seconds. Times from the server are relative to the moment of sending. */
export const seconds = () => performance.now() / 1000;

/** Seconds of bandwidth that the chart shows. */
export const CHART_SPAN = 300;

const sections = { program, status, runner, workers, projects, pipelines, settings, notices };
let sequence = 0;

function stamped(value) {
  const at = seconds();
  if (Array.isArray(value)) return value.map((one) => ({ ...one, at }));
  return value && { ...value, at };
}

function applySections(changed) {
  for (const [name, value] of Object.entries(changed)) {
    const section = sections[name];
    // Pipelines are stored by name, so a time would look like one of them.
    if (section) section.value = name === "pipelines" ? value : stamped(value);
  }
}

export function applySnapshot(message) {
  const { items: all, ...changed } = message.state;
  sequence = message.seq;
  batch(() => {
    applySections(changed);
    items.value = new Map(all.map((item) => [item.id, stamped(item)]));
    lines.value = new Map(all.map((item) => [item.id, item.line]));
  });
}

/** Apply a change; false if the one before it is missing. */
export function applyChange(message) {
  if (message.seq <= sequence) return true;
  if (message.seq !== sequence + 1) return false;
  sequence = message.seq;
  batch(() => {
    applySections(message.set);
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

/** Add a sample of the machine; the first message has all samples that were kept. */
export function applyMachine(message) {
  const now = seconds();
  const fresh = message.samples.map(([ago, received, sent]) => [now - ago, received, sent])
    .sort((a, b) => a[0] - b[0]);
  const old = machine.value?.samples ?? [];
  // After a reconnection, all kept samples come again.
  const samples = message.start ? fresh : [...old, ...fresh];
  machine.value = {
    latest: message.latest ?? machine.value?.latest,
    samples: samples.filter(([at]) => at > now - CHART_SPAN - 5),
  };
}
