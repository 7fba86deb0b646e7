//! Mistakes that were published of other UMA servers and of a library they stand on, each tried
//! here by its number.

use countersign_testkit::names;
use http::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, Credentials, Form, Reply};

const REGISTRATION: &str = "resource_registration_endpoint";
const PERMISSION: &str = "permission_endpoint";
const INTROSPECTION: &str = "introspection_endpoint";

/// Two owners at one authorization server, a resource of each, and what Bob's says.
struct Two {
    bed: Bed,
    bob: String,
    olga: String,
    own: String,
    victim: String,
}

impl Two {
    async fn start() -> Self {
        let bed = Bed::start().await;
        let bob = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
        let olga = bed.pat(names::OTHER_RS_CLIENT, names::OTHER_RS_SECRET).await;
        let endpoint = bed.uma(REGISTRATION).await;
        let own = described("Bob's", &["get"]);
        let own = bed.json(Method::POST, &endpoint, &bob, &own).await.member("_id");
        let victim = described("Olga's", &["get"]);
        let victim = bed.json(Method::POST, &endpoint, &olga, &victim).await.member("_id");
        Self { bed, bob, olga, own, victim }
    }

    async fn of(&self, id: &str) -> String {
        format!("{}/{id}", self.bed.uma(REGISTRATION).await)
    }

    /// Olga's resource as it is.
    async fn untouched(&self, name: &str) {
        let url = self.of(&self.victim).await;
        let read = self.bed.json(Method::GET, &url, &self.olga, &Value::Null).await.json();
        assert_eq!(
            (&read["name"], &read["resource_scopes"]),
            (&json!("Olga's"), &json!(["get"])),
            "{name}"
        );
    }
}

fn described(name: &str, scopes: &[&str]) -> Value {
    json!({ "name": name, "resource_scopes": scopes })
}

#[track_caller]
fn refused(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    assert!(reply.json().get("ticket").is_none(), "{name}: {reply:?}");
}

/// Only the first resource of a request was checked for its owner.
#[tokio::test]
async fn cve_2025_14778_every_resource_of_a_request_is_ones_own() {
    let two = Two::start().await;
    let endpoint = two.bed.uma(PERMISSION).await;
    let ask = |ids: &[&str]| {
        let one = |id: &&str| json!({ "resource_id": id, "resource_scopes": ["get"] });
        Value::Array(ids.iter().map(one).collect())
    };
    let (own, victim) = (two.own.as_str(), two.victim.as_str());
    for ids in
        [&[own, victim][..], &[victim, own], &[own, own, victim], &[own, victim, own], &[victim]]
    {
        let reply = two.bed.json(Method::POST, &endpoint, &two.bob, &ask(ids)).await;
        refused(&format!("{ids:?}"), &reply, 400, "invalid_resource_id");
    }
    let reply = two.bed.json(Method::POST, &endpoint, &two.bob, &ask(&[own])).await;
    assert_eq!(reply.status, 201, "one's own: {reply:?}");
}

/// The path named one's own resource, and the body another's, which was acted on.
#[tokio::test]
async fn cve_2026_4636_the_path_says_which_resource_it_is() {
    let two = Two::start().await;
    let mut body = described("Bob's again", &["put"]);
    for (name, value) in [
        ("_id", json!(two.victim)),
        ("id", json!(two.victim)),
        ("resource_id", json!(two.victim)),
        ("resources", json!([two.own, two.victim])),
        ("owner", json!("olga")),
    ] {
        body[name] = value;
    }
    let replaced = two.bed.json(Method::PUT, &two.of(&two.own).await, &two.bob, &body).await;
    assert_eq!((replaced.status, &replaced.member("_id")), (200, &two.own), "{replaced:?}");
    two.untouched("replaced").await;

    let created =
        two.bed.json(Method::POST, &two.bed.uma(REGISTRATION).await, &two.bob, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(![&two.own, &two.victim].contains(&&created.member("_id")), "{created:?}");
    two.untouched("created").await;

    let url = format!("{}?_id={}&owner=olga", two.of(&two.own).await, two.victim);
    two.bed.json(Method::DELETE, &url, &two.bob, &json!({ "_id": two.victim })).await;
    two.untouched("deleted").await;

    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (url, body) = (two.of(&two.victim).await, described("x", &["get"]));
        let reply = two.bed.json(method, &url, &two.bob, &body).await;
        refused("another's by its path", &reply, 404, "not_found");
    }
    two.untouched("another's by its path").await;
}

