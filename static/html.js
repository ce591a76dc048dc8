// Markup in our modules: htm with preact.
import { h, htm } from "./vendor/vendor.js";

export const html = htm.bind(h);
