// A person before a browser without a window: follows links and redirects, keeps cookies, fills forms.

import { fetch } from "./place.mjs";

/** Nobody is sent around more often than this. */
const MAX_REDIRECTS = 20;

export class Person {
  #cookies = new Map();

  /** Goes where a link leads, up to a page, or up to a place that starts with one of `ends`. */
  async visit(link, ends = []) {
    return this.#follow(new URL(link), {}, ends);
  }

  /** Fills the page's form with the given fields, presses a button, and goes where it leads. */
  async submit(page, fields, ends = [], button = undefined) {
    const form = formOf(page, button, Object.keys(fields));
    const body = new URLSearchParams({ ...form.fields, ...fields });
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      origin: page.url.origin,
    };
    return this.#follow(form.action, { method: "POST", headers, body }, ends);
  }

  async #follow(url, options, ends) {
    for (let redirects = 0; redirects < MAX_REDIRECTS; redirects += 1) {
      if (ends.some((end) => url.href.startsWith(end))) return { url };
      const headers = { accept: "text/html", ...options.headers, cookie: this.#sent(url) };
      const response = await fetch(url, { ...options, headers });
      this.#keep(url, response.headers.getSetCookie());
      const text = await response.text();
      const location = response.headers.get("location");
      if (!location) return { url, status: response.status, text };
      url = new URL(location, url);
      options = {};
    }
    throw new Error(`${url} leads in circles`);
  }

  #of(url) {
    if (!this.#cookies.has(url.host)) this.#cookies.set(url.host, new Map());
    return this.#cookies.get(url.host);
  }

  #sent(url) {
    const sent = [...this.#of(url).values()].filter(({ path }) => url.pathname.startsWith(path));
    return sent.map(({ pair }) => pair).join("; ");
  }

  #keep(url, cookies) {
    for (const cookie of cookies) {
      const [pair, ...attributes] = cookie.split(";").map((part) => part.trim());
      const named = Object.fromEntries(attributes.map((attribute) => {
        const [name, value = ""] = attribute.split("=");
        return [name.toLowerCase(), value];
      }));
      const path = named.path ?? "/";
      const key = `${pair.split("=")[0]} ${path}`;
      const gone = named["max-age"] === "0" || new Date(named.expires) <= new Date();
      if (gone) this.#of(url).delete(key);
      else this.#of(url).set(key, { pair, path });
    }
  }
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"' };
const unescaped = (text) => text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi,
  (whole, decimal, hex, name) => name ? ENTITIES[name] ?? whole
    : String.fromCodePoint(decimal ?? Number.parseInt(hex, 16)));

/** The attributes of a tag. */
function attributes(tag) {
  const found = tag.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g);
  return Object.fromEntries([...found].slice(1).map(([, name, ...values]) =>
    [name.toLowerCase(), unescaped(values.find((value) => value !== undefined) ?? "")]));
}

/** The first form that is sent by POST and has the fields and the button. */
function formOf(page, button, names) {
  for (const [whole, tag, inside] of page.text.matchAll(/(<form\b[^>]*>)([^]*?)<\/form>/gi)) {
    const form = attributes(tag);
    const buttons = [...inside.matchAll(/<button\b[^>]*>/gi)].map(([tag]) => attributes(tag));
    const pressed = button ? buttons.find(({ value }) => value === button) : buttons[0];
    const inputs = [...inside.matchAll(/<input\b[^>]*>/gi)].map(([tag]) => attributes(tag));
    const has = (name) => inputs.some((input) => input.name === name);
    if (form.method?.toLowerCase() !== "post" || !names.every(has) || (button && !pressed)) continue;
    const named = [...inputs, pressed ?? {}].filter(({ name, type }) =>
      name && !["submit", "checkbox", "radio"].includes(type));
    const fields = Object.fromEntries(named.map(({ name, value = "" }) => [name, value]));
    if (pressed?.name) fields[pressed.name] = pressed.value ?? "";
    return { action: new URL(form.action || page.url, page.url), fields };
  }
  throw new Error(`no such form at ${page.url}: ${page.text}`);
}
