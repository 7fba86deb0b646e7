// Foreign providers through which people sign in to Alice's (flow 001): oidc-provider at a university and at a
// college. The application that they sign in for is openid-client, which knows Alice's alone.
//
//     upstream.mjs WORLD      the file in which countersign-interop-tests says where everybody is

import { generateKeyPair } from "jose";
import * as client from "openid-client";
import { IdentityProvider, ourServer } from "./identity_provider.mjs";
import { check, fetch, refused, world } from "./place.mjs";
import { Person } from "./person.mjs";

const CALLBACK = "https://app.alice.example/python";
const OURS = `${world.sts}/login/callback/`;

const provider = (place, people) => new IdentityProvider(`idp.${place}.example`, {
  clients: [ourServer(`${OURS}${place}`)], people,
}).start();
const university = await provider("university", {
  bob: { name: "Bob Roberts", email: "bob@university.example", email_verified: true, groups: ["staff"] },
  eve: { name: "Eve", email: "eve@university.example", email_verified: true },
  mallory: { name: "Alice", email: world.person, email_verified: true },
});
const college = await provider("college", {
  bob: { name: "Robert", email: "robert@college.example", email_verified: true },
  alice: { name: "Alice Liddell", email: world.person, email_verified: true },
});

const config = await client.discovery(new URL(world.sts), "python-app", {},
  client.ClientSecretBasic(world.secrets["python-app"]), { [client.customFetch]: fetch });
client.enableNonRepudiationChecks(config);

/** Brings a person to the page on which Alice's provider asks how to sign in. */
async function choice(person, wishes = {}) {
  const kept = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(),
    expectedNonce: client.randomNonce(), idTokenExpected: true };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope: "openid profile email", state: kept.expectedState,
    nonce: kept.expectedNonce, code_challenge_method: "S256",
    code_challenge: await client.calculatePKCECodeChallenge(kept.pkceCodeVerifier), ...wishes,
  });
  const redeem = ({ url }) => client.authorizationCodeGrant(config, url, kept);
  return { page: await person.visit(url, [CALLBACK]), redeem };
}

/** Has a person sign in through a provider, up to the application, or up to another end. */
async function through(person, place, username, { end = CALLBACK, decision = "allow", wishes } = {}) {
  const { page, redeem } = await choice(person, wishes);
  const there = await person.submit(page, {}, [CALLBACK], place);
  if (there.url.host !== `idp.${place}.example` || there.status !== 200) return { page: there, redeem };
  const known = { username, password: username };
  return { page: await person.submit(there, known, [end, CALLBACK], decision), redeem };
}
const arrive = async (...how) => {
  const { page, redeem } = await through(...how);
  if (page.text) check("somebody is signed in", false, page);
  return (await redeem(page)).claims();
};
const silently = async (person) => {
  const { page, redeem } = await choice(person, { prompt: "none" });
  return redeem(page);
};
const isOurs = (page) => page.url.origin === world.sts;

const bob = new Person();
const { page } = await choice(bob);
check("the sign-in page offers both providers, and a password",
  ["the University", "the College", 'name="password"'].every((words) => page.text.includes(words)), page);
const first = await arrive(bob, "university", "bob");
check("whoever comes from the university for the first time gets an account",
  first.iss === world.sts && first.email === "bob@university.example" && first.email_verified
  && first.name === "Bob Roberts" && first.sub !== "bob", first);
check("and is signed in here", (await (await silently(bob)).claims()).sub === first.sub, first);
check("who comes again finds it", (await arrive(new Person(), "university", "bob")).sub === first.sub, first);
const [, payload] = (await silently(bob)).access_token.split(".");
const { roles } = JSON.parse(Buffer.from(payload, "base64url"));
check("with our name for the role there", roles?.join() === "curator", roles);
const anew = await arrive(bob, "university", "bob", { wishes: { prompt: "login" } });
check("in the same browser as well, when the application wants it",
  anew.sub === first.sub, anew);
check("when somebody signed in is said where the university says it, and made up nowhere",
  first.auth_time === undefined && anew.auth_time > 0, [first, anew]);
const eve = await arrive(new Person(), "university", "eve");
const namesake = await arrive(new Person(), "college", "bob");
check("others get accounts of their own, the college's bob among them",
  new Set([first.sub, eve.sub, namesake.sub, world.subject]).size === 4, namesake);
const mallory = await arrive(new Person(), "university", "mallory");
check("the university does not speak for Alice's address",
  mallory.sub !== world.subject && mallory.email === undefined, mallory);

// An address that is somebody's here already (F001-9).

const stranger = new Person();
let asked = (await through(stranger, "college", "alice")).page;
check("the college does, and whoever comes by it is asked for the account's password",
  isOurs(asked) && asked.text.includes(world.person), asked);
asked = await stranger.submit(asked, { password: "not hers" }, [CALLBACK]);
check("a wrong one links nothing", isOurs(asked) && asked.text.includes('role="alert"'), asked);
await refused("a session after that", silently(stranger), "login_required");
const alice = new Person();
const { page: known, redeem } = await through(alice, "college", "alice");
const confirmed = await alice.submit(known, { password: world.password }, [CALLBACK]);
check("the right one leads to a question", isOurs(confirmed) && confirmed.text.includes('"link"'), confirmed);
const linked = await redeem(await alice.submit(confirmed, {}, [CALLBACK], "link"));
check("and the answer to the account", linked.claims().sub === world.subject, linked.claims());
check("which is found without a password from then on",
  (await arrive(new Person(), "college", "alice")).sub === world.subject, "");

