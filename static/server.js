// Commands and downloads: fetch with the token of this session.

const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** What stands before each path where a reverse proxy shows the console below a path of its own. */
export const prefix = document.querySelector('meta[name="prefix"]')?.content ?? "";

/** Whether the server that answers now knows this page's session, and lets it in. */
export async function isKnown() {
  const answer = await fetch(`${prefix}/`, { cache: "no-store" });
  const text = await answer.text();
  return answer.ok && text.includes(token) && text.includes('id="app"');
}

/** An answer that is no success as an Error; `errors` are sentences by the field's name. */
async function refusal(answer) {
  const text = (await answer.text()).trim();
  let errors = null;
  if (answer.headers.get("Content-Type")?.startsWith("application/json")) {
    try {
      errors = JSON.parse(text).errors ?? null;
    } catch {
      // Not JSON after all: it is shown as it is.
    }
  }
  const error = new Error(errors ? Object.values(errors).join(" ") : text || answer.statusText);
  error.status = answer.status;
  error.errors = errors;
  return error;
}

/** Ask the server; an answer that is no success becomes an Error with its sentence. */
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

/** What the server answers, as text. */
export async function read(path) {
  return (await ask(path)).text();
}

/** Save what the server answers as a file. */
export async function download(path, name) {
  const blob = await (await ask(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
