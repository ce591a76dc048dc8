// One field of the settings: its label, its limits, and its error.
import { html } from "./html.js";
import { drafts, edit, errors, discard, remove } from "./drafts.js";

/** The rule for nicknames, in words. */
export const NICKNAME_RULE = "3 to 30 letters, digits, hyphens or underscores.";
const NICKNAME = "^[-_a-zA-Z0-9]{3,30}$";

export const fieldId = (field) => `field-${field.name}`;

/** The allowed values of a field, as a sentence; '' if unknown. */
function limits(field) {
  const { min, max, kind, regex } = field;
  if (kind === "number") {
    if (min != null && max != null) return `A whole number from ${min} to ${max}.`;
    if (min != null) return `A whole number, at least ${min}.`;
    return max != null ? `A whole number, at most ${max}.` : "A whole number.";
  }
  if (regex === NICKNAME) return NICKNAME_RULE;
  return regex ? html`It must match <code>${regex}</code>.` : "";
}

export function Field({ field }) {
  const id = fieldId(field);
  const draft = drafts.value[field.name];
  const error = errors.value[field.name];
  const meanwhile = draft && field.kind !== "password" && draft.was !== field.value
    && draft.text !== field.value;
  const described = [`${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`<div class="field" data-changed=${Boolean(draft)} data-wrong=${Boolean(error)}>
    <label for=${id}>${field.title || field.name}</label>
    ${field.kind === "password"
      ? html`<${Password} field=${field} id=${id} described=${described} />`
      : html`<input id=${id} name=${field.name} value=${draft?.text ?? field.value}
          class=${field.kind === "number" ? "figures short" : ""}
          inputmode=${field.kind === "number" ? "numeric" : "text"} spellcheck="false"
          autocapitalize="none" autocomplete="off" readonly=${!field.editable}
          placeholder=${field.default} aria-invalid=${Boolean(error)} aria-describedby=${described}
          onInput=${(event) => edit(field, event.target.value)} />`}
    ${error && html`<p class="answer" id=${`${id}-error`} role="alert">${error}</p>`}
    ${meanwhile && html`<p class="meanwhile" role="status">Somebody else has set this to
      <b>${field.value || "nothing"}</b>.
      <button class="link" type="button" onClick=${() => discard([field.name])}>Use it</button></p>`}
    <p class="help" id=${`${id}-help`}>${field.description && html`<span>${field.description}</span>`}
      <span>${limits(field)}</span>
      ${field.default !== "" && html`<span>Default: ${field.default}.</span>`}
      ${!field.editable && html`<span>This cannot be changed here.</span>`}</p>
  </div>`;
}

/** The page never gets a password, only whether there is one. */
function Password({ field, id, described }) {
  const draft = drafts.value[field.name];
  const removed = draft?.text === null;
  return html`<div class="password">
    <input id=${id} name=${field.name} type="password" autocomplete="new-password"
      value=${draft?.text ?? ""} disabled=${removed} readonly=${!field.editable}
      aria-describedby=${described}
      placeholder=${removed ? "" : field.is_set ? "A new password" : "None"}
      onInput=${(event) => edit(field, event.target.value)} />
    ${removed
      ? html`<button class="button" type="button" onClick=${() => discard([field.name])}>Keep it</button>
          <span>It will be removed when you save.</span>`
      : field.is_set && html`<span class="tag" data-state="running">set</span>
          ${field.editable && html`<button class="button" type="button"
            onClick=${() => remove(field)}>Remove password</button>`}`}
  </div>`;
}
