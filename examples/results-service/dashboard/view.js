// What is seen. Everything goes in as text: nothing that a server says is markup.

const LOG = "log";

/** The arrows of the drawings by what happens: numbers, words, way. */
const ARROWS = {
  true: {
    endpoints: ["1–2", "Where do people sign in?", "Dashboard → API server"],
    leave: ["3", "Authorization request", "Dashboard → Identity provider"],
    code: ["4", "Authorization code", "Identity provider → Dashboard"],
    tokens: ["5–6", "Code for tokens", "Dashboard → Identity provider"],
    exchange: ["7–15", "Token verified and exchanged", "Dashboard → API server → Identity provider, internal STS"],
    renewed: ["A30", "Another token: the API kept the refresh token", "Dashboard → API server → internal STS"],
    restricted: ["16", "", "Dashboard → API server"],
    ended: ["", "Session ended", "Dashboard → API server → internal STS"],
  },
  false: {
    endpoints: ["1–2", "Where do people sign in?", "Dashboard → API server"],
    leave: ["3", "Authentication request", "Dashboard → Broker → Identity provider"],
    code: ["4–6", "Authentication response", "Identity provider → Broker → Dashboard"],
    tokens: ["7–8", "Code for tokens", "Dashboard → Broker"],
    renewed: ["", "Refreshed", "Dashboard → Broker"],
    restricted: ["9", "", "Dashboard → API server"],
    ended: ["", "Refresh token revoked", "Dashboard → Broker"],
  },
};

const find = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Shows these sections and no others. */
export function show(...ids) {
  for (const id of ["welcome", "results", "add", "who"]) {
    find(id).hidden = !ids.includes(id);
  }
}

export function say(id, text, kind = "plain") {
  const place = find(id);
  place.hidden = !text;
  place.className = kind;
  place.textContent = text;
  if (text) {
    place.scrollIntoView({ block: "nearest" });
  }
}

/** Sends the browser on by a form. */
export function leave(url, fields) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = url;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}

export function provider(name, exchanges) {
  find("provider").textContent = name;
  find("flow").textContent = exchanges
    ? "Flow 000: you sign in elsewhere, and the API exchanges what you bring. The numbers are the drawing's."
    : "Flow 001: you sign in at a broker, with a provider of your choice. The numbers are the drawing's.";
}

export function person({ name, roles }) {
  find("name").textContent = name;
  find("roles").replaceChildren(...roles.map((role) => element("span", "role", role)));
}

export function results(all, added) {
  const rows = all.map((result, index) => {
    const row = element("tr", added && index === all.length - 1 ? "new" : "", "");
    const value = element("td", "number", result.value.toLocaleString("en"));
    value.append(" ", element("span", "unit", result.unit));
    row.append(element("td", "", result.benchmark), element("td", "", result.machine), value,
      element("td", "", result.by));
    return row;
  });
  find("rows").replaceChildren(...rows);
}

/** Tells of an arrow. The list outlives the way to the provider and back; there are no tokens in it. */
export function tell(exchanges, arrow, status, what) {
  const [number, words, way] = ARROWS[exchanges][arrow];
  const lines = kept();
  lines.push({ number, what: what ?? words, way, status: String(status) });
  sessionStorage.setItem(LOG, JSON.stringify(lines.slice(-40)));
  log();
}

export function forgetLog() {
  sessionStorage.removeItem(LOG);
}

export function log() {
  const items = kept().map(({ number, what, way, status }) => {
    const item = document.createElement("li");
    const good = /^(2\d\d|ok|→)$/.test(status);
    item.append(element("span", "number", number), element("span", "what", what),
      element("span", `status ${good ? "good" : "bad"}`, status), element("span", "way", way));
    return item;
  });
  find("log").replaceChildren(...items);
}

function kept() {
  return JSON.parse(sessionStorage.getItem(LOG) ?? "[]");
}
