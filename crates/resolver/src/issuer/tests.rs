use super::*;
use crate::world::{Answer, World};

const ALICE: &str = "alice@alice.example";
const STS: &str = "https://sts.alice.example";
const STS_OPENID: &str = "https://sts.alice.example/.well-known/openid-configuration";
const OWN: &str = "https://alice.example";
const OWN_OPENID: &str = "https://alice.example/.well-known/openid-configuration";
const OWN_OAUTH: &str = "https://alice.example/.well-known/oauth-authorization-server";
const OWN_PROVIDER: &str = "https://alice.example/.well-known/claims-provider-configuration";
const OWN_WIDE: &str = "https://alice.example/.well-known/uma-wide-ecosystem-claims-provider";

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn webfinger(text: &str) -> String {
    query_url(&address(text)).unwrap().to_string()
}

fn link(href: &str) -> Answer {
    Answer::body(
        serde_json::json!({"subject": "x", "links": [
            {"rel": "http://webfinger.net/rel/avatar", "href": "https://pictures.example/a"},
            {"rel": countersign_metadata::webfinger::ISSUER_REL, "href": href},
        ]})
        .to_string(),
    )
}

fn document(issuer: &str) -> Answer {
    let jwks_uri = format!("{}/jwks", issuer.trim_end_matches('/'));
    Answer::body(serde_json::json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string())
}

fn resolver_in(world: &Arc<World>) -> IssuerResolver {
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    IssuerResolver::new(fetch, clock, &IssuerConfig::default())
}

async fn resolve(world: &Arc<World>) -> Result<DiscoveredIssuer, DiscoveryError> {
    resolver_in(world).resolve(&address(ALICE)).await
}

/// DISC-1
#[tokio::test]
async fn webfinger_names_the_issuer() {
    let world = World::new();
    world.set(&webfinger(ALICE), link(STS)).set(STS_OPENID, document(STS));
    let found = resolve(&world).await.unwrap();
    assert_eq!(found.issuer.as_str(), STS);
    assert_eq!(found.jwks_uri.as_str(), "https://sts.alice.example/jwks");
    assert_eq!(found.via, Via::WebFinger);
    assert_eq!(world.asked(), [webfinger(ALICE), STS_OPENID.to_owned()]);
}

