//! What an owner decides, and what is refused.

use countersign_types::scope::{MAX_SCOPE_LENGTH, MAX_SCOPES};
use countersign_uma::case::MAX_ENTRIES;
use http::Method;
use serde_json::json;

use crate::bed::{Bed, CONSOLE, fields, leads_to};
use crate::support::{refused, rpt, rules_of, submitted};

/// With what the program has unless it is told otherwise, which is that owners share, and without.
#[tokio::test]
async fn bob_lets_alice_in_and_takes_it_back() {
    let bed = Bed::new();
    lets_in_and_takes_back(&bed).await;
    let bed = Bed::new();
    bed.world.offer_shares();
    lets_in_and_takes_back(&bed).await;
}

async fn lets_in_and_takes_back(bed: &Bed) {
    let (ticket, _) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await;
    leads_to(&bob.decide(&person, &page.text, "approve").await, &person);
    let token = rpt(&bed.alice_comes_again(&ticket).await);
    assert!(bob.get(CONSOLE).await.text.contains("id=\"nothing-waits\""));

    let pat = bed.world.pat("rs").await;
    let active = bed.world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(active.json()["active"], true);
    let page = bob.get(&person).await;
    let form = fields(&page.text, "revoke");
    let mut form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    form.push(("verdict", "revoke"));
    leads_to(&bob.post(&person, &form).await, &person);
    let active = bed.world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(active.json(), json!({"active": false}));

    let page = bob.get("/console/history").await;
    let happened = ["Everything taken back by b1", "Allowed by b1", "Asked"];
    let places: Vec<_> = happened.iter().map(|text| page.text.find(text).unwrap()).collect();
    assert!(places.is_sorted(), "the latest first: {}", page.text);
    assert!(!bob.get(&person).await.text.contains("id=\"revoke\""), "nothing is left");
    assert_eq!(bob.post(&person, &form).await.status, 409);
}

#[tokio::test]
async fn bob_refuses_and_changes_his_mind() {
    let bed = Bed::new();
    let (ticket, _) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await;
    leads_to(&bob.decide(&person, &page.text, "deny").await, &person);
    refused(&bed.alice_comes_again(&ticket).await, 403, "request_denied");
    // What is decided is ticked by nobody but the owner.
    let page = bob.get(&person).await;
    let answer = bob.decide(&person, &page.text, "reopen").await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let ticked = page.text.split("name=\"scope\" value=\"").nth(1).unwrap();
    let ticked = ticked.split('"').next().unwrap();
    let answer = bob.decide_with(&person, &page.text, "reopen", &[("scope", ticked)]).await;
    leads_to(&answer, &person);
    bed.alice_asks().await;
    assert_eq!(bob.only_person().await, person, "he is asked again");
}

#[tokio::test]
async fn bob_wants_to_know_more_first() {
    let bed = Bed::new();
    let (ticket, id) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await;
    for bad in ["", "sub", "a\"b", "email department"] {
        let answer = bob.decide_with(&person, &page.text, "more", &[("claims", bad)]).await;
        assert_eq!(answer.status, 422, "{bad}: {answer:?}");
    }
    // What was typed and ticked is there still, with what is wrong beside it.
    let filled = [("claims", "sub <b>"), ("scope", "")];
    let again = bob.decide_with(&person, &page.text, "more", &filled).await.text;
    assert!(again.contains("value=\"sub &#60;b&#62;\""), "{again}");
    assert!(again.contains("id=\"claims-1-wrong\">Name what you want to know"), "{again}");
    assert!(!again.contains(" checked"), "{again}");
    let filled = [("claims", "department"), ("scope", "")];
    let again = bob.decide_with(&person, &page.text, "more", &filled).await.text;
    assert!(again.contains("id=\"scope-1-wrong\">Tick at least one thing."), "{again}");
    let named = [("claims", "department")];
    leads_to(&bob.decide_with(&person, &page.text, "more", &named).await, &person);
    assert!(bob.get(CONSOLE).await.text.contains("id=\"nothing-waits\""));
    bed.world.advance(5);
    let answer = bed.world.present("app", &ticket, &[]).await;
    let ticket = crate::support::need_info(&answer, &ticket);
    assert_eq!(answer.json()["required_claims"][0]["name"], "department");
    let mut claims = bed.world.claims(&ticket);
    claims["department"] = json!("research");
    let answer = bed.world.redeem(&ticket, &claims, &[]).await;
    crate::support::submitted(&answer, &ticket);
    let page = bob.get(&person).await;
    assert!(page.text.contains("<dd><bdi>research</bdi></dd>"), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{id} get\" checked")), "{}", page.text);
}

