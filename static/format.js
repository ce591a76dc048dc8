// Numbers, times and names in a readable form.
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

function scaled(number, step, units) {
  let value = Math.max(0, number);
  let unit = 0;
  while (value >= step - 0.5 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${unit && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Bytes of a disk or of memory, in steps of 1024. */
export function size(bytes) {
  return scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

/** Bytes a second, in steps of 1000, as usual for networks. */
export function rate(bytes) {
  return scaled(bytes, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]);
}

/** How long until a moment, roughly: "in 3 days", "2 hours ago". */
export function distance(milliseconds) {
  const ahead = milliseconds >= 0;
  const minutes = Math.floor(Math.abs(milliseconds) / 60000);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const text = days >= 60 ? plural(Math.round(days / 30.4), "month")
    : days >= 2 ? plural(days, "day")
    : hours >= 2 ? plural(hours, "hour")
    : minutes >= 1 ? plural(minutes, "minute") : "less than a minute";
  return ahead ? `in ${text}` : `${text} ago`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export const day = (date) => DAY.format(date);
export const hour = (date) => HOUR.format(date);

const ORDINALS = { one: "st", two: "nd", few: "rd", other: "th" };
const ORDINAL = new Intl.PluralRules("en", { type: "ordinal" });

/** 1 as 1st. */
export function ordinal(number) {
  return `${number}${ORDINALS[ORDINAL.select(number)]}`;
}

/** The name of an item, or its number until it has a name. */
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
