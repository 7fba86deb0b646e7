// What every foreign party in JavaScript does: reads where everybody is, listens at its own host, and
// sends requests to where the test bed's map says, with TLS that checks the name.

import { readFileSync } from "node:fs";
import https from "node:https";

export const world = JSON.parse(readFileSync(process.argv[2], "utf8"));
const places = new Map(world.connect_to.map((entry) => entry.split("=")));
const ca = readFileSync(world.roots);

/** Like the global fetch, as far as it is needed here. Redirects are not followed. */
export function fetch(target, options = {}) {
  const url = new URL(target);
  const [host, port] = places.get(`${url.hostname}:${url.port || 443}`).split(":");
  const headers = { ...Object.fromEntries(new Headers(options.headers)), host: url.host };
  const { promise, resolve, reject } = Promise.withResolvers();
  const body = options.body instanceof Uint8Array ? options.body : options.body?.toString();
  const request = https.request({
    host, port, ca, servername: url.hostname, agent: false, timeout: 20_000,
    method: options.method ?? "GET", path: url.pathname + url.search, headers,
  }, async (response) => {
    const content = Buffer.concat(await response.toArray());
    const { statusCode: status, rawHeaders: raw } = response;
    const headers = new Headers();
    for (let at = 0; at < raw.length; at += 2) headers.append(raw[at], raw[at + 1]);
    resolve(new Response(content.length ? content : null, { status, headers }));
  });
  request.on("timeout", () => request.destroy(new Error(`${target} does not answer`)));
  request.on("error", reject);
  request.end(body);
  return promise;
}

/** Serves at a host whose place the test bed keeps for this party. */
export function listen(name, handler) {
  const { port, certificate, key } = world.places[name];
  const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
  const server = https.createServer(tls, handler);
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

/** Says what holds, or ends the program. */
export function check(what, holds, found) {
  console.log(`${holds ? "ok " : "NO "} ${what}`);
  if (!holds) {
    console.log(found);
    process.exit(1);
  }
}

/** Says that something is refused with this code, by the other side or by the client itself. */
export async function refused(what, attempt, expected) {
  let answer;
  try {
    answer = await attempt;
  } catch (error) {
    return check(`refused: ${what}`, await codeOf(error) === expected, error);
  }
  check(`refused: ${what}`, false, answer);
}

/** The error code of an answer: in its challenge (RFC 6750), or in its body (RFC 6749); or the library's own. */
async function codeOf(error) {
  if (error.code !== "OAUTH_WWW_AUTHENTICATE_CHALLENGE") {
    return error.error ?? error.cause?.code ?? error.code;
  }
  const [{ parameters }] = error.cause;
  return parameters.error ?? (await error.response.json()).error;
}