/// As much as one person may have is decided at once, however long the names are: no form of ours
/// is too long.
#[tokio::test]
async fn bob_allows_all_that_his_page_can_show() {
    let bed = Bed::new();
    let world = &bed.world;
    // As long as a scope can be, of a sign that takes three times its room in a form.
    let name = |number| format!("{number:%>MAX_SCOPE_LENGTH$}");
    let scopes: Vec<_> = (0..MAX_SCOPES).map(name).collect();
    let rule = json!({"resource": "*", "scopes": scopes, "domains": ["*"], "ask": true});
    world.change_policy(rules_of(json!([rule])));
    let pat = world.pat("rs").await;
    let (mut wanted, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..MAX_ENTRIES / MAX_SCOPES {
        let body = json!({"resource_scopes": scopes}).to_string();
        let answer = world.protect(Method::POST, "/resources", &pat, &body).await;
        wanted.push(json!({"resource_id": answer.json()["_id"], "resource_scopes": scopes}));
    }
    // One request for permissions has no room for so long names.
    for part in wanted.chunks(2) {
        let body = json!(part).to_string();
        let answer = world.protect(Method::POST, "/permission", &pat, &body).await;
        let ticket = answer.json()["ticket"].as_str().unwrap().to_owned();
        let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
        waiting.push(submitted(&answer, &ticket).0);
    }

    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await.text;
    assert_eq!(page.matches("name=\"scope\"").count(), MAX_ENTRIES);
    leads_to(&bob.decide(&person, &page, "approve").await, &person);
    for ticket in &waiting {
        rpt(&bed.alice_comes_again(ticket).await);
    }

    // Everything at a resource, shared at once.
    let (bed, path) = crate::sharing::sharing_of(&scopes).await;
    let bob = bed.bob().await;
    let ticked = scopes.iter().map(|scope| ("scope", scope.as_str()));
    let fill: Vec<_> = [("with", "alice@alice.example")].into_iter().chain(ticked).collect();
    leads_to(&crate::sharing::share(&bob, &path, &fill).await, &path);
    let all = crate::sharing::shared(&bed).await;
    assert_eq!(all[0].terms.scopes().iter().count(), MAX_SCOPES);
}

/// What was done is said on the next page, once, and by no link of somebody else's.
#[tokio::test]
async fn a_page_says_what_was_just_done() {
    let bed = Bed::new();
    let (_, id) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await.text;
    assert!(!page.contains("role=\"status\""), "{page}");
    let entry = format!("{id} get");
    let ticked = [("scope", entry.as_str())];
    for (verdict, more, said) in [
        ("more", &[("claims", "department")][..], "Your question is passed on"),
        ("deny", &ticked, "You refused that."),
        ("reopen", &ticked, "You are asked again next time."),
    ] {
        let page = bob.get(&person).await.text;
        leads_to(&bob.decide_with(&person, &page, verdict, more).await, &person);
        let next = bob.get(&person).await.text;
        let status = "<p id=\"done\" class=\"done\" role=\"status\">";
        assert!(next.contains(&format!("{status}{said}")), "{verdict}: {next}");
        assert!(!bob.get(&person).await.text.contains("id=\"done\""), "once");
    }
    bed.alice_asks().await;
    let page = bob.get(&person).await.text;
    leads_to(&bob.decide(&person, &page, "approve").await, &person);
    assert!(bob.get(CONSOLE).await.text.contains("You allowed that."));
    bob.cookies.lock().unwrap().insert("__Host-console-done".to_owned(), "<b>".to_owned());
    assert!(!bob.get(CONSOLE).await.text.contains("id=\"done\""));
}

/// A decision is on what its owner saw.
#[tokio::test]
async fn a_stale_decision_says_so_and_shows_how_things_stand() {
    let bed = Bed::new();
    bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let seen = bob.get(&person).await;
    let (_, other) = bed.alice_asks().await;
    let answer = bob.decide(&person, &seen.text, "approve").await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text.contains("id=\"notice\""), "{}", answer.text);
    assert!(answer.text.contains(&other), "the new question is there: {}", answer.text);
    assert!(!answer.text.contains("Allowed by"), "{}", answer.text);
    leads_to(&bob.decide(&person, &answer.text, "approve").await, &person);
    assert_eq!(bob.decide(&person, &answer.text, "deny").await.status, 409, "twice");
}

