//! What the pages show, and how they are protected.

use http::Method;
use serde_json::json;

use crate::bed::{Bed, CONSOLE};
use crate::support::{Answer, rules_of};

#[tokio::test]
async fn every_page_is_protected_and_says_its_language() {
    let bed = Bed::new();
    let (_, id) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let place = person.split('/').nth(3).unwrap();
    let resource = format!("/console/resources/{place}/{id}");
    let nobody = bed.browser();
    for (browser, path, status) in [
        (&bob, CONSOLE, 200),
        (&bob, &*person, 200),
        (&bob, "/console/people", 200),
        (&bob, "/console/resources", 200),
        (&bob, &*resource, 200),
        (&bob, "/console/history", 200),
        (&bob, "/console/people/x/y", 404),
        (&bob, "/console/callback", 403),
        (&nobody, CONSOLE, 200),
        (&nobody, "/console/signed-out", 200),
        (&nobody, &*person, 200),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-type", "text/html; charset=utf-8"),
            ("content-language", "en"),
            (
                "content-security-policy",
                "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                 frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        for inline in ["<script", "<style", " style=", " onclick", "javascript:"] {
            assert!(!answer.text.contains(inline), "{path}: {inline}");
        }
        let german = browser.in_german(path).await;
        assert_eq!(german.header("content-language"), "de", "{path}");
        assert!(german.text.contains("<html lang=\"de\">"), "{path}");
        assert_ne!(german.text, answer.text, "{path}");
    }
    let style = bob.get("/console/style.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.text.contains("--accent") && style.text.contains(".tick"));
}

#[track_caller]
fn is_page(answer: &Answer, status: u16, path: &str) {
    assert_eq!(answer.status, status, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}: {answer:?}");
    assert!(answer.text.contains("<html lang=\"en\">"), "{path}: {answer:?}");
}

/// RFC 9110 §15.5.6. What the pages load is asked for by browsers, too.
#[tokio::test]
async fn a_method_that_a_path_does_not_take_gets_a_page() {
    let bed = Bed::new();
    for (path, allow) in [
        (CONSOLE, "GET, HEAD"),
        ("/console/people", "GET, HEAD, POST"),
        ("/console/sign-in", "GET"),
        ("/console/sign-out", "POST"),
        ("/console/style.css", "GET, HEAD"),
        ("/authorize", "GET, POST"),
    ] {
        let answer = bed.browser().method(Method::DELETE, path).await;
        is_page(&answer, 405, path);
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}

/// A path that cannot be read names nothing, and who is not signed in is not told so.
#[tokio::test]
async fn a_path_that_is_no_text_gets_a_page() {
    let bed = Bed::new();
    let bob = bed.bob().await;
    for list in ["people", "access", "resources"] {
        for rest in ["%ff/x", "x/%ff", "%ff/%c3%28", "x/%ff?after=x"] {
            let path = format!("{CONSOLE}/{list}/{rest}");
            is_page(&bob.get(&path).await, 404, &path);
            is_page(&bob.post(&path, &[("x", "y")]).await, 404, &path);
            let answer = bed.browser().get(&path).await;
            is_page(&answer, 200, &path);
            assert!(answer.text.contains("id=\"sign-in\""), "{path}: {answer:?}");
        }
    }
}

/// H12, U24: what others say of themselves is shown as text, in the order in which it was written,
/// and nothing of theirs is fetched.
#[tokio::test]
async fn what_others_say_is_text() {
    let bed = Bed::new();
    let rule = json!({"resource": "*", "scopes": ["get", "<b>"], "domains": ["*"], "ask": true});
    bed.world.change_policy(rules_of(json!([rule])));
    let pat = bed.world.pat("rs").await;
    let body = json!({
        "resource_scopes": ["get", "<b>"], "name": "<script>alert(1)</script>\u{202e}",
        "description": "\"><img src=x>\u{2067}", "type": "<i>\u{202e}", "icon_uri": "https://evil.example/i.png",
    });
    let answer = bed.world.protect(http::Method::POST, "/resources", &pat, &body.to_string()).await;
    let id = answer.json()["_id"].as_str().unwrap().to_owned();
    let body = json!({"resource_id": id, "resource_scopes": ["get", "<b>"]}).to_string();
    let asked = bed.world.protect(http::Method::POST, "/permission", &pat, &body).await;
    let ticket = asked.json()["ticket"].as_str().unwrap().to_owned();
    let says = |ticket: &str| {
        let mut claims = bed.world.claims(ticket);
        claims["<u>\u{202e}"] = json!({"a": "</dd><script>\u{2067}"});
        claims["sub"] = json!("<em>\u{202e}");
        claims["amr"] = json!(["<i>\u{202e}"]);
        claims
    };
    let waits = bed.world.redeem(&ticket, &says(&ticket), &[]).await;
    let (ticket, _) = crate::support::submitted(&waits, &ticket);
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let place = person.split('/').nth(3).unwrap();
    let resource = format!("/console/resources/{place}/{id}");
    let check = async |path: &str| {
        let page = bob.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        for markup in ["<script", "<img", "<u>", "<em>", "<i>", "<b>", "evil.example"] {
            assert!(!page.text.contains(markup), "{path} has {markup}: {}", page.text);
        }
        assert!(!page.text.contains(['\u{202e}', '\u{2067}']), "{path}: {}", page.text);
    };
    let paths = [CONSOLE, &person, "/console/resources", &resource, "/console/history"];
    for path in paths {
        check(path).await;
    }
    let page = bob.get(&person).await.text;
    assert!(page.contains("&#60;b&#62;") && page.contains("&#60;em&#62;\u{fffd}"), "{page}");
    assert!(
        page.contains("<bdi>&#60;script&#62;alert(1)&#60;/script&#62;\u{fffd}</bdi>"),
        "{page}"
    );

    // The same of what they have then.
    bob.decide(&person, &page, "approve").await;
    bed.world.advance(5);
    let again = bed.world.present("app", &ticket, &[]).await;
    let ticket = crate::support::need_info(&again, &ticket);
    crate::support::rpt(&bed.world.redeem(&ticket, &says(&ticket), &[]).await);
    for path in paths {
        check(path).await;
    }
    let page = bob.get(&person).await.text;
    let holds = page.split("id=\"holds\"").nth(1).unwrap();
    assert!(holds.contains("<code class=\"scope\">&#60;b&#62;</code>"), "{holds}");
}

#[tokio::test]
async fn the_page_of_a_person_says_who_vouches_for_them_and_whether_they_were_there() {
    let bed = Bed::new();
    bed.alice_asks_saying(json!({"act": {"sub": "https://agent.example"}})).await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await.text;
    for said in [
        "<code>https://sts.alice.example</code> vouches for this address.",
        "<code>alice.example</code>, the domain of the address, names this provider (WebFinger).",
        "Its word was verified at ",
        "this person is <code>a1</code>",
        "An agent, through <code>app</code>",
        "The person was not there",
        "RS API",
        "This is about what bob has at <code>rs</code>.",
        "You were asked because of a rule of this server: <strong>rule 1</strong>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

/// What a rule says of itself is cut where it is too long, and reads in the order in which it was
/// written.
#[tokio::test]
async fn what_a_rule_says_of_itself_is_a_text_of_somebody_elses() {
    let bed = Bed::new();
    bed.world.describe_rules(format!("\u{202e}{}", "ä".repeat(600)).leak());
    bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    // With the name, 512 characters.
    let said = format!("<strong>rule 1: \u{fffd}{}…</strong>", "ä".repeat(503));
    for path in [&*person, "/console/history"] {
        let page = bob.get(path).await.text;
        assert!(page.contains(&said), "{path}: {page}");
    }
}

/// What a decision needs stands in the list of requests already.
#[tokio::test]
async fn the_list_of_requests_says_who_vouches_by_what_and_what_they_say() {
    let bed = Bed::new();
    let claims = ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), json!(["x", name])));
    bed.alice_asks_saying(serde_json::Map::from_iter(claims).into()).await;
    let page = bed.bob().await.get(CONSOLE).await.text;
    for said in [
        "<code>https://sts.alice.example</code> vouches for this address.",
        "<code>alice.example</code>, the domain of the address, names this provider (WebFinger).",
        "<dt><code>d</code></dt><dd><bdi>x, d</bdi></dd>",
        "It says more; you see all of it where you decide.",
        "In person, through <code>app</code>",
        "Without an answer it is over at ",
        "This is about what bob has at <code>rs</code>.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("<code>e</code>"), "{page}");
}

#[tokio::test]
async fn the_page_of_a_resource_says_who_reaches_it_and_by_whose_word() {
    let bed = Bed::new();
    let (_, id) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let place = person.split('/').nth(3).unwrap();
    let resource = format!("/console/resources/{place}/{id}");
    assert!(bob.get(&resource).await.text.contains("Nobody, by your word."));
    let page = bob.get(&person).await;
    bob.decide(&person, &page.text, "approve").await;
    let page = bob.get(&resource).await.text;
    assert!(page.contains("alice@alice.example"), "{page}");
    assert!(page.contains("allowed by b1 at 2023-11-14 22:13 UTC"), "{page}");
    let answer = bed.carol().await.get(&resource).await;
    assert_eq!(answer.status, 404, "{answer:?}");
}
