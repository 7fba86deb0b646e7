//! The security token service: STS-1 to STS-6 and STS-10.

use countersign_login::{Credentials as Login, headless};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::secret::Password;
use countersign_types::{EndpointUrl, RedirectUri};
use serde_json::{Value, json};

use crate::bed::{
    ACCESS_TOKEN, Bed, Credentials, Form, JWT, Reply, TOKEN_EXCHANGE, challenge_of,
    check_not_stored, claims_of, sign,
};

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An exchange that succeeds unless it is changed.
struct Exchange {
    now: i64,
    form: Form,
    /// The subject token's claims.
    subject: Value,
    typ: &'static str,
    key: &'static str,
}

impl Exchange {
    fn new(bed: &Bed) -> Self {
        let params = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", JWT),
            ("audience", names::UMA),
            ("resource", names::RS),
            ("ticket_challenge", &challenge_of("a ticket")),
        ];
        Self {
            now: bed.now(),
            form: Form::new(&params, Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET)),
            subject: bed.subject(),
            typ: "at+jwt",
            key: keys::ES256_A,
        }
    }

    fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.subject[name] = value.into();
    }

    fn drop_claim(&mut self, name: &str) {
        self.subject.as_object_mut().unwrap().remove(name);
    }

    async fn send(&self, bed: &Bed) -> Reply {
        let mut form = self.form.clone();
        if form.get("subject_token").is_none() {
            form.set("subject_token", &sign(self.typ, self.key, &self.subject));
        }
        bed.post(&bed.sts("token_endpoint").await, &form).await
    }
}

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    check_not_stored(name, reply);
    assert_eq!(reply.json().get("access_token").is_some(), status == 200, "{name}");
    assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401, "{name}");
}

type Change = fn(&mut Exchange);

/// A change to the exchange, and what comes of it.
struct Row(&'static str, Change, u16, &'static str);

/// Changes that all come to the same.
async fn run_all(status: u16, error: &'static str, rows: &[(&'static str, Change)]) {
    let rows = rows.iter().map(|(name, change)| Row(name, *change, status, error));
    run(&rows.collect::<Vec<_>>()).await;
}

async fn run(rows: &[Row]) {
    let bed = Bed::start().await;
    for Row(name, change, status, error) in rows {
        let mut exchange = Exchange::new(&bed);
        change(&mut exchange);
        check(name, &exchange.send(&bed).await, *status, error);
    }
    check("happy", &Exchange::new(&bed).send(&bed).await, 200, "");
}

#[tokio::test]
async fn sts_1_happy() {
    let bed = Bed::start().await;
    let alice = bed.deployment.alice().await;
    let mut exchange = Exchange::new(&bed);
    exchange.form.set("subject_token", alice.access_token.expose());
    let reply = exchange.send(&bed).await;
    check("STS-1", &reply, 200, "");
    let body = reply.json();
    assert_eq!(body["issued_token_type"], JWT);
    assert_eq!(body["token_type"], "N_A");
    assert_eq!(body["expires_in"], 120);
    assert!(body.get("refresh_token").is_none());

    let (header, claims) = claims_of(&reply.member("access_token"));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("uma-claims+jwt"), &json!("ES256")));
    let now = bed.now();
    for (name, expected) in [
        ("iss", json!(names::STS)),
        ("sub", json!(names::ALICE_SUB)),
        ("aud", json!(names::UMA)),
        ("resource", json!(names::RS)),
        ("ticket_challenge", json!(challenge_of("a ticket"))),
        ("email", json!(names::ALICE)),
        ("email_verified", json!(true)),
        ("iat", json!(now)),
        ("exp", json!(now + 120)),
    ] {
        assert_eq!(claims[name], expected, "STS-1 {name}");
    }
    assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()));
    assert!(claims.get("client_id").is_none(), "STS-1 a local client id means nothing elsewhere");
    assert!(claims.get("scope").is_none());
}

