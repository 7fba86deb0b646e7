//! The vectors of `docs/IDENTITY-PROPAGATION.md`, as others may cite them:
//! `tests/vectors/identity_propagation.json`. They were made by another implementation (jose).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test: what does not parse is its failure"
)]

use countersign_client_auth::{
    AuthenticatedClient, Authentication, Credentials, RegisteredClient, SecretDigest, authenticate,
    parse,
};
use countersign_identity_propagation::actor_token::{self, ActorError, Expected, VerifiedActor};
use countersign_identity_propagation::presentation::{self, PresentationError};
use countersign_identity_propagation::{ActorAudience, PropagatedIdentity, client_proof};
use countersign_jwt::KeySet;
use countersign_types::replay::Seen;
use countersign_types::secret::{AccessToken, ClientSecret};
use countersign_types::{ClientId, Issuer, Params, ResourceIdentifier, Timestamp};
use serde_json::Value;

/// The security token service and the relying party, with what they know.
struct World {
    vectors: Value,
    now: Timestamp,
    issuer: Issuer,
    audience: ResourceIdentifier,
    issuer_keys: KeySet,
    client_keys: KeySet,
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn rows(value: &Value) -> &Vec<Value> {
    value.as_array().expect("an array")
}

fn token(value: &Value) -> AccessToken {
    AccessToken::new(text(value))
}

impl World {
    fn new() -> Self {
        let vectors: Value =
            serde_json::from_str(include_str!("vectors/identity_propagation.json")).expect("JSON");
        let keys = |name: &str| KeySet::parse_own(vectors[name].to_string().as_bytes());
        Self {
            now: Timestamp::from_unix(vectors["now"].as_i64().expect("a time")),
            issuer: Issuer::parse(text(&vectors["issuer"])).expect("an issuer"),
            audience: ResourceIdentifier::parse(text(&vectors["audience"])).expect("a URI"),
            issuer_keys: keys("issuer_jwks").expect("a key set"),
            client_keys: keys("client_jwks").expect("a key set"),
            vectors,
        }
    }

    /// The client of the vectors. How it authenticated is not their business.
    fn client(&self) -> AuthenticatedClient {
        let id = ClientId::parse(text(&self.vectors["client_id"])).expect("a client id");
        let secret = "a secret of forty-three characters, or more.";
        let digest = SecretDigest::of(&ClientSecret::new(secret));
        let form = format!("client_id={id}&client_secret={secret}").replace(' ', "+");
        let form = Params::parse(form.as_bytes(), &[]).expect("a form");
        let registered = RegisteredClient { id, credentials: Credentials::secret(digest) };
        let presented = parse(&http::HeaderMap::new(), &form).expect("credentials");
        let credentials = presented.check(&self.issuer, self.now).expect("credentials");
        let done = authenticate(credentials, Some(&registered));
        match done.expect("a client") {
            Authentication::Done(client) => client,
            Authentication::OnceOnly(_) => panic!("a secret is used more than once"),
        }
    }

    #[track_caller]
    fn actor(&self, actor_token: &Value) -> Result<VerifiedActor, ActorError> {
        let client = self.client();
        let (issuer, now, forms) = (&self.issuer, self.now, ActorAudience::Either);
        let expected = Expected { client: &client, issuer, forms, now };
        actor_token::verify(&token(actor_token), &self.client_keys, &expected)?.if_new(Seen::First)
    }

    #[track_caller]
    fn present(
        &self,
        identity: &Value,
        proof: &Value,
    ) -> Result<PropagatedIdentity, PresentationError> {
        let proof = (!proof.is_null()).then(|| token(proof));
        presentation::check(&token(identity), proof.as_ref(), &self.audience, self.now)?
            .verify(&self.issuer, &self.issuer_keys, &self.client_keys)?
            .if_new(Seen::First, None)
    }
}

#[test]
fn actor_tokens() {
    let world = World::new();
    let vectors = &world.vectors["actor_tokens"];
    for row in rows(&vectors["accepted"]) {
        let comment = text(&row["comment"]);
        let actor = world.actor(&row["token"]).expect(comment);
        let target = actor.target().map(ResourceIdentifier::as_str);
        assert_eq!(target, row["target"].as_str(), "{comment}");
        assert_eq!(actor.actor().sub, world.vectors["client_id"], "{comment}");
    }
    for row in rows(&vectors["refused"]) {
        let comment = text(&row["comment"]);
        world.actor(&row["token"]).expect_err(comment);
    }
}

#[test]
fn presentations_accepted() {
    let world = World::new();
    for row in rows(&world.vectors["presentations"]["accepted"]) {
        let comment = text(&row["comment"]);
        let (identity, proof) = (&row["identity_token"], &row["client_proof"]);
        let caller = world.present(&identity["token"], &proof["token"]).expect(comment);
        assert_eq!(caller.email().to_string(), text(&world.vectors["person"]));
        assert_eq!(caller.client().as_str(), text(&world.vectors["client_id"]));
        let claims = Value::Object(caller.claims().as_map().clone());
        assert_eq!(claims, identity["claims"], "{comment}");
        let prior: Vec<&str> = caller.act().prior().iter().map(|it| it.sub.as_str()).collect();
        assert_eq!(Value::from(prior), row["prior"], "{comment}");
        let ath = client_proof::ath(&token(&identity["token"]));
        assert_eq!(ath, text(&proof["claims"]["ath"]), "{comment}");
    }
}

#[test]
fn presentations_refused_by_the_check_that_is_named() {
    let world = World::new();
    for row in rows(&world.vectors["presentations"]["refused"]) {
        let comment = text(&row["comment"]);
        let error = world.present(&row["identity_token"], &row["client_proof"]).expect_err(comment);
        assert_eq!(format!("{:?}", error.step()), row["step"], "{comment}: {error:?}");
    }
}
