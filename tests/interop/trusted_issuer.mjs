// Foreign providers whose tokens Alice's exchanges for its own (flow 000): oidc-provider at two universities.
// People sign in there with openid-client; the API that got their tokens is a client here.
//
//     trusted_issuer.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { setTimeout as sleep } from "node:timers/promises";
import { createLocalJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";
import { IdentityProvider, ourServer, publicClient } from "./identity_provider.mjs";
import { check, fetch, world } from "./place.mjs";

const CALLBACK = "https://dashboard.alice.example/callback";
const RESULTS = "https://results.alice.example";
const OTHER = "https://library.university.example";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE = "urn:ietf:params:oauth:token-type:";
const [JWT, ID_TOKEN, ACCESS_TOKEN] = ["jwt", "id_token", "access_token"].map((name) => TYPE + name);

const bob = {
  name: "Bob Roberts", preferred_username: "bob", groups: ["staff", "choir"],
  email: "bob@university.example", email_verified: true,
};
const options = {
  clients: [publicClient("dashboard", CALLBACK), publicClient("stranger", CALLBACK), ourServer(CALLBACK)],
  people: { bob },
  apis: [RESULTS, OTHER],
};
const university = await new IdentityProvider("idp.university.example", options).start();
const college = await new IdentityProvider("idp.college.example", options).start();

const at = (provider, id) => client.discovery(new URL(provider.issuer), id, {}, client.None(),
  { [client.customFetch]: fetch });
const signIn = async (provider, id, wishes) =>
  provider.signIn(client, await at(provider, id), "bob", CALLBACK, wishes);

const ours = await (await fetch(`${world.sts}/.well-known/openid-configuration`)).json();
const keys = createLocalJWKSet(await (await fetch(ours.jwks_uri)).json());

async function ask(parameters) {
  const secret = `results-api:${world.secrets["results-api"]}`;
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    authorization: `Basic ${Buffer.from(secret).toString("base64")}`,
  };
  const body = new URLSearchParams(parameters);
  const response = await fetch(ours.token_endpoint, { method: "POST", headers, body });
  return [response.status, await response.json()];
}
const exchange = (token, type, wishes = {}) => ask({
  grant_type: EXCHANGE, subject_token: token, subject_token_type: type, audience: RESULTS,
  requested_token_type: ACCESS_TOKEN, ...wishes,
});

/** An exchange that gives a token, which jose verifies. */
async function gives(what, token, type, wishes) {
  const [status, answer] = await exchange(token, type, wishes);
  check(what, status === 200, [status, answer]);
  const { payload } = await jwtVerify(answer.access_token, keys, {
    typ: "at+jwt", issuer: world.sts, audience: RESULTS, requiredClaims: ["exp", "iat", "jti", "sub"],
  });
  return payload;
}

async function refuses(what, token, type, wishes, expected = [400, "invalid_request"]) {
  const [status, answer] = await exchange(token, type, wishes);
  check(`refused: ${what}`, status === expected[0] && answer.error === expected[1]
    && answer.access_token === undefined, [status, answer]);
}

const theirs = await signIn(university, "dashboard", { resource: RESULTS });
const opaque = await signIn(university, "dashboard");
check("one token of the university is a JWT, another is opaque",
  theirs.access_token.split(".").length === 3 && !opaque.access_token.includes("."), theirs);

const first = await gives("its access token gives one of ours", theirs.access_token, JWT);
check("  with the claims and the role that it is believed",
  first.name === bob.name && first.roles?.join() === "curator" && first.groups === undefined, first);
check("  for a person of its own name space", first.sub !== "bob" && first.sub.length > 8, first);
for (const [what, token, type, wishes] of [
  ["the same by Keycloak's subject_issuer", theirs.access_token, ACCESS_TOKEN,
    { subject_issuer: "university" }],
  ["the opaque one, which the university is asked about", opaque.access_token, ACCESS_TOKEN,
    { subject_issuer: "university" }],
  ["the ID token", theirs.id_token, ID_TOKEN, {}],
]) {
  const claims = await gives(what, token, type, wishes);
  check("  gives one of the same person", claims.sub === first.sub, claims);
}

