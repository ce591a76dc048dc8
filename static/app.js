// The console: renders the page and connects to the server.
import { effect, render, useEffect, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { About } from "./about.js";
import { Header, Views, pageTitle } from "./header.js";
import { LogPanel } from "./log.js";
import { Machine } from "./machine.js";
import { Notices } from "./notices.js";
import { Now } from "./now.js";
import { Projects } from "./projects.js";
import { go, route, views } from "./route.js";
import { Settings } from "./settings.js";
import { connect } from "./socket.js";
import { connection, isWarrior, machine, runner, settings } from "./state.js";
import { Welcome } from "./welcome.js";
import { useWide } from "./widgets.js";

/** The width in pixels that the machine's column needs; beside an open log it needs more. */
const COLUMN = 1120;
const COLUMN_BESIDE_LOG = 1640;

const VIEWS = { "": Now, projects: Projects, settings: Settings, about: About };

function App() {
  const open = route.value.item;
  const [drawer, setDrawer] = useState(false);
  const wide = useWide(open ? COLUMN_BESIDE_LOG : COLUMN);
  useEffect(() => { setDrawer(false); }, [route.value.view, open, wide]);
  const first = settings.value?.first_visit;
  const watched = !first && (isWarrior.value || machine.value !== null);
  const { view } = route.value;
  const Shown = VIEWS[views.value.some(([name]) => name === view) ? view : ""];
  const column = watched && (wide || drawer);
  const kind = `page${open ? " with-log" : ""}${column && wide ? " with-machine" : ""}`;
  return html`<div class=${kind} data-connection=${connection.value.state}>
    <${Header} />
    <${Views} drawer=${watched && !wide} opened=${drawer} open=${() => setDrawer(!drawer)} />
    <${Notices} />
    ${first ? html`<${Welcome} />` : html`<div class="columns">
      <main class="list" data-view=${view || "now"}><${Shown} /></main>
      ${open && html`<${LogPanel} key=${open} id=${open} close=${() => go("")} />`}
      ${column && html`<${Machine} drawer=${!wide} close=${() => setDrawer(false)} />`}
    </div>`}
  </div>`;
}

effect(() => {
  const active = runner.value?.active ?? 0;
  const name = isWarrior.value ? pageTitle() : `${pageTitle()} – Warrior`;
  const view = views.value.find(([at]) => at === route.value.view)?.[1];
  document.title = (connection.value.state === "live" && active ? `(${active}) ` : "")
    + (route.value.view && view ? `${view} – ${name}` : name);
});

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
connect();
