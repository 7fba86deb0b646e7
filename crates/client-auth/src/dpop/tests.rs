use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const URL: &str = "https://rp.bob.example/letters/1";

struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, None).unwrap()
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).unwrap()
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "jti": "1", "htm": "GET", "htu": URL, "iat": NOW,
        "ath": AccessToken::new("token").digest().to_base64url(),
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
        if value.is_null() {
            members.remove(name);
        }
    }
    claims
}

fn check(
    proof: &AccessToken,
    nonces: Option<&[String]>,
    now: Timestamp,
) -> Result<Presented, DpopError> {
    let token = AccessToken::new("token");
    let target = Target { method: &Method::GET, url: &url(URL) };
    verify(proof, &Expected { target, token: Some(&token), nonces, now })
}

#[test]
fn a_proof_is_of_a_key_and_for_one_request() {
    let (key, random) = (key(), Counting(std::sync::atomic::AtomicU8::new(0)));
    let token = AccessToken::new("token");
    let at = url(&format!("{URL}?page=2"));
    let target = Target { method: &Method::GET, url: &at };
    let made = proof(&key, target, Some(&token), None, NOW, &random).unwrap();
    let presented = check(&made, None, NOW).unwrap();
    assert!(presented.is_of(confirmation(&key)));
    assert_eq!(presented.confirmation(), confirmation(&key));
    assert!(!presented.is_of(Confirmation::Jkt(Digest::of(b"another"))));
    assert_eq!(presented.once().1, NOW.after(LIFETIME).after(LEEWAY));
    assert_eq!(presented.if_new(Seen::First).unwrap().confirmation(), confirmation(&key));
    assert!(matches!(presented.if_new(Seen::Again), Err(DpopError::Replayed)));
    let again = proof(&key, target, Some(&token), None, NOW, &random).unwrap();
    assert_ne!(check(&again, None, NOW).unwrap().once().0, presented.once().0);
    let at_the_token_endpoint = proof(&key, target, None, None, NOW, &random).unwrap();
    let expected = Expected { target, token: None, nonces: None, now: NOW };
    assert!(verify(&at_the_token_endpoint, &expected).is_ok());
}

#[test]
fn o24_what_is_wrong_with_a_proof() {
    type Why = fn(&DpopError) -> bool;
    let (key, other) = (key(), key());
    let rows: &[(&str, Value, Why)] = &[
        ("another method", json!({ "htm": "POST" }), |e| matches!(e, DpopError::Request)),
        ("a method in other letters", json!({ "htm": "get" }), |e| matches!(e, DpopError::Request)),
        ("no method", json!({ "htm": null }), |e| matches!(e, DpopError::Claim(_))),
        ("another path", json!({ "htu": "https://rp.bob.example/letters/2" }), |e| {
            matches!(e, DpopError::Request)
        }),
        ("another host", json!({ "htu": "https://rp.eve.example/letters/1" }), |e| {
            matches!(e, DpopError::Request)
        }),
        ("another port", json!({ "htu": "https://rp.bob.example:444/letters/1" }), |e| {
            matches!(e, DpopError::Request)
        }),
        ("another scheme", json!({ "htu": "http://rp.bob.example/letters/1" }), |e| {
            matches!(e, DpopError::Request)
        }),
        ("no URL", json!({ "htu": null }), |e| matches!(e, DpopError::Claim(_))),
        ("another token", json!({ "ath": Digest::of(b"x").to_base64url() }), |e| {
            matches!(e, DpopError::Token)
        }),
        ("no token", json!({ "ath": null }), |e| matches!(e, DpopError::Token)),
        ("too old", json!({ "iat": NOW.before(Lifetime::from_secs(120)) }), |e| {
            matches!(e, DpopError::Time)
        }),
        ("of the future", json!({ "iat": NOW.after(Lifetime::from_secs(61)) }), |e| {
            matches!(e, DpopError::Time)
        }),
        ("no time", json!({ "iat": null }), |e| matches!(e, DpopError::Claim(_))),
        ("expired", json!({ "exp": NOW.before(LEEWAY) }), |e| matches!(e, DpopError::Time)),
        ("not yet good", json!({ "nbf": NOW.after(Lifetime::from_secs(61)) }), |e| {
            matches!(e, DpopError::Time)
        }),
        ("an end that is no time", json!({ "exp": "never" }), |e| matches!(e, DpopError::Claim(_))),
        ("a start that is no time", json!({ "nbf": true }), |e| matches!(e, DpopError::Claim(_))),
        ("no identifier", json!({ "jti": null }), |e| matches!(e, DpopError::Claim(_))),
    ];
    for (name, changes, why) in rows {
        let proof = AccessToken::new(sign_with_own_key(TYP, &key, &claims(changes)).unwrap());
        let error = check(&proof, None, NOW).unwrap_err();
        assert!(why(&error), "{name}: {error:?}");
        assert_eq!(error.wire().code, ErrorCode::INVALID_DPOP_PROOF, "{name}");
    }
    for typ in ["JWT", "at+jwt", "client-proof+jwt", "client-authentication+jwt"] {
        let proof = AccessToken::new(sign_with_own_key(typ, &key, &claims(&json!({}))).unwrap());
        assert!(matches!(check(&proof, None, NOW), Err(DpopError::Key(_))), "{typ}");
    }
    let signed = countersign_jwt::sign(TYP, &key, &claims(&json!({}))).unwrap();
    assert!(check(&AccessToken::new(signed), None, NOW).is_err(), "without its key");
    let swapped = sign_with_own_key(TYP, &key, &claims(&json!({}))).unwrap();
    let (head, _) = swapped.rsplit_once('.').unwrap();
    let forged = sign_with_own_key(TYP, &other, &claims(&json!({}))).unwrap();
    let forged = format!("{head}.{}", forged.rsplit_once('.').unwrap().1);
    assert!(check(&AccessToken::new(forged), None, NOW).is_err(), "of another key");
}