/// Endpoints of the protection API took tokens without the scope `uma_protection`.
#[tokio::test]
async fn cve_2026_3190_an_ordinary_token_reaches_nothing_of_the_protection_api() {
    let two = Two::start().await;
    let ordinary = two.bed.rpt().await;
    let (list, one) = (two.bed.uma(REGISTRATION).await, two.of(&two.own).await);
    let permission = json!({ "resource_id": two.own, "resource_scopes": ["get"] });
    let rows = [
        (Method::GET, list.clone(), Value::Null),
        (Method::POST, list, described("more", &["get"])),
        (Method::GET, one.clone(), Value::Null),
        (Method::PUT, one.clone(), described("another", &["get"])),
        (Method::DELETE, one, Value::Null),
        (Method::POST, two.bed.uma(PERMISSION).await, permission),
    ];
    for (method, url, body) in &rows {
        let reply = two.bed.json(method.clone(), url, &ordinary, body).await;
        refused(&format!("{method} {url}"), &reply, 403, "insufficient_scope");
        let reply = two.bed.json(method.clone(), url, "eyJhbGciOiJub25lIn0.e30.", body).await;
        refused(&format!("{method} {url}, foreign"), &reply, 401, "invalid_token");
    }
    let form = Form::new(&[("token", &ordinary)], Credentials::Bearer(ordinary.clone()));
    let reply = two.bed.post(&two.bed.uma(INTROSPECTION).await, &form).await;
    refused("introspection by the token itself", &reply, 403, "insufficient_scope");
    let read = two.bed.json(Method::GET, &two.of(&two.own).await, &two.bob, &Value::Null).await;
    assert_eq!(read.json()["name"], "Bob's", "nothing was changed: {read:?}");
}

/// A token was introspected for somebody whom it was not for.
#[tokio::test]
async fn cve_2026_37979_another_resource_servers_token_looks_like_none() {
    let two = Two::start().await;
    let rpt = two.bed.rpt().await;
    let introspect = async |pat: &str, token: &str| {
        let form = Form::new(&[("token", token)], Credentials::Bearer(pat.to_owned()));
        two.bed.post(&two.bed.uma(INTROSPECTION).await, &form).await
    };
    let (others, garbage) =
        (introspect(&two.olga, &rpt).await, introspect(&two.olga, "garbage").await);
    assert_eq!((others.status, &others.body), (garbage.status, &garbage.body));
    assert_eq!(others.json(), json!({ "active": false }));
    assert_eq!(introspect(&two.bob, &rpt).await.json()["active"], true, "whom it is for");
}

/// Of a label that says `xn--`, and is ASCII once decoded, a library made the plain label: another
/// name for a domain, by which a stranger's word could count for it.
#[tokio::test]
async fn rustsec_2024_0421_a_second_spelling_of_a_domain_is_nobodys() {
    let bed = Bed::start().await;
    for twin in ["alice@xn--alice-.example", "alice@xn--alice.example", "alice@alice.xn--example-"]
    {
        let mut attempt = bed.attempt().await;
        attempt.claim("email", twin);
        let reply = bed.redeem(&attempt).await;
        assert_eq!((reply.status, reply.error().as_str()), (403, "need_info"), "{twin}: {reply:?}");
        // It is no address, and not merely one whose domain nobody has heard of.
        assert_eq!(bed.stopped_by(), "one verified e-mail address", "{twin}");
    }
}
