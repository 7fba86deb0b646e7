use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_jwt::{Algorithm, Sign, SigningKey, Unverified};
use countersign_types::random::Random;
use countersign_types::wire::{ErrorCode, is_description};
use countersign_types::{Issuer, Params, WireError as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::error::CHALLENGE;
use super::presented::Credential;
use super::*;
use crate::assertion::ASSERTION_TYPE;
use crate::present::Proof;

const ISSUER: &str = "https://uma.bob.example";
const NOW: i64 = 1_800_000_000;

type Pairs<'a> = &'a [(&'a str, &'a str)];

struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

fn random() -> Counting {
    Counting(std::sync::atomic::AtomicU8::new(0))
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap()
}

fn registered(id: &str, credentials: Credentials) -> RegisteredClient {
    RegisteredClient { id: client_id(id), credentials }
}

fn with_secret(secret: &str) -> Credentials {
    Credentials::secret(SecretDigest::of(&ClientSecret::new(secret)))
}

fn with_key(key: &SigningKey) -> Credentials {
    Credentials::Keys(KeySet::from_keys(vec![key.public().clone()]).unwrap())
}

fn headers(authorization: Option<&str>) -> HeaderMap {
    authorization
        .map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()))
        .into_iter()
        .collect()
}

fn form(params: &[(&str, &str)]) -> Params {
    let body: String =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    Params::parse(body.as_bytes(), &[]).unwrap()
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// A token with any header and claims, signed with `key`.
fn token(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn header() -> Value {
    json!({ "alg": "ES256", "kid": "k1", "typ": "client-authentication+jwt" })
}

fn claims() -> Value {
    json!({ "iss": "rqp", "sub": "rqp", "aud": ISSUER, "jti": "j-1", "iat": NOW, "exp": NOW + 60 })
}

#[track_caller]
fn check(
    headers: &HeaderMap,
    params: &Params,
    registered: Option<&RegisteredClient>,
) -> Result<Authentication, ClientAuthError> {
    authenticate(parse(headers, params)?.check(&issuer(), now())?, registered)
}

#[track_caller]
fn check_assertion(token: &str, key: &SigningKey) -> Result<Authentication, ClientAuthError> {
    let params = form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token)]);
    check(&HeaderMap::new(), &params, Some(&registered("rqp", with_key(key))))
}

#[track_caller]
fn settled(authentication: Authentication) -> AuthenticatedClient {
    match authentication {
        Authentication::Done(client) => client,
        Authentication::OnceOnly(replay) => replay.confirm(Seen::First).unwrap(),
    }
}

#[track_caller]
fn invalid_client(error: &ClientAuthError) {
    let wire = error.wire();
    assert_eq!(
        (wire.code, wire.status.as_u16(), wire.description, wire.challenge),
        (ErrorCode::INVALID_CLIENT, 401, "client authentication failed", Some(CHALLENGE)),
        "{error:?}"
    );
}

#[test]
fn every_method_authenticates_its_client() {
    let key = Arc::new(key());
    let rows = [
        (Proof::None, Credentials::Public, false),
        (Proof::SecretBasic(ClientSecret::new("s3cret")), with_secret("s3cret"), true),
        (Proof::SecretPost(ClientSecret::new("s3cret")), with_secret("s3cret"), true),
        (Proof::PrivateKeyJwt(key.clone()), with_key(&key), true),
    ];
    for (proof, credentials, confidential) in rows {
        let presentation = proof.present(&client_id("rqp"), &issuer(), now(), &random()).unwrap();
        let headers: HeaderMap =
            presentation.authorization.into_iter().map(|value| (AUTHORIZATION, value)).collect();
        let params: Vec<(&str, &str)> =
            presentation.params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let registered = registered("rqp", credentials);
        let client = settled(check(&headers, &form(&params), Some(&registered)).unwrap());
        assert_eq!(client.id(), &client_id("rqp"));
        assert_eq!(client.method(), proof.method());
        assert_eq!(client.is_confidential(), confidential);
    }
}

#[test]
fn two_methods_or_half_of_one_are_an_invalid_request() {
    let header = basic("rqp:s");
    let typ = ("client_assertion_type", ASSERTION_TYPE);
    let rows: [(Option<&str>, Pairs); 8] = [
        (Some(&header), &[("client_id", "rqp"), ("client_secret", "s")]),
        (Some(&header), &[typ, ("client_assertion", "x.y.z")]),
        (Some(&header), &[typ]),
        (None, &[("client_id", "rqp"), ("client_secret", "s"), typ, ("client_assertion", "x.y.z")]),
        (None, &[("client_secret", "s")]),
        (None, &[("client_assertion", "x.y.z")]),
        (None, &[typ]),
        (None, &[typ, ("client_id", "rqp")]),
    ];
    for (authorization, params) in rows {
        let error = parse(&headers(authorization), &form(params)).unwrap_err();
        let wire = error.wire();
        assert_eq!(
            (wire.code, wire.status.as_u16()),
            (ErrorCode::INVALID_REQUEST, 400),
            "{params:?}"
        );
    }
    let mut twice = headers(Some(&header));
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert!(matches!(parse(&twice, &form(&[])), Err(ClientAuthError::TwoMethods)));
}

