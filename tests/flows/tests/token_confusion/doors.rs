//! The columns: every place that takes a token, over TLS, or in the client where it is the client
//! that is given one.

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

use super::about_people;
use super::kinds::{client, letters};
use crate::acting::{
    API, API_HOST, ASSERTION_TYPE, Acting, CLIENT, LETTERS, LETTERS_HOST, deployment_with, jti,
};
use crate::bed::{Credentials, Form, Reply, bearer, challenge_of};

/// An OpenID provider that says whatever a test makes it say.
const PROVIDER: &str = "https://sts.two.example";
/// A resource server that asks this provider about tokens.
const ASKING: &str = "https://asking.letters.example";
const ASKING_HOST: &str = "asking.letters.example";

/// Where Bob is told what waits for him.
pub(super) const OWNERS_ENDPOINT: &str = "https://hooks.bob.example/uma";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Subject,
    SubjectOtherwise,
    Actor,
    StsAssertion,
    UmaAssertion,
    Dpop,
    ClaimToken,
    Ticket,
    Pat,
    Introspection,
    Uma,
    Api,
    Identity,
    Proof,
    KeyAtParty,
    KeyAtAsking,
    IdToken,
    ReceivedClaims,
    ReceivedIdentity,
    ClaimsEndpoint,
    UserQuery,
    Notice,
}

impl Door {
    pub(super) const ALL: [Self; 22] = [
        Self::Subject,
        Self::SubjectOtherwise,
        Self::Actor,
        Self::StsAssertion,
        Self::UmaAssertion,
        Self::Dpop,
        Self::ClaimToken,
        Self::Ticket,
        Self::Pat,
        Self::Introspection,
        Self::Uma,
        Self::Api,
        Self::Identity,
        Self::Proof,
        Self::KeyAtParty,
        Self::KeyAtAsking,
        Self::IdToken,
        Self::ReceivedClaims,
        Self::ReceivedIdentity,
        Self::ClaimsEndpoint,
        Self::UserQuery,
        Self::Notice,
    ];

    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Subject => "subj",
            Self::SubjectOtherwise => "othr",
            Self::Actor => "actr",
            Self::StsAssertion => "sts",
            Self::UmaAssertion => "uma",
            Self::Dpop => "dpop",
            Self::ClaimToken => "clm",
            Self::Ticket => "tick",
            Self::Pat => "pat",
            Self::Introspection => "intr",
            Self::Uma => "rpt",
            Self::Api => "api",
            Self::Identity => "id",
            Self::Proof => "prf",
            Self::KeyAtParty => "dpRP",
            Self::KeyAtAsking => "dpIR",
            Self::IdToken => "oidc",
            Self::ReceivedClaims => "gotC",
            Self::ReceivedIdentity => "gotI",
            Self::ClaimsEndpoint => "clEP",
            Self::UserQuery => "user",
            Self::Notice => "note",
        }
    }

    /// The `typ` of the token that belongs there.
    pub(super) const fn typ(self) -> Option<&'static str> {
        match self {
            Self::Subject
            | Self::SubjectOtherwise
            | Self::Api
            | Self::ClaimsEndpoint
            | Self::UserQuery => Some("at+jwt"),
            Self::Actor => Some("actor+jwt"),
            Self::StsAssertion | Self::UmaAssertion => Some("client-authentication+jwt"),
            Self::Dpop | Self::KeyAtParty | Self::KeyAtAsking => Some("dpop+jwt"),
            Self::ClaimToken | Self::ReceivedClaims => Some("uma-claims+jwt"),
            Self::Identity | Self::ReceivedIdentity => Some("identity-propagation+jwt"),
            Self::Proof => Some("client-proof+jwt"),
            Self::IdToken => Some("JWT"),
            Self::Notice => Some("secevent+jwt"),
            Self::Ticket | Self::Pat | Self::Introspection | Self::Uma => None,
        }
    }
}

/// A place that waits for one token.
#[derive(Default)]
pub(super) struct Open {
    /// What a JWT has to say there, and whose signature it needs.
    pub(super) right: Option<(Value, Arc<SigningKey>)>,
    /// Whether a JWT there brings the key that signed it.
    pub(super) takes_own_key: bool,
    /// The ticket of this visit.
    pub(super) ticket: Option<String>,
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
            .with(Party::ResourceServer, |config| {
                let limits = json!({ "tickets_per_source": 100_000 });
                config.insert("limits".to_owned(), toml::Value::try_from(limits).unwrap());
            })
            .start()
            .await;
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

        let code = crate::sts::code(&acting.bed, "alice").await;
        let tokens = crate::sts::redeem(&acting.bed, &code).await;
        Self {
            access_token: tokens.member("access_token"),
            id_token: tokens.member("id_token"),
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

    /// Goes to a place, and tells what a token has to say there.
    pub(super) async fn open(&self, door: Door) -> Open {
        let (bed, now) = (&self.acting.bed, self.acting.bed.now());
        let sts = || Arc::new(keys::signing(keys::ES256_A));
        let client = || Arc::clone(&self.acting.key);
        let fresh = json!({ "iat": now, "exp": now + 60, "jti": jti(), "nbf": null, "act": null,
            "client_id": null, "scope": null, "amr": null });
        let own = |aud: &str| with(&fresh, &json!({ "iss": CLIENT, "sub": CLIENT, "aud": aud }));
        let of_alice = with(&fresh, &bed.subject());
        let identity = with(
            &fresh,
            &json!({
                "iss": names::STS, "sub": names::ALICE, "aud": LETTERS, "nbf": now,
                "email": null, "email_verified": null, "client_id": CLIENT, "act": { "sub": CLIENT },
            }),
        );
        let mut open = Open::default();
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
                judge(&bed.redeem(&attempt).await, 200, (400, "invalid_grant"))
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
fn with(members: &Value, over: &Value) -> Value {
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
