//! What is told of each presentation, and what an outage is.

use super::*;

/// Whoever keeps a record learns each check, and which of them stopped a caller.
#[tokio::test]
async fn every_decision_is_recorded_with_its_checks() {
    #[derive(Default)]
    struct Recorder(Mutex<Vec<PresentationRecord>>);
    impl Audit for Recorder {
        fn record(&self, record: &PresentationRecord) {
            self.0.lock().unwrap().push(record.clone());
        }
    }
    let world = World::new();
    let recorder = Arc::new(Recorder::default());
    let rp = world.relying_party(Domains::any()).with_audit(recorder.clone());
    let token = world.identity(&json!({}));
    let proof = world.good_proof(&token);
    verify(&rp, &token, Some(&proof)).await.unwrap();
    let record = recorder.0.lock().unwrap().remove(0);
    let text = |text: &str| Some(text.to_owned());
    let claimed = (record.claimed.issuer, record.claimed.subject, record.claimed.client_id);
    assert_eq!(claimed, (text(STS), text("alice@alice.example"), text(CLIENT)));
    assert_eq!((record.outcome, record.claimed.actor), (Outcome::Accepted, text(CLIENT)));
    let all = record.checks;
    assert_eq!(all.len(), presentation::Step::ALL.len());
    assert!(all.iter().all(|check| check.passed && !check.section.is_empty()));
    let foreign = world.identity(&json!({"iss": EVIL_STS}));
    for (token, proof, stopped_by) in [
        (&token, None, presentation::Step::Proof),
        (&token, Some(proof.as_str()), presentation::Step::Once),
        (&foreign, Some(&*world.good_proof(&foreign)), presentation::Step::Issuer),
    ] {
        refused(stopped_by.name(), verify(&rp, token, proof).await);
        let record = recorder.0.lock().unwrap().remove(0);
        assert_eq!(record.outcome, Outcome::Refused);
        assert_eq!(record.claimed.subject, text("alice@alice.example"));
        let (last, before) = record.checks.split_last().unwrap();
        assert_eq!((last.name, last.passed), (stopped_by.name(), false));
        assert!(before.iter().all(|check| check.passed));
    }

    // What came with another proof of a key than the token asks for, or with a bad one, is told as
    // well.
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let bound = world.identity(&json!({ "cnf": dpop::confirmation(&key).to_claim() }));
    let own = world.good_proof(&bound);
    let identity_token = AccessToken::new(&*bound);
    for (name, key) in [
        ("no DPoP proof", DpopError::Missing),
        ("for another request", DpopError::Request),
        ("without the nonce", DpopError::Nonce),
    ] {
        let proofs = Proofs { client: Some(&AccessToken::new(&*own)), key: Some(Err(key)) };
        let error = rp.verify(&identity_token, proofs).await.unwrap_err();
        assert_eq!(error.wire().status, 401, "{name}");
        let record = recorder.0.lock().unwrap().remove(0);
        assert_eq!(record.claimed.actor, text(CLIENT), "{name}");
        let (last, before) = record.checks.split_last().unwrap();
        assert_eq!((last.name, last.passed), (presentation::Step::Binding.name(), false), "{name}");
        assert_eq!(before.len(), 5, "{name}");
    }
}

/// I9: who is not answered knows nothing, and says so. The same presentation is good afterwards.
#[tokio::test]
async fn an_outage_is_no_verdict() {
    #[derive(Default)]
    struct Last(Mutex<Option<PresentationRecord>>);
    impl Audit for Last {
        fn record(&self, record: &PresentationRecord) {
            *self.0.lock().unwrap() = Some(record.clone());
        }
    }
    let failures: [fn() -> FetchError; 3] = [
        || FetchError::Timeout,
        || FetchError::Status(StatusCode::SERVICE_UNAVAILABLE),
        // Not told from a host that has no address.
        || FetchError::Refused { host: "db.internal".to_owned() },
    ];
    let (webfinger, metadata, keys) = (
        "https://alice.example/.well-known/webfinger",
        format!("{STS}/.well-known/openid-configuration"),
        format!("{STS}/jwks"),
    );
    for failure in failures {
        for (url, step) in [
            (webfinger, presentation::Step::Issuer),
            (&metadata, presentation::Step::Issuer),
            (&keys, presentation::Step::IssuerSignature),
            (CLIENT, presentation::Step::ClientSignature),
        ] {
            let world = World::new();
            let last = Arc::new(Last::default());
            let rp = world.relying_party(Domains::any()).with_audit(last.clone());
            let token = world.identity(&json!({}));
            let proof = world.good_proof(&token);
            world.failing.lock().unwrap().insert(url.to_owned(), failure);
            let error = verify(&rp, &token, Some(&proof)).await.unwrap_err();
            assert_eq!(error.wire().status, 503, "{url}: {error:?}");
            let record = last.0.lock().unwrap().take().unwrap();
            assert_eq!(record.outcome, Outcome::Undecided, "{url}");
            assert!(record.checks.iter().all(|check| check.passed && check.name != step.name()));
            world.failing.lock().unwrap().clear();
            world.now.fetch_add(30, Ordering::SeqCst);
            assert!(verify(&rp, &token, Some(&proof)).await.is_ok(), "{url}");
        }
    }
}
