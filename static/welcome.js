// The first visit: asks for the nickname, and nothing else.
import { useEffect, useRef, useState } from "./vendor/vendor.js";
import { html } from "./html.js";
import { NICKNAME_RULE } from "./fields.js";
import { go } from "./route.js";
import { command } from "./server.js";
import { live } from "./state.js";

export function Welcome() {
  const input = useRef(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => input.current?.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await command("/api/settings", { values: { downloader: input.current.value.trim() } });
      go("projects");
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
      input.current?.focus();
    }
  };
  return html`<main class="welcome">
    <h1>Help save web sites before they disappear</h1>
    <p>This computer downloads small parts of sites, and sends them to Archive Team. Choose the
      name to which its work is credited; everyone can see it.</p>
    <form onSubmit=${submit} novalidate>
      <label for="nickname">Your nickname</label>
      <div class="welcome-row">
        <input id="nickname" ref=${input} name="nickname" autocomplete="nickname" maxlength="30"
          autocapitalize="none" spellcheck="false" required aria-invalid=${Boolean(problem)}
          aria-describedby="nickname-rule nickname-answer" />
        <button class="button primary" type="submit" disabled=${busy || !live.value}>Continue</button>
      </div>
      <p class="help" id="nickname-rule">${NICKNAME_RULE}</p>
      <p class="answer" id="nickname-answer" role="alert">${problem}</p>
    </form>
  </main>`;
}
