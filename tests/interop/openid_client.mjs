// An application on a server, with openid-client: a person signs in, and what the application got is
// used, refreshed, exchanged, asked about, revoked and ended. Then it tries what has to be refused.
//
//     openid_client.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { createHash } from "node:crypto";
import * as client from "openid-client";
import { check, fetch, refused, world } from "./place.mjs";
import { Person } from "./person.mjs";

const CALLBACK = "https://app.alice.example/callback";
const GOODBYE = "https://app.alice.example/goodbye";
const LETTERS = "https://letters.alice.example";
const ARCHIVE = "https://archive.alice.example";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const SCOPE = "openid profile email letters.read";

const issuer = new URL(world.sts);
const options = { [client.customFetch]: fetch };
const { client_key: jwk } = world;
const p256 = { name: "ECDSA", namedCurve: "P-256" };
const ownKey = { key: await crypto.subtle.importKey("jwk", jwk, p256, false, ["sign"]), kid: jwk.kid };

/** The application, as far as the provider can tell by this proof. */
const as = (proof) => client.discovery(issuer, "web-app", {}, proof, options);
const config = await as(client.PrivateKeyJwt(ownKey));
client.enableNonRepudiationChecks(config);
const letters = await client.discovery(issuer, "letters-api", {},
  client.ClientSecretBasic(world.secrets["letters-api"]), options);

const metadata = config.serverMetadata();
check("the provider is found by OpenID Connect Discovery, and speaks PKCE",
  metadata.issuer === world.sts && metadata.supportsPKCE("S256"), metadata);
const oauth = await client.discovery(issuer, "web-app", {}, client.None(),
  { ...options, algorithm: "oauth2" });
check("and by RFC 8414, with the same words",
  JSON.stringify(oauth.serverMetadata()) === JSON.stringify(metadata), oauth.serverMetadata());
await refused("an issuer that is not the document's own", client.discovery(
  new URL(`${world.sts}/`), "web-app", {}, client.None(),
  { ...options, [client.customFetch]: async () => Response.json({ ...metadata, issuer: world.party }) },
), "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED");

/** What begins a sign-in: where the person is sent, and what the application keeps. */
async function begin(wishes = {}) {
  const kept = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
    maxAge: 300,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPE,
    state: kept.expectedState,
    nonce: kept.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(kept.pkceCodeVerifier),
    code_challenge_method: "S256",
    ...wishes,
  });
  return { url, kept };
}

/** A person signs in, allows it, and is sent back. */
async function signIn(person, wishes) {
  const { url, kept } = await begin(wishes);
  let page = await person.visit(url, [CALLBACK]);
  const { username, password } = world;
  if (page.text?.includes('name="password"')) {
    page = await person.submit(page, { username, password }, [CALLBACK]);
  } else if (page.text) {
    page = await person.submit(page, {}, [CALLBACK], "allow");
  }
  return { answer: page.url, kept };
}

const redeem = ({ answer, kept }, changed = {}) =>
  client.authorizationCodeGrant(config, answer, { ...kept, ...changed });

/** An answer of the provider with one parameter changed. */
function changed({ answer, kept }, name, value) {
  const url = new URL(answer);
  url.searchParams.set(name, value);
  return { answer: url, kept };
}

const alice = new Person();
const first = await signIn(alice);
check("a person signs in, and the answer says which provider it is of",
  first.answer.searchParams.get("iss") === world.sts, first.answer.href);
const tokens = await redeem(first);
const claims = tokens.claims();
check("the code gives an ID token that openid-client believes",
  claims.sub === world.subject && claims.email === world.person && claims.email_verified === true
  && claims.amr.includes("pwd") && claims.acr && claims.sid === tokens.session_state, claims);
const half = createHash("sha256").update(tokens.access_token).digest().subarray(0, 16);
check("whose at_hash is that of the access token", claims.at_hash === half.toString("base64url"), claims);
check("no refresh token comes without offline_access", tokens.refresh_token === undefined, tokens.scope);
const person = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
check("UserInfo is about the same person", person.email === world.person, person);
await refused("UserInfo about somebody else",
  client.fetchUserInfo(config, tokens.access_token, "somebody else"),
  "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED");