#[test]
fn one_url_has_one_spelling() {
    let key = key();
    for same in [
        "https://rp.bob.example:443/letters/1",
        "HTTPS://RP.BOB.EXAMPLE/letters/1?page=2",
        "https://rp.bob.example/x/../letters/1",
        "https://rp.bob.example/l%65tters/%31",
    ] {
        let proof = sign_with_own_key(TYP, &key, &claims(&json!({ "htu": same }))).unwrap();
        assert!(check(&AccessToken::new(proof), None, NOW).is_ok(), "{same}");
    }
    for (a, b, same) in [
        ("https://a.example/%c3%a4", "https://a.example/%C3%A4", true),
        ("https://a.example/a%2Fb", "https://a.example/a/b", false),
        ("https://a.example/a", "https://a.example/a/", false),
        ("https://a.example", "https://a.example/", true),
    ] {
        assert_eq!(comparable(&url(a)) == comparable(&url(b)), same, "{a} {b}");
    }
}

#[test]
fn clocks_may_differ_and_a_nonce_is_the_servers() {
    let key = key();
    let made =
        |changes: &Value| AccessToken::new(sign_with_own_key(TYP, &key, &claims(changes)).unwrap());
    let edge = made(&json!({ "iat": NOW.before(Lifetime::from_secs(119)) }));
    assert!(check(&edge, None, NOW).is_ok());
    assert!(check(&made(&json!({ "iat": NOW.after(LEEWAY) })), None, NOW).is_ok());
    let within = json!({ "nbf": NOW.after(LEEWAY), "exp": NOW.before(Lifetime::from_secs(59)) });
    assert!(check(&made(&within), None, NOW).is_ok());
    let long = made(&json!({ "exp": NOW.after(Lifetime::from_secs(3600)) }));
    let late = check(&long, None, NOW.after(LIFETIME).after(LEEWAY));
    assert!(matches!(late, Err(DpopError::Time)), "no proof lives longer for its exp");
    let nonces = ["new".to_owned(), "old".to_owned()];
    for (nonce, good) in
        [(json!("new"), true), (json!("old"), true), (json!("stale"), false), (json!(null), false)]
    {
        let checked = check(&made(&json!({ "nonce": nonce })), Some(&nonces), NOW);
        assert_eq!(checked.is_ok(), good, "{nonce}");
        if let Err(error) = checked {
            assert_eq!(error.wire().code, ErrorCode::USE_DPOP_NONCE);
        }
    }
    assert!(check(&made(&json!({ "nonce": "unasked" })), None, NOW).is_ok());
}

#[test]
fn a_request_has_one_proof() {
    let mut headers = HeaderMap::new();
    assert!(presented(&headers).unwrap().is_none());
    headers.append(HEADER, "a".parse().unwrap());
    assert!(presented(&headers).unwrap().is_some_and(|proof| proof.ct_eq("a")));
    headers.append(HEADER, "a".parse().unwrap());
    assert!(matches!(presented(&headers), Err(DpopError::Several)));
}

#[test]
fn rfc_9449_section_8_1_a_nonce_is_one_and_has_its_syntax() {
    let long = "n".repeat(MAX_NONCE);
    let longer = format!("{long}n");
    for (values, expected) in [
        (&[][..], None),
        // The nonce of figure 20.
        (&["eyJ7S_zG.eyJH0-Z.HX4w-7v"][..], Some("eyJ7S_zG.eyJH0-Z.HX4w-7v")),
        (&["!#[]~"], Some("!#[]~")),
        (&[long.as_str()], Some(long.as_str())),
        (&[longer.as_str()], None),
        (&[""], None),
        (&["a b"], None),
        (&["a\"b"], None),
        (&["a\\b"], None),
        (&["n\u{e9}"], None),
        (&["a", "b"], None),
        (&["a", "a"], None),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NONCE_HEADER, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(nonce(&headers), expected, "{values:?}");
    }
}
