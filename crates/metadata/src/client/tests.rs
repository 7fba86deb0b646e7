use countersign_jwt::{Algorithm, SigningKey};

use super::*;

const ID: &str = "https://mail.example/client";

fn id() -> ClientIdUrl {
    ClientIdUrl::of(&ClientId::parse(ID).unwrap()).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap()
}

/// Name of the change, the members it sets, and whether the document is accepted.
type Row<'a> = (&'a str, &'a [(&'a str, Value)], bool);

/// A good document with members changed; `null` leaves one out.
fn document(changes: &[(&str, Value)]) -> Vec<u8> {
    let mut document = json!({
        "client_id": ID, "client_name": "Mail", "grant_types": ["client_credentials"],
        "redirect_uris": ["https://mail.example/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://mail.example/jwks",
        "logo_uri": "https://mail.example/logo.png",
    });
    for (name, value) in changes {
        document[*name] = value.clone();
    }
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    document.to_string().into_bytes()
}

#[test]
fn which_identifiers_are_the_url_of_a_document() {
    for text in [
        ID,
        "https://mail.example/",
        "https://mail.example:8443/a.b/..c?version=1",
        "https://mail.example/a//b",
    ] {
        assert!(ClientIdUrl::of(&ClientId::parse(text).unwrap()).is_ok(), "{text}");
    }
    for text in [
        "mail",
        "http://mail.example/client",
        "https://mail.example",
        "https://mail.example?client",
        "https://me@mail.example/client",
        "https://me:pw@mail.example/client",
        "https://mail.example/client#x",
        "https://mail.example/./client",
        "https://mail.example/a/../client",
        "https://mail.example/a/%2e%2E/client",
        "https://mail.example/a/.%2e",
        "https://mail.example/.",
        "https://mail.example\\client",
        "https:///client",
    ] {
        assert!(ClientIdUrl::of(&ClientId::parse(text).unwrap()).is_err(), "{text}");
    }
}

#[test]
fn a_host_alone_is_one_only_where_that_is_wanted() {
    let host = ClientId::parse("https://mail.example").unwrap();
    assert_eq!(ClientIdUrl::of(&host), Err(ClientIdUrlError::NoPath));
    let id = ClientIdUrl::of_host(&host).unwrap();
    assert_eq!(id.document().unwrap().as_str(), "https://mail.example/");
    let slash = br#"{"client_id":"https://mail.example/","token_endpoint_auth_method":"none"}"#;
    assert!(matches!(ClientMetadata::parse(slash, &id), Err(ClientDocumentError::ClientId)));
    let same = br#"{"client_id":"https://mail.example","token_endpoint_auth_method":"none"}"#;
    assert!(ClientMetadata::parse(same, &id).is_ok());
    let dots = ClientId::parse("https://mail.example/..").unwrap();
    assert_eq!(ClientIdUrl::of_host(&dots), Err(ClientIdUrlError::DotSegment));
}

#[test]
fn a_document_is_read() {
    let client = ClientMetadata::parse(&document(&[]), &id()).unwrap();
    assert_eq!(client.client_id.as_str(), ID);
    assert_eq!(client.client_name.as_deref(), Some("Mail"));
    assert_eq!(client.grant_types, ["client_credentials"]);
    assert!(client.redirect_uris[0].matches("https://mail.example/callback"));
    let ClientKeys::JwksUri(url) = client.keys else { panic!("no jwks_uri") };
    assert_eq!(url.as_str(), "https://mail.example/jwks");
}

#[test]
fn what_a_document_may_not_be() {
    let public = key().public().to_jwk();
    let jwks = json!({ "keys": [public] });
    let mut private = public.clone();
    private["d"] = json!("AAAA");
    let keys = |jwk: &Value| json!({ "keys": [public, jwk] });
    let big = "x".repeat(MAX_DOCUMENT);
    let rows: &[Row<'_>] = &[
        ("jwks inline", &[("jwks_uri", json!(null)), ("jwks", jwks.clone())], true),
        ("no method, but keys", &[("token_endpoint_auth_method", json!(null))], true),
        (
            "public",
            &[("token_endpoint_auth_method", json!("none")), ("jwks_uri", json!(null))],
            true,
        ),
        (
            "a key of another kind beside a good one",
            &[("jwks_uri", json!(null)), ("jwks", keys(&json!({ "kty": "new" })))],
            true,
        ),
        ("another client_id", &[("client_id", json!("https://mail.example/client/"))], false),
        ("another spelling", &[("client_id", json!("https://MAIL.example/client"))], false),
        ("no client_id", &[("client_id", json!(null))], false),
        ("a list of them", &[("client_id", json!([ID]))], false),
        ("a secret", &[("client_secret", json!("s3cret"))], false),
        ("an expiring secret", &[("client_secret_expires_at", json!(0))], false),
        ("basic", &[("token_endpoint_auth_method", json!("client_secret_basic"))], false),
        ("post", &[("token_endpoint_auth_method", json!("client_secret_post"))], false),
        ("MAC", &[("token_endpoint_auth_method", json!("client_secret_jwt"))], false),
        ("another method", &[("token_endpoint_auth_method", json!("tls_client_auth"))], false),
        ("an algorithm", &[("token_endpoint_auth_signing_alg", json!("ES256"))], true),
        ("bound tokens", &[("dpop_bound_access_tokens", json!(true))], true),
        ("bound tokens, or something", &[("dpop_bound_access_tokens", json!("true"))], false),
        ("no algorithm", &[("token_endpoint_auth_signing_alg", json!("none"))], false),
        ("a MAC's algorithm", &[("token_endpoint_auth_signing_alg", json!("HS256"))], false),
        (
            "neither method nor keys",
            &[("token_endpoint_auth_method", json!(null)), ("jwks_uri", json!(null))],
            false,
        ),
        ("no keys", &[("jwks_uri", json!(null))], false),
        ("keys twice", &[("jwks", jwks.clone())], false),
        ("jwks_uri over http", &[("jwks_uri", json!("http://mail.example/jwks"))], false),
        ("jwks is a list", &[("jwks_uri", json!(null)), ("jwks", json!([public]))], false),
        ("jwks has no keys", &[("jwks_uri", json!(null)), ("jwks", json!({}))], false),
        ("a private key", &[("jwks_uri", json!(null)), ("jwks", keys(&private))], false),
        (
            "a symmetric key",
            &[("jwks_uri", json!(null)), ("jwks", keys(&json!({ "kty": "oct", "k": "AAAA" })))],
            false,
        ),
        ("a redirect elsewhere", &[("redirect_uris", json!(["javascript:alert(1)"]))], false),
        ("too large", &[("client_name", json!(big))], false),
    ];
    for (name, changes, accepted) in rows {
        let parsed = ClientMetadata::parse(&document(changes), &id());
        assert_eq!(parsed.is_ok(), *accepted, "{name}: {parsed:?}");
    }
    let doubled = format!(r#"{{"client_id":"{ID}","client_id":"{ID}","jwks":{jwks}}}"#);
    let hidden = format!(r#"{{"client_id":"{ID}","jwks":{{"keys":[],"keys":{}}}}}"#, jwks["keys"]);
    for text in ["", "[]", "null", "\"x\"", &doubled, &hidden] {
        assert!(ClientMetadata::parse(text.as_bytes(), &id()).is_err(), "{text}");
    }
}

#[test]
fn what_is_written_is_read_and_holds_no_secret() {
    let keys = KeySet::from_keys(vec![key().public().clone()]).unwrap();
    let url = EndpointUrl::parse("https://mail.example/jwks").unwrap();
    for keys in [ClientKeys::None, ClientKeys::Jwks(keys), ClientKeys::JwksUri(url)] {
        let mut client = ClientMetadata::new(&id(), keys);
        client.client_name = Some("Mail".to_owned());
        client.redirect_uris = vec![RedirectUri::parse("https://mail.example/cb").unwrap()];
        client.grant_types = vec!["client_credentials".to_owned()];
        client.token_endpoint_auth_signing_alg = Some(Algorithm::Es256);
        client.dpop_bound_access_tokens = true;
        let document = client.to_json().unwrap();
        let read = ClientMetadata::parse(document.to_string().as_bytes(), &id()).unwrap();
        assert_eq!(read.to_json().unwrap(), document);
        assert!(read.dpop_bound_access_tokens);
    }
    let mut large = ClientMetadata::new(&id(), ClientKeys::None);
    large.client_name = Some("x".repeat(MAX_DOCUMENT));
    assert!(matches!(large.to_json(), Err(ClientDocumentError::TooLarge)));
}

/// RFC 7591 §2: silence is `authorization_code`, and an empty list is none.
#[test]
fn a_client_uses_the_grants_that_it_names() {
    for (named, code, own) in [
        (json!(null), true, false),
        (json!([]), false, false),
        (json!(["client_credentials"]), false, true),
        (json!(["authorization_code", "client_credentials"]), true, true),
        (json!(["Client_Credentials"]), false, false),
    ] {
        let document = document(&[("grant_types", named.clone())]);
        let client = ClientMetadata::parse(&document, &id()).unwrap();
        let uses = (client.uses("authorization_code"), client.uses("client_credentials"));
        assert_eq!(uses, (code, own), "{named}");
        let written = client.to_json().unwrap().to_string();
        let read = ClientMetadata::parse(written.as_bytes(), &id()).unwrap();
        assert_eq!(read.grant_types, client.grant_types, "{named}");
    }
    for malformed in [json!("authorization_code"), json!([7])] {
        let document = document(&[("grant_types", malformed.clone())]);
        assert!(ClientMetadata::parse(&document, &id()).is_err(), "{malformed}");
    }
    let silent = ClientMetadata::new(&id(), ClientKeys::None);
    assert!(silent.uses("authorization_code") && !silent.uses("client_credentials"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = ClientMetadata::parse(text.as_bytes(), &id());
        if let Ok(id) = ClientId::parse(&text) {
            let _ = ClientIdUrl::of(&id);
        }
    }
}