const silent = await signIn(alice, { prompt: "none" });
check("whoever is signed in and allowed it before is not asked again",
  (await redeem(silent)).claims().sub === claims.sub, silent.answer.href);

// What an application does without the person.

const offline = await redeem(await signIn(alice, { scope: `${SCOPE} offline_access`, prompt: "consent" }));
const renewed = await client.refreshTokenGrant(config, offline.refresh_token);
check("a refresh gives new tokens of the same person",
  renewed.access_token !== offline.access_token && renewed.claims().sub === claims.sub
  && renewed.claims().auth_time === offline.claims().auth_time, renewed);
const narrow = await client.refreshTokenGrant(config, offline.refresh_token, { scope: "openid" });
check("a narrower scope may be asked for", narrow.scope === "openid", narrow.scope);
await refused("a wider one", client.refreshTokenGrant(config, offline.refresh_token,
  { scope: `${SCOPE} claims-provider` }), "invalid_scope");
await refused("a refresh token in the hands of another client",
  client.refreshTokenGrant(letters, offline.refresh_token), "unauthorized_client");

const itself = await client.clientCredentialsGrant(config, { resource: LETTERS, scope: "letters.read" });
check("the application gets a token for itself",
  itself.token_type === "bearer" && itself.refresh_token === undefined, itself);
await refused("one for an API that it has no business with",
  client.clientCredentialsGrant(config, { resource: ARCHIVE }), "invalid_target");
await refused("one with a scope that speaks of a person",
  client.clientCredentialsGrant(config, { resource: LETTERS, scope: "email" }), "invalid_scope");

/** A token of a person for another place. */
const exchange = (who, token, audience, wishes = {}) => client.genericGrantRequest(who, EXCHANGE, {
  subject_token: token, subject_token_type: ACCESS_TOKEN, requested_token_type: ACCESS_TOKEN,
  audience, scope: "letters.read", ...wishes,
});
const asked = (token) => client.tokenIntrospection(letters, token);

const forLetters = await exchange(config, renewed.access_token, LETTERS);
let told = await asked(forLetters.access_token);
check("a token is exchanged for one for an API, which is told of it",
  told.active && told.sub === world.subject && told.client_id === "web-app"
  && told.aud === LETTERS && told.scope === "letters.read" && told.iss === world.sts, told);
told = await asked((await client.clientCredentialsGrant(config, { resource: LETTERS })).access_token);
check("and of one that is nobody's but a client's", told.active && told.sub === "web-app", told);
told = await asked(renewed.access_token);
check("and of none that is not for it", told.active === false && Object.keys(told).length === 1, told);
told = await asked("garbage");
check("which is what it is told of garbage, too", JSON.stringify(told) === '{"active":false}', told);
const forArchive = await exchange(letters, renewed.access_token, ARCHIVE);
const [, payload] = forArchive.access_token.split(".");
const acting = JSON.parse(Buffer.from(payload, "base64url"));
check("an API that exchanges somebody's token acts for them by name",
  acting.sub === world.subject && acting.act.sub === "letters-api" && acting.aud === ARCHIVE, acting);
await refused("an exchange for a target that the client may not reach",
  exchange(config, renewed.access_token, ARCHIVE), "invalid_target");
await refused("an exchange of a token that was changed",
  exchange(config, `${renewed.access_token}x`, LETTERS), "invalid_request");
await refused("an exchange with an actor token that has no type",
  exchange(config, renewed.access_token, LETTERS, { actor_token: "x" }), "invalid_request");

await refused("the revocation of a token of another client",
  client.tokenRevocation(letters, renewed.access_token), "invalid_grant");
check("which did it no harm", (await asked(forLetters.access_token)).active, "");
await client.tokenRevocation(config, renewed.access_token);
told = await asked(forLetters.access_token);
check("what was exchanged out of a revoked token ends with it", !told.active, told);
await refused("and the token itself", client.fetchUserInfo(config, renewed.access_token, claims.sub),
  "invalid_token");
