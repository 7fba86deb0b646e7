//! Identity tokens that are bound to a key.

use super::*;

/// A letter is asked for with an identity token that is bound to a key.
async fn ask_bound(
    world: &World,
    rp: IdentityPropagation,
    token: &str,
    key: &SigningKey,
    client_proof: Option<&str>,
) -> Response<Vec<u8>> {
    use tower_layer::Layer as _;
    use tower_service::Service as _;

    let routes = crate::Routes::new().identified("GET /letters").build().unwrap();
    let layer = crate::ProtectLayer::new(rp, routes).unwrap();
    let key_proof = world.key_proof(key, token);
    let request = http::Request::get("/letters").header("authorization", format!("DPoP {token}"));
    let mut request = request.header("dpop", key_proof.expose());
    if let Some(proof) = client_proof {
        request = request.header("client-assertion", proof);
    }
    layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
}

/// An issuer that speaks for its own domain chooses `cnf`, too: only the keys that the client
/// publishes say that it is the client who calls (R2 of the models).
#[tokio::test]
async fn party_6_an_entitled_issuer_that_lies_impersonates_no_client() {
    let world = World::new();
    let evil = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let cnf = dpop::confirmation(&evil).to_claim();
    let mallory = json!({ "iss": EVIL_STS, "sub": "mallory@evil.example", "cnf": cnf });
    let token = world.identity(&mallory);
    let of_another_token = world.good_proof(&world.identity(&json!({})));
    let of_its_own = world.proof("client-proof+jwt", &evil, &token, &json!({}));
    let another_kind = world.proof("client-authentication+jwt", &world.client, &token, &json!({}));
    for (name, client_proof) in [
        ("the proof of the key alone", None),
        ("a client proof by the key of its choice", Some(&of_its_own)),
        ("the client's proof of another token", Some(&of_another_token)),
        ("what the client showed the issuer", Some(&another_kind)),
    ] {
        let client_proof = client_proof.map(String::as_str);
        let rp = world.relying_party(Domains::any());
        let response = ask_bound(&world, rp, &token, &evil, client_proof).await;
        assert_eq!(response.status(), 401, "{name}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        let challenge = countersign_types::auth_param::parse(challenge).unwrap().remove(0);
        assert!(challenge.is("DPoP"), "{name}");
        assert_eq!(challenge.param("error"), Some("invalid_token"), "{name}");
    }
    let own = world.good_proof(&token);
    let rp = world.relying_party(Domains::any());
    let response = ask_bound(&world, rp, &token, &evil, Some(&own)).await;
    assert_eq!(response.body(), b"mallory@evil.example", "the client does act for mallory");
}

/// Says of a key whether it is new once everybody who asks has asked.
struct Hesitant(MemoryProofs);

impl UsedProofs for Hesitant {
    fn insert_new(
        &self,
        key: Digest,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Seen, ProofsError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.insert_new(key, until).await
        })
    }
}

/// Each of both proofs is good once, and is used up by nothing that is refused.
#[tokio::test]
async fn party_6_of_two_presentations_with_one_proof_one_gets_through() {
    let world = World::new();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let token = world.identity(&json!({ "cnf": dpop::confirmation(&key).to_claim() }));
    let identity_token = AccessToken::new(&*token);
    let (url, method) = (EndpointUrl::parse(&format!("{RP}/letters")).unwrap(), http::Method::GET);
    let key_proof = || {
        let target = Target { method: &method, url: &url };
        let (token, now) = (Some(&identity_token), world.now());
        let expected = dpop::Expected { target, token, nonces: None, now };
        dpop::verify(&world.key_proof(&key, identity_token.expose()), &expected).unwrap()
    };
    let number = AtomicU8::new(0);
    let client_proof = |signer: &SigningKey| {
        let jti = json!({ "jti": number.fetch_add(1, Ordering::SeqCst).to_string() });
        AccessToken::new(world.proof("client-proof+jwt", signer, &token, &jti))
    };
    let rp = IdentityPropagation::new(
        ResourceIdentifier::parse(RP).unwrap(),
        Domains::any(),
        world.clone(),
        world.clone(),
        Arc::new(Hesitant(MemoryProofs::new(world.clone()))),
    );
    let present = async |client: &AccessToken, key: dpop::Presented| {
        rp.verify(&identity_token, Proofs { client: Some(client), key: Some(Ok(key)) }).await
    };
    for (name, same_client_proof, same_key_proof) in
        [("both", true, true), ("the client's", true, false), ("the key's", false, true)]
    {
        let (client, key) = (client_proof(&world.client), key_proof());
        let other_client =
            if same_client_proof { client.clone() } else { client_proof(&world.client) };
        let other_key = if same_key_proof { key } else { key_proof() };
        let (one, two) = tokio::join!(present(&client, key), present(&other_client, other_key));
        let refused = match (one, two) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(refused.step(), presentation::Step::Once, "{name}");
        assert!(present(&client, key).await.is_err(), "{name}, once more");
    }

    let key = key_proof();
    refused("another's client proof", present(&client_proof(&world.other), key).await);
    assert!(present(&client_proof(&world.client), key).await.is_ok(), "the key's proof is unused");
}
