//! Access tokens that are bound to a key.

use super::*;

#[tokio::test]
async fn rfc_9449_section_7_bound_access_tokens_take_a_proof() {
    use countersign_client_auth::dpop::{self, Target};
    use countersign_jwt::{Algorithm, SigningKey};

    let issuer = PretendIssuer::new();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let cnf = dpop::confirmation(&key).to_claim();
    let bound = AccessToken::new(issuer.token(json!({ "cnf": cnf.clone() })));
    let plain = AccessToken::new(issuer.token(json!({})));
    let answer =
        crate::pretend_issuer::claims(json!({ "active": true, "token_type": "DPoP", "cnf": cnf }));
    issuer.state().tokens.insert("opaque".to_owned(), answer);
    let opaque = AccessToken::new("opaque");
    let used = || Arc::new(crate::identity_propagation::MemoryProofs::new(issuer.clone()));
    let here = countersign_types::EndpointUrl::parse(&format!("{API}/me")).unwrap();
    let album = countersign_types::EndpointUrl::parse(&format!("{API}/albums/7")).unwrap();
    let now = countersign_types::Timestamp::from_unix(crate::pretend_issuer::NOW);
    let random = CountingRandom(std::sync::atomic::AtomicU8::new(0));
    let made = |key: &SigningKey, token: &AccessToken| {
        let target = Target { method: &http::Method::GET, url: &here };
        dpop::proof(key, target, Some(token), None, now, &random).unwrap()
    };
    let ask = async |layer: &ProtectLayer,
                     scheme: &str,
                     token: &AccessToken,
                     proof: Option<&AccessToken>| {
        let authorization = format!("{scheme} {}", token.expose());
        let mut request = Request::get("/v1/me").header(AUTHORIZATION, authorization);
        if let Some(proof) = proof {
            request = request.header("dpop", proof.expose());
        }
        layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
    };
    let local = Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used()));
    let asking = Mode::from(issuer.introspected_tokens()).with_dpop(crate::Dpop::new(used()));
    for (name, mode, token) in [("local", local, &bound), ("introspected", asking, &opaque)] {
        let layer = ProtectLayer::new(mode, routes()).unwrap();
        for (case, scheme, proof, error) in [
            ("as a bearer", "Bearer", None, "invalid_token"),
            ("no proof", "DPoP", None, "invalid_dpop_proof"),
            ("of another key", "DPoP", Some(made(&other, token)), "invalid_token"),
            ("for another token", "DPoP", Some(made(&key, &plain)), "invalid_dpop_proof"),
        ] {
            let response = ask(&layer, scheme, token, proof.as_ref()).await;
            let challenge = challenge(&response);
            assert_eq!(response.status(), 401, "{name} {case}");
            assert!(challenge.is("DPoP"), "{name} {case}");
            assert_eq!(challenge.param("error"), Some(error), "{name} {case}");
        }
        let proof = made(&key, token);
        assert_eq!(ask(&layer, "DPoP", token, Some(&proof)).await.status(), 200, "{name}");
        let goes_on = layer.clone().with_token();
        let response = ask(&goes_on, "DPoP", token, Some(&made(&key, token))).await;
        assert_eq!(response.body(), b"alice at /v1/me", "{name}: of no use without the key");
        let again = ask(&layer, "DPoP", token, Some(&proof)).await;
        assert_eq!(challenge(&again).param("error"), Some("invalid_dpop_proof"), "{name}");

        // It lacks the scope of this rule: the answer is about the way in which it came.
        let target = Target { method: &http::Method::DELETE, url: &album };
        let proof = dpop::proof(&key, target, Some(token), None, now, &random).unwrap();
        let request = Request::delete("/v1/albums/7").header("dpop", proof.expose());
        let request = request.header(AUTHORIZATION, format!("DPoP {}", token.expose()));
        let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 403, "{name}");
        assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 1, "{name}");
        let challenge = challenge(&response);
        assert!(challenge.is("DPoP"), "{name}");
        assert_eq!(challenge.param("error"), Some("insufficient_scope"), "{name}");
        assert_eq!(challenge.param("scope"), Some("admin"), "{name}");
        assert!(challenge.param("algs").is_some_and(|algs| algs.contains("ES256")), "{name}");
    }
    let layer = ProtectLayer::new(
        Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used())),
        routes(),
    )
    .unwrap();
    let proof = made(&key, &plain);
    let response = ask(&layer, "DPoP", &plain, Some(&proof)).await;
    assert_eq!(challenge(&response).param("error"), Some("invalid_token"), "a token without a key");
    assert_eq!(ask(&layer, "Bearer", &plain, None).await.status(), 200);
    let bearer = format!("Bearer {}", plain.expose());
    let response = send(&layer, "DELETE /v1/albums/7", &[&bearer]).await;
    assert!(challenge(&response).is("Bearer"), "a proof would not help");
    assert_eq!(ask(&layer, "Bearer", &plain, Some(&proof)).await.status(), 400, "half and half");
    let without = ProtectLayer::new(issuer.access_tokens(), routes()).unwrap();
    for scheme in ["Bearer", "DPoP"] {
        let response = ask(&without, scheme, &bound, Some(&made(&key, &bound))).await;
        assert_eq!(response.status(), 401, "nobody notes proofs here: {scheme}");
        assert!(challenge(&response).is("Bearer"));
    }
}

