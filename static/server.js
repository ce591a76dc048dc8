// Commands and downloads: fetch with the token of this session.

const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** The prefix of each path behind a reverse proxy. */
export const prefix = document.querySelector('meta[name="prefix"]')?.content ?? "";

/** Whether the server still knows this page's session, and lets it in. */
export async function isKnown() {
  const answer = await fetch(`${prefix}/`, { cache: "no-store" });
  const text = await answer.text();
  return answer.ok && text.includes(token) && text.includes('id="app"');
}

/** The Error of an answer without success; `errors` has sentences by the field's name. */
async function refusal(answer) {
  const text = (await answer.text()).trim();
  let errors = null;
  if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
    try {
      errors = JSON.parse(text).errors ?? null;
    } catch {
      // Invalid JSON: show the text unchanged.
    }
  }
  const error = new Error(errors ? Object.values(errors).join(" ") : text || answer.statusText);
  error.status = answer.status;
  error.errors = errors;
  return error;
}

/** Send a request; an answer without success becomes an Error with its sentence. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(prefix + path, {
      ...options,
      headers: { "X-CSRF-Token": token, ...options.headers },
    });
  } catch {
    throw new Error("The console does not answer.");
  }
  if (!answer.ok) {
    throw await refusal(answer);
  }
  return answer;
}

export function command(path, body = {}) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The server's answer as text. */
export async function read(path) {
  return (await ask(path)).text();
}

/** Save the server's answer as a file. */
export async function download(path, name) {
  const blob = await (await ask(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
