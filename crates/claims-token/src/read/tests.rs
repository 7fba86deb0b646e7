//! Every check of a claims token, by a table of mutations of a good one.

use super::*;
use crate::ClaimsToken;
use countersign_jwt::act::Actor;
use countersign_jwt::{SigningKey, sign};
use serde_json::{Map, Value, json};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
/// The example ticket of UMA Grant §3.2, and its challenge.
const TICKET: &str = "016f84e8-f9b9-11e0-bd6f-0021cc6004de";
const CHALLENGE: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";

struct World {
    key: SigningKey,
    sts: Issuer,
    uma: Issuer,
    resources: Vec<ResourceIdentifier>,
    ticket: TicketHandle,
}

impl World {
    fn new() -> Self {
        Self {
            key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
            sts: Issuer::parse("https://sts.alice.example").unwrap(),
            uma: Issuer::parse("https://uma.bob.example").unwrap(),
            resources: vec![ResourceIdentifier::parse("https://rs.bob.example").unwrap()],
            ticket: TicketHandle::new(TICKET),
        }
    }

    fn token(&self) -> ClaimsToken {
        ClaimsToken {
            iss: self.sts.clone(),
            sub: "alice".to_owned(),
            email: VerifiedEmail::of_own_account(
                EmailAddress::parse("alice@alice.example").unwrap(),
            ),
            ticket_challenge: TicketChallenge::of(&self.ticket),
            aud: self.uma.clone(),
            resource: self.resources[0].clone(),
            iat: NOW,
            exp: NOW.after(ClaimsToken::LIFETIME),
            jti: "1".to_owned(),
            client_id: None,
            act: None,
            amr: vec!["pwd".to_owned()],
            user_claims: Map::new(),
        }
    }

    /// The claims of a good token, changed.
    fn mutated(&self, mutate: impl FnOnce(&mut Map<String, Value>)) -> Map<String, Value> {
        let token = self.token().mint(&self.key).unwrap();
        let mut claims = Unverified::parse(&token).unwrap().claims().as_map().clone();
        mutate(&mut claims);
        claims
    }

    fn read(&self, token: &str) -> Result<VerifiedClaims, ClaimsTokenError> {
        let client = ClientId::parse("https://app.example/client").unwrap();
        let expected =
            Expected::new(&self.uma, &self.ticket, &self.resources, NOW).with_client(&client);
        let keys = KeySet::from_keys(vec![self.key.public().clone()]).unwrap();
        check(token, &expected)?.verify(&keys, &self.sts)
    }
}

#[test]
fn a_minted_token_has_the_claims_of_the_profile_and_reads_back() {
    let world = World::new();
    let claims = world.mutated(|_| {});
    let expected = json!({
        "iss": "https://sts.alice.example", "sub": "alice", "aud": "https://uma.bob.example",
        "exp": 1_800_000_120, "iat": 1_800_000_000, "jti": "1", "email": "alice@alice.example",
        "email_verified": true, "ticket_challenge": CHALLENGE,
        "resource": "https://rs.bob.example", "amr": ["pwd"],
    });
    assert_eq!(Value::Object(claims), expected);

    let person = world.read(&world.token().mint(&world.key).unwrap()).unwrap();
    assert_eq!(person.email().as_str(), "alice@alice.example");
    assert_eq!(person.subject(), "alice");
    assert_eq!(person.issuer(), &world.sts);
    assert_eq!(person.jwt_id(), "1");
    assert!(person.is_present());
}

#[test]
fn what_is_written_follows_the_profile() {
    let world = World::new();
    let payload = |token: ClaimsToken| {
        let token = token.mint(&world.key).unwrap();
        Unverified::parse(&token).unwrap().claims().as_map().clone()
    };
    let local = ClaimsToken { client_id: ClientId::parse("app").ok(), ..world.token() };
    assert!(!payload(local).contains_key("client_id"));
    let url = ClaimsToken {
        client_id: ClientId::parse("https://app.example/client").ok(),
        ..world.token()
    };
    assert_eq!(payload(url)["client_id"], "https://app.example/client");
    let act = Some(ActorChain::new(Actor::of_subject("agent")));
    let delegated = payload(ClaimsToken { act, ..world.token() });
    assert_eq!(delegated["act"], json!({ "sub": "agent" }));
    assert!(!delegated.contains_key("amr"), "nobody knows the person to be present");

    for name in crate::claims::RESERVED {
        let user_claims = Map::from_iter([((*name).to_owned(), json!("x"))]);
        assert!(ClaimsToken { user_claims, ..world.token() }.mint(&world.key).is_err(), "{name}");
    }
}

