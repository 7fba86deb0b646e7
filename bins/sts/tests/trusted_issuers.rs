//! `[[trusted_issuers]]`: what is refused by file, key and reason, and what a server makes of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::body::Body;
use countersign_host::{ConfigError, Seams};
use countersign_jwt::{Algorithm, KeySet, SigningKey, sign};
use countersign_sts::{Config, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A server without people of its own, that trusts one issuer whose keys are in a file.
const GOOD: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"
users = []

[keys]
directory = "keys"

[[clients]]
id = "api"
name = "API"
secret = { file = "api.secret" }
grants = ["token_exchange", "refresh_token"]
scopes = ["read"]
exchange = { access_token_audiences = ["https://api.alice.example"], impersonate = true }

[[clients]]
id = "spa"
name = "Dashboard"
public = true
grants = ["token_exchange"]
scopes = ["read"]
exchange = { access_token_audiences = ["https://api.alice.example"] }

[[clients]]
id = "job"
name = "Job"
secret = { file = "api.secret" }
grants = ["client_credentials"]
scopes = ["read"]

[[trusted_issuers]]
alias = "university"
issuer = "https://idp.university.example"
keys = "university.jwks"
email_domains = ["university.example"]
claims = ["name"]
scopes = ["read"]
required = { acr = ["gold"] }
introspection = { client_id = "sts", client_secret = { file = "api.secret" } }

[[trusted_issuers.exchanges]]
client = "api"
audiences = ["https://api.alice.example"]
refresh = 3600

[[trusted_issuers.roles]]
from = "resource_access.results.v1.roles"
roles = { staff = "curator" }

[danger]
plain_http = true
memory_store = true
"#;

/// Loads a configuration beside a secret and the public key of the issuer.
fn load_text(place: &Directory, text: &str, key: &SigningKey) -> Result<Config, ConfigError> {
    let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap().to_json().to_string();
    place.write("api.secret", "a-secret-of-thirty-two-characters\n").unwrap();
    place.write("university.jwks", &keys).unwrap();
    load(&place.write("sts.toml", text).unwrap())
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, Some("k")).unwrap()
}

#[test]
fn a_bad_value_is_named() {
    let place = Directory::new().unwrap();
    let key = key();
    load_text(&place, GOOD, &key).unwrap();
    let issuer = "issuer = \"https://idp.university.example\"";
    let client = "client = \"api\"";
    let from = "from = \"resource_access.results.v1.roles\"";
    let source = "client_secret = { file = \"api.secret\" }";
    for (name, old, new, member, reason) in [
        ("alias", "alias = \"university\"", "alias = \"\"", "alias", "empty"),
        ("itself", issuer, "issuer = \"https://sts.alice.example\"", "issuer", "this server"),
        ("plain", issuer, "issuer = \"http://idp.example\"", "issuer", "https"),
        ("two", "keys = \"u", "jwks_uri = \"https://a.example\"\nkeys = \"u", "keys", "either"),
        ("none", "university.jwks", "none.jwks", "keys", "none.jwks"),
        ("form", "claims = [", "access_tokens = \"JWT\"\nclaims = [", "access_tokens", "JWT"),
        ("subject", "claims = [", "subject = \"email\"\nclaims = [", "subject", "email"),
        ("linked", "claims = [", "subject = \"linked\"\nclaims = [", "subject", "[[upstreams]]"),
        ("domain", "[\"university.example\"]", "[\"x\"]", "email_domains[0]", "domain"),
        ("ours", "[\"university.example\"]", "[\"Alice.Example\"]", "email_domains[0]", "speaks"),
        ("claim", "claims = [\"name\"]", "claims = [\"email\"]", "claims", "email has a meaning"),
        ("roles", "claims = [\"name\"]", "claims = [\"roles\"]", "claims", "roles has a meaning"),
        ("scope", "[\"read\"]\nrequired", "[\"claims-provider\"]\nrequired", "scopes", "agrees"),
        ("value", "acr = [\"gold\"]", "acr = []", "required.acr", "not empty"),
        ("object", "acr = [\"gold\"]", "acr = [{}]", "required.acr", "texts"),
        (
            "two proofs",
            source,
            &format!("{source}, client_key = {{ env = \"A\" }}"),
            "introspection",
            "either",
        ),
        ("no proof", &format!(", {source}"), "", "introspection", "either"),
        ("nobody", client, "client = \"x\"", "exchanges[0].client", "no confidential client"),
        ("public", client, "client = \"spa\"", "exchanges[0].client", "no confidential client"),
        ("grant", client, "client = \"job\"", "exchanges[0].client", "no confidential client"),
        ("for ever", "refresh = 3600", "refresh = 0", "exchanges[0].refresh", "from 1"),
        ("acting", ", impersonate = true", "", "exchanges[0].refresh", "impersonate"),
        ("no grant", ", \"refresh_token\"", "", "exchanges[0].refresh", "refresh_token"),
        (
            "no API",
            "audiences = [\"https://api.alice.example\"]\nr",
            "r",
            "exchanges[0].refresh",
            "the API",
        ),
        ("realm", from, "from = \"realm_access\"", "roles[0].from", "resource_access.CLIENT"),
        ("resource", from, "from = \"resource_access\"", "roles[0].from", "resource_access.CLIENT"),
        ("whose", from, "from = \"resource_access..roles\"", "roles[0].from", "CLIENT"),
        ("mapping", "{ staff = \"curator\" }", "{}", "roles[0].roles", "which"),
        ("unknown", "claims = [", "clams = [", "clams", "unknown field"),
    ] {
        assert!(GOOD.contains(old), "{name}: {old}");
        let text = GOOD.replacen(old, new, if old == issuer { 2 } else { 1 });
        let error = load_text(&place, &text, &key).unwrap_err();
        assert_eq!(error.key, format!("trusted_issuers[0].{member}"), "{name}: {error}");
        assert!(error.reason.contains(reason), "{name}: {error}");
    }
    let (_, table) = GOOD.split_once("[[trusted_issuers]]").unwrap();
    let (table, _) = table.split_once("[danger]").unwrap();
    for (old, new, member) in [
        ("https://idp.university.example", "https://idp.other.example", "alias"),
        ("alias = \"university\"", "alias = \"other\"", "issuer"),
    ] {
        let second = format!("[[trusted_issuers]]{}\n[danger]", table.replace(old, new));
        let text = GOOD.replace("[danger]", &second);
        let error = load_text(&place, &text, &key).unwrap_err();
        assert_eq!(error.key, format!("trusted_issuers[1].{member}"), "{error}");
    }
    let again = "[[trusted_issuers.exchanges]]\nclient = \"api\"\n\n[[trusted_issuers.roles]]";
    let text = GOOD.replace("[[trusted_issuers.roles]]", again);
    let error = load_text(&place, &text, &key).unwrap_err();
    assert_eq!(error.key, "trusted_issuers[0].exchanges[1].client", "{error}");
}

