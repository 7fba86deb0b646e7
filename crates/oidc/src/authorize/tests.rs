use countersign_types::Issuer;

use super::*;

const GOOD: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("client_id", "app"),
    ("redirect_uri", "https://app.example/cb?tenant=1"),
    ("scope", "openid email"),
    ("state", "s t"),
    ("nonce", "n"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
];

fn form(change: &[(&str, Option<&str>)]) -> String {
    let kept = GOOD.iter().filter(|(name, _)| !change.iter().any(|(n, _)| n == name)).copied();
    let changed = change.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(changed)).finish()
}

fn parsed(form: &str) -> Result<AuthorizationRequest, AuthorizationError> {
    let app = ClientId::parse("app").unwrap();
    let redirect_uris = [
        RedirectUri::parse("https://app.example/cb?tenant=1").unwrap(),
        RedirectUri::parse("http://127.0.0.1/cb").unwrap(),
    ];
    let scopes = ScopeSet::parse("openid email claims-provider").unwrap();
    read(form.as_bytes())?.check(Some(Registration {
        client_id: &app,
        redirect_uris: &redirect_uris,
        scopes: &scopes,
        authorization_code: true,
        resources: &["https://sts.alice.example", "https://api.alice.example"],
    }))
}

#[track_caller]
fn check(change: &[(&str, Option<&str>)], expected: Result<(), &str>) {
    let got = match parsed(&form(change)) {
        Ok(_) => Ok(()),
        Err(AuthorizationError::Redirect(error)) => Err(error.code().as_str()),
        Err(AuthorizationError::Page(_)) => Err("page"),
    };
    assert_eq!(got, expected, "{change:?}");
}

#[test]
fn a_good_request_is_kept_whole() {
    let request = parsed(&form(&[])).unwrap();
    assert_eq!(request.state.as_deref(), Some("s t"));
    assert_eq!(request.nonce.as_deref(), Some("n"));
    assert_eq!(request.scope.to_string(), "email openid");
    let issuer = Issuer::parse("https://sts.alice.example").unwrap();
    assert_eq!(
        request.success_location("c", &issuer),
        "https://app.example/cb?tenant=1&code=c&state=s+t&iss=https%3A%2F%2Fsts.alice.example"
    );
    assert_eq!(
        request.denied().location(&issuer),
        "https://app.example/cb?tenant=1&error=access_denied\
         &error_description=the+person+did+not+allow+this&state=s+t\
         &iss=https%3A%2F%2Fsts.alice.example"
    );
    check(&[("redirect_uri", Some("http://127.0.0.1:49152/cb"))], Ok(()));
    check(&[("prompt", Some("login consent")), ("max_age", Some("60"))], Ok(()));
    check(&[("state", None), ("nonce", None)], Ok(()));
    check(&[("unknown", Some("ignored"))], Ok(()));
    assert_eq!(request.dpop_jkt, None);
    let jkt = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    let bound = parsed(&form(&[("dpop_jkt", Some(jkt))])).unwrap();
    assert_eq!(bound.dpop_jkt.map(|jkt| jkt.to_string()).as_deref(), Some(jkt));
}

#[test]
fn nobody_is_redirected_to_an_unknown_place() {
    for client_id in [None, Some(""), Some("other"), Some("APP"), Some("app ")] {
        check(&[("client_id", client_id)], Err("page"));
    }
    for redirect_uri in [
        None,
        Some(""),
        Some("https://app.example/cb"),
        Some("https://app.example/cb?tenant=1&x"),
        Some("https://app.example/cb/?tenant=1"),
        Some("https://app.example/CB?tenant=1"),
        Some("https://app.example:443/cb?tenant=1"),
        Some("https://APP.example/cb?tenant=1"),
        Some("http://app.example/cb?tenant=1"),
        Some("https://app.example.evil.example/cb?tenant=1"),
        Some("https://app.example@evil.example/cb?tenant=1"),
        Some("https://evil.example\\@app.example/cb?tenant=1"),
        Some("https://app.example/cb?tenant=1#x"),
        Some("https://app.example/x/../cb?tenant=1"),
        Some("https://app.example/%63b?tenant=1"),
        Some("https://app.example/cb?tenant=%31"),
        Some("//app.example/cb?tenant=1"),
        Some("javascript:alert(1)"),
        Some("http://localhost:1/cb"),
        Some("http://127.0.0.1:1/cb/"),
        Some("http://127.0.0.2/cb"),
        Some("https://127.0.0.1/cb"),
        Some("https://app.example:8443/cb?tenant=1"),
        Some("https://app.example:/cb?tenant=1"),
        Some("https://www.app.example/cb?tenant=1"),
        Some("https://app.example./cb?tenant=1"),
        Some("https://example/cb?tenant=1"),
        Some("https://app.example%2eevil.example/cb?tenant=1"),
        // Cyrillic а for a, as it is and in punycode.
        Some("https://\u{430}pp.example/cb?tenant=1"),
        Some("https://xn--pp-6kc.example/cb?tenant=1"),
        Some("https://user@app.example/cb?tenant=1"),
        Some("https://user:password@app.example/cb?tenant=1"),
        Some("https://@app.example/cb?tenant=1"),
        Some("https://evil.example/@app.example/cb?tenant=1"),
        Some("https://evil.example#@app.example/cb?tenant=1"),
        Some("https://evil.example?@app.example/cb?tenant=1"),
        Some("https:/app.example/cb?tenant=1"),
        Some("https:\\\\app.example\\cb?tenant=1"),
        Some("HTTPS://app.example/cb?tenant=1"),
        Some("https://app.example/x/..;/cb?tenant=1"),
        Some("https://app.example/x/%2e%2e/cb?tenant=1"),
        Some("https://app.example/./cb?tenant=1"),
        Some("https://app.example//cb?tenant=1"),
        Some("https://app.example/cb;x?tenant=1"),
        Some("https://app.example/cb?tenant=1&tenant=1"),
        Some("https://app.example/cb?tenant=1&tenant=2"),
        Some("https://app.example/cb?tenant=2"),
        Some("https://app.example/cb?tenant=1&"),
        Some("https://app.example/cb?Tenant=1"),
        Some("https://app.example/cb?tenant=1\t"),
        Some("https://app.example/\tcb?tenant=1"),
        Some("\thttps://app.example/cb?tenant=1"),
        Some(" https://app.example/cb?tenant=1"),
        Some("https://app.example/cb?tenant=1\r\nx: y"),
        Some("https://app.example/cb?tenant=1\0"),
        Some("data:text/html,x"),
    ] {
        check(&[("redirect_uri", redirect_uri)], Err("page"));
    }
    let good = form(&[]);
    let twice = |name: &str, value: &str| parsed(&format!("{good}&{name}={value}"));
    let page = |error| Err(AuthorizationError::Page(error));
    assert_eq!(twice("client_id", "app"), page(PageError::Client));
    assert_eq!(twice("redirect_uri", "https://evil.example"), page(PageError::RedirectUri));
}

