// A Keycloak beside Alice's provider: its tokens are exchanged there (flow 000), and its people sign in
// through Alice's provider, which is an identity provider of one of its realms.
//
//     keycloak.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { createLocalJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";
import { check, fetch, refused, world } from "./place.mjs";
import { Person } from "./person.mjs";
import { company, university } from "./realms.mjs";
import { HOST, Keycloak } from "./server.mjs";

const CALLBACK = "https://dashboard.alice.example/callback";
const RESULTS = "https://results.alice.example";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const TYPE = "urn:ietf:params:oauth:token-type:";
const [JWT, ID_TOKEN, ACCESS_TOKEN] = ["jwt", "id_token", "access_token"].map((name) => TYPE + name);

const keycloak = await Keycloak.start([university, company]);
const at = (realm, id) => client.discovery(new URL(`https://${HOST}/realms/${realm}`), id, {},
  client.None(), { [client.customFetch]: fetch });

/** Begins a sign-in at a realm. */
async function begin(realm, id, wishes = {}) {
  const config = await at(realm, id);
  client.enableNonRepudiationChecks(config);
  const kept = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(),
    expectedNonce: client.randomNonce(), idTokenExpected: true };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope: "openid profile email", state: kept.expectedState,
    nonce: kept.expectedNonce, code_challenge_method: "S256",
    code_challenge: await client.calculatePKCECodeChallenge(kept.pkceCodeVerifier), ...wishes,
  });
  return { url, redeem: (answer) => client.authorizationCodeGrant(config, answer.url, kept) };
}

async function signIn(id) {
  const { url, redeem } = await begin("university", id);
  const person = new Person();
  const page = await person.visit(url);
  return redeem(await person.submit(page, { username: "bob", password: "bob" }, [CALLBACK]));
}

const ours = await (await fetch(`${world.sts}/.well-known/openid-configuration`)).json();
const keys = createLocalJWKSet(await (await fetch(ours.jwks_uri)).json());

async function exchange(token, type, wishes = {}) {
  const secret = `results-api:${world.secrets["results-api"]}`;
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    authorization: `Basic ${Buffer.from(secret).toString("base64")}`,
  };
  const body = new URLSearchParams({
    grant_type: EXCHANGE, subject_token: token, subject_token_type: type, audience: RESULTS,
    requested_token_type: ACCESS_TOKEN, ...wishes,
  });
  const response = await fetch(ours.token_endpoint, { method: "POST", headers, body });
  return [response.status, await response.json()];
}

async function gives(what, token, type, wishes) {
  const [status, answer] = await exchange(token, type, wishes);
  check(what, status === 200, [status, answer]);
  return (await jwtVerify(answer.access_token, keys, {
    typ: "at+jwt", issuer: world.sts, audience: RESULTS, requiredClaims: ["sub", "jti"],
  })).payload;
}

async function refuses(what, token, type, wishes, expected = [400, "invalid_request"]) {
  const [status, answer] = await exchange(token, type, wishes);
  check(`refused: ${what}`, status === expected[0] && answer.error === expected[1], [status, answer]);
}

console.log("-- Keycloak's tokens are exchanged (flow 000)");
const theirs = await signIn("dashboard");
const first = await gives("its access token gives one of ours", theirs.access_token, JWT);
check("  with the realm's role and the client's, by our names, and what UserInfo says",
  first.roles?.toSorted().join() === "curator,reader" && first.name === "Bob Roberts", first);
const same = await gives("the same by subject_issuer", theirs.access_token, ACCESS_TOKEN,
  { subject_issuer: "keycloak" });
const byIdToken = await gives("the ID token", theirs.id_token, ID_TOKEN);
check("  give tokens of the same person", first.sub === same.sub && first.sub === byIdToken.sub, byIdToken);
await refuses("its refresh token", theirs.refresh_token, JWT);
await refuses("its ID token for an access token", theirs.id_token, JWT);
await refuses("its access token for an ID token", theirs.access_token, ID_TOKEN);
await refuses("a token that was changed", `${theirs.access_token.slice(0, -4)}AAAA`, JWT);
const strangers = await signIn("stranger");
await refuses("a token of a client that is not named", strangers.access_token, JWT);
await refuses("an ID token of a client that is not named", strangers.id_token, ID_TOKEN);
const ending = await signIn("dashboard");
await client.tokenRevocation(await at("university", "dashboard"), ending.refresh_token);
await refuses("a token of a session that ended, which UserInfo does not take", ending.access_token, JWT);
await keycloak.changeKeys("university");
const later = await gives("a token by a new key, which is found", (await signIn("dashboard")).access_token, JWT);
check("  is of the same person", later.sub === first.sub, later);
await refuses("a token by a key that is gone", theirs.access_token, JWT);

