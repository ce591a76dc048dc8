// The view About: versions, where to find help, the daemon's log.
import { html } from "./html.js";
import { count } from "./format.js";
import { command } from "./server.js";
import { chosen } from "./project.js";
import { isWarrior, live, program, runner } from "./state.js";
import { TextLog } from "./textlog.js";

const LINKS = [
  ["https://wiki.archiveteam.org/", "Archive Team’s wiki", "Who we are, and why we do this."],
  ["https://wiki.archiveteam.org/index.php/ArchiveTeam_Warrior", "The warrior in the wiki",
    "Frequently asked questions."],
  ["https://webirc.hackint.org/#irc://irc.hackint.org/#warrior", "Chat: #warrior on hackint",
    "Ask for help on IRC, in your browser."],
];

const STATES = {
  starting: "Starting", running: "Running", draining: "Stopping when the items are done",
  paused: "Stopped: no new items start", ending: "Ending", ended: "Ended",
};

export function About() {
  if (!program.value) return html`<p class="empty">Connecting to the console…</p>`;
  return html`
    <h1>About</h1>
    <div class="about">
      <section class="panel"><h2>This program</h2><${Versions} /></section>
      <section class="panel"><h2>State</h2><${State} /></section>
      <section class="panel"><h2>Help</h2>
        <ul class="links-list">${LINKS.map(([to, name, text]) => html`<li key=${to}>
          <a href=${to} target="_blank" rel="noopener noreferrer">${name}</a>
          <span class="soft">${text}</span></li>`)}</ul></section>
    </div>
    ${isWarrior.value && html`<section class="daemon-log">
      <h2>The warrior’s log</h2>
      <p class="soft">Messages of the program itself. Each item has its own log.</p>
      <${TextLog} path="/api/log" name="warrior.log" label="The warrior’s log" />
    </section>`}`;
}

function facts(pairs) {
  return html`<dl class="facts-list">${pairs.filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd class="figures">${value}</dd></div>`)}</dl>`;
}

function Versions() {
  const { kind, version, api, python, build, state_dir: state, data_dir: data } = program.value;
  return facts([
    ["Program", kind === "warrior" ? "Warrior" : "One pipeline (run-pipeline)"],
    ["Version", version], ["API level", api], ["Python", python], ["Build", build],
    ["Settings, code and log", state], ["Downloads", data],
  ]);
}

function State() {
  const { state, counts, started, active, concurrent, downloader } = runner.value;
  const { password, max_concurrent: most } = program.value;
  const logout = () => command("/api/logout").then(() => location.reload(), () => location.reload());
  return html`${facts([
    ["State", STATES[state] ?? state],
    ["Nickname", downloader],
    ["Chosen projects", isWarrior.value ? chosen().length : null],
    ["Items at work", `${active} of at most ${concurrent}`],
    ["Maximum concurrent items", most ?? null],
    ["Items started", count(started)], ["Completed", count(counts.completed)],
    ["Failed", count(counts.failed)], ["Cancelled", count(counts.canceled)],
    ["Password for this page", password ? "Yes" : "None"],
  ])}
  ${password && html`<button class="button" disabled=${!live.value} onClick=${logout}>Log out</button>`}`;
}
