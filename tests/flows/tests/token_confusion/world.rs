//! Where the tokens of the table go: the servers and services, over TLS, and the client where it is the client that
//! is given one.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign_claims_token::read::{self, ExpectedPerson};
use countersign_client_auth::Proof as ClientProof;
use countersign_client_auth::dpop::{self, Target};
use countersign_host::Seams;
use countersign_host::server::{Transport, serve};
use countersign_identity_propagation::identity_token;
use countersign_jwt::{KeySet, SigningKey};
use countersign_login::upstream::{Pending, Registration, RelyingParty};
use countersign_permission_ticket::TicketChallenge;
use countersign_resource::identity_propagation::{Domains, MemoryProofs};
use countersign_resource::{
    AccessTokens, Dpop, IdentityPropagation, IntrospectedTokens, Introspector, Mode, ProtectLayer,
    Routes,
};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::digest::Digest;
use countersign_types::secret::{AccessToken, ClientSecret, TicketHandle};
use countersign_types::{
    ClientId, EmailAddress, EndpointUrl, Issuer, RedirectUri, ResourceIdentifier, ScopeSet,
};
use countersign_uma::notice::{self, NoticeError};
use http::Method;
use serde_json::{Value, json};
use toml::Table;

use super::about_people;
use super::doors::Door;
use super::kinds::{client, letters};
use super::of_bob::{self, Mandate};
use crate::acting::{
    API, API_HOST, ASSERTION_TYPE, Acting, CLIENT, LETTERS, LETTERS_HOST, deployment_with, jti,
};
use crate::bed::{Bed, Credentials, Form, Reply, bearer, challenge_of};
use crate::browser::Browser;

/// An OpenID provider that says whatever a test makes it say.
const PROVIDER: &str = "https://sts.two.example";
/// A resource server that asks this provider about tokens.
const ASKING: &str = "https://asking.letters.example";
const ASKING_HOST: &str = "asking.letters.example";

/// Where Bob is told what waits for him.
pub(super) const OWNERS_ENDPOINT: &str = "https://hooks.bob.example/uma";

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
    login: Option<(RelyingParty, Pending, String)>,
}

/// What the place said.
pub(super) enum Answer {
    Accepted,
    Refused,
    Odd(String),
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
    bound_token: String,
}

