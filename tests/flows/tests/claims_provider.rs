//! Flow 003 without its owner, and with a claims provider of its own: the AuthN server's access
//! tokens say nothing, and the claims provider asks it about them (RFC 7662).

use countersign_testkit::{Deployment, Page, Party, Web, names};
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{Bed, Credentials, Form, Reply, challenge_of, check_not_stored, claims_of};

/// Where a server is that says whatever a test makes it say.
const FOREIGN: &str = "https://sts.one.example";

const ENDPOINT: &str = "https://alice.example/claims";

/// What the claims provider is at the AuthN server.
fn known_there(config: &mut Table) {
    let authn_server = config["authn_server"].as_table_mut().unwrap();
    let known = json!({ "client_id": "claims-provider", "client_secret": { "file": "claims-provider.secret" } });
    authn_server.insert("introspection".to_owned(), toml::Value::try_from(known).unwrap());
}

/// Alice's application and another get opaque access tokens, which may be for the claims provider.
fn opaque(config: &mut Table) {
    for client in &mut config["clients"].as_array_mut().unwrap()[..2] {
        let client = client.as_table_mut().unwrap();
        client.insert("opaque_access_tokens".to_owned(), true.into());
        client.insert("audiences".to_owned(), vec![names::CLAIMS_PROVIDER].into());
        client["grants"].as_array_mut().unwrap().push("client_credentials".into());
        let exchange = client["exchange"].as_table_mut().unwrap();
        exchange.insert("access_token_audiences".to_owned(), vec![names::CLAIMS_PROVIDER].into());
        exchange.insert("people".to_owned(), Table::new().into());
    }
}

async fn start() -> Bed {
    let deployment = Deployment::builder()
        .with_claims_provider()
        .with(Party::Sts, opaque)
        .with(Party::ClaimsProvider, known_there);
    Bed::of(deployment.start().await)
}

/// Branch A: what Alice's sign-in gave the application.
async fn of_alice(bed: &Bed) -> String {
    let code = crate::sts::code(bed, "alice").await;
    crate::sts::redeem(bed, &code).await.member("access_token")
}

/// Branch B: what a client has of its own, for `resource` if it is not empty.
async fn of_client(bed: &Bed, id: &'static str, secret: &'static str, resource: &str) -> String {
    let params = [("grant_type", "client_credentials"), ("scope", "claims-provider")];
    let mut form = Form::new(&params, Credentials::Basic(id, secret));
    if !resource.is_empty() {
        form.add("resource", resource);
    }
    let reply = bed.post(&bed.sts("token_endpoint").await, &form).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.member("access_token")
}

/// Asks for a claims token for a ticket, about an address if it is not empty.
async fn ask(bed: &Bed, token: &str, ticket: &str, address: &str) -> Reply {
    let challenge = challenge_of(ticket);
    let params = [("audience", names::UMA), ("resource", names::RS), ("ticket_digest", &challenge)];
    let mut form = Form::new(&params, Credentials::Bearer(token.to_owned()));
    if !address.is_empty() {
        form.add("email_address", address);
    }
    bed.post(ENDPOINT, &form).await
}

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    check_not_stored(name, reply);
}

/// Both branches with tokens that only the AuthN server can read, up to the requesting party token.
#[tokio::test]
async fn f003_the_server_is_asked_about_what_says_nothing() {
    let bed = start().await;
    let agent = of_client(&bed, names::RQP_CLIENT, names::RQP_SECRET, names::CLAIMS_PROVIDER).await;
    for (token, address) in [(of_alice(&bed).await, ""), (agent, names::ALICE)] {
        assert!(!token.contains('.'), "{token}");
        let ticket = bed.ticket().await;
        let reply = ask(&bed, &token, &ticket, address).await;
        check("a claims token", &reply, 200, "");
        let claims_token = reply.member("claims_token");
        let (_, claims) = claims_of(&claims_token);
        assert_eq!(claims["iss"], names::CLAIMS_PROVIDER);
        assert_eq!(
            (&claims["sub"], &claims["email"]),
            (&json!(names::ALICE_SUB), &json!(names::ALICE))
        );
        assert_eq!(claims["act"].is_null(), address.is_empty(), "{claims}");
        let mut attempt = bed.attempt_with(&ticket);
        attempt.form.set("claim_token", &claims_token);
        check("a requesting party token", &bed.redeem(&attempt).await, 200, "");
    }
}

