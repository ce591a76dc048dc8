// The volunteer's order: choose, drop and move projects.
import { useCommand } from "./widgets.js";
import { chosen } from "./project.js";

const names = () => chosen().map((project) => project.id);

/** The order without a project. */
export const drop = (name) => names().filter((one) => one !== name);

/** The order with a project at its end. */
export const insert = (name) => [...drop(name), name];

/** The order with a project `by` places further down. */
export function moved(name, by) {
  const order = names();
  const from = order.indexOf(name);
  const to = Math.min(order.length - 1, Math.max(0, from + by));
  if (from >= 0) order.splice(to, 0, ...order.splice(from, 1));
  return order;
}

/** `choose(order)` sets a new order, and resolves to whether that worked. */
export function useSelection() {
  const { tell, busy, problem } = useCommand();
  return { choose: (order) => tell("/api/projects/select", { projects: order }), busy, problem };
}