/// Name of the mutation, the mutation, and the step that refuses it.
type Row = (&'static str, Mutation, Step);
type Mutation = fn(&mut Map<String, Value>);

fn set(claims: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    claims.insert(name.to_owned(), value.into());
}

#[test]
fn each_check_refuses_its_mutations() {
    let rows: &[Row] = &[
        (
            "resource of another server",
            |c| set(c, "resource", "https://rs.evil.example"),
            Step::Resource,
        ),
        (
            "resource with a slash",
            |c| set(c, "resource", "https://rs.bob.example/"),
            Step::Resource,
        ),
        ("no resource", |c| drop(c.remove("resource")), Step::Resource),
        (
            "resource array",
            |c| set(c, "resource", json!(["https://rs.bob.example"])),
            Step::Lifetime,
        ),
        ("no challenge", |c| drop(c.remove("ticket_challenge")), Step::TicketChallenge),
        (
            "another ticket's",
            |c| set(c, "ticket_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            Step::TicketChallenge,
        ),
        ("padded", |c| set(c, "ticket_challenge", format!("{CHALLENGE}=")), Step::TicketChallenge),
        (
            "upper case",
            |c| set(c, "ticket_challenge", CHALLENGE.to_uppercase()),
            Step::TicketChallenge,
        ),
        ("array", |c| set(c, "ticket_challenge", json!([CHALLENGE])), Step::TicketChallenge),
        ("hex", |c| set(c, "ticket_challenge", "3e7decc14221354898169"), Step::TicketChallenge),
        (
            "two names, two values",
            |c| set(c, "ticket_digest", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            Step::TicketChallenge,
        ),
        ("other audience", |c| set(c, "aud", "https://uma.evil.example"), Step::Audience),
        ("bare name", |c| set(c, "aud", "RS API"), Step::Audience),
        (
            "two audiences",
            |c| set(c, "aud", json!(["https://uma.bob.example", "https://x.example"])),
            Step::Audience,
        ),
        ("no audience", |c| drop(c.remove("aud")), Step::Lifetime),
        ("expired", |c| set(c, "exp", 1_799_999_900), Step::Lifetime),
        ("not yet valid", |c| set(c, "nbf", 1_800_000_100), Step::Lifetime),
        (
            "issued in the future",
            |c| {
                set(c, "iat", 1_800_000_100);
                set(c, "exp", 1_800_000_200)
            },
            Step::Lifetime,
        ),
        ("too long", |c| set(c, "exp", 1_800_000_301), Step::Lifetime),
        ("no exp", |c| drop(c.remove("exp")), Step::Lifetime),
        ("no iat", |c| drop(c.remove("iat")), Step::Lifetime),
        ("no jti", |c| drop(c.remove("jti")), Step::Lifetime),
        ("no sub", |c| drop(c.remove("sub")), Step::Lifetime),
        ("exp as text", |c| set(c, "exp", "1800000120"), Step::Lifetime),
        ("iss http", |c| set(c, "iss", "http://sts.alice.example"), Step::Issuer),
        ("iss a name", |c| set(c, "iss", "alice"), Step::Issuer),
        ("no e-mail", |c| drop(c.remove("email")), Step::Email),
        ("unverified", |c| set(c, "email_verified", false), Step::Email),
        ("verified as text", |c| set(c, "email_verified", "true"), Step::Email),
        ("not said to be verified", |c| drop(c.remove("email_verified")), Step::Email),
        ("two addresses", |c| set(c, "email_address", "bob@alice.example"), Step::Email),
        ("two domains", |c| set(c, "email", "a@evil.example@alice.example"), Step::Email),
        ("another client", |c| set(c, "client_id", "https://other.example/client"), Step::Client),
        ("act a text", |c| set(c, "act", "agent"), Step::Client),
        ("another issuer", |c| set(c, "iss", "https://sts.evil.example"), Step::DiscoveredIssuer),
        (
            "a trailing slash",
            |c| set(c, "iss", "https://sts.alice.example/"),
            Step::DiscoveredIssuer,
        ),
    ];
    let world = World::new();
    for (name, mutate, step) in rows {
        let claims = world.mutated(mutate);
        let token = sign("uma-claims+jwt", &world.key, &claims).unwrap();
        let error = world.read(&token).expect_err(name);
        assert_eq!(error.step(), *step, "{name}: {error}");
    }
}

#[test]
fn former_names_are_read() {
    let world = World::new();
    let claims = world.mutated(|c| {
        let challenge = c.remove("ticket_challenge").unwrap();
        set(c, "ticket_digest", challenge);
        let email = c.remove("email").unwrap();
        set(c, "email_address", email);
        // A local client identifier means another client here and is not compared.
        set(c, "client_id", "app");
    });
    let token = sign("uma-claims+jwt", &world.key, &claims).unwrap();
    assert_eq!(world.read(&token).unwrap().email().as_str(), "alice@alice.example");
}

#[test]
fn only_the_type_of_a_claims_token_passes() {
    let world = World::new();
    let claims = world.mutated(|_| {});
    for typ in ["JWT", "at+jwt", "identity-propagation+jwt", "oauth-id-jag+jwt", "actor+jwt"] {
        let token = sign(typ, &world.key, &claims).unwrap();
        assert_eq!(world.read(&token).unwrap_err().step(), Step::TokenType, "{typ}");
    }
    let token = sign("application/UMA-Claims+jwt", &world.key, &claims).unwrap();
    assert!(world.read(&token).is_ok());
    assert_eq!(world.read("opaque").unwrap_err().step(), Step::Syntax);
}

#[test]
fn another_key_did_not_sign_it() {
    let world = World::new();
    let forger = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let token = world.token().mint(&forger).unwrap();
    assert_eq!(world.read(&token).unwrap_err().step(), Step::Signature);
    // A forger who knows the key id.
    let kid = world.key.public().kid().map(str::to_owned);
    let forger = SigningKey::generate(Algorithm::Es256, kid.as_deref()).unwrap();
    let token = world.token().mint(&forger).unwrap();
    assert_eq!(world.read(&token).unwrap_err().step(), Step::Signature);
}

#[test]
fn any_flipped_character_is_refused() {
    let world = World::new();
    let token = world.token().mint(&world.key).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(bytes).unwrap();
        assert!(world.read(&flipped).is_err(), "position {at}");
    }
}

#[test]
fn the_client_checks_what_its_sts_answers() {
    let world = World::new();
    let client_id = ClientId::parse("rqp-client").unwrap();
    let alice = EmailAddress::parse("alice@alice.example").unwrap();
    let challenge = TicketChallenge::of(&world.ticket);
    let expected = |person| ExpectedByClient {
        issuer: &world.sts,
        audience: &world.uma,
        resource: &world.resources[0],
        ticket_challenge: &challenge,
        person,
        client_id: &client_id,
        now: NOW,
    };
    let good = world.token().mint(&world.key).unwrap();
    let both = ExpectedPerson::SubjectAndEmail("alice", &alice);
    assert!(check_received(&good, &expected(both)).is_ok());
    assert!(check_received(&good, &expected(ExpectedPerson::Subject("bob"))).is_err());
    let bob = EmailAddress::parse("bob@alice.example").unwrap();
    assert!(check_received(&good, &expected(ExpectedPerson::Email(&bob))).is_err());

    let rows: &[(&str, Mutation)] = &[
        ("issuer", |c| set(c, "iss", "https://other.example")),
        ("audience", |c| set(c, "aud", "https://other.example")),
        ("resource", |c| set(c, "resource", "https://other.example")),
        ("challenge", |c| {
            set(c, "ticket_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        }),
        ("client", |c| set(c, "client_id", "https://other.example/client")),
        ("actor", |c| set(c, "act", json!({ "sub": "other" }))),
        ("unverified", |c| set(c, "email_verified", false)),
    ];
    for (name, mutate) in rows {
        let token = sign("uma-claims+jwt", &world.key, &world.mutated(mutate)).unwrap();
        assert!(check_received(&token, &expected(both)).is_err(), "{name}");
    }
    let acting = world.mutated(|c| set(c, "act", json!({ "sub": "rqp-client" })));
    let token = sign("uma-claims+jwt", &world.key, &acting).unwrap();
    assert!(check_received(&token, &expected(both)).is_ok());
}

#[test]
fn the_steps_say_where_they_come_from() {
    for step in Step::ALL {
        assert!(!step.name().is_empty() && !step.section().is_empty());
    }
    assert!(Step::ALL.is_sorted());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let world = World::new();
        proptest::prop_assert!(world.read(&text).is_err());
    }
}
