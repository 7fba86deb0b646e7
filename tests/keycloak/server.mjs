// A Keycloak that the program starts and ends, and the way from it to the hosts of the test bed.

import { spawn } from "node:child_process";
import { mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { check, fetch, world } from "./place.mjs";

export const HOST = "keycloak.example";
const home = process.env.KEYCLOAK_HOME;
const ADMIN = { username: "admin", password: "admin of this run" };
const PATIENCE = 180_000;

/** A proxy that leads to where the test bed's map says: Keycloak knows names and standard ports only. */
class Way {
  isOpen = true;
  #sockets = new Set();

  async open() {
    const places = new Map(world.connect_to.map((entry) => entry.split("=")));
    this.server = http.createServer((_, response) => response.writeHead(405).end());
    this.server.on("connect", (request, client) => {
      const place = this.isOpen && places.get(request.url);
      if (!place) return client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      const [host, port] = place.split(":");
      const there = net.connect(port, host, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        there.pipe(client).pipe(there);
      });
      for (const socket of [there, client]) {
        this.#sockets.add(socket);
        socket.on("error", () => [there, client].forEach((either) => either.destroy()));
        socket.on("close", () => this.#sockets.delete(socket));
      }
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get port() {
    return this.server.address().port;
  }

  /** Nothing gets through, and what was connected is not any more. */
  block() {
    this.isOpen = false;
    this.#sockets.forEach((socket) => socket.destroy());
  }

  close() {
    this.block();
    this.server.close();
  }
}

export class Keycloak {
  /** Starts with these realms alone, and waits until the last of them answers. */
  static async start(realms) {
    const keycloak = new Keycloak();
    keycloak.way = await new Way().open();
    const data = join(home, "data");
    rmSync(data, { recursive: true, force: true });
    mkdirSync(join(data, "import"), { recursive: true });
    for (const realm of realms) {
      writeFileSync(join(data, "import", `${realm.realm}-realm.json`), JSON.stringify(realm));
    }
    const { port, certificate, key } = world.places[HOST];
    const log = openSync(`${home}.log`, "w");
    keycloak.child = spawn(join(home, "bin", "kc.sh"), [
      "start-dev", "--import-realm", "--db=dev-mem", `--hostname=https://${HOST}`,
      "--http-enabled=false", "--http-host=127.0.0.1", `--https-port=${port}`,
      `--https-certificate-file=${certificate}`, `--https-certificate-key-file=${key}`,
      `--truststore-paths=${world.roots}`, "--cache=local", "--log-level=warn",
      "--spi-connections-http-client--default--proxy-mappings="
        + `.*\\.example;http://127.0.0.1:${keycloak.way.port}`,
    ], {
      // A group of its own, which ends with it.
      detached: true, stdio: ["ignore", log, log],
      env: {
        ...process.env, JAVA_OPTS_KC_HEAP: "-Xms64m -Xmx640m",
        KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username, KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      },
    });
    process.on("exit", () => keycloak.#end());
    await keycloak.#answers(`https://${HOST}/realms/${realms.at(-1).realm}/.well-known/openid-configuration`);
    return keycloak;
  }

  async #answers(url) {
    const latest = Date.now() + PATIENCE;
    while (Date.now() < latest && this.child.exitCode === null) {
      const response = await fetch(url).catch(() => undefined);
      if (response?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    check("Keycloak starts", false, `exit code ${this.child.exitCode}`);
  }

  /** Asks the administration of a realm. */
  async admin(method, path, content) {
    const form = { grant_type: "password", client_id: "admin-cli", ...ADMIN };
    const signedIn = await fetch(`https://${HOST}/realms/master/protocol/openid-connect/token`, {
      method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form),
    });
    const { access_token: token } = await signedIn.json();
    const response = await fetch(`https://${HOST}/admin/realms/${path}`, {
      method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: content && JSON.stringify(content),
    });
    check(`  (${method} ${path.split("?")[0]})`, response.ok, response);
    return response.status === 200 ? response.json() : undefined;
  }

  /** Replaces the realm's RSA key that signs. */
  async changeKeys(realm) {
    const providers = await this.admin("GET", `${realm}/components?type=org.keycloak.keys.KeyProvider`);
    await this.admin("POST", `${realm}/components`, {
      name: "the next one", providerId: "rsa-generated", providerType: "org.keycloak.keys.KeyProvider",
      config: { priority: ["200"], enabled: ["true"], active: ["true"], algorithm: ["RS256"] },
    });
    const former = providers.find(({ providerId }) => providerId === "rsa-generated");
    await this.admin("DELETE", `${realm}/components/${former.id}`);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.#end();
    await ended;
  }

  #end() {
    if (this.ended) return;
    this.ended = true;
    this.way.close();
    try {
      process.kill(-this.child.pid);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
}