await client.tokenRevocation(config, offline.refresh_token);
await refused("a refresh token that was revoked",
  client.refreshTokenGrant(config, offline.refresh_token), "invalid_grant");
await client.tokenRevocation(config, "no token at all");

// What the client refuses of an answer, and the provider of a request.

await refused("an answer with another state",
  redeem(changed(await signIn(alice), "state", "other")), "OAUTH_INVALID_RESPONSE");
await refused("an answer of another issuer",
  redeem(changed(await signIn(alice), "iss", world.party)), "OAUTH_INVALID_RESPONSE");
await refused("an ID token with another nonce",
  redeem(await signIn(alice), { expectedNonce: "other" }), "OAUTH_JWT_CLAIM_COMPARISON_FAILED");
await refused("a verifier that is not the challenge's",
  redeem(await signIn(alice), { pkceCodeVerifier: client.randomPKCECodeVerifier() }), "invalid_grant");
const elsewhere = await signIn(alice);
elsewhere.answer = new URL(elsewhere.answer.href.replace("/callback", "/other"));
await refused("a code with another redirect URI", redeem(elsewhere), "invalid_grant");
await refused("a code that is no code", redeem(changed(await signIn(alice), "code", "other")), "invalid_grant");

const twice = await signIn(alice);
const once = await redeem(twice);
await client.fetchUserInfo(config, once.access_token, claims.sub);
await refused("a code that is shown again", redeem(twice), "invalid_grant");
await refused("and what it gave before",
  client.fetchUserInfo(config, once.access_token, claims.sub), "invalid_token");

const { url: nowhere } = await begin({ redirect_uri: "https://app.alice.example/callback/" });
const page = await alice.visit(nowhere, ["https://app.alice.example/"]);
check("nobody is sent to a redirect URI that is not registered",
  page.status === 400 && page.url.host === issuer.host, page);
await refused("a request without PKCE", redeem(await signIn(alice,
  { code_challenge: "", code_challenge_method: "" })), "invalid_request");
const { url, kept } = await begin({ prompt: "consent" });
const denied = await alice.submit(await alice.visit(url), {}, [CALLBACK], "deny");
await refused("what the person does not allow", redeem({ answer: denied.url, kept }), "access_denied");

// The client's own proof.

const stranger = await crypto.subtle.generateKey(p256, false, ["sign"]);
await refused("a client assertion by another key", client.clientCredentialsGrant(
  await as(client.PrivateKeyJwt({ key: stranger.privateKey, kid: jwk.kid }))), "invalid_client");
const assertion = (change) => as(client.PrivateKeyJwt(ownKey, {
  [client.modifyAssertion]: (_, payload) => Object.assign(payload, change),
}));
const repeating = await assertion({ jti: "the same" });
await client.clientCredentialsGrant(repeating);
await refused("a client assertion that is shown again",
  client.clientCredentialsGrant(repeating), "invalid_client");
await refused("a client assertion for the token endpoint", client.clientCredentialsGrant(
  await assertion({ aud: metadata.token_endpoint })), "invalid_client");
await refused("a client without its proof",
  client.clientCredentialsGrant(await as(client.None())), "invalid_client");

// Signing out.

const last = await redeem(await signIn(alice));
const out = (wishes) => client.buildEndSessionUrl(config, { id_token_hint: last.id_token, ...wishes });
const stays = await new Person().visit(out({ post_logout_redirect_uri: `${GOODBYE}/` }), [GOODBYE]);
check("nobody is sent to an unknown place after signing out", stays.url.host === issuer.host, stays);
const goodbye = await alice.visit(out({ post_logout_redirect_uri: GOODBYE, state: "s" }), [GOODBYE]);
check("an application signs its person out, and gets the person back",
  goodbye.url.href === `${GOODBYE}?state=s`, goodbye.url.href);
await refused("a token of the session that ended",
  client.fetchUserInfo(config, last.access_token, claims.sub), "invalid_token");
await refused("silent sign-in, since nobody is there any more",
  redeem(await signIn(alice, { prompt: "none" })), "login_required");
