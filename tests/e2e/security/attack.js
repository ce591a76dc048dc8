// What a page of another site can try against a console that is open beside it.
// Answers with all that it got to know, as text.
async (target) => {
  const seen = [];
  const note = (what, text) => seen.push(`${what}: ${text}`);
  const soon = (start, what) => Promise.race([
    new Promise(start), new Promise((resolve) => setTimeout(resolve, 8000, "no answer")),
  ]).then((text) => note(what, text), (error) => note(what, error));
  const JSON_TYPE = { "Content-Type": "application/json" };
  const commands = {
    "/api/stop": "{}", "/api/stop-now": "{}", "/api/shut-down": "{}", "/api/restart": "{}",
    "/api/settings": '{"values": {"downloader": "mallory", "http_password": "mallory"}}',
    "/api/projects/select": '{"projects": []}', "/api/keys": '{"name": "mallory"}',
    "/api/logout": "{}", "/api/login": '{"username": "", "password": "mallory"}',
  };
  const read = async (what, path, options) => {
    try {
      const answer = await fetch(target + path, options);
      note(what, `${answer.type} ${answer.status} ${[...answer.headers]} ${await answer.text()}`);
    } catch (error) {
      note(what, error);
    }
  };
  const all = [];
  for (const path of ["/", "/index.html", "/api/state", "/healthz", "/static/app.js", "/sockjs/info",
    "/api/settings", "/api/log"]) {
    for (const mode of ["cors", "no-cors"]) {
      all.push(read(`fetch ${mode} ${path}`, path, { mode, credentials: "include" }));
    }
  }
  for (const [path, body] of Object.entries(commands)) {
    for (const mode of ["cors", "no-cors"]) {
      all.push(read(`post ${mode} ${path}`, path, {
        method: "POST", mode, credentials: "include", body,
        headers: mode === "cors" ? { ...JSON_TYPE, "X-CSRF-Token": "x" } : {},
      }));
      navigator.sendBeacon(target + path, body);
      all.push(read(`keepalive ${path}`, path, {
        method: "POST", mode: "no-cors", credentials: "include", body, keepalive: true }));
    }
    all.push(read(`get ${path}`, path, { mode: "no-cors", credentials: "include" }));
  }
  // Forms, each into a frame: as text that looks like JSON, and in the usual ways.
  const forms = Object.entries(commands).map(([path, body]) => ["text/plain", path, body]);
  for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data"]) {
    forms.push([enctype, "/api/stop", commands["/api/stop"]]);
  }
  for (const [enctype, path, body] of forms) {
    const frame = document.createElement("iframe");
    frame.name = `frame-${Math.random()}`;
    document.body.append(frame);
    const form = document.createElement("form");
    Object.assign(form, { method: "POST", action: target + path, enctype, target: frame.name });
    const input = document.createElement("input");
    [input.name, input.value] = [body.slice(0, -1), "}"];
    form.append(input);
    document.body.append(form);
    form.submit();
  }
  // Elements that load what they name.
  const element = (name, attributes) => soon((resolve) => {
    const made = document.createElement(name);
    made.onload = () => resolve("loaded");
    made.onerror = () => resolve("refused");
    Object.assign(made, attributes);
    document.body.append(made);
  }, `${name} ${attributes.src ?? attributes.href}`);
  all.push(
    element("img", { src: `${target}/static/mark.svg` }),
    element("script", { src: `${target}/static/app.js`, type: "module" }),
    element("script", { src: `${target}/api/state` }),
    element("link", { rel: "stylesheet", href: `${target}/static/warrior.css` }),
  );
  // Loads a refusal as well, and tells nothing of it.
  document.head.append(Object.assign(document.createElement("link"),
    { rel: "preload", as: "fetch", href: `${target}/api/state` }));
  for (const path of ["/sockjs/000/abcdefgh/websocket", "/sockjs/websocket"]) {
    all.push(soon((resolve) => {
      const socket = new WebSocket(target.replace("http", "ws") + path);
      socket.onopen = () => resolve("opened");
      socket.onmessage = (event) => resolve(`message ${event.data}`);
      socket.onerror = () => resolve("refused");
    }, `websocket ${path}`));
  }
  for (const path of ["/sockjs/000/abcdefgh/eventsource", "/api/state", "/"]) {
    all.push(soon((resolve) => {
      const source = new EventSource(target + path, { withCredentials: true });
      source.onopen = () => resolve("opened");
      source.onmessage = (event) => resolve(`message ${event.data}`);
      source.onerror = () => { source.close(); resolve("refused"); };
    }, `eventsource ${path}`));
  }
  // Frames and windows.
  for (const path of ["/", "/api/state"]) {
    const frame = document.createElement("iframe");
    frame.src = target + path;
    document.body.append(frame);
    await new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 8000); });
    try {
      note(`iframe ${path}`, frame.contentDocument?.documentElement.outerHTML);
    } catch (error) {
      note(`iframe ${path}`, error);
    }
  }
  await Promise.all(all);
  return seen;
}