#[test]
fn every_other_error_reaches_the_client() {
    check(&[("response_type", None)], Err("invalid_request"));
    for response_type in ["token", "code id_token", "id_token", "none", "CODE"] {
        let change = [("response_type", Some(response_type))];
        check(&change, Err("unsupported_response_type"));
    }
    check(&[("response_mode", Some("fragment"))], Err("invalid_request"));
    check(&[("response_mode", Some("form_post"))], Err("invalid_request"));
    check(&[("code_challenge", None)], Err("invalid_request"));
    check(&[("code_challenge_method", None)], Err("invalid_request"));
    check(&[("code_challenge_method", Some("plain"))], Err("invalid_request"));
    check(&[("code_challenge_method", Some("s256"))], Err("invalid_request"));
    check(&[("code_challenge", Some("short"))], Err("invalid_request"));
    for jkt in ["x", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs="] {
        check(&[("dpop_jkt", Some(jkt))], Err("invalid_request"));
    }
    check(&[("scope", None)], Err("invalid_scope"));
    for scope in ["openid admin", "openid  email", "*", "OPENID", "openid\temail"] {
        check(&[("scope", Some(scope))], Err("invalid_scope"));
    }
    for resource in ["https://api.alice.example/", "https://rs.bob.example", "app", "https://"] {
        check(&[("resource", Some(resource))], Err("invalid_target"));
    }
    check(&[("resource", Some("https://api.alice.example"))], Ok(()));
    let two = "&resource=https://api.alice.example&resource=https://sts.alice.example";
    let request = parsed(&format!("{}{two}", form(&[]))).unwrap();
    assert_eq!(request.resources.len(), 2, "RFC 8707 §2: one may ask for several");
    let other = parsed(&format!("{}{two}x", form(&[])));
    assert!(
        matches!(other, Err(AuthorizationError::Redirect(error)) if error.code().as_str() == "invalid_target")
    );
    check(&[("prompt", Some("dance"))], Err("invalid_request"));
    check(&[("max_age", Some("soon"))], Err("invalid_request"));
    check(&[("prompt", Some("none login"))], Err("invalid_request"));
    check(&[("request", Some("ey"))], Err("request_not_supported"));
    check(&[("request_uri", Some("urn:x"))], Err("request_uri_not_supported"));
    check(&[("state", Some("a\nb"))], Err("invalid_request"));
}

#[test]
fn a_repeated_parameter_is_refused_and_its_state_is_not_echoed() {
    let error = parsed(&format!("{}&state=other", form(&[]))).unwrap_err();
    let AuthorizationError::Redirect(error) = error else { panic!("{error:?}") };
    let issuer = Issuer::parse("https://sts.alice.example").unwrap();
    let location = error.location(&issuer);
    assert!(location.contains("error=invalid_request"), "{location}");
    assert!(!location.contains("state="), "{location}");
    assert!(location.ends_with("iss=https%3A%2F%2Fsts.alice.example"), "{location}");
}

proptest::proptest! {
    #[test]
    fn no_form_panics_or_leads_elsewhere(form in ".{0,200}") {
        let elsewhere = parsed(&form);
        proptest::prop_assert!(matches!(elsewhere, Err(AuthorizationError::Page(_))));
    }
}
