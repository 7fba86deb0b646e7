//! Where the tokens of the table go: the servers and services, over TLS, and the client where it is
//! the client that is given one.

use std::sync::Arc;

use countersign_client_auth::dpop;
use countersign_host::Seams;
use countersign_jwt::SigningKey;
use countersign_testkit::{Deployment, Party, keys, names};
use http::Method;
use serde_json::{Value, json};
use toml::Table;

use super::answers::Answer;
use super::at_resource_servers::{ASKING, HOSTS};
use super::brokered::{self, SignIn};
use super::doors::{Door, Home};
use super::of_bob::Mandate;
use super::received::Login;
use super::{about_people, at_resource_servers, of_bob};
use crate::acting::{Acting, CLIENT, LETTERS, deployment_with, jti};
use crate::bed::{Bed, Reply};
use crate::browser::Browser;

/// An OpenID provider that says whatever a test makes it say.
pub(super) const PROVIDER: &str = "https://sts.two.example";

/// A place that waits for one token.
#[derive(Default)]
pub(super) struct Open {
    /// What a JWT has to say there, and whose signature it needs.
    pub(super) right: Option<(Value, Arc<SigningKey>)>,
    /// Whether a JWT there brings the key that signed it.
    pub(super) takes_own_key: bool,
    /// The ticket of this visit.
    pub(super) ticket: Option<String>,
    /// Whether what is at home there is used up by being shown.
    pub(super) uses_up: bool,
    /// What ends together with a token that is revoked, where that is another one.
    pub(super) watched: Option<String>,
    /// The token that a proof goes with.
    pub(super) bound: Option<String>,
    pub(super) login: Option<Login>,
    pub(super) sign_in: Option<SignIn>,
}

impl Open {
    /// A place for a JWT that says this, signed by this key.
    pub(super) fn for_jwt(said: Value, key: Arc<SigningKey>) -> Self {
        Self { right: Some((said, key)), ..Self::default() }
    }

    /// One that brings that key.
    pub(super) fn with_its_own_key(self) -> Self {
        Self { takes_own_key: true, ..self }
    }
}

pub(super) struct World {
    pub(super) acting: Acting,
    pub(super) provider: Arc<SigningKey>,
    access_token: String,
    id_token: String,
    /// What came with them, and a code. Neither is ever shown where it is at home.
    refresh_token: String,
    code: String,
    /// A refresh token of the UMA server, likewise.
    rpt_refresh: String,
    /// Where Alice is signed in.
    pub(super) browser: Browser,
    /// A resource of Bob's.
    pub(super) registered: String,
    /// Bob, and what he allowed his resource server.
    pub(super) bob: Browser,
    pub(super) mandate: Mandate,
    /// A deployment whose claims are had from a server of their own.
    pub(super) provided: Bed,
    identity_token: String,
    /// One that is bound to the client's key.
    pub(super) bound_token: String,
}

impl World {
    pub(super) async fn start() -> Self {
        let builder = deployment_with(|config| {
            about_people::may_be_asked(config);
            brokered::may_broker(config);
        });
        let builder = HOSTS.into_iter().fold(builder, |builder, host| builder.with_host(host));
        let mut deployment = builder
            .with_console()
            .with(Party::ResourceServer, |config| {
                let limits = json!({ "tickets_per_source": 100_000 });
                config.insert("limits".to_owned(), toml::Value::try_from(limits).unwrap());
            })
            .start()
            .await;
        deployment.restart(Party::UmaServer, asks_and_refreshes).await;
        at_resource_servers::serve_all(&mut deployment);

        let acting = Acting::of(deployment);
        let provider = Arc::new(keys::signing(keys::ES256_C));
        publish_provider(&acting, &provider);

        let tokens = logged_in(&acting.bed).await;
        let bob = of_bob::browser(&acting.bed).await;
        let provided = Deployment::builder().with_claims_provider().start().await;
        Self {
            access_token: tokens.member("access_token"),
            id_token: tokens.member("id_token"),
            refresh_token: tokens.member("refresh_token"),
            code: crate::sts::code(&acting.bed, "alice").await,
            rpt_refresh: acting
                .bed
                .redeem(&acting.bed.attempt().await)
                .await
                .member("refresh_token"),
            browser: signed_in(&acting.bed).await,
            registered: registered(&acting.bed).await,
            provided: Bed::of(provided),
            mandate: Mandate::of(&acting.bed, &bob).await,
            bob,
            identity_token: acting.identity_token().await,
            bound_token: at_resource_servers::bound_token(&acting).await,
            acting,
            provider,
        }
    }