#[tokio::test]
async fn sts_9_what_the_server_does_not_stand_by_opens_nothing() {
    let mut bed = start().await;
    let alice = of_alice(&bed).await;
    check("at first", &ask(&bed, &alice, "a ticket", "").await, 200, "");
    for (name, token) in [
        ("made up", "opaque".to_owned()),
        ("cut off", alice[..alice.len() - 1].to_owned()),
        ("for the server alone", of_client(&bed, names::RQP_CLIENT, names::RQP_SECRET, "").await),
    ] {
        let reply = ask(&bed, &token, "a ticket", names::ALICE).await;
        check(name, &reply, 401, "invalid_token");
    }
    // A client of the AuthN server that this provider does not know, whatever it may there.
    let other =
        of_client(&bed, names::OTHER_CLIENT, names::OTHER_SECRET, names::CLAIMS_PROVIDER).await;
    let reply = ask(&bed, &other, "a ticket", names::ALICE).await;
    check("of a client without an entry", &reply, 403, "insufficient_scope");

    // Revoked there, over here at once.
    let fields = [("token", alice.as_str())];
    let form = Form::new(&fields, Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET));
    assert_eq!(bed.post(&bed.sts("revocation_endpoint").await, &form).await.status, 200);
    check("revoked", &ask(&bed, &alice, "a ticket", "").await, 401, "invalid_token");

    // While the server is away nobody knows; nothing of that is kept.
    let again = of_alice(&bed).await;
    bed.deployment.stop(Party::Sts).await;
    check("away", &ask(&bed, &again, "a ticket", "").await, 503, "temporarily_unavailable");
    bed.deployment.restart(Party::Sts, |_| {}).await;
    bed.advance(5);
    check("back", &ask(&bed, &again, "a ticket", "").await, 200, "");
    bed.advance(301);
    check("expired", &ask(&bed, &again, "a ticket", "").await, 401, "invalid_token");

    // Who is nobody to the server learns nothing about any token.
    let other_secret = |config: &mut Table| {
        let known = &mut config["authn_server"]["introspection"]["client_secret"];
        known["file"] = "changed.secret".into();
    };
    let fresh = of_alice(&bed).await;
    bed.deployment.restart(Party::ClaimsProvider, other_secret).await;
    let reply = ask(&bed, &fresh, "a ticket", "").await;
    check("another secret", &reply, 503, "temporarily_unavailable");
    let without = |config: &mut Table| {
        config["authn_server"].as_table_mut().unwrap().remove("introspection");
    };
    bed.deployment.restart(Party::ClaimsProvider, without).await;
    check("nobody is asked", &ask(&bed, &fresh, "a ticket", "").await, 401, "invalid_token");
}

/// A claims provider in front of a server that a test writes, where Alice has an account.
struct Foreign {
    bed: Bed,
    web: Web,
}

impl Foreign {
    async fn start() -> Self {
        let deployment = Deployment::builder().with_claims_provider();
        let deployment = deployment.with(Party::ClaimsProvider, |config| {
            known_there(config);
            config["authn_server"]["issuer"] = FOREIGN.into();
            config["user_query"]["users"] = format!("{FOREIGN}/users").into();
        });
        let deployment = deployment.start().await;
        let web = deployment.web().clone();
        let bed = Bed::of(deployment);
        let this = Self { bed, web };
        this.publish_metadata(&["token_endpoint", "introspection_endpoint"]);
        this.publish("/token_endpoint", &json!({ "access_token": "own", "token_type": "Bearer" }));
        let alice = json!({ "id": names::ALICE_SUB, "emails": [{ "value": names::ALICE }] });
        let schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
        let found = json!({ "schemas": [schema], "totalResults": 1, "Resources": [alice] });
        this.publish("/users", &found);
        this
    }

    fn publish(&self, path: &str, document: &Value) {
        self.web.publish(&format!("{FOREIGN}{path}"), Page::json(document));
    }

    fn publish_metadata(&self, endpoints: &[&str]) {
        let mut metadata = json!({ "issuer": FOREIGN });
        for name in endpoints {
            metadata[*name] = json!(format!("{FOREIGN}/{name}"));
        }
        self.publish("/.well-known/oauth-authorization-server", &metadata);
    }

    /// What the server says of a good token of Alice's.
    fn active(&self) -> Value {
        let now = self.bed.now();
        json!({
            "active": true, "iss": FOREIGN, "sub": names::ALICE_SUB, "aud": names::CLAIMS_PROVIDER,
            "client_id": names::RQP_CLIENT, "scope": "openid claims-provider", "token_type": "Bearer",
            "iat": now, "exp": now + 300, "email": names::ALICE, "email_verified": true,
        })
    }

    async fn ask(&self) -> Reply {
        ask(&self.bed, "opaque", "a ticket", "").await
    }
}

