// API keys: makes, shows once and revokes them.
import { useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { command } from "./server.js";
import { live, settings } from "./state.js";

export function Keys() {
  const keys = settings.value.keys ?? [];
  const input = useRef(null);
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const tell = async (path, body, then) => {
    setBusy(true);
    setProblem("");
    try {
      then(await (await command(path, body)).json());
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
  };
  const make = (event) => {
    event.preventDefault();
    tell("/api/keys", { name: input.current.value.trim() }, (answer) => {
      setMade(answer);
      input.current.value = "";
    });
  };
  const revoke = (name) => tell(`/api/keys/${encodeURIComponent(name)}/revoke`, {},
    () => { if (made?.name === name) setMade(null); });
  return html`<section class="settings-group keys" aria-label="API keys">
    <h2>API keys</h2>
    <p class="soft">For scripts. A key can do everything that this page can, except change passwords and
      keys. Send it as <code>Authorization: Bearer KEY</code>.</p>
    ${made && html`<div class="new-key" role="status">
      <p>The key <b>${made.name}</b>. Copy it now: it will not be shown again.</p>
      <p><code class="key">${made.key}</code>
        <button class="button" type="button" onClick=${() => setMade(null)}>I have it</button></p></div>`}
    ${keys.length > 0 && html`<ul class="key-list">${keys.map(({ name, made: day }) => html`<li key=${name}>
      <span class="key-name">${name}</span><span class="soft figures">made ${day || "on an unknown day"}</span>
      <button class="button" type="button" disabled=${busy || !live.value}
        aria-label=${`Revoke the key ${name}`} onClick=${() => revoke(name)}>Revoke</button></li>`)}</ul>`}
    ${problem && html`<p class="answer" role="alert">${problem}</p>`}
    <form class="make-key" onSubmit=${make} autocomplete="off" novalidate>
      <label for="key-name">What the key is for</label>
      <input id="key-name" ref=${input} maxlength="40" spellcheck="false" autocapitalize="none" />
      <button class="button" type="submit" disabled=${busy || !live.value}>Make a key</button>
    </form>
  </section>`;
}