/// U6, U7, H7, O18: whoever is not this owner in this browser on this page changes nothing.
#[tokio::test]
async fn nobody_else_decides() {
    let bed = Bed::new();
    let (ticket, _) = bed.alice_asks().await;
    let (bob, carol) = (bed.bob().await, bed.carol().await);
    let person = bob.only_person().await;
    let page = bob.get(&person).await;

    // Carol sees nothing of it.
    for path in [CONSOLE, "/console/people", "/console/history", "/console/resources"] {
        let answer = carol.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("alice") && !answer.text.contains("RS API"), "{path}");
    }
    assert_eq!(carol.get(&person).await.status, 404);
    // By her own form for it there is none, and by Bob's she is nobody.
    assert_eq!(carol.decide(&person, &page.text, "approve").await.status, 403);

    // Nobody is signed in; another browser of Bob's; no cookie at all, as from another site.
    for browser in [&bed.browser(), &bed.bob().await] {
        assert_eq!(browser.decide(&person, &page.text, "approve").await.status, 403);
    }
    let only = |name: &str| {
        let browser = bed.browser();
        let cookie = bob.cookies.lock().unwrap()[name].clone();
        browser.cookies.lock().unwrap().insert(name.to_owned(), cookie);
        browser
    };
    for name in ["__Host-console", "__Host-login"] {
        assert_eq!(only(name).decide(&person, &page.text, "approve").await.status, 403, "{name}");
    }

    // Another form's token, a changed one, none.
    let sign_out = fields(&page.text, "sign-out")[0].1.clone();
    for token in [sign_out.as_str(), "x.y", ""] {
        let more = [("form_token", token)];
        let answer = bob.decide_with(&person, &page.text, "approve", &more).await;
        assert_eq!(answer.status, 403, "{token}: {answer:?}");
    }
    // The form of another person's page.
    let elsewhere = person.replace(&person[person.len() - 43..], &"A".repeat(43));
    assert_eq!(bob.decide(&elsewhere, &page.text, "approve").await.status, 403);
    assert_eq!(bob.get(&elsewhere).await.status, 404);

    // The token is Bob's session's: a later one does not take it.
    bob.sign_in("/console/sign-in", "b1", json!({})).await;
    assert_eq!(bob.decide(&person, &page.text, "approve").await.status, 403);

    // Methods: a GET that looks like the form changes nothing, and others there are none.
    let page = bob.get(&person).await;
    let form = fields(&page.text, "decide-1");
    let mut form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    form.push(("verdict", "approve"));
    let query = crate::support::encode(&form);
    assert_eq!(bob.get(&format!("{person}?{query}")).await.status, 200);
    assert_eq!(bob.post(&format!("{person}?{query}"), &form).await.status, 400, "in the query");
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = bob.method(method, &person).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD, POST"));
    }
    // Too late.
    bed.world.advance(1800);
    assert_eq!(bob.decide(&person, &page.text, "approve").await.status, 403);

    // And Alice waits still.
    let answer = bed.alice_comes_again(&ticket).await;
    refused(&answer, 403, "request_submitted");
}

#[tokio::test]
async fn a_form_that_says_nothing_or_something_else_changes_nothing() {
    let bed = Bed::new();
    let (ticket, id) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await;
    let put = format!("{id} put");
    for (more, verdict, status) in [
        (("scope", ""), "approve", 422),
        (("x", "y"), "", 422),
        (("x", "y"), "allow", 422),
        (("client", "app2"), "approve", 409),
        (("present", "false"), "approve", 409),
        (("scope", put.as_str()), "approve", 409),
        (("scope", "unknown get"), "approve", 409),
        (("scope", "get"), "approve", 400),
        (("client", ""), "approve", 400),
        (("present", "1"), "approve", 400),
    ] {
        let answer = bob.decide_with(&person, &page.text, verdict, &[more]).await;
        assert_eq!(answer.status, status, "{more:?} {verdict}: {answer:?}");
    }
    refused(&bed.alice_comes_again(&ticket).await, 403, "request_submitted");
    leads_to(&bob.decide(&person, &page.text, "approve").await, &person);
}

/// Who is let in by rules before Bob answered waits for him no more, and he reads by which.
#[tokio::test]
async fn who_is_let_in_by_a_rule_meanwhile_waits_no_more() {
    let bed = Bed::new();
    let world = &bed.world;
    world.describe_rules("what <i>Alice</i> reads");
    let asks =
        || rules_of(json!([{"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true}]));
    let permits =
        || rules_of(json!([{"resource": "*", "scopes": ["get"], "domains": ["alice.example"]}]));
    let bob = bed.bob().await;
    let nothing_waits = "id=\"nothing-waits\"";
    world.change_policy(asks());
    let (waiting, id) = bed.alice_asks().await;
    let person = bob.only_person().await;
    world.change_policy(permits());
    rpt(&bed.alice_comes_again(&waiting).await);
    assert!(bob.get(CONSOLE).await.text.contains(nothing_waits));
    for path in [&*person, "/console/history"] {
        let page = bob.get(path).await.text;
        assert!(page.contains("Let in before you answered"), "{path}: {page}");
        let rule = "a rule of this server: <strong>rule 1: what &#60;i&#62;Alice&#60;/i&#62; reads</strong>";
        assert!(page.contains(rule), "{path}: {page}");
    }
    let log = format!("{:?}", world.recorded().checks);
    assert!(log.contains("rule 1") && log.contains("what <i>Alice</i> reads"), "{log}");

    // So it is with a ticket that never waited.
    world.change_policy(asks());
    let pat = world.pat("rs").await;
    let ticket = world.ticket_for(&pat, &id).await;
    submitted(&world.redeem(&ticket, &world.claims(&ticket), &[]).await, &ticket);
    bob.only_person().await;
    world.change_policy(permits());
    let ticket = world.ticket_for(&pat, &id).await;
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    assert!(bob.get(CONSOLE).await.text.contains(nothing_waits));
    assert_eq!(bob.get(&person).await.text.matches("Let in before you answered").count(), 2);
}
