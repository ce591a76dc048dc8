// The socket: connects and reconnects, and passes messages on.
import { SockJS } from "./vendor/vendor.js";
import { isKnown, prefix } from "./server.js";
import {
  applyChange, applyLines, applyMachine, applySnapshot, connection, seconds,
} from "./state.js";

const TRANSPORTS = ["websocket", "xhr-streaming", "xhr-polling"];
const RELOADED = "warrior-reloaded";

let socket = null;
let timer = 0;
let tries = 0;
const logListeners = new Map();
let viewed = [];

export function connect() {
  clearTimeout(timer);
  const opened = new SockJS(`${prefix}/sockjs`, null, { transports: TRANSPORTS });
  socket = opened;
  opened.onopen = () => {
    tries = 0;
    sessionStorage.removeItem(RELOADED);
    for (const id of logListeners.keys()) send({ type: "watch", item: id });
    if (viewed.length) send({ type: "view", items: viewed });
  };
  opened.onmessage = (event) => receive(JSON.parse(event.data));
  opened.onclose = () => {
    if (socket === opened) lost();
  };
}

function receive(message) {
  switch (message.type) {
    case "snapshot":
      applySnapshot(message);
      connection.value = { state: "live", since: seconds(), retryAt: 0, text: "" };
      break;
    case "change":
      if (!applyChange(message)) send({ type: "resync" });
      break;
    case "lines":
      applyLines(message);
      break;
    case "machine":
      applyMachine(message);
      break;
    case "log":
      logListeners.get(message.item)?.(message);
      break;
    case "bye":
      connection.value = { state: "ended", since: seconds(), retryAt: 0, text: message.text };
      break;
  }
}

/** The socket is closed: try again, after a delay that grows with each try. */
async function lost() {
  socket = null;
  const before = connection.value;
  // A server that has said goodbye needs a moment to end, or to restart.
  if (before.state === "ended") tries = Math.max(tries, 2);
  const delay = Math.min(10, 1 + tries * 1.5) * (0.8 + Math.random() * 0.4);
  tries += 1;
  if (before.state !== "ended") {
    const since = before.state === "offline" ? before.since : seconds();
    connection.value = { ...before, state: "offline", since, retryAt: seconds() + delay };
  }
  timer = setTimeout(retry, delay * 1000);
}

export async function retry() {
  clearTimeout(timer);
  let known;
  try {
    known = await isKnown();
  } catch {
    lost();
    return;
  }
  if (!known && !sessionStorage.getItem(RELOADED)) {
    // The server has restarted or wants a password, and its new page handles that. Reload only
    // once: a browser without cookies would reload for ever.
    sessionStorage.setItem(RELOADED, "yes");
    location.reload();
    return;
  }
  connect();
}

function send(message) {
  if (socket?.readyState === SockJS.OPEN) socket.send(JSON.stringify(message));
}

/** Receive the log of an item until the returned function is called. */
export function watchLog(id, listener) {
  logListeners.set(id, listener);
  send({ type: "watch", item: id });
  return () => {
    logListeners.delete(id);
    send({ type: "unwatch", item: id });
  };
}

/** Tell the server which items are in view, so that it sends their last lines. */
export function viewItems(ids) {
  if (ids.length === viewed.length && ids.every((id, i) => id === viewed[i])) return;
  viewed = ids;
  send({ type: "view", items: ids });
}
