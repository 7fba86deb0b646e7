// A foreign identity provider that runs in the program which needs it: oidc-provider, with people, clients,
// and one page. It can change its keys, go away and come back, and lie.

import { randomUUID } from "node:crypto";
import { SignJWT, decodeJwt, exportJWK, generateKeyPair, importJWK } from "jose";
import { Provider } from "oidc-provider";
import { fetch, listen, world } from "./place.mjs";
import { Person } from "./person.mjs";

const PAGE = `<!doctype html><title>Sign in</title><form method="post">
<input name="username"><input name="password" type="password">
<button name="decision" value="allow">Sign in and allow</button>
<button name="decision" value="deny">Cancel</button></form>`;

const newKeys = () => Promise.all(["ES256", "RS256"].map(async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg, use: "sig" };
}));

export class IdentityProvider {
  #server;
  #keys;
  /** What it says when it lies: an ID token made of the claims of the true one, and members of UserInfo. */
  idTokenLie;
  userInfoLie;

  /** `people` are their claims by the name that they sign in with, which is their password, too. */
  constructor(host, { clients, people, apis = [] }) {
    Object.assign(this, { host, issuer: `https://${host}`, clients, people, apis });
  }

  /** Serves with the keys that it had, or with the first ones. */
  async start() {
    if (!this.provider) await this.changeKeys();
    this.#server = await listen(this.host, (request, response) => {
      const handler = request.url.startsWith("/interaction/") ? this.#page : this.provider.callback();
      Promise.resolve(handler.call(this, request, response)).catch((error) => {
        console.error(error);
        response.destroy();
      });
    });
    return this;
  }

  stop() {
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** Signs with new keys, and publishes them alone. What it remembers stays. */
  async changeKeys() {
    this.#keys = await newKeys();
    this.provider = new Provider(this.issuer, this.#configuration(this.#keys));
    this.provider.on("server_error", (_, error) => console.error(error));
    this.provider.use(async (context, next) => {
      await next();
      const { body, oidc } = context;
      if (this.idTokenLie && oidc?.route === "token" && body.id_token) {
        body.id_token = await this.idTokenLie(decodeJwt(body.id_token));
      }
      if (this.userInfoLie && oidc?.route === "userinfo") Object.assign(body, this.userInfoLie);
    });
  }

  /** An ID token with these claims, signed by the provider or by another key of the same name. */
  async signed(claims, by) {
    const { kid, ...jwk } = this.#keys.find(({ alg }) => alg === "RS256");
    const key = by ?? await importJWK(jwk, "RS256");
    return new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(key);
  }

  async #page(request, response) {
    if (request.method !== "POST") {
      response.writeHead(200, { "content-type": "text/html" });
      return response.end(PAGE);
    }
    const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
    const username = form.get("username");
    if (form.get("decision") === "deny") {
      return this.provider.interactionFinished(request, response, { error: "access_denied" });
    }
    if (!this.people[username] || form.get("password") !== username) {
      response.writeHead(403);
      return response.end();
    }
    return this.provider.interactionFinished(request, response, { login: { accountId: username } });
  }

  #configuration(keys) {
    const { people, apis } = this;
    return {
      fetch,
      jwks: { keys },
      clients: this.clients,
      cookies: { keys: ["a key of this run"] },
      claims: {
        openid: ["sub"], profile: ["name", "preferred_username", "groups"],
        email: ["email", "email_verified"],
      },
      ttl: { AccessToken: 300, Grant: 3600, IdToken: 300, Interaction: 300, Session: 3600 },
      // ID tokens carry the person's claims, as those of other providers do.
      conformIdTokenClaims: false,
      findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
      extraTokenClaims: (_, token) => people[token.accountId],
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      // The person agrees to whatever a client asks for.
      async loadExistingGrant({ oidc }) {
        const { clientId } = oidc.client;
        const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
        grant.addOIDCScope("openid profile email");
        for (const api of apis) grant.addResourceScope(api, "read");
        await grant.save();
        return grant;
      },
      features: {
        devInteractions: { enabled: false },
        introspection: { enabled: true, allowedPolicy: (_, client) => client.clientAuthMethod !== "none" },
        revocation: { enabled: true, allowedPolicy: (_, { clientId }, token) => token.clientId === clientId },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: (_, resource) => ({
            scope: "read", audience: resource, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } },
          }),
        },
      },
    };
  }

  /** Signs somebody in with a client of openid-client; gives what the token endpoint gave. */
  async signIn(client, config, username, callback, wishes = {}) {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: callback, scope: "openid profile email",
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256", ...wishes,
    });
    const person = new Person();
    const page = await person.visit(url);
    const { url: answer } = await person.submit(page, { username, password: username }, [callback], "allow");
    return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, idTokenExpected: true });
  }
}

/** A client that anybody may be, and the provider of this project, which keeps a secret. */
export const publicClient = (id, callback) => ({
  client_id: id, token_endpoint_auth_method: "none", redirect_uris: [callback],
});
export const ourServer = (callback) => ({
  client_id: "sts.alice.example", client_secret: world.secrets["sts.alice.example"],
  redirect_uris: [callback],
});