#[test]
fn basic_credentials_are_form_encoded_before_they_are_joined() {
    // (header, id, secret)
    let rows = [
        (basic("rqp:s3cret"), "rqp", "s3cret"),
        (basic("rqp:").replace("Basic", "bAsIc"), "rqp", ""),
        (basic("a%3Ab:c%3Ad"), "a:b", "c:d"),
        // A secret that was not encoded keeps its colons.
        (basic("rqp:s:t"), "rqp", "s:t"),
        (basic("my+app:100%25+%C3%A4"), "my app", "100% ä"),
        (basic("https%3A%2F%2Fapp.example%2Fid:x"), "https://app.example/id", "x"),
        (basic("%41%6c:%2B"), "Al", "+"),
    ];
    for (header, id, secret) in rows {
        let presented = parse(&headers(Some(&header)), &form(&[])).unwrap();
        assert_eq!(presented.client_id().as_str(), id, "{header}");
        assert_eq!(presented.method(), Method::ClientSecretBasic);
        match presented.credential {
            Credential::Secret(_, found) => assert_eq!(found.expose(), secret, "{header}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_header_that_is_not_basic_is_a_failed_authentication() {
    let rows = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        "Bearer abc".to_owned(),
        "Digest username=\"rqp\"".to_owned(),
        basic("no-colon"),
        basic(":secret"),
        basic("rqp:%4"),
        basic("rqp:%zz"),
        basic("%+1:x"),
        basic("rqp:%ff"),
        basic("r%0Aqp:x"),
        // Twins of one base64 text: no padding, and unused bits that are set.
        "Basic cnFwOg".to_owned(),
        "Basic cnFwOh==".to_owned(),
        basic("rqp:s").replace("Basic ", "Basic\t"),
    ];
    for header in rows {
        let error = parse(&headers(Some(&header)), &form(&[])).expect_err(&header);
        invalid_client(&error);
    }
}

#[test]
fn a_request_that_names_nobody_is_refused() {
    invalid_client(&parse(&HeaderMap::new(), &form(&[])).unwrap_err());
    invalid_client(&parse(&HeaderMap::new(), &form(&[("client_id", "ä")])).unwrap_err());
}

#[test]
fn client_id_may_repeat_what_the_credentials_say_and_nothing_else() {
    let header = headers(Some(&basic("rqp:s3cret")));
    let registered = registered("rqp", with_secret("s3cret"));
    assert!(check(&header, &form(&[("client_id", "rqp")]), Some(&registered)).is_ok());
    let error = check(&header, &form(&[("client_id", "other")]), Some(&registered)).unwrap_err();
    assert!(matches!(error, ClientAuthError::ClientIdDiffers));
    invalid_client(&error);
}

#[test]
fn unknown_wrong_and_not_allowed_look_the_same() {
    let secret = registered("rqp", with_secret("s3cret"));
    let digest = SecretDigest::of(&ClientSecret::new("s3cret"));
    let post_only = registered("rqp", Credentials::Secret(digest, vec![Method::ClientSecretPost]));
    let empty = registered("rqp", with_secret(""));
    let public = registered("rqp", Credentials::Public);
    let by_key = registered("rqp", with_key(&key()));
    let stranger = registered("other", with_secret("s3cret"));
    let right = headers(Some(&basic("rqp:s3cret")));
    let none = HeaderMap::new();
    let id_only = form(&[("client_id", "rqp")]);
    let nothing = form(&[]);
    let rows: [(&HeaderMap, &Params, Option<&RegisteredClient>); 11] = [
        (&right, &nothing, None),
        (&right, &nothing, Some(&post_only)),
        (&right, &nothing, Some(&public)),
        (&right, &nothing, Some(&by_key)),
        (&right, &nothing, Some(&stranger)),
        (&headers(Some(&basic("rqp:S3cret"))), &nothing, Some(&secret)),
        (&headers(Some(&basic("rqp:"))), &nothing, Some(&secret)),
        (&headers(Some(&basic("rqp:"))), &nothing, Some(&empty)),
        (&none, &id_only, None),
        (&none, &id_only, Some(&secret)),
        (&none, &id_only, Some(&by_key)),
    ];
    let failed = ClientAuthError::Failed.wire();
    for (index, (headers, params, registered)) in rows.into_iter().enumerate() {
        let error = check(headers, params, registered).unwrap_err();
        assert!(matches!(error, ClientAuthError::Failed), "{index}: {error:?}");
        assert_eq!(error.wire(), failed, "{index}");
    }
}

#[test]
fn an_assertion_is_judged_by_its_claims() {
    let key = key();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let rows = [
        ("as minted", claims(), true),
        ("audience in an array", with("aud", json!([ISSUER])), true),
        ("without iat", without("iat"), true),
        ("lives 300 s", with("exp", json!(NOW + 300)), true),
        ("expired within the leeway", with("exp", json!(NOW - 59)), true),
        ("token endpoint as audience", with("aud", json!(format!("{ISSUER}/token"))), false),
        ("trailing slash", with("aud", json!(format!("{ISSUER}/"))), false),
        ("two audiences", with("aud", json!([ISSUER, "https://as.example"])), false),
        ("the same audience twice", with("aud", json!([ISSUER, ISSUER])), false),
        ("no audience", without("aud"), false),
        ("empty audience", with("aud", json!([])), false),
        ("iss differs", with("iss", json!("other")), false),
        ("iss missing", without("iss"), false),
        ("sub missing", without("sub"), false),
        ("sub is an array", with("sub", json!(["rqp"])), false),
        ("no jti", without("jti"), false),
        ("empty jti", with("jti", json!("")), false),
        ("jti is a number", with("jti", json!(7)), false),
        ("no exp", without("exp"), false),
        ("exp is text", with("exp", json!("9999999999")), false),
        ("expired", with("exp", json!(NOW - 3600)), false),
        ("lives too long", with("exp", json!(NOW + 301)), false),
        ("issued in the future", with("iat", json!(NOW + 3600)), false),
        ("not yet valid", with("nbf", json!(NOW + 3600)), false),
    ];
    for (name, claims, accepted) in rows {
        match check_assertion(&token(&header(), &claims, &key), &key) {
            Ok(_) => assert!(accepted, "{name}"),
            Err(error) => {
                assert!(!accepted, "{name}: {error:?}");
                invalid_client(&error);
            }
        }
    }
}

#[test]
fn an_assertion_is_judged_by_its_type_and_signature() {
    let (key, other) = (key(), key());
    let typ = |typ: &str| json!({ "alg": "ES256", "kid": "k1", "typ": typ });
    let rows = [
        ("without typ", json!({ "alg": "ES256", "kid": "k1" }), &key, true),
        ("long typ", typ("application/client-authentication+jwt"), &key, true),
        ("without kid", json!({ "alg": "ES256" }), &key, true),
        ("actor token", typ("actor+jwt"), &key, false),
        ("client proof", typ("client-proof+jwt"), &key, false),
        ("access token", typ("at+jwt"), &key, false),
        ("another key", header(), &other, false),
        ("unknown kid", json!({ "alg": "ES256", "kid": "k2" }), &key, false),
        ("alg none", json!({ "alg": "none" }), &key, false),
        ("alg HS256", json!({ "alg": "HS256" }), &key, false),
        ("alg of another key type", json!({ "alg": "RS256", "kid": "k1" }), &key, false),
    ];
    for (name, header, signer, accepted) in rows {
        match check_assertion(&token(&header, &claims(), signer), &key) {
            Ok(_) => assert!(accepted, "{name}"),
            Err(error) => {
                assert!(!accepted, "{name}: {error:?}");
                invalid_client(&error);
            }
        }
    }
    for garbage in ["", ".", "a.b.c", "{}", &"x".repeat(100_000)] {
        let params =
            form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", garbage)]);
        assert!(parse(&HeaderMap::new(), &params).is_err(), "{garbage:.20}");
    }
    let params = form(&[
        ("client_assertion_type", "urn:x"),
        ("client_assertion", &token(&header(), &claims(), &key)),
    ]);
    invalid_client(&parse(&HeaderMap::new(), &params).unwrap_err());
}

#[test]
fn client_id_beside_an_assertion_is_its_subject() {
    let key = key();
    let token = token(&header(), &claims(), &key);
    let with = |id: &str| {
        let params = form(&[
            ("client_id", id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &token),
        ]);
        check(&HeaderMap::new(), &params, Some(&registered("rqp", with_key(&key))))
    };
    assert!(with("rqp").is_ok());
    invalid_client(&with("other").unwrap_err());
}

#[test]
fn an_assertion_is_good_once_and_only_its_signer_can_use_it_up() {
    let key = key();
    let once = |token: &str| match check_assertion(token, &key).unwrap() {
        Authentication::OnceOnly(replay) => replay,
        Authentication::Done(client) => panic!("{client:?} without a replay check"),
    };
    let first = once(&token(&header(), &claims(), &key));
    assert_eq!(first.expires(), Timestamp::from_unix(NOW + 120));
    let again = once(&token(&header(), &claims(), &key));
    // Another signature over the same jti is the same assertion.
    assert_eq!(first.key(), again.key());
    assert!(first.confirm(Seen::First).is_ok());
    invalid_client(&again.confirm(Seen::Again).unwrap_err());

    // A forged assertion never gets as far as a key to insert.
    let forged = token(&header(), &claims(), &super::tests::key());
    assert!(check_assertion(&forged, &key).is_err());

    // Another client's equal jti is another key.
    let mut claims = claims();
    claims["iss"] = json!("second");
    claims["sub"] = json!("second");
    let token = token(&header(), &claims, &key);
    let params = form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &token)]);
    let second = registered("second", with_key(&key));
    match check(&HeaderMap::new(), &params, Some(&second)).unwrap() {
        Authentication::OnceOnly(replay) => {
            assert_ne!(
                replay.key(),
                once(&super::tests::token(&header(), &super::tests::claims(), &key)).key()
            );
        }
        Authentication::Done(client) => panic!("{client:?}"),
    }
}