/// DISC-2: the domain's own documents, each only after the one before is absent.
#[tokio::test]
async fn the_domain_itself_may_be_the_issuer() {
    let kinds = [OWN_OPENID, OWN_OAUTH, OWN_PROVIDER, OWN_WIDE];
    for (place, url) in kinds.into_iter().enumerate() {
        for silence in [Answer::Status(404), Answer::body(r#"{"links":[]}"#)] {
            let world = World::new();
            world.set(&webfinger(ALICE), silence).set(url, document(OWN));
            let found = resolve(&world).await.unwrap();
            assert_eq!(found.issuer.as_str(), OWN);
            assert_eq!(found.via, Via::WellKnown(FALLBACK[place]));
            assert_eq!(world.asked()[1..], kinds[..=place]);
        }
    }
}

/// DISC-3: an issuer that WebFinger names and that then fails ends the search.
#[tokio::test]
async fn a_named_issuer_that_fails_is_not_replaced() {
    let slash = format!("{STS}/");
    let failures = [
        document(&slash),
        document("https://STS.alice.example"),
        document("https://other.example"),
        document(OWN),
        Answer::Status(404),
        Answer::Status(500),
        Answer::Timeout,
        Answer::Redirect,
        Answer::Refused,
        Answer::TooLarge,
        Answer::ContentType,
        Answer::body("[]"),
        Answer::body(format!(r#"{{"issuer":"{STS}","jwks_uri":"http://sts.alice.example/k"}}"#)),
    ];
    for failure in failures {
        let world = World::new();
        world.set(&webfinger(ALICE), link(STS)).set(STS_OPENID, failure);
        // What a fallback would find.
        world.set(OWN_OPENID, document(OWN)).set(OWN_OAUTH, document(OWN));
        let error = resolve(&world).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Metadata { .. }), "{error:?}");
        assert_eq!(world.asked(), [webfinger(ALICE), STS_OPENID.to_owned()]);
    }
}

/// DISC-4: whatever is wrong with the WebFinger answer ends the search.
#[tokio::test]
async fn a_bad_webfinger_answer_is_not_passed_over() {
    let rows = [
        (link("http://sts.alice.example"), false),
        (link("https://sts.alice.example?x"), false),
        (link("https://sts.alice.example#x"), false),
        (link("file:///etc/passwd"), false),
        (Answer::body("<html>"), false),
        (Answer::Redirect, false),
        (Answer::Refused, false),
        (Answer::TooLarge, false),
        (Answer::ContentType, false),
        (Answer::Status(400), false),
        (Answer::Status(403), false),
        (Answer::Status(500), true),
        (Answer::Status(503), true),
        (Answer::Timeout, true),
    ];
    for (answer, is_temporary) in rows {
        let world = World::new();
        world.set(&webfinger(ALICE), answer);
        world.set(OWN_OPENID, document(OWN)).set(STS_OPENID, document(STS));
        let error = resolve(&world).await.unwrap_err();
        assert_eq!(error.is_temporary(), is_temporary, "{error:?}");
        assert_eq!(world.asked(), [webfinger(ALICE)]);
    }
}

/// PROFILE §6.3: in the fallback, too, only absence leads on.
#[tokio::test]
async fn a_failing_fallback_ends_the_search() {
    let failures = [document(STS), Answer::Timeout, Answer::Status(500), Answer::ContentType];
    for failure in failures {
        let world = World::new();
        world.set(OWN_OPENID, failure).set(OWN_OAUTH, document(OWN));
        let error = resolve(&world).await.unwrap_err();
        assert!(matches!(error, DiscoveryError::Metadata { .. }), "{error:?}");
        assert_eq!(world.count(), 2);
    }
    let nowhere = World::new();
    assert!(matches!(resolve(&nowhere).await, Err(DiscoveryError::NoIssuer)));
    assert_eq!(nowhere.count(), 5);
    let keyless = World::new();
    keyless.set(OWN_OPENID, Answer::body(format!(r#"{{"issuer":"{OWN}"}}"#)));
    assert!(matches!(resolve(&keyless).await, Err(DiscoveryError::NoKeys { .. })));
}

/// DISC-5: an internationalised or upper-case domain is asked under its one name.
#[tokio::test]
async fn spellings_of_a_domain_are_one_domain() {
    let world = World::new();
    let own = "https://xn--bcher-kva.example";
    world.set(&format!("{own}/.well-known/openid-configuration"), document(own));
    let resolver = resolver_in(&world);
    for text in ["a@bücher.example", "a@BÜCHER.example", "a@xn--bcher-kva.example"] {
        let found = resolver.resolve(&address(text)).await.unwrap();
        assert_eq!(found.issuer.as_str(), own, "{text}");
    }
    assert_eq!(world.count(), 2);
}

/// DISC-6, DISC-8: only the address decides who is asked, so a token's own words lead nowhere.
#[tokio::test]
async fn only_the_domain_of_the_address_is_asked() {
    let world = World::new();
    let trick = "https://alice.example.attacker.example";
    world.set(&format!("{trick}/.well-known/openid-configuration"), document(trick));
    world.set(OWN_OPENID, document(trick));
    assert!(resolve(&world).await.is_err());
    assert!(world.asked().iter().all(|url| url.starts_with("https://alice.example/")));
}

/// DISC-7: a "no" is remembered briefly, a failure of the network is not.
#[tokio::test]
async fn negative_results_are_cached_briefly() {
    let world = World::new();
    let resolver = resolver_in(&world);
    assert!(resolver.resolve(&address(ALICE)).await.is_err());
    let asked = world.count();
    world.set(&webfinger(ALICE), link(STS)).set(STS_OPENID, document(STS));
    assert!(resolver.resolve(&address(ALICE)).await.is_err());
    assert_eq!(world.count(), asked);
    world.pass(30);
    assert!(resolver.resolve(&address(ALICE)).await.is_ok());

    for failure in [Answer::Timeout, Answer::Status(503)] {
        let world = World::new();
        let resolver = resolver_in(&world);
        world.set(&webfinger(ALICE), failure);
        assert!(resolver.resolve(&address(ALICE)).await.is_err());
        world.set(&webfinger(ALICE), link(STS)).set(STS_OPENID, document(STS));
        assert!(resolver.resolve(&address(ALICE)).await.is_ok());
    }
}

/// PROFILE §6.3: answers are kept by address, metadata by issuer; a network that fails leaves them
/// in use.
#[tokio::test]
async fn answers_are_kept_by_address() {
    let world = World::new();
    let (a, b) = ("a@alice.example", "b@alice.example");
    world.set(&webfinger(a), link(STS)).set(&webfinger(b), link("https://other.example"));
    world.set(STS_OPENID, document(STS));
    let other = "https://other.example/.well-known/openid-configuration";
    world.set(other, document("https://other.example"));
    let resolver = resolver_in(&world);
    for _ in 0..3 {
        assert_eq!(resolver.resolve(&address(a)).await.unwrap().issuer.as_str(), STS);
        let found = resolver.resolve(&address(b)).await.unwrap();
        assert_eq!(found.issuer.as_str(), "https://other.example");
    }
    assert_eq!(world.count(), 4);

    world.pass(300);
    for url in [&webfinger(a), STS_OPENID] {
        world.set(url, Answer::Timeout);
    }
    for _ in 0..3 {
        assert!(resolver.resolve(&address(a)).await.is_ok());
    }
    assert_eq!(world.count(), 6);
    // A domain that says it no longer knows the person is believed at once.
    world.pass(10);
    world.set(&webfinger(a), Answer::Status(404)).set(STS_OPENID, document(STS));
    assert!(matches!(resolver.resolve(&address(a)).await, Err(DiscoveryError::NoIssuer)));
}

/// DISC-9: issuers with a path, each kind of document at its one place.
#[tokio::test]
async fn issuers_with_a_path_are_found_at_the_right_place_only() {
    let issuer = "https://as.example/tenant";
    let rows = [
        (DocumentKind::OpenId, "https://as.example/tenant/.well-known/openid-configuration"),
        (DocumentKind::Uma2, "https://as.example/tenant/.well-known/uma2-configuration"),
        (DocumentKind::OAuth, "https://as.example/.well-known/oauth-authorization-server/tenant"),
    ];
    for (kind, place) in rows {
        let world = World::new();
        world.set(place, document(issuer));
        let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
        let cache = ServerMetadataCache::new(fetch, clock, &MetadataConfig::default());
        let named = Issuer::parse(issuer).unwrap();
        assert_eq!(cache.get(kind, &named).await.unwrap().issuer, named);
        assert!(cache.get(kind, &named).await.is_ok());
        assert_eq!(world.asked(), [place]);
        for (other, _) in rows.into_iter().filter(|(other, _)| *other != kind) {
            assert!(cache.get(other, &named).await.is_err());
        }
    }
    let world = World::new();
    world.set(&webfinger(ALICE), link(issuer)).set(rows[0].1, document(issuer));
    assert_eq!(resolve(&world).await.unwrap().issuer.as_str(), issuer);
}

/// N7: issuers that are not there, at a host that somebody else names.
#[tokio::test]
async fn issuers_that_are_not_there_have_their_host_asked_so_often_and_no_more() {
    let world = World::new();
    let own = "https://as.example/own";
    let place = "https://as.example/own/.well-known/openid-configuration";
    world.set(place, document(own));
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    let cache = ServerMetadataCache::new(fetch, clock, &MetadataConfig::default());
    let get =
        async |issuer: &str| cache.get(DocumentKind::OpenId, &Issuer::parse(issuer).unwrap()).await;
    // One that fails for now, and others of which there are none.
    world.set("https://as.example/down/.well-known/openid-configuration", Answer::Status(503));
    let made_up = async || {
        for number in 0..1000 {
            let path = if number % 2 == 0 { "down".to_owned() } else { number.to_string() };
            assert!(get(&format!("https://as.example/{path}")).await.is_err());
        }
    };
    assert!(get(own).await.is_ok());
    made_up().await;
    assert_eq!(world.count(), 300, "the genuine one among them");
    let refused = get("https://as.example/other").await.unwrap_err();
    assert!(refused.is_temporary() && !refused.is_absence(), "{refused:?}");

    world.pass(300);
    made_up().await;
    assert!(get(own).await.is_ok());
    assert_eq!(world.count(), 300 + 300 + 1, "one that is known is none of them");
}

#[tokio::test]
async fn caches_are_bounded() {
    let world = World::new();
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (world.clone(), world.clone());
    let config = IssuerConfig { capacity: 8, ..IssuerConfig::default() };
    let resolver = IssuerResolver::new(fetch, clock, &config);
    for number in 0..100 {
        let _ = resolver.resolve(&address(&format!("a{number}@alice.example"))).await;
    }
    assert!(resolver.named.len() <= 16);
}

/// Whoever makes addresses up costs others neither what is known of theirs, nor their domain its
/// peace.
#[tokio::test]
async fn made_up_addresses_are_asked_about_so_often_and_push_nothing_out() {
    let world = World::new();
    world.set(&webfinger(ALICE), link(STS)).set(STS_OPENID, document(STS));
    let config = IssuerConfig {
        capacity: 5,
        new_per_domain: NonZeroU32::new(20).unwrap(),
        ..IssuerConfig::default()
    };
    let resolver = IssuerResolver::new(world.clone(), world.clone(), &config);
    let of = async |person: &str| resolver.resolve(&address(person)).await;
    assert!(of(ALICE).await.is_ok());
    let asked = |domain: &str| {
        let query = format!("https://{domain}/.well-known/webfinger");
        world.asked().iter().filter(|url| url.starts_with(&query)).count()
    };
    for number in 0..30 {
        let error = of(&format!("x{number}@victim.example")).await.unwrap_err();
        assert_eq!(matches!(error, DiscoveryError::TooMany { .. }), number >= 20, "{error:?}");
        assert_eq!(error.is_temporary(), number >= 20, "{error:?}");
        // An address that is found out not to be one counts like any other.
        assert!(of(&format!("x{number}@alice.example")).await.is_err());
    }
    assert_eq!((asked("victim.example"), asked("alice.example")), (20, 20));
    resolver.named.len();
    assert!(of(ALICE).await.is_ok(), "she is known");
    assert_eq!(asked("alice.example"), 20, "and was not pushed out");
    world.pass(301);
    let before = asked("alice.example");
    for number in 0..20 {
        assert!(of(&format!("y{number}@alice.example")).await.is_err());
    }
    assert!(of(ALICE).await.is_ok(), "whom an issuer is known for is asked about all the same");
    assert_eq!(asked("alice.example"), before + 21);
}

/// Of an issuer that is known, no domain is asked, and its metadata has to be its own all the same.
#[tokio::test]
async fn the_keys_of_a_known_issuer() {
    let world = World::new();
    world.set(STS_OPENID, document(STS));
    let resolver = resolver_in(&world);
    let sts = Issuer::parse(STS).unwrap();
    assert_eq!(resolver.keys_of(&sts).await.unwrap().as_str(), "https://sts.alice.example/jwks");
    assert_eq!(world.asked(), [STS_OPENID.to_owned()]);
    world.set(OWN_OPENID, document(STS));
    let error = resolver.keys_of(&Issuer::parse(OWN).unwrap()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Metadata { .. }), "{error}");
}
