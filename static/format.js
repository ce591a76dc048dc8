// Numbers and names as people read them.
import { parseTerminal } from "./vendor/vendor.js";

/** Seconds as 0:42, 12:03 or 3:04:05. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function count(number) {
  return number.toLocaleString("en");
}

export function plural(number, one, many = `${one}s`) {
  return number === 1 ? `1 ${one}` : `${count(number)} ${many}`;
}

/** The name of an item, or what stands for it until it has one. */
export function itemName(item) {
  return item.name || `Item ${item.number}`;
}

const STATES = {
  running: "at work", waiting: "waiting", completed: "completed", failed: "failed",
  canceled: "cancelled",
};

export function stateWord(item) {
  return STATES[item.state === "running" && item.waiting ? "waiting" : item.state] ?? item.state;
}

/** A line of terminal output without its colours and control characters. */
export function plain(line) {
  return parseTerminal(line).filter((token) => token.type === "TEXT")
    .map((token) => token.raw.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ")).join("");
}
