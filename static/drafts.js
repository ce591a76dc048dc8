// Settings that have been changed on the page but not saved. They survive a change of the view, and
// changes on the server.
import { batch, computed, signal } from "./vendor/vendor.js";
import { command } from "./server.js";
import { settings } from "./state.js";

/** What was typed, by the field's name: `{ text, was }`; `was` is the previous value. */
export const drafts = signal({});
/** The server's errors, by the field's name. */
export const errors = signal({});
/** The text beside the Save button. */
export const remark = signal({ text: "", tone: "" });
export const saving = signal(false);

/** The drafts whose fields still exist. */
export const pending = computed(() => Object.entries(drafts.value).filter(
  ([name]) => settings.value?.fields.some((field) => field.name === name)));

function without(object, names) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

/** Keep what was typed into a field, if it differs from the field's value. */
export function edit(field, text) {
  const same = field.kind === "password" ? text === "" : text === field.value;
  batch(() => {
    drafts.value = same ? without(drafts.value, [field.name]) : {
      ...drafts.value,
      [field.name]: { text, was: drafts.value[field.name]?.was ?? field.value },
    };
    errors.value = without(errors.value, [field.name]);
    remark.value = { text: "", tone: "" };
  });
}

/** Remove the password: with null, because the server refuses an empty text. */
export function remove(field) {
  batch(() => {
    drafts.value = { ...drafts.value, [field.name]: { text: null, was: "" } };
    errors.value = without(errors.value, [field.name]);
    remark.value = { text: "", tone: "" };
  });
}

export function discard(names = Object.keys(drafts.value)) {
  batch(() => {
    drafts.value = without(drafts.value, names);
    errors.value = without(errors.value, names);
    remark.value = { text: "", tone: "" };
  });
}

/** Save all drafts or none; whether they were saved. */
export async function save() {
  const sent = Object.fromEntries(pending.value);
  const values = Object.fromEntries(
    Object.entries(sent).map(([name, draft]) => [name, draft.text]));
  saving.value = true;
  try {
    await command("/api/settings", { values });
    batch(() => {
      // Keep what was typed meanwhile.
      drafts.value = Object.fromEntries(Object.entries(drafts.value).filter(
        ([name, draft]) => sent[name]?.text !== draft.text));
      errors.value = {};
      remark.value = { text: "Saved. It is in effect now.", tone: "good" };
    });
    return true;
  } catch (error) {
    const known = error.errors ?? {};
    const elsewhere = Object.entries(known).filter(([name]) => !(name in sent))
      .map(([, text]) => text).join(" ");
    batch(() => {
      errors.value = known;
      remark.value = { tone: "bad", text: error.errors
        ? `Nothing was saved. ${elsewhere || "See the marked fields."}` : error.message };
    });
    return false;
  } finally {
    saving.value = false;
  }
}