#[test]
fn what_is_minted_is_bound_to_one_server_and_short_lived() {
    let key = key();
    let random = random();
    let mint = || crate::assertion(&key, &client_id("rqp"), &issuer(), now(), &random).unwrap();
    let token = Unverified::parse(&mint()).unwrap();
    let claims = token.claims();
    assert_eq!(claims.audience().unwrap(), [ISSUER]);
    assert_eq!(claims.timestamp("exp").unwrap(), Some(Timestamp::from_unix(NOW + 60)));
    let other = Unverified::parse(&mint()).unwrap();
    assert_ne!(claims.required_str("jti").unwrap(), other.claims().required_str("jti").unwrap());
}

#[test]
fn secrets_do_not_print() {
    let presented = parse(&headers(Some(&basic("rqp:hunter2"))), &form(&[])).unwrap();
    assert!(!format!("{presented:?}").contains("hunter2"));
    let proof = Proof::SecretPost(ClientSecret::new("hunter2"));
    assert_eq!(format!("{proof:?}"), "Proof(client_secret_post)");
    let presentation = Proof::SecretBasic(ClientSecret::new("hunter2"))
        .present(&client_id("rqp"), &issuer(), now(), &random())
        .unwrap();
    assert!(presentation.authorization.unwrap().is_sensitive());
}