/// J28: no account and no client of this server has a name that another issuer's people have here.
#[test]
fn nobody_here_is_called_as_other_issuers_people_are() {
    let place = Directory::new().unwrap();
    let key = key();
    let text = GOOD.replacen("id = \"job\"", "id = \"foreign-job\"", 1);
    let error = load_text(&place, &text, &key).unwrap_err();
    assert_eq!(error.key, "clients[2].id", "{error}");
    let user = "[[users]]\nusername = \"a\"\nsubject = \"foreign-a\"\npassword = \"x\"\n\n[danger]";
    let text = GOOD.replace("users = []\n", "").replace("[danger]", user);
    let error = load_text(&place, &text, &key).unwrap_err();
    assert_eq!(error.key, "users[0].subject", "{error}");
}

#[tokio::test]
async fn a_token_of_the_issuer_is_exchanged_as_the_file_says() {
    let place = Directory::new().unwrap();
    let key = key();
    // The issuer would be asked before a refresh token is issued (A30), and there is none here.
    let asked = GOOD.lines().find(|line| line.starts_with("introspection")).unwrap();
    let config = load_text(&place, &GOOD.replace(asked, ""), &key).unwrap();
    let seams = Seams::system();
    let now = seams.clock.now().as_unix();
    let router = compose(config, &seams, Arc::new(LogAudit)).unwrap().router();
    let token = |acr: &str| {
        let claims = json!({
            "iss": "https://idp.university.example", "sub": "1", "client_id": "dashboard",
            "aud": "https://api.alice.example", "iat": now, "exp": now + 100, "jti": "1",
            "acr": acr, "name": "Alice", "email": "a@university.example",
            "resource_access": { "results.v1": { "roles": ["staff", "wheel"] } },
        });
        sign("at+jwt", &key, &claims).unwrap()
    };
    let exchange = async |token: String| {
        let body = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
             &subject_token_type=urn:ietf:params:oauth:token-type:jwt\
             &resource=https://api.alice.example&scope=read%20offline_access\
             &client_id=api&client_secret=a-secret-of-thirty-two-characters"
        );
        let request = Request::post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (status, body) = exchange(token("gold")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["refresh_expires_in"], 3600);
    let issued = body["access_token"].as_str().unwrap();
    let issued = countersign_jwt::Unverified::parse(issued).unwrap();
    let claims = Value::Object(issued.claims().as_map().clone());
    assert_eq!((&claims["roles"], &claims["name"]), (&json!(["curator"]), &json!("Alice")));
    assert_eq!((&claims["scope"], claims.get("email")), (&json!("read"), None));
    assert!(claims["sub"].as_str().unwrap().starts_with("foreign-"), "{claims}");
    let (status, body) = exchange(token("silver")).await;
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
}