/// The challenge that tells of the error is that of the scheme that was used; both, where nobody
/// can say which it was.
#[tokio::test]
async fn rfc_9449_section_7_2_each_scheme_tells_its_own_errors() {
    let issuer = PretendIssuer::new();
    let used = Arc::new(crate::identity_propagation::MemoryProofs::new(issuer.clone()));
    let mode = Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used));
    let bound = ProtectLayer::new(mode, routes()).unwrap();
    let plain = layer(&issuer);
    let proof = [("dpop", "a.b.c")];
    let nothing: [(&str, &str); 0] = [];
    type Row<'a> = (&'a str, &'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);
    let rows: [Row<'_>; 9] = [
        ("a malformed bearer token", "/v1/me", &["Bearer a b"], &nothing, &["Bearer"]),
        ("a malformed bound token", "/v1/me", &["DPoP a b"], &nothing, &["DPoP"]),
        ("no token", "/v1/me", &["dpop"], &nothing, &["DPoP"]),
        ("both schemes", "/v1/me", &["Bearer a", "DPoP a"], &nothing, &["Bearer", "DPoP"]),
        ("one scheme twice", "/v1/me", &["DPoP a", "DPoP a"], &nothing, &["Bearer", "DPoP"]),
        ("half and half", "/v1/me", &["Bearer a"], &proof, &["Bearer", "DPoP"]),
        ("in the query", "/v1/me?access_token=a", &[], &nothing, &["Bearer"]),
        ("in both", "/v1/me?access_token=a", &["DPoP a"], &proof, &["Bearer", "DPoP"]),
        ("no text", "/v1/me", &["DPoP \u{e9}"], &nothing, &["Bearer", "DPoP"]),
    ];
    for (name, target, credentials, more, schemes) in rows {
        for (layer, schemes) in [(&bound, schemes), (&plain, &["Bearer"][..])] {
            let mut request = Request::get(target);
            for value in credentials {
                request = request.header(AUTHORIZATION, *value);
            }
            for (header, value) in more {
                request = request.header(*header, *value);
            }
            let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
            let told: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
            let told: Vec<_> = told
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            assert_eq!(told.len(), schemes.len(), "{name}: {told:?}");
            for (challenge, scheme) in told.iter().zip(schemes) {
                let challenge = auth_param::parse(challenge).unwrap().remove(0);
                assert!(challenge.is(scheme), "{name}: {told:?}");
            }
        }
    }
}

/// Another value at every call.
struct CountingRandom(std::sync::atomic::AtomicU8);

impl countersign_types::random::Random for CountingRandom {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    }
}