impl World {
    pub(super) async fn start() -> Self {
        let hosts = [LETTERS_HOST, API_HOST, ASKING_HOST];
        let builder = deployment_with(about_people::may_be_asked);
        let builder = hosts.into_iter().fold(builder, |builder, host| builder.with_host(host));
        let mut deployment = builder
            .with_console()
            .with(Party::ResourceServer, |config| {
                let limits = json!({ "tickets_per_source": 100_000 });
                config.insert("limits".to_owned(), toml::Value::try_from(limits).unwrap());
            })
            .start()
            .await;
        deployment.restart(Party::UmaServer, asks_and_refreshes).await;
        let (http, clock) = (deployment.http(), deployment.seams().clock);
        let routes = || Routes::new().identified("GET /").build().unwrap();
        let party = IdentityPropagation::new(
            letters(),
            Domains::any(),
            Arc::clone(&http),
            Arc::clone(&clock),
            Arc::new(MemoryProofs::new(Arc::clone(&clock))),
        );
        protect(&mut deployment, LETTERS_HOST, party.into(), routes());
        let api = ResourceIdentifier::parse(API).unwrap();
        let issuer = Issuer::parse(names::STS).unwrap();
        let tokens = AccessTokens::new(api, issuer, Arc::clone(&http), Arc::clone(&clock));
        protect(&mut deployment, API_HOST, tokens.into(), routes());
        let introspector = Introspector {
            issuer: Issuer::parse(PROVIDER).unwrap(),
            client_id: ClientId::parse("asking").unwrap(),
            proof: ClientProof::SecretBasic(ClientSecret::new(names::RS_SECRET)),
        };
        let asking = ResourceIdentifier::parse(ASKING).unwrap();
        let random = deployment.seams().random;
        let used = Arc::new(MemoryProofs::new(Arc::clone(&clock)));
        let tokens = IntrospectedTokens::new(asking, introspector, http, clock, random);
        let mode = Mode::from(tokens).with_dpop(Dpop::new(used));
        protect(&mut deployment, ASKING_HOST, mode, routes());

        let acting = Acting::of(deployment);
        let provider = Arc::new(keys::signing(keys::ES256_C));
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
            bound_token: bound_token(&acting).await,
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

    /// What every token says that is made for a place: when it was made, and nothing that another kind says.
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

    /// Goes to a place, and tells what a token has to say there.
    pub(super) async fn open(&self, door: Door) -> Open {
        let (bed, now) = (&self.acting.bed, self.acting.bed.now());
        let sts = || Arc::new(keys::signing(keys::ES256_A));
        let client = || Arc::clone(&self.acting.key);
        let (fresh, of_alice) = (self.fresh(), self.of_alice());
        let own = |aud: &str| self.own(aud);
        let identity = with(
            &fresh,
            &json!({
                "iss": names::STS, "sub": names::ALICE, "aud": LETTERS, "nbf": now,
                "email": null, "email_verified": null, "client_id": CLIENT, "act": { "sub": CLIENT },
            }),
        );
        let mut open = Open { uses_up: door.uses_up(), ..Open::default() };
        open.right = match door {
            Door::Subject | Door::SubjectOtherwise => Some((
                with(&of_alice, &json!({ "client_id": CLIENT, "jti": jti(), "may_act": null })),
                sts(),
            )),
            Door::Actor => Some((with(&own(LETTERS), &json!({ "nbf": now })), client())),
            Door::StsAssertion => Some((own(names::STS), client())),
            Door::UmaAssertion => Some((own(names::UMA), client())),
            Door::Dpop => {
                open.takes_own_key = true;
                let endpoint = bed.sts("token_endpoint").await;
                Some((with(&fresh, &json!({ "htm": "POST", "htu": endpoint })), client()))
            }
            Door::ClaimToken => {
                let ticket = bed.ticket().await;
                let right = with(&fresh, &bed.claims(&ticket));
                open.ticket = Some(ticket);
                Some((right, sts()))
            }
            Door::Ticket => {
                open.ticket = Some(bed.ticket().await);
                None
            }
            Door::Pat | Door::Introspection | Door::Uma => None,
            Door::KeyAtUserInfo => {
                open.takes_own_key = true;
                let (said, token) = self.proved_at_userinfo().await;
                open.bound = Some(token);
                Some((said, client()))
            }
            Door::AssertionAtIntrospection
            | Door::AssertionAtRevocation
            | Door::AssertionAtUmaRevocation => self.said_at(door).map(|said| (said, client())),
            Door::Api => Some((with(&of_alice, &json!({ "aud": API, "jti": jti() })), sts())),
            Door::Identity | Door::ReceivedIdentity => Some((identity, sts())),
            Door::Proof => {
                let ath = Digest::of(self.identity_token.as_bytes()).to_base64url();
                Some((with(&own(LETTERS), &json!({ "ath": ath })), client()))
            }
            Door::KeyAtParty | Door::KeyAtAsking => {
                open.takes_own_key = true;
                let (url, token) = self.bound_at(door);
                let ath = Digest::of(token.as_bytes()).to_base64url();
                let claims = json!({ "htm": "GET", "htu": format!("{url}/"), "ath": ath });
                Some((with(&fresh, &claims), client()))
            }
            Door::IdToken => {
                let (login, nonce) = self.begin_login().await;
                open.login = Some(login);
                let right = json!({
                    "iss": PROVIDER, "sub": "alice", "aud": "app", "nonce": nonce,
                    "at_hash": null, "azp": null, "c_hash": null,
                });
                Some((with(&fresh, &right), Arc::clone(&self.provider)))
            }
            Door::ReceivedClaims => {
                let right = with(&fresh, &bed.claims("a ticket"));
                Some((right, sts()))
            }
            Door::ClaimsEndpoint => Some((with(&of_alice, &self.shown_for_claims()), sts())),
            Door::UserQuery => Some((with(&of_alice, &self.shown_to_ask()), sts())),
            Door::Notice => {
                let event = json!({ "owner": "bob", "resource_server": "rs", "permissions": [] });
                let events = json!({ notice::REQUEST_SUBMITTED: event });
                let right = json!({
                    "iss": names::UMA, "aud": OWNERS_ENDPOINT, "iat": now, "jti": jti(),
                    "events": events,
                });
                Some((right, Arc::clone(&self.provider)))
            }
            _ => self.said_at(door).map(|said| (said, sts())),
        };
        open
    }

    /// Offers a token there.
    pub(super) async fn offer(&self, door: Door, open: Open, token: &str) -> Answer {
        let (bed, acting) = (&self.acting.bed, &self.acting);
        let subject = acting.subject(&[]);
        let exchange = async |parameter: &str| {
            acting.exchange(&[("subject_token", &subject), (parameter, token)]).await
        };
        match door {
            Door::Subject => {
                let reply = acting.exchange(&[("subject_token", token)]).await;
                judge(&reply, 200, (400, "invalid_request"))
            }
            Door::SubjectOtherwise => self.otherwise(token).await,
            Door::Actor => judge(&exchange("actor_token").await, 200, (400, "invalid_request")),
            Door::StsAssertion => {
                judge(&exchange("client_assertion").await, 200, (401, "invalid_client"))
            }
            Door::UmaAssertion => {
                let mut attempt = bed.attempt().await;
                attempt.form.credentials = Credentials::None;
                attempt.form.set("client_assertion", token);
                attempt.form.set("client_assertion_type", ASSERTION_TYPE);
                judge(&bed.redeem(&attempt).await, 200, (401, "invalid_client"))
            }
            Door::Dpop => {
                let reply = acting.exchange_with(Some(token), &[]).await;
                judge(&reply, 200, (400, "invalid_dpop_proof"))
            }
            Door::ClaimToken => {
                let mut attempt = bed.attempt_with(open.ticket.as_deref().unwrap_or_default());
                attempt.form.set("claim_token", token);
                judge(&bed.redeem(&attempt).await, 200, (403, "need_info"))
            }
            Door::Ticket => {
                let mut attempt = bed.attempt_with(token);
                attempt.claim("ticket_challenge", challenge_of(token));
                attempt.claim("jti", jti());
                let reply = bed.redeem(&attempt).await;
                match (reply.status, reply.error().as_str()) {
                    // It is a good one, and Bob has not said yes.
                    (403, "request_submitted") => Answer::Accepted,
                    _ => judge(&reply, 200, (400, "invalid_grant")),
                }
            }
            Door::Pat => {
                let resources = bed.uma("resource_registration_endpoint").await;
                let reply = bed.json(Method::GET, &resources, token, &Value::Null).await;
                match (reply.status, reply.error().as_str()) {
                    (403, "insufficient_scope") => Answer::Refused,
                    _ => judge(&reply, 200, (401, "invalid_token")),
                }
            }
            Door::Introspection => {
                let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
                let form = Form::new(&[("token", token)], Credentials::Bearer(pat));
                let reply = bed.post(&bed.uma("introspection_endpoint").await, &form).await;
                match (reply.status, reply.json()["active"].as_bool()) {
                    (200, Some(true)) => Answer::Accepted,
                    (200, Some(false)) => Answer::Refused,
                    _ => Answer::Odd(format!("{reply:?}")),
                }
            }
            Door::Uma => by_status(&bed.get(names::RS_API, &[header(&bearer(token))]).await),
            Door::Api => by_status(&bed.get(API, &[header(&bearer(token))]).await),
            Door::Identity => self.propagate(token, &self.acting.proof_of(token)).await,
            Door::Proof => self.propagate(&self.identity_token, token).await,
            Door::KeyAtParty | Door::KeyAtAsking => {
                let (url, bound) = self.bound_at(door);
                let (authorization, client) = (format!("DPoP {bound}"), acting.proof_of(bound));
                let mut headers = vec![("authorization", authorization.as_str()), ("dpop", token)];
                if door == Door::KeyAtParty {
                    headers.push(("client-assertion", client.as_str()));
                }
                by_status(&bed.get(url, &headers).await)
            }
            Door::IdToken => self.finish_login(open, token).await,
            Door::ReceivedClaims => self.received_claims(token),
            Door::ReceivedIdentity => self.received_identity(token),
            Door::ClaimsEndpoint => self.ask_for_claims(token).await,
            Door::UserQuery => self.ask_who(token).await,
            Door::Notice => {
                let keys = KeySet::from_keys(vec![self.provider.public().clone()]).unwrap();
                let issuer = Issuer::parse(names::UMA).unwrap();
                match notice::verify(token, &keys, &issuer, OWNERS_ENDPOINT, self.now()) {
                    Ok(_) => Answer::Accepted,
                    Err(NoticeError::Typ | NoticeError::Malformed(_)) => Answer::Refused,
                    Err(error) => Answer::Odd(error.to_string()),
                }
            }
            _ => self.offer_issuer(door, open, token).await,
        }
    }

    async fn otherwise(&self, token: &str) -> Answer {
        for kind in ["jwt", "id_token", "refresh_token", "saml2", "saml1"] {
            let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
            let changes = [("subject_token", token), ("subject_token_type", kind.as_str())];
            match judge(&self.acting.exchange(&changes).await, 200, (400, "invalid_request")) {
                Answer::Refused => {}
                other => return other,
            }
        }
        Answer::Refused
    }

    /// Where a token that is bound to the client's key is shown, and the token.
    fn bound_at(&self, door: Door) -> (&'static str, &str) {
        match door {
            Door::KeyAtAsking => (ASKING, "opaque"),
            _ => (LETTERS, &self.bound_token),
        }
    }

    async fn propagate(&self, token: &str, proof: &str) -> Answer {
        let authorization = bearer(token);
        let headers = [header(&authorization), ("client-assertion", proof)];
        by_status(&self.acting.bed.get(LETTERS, &headers).await)
    }

    async fn begin_login(&self) -> ((RelyingParty, Pending, String), String) {
        let issuer = Issuer::parse(PROVIDER).unwrap();
        let app = Registration::public(ClientId::parse("app").unwrap());
        let http = self.acting.bed.deployment.http();
        let app = RelyingParty::discover(http, &issuer, app).await.unwrap();
        let redirect_uri = RedirectUri::parse(names::REDIRECT_URI).unwrap();
        let scope = ScopeSet::parse("openid").unwrap();
        let (url, pending) = app.begin(&redirect_uri, &scope, &*self.seams().random).unwrap();
        let pairs = url.as_url().query_pairs();
        let param =
            |name| pairs.into_iter().find(|(known, _)| known == name).unwrap().1.to_string();
        let query = format!("code=a&state={}", param("state"));
        ((app, pending, query), param("nonce"))
    }

    async fn finish_login(&self, open: Open, token: &str) -> Answer {
        let Some((app, pending, query)) = open.login else {
            return Answer::Odd("no login was begun".to_owned());
        };
        let response = json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 60,
            "id_token": token });
        self.acting.publish(&format!("{PROVIDER}/token"), &response);
        let random = &*self.seams().random;
        match app.finish(pending, &query, self.now(), random).await {
            Ok(_) => Answer::Accepted,
            Err(_) => Answer::Refused,
        }
    }

    fn received_claims(&self, token: &str) -> Answer {
        let expected = read::ExpectedByClient {
            issuer: &Issuer::parse(names::STS).unwrap(),
            audience: &Issuer::parse(names::UMA).unwrap(),
            resource: &ResourceIdentifier::parse(names::RS).unwrap(),
            ticket_challenge: &TicketChallenge::of(&TicketHandle::new("a ticket")),
            person: ExpectedPerson::Subject(names::ALICE_SUB),
            client_id: &ClientId::parse(names::RQP_CLIENT).unwrap(),
            now: self.now(),
        };
        accepted_if(read::check_received(token, &expected).is_ok())
    }

    fn received_identity(&self, token: &str) -> Answer {
        let expected = identity_token::ExpectedByClient {
            issuer: &Issuer::parse(names::STS).unwrap(),
            audience: &letters(),
            person: &EmailAddress::parse(names::ALICE).unwrap(),
            client_id: &client(),
            confirmation: None,
            now: self.now(),
        };
        accepted_if(identity_token::check_received(&AccessToken::new(token), &expected).is_ok())
    }
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

