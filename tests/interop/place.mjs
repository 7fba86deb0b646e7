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
  const request = https.request({
    host, port, ca, servername: url.hostname, agent: false, timeout: 20_000,
    method: options.method ?? "GET", path: url.pathname + url.search, headers,
  }, async (response) => {
    const body = Buffer.concat(await response.toArray());
    const { statusCode: status, headers } = response;
    resolve(new Response(body.length ? body : null, { status, headers: new Headers(headers) }));
  });
  request.on("timeout", () => request.destroy(new Error(`${target} does not answer`)));
  request.on("error", reject);
  request.end(options.body?.toString());
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