const asked = await signIn(college, "dashboard");
const told = await gives("the college's opaque token, with what its UserInfo says",
  asked.access_token, ACCESS_TOKEN, { subject_issuer: "college" });
check("  about another person, whatever the same name says",
  told.sub !== first.sub && told.name === bob.name, told);

college.userInfoLie = { sub: "alice" };
await refuses("it when UserInfo is about somebody else (F000-8)", asked.access_token, ACCESS_TOKEN,
  { subject_issuer: "college" });
college.userInfoLie = undefined;

const [, kept] = await exchange(theirs.access_token, JWT, { scope: "offline_access" });
const [status, renewed] = await ask({ grant_type: "refresh_token", refresh_token: kept.refresh_token });
check("the API gets a refresh token if it asks for one, and a new token for it",
  status === 200 && renewed.access_token !== kept.access_token, [status, renewed]);

// What the university's word does not cover.

const elsewhere = await signIn(university, "stranger", { resource: OTHER });
await refuses("a token for another API, of another client", elsewhere.access_token, JWT);
await refuses("an ID token of another client", elsewhere.id_token, ID_TOKEN);
await refuses("an opaque token of another client", (await signIn(university, "stranger")).access_token,
  ACCESS_TOKEN, { subject_issuer: "university" });
await gives("but a token that another client got for the API", (await signIn(university, "stranger",
  { resource: RESULTS })).access_token, JWT);
await refuses("an ID token for an access token", theirs.id_token, JWT);
await refuses("an access token for an ID token", theirs.access_token, ID_TOKEN);
await refuses("a token that was changed", `${theirs.access_token.slice(0, -4)}AAAA`, JWT);
await refuses("an opaque token that is said to be a JWT", opaque.access_token, JWT);
await refuses("an issuer that nobody knows", opaque.access_token, ACCESS_TOKEN, { subject_issuer: "school" });
await refuses("the college's word for the university's token", opaque.access_token, ACCESS_TOKEN,
  { subject_issuer: "college" });
await refuses("a JWT under another's name", theirs.access_token, ACCESS_TOKEN, { subject_issuer: "college" });
await refuses("a token of the university as one of ours", theirs.access_token, ACCESS_TOKEN);
await refuses("an audience that the API may not reach", theirs.access_token, JWT,
  { audience: "https://letters.alice.example" }, [400, "invalid_target"]);

await client.tokenRevocation(await at(university, "dashboard"), opaque.access_token);
await refuses("an opaque token that was revoked", opaque.access_token, ACCESS_TOKEN,
  { subject_issuer: "university" });

// Keys change, and providers go away.

await university.changeKeys();
const later = await signIn(university, "dashboard", { resource: RESULTS });
const again = await gives("a token by a new key, which is found", later.access_token, JWT);
check("  is of the same person", again.sub === first.sub, again);
await refuses("a token by a key that is gone", theirs.access_token, JWT);

const unseen = await signIn(college, "dashboard", { resource: RESULTS });
const unasked = await signIn(college, "dashboard");
await college.stop();
await refuses("a token whose keys cannot be had (F000-9)", unseen.id_token, ID_TOKEN, {},
  [503, "temporarily_unavailable"]);
await refuses("an opaque token that nobody can be asked about", unasked.access_token, ACCESS_TOKEN,
  { subject_issuer: "college" }, [503, "temporarily_unavailable"]);
await gives("while the university's are exchanged", later.access_token, JWT);
await college.start();
// Who failed is left alone for five seconds.
const deadline = Date.now() + 15_000;
const isLeftAlone = async () => (await exchange(unasked.access_token, ACCESS_TOKEN,
  { subject_issuer: "college" }))[0] === 503;
while (await isLeftAlone() && Date.now() < deadline) await sleep(500);
await gives("and the college's when it is back", unasked.access_token, ACCESS_TOKEN,
  { subject_issuer: "college" });
await refuses("a token for the API alone, which its UserInfo does not take",
  (await signIn(college, "dashboard", { resource: RESULTS })).access_token, JWT);

await university.stop();
await college.stop();
