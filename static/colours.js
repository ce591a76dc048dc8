// Terminal colours as CSS classes. All colours become one of the sixteen that the style sheet
// defines for dark and for light, so that text is readable on both.

const BASE = [
  [0, 0, 0], [205, 49, 49], [13, 160, 80], [190, 160, 20],
  [36, 114, 200], [188, 63, 188], [17, 150, 190], [200, 200, 200],
  [110, 110, 110], [241, 76, 76], [35, 209, 139], [245, 230, 67],
  [59, 142, 234], [214, 112, 214], [41, 184, 219], [255, 255, 255],
];

function nearest(r, g, b) {
  let best = 0;
  let least = Infinity;
  BASE.forEach(([x, y, z], i) => {
    const distance = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

/** One of the 256 colours of xterm as one of the sixteen. */
function indexed(n) {
  if (n < 16) return n;
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const level = (i) => (i ? 55 + i * 40 : 0);
  const cube = n - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/** The state of "select graphic rendition"; `className` names it. */
export class Rendition {
  constructor() {
    this.reset();
  }

  reset() {
    this.fg = this.bg = -1;
    this.flags = new Set();
    this.className = "";
  }

  /** Apply the parameters of a CSI … m. */
  apply(params) {
    const numbers = params.flatMap((p) => String(p).split(":")).map((p) => Number(p) || 0);
    if (!numbers.length) numbers.push(0);
    for (let i = 0; i < numbers.length; i += 1) {
      const n = numbers[i];
      if (n === 38 || n === 48) {
        const [colour, used] = extended(numbers.slice(i + 1));
        if (colour >= 0) this[n === 38 ? "fg" : "bg"] = colour;
        i += used;
      } else this.one(n);
    }
    this.className = this.name();
  }

  one(n) {
    const on = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 9: "s" };
    const off = { 22: ["b", "d"], 23: ["i"], 24: ["u"], 27: ["r"], 29: ["s"] };
    if (n === 0) this.reset();
    else if (on[n]) this.flags.add(on[n]);
    else if (off[n]) off[n].forEach((flag) => this.flags.delete(flag));
    else if (n >= 30 && n <= 37) this.fg = n - 30;
    else if (n === 39) this.fg = -1;
    else if (n >= 40 && n <= 47) this.bg = n - 40;
    else if (n === 49) this.bg = -1;
    else if (n >= 90 && n <= 97) this.fg = n - 82;
    else if (n >= 100 && n <= 107) this.bg = n - 92;
  }

  name() {
    const names = [];
    if (this.fg >= 0) names.push(`t-fg${this.fg}`);
    if (this.bg >= 0) names.push(`t-bg${this.bg}`);
    for (const flag of this.flags) names.push(`t-${flag}`);
    return names.join(" ");
  }
}

/** The colour after 38 or 48, and how many numbers it used. */
function extended(rest) {
  if (rest[0] === 5) return [indexed(Math.min(255, rest[1] ?? 0)), 2];
  if (rest[0] === 2) {
    // 2;r;g;b, or with a colour space before them.
    const spaced = rest.length >= 5 && rest[1] === 0;
    const [r = 0, g = 0, b = 0] = rest.slice(spaced ? 2 : 1);
    return [nearest(r, g, b), spaced ? 5 : 4];
  }
  return [-1, 0];
}
