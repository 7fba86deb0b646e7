//! The protection API: PROT-1 to PROT-8.

use countersign_testkit::{Deployment, names};
use http::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, Credentials, Form, Reply, check_not_stored};

const REGISTRATION: &str = "resource_registration_endpoint";
const PERMISSION: &str = "permission_endpoint";
const INTROSPECTION: &str = "introspection_endpoint";

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
    if !error.is_empty() {
        check_not_stored(name, reply);
    }
}

/// Bob's resource server registers one more resource.
async fn register(bed: &Bed, pat: &str, name: &str, scopes: &[&str]) -> String {
    let body = json!({"name": name, "resource_scopes": scopes});
    let reply = bed.json(Method::POST, &bed.uma(REGISTRATION).await, pat, &body).await;
    check("register", &reply, 201, "");
    reply.member("_id")
}

async fn bob(bed: &Bed) -> String {
    bed.pat(names::RS_CLIENT, names::RS_SECRET).await
}

/// A PAT of the resource server's at another authorization server, where it is good.
async fn bob_elsewhere(bed: &Bed) -> String {
    let at = format!("{}/.well-known/uma2-configuration", names::EVIL_UMA);
    let metadata = bed.get(&at, &[]).await;
    let params = [("grant_type", "client_credentials"), ("scope", "uma_protection")];
    let form = Form::new(&params, Credentials::Basic(names::RS_CLIENT, names::RS_SECRET));
    let pat = bed.post(&metadata.member("token_endpoint"), &form).await.member("access_token");
    let listed = bed.json(Method::GET, &metadata.member(REGISTRATION), &pat, &Value::Null).await;
    check("at home", &listed, 200, "");
    pat
}

/// The resource server of another owner at the same authorization server.
async fn olga(bed: &Bed) -> String {
    bed.pat(names::OTHER_RS_CLIENT, names::OTHER_RS_SECRET).await
}

#[tokio::test]
async fn prot_1_register_read_replace_list_delete() {
    let bed = Bed::start().await;
    let (pat, endpoint) = (bob(&bed).await, bed.uma(REGISTRATION).await);
    let description = json!({"name": "Tweedl Social Service", "resource_scopes": ["view", "print"], "type": "https://www.example.com/rsrcs/photoalbum", "description": "Collection", "icon_uri": "https://rs.bob.example/icon.png"});

    let created = bed.json(Method::POST, &endpoint, &pat, &description).await;
    check("create", &created, 201, "");
    let id = created.member("_id");
    let location = created.header("location").to_owned();
    assert_eq!(location, format!("{endpoint}/{id}"));

    let read = bed.json(Method::GET, &location, &pat, &Value::Null).await;
    check("read", &read, 200, "");
    let body = read.json();
    assert_eq!(body["_id"], id.as_str());
    for (name, value) in description.as_object().unwrap() {
        if name != "resource_scopes" {
            assert_eq!(&body[name], value, "{name}");
        }
    }
    let scopes: Vec<&str> =
        body["resource_scopes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(scopes.contains(&"view") && scopes.contains(&"print") && scopes.len() == 2);

    let replaced =
        bed.json(Method::PUT, &location, &pat, &json!({"resource_scopes": ["view"]})).await;
    check("replace", &replaced, 200, "");
    assert_eq!(replaced.member("_id"), id);
    let read = bed.json(Method::GET, &location, &pat, &Value::Null).await.json();
    assert_eq!((read["resource_scopes"].clone(), read.get("name")), (json!(["view"]), None));

    let list = bed.json(Method::GET, &endpoint, &pat, &Value::Null).await;
    check("list", &list, 200, "");
    assert!(list.json().as_array().unwrap().contains(&json!(id)));

    check("delete", &bed.json(Method::DELETE, &location, &pat, &Value::Null).await, 204, "");
    check("gone", &bed.json(Method::GET, &location, &pat, &Value::Null).await, 404, "not_found");
    let list = bed.json(Method::GET, &endpoint, &pat, &Value::Null).await.json();
    assert!(!list.as_array().unwrap().contains(&json!(id)));
}

#[tokio::test]
async fn prot_2_who_may_use_the_protection_api() {
    let builder = Deployment::builder().with_hostile_domain();
    let bed = Bed::of(builder.start().await);
    let (pat, rpt) = (bob(&bed).await, bed.rpt().await);
    let of_another_server = bob_elsewhere(&bed).await;
    for endpoint in [REGISTRATION, PERMISSION, INTROSPECTION] {
        let url = bed.uma(endpoint).await;
        let none = bed.request(Method::POST, &url, &[], "").await;
        assert_eq!(none.status, 401, "PROT-2 no PAT, {endpoint}: {none:?}");
        let challenge = none.header("www-authenticate");
        assert!(challenge.starts_with("Bearer") && !challenge.contains("error"), "{challenge}");

        for (name, foreign) in
            [("another server's PAT", of_another_server.as_str()), ("no PAT", "bm90LW91ci1wYXQ")]
        {
            let foreign = bed.json(Method::POST, &url, foreign, &json!({})).await;
            check(&format!("PROT-2 {name}, {endpoint}"), &foreign, 401, "invalid_token");
            assert!(foreign.header("www-authenticate").contains("error=\"invalid_token\""));
        }

        let ordinary = bed.json(Method::POST, &url, &rpt, &json!({})).await;
        check(
            &format!("PROT-2 without uma_protection, {endpoint}"),
            &ordinary,
            403,
            "insufficient_scope",
        );
        assert!(ordinary.header("www-authenticate").contains("error=\"insufficient_scope\""));
    }
    bed.advance(661);
    for endpoint in [REGISTRATION, PERMISSION, INTROSPECTION] {
        let url = bed.uma(endpoint).await;
        let expired = bed.json(Method::POST, &url, &pat, &json!({})).await;
        check(&format!("PROT-2 expired PAT, {endpoint}"), &expired, 401, "invalid_token");
    }
}

#[tokio::test]
async fn prot_3_resources_that_are_not_ones_own() {
    let bed = Bed::start().await;
    let (bob, olga, endpoint) = (bob(&bed).await, olga(&bed).await, bed.uma(REGISTRATION).await);
    let id = register(&bed, &bob, "Bob's", &["get"]).await;
    for (name, pat, id) in [
        ("PROT-3 unknown", &bob, "AAAAAAAAAAAAAAAAAAAAAA"),
        ("PROT-3 no identifier of ours", &bob, "a.b"),
        ("PROT-3 another owner's", &olga, id.as_str()),
    ] {
        let url = format!("{endpoint}/{id}");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = json!({"resource_scopes": ["get"]});
            check(name, &bed.json(method, &url, pat, &body).await, 404, "not_found");
        }
    }
    let list = bed.json(Method::GET, &endpoint, &olga, &Value::Null).await.json();
    assert!(!list.as_array().unwrap().contains(&json!(id)), "PROT-3 a list shows one's own alone");
    let url = format!("{endpoint}/{id}");
    check("still there", &bed.json(Method::GET, &url, &bob, &Value::Null).await, 200, "");
}

