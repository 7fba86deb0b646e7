// A service that acts for a person at a relying party, with jose: what service.py does in Python, with a
// key of another kind.
//
//     service.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { createHash, randomUUID } from "node:crypto";
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { check, fetch, listen, world } from "./place.mjs";

const HOST = "node.services.example";
const CLIENT = `https://${HOST}/client`;
const JWT = "urn:ietf:params:oauth:token-type:jwt";
const ALG = "Ed25519";

const { privateKey, publicKey } = await generateKeyPair(ALG);
const jwk = { ...(await exportJWK(publicKey)), kid: "1", alg: ALG, use: "sig" };
const document = JSON.stringify({
  client_id: CLIENT, token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] },
  grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"],
});
const server = await listen(HOST, (request, response) => {
  const found = request.url === "/client";
  response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
  response.end(found ? document : "");
});

function sign(typ, audience, claims = {}) {
  return new SignJWT({ jti: randomUUID(), ...claims })
    .setProtectedHeader({ alg: ALG, kid: "1", ...(typ && { typ }) })
    .setIssuer(CLIENT).setSubject(CLIENT).setAudience(audience)
    .setIssuedAt().setExpirationTime("60s")
    .sign(privateKey);
}

async function exchange(actorToken, assertion, targets) {
  const body = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: JWT,
    subject_token: world.subject_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    actor_token: actorToken,
    actor_token_type: JWT,
    client_assertion: assertion ?? await sign("client-authentication+jwt", provider.issuer),
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    ...targets,
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await fetch(provider.token_endpoint, { method: "POST", headers, body });
  return [response.status, await response.json()];
}

function show(token, proof, method = "GET") {
  const headers = { authorization: `Bearer ${token}` };
  if (proof) headers["client-assertion"] = proof;
  return fetch(`${party}/letters`, { method, headers });
}

const ath = (token) => createHash("sha256").update(token).digest("base64url");
const nbf = Math.floor(Date.now() / 1000);

const party = world.party;
const provider = await (await fetch(`${world.sts}/.well-known/openid-configuration`)).json();
const keys = createLocalJWKSet(await (await fetch(provider.jwks_uri)).json());

let token;
for (const [name, actorToken, targets] of [
  ["the provider", await sign("actor+jwt", provider.issuer, { nbf }), { resource: party }],
  ["the relying party", await sign("actor+jwt", party, { nbf }), {}],
  ["the relying party, as drawn, without typ", await sign(undefined, party, { nbf }), {}],
]) {
  const [status, answer] = await exchange(actorToken, undefined, targets);
  check(`an identity token for an actor token made out to ${name}`, status === 200, answer);
  token = answer.access_token;
  const { payload } = await jwtVerify(token, keys, {
    typ: "identity-propagation+jwt", issuer: provider.issuer, audience: party,
    subject: world.person, requiredClaims: ["exp", "nbf", "iat", "jti"],
  });
  check("  verified by jose with the published keys",
    payload.act.sub === CLIENT && payload.client_id === CLIENT, payload);
}

const proof = await sign("client-proof+jwt", party, { ath: ath(token) });
let response = await show(token, proof);
let body = await response.text();
check("the relying party serves the person",
  response.status === 200 && body === `${world.person} through ${CLIENT}`, body);
response = await show(token, await sign("client-proof+jwt", party, { ath: ath(token) }), "POST");
check("and creates something for the person", response.status === 201, response.status);

for (const [name, wrong] of [
  ["the same proof again", proof],
  ["no proof", undefined],
  ["an actor token for a proof", await sign("actor+jwt", party, { nbf, ath: ath(token) })],
  ["a client assertion for a proof",
    await sign("client-authentication+jwt", party, { ath: ath(token) })],
  ["a proof for another token", await sign("client-proof+jwt", party, { ath: ath(`${token}x`) })],
]) {
  response = await show(token, wrong);
  const challenge = response.headers.get("www-authenticate") ?? "";
  check(`refused: ${name}`,
    response.status === 401 && challenge.includes('error="invalid_token"'), challenge);
}

const proofForTheProvider = await sign("client-proof+jwt", provider.issuer, { ath: ath(token) });
const actorToken = await sign("actor+jwt", provider.issuer, { nbf });
const [status, answer] = await exchange(actorToken, proofForTheProvider, { resource: party });
check("refused: a client proof for a client assertion",
  status === 401 && answer.error === "invalid_client", answer);
server.close();
