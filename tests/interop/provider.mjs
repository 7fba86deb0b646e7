// A foreign provider: oidc-provider, with access tokens of two kinds and one sign-in form. It knows no
// client; whoever comes is known by a client ID metadata document.
//
//     provider.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { generateKeyPair, exportJWK } from "jose";
import { Provider } from "oidc-provider";
import { fetch, listen, world } from "./place.mjs";

const HOST = "op.carol.example";
const PERSON = "carol";
const PASSWORD = "carol's password";

const keys = await Promise.all(["ES256", "RS256"].map(async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: "sig" };
}));

const provider = new Provider(`https://${HOST}`, {
  fetch,
  jwks: { keys },
  cookies: { keys: ["a key of this run"] },
  clientAuthMethods: ["private_key_jwt"],
  scopes: ["openid", "letters.read", "letters.write"],
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  // The person agrees to whatever a client asks for.
  async loadExistingGrant({ oidc }) {
    const { clientId } = oidc.client;
    const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope("openid letters.read");
    grant.addResourceScope(world.apis.jwt, "letters.read");
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    clientIdMetadataDocument: { enabled: true, ack: "draft-02" },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => world.apis.jwt,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: "letters.read letters.write",
        audience: resource,
        accessTokenFormat: resource === world.apis.jwt ? "jwt" : "opaque",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
// Any error here is one that the other side sees as well.
provider.on("server_error", (_, error) => console.error(error));
for (const event of ["grant.error", "authorization.error", "introspection.error"]) {
  provider.on(event, (_, error) => console.error(event, error.message, error.error_detail));
}

const callback = provider.callback();
const FORM = `<!doctype html><title>Sign in</title><form method="post">
<input name="username"><input name="password" type="password"><button>Sign in</button></form>`;

async function interaction(request, response) {
  if (request.method !== "POST") {
    response.writeHead(200, { "content-type": "text/html" });
    return response.end(FORM);
  }
  const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
  if (form.get("username") !== PERSON || form.get("password") !== PASSWORD) {
    response.writeHead(403);
    return response.end();
  }
  const result = { login: { accountId: PERSON } };
  return provider.interactionFinished(request, response, result);
}

await listen(HOST, (request, response) => {
  const handler = request.url.startsWith("/interaction/") ? interaction : callback;
  Promise.resolve(handler(request, response)).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
console.log("listening");