    pub(super) fn seams(&self) -> Seams {
        self.acting.bed.deployment.seams()
    }

    /// Alice's access token and ID token, out of a login in earnest.
    pub(super) fn login(&self) -> (&str, &str) {
        (&self.access_token, &self.id_token)
    }

    /// An identity token that was accepted before, with another proof.
    pub(super) fn identity_token(&self) -> &str {
        &self.identity_token
    }

    /// What every token says that is made for a place: when it was made, and nothing that another
    /// kind says.
    pub(super) fn fresh(&self) -> Value {
        let now = self.acting.bed.now();
        json!({ "iat": now, "exp": now + 60, "jti": jti(), "nbf": null, "act": null,
            "client_id": null, "scope": null, "amr": null })
    }

    /// What an access token of Alice's says.
    pub(super) fn of_alice(&self) -> Value {
        with(&self.fresh(), &self.acting.bed.subject())
    }

    /// What a client says of itself to somebody.
    pub(super) fn own(&self, aud: &str) -> Value {
        with(&self.fresh(), &json!({ "iss": CLIENT, "sub": CLIENT, "aud": aud }))
    }

    /// A code, and one that was not shown anywhere if it is about to be used up.
    pub(super) async fn code(&self, open: &Open) -> String {
        if open.uses_up {
            crate::sts::code(&self.acting.bed, "alice").await
        } else {
            self.code.clone()
        }
    }

    /// A refresh token of the STS, and an access token of the same login.
    pub(super) async fn refresh_token(&self, open: &Open) -> (String, Option<String>) {
        if !open.uses_up {
            return (self.refresh_token.clone(), None);
        }
        let tokens = logged_in(&self.acting.bed).await;
        (tokens.member("refresh_token"), Some(tokens.member("access_token")))
    }

    /// A refresh token of the UMA server, and the RPT that came with it.
    pub(super) async fn rpt_refresh(&self, open: &Open) -> (String, Option<String>) {
        if !open.uses_up {
            return (self.rpt_refresh.clone(), None);
        }
        let bed = &self.acting.bed;
        let tokens = bed.redeem(&bed.attempt().await).await;
        (tokens.member("refresh_token"), Some(tokens.member("access_token")))
    }

    /// Alice's access token, and one of a login of its own if it is about to be revoked.
    pub(super) async fn access_token(&self, open: &Open) -> String {
        if open.uses_up {
            logged_in(&self.acting.bed).await.member("access_token")
        } else {
            self.access_token.clone()
        }
    }

    /// That what is good for one use is good still, for all the places where it was shown.
    pub(super) async fn nothing_was_used_up(&self) {
        let bed = &self.acting.bed;
        assert_eq!(crate::sts::redeem(bed, &self.code).await.status, 200);
        for (door, token) in
            [(Door::StsRefresh, &self.refresh_token), (Door::UmaRefresh, &self.rpt_refresh)]
        {
            let answer = self.offer(door, Open::default(), token).await;
            assert!(matches!(answer, Answer::Accepted), "{door:?}");
        }
    }

    /// What the identity token of Alice's client says.
    pub(super) fn identity(&self) -> Value {
        let said = json!({
            "iss": names::STS, "sub": names::ALICE, "aud": LETTERS, "nbf": self.acting.bed.now(),
            "email": null, "email_verified": null, "client_id": CLIENT, "act": { "sub": CLIENT },
        });
        with(&self.fresh(), &said)
    }

