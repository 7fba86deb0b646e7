// The two realms of the Keycloak: a university, whose tokens and people Alice's provider takes, and a
// company, whose people may sign in at Alice's provider.

import { world } from "./place.mjs";

const SIGN_IN = ["https://dashboard.alice.example/callback"];

/** What an application without a secret is registered as. */
const application = (clientId, mappers = []) => ({
  clientId, publicClient: true, redirectUris: SIGN_IN, standardFlowEnabled: true,
  attributes: { "pkce.code.challenge.method": "S256" }, protocolMappers: mappers,
});

const audience = (name) => ({
  name: `for ${name}`, protocol: "openid-connect", protocolMapper: "oidc-audience-mapper",
  config: { "included.custom.audience": name, "access.token.claim": "true" },
});

const bob = {
  username: "bob", enabled: true, firstName: "Bob", lastName: "Roberts",
  email: "bob@university.example", emailVerified: true,
  credentials: [{ type: "password", value: "bob", temporary: false }],
};

export const university = {
  realm: "university", enabled: true, sslRequired: "all",
  roles: { realm: [{ name: "member" }], client: { results: [{ name: "staff" }] } },
  clients: [
    application("dashboard", [audience("https://results.alice.example")]),
    application("stranger"),
    { clientId: "results", bearerOnly: true },
    {
      // Alice's provider, which asks about tokens and signs people in.
      clientId: "sts.alice.example", secret: world.secrets["sts.alice.example"],
      redirectUris: [`${world.sts}/*`], standardFlowEnabled: true,
    },
  ],
  users: [{ ...bob, realmRoles: ["member"], clientRoles: { results: ["staff"] } }],
};

export const company = {
  realm: "company", enabled: true, sslRequired: "all",
  clients: [application("dashboard")],
  identityProviders: [{
    alias: "alice", providerId: "oidc", enabled: true, trustEmail: true,
    config: {
      issuer: world.sts, authorizationUrl: `${world.sts}/authorize`, tokenUrl: `${world.sts}/token`,
      userInfoUrl: `${world.sts}/userinfo`, jwksUrl: `${world.sts}/jwks`, useJwksUrl: "true",
      validateSignature: "true", clientId: "keycloak", clientAuthMethod: "client_secret_basic",
      clientSecret: world.secrets.keycloak, defaultScope: "openid profile email",
      pkceEnabled: "true", pkceMethod: "S256", isAccessTokenJWT: "true",
    },
  }],
};
