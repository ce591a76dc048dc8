// The view Settings: fields in groups, saved together.
import { useEffect } from "./vendor/vendor.js";
import { html } from "./html.js";
import { plural } from "./format.js";
import { discard, drafts, errors, pending, remark, save, saving } from "./drafts.js";
import { Field, fieldId } from "./fields.js";
import { Keys } from "./keys.js";
import { byName } from "./project.js";
import { live, settings } from "./state.js";

const GROUPS = { "": "Warrior", shared: "Shared between projects" };

/** Fields by their group: the warrior's, the shared ones, then those of each project. */
function grouped(fields) {
  const groups = new Map([["", []], ["shared", []]]);
  for (const field of fields) {
    groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
  }
  return [...groups].filter(([, own]) => own.length);
}

export function Settings() {
  const known = settings.value;
  useEffect(() => {
    // Ask before the window closes and loses what was typed.
    const leaving = (event) => {
      if (pending.value.length) event.preventDefault();
    };
    addEventListener("beforeunload", leaving);
    return () => removeEventListener("beforeunload", leaving);
  }, []);
  if (!known) return html`<p class="empty">Connecting to the console…</p>`;
  const submit = async (event) => {
    event.preventDefault();
    if (!pending.value.length || saving.value || await save()) return;
    const wrong = known.fields.find((field) => field.name in errors.value);
    const input = wrong && document.getElementById(fieldId(wrong));
    input?.closest("details")?.setAttribute("open", "");
    input?.focus({ preventScroll: true });
    input?.scrollIntoView({ block: "center" });
  };
  const changes = pending.value.length;
  return html`<div class="settings"><form onSubmit=${submit} novalidate autocomplete="off">
    <h1>Settings</h1>
    ${grouped(known.fields).map(([name, fields]) => html`<${Group} key=${name} name=${name}
      fields=${fields} />`)}
    <div class="save-bar" data-changes=${changes > 0}>
      <button class="button primary" type="submit"
        disabled=${!changes || saving.value || !live.value}>Save</button>
      ${changes > 0 && html`<button class="button" type="button" disabled=${saving.value}
        onClick=${() => discard()}>Discard</button>`}
      <p role="status" data-tone=${remark.value.tone}>${remark.value.text || (changes
        ? `${plural(changes, "change")} not saved yet.` : "What you save takes effect at once.")}</p>
    </div>
  </form><${Keys} /></div>`;
}

function Group({ name, fields }) {
  const title = GROUPS[name] ?? byName(name)?.title ?? name;
  // If all are advanced, none is.
  const some = fields.some((field) => !field.advanced);
  const plain = fields.filter((field) => !some || !field.advanced);
  const more = fields.filter((field) => some && field.advanced);
  const touched = more.some((field) => field.name in drafts.value || field.name in errors.value);
  const draw = (field) => html`<${Field} key=${field.name} field=${field} />`;
  return html`<section class="settings-group" aria-label=${title}>
    <h2>${title}</h2>
    ${name === "shared" && html`<p class="soft">These apply to all projects together.</p>`}
    ${plain.map(draw)}
    ${more.length > 0 && html`<details open=${touched || undefined}>
      <summary>More settings <span class="figures">${more.length}</span></summary>
      ${more.map(draw)}</details>`}
  </section>`;
}