    /// Goes to a place, and tells what a token has to say there.
    pub(super) async fn open(&self, door: Door) -> Open {
        let open = match door.home() {
            Home::Sts => self.open_at_sts(door).await,
            Home::Uma => self.open_at_uma(door).await,
            Home::ResourceServer => self.open_at_resource_server(door),
            Home::Receiver => self.open_to_receive(door).await,
        };
        Open { uses_up: door.uses_up(), ..open }
    }

    /// Offers a token there.
    pub(super) async fn offer(&self, door: Door, open: Open, token: &str) -> Answer {
        match door.home() {
            Home::Sts => self.offer_at_sts(door, open, token).await,
            Home::Uma => self.offer_at_uma(door, open, token).await,
            Home::ResourceServer => self.offer_at_resource_server(door, token).await,
            Home::Receiver => self.receive(door, open, token).await,
        }
    }
}

/// The provider's metadata and its key, and what it says of the token that the client shows
/// [`ASKING`].
fn publish_provider(acting: &Acting, provider: &SigningKey) {
    let metadata = json!({
        "issuer": PROVIDER, "authorization_endpoint": format!("{PROVIDER}/authorize"),
        "token_endpoint": format!("{PROVIDER}/token"), "jwks_uri": format!("{PROVIDER}/jwks"),
        "introspection_endpoint": format!("{PROVIDER}/introspect"),
        "code_challenge_methods_supported": ["S256"],
    });
    acting.publish(&format!("{PROVIDER}/.well-known/openid-configuration"), &metadata);
    let set = json!({ "keys": [provider.public().to_jwk()] });
    acting.publish(&format!("{PROVIDER}/jwks"), &set);

    let answer = json!({
        "active": true, "iss": PROVIDER, "sub": "alice", "aud": ASKING, "token_type": "DPoP",
        "cnf": dpop::confirmation(&acting.key).to_claim(),
    });
    acting.publish(&format!("{PROVIDER}/introspect"), &answer);
}

/// Bob is asked about one of his resources, and by his resource server; RPTs can be refreshed.
fn asks_and_refreshes(config: &mut Table) {
    let lifetimes = json!({ "refresh": 3600 });
    config.insert("lifetimes".to_owned(), toml::Value::try_from(lifetimes).unwrap());
    let rule = json!({ "resource": "No policy", "scopes": ["get"], "domains": ["*"], "ask": true });
    let rules = config["resource_servers"][0]["policy"].as_array_mut().unwrap();
    rules.push(toml::Value::try_from(rule).unwrap());
    of_bob::may_be_asked_for(config);
}

/// What Alice's application gets for a login that lasts.
async fn logged_in(bed: &Bed) -> Reply {
    let code = crate::sts::code_for(bed, "alice", about_people::LASTING).await;
    let tokens = crate::sts::redeem(bed, &code).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    tokens
}

/// A browser in which Alice is signed in.
async fn signed_in(bed: &Bed) -> Browser {
    let browser = Browser::new(bed);
    let endpoint = bed.sts("authorization_endpoint").await;
    let url = crate::sts::authorization(&endpoint, "openid email claims-provider", &[]);
    let page = browser.get(&url).await;
    let who = [("username", "alice"), ("password", names::ALICE_PASSWORD)];
    let reply = browser.submit(names::STS, &page, "password", &who).await;
    assert!(reply.location().contains("?code="), "{reply:?}");
    browser
}

/// A resource that Bob's resource server has registered.
async fn registered(bed: &Bed) -> String {
    let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
    let endpoint = bed.uma("resource_registration_endpoint").await;
    let list = bed.json(Method::GET, &endpoint, &pat, &Value::Null).await.json();
    list[0].as_str().unwrap().to_owned()
}

/// Members laid over members.
pub(super) fn with(members: &Value, over: &Value) -> Value {
    let mut members = members.clone();
    members.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    members
}