#[tokio::test]
async fn sts_1_other_forms_of_the_same_request() {
    run_all(
        200,
        "",
        &[
            ("STS-1 a registered name stands for audience and resource", |e| {
                e.form.drop("audience");
                e.form.set("resource", names::RS_API_NAME);
            }),
            ("STS-1 challenge under its older name", |e| {
                let challenge = challenge_of("a ticket");
                e.form.drop("ticket_challenge");
                e.form.set("ticket_digest", &challenge);
            }),
            ("STS-1 both names, one value", |e| {
                e.form.set("ticket_digest", &challenge_of("a ticket"))
            }),
            ("STS-1 method named", |e| e.form.set("ticket_challenge_method", "S256")),
            ("STS-1 public client", |e| {
                e.form.credentials = Credentials::Public(names::RQP_PUBLIC);
                e.claim("client_id", names::RQP_PUBLIC);
            }),
            ("STS-1 an unknown parameter is ignored", |e| e.form.set("x", "y")),
        ],
    )
    .await;
}

#[tokio::test]
async fn sts_2_ticket_challenges_that_are_none() {
    run_all(
        400,
        "invalid_request",
        &[
            ("STS-2 42 characters", |e| e.form.set("ticket_challenge", &challenge_of("x")[1..])),
            ("STS-2 padded", |e| e.form.set("ticket_challenge", &(challenge_of("x") + "="))),
            ("STS-2 not base64url", |e| {
                e.form
                    .set("ticket_challenge", &challenge_of("x").replace(['-', '_', 'a', 'B'], "+"))
            }),
            ("STS-2 hexadecimal", |e| {
                e.form.set("ticket_challenge", &"0123456789abcdef".repeat(4))
            }),
            ("STS-2 sent twice", |e| e.form.add("ticket_challenge", &challenge_of("a ticket"))),
            ("STS-2 method plain", |e| e.form.set("ticket_challenge_method", "plain")),
            ("STS-2 method S512", |e| e.form.set("ticket_challenge_method", "S512")),
            ("STS-2 two names, two values", |e| {
                e.form.set("ticket_digest", &challenge_of("another"))
            }),
        ],
    )
    .await;
}

#[tokio::test]
async fn sts_3_subject_tokens_that_are_refused() {
    run_all(
        400,
        "invalid_request",
        &[
            ("STS-3 expired", |e| {
                let at = e.now - 61;
                e.claim("exp", at);
            }),
            ("STS-3 foreign issuer", |e| e.claim("iss", names::EVIL_STS)),
            ("STS-3 foreign key", |e| e.key = keys::ES256_B),
            ("STS-3 another audience", |e| e.claim("aud", names::RS)),
            ("STS-3 typ of an ID token", |e| e.typ = "JWT"),
            ("STS-3 typ of a claims token", |e| e.typ = "uma-claims+jwt"),
            ("STS-3 no token at all", |e| e.form.set("subject_token", "garbage")),
            ("STS-3 subject_token missing", |e| e.form.set("subject_token", "")),
            ("STS-3 subject_token_type missing", |e| e.form.drop("subject_token_type")),
            ("STS-3 subject_token_type that is not the token's", |e| {
                e.form.set("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")
            }),
            ("STS-3 of another client (profile §5.3)", |e| {
                e.claim("client_id", names::OTHER_CLIENT)
            }),
            ("STS-3 presented by another client (profile §5.3)", |e| {
                e.form.credentials = Credentials::Basic(names::OTHER_CLIENT, names::OTHER_SECRET)
            }),
            ("STS-3 without scope claims-provider", |e| e.claim("scope", "openid email")),
            ("STS-3 without any scope", |e| e.drop_claim("scope")),
            ("STS-3 e-mail absent", |e| {
                e.drop_claim("email");
                e.drop_claim("email_verified");
            }),
            ("STS-3 e-mail unverified", |e| e.claim("email_verified", false)),
            ("STS-3 nothing said about verification", |e| e.drop_claim("email_verified")),
            ("STS-3 a person who is gone", |e| e.claim("sub", "nobody")),
        ],
    )
    .await;
}

