// Applications on a person's own device, and an API, with oauth4webapi: refresh tokens that change with
// each use, tokens that are bound to a key (RFC 9449), and an API that judges both (RFC 9068).
//
//     oauth4webapi.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import * as oauth from "oauth4webapi";
import { check, fetch, refused, world } from "./place.mjs";
import { Person } from "./person.mjs";

const CALLBACK = "http://127.0.0.1:50001/callback";
const LETTERS = "https://letters.alice.example";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

const options = { [oauth.customFetch]: fetch };
const issuer = new URL(world.sts);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
const native = { client_id: "native-app", id_token_signed_response_alg: "ES256" };
const bound = { client_id: "bound-app" };
const discreet = { client_id: "discreet-app" };
const alice = new Person();

const ownKey = await oauth.generateKeyPair("ES256");
/** A proof of the key with each request, with its claims changed or not. */
const prove = (keys = ownKey, change = () => {}) => oauth.DPoP(bound, keys,
  { [oauth.modifyAssertion]: (_, payload) => change(payload) });
const thiefsKey = await oauth.generateKeyPair("ES256");

/** A person signs in. What the application keeps comes with the answer. */
async function signIn(client, scope, wishes = {}) {
  const [verifier, state, nonce] = [oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code", client_id: client.client_id, redirect_uri: CALLBACK, scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    ...wishes,
  });
  let page = await alice.visit(url, [CALLBACK]);
  if (page.text?.includes('name="password"')) {
    const { username, password } = world;
    page = await alice.submit(page, { username, password }, [CALLBACK]);
  } else if (page.text) {
    page = await alice.submit(page, {}, [CALLBACK], "allow");
  }
  return { client, verifier, nonce, parameters: oauth.validateAuthResponse(as, client, page.url, state) };
}

async function redeem({ client, verifier, nonce, parameters }, DPoP, callback = CALLBACK) {
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, oauth.None(), parameters, callback, verifier, { ...options, DPoP });
  const tokens = await oauth.processAuthorizationCodeResponse(
    as, client, response, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, response, options);
  return tokens;
}

async function refresh(client, token, DPoP) {
  const response = await oauth.refreshTokenGrantRequest(
    as, client, oauth.None(), token, { ...options, DPoP });
  return oauth.processRefreshTokenResponse(as, client, response);
}

async function userInfo(client, token, DPoP) {
  const response = await oauth.userInfoRequest(as, client, token, { ...options, DPoP });
  return oauth.processUserInfoResponse(as, client, world.subject, response);
}

// A refresh token is good once.

const tokens = await redeem(await signIn(native, "openid offline_access"));
check("a person signs in on her own device; the ID token's ES256 is the application's choice",
  oauth.getValidatedIdTokenClaims(tokens).sub === world.subject, tokens);
const second = await refresh(native, tokens.refresh_token);
const third = await refresh(native, second.refresh_token);
check("a refresh token changes with each use",
  new Set([tokens, second, third].map((it) => it.refresh_token)).size === 3, third);
check("the access token opens UserInfo",
  (await userInfo(native, third.access_token)).sub === world.subject, third);
await refused("a refresh token that was used", refresh(native, tokens.refresh_token), "invalid_grant");
await refused("and its successor from then on", refresh(native, third.refresh_token), "invalid_grant");
await refused("and the access tokens", userInfo(native, third.access_token),
  "invalid_token");
await refused("a code with another redirect URI than it was sent to",
  redeem(await signIn(native, "openid"), undefined, "http://127.0.0.1:50002/callback"), "invalid_grant");
const code = await signIn(native, "openid");
await refused("a code in the hands of another client", redeem({ ...code, client: bound }, prove()), "invalid_grant");
check("which does not keep its own client from it", (await redeem(code)).id_token, "");

// Tokens that are bound to a key.

const jkt = await oauth.DPoP(bound, ownKey).calculateThumbprint();

const SCOPE = "openid offline_access letters.read";
const theirs = await redeem(await signIn(bound, SCOPE, { dpop_jkt: jkt }), prove());
check("a code that is bound to a key gives tokens that are",
  theirs.token_type === "dpop" && theirs.refresh_token, theirs);
const another = await signIn(bound, SCOPE, { dpop_jkt: jkt });
await refused("such a code with another key", redeem(another, prove(thiefsKey)), "invalid_grant");
await refused("a code without any, where the client is bound to have one",
  redeem(await signIn(bound, SCOPE)), "invalid_dpop_proof");
const rotated = await refresh(bound, theirs.refresh_token, prove());
check("a bound refresh token changes, too",
  rotated.token_type === "dpop" && rotated.refresh_token !== theirs.refresh_token, rotated);
const again = await refresh(bound, theirs.refresh_token, prove());
check("whoever has the key and lost the answer is given it once more",
  again.refresh_token === rotated.refresh_token, again.token_type);
await refused("a bound refresh token with another key",
  refresh(bound, rotated.refresh_token, prove(thiefsKey)), "invalid_grant");