/// A secret that leaves as a parameter must not leave through a log as well.
#[test]
fn what_a_client_presents_does_not_print() {
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    for proof in [
        Proof::None,
        Proof::SecretBasic(ClientSecret::new("canary")),
        Proof::SecretPost(ClientSecret::new("canary")),
        Proof::PrivateKeyJwt(Arc::new(key)),
    ] {
        let presentation = proof.present(&client_id("app"), &issuer(), now(), &random()).unwrap();
        let shown = format!("{presentation:?}");
        assert!(!shown.contains("canary") && !shown.contains("eyJ"), "{shown}");
    }
}

#[test]
fn the_error_table_keeps_to_the_characters_of_the_wire() {
    for error in [
        ClientAuthError::TwoMethods,
        ClientAuthError::Incomplete,
        ClientAuthError::Missing,
        ClientAuthError::Header,
        ClientAuthError::ClientId,
        ClientAuthError::ClientIdDiffers,
        ClientAuthError::AssertionType,
        ClientAuthError::Failed,
        ClientAuthError::Replayed,
    ] {
        assert!(is_description(error.wire().description), "{error:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_id_and_secret_survive_the_header(id in "[ -~]{1,40}", secret in ".{1,40}") {
        let proof = Proof::SecretBasic(ClientSecret::new(secret.as_str()));
        let presentation = proof.present(&client_id(&id), &issuer(), now(), &random()).unwrap();
        let headers: HeaderMap =
            presentation.authorization.into_iter().map(|value| (AUTHORIZATION, value)).collect();
        let known = registered(&id, with_secret(&secret));
        proptest::prop_assert!(check(&headers, &form(&[]), Some(&known)).is_ok());
        let other = registered(&id, with_secret(&format!("{secret}x")));
        proptest::prop_assert!(check(&headers, &form(&[]), Some(&other)).is_err());
    }

    #[test]
    fn no_header_panics(text in "(Basic )?[ -~]{0,80}") {
        let _ = parse(&headers(Some(&text)), &form(&[]));
    }
}

#[test]
fn o25_a_configured_secret_is_too_long_to_guess() {
    let configured = |text: String| SecretDigest::of_configured(&ClientSecret::new(text)).is_ok();
    assert!(configured("x".repeat(SecretDigest::MIN_LENGTH)));
    assert!(!configured("x".repeat(SecretDigest::MIN_LENGTH - 1)));
    assert!(!configured(String::new()));
}