// What leads to no session.

const denied = new Person();
const no = await through(denied, "university", "bob", { decision: "deny" });
check("whoever says no at the university is asked again here, and told",
  isOurs(no.page) && no.page.text.includes('role="alert"'), no.page);
await refused("a session after that", silently(denied), "login_required");
const back = await denied.submit(no.page, {}, [CALLBACK], "deny");
await refused("whoever gives up is sent back to the application", no.redeem(back), "access_denied");

/** Nobody is signed in by what a provider says, and the page says so. */
async function nobody(what, place) {
  const person = new Person();
  const { page } = await through(person, place, "bob");
  check(`refused: ${what}`, isOurs(page) && page.status >= 400 && page.text.includes('role="alert"'), page);
  await refused("a session after that", silently(person), "login_required");
}

/** What of an answer to Alice's provider is changed on its way, which nobody may be signed in by. */
async function changed(what, change) {
  const person = new Person();
  const { page: answer } = await through(person, "university", "bob", { end: OURS });
  check(`  (an answer of the university, ${what})`, answer.url.href.startsWith(OURS), answer);
  const page = await person.visit(change(new URL(answer.url)), [CALLBACK]);
  check(`refused: an answer ${what}`, isOurs(page) && page.status >= 400, page);
  await refused("a session after that", silently(person), "login_required");
}
const set = (name, value) => (url) => {
  url.searchParams.set(name, value);
  return url;
};
await changed("with another state", set("state", "other"));
await changed("of another issuer", set("iss", college.issuer));
await changed("with another code", set("code", "other"));
await changed("that was meant for the college", (url) => new URL(url.href.replace("university", "college")));
const lured = new Person();
const { page: bobs } = await through(new Person(), "university", "bob", { end: OURS });
const elsewhere = await lured.visit(bobs.url, [CALLBACK]);
check("refused: an answer in another browser than it was asked from",
  isOurs(elsewhere) && elsewhere.status === 403, elsewhere);
const again = new Person();
const { page: once } = await through(again, "university", "bob", { end: OURS });
const arrived = await again.visit(once.url, [CALLBACK]);
const twice = await new Person().visit(once.url, [CALLBACK]);
check("an answer is good once",
  arrived.url.href.startsWith(CALLBACK) && isOurs(twice) && twice.status === 403, twice);

// A provider that lies in an ID token, or about whom UserInfo is.

const strangersKey = (await generateKeyPair("RS256")).privateKey;
const unsigned = (claims) => `${Buffer.from('{"alg":"none"}').toString("base64url")}.${
  Buffer.from(JSON.stringify(claims)).toString("base64url")}.`;
const ID = "sts.alice.example";
for (const [what, lie] of [
  ["for another sign-in", (claims) => ({ ...claims, nonce: "other" })],
  ["for none in particular", ({ nonce, ...claims }) => claims],
  ["for another client", (claims) => ({ ...claims, aud: "other" })],
  ["for two clients, obtained by the other", (claims) => ({ ...claims, aud: [ID, "other"], azp: "other" })],
  ["that is over", (claims) => ({ ...claims, exp: claims.iat - 3600 })],
  ["without an end", ({ exp, ...claims }) => claims],
  ["of nobody", ({ sub, ...claims }) => claims],
  ["of another issuer", (claims) => ({ ...claims, iss: college.issuer })],
  ["beside another access token", (claims) => ({ ...claims, at_hash: "AAAAAAAAAAAAAAAAAAAAAA" })],
]) {
  university.idTokenLie = (claims) => university.signed(lie(claims));
  await nobody(`an ID token ${what}`, "university");
}
university.idTokenLie = (claims) => university.signed(claims, strangersKey);
await nobody("an ID token signed by a stranger's key", "university");
university.idTokenLie = unsigned;
await nobody("an ID token signed by nobody", "university");
university.idTokenLie = (claims) => university.signed(claims);
check("the same ID token, made here without a lie, is believed",
  (await arrive(new Person(), "university", "bob")).sub === first.sub, "");
university.idTokenLie = undefined;
college.userInfoLie = { sub: "alice" };
await nobody("UserInfo about somebody else", "college");
college.userInfoLie = undefined;

// Keys change, and providers go away.

await university.changeKeys();
check("a new key of the university is found",
  (await arrive(new Person(), "university", "bob")).sub === first.sub, first);
const late = new Person();
const { page: unfinished } = await through(late, "college", "bob", { end: OURS });
await college.stop();
const dropped = await late.visit(unfinished.url, [CALLBACK]);
check("a code that the college does not redeem any more signs nobody in, and the page says so",
  isOurs(dropped) && dropped.status >= 400 && dropped.text.includes('role="alert"'), dropped);
await refused("a session after that", silently(late), "login_required");
check("the university is none the worse",
  (await arrive(new Person(), "university", "bob")).sub === first.sub, first);
await college.start();
check("the college is back", (await arrive(new Person(), "college", "bob")).sub === namesake.sub, namesake);

await university.stop();
await college.stop();