#[tokio::test]
async fn rfc_7662_section_2_the_question_is_a_clients_own_and_the_token_stays_in_its_body() {
    let foreign = Foreign::start().await;
    foreign.publish("/introspection_endpoint", &foreign.active());
    check("good", &foreign.ask().await, 200, "");
    let received = foreign.web.received();
    let asked: Vec<_> =
        received.iter().filter(|it| it.url.contains("/introspection_endpoint")).collect();
    let [asked] = asked[..] else { unreachable!("{received:?}") };
    assert_eq!((asked.method.as_str(), asked.url.contains('?')), ("POST", false));
    assert_eq!(asked.body, "token=opaque&token_type_hint=access_token");
    let own = Form::new(
        &[],
        Credentials::Basic(names::CLAIMS_PROVIDER_CLIENT, names::CLAIMS_PROVIDER_SECRET),
    );
    assert_eq!(asked.headers["authorization"], own.authorization().unwrap());
    assert!(received.iter().all(|it| !it.url.contains("opaque")), "{received:?}");
}

#[tokio::test]
async fn sts_9_what_the_server_says_of_a_token_is_held_to_what_a_signed_one_is() {
    let foreign = Foreign::start().await;
    let now = foreign.bed.now();
    let others = "https://api.example";
    let rows = [
        ("as it is", "jti", json!("1"), 200, ""),
        ("without its issuer, which may be left out", "iss", Value::Null, 200, ""),
        ("for the server, too", "aud", json!([names::CLAIMS_PROVIDER, FOREIGN]), 200, ""),
        ("inactive", "active", json!(false), 401, "invalid_token"),
        ("of another issuer", "iss", json!(names::EVIL_STS), 401, "invalid_token"),
        ("for another", "aud", json!(others), 401, "invalid_token"),
        ("for the server alone", "aud", json!(FOREIGN), 401, "invalid_token"),
        ("for another, too", "aud", json!([names::CLAIMS_PROVIDER, others]), 401, "invalid_token"),
        ("for nobody", "aud", Value::Null, 401, "invalid_token"),
        ("without an end", "exp", Value::Null, 401, "invalid_token"),
        ("expired", "exp", json!(now - 60), 401, "invalid_token"),
        ("not yet", "nbf", json!(now + 61), 401, "invalid_token"),
        ("of no client", "client_id", Value::Null, 401, "invalid_token"),
        ("a refresh token", "token_type", json!("refresh_token"), 401, "invalid_token"),
        ("bound to a key", "cnf", json!({ "jkt": "A".repeat(43) }), 401, "invalid_token"),
        ("without the scope", "scope", json!("openid"), 403, "insufficient_scope"),
        ("of a client without an entry", "client_id", json!("x"), 403, "insufficient_scope"),
        ("of somebody else", "sub", json!(names::CAROL_SUB), 400, "invalid_request"),
        ("of no address", "email", Value::Null, 400, "invalid_request"),
        ("of no verified address", "email_verified", json!(false), 400, "invalid_request"),
        ("no answer", "active", Value::Null, 503, "temporarily_unavailable"),
        ("a text", "active", json!("true"), 503, "temporarily_unavailable"),
    ];
    for (name, member, value, status, error) in rows {
        let mut answer = foreign.active();
        match value {
            Value::Null => drop(answer.as_object_mut().unwrap().remove(member)),
            value => answer[member] = value,
        }
        foreign.publish("/introspection_endpoint", &answer);
        check(name, &foreign.ask().await, status, error);
        if status == 503 {
            // About this token nothing is asked for a moment.
            foreign.bed.advance(5);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_say_is_no_statement_about_the_token() {
    let foreign = Foreign::start().await;
    let endpoint = format!("{FOREIGN}/introspection_endpoint");
    let good = foreign.active().to_string();
    let mut bodies = Vec::new();
    for (name, page) in [
        ("unauthorized", Page::new(401, "application/json", "{}")),
        ("broken", Page::new(500, "text/plain", "at line 7")),
        ("with another status", Page::new(202, "application/json", good.clone())),
        ("elsewhere", Page::redirect(names::EVIL_STS)),
        ("no JSON", Page::new(200, "application/json", "<html>")),
        ("said twice", Page::new(200, "application/json", r#"{"active":true,"active":true}"#)),
        ("too long", Page::new(200, "application/json", vec![b' '; 4 << 20])),
    ] {
        foreign.web.publish(&endpoint, page);
        let reply = foreign.ask().await;
        check(name, &reply, 503, "temporarily_unavailable");
        bodies.push(reply.body);
        foreign.bed.advance(5);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nothing of the server shows: {bodies:?}");
    foreign.web.publish(&endpoint, Page::new(200, "application/json", good));
    check("and then it says", &foreign.ask().await, 200, "");
}

#[tokio::test]
async fn a_server_that_publishes_no_introspection_is_asked_nothing() {
    let foreign = Foreign::start().await;
    foreign.publish_metadata(&["token_endpoint"]);
    check("not published", &foreign.ask().await, 503, "temporarily_unavailable");
    let received = foreign.web.received();
    assert!(received.iter().all(|it| !it.url.contains("introspection")), "{received:?}");
}
