// The address of each view, after the # of the page's address.
import { computed, signal } from "./vendor/vendor.js";
import { isWarrior } from "./state.js";

const VIEWS = { "": "Now", projects: "Projects", settings: "Settings", about: "About" };

function parse(hash) {
  let words;
  try {
    words = decodeURIComponent(hash.replace(/^#/, "")).split("/");
  } catch {
    words = [""];
  }
  const [first, ...rest] = words;
  const name = rest.join("/");
  if (first === "item" && name) return { view: "", item: name, log: "" };
  if (first === "projects" && rest.at(-1) === "log" && rest.length > 1) {
    return { view: "projects", item: "", log: rest.slice(0, -1).join("/") };
  }
  return { view: first in VIEWS ? first : "", item: "", log: "" };
}

const address = signal(location.hash);
addEventListener("hashchange", () => {
  const before = route.value;
  address.value = location.hash;
  if (route.value.view !== before.view || route.value.log !== before.log) scrollTo(0, 0);
});

/** The view ("" is Now), the item whose log is open, the project whose log is open. */
export const route = computed(() => parse(address.value));

/** The available views, as [address, name]. */
export const views = computed(() => Object.entries(VIEWS).filter(
  ([view]) => isWarrior.value || view === "" || view === "about"));

export const href = (view) => `#${view}`;
export const itemHref = (id) => `#item/${encodeURIComponent(id)}`;
export const logHref = (project) => `#projects/${encodeURIComponent(project)}/log`;

export function go(to) {
  location.hash = to;
}