#[tokio::test]
async fn prot_4_methods_that_do_not_exist() {
    let bed = Bed::start().await;
    let (pat, endpoint) = (bob(&bed).await, bed.uma(REGISTRATION).await);
    let id = register(&bed, &pat, "Bob's", &["get"]).await;
    let rows = [
        (endpoint.clone(), Method::PATCH, "GET, HEAD, POST"),
        (endpoint.clone(), Method::DELETE, "GET, HEAD, POST"),
        (format!("{endpoint}/{id}"), Method::PATCH, "DELETE, GET, HEAD, PUT"),
        (format!("{endpoint}/{id}"), Method::POST, "DELETE, GET, HEAD, PUT"),
    ];
    for (url, method, allowed) in rows {
        let reply = bed.json(method.clone(), &url, &pat, &json!({})).await;
        check(&format!("PROT-4 {method}"), &reply, 405, "unsupported_method_type");
        let allow = reply.header("allow").to_ascii_uppercase();
        let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(", "), allowed, "PROT-4 {method}");
    }
}

#[tokio::test]
async fn prot_5_descriptions_that_are_none() {
    let bed = Bed::start().await;
    let (pat, endpoint) = (bob(&bed).await, bed.uma(REGISTRATION).await);
    let authorization = format!("Bearer {pat}");
    for (name, body) in [
        ("PROT-5 resource_scopes missing", r#"{"name":"x"}"#),
        ("PROT-5 resource_scopes of another type", r#"{"resource_scopes":"get"}"#),
        ("PROT-5 a scope with a space", r#"{"resource_scopes":["get put"]}"#),
        ("PROT-5 malformed JSON", r#"{"resource_scopes":["get"]"#),
        ("PROT-5 not an object", "[]"),
        ("PROT-5 a member twice", r#"{"resource_scopes":["get"],"resource_scopes":["put"]}"#),
        ("PROT-5 empty", ""),
    ] {
        let headers =
            [("content-type", "application/json"), ("authorization", authorization.as_str())];
        let reply = bed.request(Method::POST, &endpoint, &headers, body).await;
        check(name, &reply, 400, "invalid_request");
    }
}

#[tokio::test]
async fn prot_6_permission_requests() {
    let bed = Bed::start().await;
    let (pat, endpoint) = (bob(&bed).await, bed.uma(PERMISSION).await);
    let one = register(&bed, &pat, "one", &["get", "put"]).await;
    let two = register(&bed, &pat, "two", &["get"]).await;
    let mut tickets = Vec::new();
    for (name, body) in [
        ("PROT-6 one object", json!({"resource_id": one, "resource_scopes": ["get"]})),
        (
            "PROT-6 an array",
            json!([{"resource_id": one, "resource_scopes": ["get", "put"]}, {"resource_id": two, "resource_scopes": ["get"]}]),
        ),
        ("PROT-6 an array of one", json!([{"resource_id": two, "resource_scopes": ["get"]}])),
    ] {
        let reply = bed.json(Method::POST, &endpoint, &pat, &body).await;
        check(name, &reply, 201, "");
        check_not_stored(name, &reply);
        tickets.push(reply.member("ticket"));
    }
    tickets.sort();
    tickets.dedup();
    assert_eq!(tickets.len(), 3);
    assert!(tickets.iter().all(|ticket| ticket.len() == 43), "256 bits");
}

#[tokio::test]
async fn prot_7_permissions_that_cannot_be_asked_for() {
    let bed = Bed::start().await;
    let (bob, olga, endpoint) = (bob(&bed).await, olga(&bed).await, bed.uma(PERMISSION).await);
    let own = register(&bed, &bob, "own", &["get"]).await;
    let foreign = register(&bed, &olga, "foreign", &["get"]).await;
    for (name, body, error) in [
        (
            "PROT-7 unknown resource_id",
            json!({"resource_id": "AAAAAAAAAAAAAAAAAAAAAA", "resource_scopes": ["get"]}),
            "invalid_resource_id",
        ),
        (
            "PROT-7 another owner's",
            json!({"resource_id": foreign, "resource_scopes": ["get"]}),
            "invalid_resource_id",
        ),
        (
            "PROT-7 resources of two owners",
            json!([{"resource_id": own, "resource_scopes": ["get"]}, {"resource_id": foreign, "resource_scopes": ["get"]}]),
            "invalid_resource_id",
        ),
        (
            "PROT-7 unregistered scope",
            json!({"resource_id": own, "resource_scopes": ["get", "fly"]}),
            "invalid_scope",
        ),
        ("PROT-7 an empty array", json!([]), "invalid_request"),
        ("PROT-7 resource_id missing", json!({"resource_scopes": ["get"]}), "invalid_request"),
    ] {
        check(name, &bed.json(Method::POST, &endpoint, &bob, &body).await, 400, error);
    }
}

/// Whether there is such a resource of somebody else's, nobody learns: the answers are the same
/// octets.
#[tokio::test]
async fn u25_what_is_hidden_and_what_is_not_there_look_the_same() {
    let bed = Bed::start().await;
    let (bob, olga) = (bob(&bed).await, olga(&bed).await);
    let hidden = register(&bed, &bob, "Bob's", &["get"]).await;
    let absent: String = hidden.chars().rev().collect();
    let (resources, permission) = (bed.uma(REGISTRATION).await, bed.uma(PERMISSION).await);
    let answered = |reply: Reply| {
        let names = reply.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        (reply.status, names, reply.body)
    };
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let ask = async |id: &str| {
            let body = json!({"resource_scopes": ["get"]});
            answered(bed.json(method.clone(), &format!("{resources}/{id}"), &olga, &body).await)
        };
        assert_eq!(ask(&hidden).await, ask(&absent).await, "U25 {method}");
    }
    let ask = async |id: &str| {
        let body = json!({"resource_id": id, "resource_scopes": ["get"]});
        answered(bed.json(Method::POST, &permission, &olga, &body).await)
    };
    assert_eq!(ask(&hidden).await, ask(&absent).await, "U25 a permission");
}

#[tokio::test]
async fn prot_8_introspection() {
    let bed = Bed::start().await;
    let (bob, olga) = (bob(&bed).await, olga(&bed).await);
    let rpt = bed.rpt().await;
    let body = introspect(&bed, &bob, &rpt).await;
    assert_eq!(body["active"], true, "{body}");
    assert!(body.get("scope").is_none(), "PROT-8 no scope at the top: {body}");
    assert_eq!(body["aud"], names::RS, "{body}");
    let permission = &body["permissions"][0];
    assert!(permission["resource_id"].is_string(), "{body}");
    assert_eq!(permission["resource_scopes"], json!(["get"]), "{body}");

    let inactive = json!({"active": false});
    assert_eq!(introspect(&bed, &bob, "garbage").await, inactive, "PROT-8 garbage");
    assert_eq!(introspect(&bed, &olga, &rpt).await, inactive, "PROT-8 another resource server's");
    assert_eq!(introspect(&bed, &bob, &olga).await, inactive, "PROT-8 a PAT is no RPT");
    bed.advance(361);
    let fresh = self::bob(&bed).await;
    assert_eq!(introspect(&bed, &fresh, &rpt).await, inactive, "PROT-8 expired");

    let form = Form::new(&[("token", &rpt)], Credentials::None);
    let reply = bed.post(&bed.uma(INTROSPECTION).await, &form).await;
    assert_eq!(reply.status, 401, "PROT-8 without a PAT");
}

async fn introspect(bed: &Bed, pat: &str, token: &str) -> Value {
    let form = Form::new(&[("token", token)], Credentials::Bearer(pat.to_owned()));
    let reply = bed.post(&bed.uma(INTROSPECTION).await, &form).await;
    check("introspect", &reply, 200, "");
    check_not_stored("introspect", &reply);
    reply.json()
}
