//! For whom tokens are: RFC 8707 at the token endpoint.

use super::*;

/// RFC 9068 §3: the default resource is a matter of the registration.
#[tokio::test]
async fn rfc_9068_section_3_a_clients_tokens_are_for_its_own_api_too() {
    let api = "https://api.alice.example";
    let world = World::changing(|client| {
        client.audience = Some(ResourceIdentifier::parse(api).unwrap());
    });
    let code = world.code("alice", &[("scope", "openid offline_access")]).await;
    let first = world.redeem(&code).await.json();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", first["refresh_token"].as_str().unwrap()),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    let second = world.post("/token", &fields).await.json();
    for (name, body) in [("the first", first), ("refreshed", second)] {
        let token = claims(body["access_token"].as_str().unwrap());
        assert_eq!(token.get("aud"), Some(&json!([STS, api])), "{name}");
        let id_token = claims(body["id_token"].as_str().unwrap());
        assert_eq!(id_token.get("aud"), Some(&json!("rqp-client")), "{name}");
    }
}

/// RFC 8707 §2: what a token is asked for is what it is for, or nothing is given.
#[tokio::test]
async fn rfc_8707_section_2_a_resource_that_the_tokens_are_not_for_is_refused() {
    let api = "https://api.alice.example";
    let world = World::changing(|client| {
        client.audience = Some(ResourceIdentifier::parse(api).unwrap());
    });
    let browser = Browser::new(&world);
    browser.sign_in("alice", &[("scope", "openid offline_access")]).await;
    let offline = [("scope", "openid offline_access"), ("prompt", "consent")];
    let code = async || {
        let page = browser.authorize(&offline).await;
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        answer.location("code").unwrap()
    };
    for (resource, is_known) in [(api, true), (STS, true), (RS, false), ("x", false)] {
        let answer = browser.authorize(&[("resource", resource)]).await;
        let error = (!is_known).then(|| "invalid_target".to_owned());
        assert_eq!(answer.location("error"), error, "{resource}");

        let code = code().await;
        let asked = ("resource", resource);
        let fields = [&redemption(&code)[..], &[asked]].concat();
        let first = world.token(&fields).await;
        let first = if is_known {
            first.json()
        } else {
            assert_eq!(first.error(), (400, "invalid_target".to_owned()), "{resource}");
            // The code is as good as before.
            world.redeem(&code).await.json()
        };
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", first["refresh_token"].as_str().unwrap()),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        let refreshed = world.token(&[&refresh[..], &[asked]].concat()).await;
        let status = if is_known { 200 } else { 400 };
        assert_eq!(refreshed.status.as_u16(), status, "{resource} {}", refreshed.text);
    }
}

/// RFC 8707 §2.2: a token that was asked for an API is for that API alone, so that the API, and
/// whoever else it comes to, is nobody here by it. What the authorization request asked for is the
/// most.
#[tokio::test]
async fn rfc_8707_section_2_2_a_token_is_for_what_it_was_asked_for() {
    let api = "https://api.alice.example";
    let world = World::changing(|client| {
        client.audience = Some(ResourceIdentifier::parse(api).unwrap());
    });
    const SCOPE: &str = "openid email offline_access claims-provider";
    let redeemed = async |asked: &[(&str, &str)], resource: &[(&str, &str)]| {
        let browser = Browser::new(&world);
        let change = [&[("scope", SCOPE)], asked].concat();
        let code = browser.sign_in("alice", &change).await.location("code").unwrap();
        world.token(&[&redemption(&code)[..], resource].concat()).await
    };
    let refreshed = async |body: &serde_json::Value, resource: &[(&str, &str)]| {
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", body["refresh_token"].as_str().unwrap()),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        world.token(&[&refresh[..], resource].concat()).await
    };
    let user_info = async |token: &str| {
        let request = Request::get("/userinfo").header(AUTHORIZATION, format!("Bearer {token}"));
        world.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    let aud = |body: &serde_json::Value| {
        let token = claims(body["access_token"].as_str().unwrap());
        token.audience().unwrap().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (for_api, for_us, both) = ([("resource", api)], [("resource", STS)], [STS, api]);
    let narrow = redeemed(&[], &for_api).await.json();
    assert_eq!(aud(&narrow), [api]);
    let token = narrow["access_token"].as_str().unwrap();
    assert_eq!(user_info(token).await, 401);
    let claims_of = Request::post("/claims").header(AUTHORIZATION, format!("Bearer {token}"));
    let claims_of = claims_of.header(CONTENT_TYPE, "application/json");
    let answer = world.send(claims_of.body(Body::from("{}")).unwrap()).await;
    assert_eq!(answer.status.as_u16(), 401, "{}", answer.text);
    let exchanged = world.token(&crate::exchange::good(token)).await;
    assert_eq!(exchanged.error(), (400, "invalid_request".to_owned()));
    // The next one may be for the rest, and for all of it.
    let wide = refreshed(&narrow, &[]).await.json();
    assert_eq!(aud(&wide), both);
    assert_eq!(user_info(wide["access_token"].as_str().unwrap()).await, 200);
    let own = refreshed(&narrow, &for_us).await.json();
    assert_eq!(aud(&own), [STS]);
    let two = [("resource", api), ("resource", STS), ("resource", api)];
    assert_eq!(aud(&refreshed(&narrow, &two).await.json()), both);

    // What was asked for first is the most, over a sign-in that starts over, too.
    let bound = redeemed(&for_api, &[]).await.json();
    assert_eq!(aud(&bound), [api]);
    assert_eq!(refreshed(&bound, &for_us).await.error(), (400, "invalid_target".to_owned()));
    assert_eq!(aud(&refreshed(&bound, &for_api).await.json()), [api]);
    assert_eq!(redeemed(&for_api, &for_us).await.error(), (400, "invalid_target".to_owned()));
    let before = World::new();
    let (_, form, cookie) = before.page(&for_us).await;
    let fields = [("form_token", form.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let again = world.submit(&cookie, &fields).await;
    let fields = [("form_token", &*hidden(&again.text)), fields[1], fields[2]];
    let code = world.submit(&cookie, &fields).await.location("code").unwrap();
    assert_eq!(aud(&world.redeem(&code).await.json()), [STS]);
}

/// RFC 8707 §2: of several resources that share a token each could use it at the others.
#[tokio::test]
async fn a_client_asks_for_itself_at_one_resource_at_a_time() {
    const OTHER: &str = "https://other.bob.example";
    let world = World::changing(|client| {
        let other = UrlPattern::parse(OTHER).unwrap();
        client.exchange.access_token_audiences.push(other);
    });
    for (resources, error) in [
        (&[RS][..], None),
        (&[OTHER], None),
        (&[RS, RS], None),
        (&[RS, OTHER], Some("invalid_target")),
        (&[RS, UMA], Some("invalid_target")),
    ] {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        fields.extend(resources.iter().map(|resource| ("resource", *resource)));
        let answer = world.token(&fields).await;
        match error {
            Some(error) => assert_eq!(answer.error(), (400, error.to_owned()), "{resources:?}"),
            None => {
                let token = answer.json()["access_token"].as_str().unwrap().to_owned();
                assert_eq!(claims(&token).audience().unwrap(), resources[..1], "{resources:?}");
            }
        }
    }
}