console.log("-- Alice's provider is an identity provider of a Keycloak");
const alice = new Person();
const { username, password } = world;

/** Goes from the company's realm to Alice's provider, and does something there. */
async function through(person, fields, button, ends = [CALLBACK]) {
  const { url, redeem } = await begin("company", "dashboard", { kc_idp_hint: "alice" });
  const page = await person.visit(url, ends);
  if (page.text === undefined || page.url.host === HOST) return { page, redeem };
  check("Keycloak sends people to Alice's provider", page.url.origin === world.sts, page);
  return { page: await person.submit(page, fields, ends, button), redeem };
}

async function silently(person) {
  const { url, redeem } = await begin("company", "dashboard", { prompt: "none" });
  return redeem(await person.visit(url, [CALLBACK]));
}

let { page, redeem } = await through(alice, { username, password });
if (page.text?.includes("firstName")) {
  page = await alice.submit(page, { firstName: "Alice", lastName: "Liddell" }, [CALLBACK]);
}
const imported = await redeem(page);
check("the first sign-in makes an account there",
  imported.claims().email === world.person, imported.claims());
const [link] = await keycloak.admin("GET", `company/users/${imported.claims().sub}/federated-identity`);
check("which is linked to the account here", link.userId === world.subject, link);
const another = new Person();
({ page, redeem } = await through(another, { username, password }));
check("another sign-in finds it again", (await redeem(page)).claims().sub === imported.claims().sub, page);
const nobody = new Person();
({ page } = await through(nobody, {}, "deny"));
check("whoever says no here stays at Keycloak", page.url.host === HOST, page);
await refused("silent sign-in there, since nobody is signed in", silently(nobody), "login_required");
const late = new Person();
keycloak.way.block();
({ page } = await through(late, { username, password }));
check("a code that Keycloak cannot redeem signs nobody in", page.url.host === HOST && page.status >= 400, page);
await refused("silent sign-in after that", silently(late), "login_required");
keycloak.way.isOpen = true;

console.log("-- Keycloak is where people of Alice's provider sign in (flow 001)");
const web = await client.discovery(new URL(world.sts), "python-app", {},
  client.ClientSecretBasic(world.secrets["python-app"]), { [client.customFetch]: fetch });
client.enableNonRepudiationChecks(web);
const APPLICATION = "https://app.alice.example/python";

/** Has a person sign in to Alice's provider through Keycloak, up to the application. */
async function here(person, wishes = {}, ends = [APPLICATION]) {
  const kept = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedNonce: client.randomNonce(),
    idTokenExpected: true };
  const url = client.buildAuthorizationUrl(web, {
    redirect_uri: APPLICATION, scope: "openid profile email", nonce: kept.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(kept.pkceCodeVerifier),
    code_challenge_method: "S256", ...wishes,
  });
  const redeem = (page) => client.authorizationCodeGrant(web, page.url, kept);
  const chosen = await person.visit(url, [APPLICATION]);
  if (chosen.text === undefined) return { page: chosen, redeem };
  const there = await person.submit(chosen, {}, [APPLICATION], "keycloak");
  if (there.url.host !== HOST) return { page: there, redeem };
  const bob = { username: "bob", password: "bob" };
  return { page: await person.submit(there, bob, ends), redeem };
}
const bob = new Person();
({ page, redeem } = await here(bob));
const ofOurs = (await redeem(page)).claims();
check("the first sign-in makes an account here",
  ofOurs.iss === world.sts && ofOurs.email === "bob@university.example" && ofOurs.name === "Bob Roberts", ofOurs);
({ page, redeem } = await here(new Person()));
check("another finds it again", (await redeem(page)).claims().sub === ofOurs.sub, page);
({ page, redeem } = await here(bob, { prompt: "none" }));
check("and the session is one of Alice's provider", (await redeem(page)).claims().sub === ofOurs.sub, page);

console.log("-- Keycloak ends");
const unasked = await signIn("dashboard");
const last = new Person();
const { page: answer } = await here(last, {}, [`${world.sts}/login/callback/`]);
await keycloak.stop();
await refuses("a token that UserInfo cannot be asked about (F000-9)", unasked.access_token, JWT, {},
  [503, "temporarily_unavailable"]);
page = await last.visit(answer.url, [APPLICATION]);
check("a code that it does not redeem any more signs nobody in here, and the page says so",
  page.url.origin === world.sts && page.status >= 400 && page.text.includes('role="alert"'), page);
({ page, redeem } = await here(last, { prompt: "none" }));
await refused("silent sign-in after that", redeem(page), "login_required");
process.exit(0);
