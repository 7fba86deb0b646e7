//! Who is who in the deployment: alice.example and bob.example, and the hostile evil.example.

/// Alice's identity provider and security token service.
pub const STS: &str = "https://sts.alice.example";
/// A claims provider of its own, in front of it.
pub const CLAIMS_PROVIDER: &str = "https://alice.example";
/// Its client at the STS.
pub const CLAIMS_PROVIDER_CLIENT: &str = "claims-provider";
/// Its secret.
pub const CLAIMS_PROVIDER_SECRET: &str = "claims-provider-secret-of-more-than-32-characters";
/// Bob's identity provider, at which he signs in to the console of his UMA server.
pub const BOBS_PROVIDER: &str = "https://sts.bob.example";
/// The console's client there.
pub const CONSOLE_CLIENT: &str = "uma-console";
/// Its secret.
pub const CONSOLE_SECRET: &str = "uma-console-secret-of-more-than-32-characters";
/// Bob's e-mail address. His user name is `bob`, and his password [`ALICE_PASSWORD`].
pub const BOB: &str = "bob@bob.example";
/// What Bob's provider calls him.
pub const BOB_SUB: &str = "248289762001";
/// The university's identity provider.
pub const UNIVERSITY: &str = "https://sts.university.example";

/// Alice's e-mail address.
pub const ALICE: &str = "alice@alice.example";
/// What Alice's provider calls her.
pub const ALICE_SUB: &str = "248289761001";
/// Alice's password.
pub const ALICE_PASSWORD: &str = "nine green umbrellas";
/// Another person of Alice's provider, whom nobody lets in.
pub const CAROL: &str = "carol@alice.example";
/// What Alice's provider calls Carol.
pub const CAROL_SUB: &str = "248289761002";
/// Somebody at Alice's provider whose e-mail address is not verified. Their user name.
pub const DAVE: &str = "dave";
/// What Alice's provider calls him.
pub const DAVE_SUB: &str = "248289761003";

/// Bob's UMA authorization server.
pub const UMA: &str = "https://uma.bob.example";
/// Bob's resource server: its resource identifier.
pub const RS: &str = "https://rs.bob.example";
/// The resource of flow 002, which Alice may `get`.
pub const RS_API: &str = "https://rs.bob.example/rs-api";
/// Its registered name.
pub const RS_API_NAME: &str = "RS API";
/// A resource for which the claim `department` has to be `records` as well.
pub const DEPARTMENT_API: &str = "https://rs.bob.example/department";
/// A resource that no policy names.
pub const NO_POLICY_API: &str = "https://rs.bob.example/no-policy";
/// A resource that Alice may get, but the resource server serves another client only.
pub const LOCAL_RULE_API: &str = "https://rs.bob.example/local-rule";
/// The resource server's client at the UMA server.
pub const RS_CLIENT: &str = "rs-bob";
/// Its secret.
pub const RS_SECRET: &str = "rs-bob-secret-of-more-than-32-characters";

/// Another resource server at Bob's UMA server, of another owner: its resource identifier.
pub const OTHER_RS: &str = "https://rs.olga.example";
/// Its client at the UMA server.
pub const OTHER_RS_CLIENT: &str = "rs-olga";
/// Its secret.
pub const OTHER_RS_SECRET: &str = "rs-olga-secret-of-more-than-32-characters";

/// Alice's application: a confidential client at the STS and at the UMA server.
pub const RQP_CLIENT: &str = "rqp-client";
/// Its secret, the same at both.
pub const RQP_SECRET: &str = "rqp-client-secret-of-more-than-32-characters";
/// Alice's application on her own device: a public client at both.
pub const RQP_PUBLIC: &str = "rqp-public";
/// Another confidential client, at both.
pub const OTHER_CLIENT: &str = "other-client";
/// Its secret.
pub const OTHER_SECRET: &str = "other-client-secret-of-more-than-32-characters";
/// A client at the UMA server that authenticates with the key [`crate::keys::ES256_B`].
pub const KEY_CLIENT: &str = "key-client";
/// A client at the STS that may not exchange tokens.
pub const PLAIN_CLIENT: &str = "plain-client";
/// Its secret.
pub const PLAIN_SECRET: &str = "plain-client-secret-of-more-than-32-characters";
/// Where Alice's applications receive authorization responses.
pub const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// A resource server for which the STS issues nothing.
pub const DENIED_RS: &str = "https://rs.denied.example";
/// An issuer whose word the UMA server refuses to hear.
pub const DENIED_ISSUER: &str = "https://denied.example";

/// The hostile domain's security token service.
pub const EVIL_STS: &str = "https://sts.evil.example";
/// Its UMA authorization server.
pub const EVIL_UMA: &str = "https://uma.evil.example";
/// Its resource server.
pub const EVIL_RS: &str = "https://rs.evil.example";
/// A resource there.
pub const EVIL_RS_API: &str = "https://rs.evil.example/rs-api";

/// Hosts that say whatever a test makes them say.
pub const SCRIPTED: [&str; 12] = [
    "one.example",
    "two.example",
    "three.example",
    "four.example",
    "five.example",
    "sts.one.example",
    "sts.two.example",
    "sts.three.example",
    "keys.one.example",
    "relay.example",
    "uma.relay.example",
    "rs.relay.example",
];