/// The answer to an authentication request after a real login: the authorization code.
pub(crate) async fn code(bed: &Bed, username: &str) -> String {
    code_for(bed, username, "openid email claims-provider").await
}

/// The URL at which Alice's application asks for a code.
pub(crate) fn authorization(endpoint: &str, scope: &str, more: &[(&str, &str)]) -> String {
    let mut url = EndpointUrl::parse(endpoint).unwrap().as_url().clone();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", names::RQP_CLIENT),
        ("redirect_uri", names::REDIRECT_URI),
        ("scope", scope),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    url.query_pairs_mut().extend_pairs(more);
    url.into()
}

pub(crate) async fn code_for(bed: &Bed, username: &str, scope: &str) -> String {
    let url = authorization(&bed.sts("authorization_endpoint").await, scope, &[]);
    let credentials =
        Login { username: username.to_owned(), password: Password::new(names::ALICE_PASSWORD) };
    let url = EndpointUrl::parse(&url).unwrap();
    let redirect_uri = RedirectUri::parse(names::REDIRECT_URI).unwrap();
    let fetch = bed.deployment.http();
    let answer = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials).await;
    let answer = answer.expect("an answer");
    assert!(answer.contains("iss=https%3A%2F%2Fsts.alice.example"), "{answer}");
    let mut pairs = answer.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "code").expect("a code").1.to_owned()
}

pub(crate) async fn redeem(bed: &Bed, code: &str) -> Reply {
    let params = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", names::REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let credentials = Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET);
    bed.post(&bed.sts("token_endpoint").await, &Form::new(&params, credentials)).await
}

#[tokio::test]
async fn sts_3_a_token_revoked_by_replaying_its_code() {
    let bed = Bed::start().await;
    let code = code(&bed, "alice").await;
    let first = redeem(&bed, &code).await;
    check("first redemption", &first, 200, "");
    let mut exchange = Exchange::new(&bed);
    exchange.form.set("subject_token", &first.member("access_token"));
    check("STS-3 live", &exchange.send(&bed).await, 200, "");

    check("the code again", &redeem(&bed, &code).await, 400, "invalid_grant");
    check("STS-3 revoked", &exchange.send(&bed).await, 400, "invalid_request");
}

#[tokio::test]
async fn sts_3_a_person_without_a_verified_address() {
    let bed = Bed::start().await;
    let reply = redeem(&bed, &code(&bed, names::DAVE).await).await;
    check("he may sign in", &reply, 200, "");
    let mut exchange = Exchange::new(&bed);
    exchange.form.set("subject_token", &reply.member("access_token"));
    check("STS-3 e-mail unverified", &exchange.send(&bed).await, 400, "invalid_request");
}

#[tokio::test]
async fn sts_4_targets_that_are_refused() {
    run_all(
        400,
        "invalid_target",
        &[
            ("STS-4 resource with a fragment", |e| {
                e.form.set("resource", "https://rs.bob.example/#x")
            }),
            ("STS-4 resource neither URI nor registered", |e| {
                e.form.set("resource", "Another API")
            }),
            ("STS-4 resource not https", |e| e.form.set("resource", "http://rs.bob.example")),
            ("STS-4 resource denied", |e| e.form.set("resource", names::DENIED_RS)),
            ("STS-4 audience denied", |e| e.form.set("audience", names::DENIED_RS)),
            ("STS-4 audience no issuer", |e| e.form.set("audience", "uma.bob.example")),
            ("STS-4 audience missing", |e| e.form.drop("audience")),
            ("STS-4 resource missing", |e| e.form.drop("resource")),
            ("STS-4 audience given twice", |e| e.form.add("audience", names::EVIL_UMA)),
            ("STS-4 resource given twice", |e| e.form.add("resource", names::EVIL_RS)),
        ],
    )
    .await;
}

