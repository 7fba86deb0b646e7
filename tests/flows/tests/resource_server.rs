//! The resource server: RS-1 to RS-6.

use countersign_testkit::{Deployment, Party, names};
use http::Method;
use serde_json::json;

use crate::bed::{Bed, Reply, bearer, check_not_stored};

const WARNING: &str = "199 - \"UMA Authorization Server Unreachable\"";

/// Tickets for one source within a minute, as the example configuration has it.
const SHARE: u32 = 300;

/// What the resource server answers, and what is true of every such answer.
#[track_caller]
fn check(name: &str, reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{name}: {reply:?}");
    check_not_stored(name, reply);
    assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401, "{name}: {reply:?}");
    if status == 401 {
        assert_eq!(reply.challenge("as_uri"), names::UMA, "{name}");
        assert_eq!(reply.challenge("ticket").len(), 43, "{name}");
        assert!(!reply.challenge("realm").is_empty(), "{name}");
    }
}

async fn call(bed: &Bed, url: &str, rpt: Option<&str>) -> Reply {
    match rpt.map(bearer) {
        Some((name, value)) => bed.get(url, &[(name, &value)]).await,
        None => bed.get(url, &[]).await,
    }
}

#[tokio::test]
async fn rs_1_no_token() {
    let bed = Bed::start().await;
    let reply = call(&bed, names::RS_API, None).await;
    check("RS-1", &reply, 401);
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn rs_2_tokens_that_do_not_suffice() {
    let bed = Bed::start().await;
    let rpt = bed.rpt().await;
    let pat = bed.pat(names::RS_CLIENT, names::RS_SECRET).await;
    let mut tickets = Vec::new();
    for (name, url, token) in [
        ("RS-2 garbage", names::RS_API, "garbage"),
        ("RS-2 a PAT", names::RS_API, pat.as_str()),
        ("RS-2 insufficient: another resource", names::DEPARTMENT_API, rpt.as_str()),
    ] {
        let reply = call(&bed, url, Some(token)).await;
        check(name, &reply, 401);
        tickets.push(reply.challenge("ticket"));
    }
    bed.advance(361);
    let reply = call(&bed, names::RS_API, Some(&rpt)).await;
    check("RS-2 expired", &reply, 401);
    tickets.push(reply.challenge("ticket"));
    let count = tickets.len();
    tickets.sort();
    tickets.dedup();
    assert_eq!(tickets.len(), count, "RS-2 every refusal has a ticket of its own");
}

#[tokio::test]
async fn rs_3_the_authorization_server_is_gone() {
    let mut bed = Bed::start().await;
    let rpt = bed.rpt().await;
    bed.deployment.stop(Party::UmaServer).await;
    for (name, token) in [("RS-3 no token", None), ("RS-3 a good token", Some(rpt.as_str()))] {
        let reply = call(&bed, names::RS_API, token).await;
        check(name, &reply, 403);
        assert_eq!(reply.header("warning"), WARNING, "{name}");
    }
    bed.deployment.restart(Party::UmaServer, |_| {}).await;
    check("RS-3 and is back", &call(&bed, names::RS_API, None).await, 401);
    check("RS-3 and so is the token", &call(&bed, names::RS_API, Some(&rpt)).await, 200);
}

#[tokio::test]
async fn rs_3_the_pat_is_dead() {
    let mut bed = Bed::start().await;
    check("before", &call(&bed, names::RS_API, None).await, 401);
    // The authorization server knows the resource server no more: its PAT is not renewed.
    bed.deployment
        .restart(Party::UmaServer, |config| {
            config["resource_servers"][0]["secret"]["file"] = "changed.secret".into();
        })
        .await;
    bed.advance(661);
    let reply = call(&bed, names::RS_API, None).await;
    check("RS-3 PAT dead", &reply, 403);
    assert_eq!(reply.header("warning"), WARNING);
}

#[tokio::test]
async fn rs_4_a_token_of_another_resource_server_or_owner() {
    let second = "https://second.bob.example";
    let deployment = Deployment::builder().with(Party::UmaServer, move |config| {
        let servers = config["resource_servers"].as_array_mut().unwrap();
        let mut of_bob = servers[0].clone();
        of_bob["id"] = "rs-bob-second".into();
        of_bob["resource_identifiers"] = vec![second].into();
        servers.push(of_bob);
    });
    let bed = Bed::of(deployment.start().await);
    for (name, client, secret, identifier) in [
        ("RS-4 another owner's", names::OTHER_RS_CLIENT, names::OTHER_RS_SECRET, names::OTHER_RS),
        ("RS-4 the same owner's other", "rs-bob-second", names::RS_SECRET, second),
    ] {
        let pat = bed.pat(client, secret).await;
        let description = json!({"name": names::RS_API_NAME, "resource_scopes": ["get"]});
        let endpoint = bed.uma("resource_registration_endpoint").await;
        let id = bed.json(Method::POST, &endpoint, &pat, &description).await.member("_id");
        let permission = json!({"resource_id": id, "resource_scopes": ["get"]});
        let endpoint = bed.uma("permission_endpoint").await;
        let ticket = bed.json(Method::POST, &endpoint, &pat, &permission).await.member("ticket");
        let mut attempt = bed.attempt_with(&ticket);
        attempt.form.set("resource", identifier);
        attempt.claim("resource", identifier);
        let reply = bed.redeem(&attempt).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let rpt = reply.member("access_token");
        check(name, &call(&bed, names::RS_API, Some(&rpt)).await, 401);
    }
}

#[tokio::test]
async fn rs_5_a_rule_of_its_own() {
    let bed = Bed::start().await;
    let ticket = call(&bed, names::LOCAL_RULE_API, None).await.challenge("ticket");
    let rpt = bed.redeem(&bed.attempt_with(&ticket)).await.member("access_token");
    let reply = call(&bed, names::LOCAL_RULE_API, Some(&rpt)).await;
    check("RS-5", &reply, 403);
    assert!(!reply.headers.contains_key("warning"), "RS-5 is no RS-3");
}

#[tokio::test]
async fn rs_6_get() {
    let bed = Bed::start().await;
    let rpt = bed.rpt().await;
    let reply = call(&bed, names::RS_API, Some(&rpt)).await;
    check("RS-6", &reply, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json()["message"], "Hello from the RS API");
    let (name, value) = bearer(&rpt);
    let head = bed.request(Method::HEAD, names::RS_API, &[(name, &value)], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn rs_credentials_come_in_the_header_alone() {
    let bed = Bed::start().await;
    let rpt = bed.rpt().await;
    let in_query = format!("{}?access_token={rpt}", names::RS_API);
    assert_eq!(bed.get(&in_query, &[]).await.status, 400);
    let (name, value) = bearer(&rpt);
    let twice = bed.get(names::RS_API, &[(name, &value), (name, &value)]).await;
    assert_eq!((twice.status, twice.error().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn rs_h11_a_path_has_one_spelling() {
    let bed = Bed::start().await;
    let rpt = bed.rpt().await;
    for (path, status) in [
        ("//rs-api", 400),
        ("/x%2f..%2frs-api", 400),
        ("/%72s-api", 400),
        ("/x/..;/rs-api", 400),
        ("/rs-api/", 404),
        ("/RS-API", 404),
        ("/", 404),
    ] {
        let url = format!("{}{path}", names::RS);
        assert_eq!(call(&bed, &url, Some(&rpt)).await.status, status, "{path}");
        assert_eq!(call(&bed, &url, None).await.status, status, "{path} without a token");
    }
}

/// H10: where a request says that it was sent changes nothing.
#[tokio::test]
async fn rs_h10_what_a_request_says_about_its_host_changes_nothing() {
    let bed = Bed::start().await;
    let poison = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-original-url", "/local-rule"),
        ("x-http-method-override", "DELETE"),
        ("forwarded", "host=evil.example;proto=http"),
    ];
    let reply = bed.get(names::RS_API, &poison).await;
    check("H10 the challenge", &reply, 401);
    assert_eq!(reply.challenge("realm"), "Bob's records");
    for url in [
        format!("{}/.well-known/oauth-protected-resource", names::RS),
        format!("{}/.well-known/uma2-configuration", names::UMA),
        format!("{}/.well-known/openid-configuration", names::STS),
    ] {
        let (plain, poisoned) = (bed.get(&url, &[]).await, bed.get(&url, &poison).await);
        assert_eq!((poisoned.status, &poisoned.body), (200, &plain.body), "H10 {url}");
    }
}

#[tokio::test]
async fn rs_publishes_what_it_is() {
    let bed = Bed::start().await;
    let url = format!("{}/.well-known/oauth-protected-resource", names::RS);
    let metadata = bed.get(&url, &[]).await;
    assert_eq!((metadata.status, metadata.header("content-type")), (200, "application/json"));
    let metadata = metadata.json();
    assert_eq!(metadata["resource"], names::RS);
    assert_eq!(metadata["authorization_servers"], json!([names::UMA]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
}

#[tokio::test]
async fn rs_keeps_its_identifiers_over_a_restart() {
    let mut bed = Bed::start().await;
    let rpt = bed.rpt().await;
    bed.deployment.restart(Party::ResourceServer, |_| {}).await;
    check("the same resource", &call(&bed, names::RS_API, Some(&rpt)).await, 200);
}

/// Whatever it is doing, the next one has the store to itself once it has stopped.
#[tokio::test]
async fn rs_stops_in_the_midst_of_registering() {
    let mut bed = Bed::start().await;
    let rpt = bed.rpt().await;
    for steps in 0..40 {
        bed.deployment.restart(Party::ResourceServer, |_| {}).await;
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
    }
    check("the same resource", &call(&bed, names::RS_API, Some(&rpt)).await, 200);
}

/// Whoever sends requests without a token cannot use up the tickets of everyone.
#[tokio::test]
async fn rs_a_source_has_its_share_of_tickets() {
    let bed = Bed::start().await;
    let rpt = bed.rpt().await;
    let refused = 'refused: {
        for n in 0..=SHARE {
            // What a request says about where it is from does not make it another source.
            let from = format!("198.51.100.{}", n % 256);
            let reply = bed.get(names::RS_API, &[("x-forwarded-for", &from)]).await;
            if reply.status != 401 {
                break 'refused reply;
            }
        }
        panic!("more tickets than the limit");
    };
    check("too many", &refused, 429);
    assert_eq!(refused.error(), "temporarily_unavailable");
    assert_eq!(refused.header("cache-control"), "no-store");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|s| (1..=60).contains(&s)));
    assert_eq!(refused.header("www-authenticate"), "");
    check("a token still opens", &call(&bed, names::RS_API, Some(&rpt)).await, 200);
}