await refused("a bound refresh token without any",
  refresh(bound, rotated.refresh_token), "invalid_dpop_proof");
for (const [what, change] of [
  ["another method", (claims) => Object.assign(claims, { htm: "GET" })],
  ["another URL", (claims) => Object.assign(claims, { htu: as.revocation_endpoint })],
  ["an old moment", (claims) => Object.assign(claims, { iat: claims.iat - 3600 })],
]) {
  await refused(`a proof for ${what}`,
    refresh(bound, rotated.refresh_token, prove(ownKey, change)), "invalid_dpop_proof");
}
const same = (claims) => Object.assign(claims, { jti: "the same" });
const last = await refresh(bound, rotated.refresh_token, prove(ownKey, same));
await refused("a proof that is shown again",
  refresh(bound, last.refresh_token, prove(ownKey, same)), "invalid_dpop_proof");

check("UserInfo takes the token with its proof",
  (await userInfo(bound, last.access_token, prove())).sub === world.subject, last);
await refused("the token as a bearer's", userInfo(bound, last.access_token),
  "invalid_token");
await refused("the token with another key's proof",
  userInfo(bound, last.access_token, prove(thiefsKey)), "invalid_token");

// An API judges what is shown to it.

const response = await oauth.genericTokenEndpointRequest(as, bound, oauth.None(), EXCHANGE, {
  subject_token: last.access_token, subject_token_type: ACCESS_TOKEN,
  requested_token_type: ACCESS_TOKEN, audience: LETTERS, scope: "letters.read",
}, { ...options, DPoP: prove() });
const forLetters = await oauth.processGenericTokenEndpointResponse(as, bound, response);
check("an exchanged token is bound to the key as well", forLetters.token_type === "dpop", forLetters);

/** The request that the API would receive, made by the library and not sent. */
async function shown(token, DPoP) {
  let received;
  const keep = async (url, { headers, method }) => {
    received = new Request(url, { headers, method });
    return new Response();
  };
  await oauth.protectedResourceRequest(token, "GET", new URL(`${LETTERS}/letters`), new Headers(), null,
    { [oauth.customFetch]: keep, DPoP });
  return received;
}
const judge = async (token, DPoP, audience = LETTERS, wishes = {}) =>
  oauth.validateJwtAccessToken(as, await shown(token, DPoP), audience, { ...options, ...wishes });

const judged = await judge(forLetters.access_token, prove(), LETTERS, { requireDPoP: true });
check("an API takes it by RFC 9068 and RFC 9449",
  judged.sub === world.subject && judged.client_id === "bound-app" && judged.cnf.jkt === jkt
  && judged.scope === "letters.read", judged);
await refused("it without a proof", judge(forLetters.access_token), "OAUTH_INVALID_RESPONSE");
await refused("it with another key's proof", judge(forLetters.access_token, prove(thiefsKey)),
  "OAUTH_JWT_CLAIM_COMPARISON_FAILED");
await refused("it at another API", judge(forLetters.access_token, prove(), `${LETTERS}/other`),
  "OAUTH_JWT_CLAIM_COMPARISON_FAILED");
const plain = await redeem(await signIn(native, "openid"));
await refused("an ID token for an access token", judge(plain.id_token, undefined, native.client_id),
  "OAUTH_INVALID_RESPONSE");
check("the provider's own access token is for the provider",
  (await judge(plain.access_token, undefined, world.sts)).sub === world.subject, "");

// Tokens that say nothing: an API has to ask.

const opaque = await redeem(await signIn(discreet, SCOPE), prove());
check("an opaque token is no JWT, and bound to the key as well",
  !opaque.access_token.includes(".") && opaque.token_type === "dpop", opaque);
await refused("it at an API that reads RFC 9068 alone", judge(opaque.access_token, prove()),
  "OAUTH_INVALID_RESPONSE");
async function told(token) {
  const api = { client_id: "letters-api" };
  const secret = oauth.ClientSecretBasic(world.secrets["letters-api"]);
  const response = await oauth.introspectionRequest(as, api, secret, token, options);
  return oauth.processIntrospectionResponse(as, api, response);
}
const answer = await told(opaque.access_token);
check("an API that asks is told whose it is, and by which key",
  answer.active && answer.sub === world.subject && answer.client_id === "discreet-app"
  && answer.aud.includes(LETTERS) && answer.cnf.jkt === jkt && answer.scope.includes("letters.read"), answer);
check("UserInfo takes it with its proof",
  (await userInfo(discreet, opaque.access_token, prove())).sub === world.subject, "");
await refused("the opaque token as a bearer's", userInfo(discreet, opaque.access_token), "invalid_token");
const next = await refresh(discreet, opaque.refresh_token, prove());
await oauth.processRevocationResponse(
  await oauth.revocationRequest(as, discreet, oauth.None(), next.refresh_token, options));
check("a grant that is revoked ends its opaque tokens",
  !(await told(opaque.access_token)).active && !(await told(next.access_token)).active, "");
await refused("at UserInfo, too", userInfo(discreet, next.access_token, prove()), "invalid_token");