#[tokio::test]
async fn sts_4_an_audience_not_allowed_to_this_client() {
    let narrow = Deployment::builder().with(Party::Sts, |config| {
        let exchange = config["clients"][0]["exchange"].as_table_mut().unwrap();
        exchange["claims_token_audiences"] = vec!["https://*.bob.example"].into();
    });
    let bed = Bed::of(narrow.start().await);
    check("allowed", &Exchange::new(&bed).send(&bed).await, 200, "");
    let mut exchange = Exchange::new(&bed);
    exchange.form.set("audience", names::EVIL_UMA);
    check("STS-4 audience not allowed", &exchange.send(&bed).await, 400, "invalid_target");
}

#[tokio::test]
async fn sts_5_token_types_that_are_not_issued() {
    run(&[
        Row(
            "STS-5 saml2",
            |e| e.form.set("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
            400,
            "invalid_request",
        ),
        Row(
            "STS-5 refresh_token",
            |e| {
                e.form.set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
            },
            400,
            "invalid_request",
        ),
        Row("STS-5 no URI", |e| e.form.set("requested_token_type", "jwt"), 400, "invalid_request"),
        Row(
            "STS-5 actor_token_type without actor_token",
            |e| e.form.set("actor_token_type", JWT),
            400,
            "invalid_request",
        ),
        Row(
            "STS-5 actor_token without actor_token_type",
            |e| e.form.set("actor_token", "x"),
            400,
            "invalid_request",
        ),
        Row(
            "STS-5 unknown grant type",
            |e| e.form.set("grant_type", "password"),
            400,
            "unsupported_grant_type",
        ),
    ])
    .await;
}

#[tokio::test]
async fn sts_6_clients() {
    run(&[
        Row(
            "STS-6 client without the grant",
            |e| {
                e.form.credentials = Credentials::Basic(names::PLAIN_CLIENT, names::PLAIN_SECRET);
                e.claim("client_id", names::PLAIN_CLIENT);
            },
            400,
            "unauthorized_client",
        ),
        Row(
            "STS-6 wrong secret",
            |e| e.form.credentials = Credentials::Basic(names::RQP_CLIENT, "wrong"),
            401,
            "invalid_client",
        ),
        Row(
            "STS-6 unknown client",
            |e| e.form.credentials = Credentials::Basic("nobody", "wrong"),
            401,
            "invalid_client",
        ),
        Row("STS-6 no client", |e| e.form.credentials = Credentials::None, 401, "invalid_client"),
        Row(
            "STS-6 confidential client without its secret",
            |e| e.form.credentials = Credentials::Public(names::RQP_CLIENT),
            401,
            "invalid_client",
        ),
        Row(
            "STS-6 two methods",
            |e| e.form.set("client_secret", names::RQP_SECRET),
            400,
            "invalid_request",
        ),
    ])
    .await;
}

#[tokio::test]
async fn sts_6_public_client_where_policy_wants_confidential() {
    let strict = Deployment::builder().with(Party::Sts, |config| {
        config["exchange"].as_table_mut().unwrap().insert("public_clients".into(), false.into());
    });
    let bed = Bed::of(strict.start().await);
    let mut exchange = Exchange::new(&bed);
    exchange.form.credentials = Credentials::Public(names::RQP_PUBLIC);
    exchange.claim("client_id", names::RQP_PUBLIC);
    check("STS-6 public client", &exchange.send(&bed).await, 400, "unauthorized_client");
    check("confidential", &Exchange::new(&bed).send(&bed).await, 200, "");
}

/// STS-10 at the wire is `uma_sts_ticket_challenge::sts_10_the_ticket_never_reaches_the_sts`; this
/// is its record of the decision.
#[tokio::test]
async fn sts_10_the_record_holds_no_token_and_no_ticket() {
    let bed = Bed::start().await;
    let exchange = Exchange::new(&bed);
    let reply = exchange.send(&bed).await;
    let records = format!("{:?}", bed.deployment.recorder().exchanges());
    assert!(records.contains(names::UMA) && records.contains(names::ALICE), "{records}");
    for secret in ["a ticket", &challenge_of("a ticket"), &reply.member("access_token")] {
        assert!(!records.contains(secret), "{records}");
    }
}