/// An identity token that is bound to the client's key.
async fn bound_token(acting: &Acting) -> String {
    let endpoint = EndpointUrl::parse(&acting.bed.sts("token_endpoint").await).unwrap();
    let target = Target { method: &Method::POST, url: &endpoint };
    let Seams { clock, random } = acting.bed.deployment.seams();
    let proof = dpop::proof(&acting.key, target, None, None, clock.now(), &*random).unwrap();
    let reply = acting.exchange_with(Some(proof.expose()), &[]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.member("access_token")
}

/// Serves a host whose every caller has to be known.
fn protect(deployment: &mut Deployment, host: &str, mode: Mode, routes: Routes) {
    let layer = ProtectLayer::new(mode, routes).unwrap();
    let router = Router::new().route("/", get(async || "known")).layer(layer);
    let (listener, tls) = deployment.take_host(host);
    let transport = Transport::tls(&tls).unwrap();
    // Ends with the runtime of the test.
    tokio::spawn(serve(listener, transport, router, std::future::pending()));
}

/// Members laid over members.
pub(super) fn with(members: &Value, over: &Value) -> Value {
    let mut members = members.clone();
    members.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    members
}

fn header<'a>((name, value): &'a (&'static str, String)) -> (&'static str, &'a str) {
    (name, value)
}

pub(super) fn judge(reply: &Reply, accepted: u16, refused: (u16, &str)) -> Answer {
    match (reply.status, reply.error()) {
        (status, _) if status == accepted => Answer::Accepted,
        (status, error) if (status, error.as_str()) == refused => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

fn by_status(reply: &Reply) -> Answer {
    match reply.status {
        200 => Answer::Accepted,
        401 => Answer::Refused,
        _ => Answer::Odd(format!("{reply:?}")),
    }
}

const fn accepted_if(accepted: bool) -> Answer {
    if accepted { Answer::Accepted } else { Answer::Refused }
}
