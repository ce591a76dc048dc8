// Terminal output as lines of coloured pieces, in bounded memory.
//
// It shows a log, not a screen: a carriage return overwrites its line, colours are kept, and
// sequences that move between lines are ignored.
import { parseTerminal } from "./vendor/vendor.js";
import { Rendition } from "./colours.js";

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/;
/** C1 control characters: in logs they are broken text, not commands. */
const C1 = /[\x80-\x9f]/g;
/** An incomplete sequence at the end of a piece, which the next piece completes. */
const UNFINISHED = /\x1b(?:\[[\x20-\x3f]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?)?$/;
const LONGEST_HELD = 4096;

export class Terminal {
  /** Keeps the last `limit` lines. Line numbers count all lines ever written. */
  constructor(limit = 3000) {
    this.limit = limit;
    this.lines = [];
    this.first = 0; // number of lines[0]
    this.changedFrom = 0; // number of the first line changed since the last take()
    this.style = new Rendition();
    this.held = "";
    this.open = false; // whether the last line continues
    this.column = 0;
  }

  write(text) {
    const pieces = (this.held + text.replace(C1, "\ufffd")).split("\n");
    this.held = "";
    pieces.forEach((piece, i) => {
      const last = i === pieces.length - 1;
      if (last) piece = this.hold(piece);
      if (piece) this.put(piece);
      if (!last) this.endLine();
    });
    this.trim();
  }

  /** Add a remark of ours on a separate line. */
  remark(text) {
    if (this.open) this.endLine();
    this.held = "";
    this.style.reset();
    this.lines.push({ segments: [{ text, name: "" }], remark: true });
    this.trim();
  }

  hold(piece) {
    const match = piece.includes("\x1b") && UNFINISHED.exec(piece);
    if (!match || match[0].length > LONGEST_HELD) return piece;
    this.held = match[0];
    return piece.slice(0, match.index);
  }

  endLine() {
    if (!this.open) this.begin();
    this.open = false;
    this.column = 0;
  }

  begin() {
    this.lines.push({ segments: [], remark: false });
    this.open = true;
    this.column = 0;
  }

  put(piece) {
    if (!this.open) this.begin();
    this.touch();
    if (!CONTROL.test(piece)) {
      this.text(piece);
      return;
    }
    for (const token of parseTerminal(piece)) {
      if (token.type === "TEXT") this.plain(token.raw);
      else if (token.type === "CSI") this.sequence(token.command, token.params);
    }
  }

  /** Add text between sequences; control characters may move within the line. */
  plain(raw) {
    for (const part of raw.split(/([\x00-\x08\x0b-\x1f\x7f])/)) {
      if (part === "\r") this.column = 0;
      else if (part === "\b") this.column = Math.max(0, this.column - 1);
      else if (part && !CONTROL.test(part)) this.text(part);
    }
  }

  sequence(command, params) {
    const n = Math.max(1, Number(params[0]) || 1);
    const line = this.lines.at(-1);
    if (command === "m") this.style.apply(params);
    else if (command === "C") this.column = Math.min(this.column + n, 2000);
    else if (command === "D") this.column = Math.max(0, this.column - n);
    else if (command === "G") this.column = Math.min(n - 1, 2000);
    else if (command === "K") {
      const mode = Number(params[0]) || 0;
      if (mode === 0) line.segments = cut(line.segments, 0, this.column);
      else if (mode === 2) line.segments = [];
    }
  }

  text(text) {
    const line = this.lines.at(-1);
    const name = this.style.className;
    const width = lengthOf(line.segments);
    if (this.column > width) append(line.segments, " ".repeat(this.column - width), "");
    if (this.column >= width) append(line.segments, text, name);
    else {
      const left = cut(line.segments, 0, this.column);
      const right = cut(line.segments, this.column + text.length, width);
      append(left, text, name);
      right.forEach((segment) => append(left, segment.text, segment.name));
      line.segments = left;
    }
    this.column += text.length;
  }

  touch() {
    this.changedFrom = Math.min(this.changedFrom, this.first + this.lines.length - 1);
  }

  trim() {
    const excess = this.lines.length - this.limit;
    if (excess > 0) {
      this.lines.splice(0, excess);
      this.first += excess;
    }
  }

  /** The lines that are new or changed since the last call, and the number of the first. */
  take() {
    const from = Math.max(this.changedFrom, this.first);
    this.changedFrom = this.first + this.lines.length;
    return { from, lines: this.lines.slice(from - this.first) };
  }
}

function lengthOf(segments) {
  return segments.reduce((sum, segment) => sum + segment.text.length, 0);
}

function append(segments, text, name) {
  const last = segments.at(-1);
  if (last && last.name === name) last.text += text;
  else if (text) segments.push({ text, name });
}

/** The columns from `start` to before `end`. */
function cut(segments, start, end) {
  const kept = [];
  let at = 0;
  for (const { text, name } of segments) {
    const piece = text.slice(Math.max(0, start - at), Math.max(0, end - at));
    if (piece) kept.push({ text: piece, name });
    at += text.length;
  }
  return kept;
}
