//! Who is in at the moment, whoever let them in, and how it ends.

use std::sync::Arc;

use countersign_cedar::{CedarUma, PolicyFiles, uma};
use countersign_store::{Engine, MemoryEngine};
use countersign_testkit::Watched;
use countersign_testkit::gone::let_go;
use countersign_uma::policy::rules::Rules;
use http::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, Browser, fields, leads_to};
use crate::sharing::{offer, share, shared};
use crate::support::{Answer, refused, rpt, rules_of};

const ACCESS: &str = "/console/access";

/// Whom a rule of Bob's lets in without asking him: those of Alice's domain, who may `get`.
fn rule() -> Rules {
    rules_of(json!([
        {"resource": "RS API", "scopes": ["get"], "domains": ["alice.example"]},
        {"resource": "*", "scopes": ["put"], "domains": ["*"], "ask": true},
    ]))
}

fn letting_in() -> Bed {
    let bed = Bed::new();
    bed.world.change_policy(rule());
    bed
}

/// A resource of this owner's server, and a PAT of it.
async fn resource(bed: &Bed, server: &str) -> (String, String) {
    let pat = bed.world.pat(server).await;
    (bed.world.register(&pat).await, pat)
}

/// What somebody gets for a resource who is called so at Alice's provider.
async fn gets(bed: &Bed, pat: &str, id: &str, sub: &str) -> Answer {
    let ticket = bed.world.ticket_for(pat, id).await;
    let mut claims = bed.world.claims(&ticket);
    claims["sub"] = json!(sub);
    claims["email"] = json!(format!("{sub}@alice.example"));
    bed.world.redeem(&ticket, &claims, &[]).await
}

async fn is_active(bed: &Bed, pat: &str, token: &str) -> bool {
    let answer = bed.world.form("/introspect", pat, &[("token", token)]).await.json();
    assert!(answer["active"] == true || answer == json!({"active": false}), "{answer}");
    answer["active"] == true
}

async fn refreshed(bed: &Bed, token: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "app"),
        ("client_secret", "app"),
    ];
    bed.world.form("/token", "", &form).await
}

fn refresh_token(answer: &Answer) -> String {
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

/// The forms of a page by which something ends.
fn ends(page: &str) -> Vec<String> {
    let forms = page.split("<form id=\"end-").skip(1);
    forms.map(|rest| format!("end-{}", rest.split('"').next().unwrap())).collect()
}

/// Ends the first thing on a page.
async fn end(browser: &Browser<'_>, path: &str) -> Answer {
    let page = browser.get(path).await.text;
    end_on(browser, path, &page).await
}

async fn end_on(browser: &Browser<'_>, path: &str, page: &str) -> Answer {
    let form = ends(page).first().unwrap_or_else(|| panic!("{page}")).clone();
    let token = fields(page, &form)[0].1.clone();
    let form = [("form_token", token.as_str()), ("end", form.strip_prefix("end-").unwrap())];
    browser.post(path, &form).await
}

/// The link to the only person on a page.
fn person_on(page: &str) -> String {
    let links: Vec<_> = page.split("class=\"person\" href=\"").skip(1).collect();
    let [link] = &*links else { panic!("{page}") };
    link.split('"').next().unwrap().to_owned()
}

async fn takes_everything_back(browser: &Browser<'_>, person: &str) -> Answer {
    let page = browser.get(person).await.text;
    let token = fields(&page, "revoke")[0].1.clone();
    browser.post(person, &[("form_token", token.as_str()), ("verdict", "revoke")]).await
}

#[tokio::test]
async fn bob_sees_whom_a_rule_let_in_and_ends_it() {
    let bed = letting_in();
    let (id, pat) = resource(&bed, "rs").await;
    let bob = bed.bob().await;
    let page = bob.get(ACCESS).await;
    assert!(page.text.contains("id=\"nobody-is-in\""), "{page:?}");
    let token = rpt(&gets(&bed, &pat, &id, "alice").await);
    let page = bob.get(ACCESS).await.text;
    for said in [
        "<bdi>alice@alice.example</bdi>",
        "<code>https://sts.alice.example</code> vouches for this address.",
        "In person, through <code>app</code>",
        "since 2023-11-14 22:13 UTC, until 2023-11-14 22:18 UTC",
        "<code class=\"scope\">get</code>",
        "<bdi>RS API</bdi>",
        "Because of a rule of this server: <strong>rule 1</strong>",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // On the page of the resource, on that of all who reach it, and on Alice's own.
    let link = bob.get("/console/resources").await.text;
    let link = link.split("class=\"resource\" href=\"").nth(1).unwrap();
    let link = link.split('"').next().unwrap().to_owned();
    let here = link.replace("/resources/", "/access/");
    let alice = person_on(&page);
    for path in [&link, &here, &alice] {
        let page = bob.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("rule 1") && ends(&page.text).len() == 1, "{}", page.text);
    }
    let other = bob.get(&here.replace(&id, "another")).await.text;
    assert!(other.contains("id=\"nobody-is-in\""), "{other}");

    for path in [ACCESS, &here, &link, &alice] {
        assert!(is_active(&bed, &pat, &token).await);
        let token = rpt(&gets(&bed, &pat, &id, "bert").await);
        let bert = bob.get(ACCESS).await.text;
        let bert = bert.split("href=\"").find(|rest| rest.contains("bert@")).unwrap();
        let bert = bert.split('"').next().unwrap().to_owned();
        leads_to(&end(&bob, &bert).await, &bert);
        assert!(!is_active(&bed, &pat, &token).await, "{path}: the only thing that Bert had");
        // Who ended it and when stands on his page, and in the history.
        for path in [&bert, "/console/history"] {
            let page = bob.get(path).await.text;
            assert!(
                page.contains("<strong>Ended by b1</strong>, in person, through <code>app</code>"),
                "{page}"
            );
        }
    }
    let page = bob.get(&here).await.text;
    leads_to(&end_on(&bob, &here, &page).await, &here);
    assert!(!is_active(&bed, &pat, &token).await);
    assert!(bob.get(&here).await.text.contains("That is over."));
    assert_eq!(end_on(&bob, &here, &page).await.status, 409, "once");
    // The rule lets her in again, and what is over by itself is in no list.
    let token = rpt(&gets(&bed, &pat, &id, "alice").await);
    assert!(is_active(&bed, &pat, &token).await);
    assert_eq!(ends(&bob.get(ACCESS).await.text).len(), 1);
    bed.world.advance(300);
    assert!(ends(&bob.get(ACCESS).await.text).is_empty());
}

/// What is shared and what Cedar says, each with its name; and who has been let in by the owner
/// themselves.
#[tokio::test]
async fn it_says_which_share_and_which_policy_lets_somebody_in() {
    let bed = Bed::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("research.cedar");
    let text = "@id(\"the research department\")\n\
                permit (principal in Address::\"dora@alice.example\", action, resource);\n";
    std::fs::write(&path, text).unwrap();
    let files = Arc::new(PolicyFiles::open_as(uma::SCHEMA, [path]).unwrap());
    let asking = rules_of(json!([
        {"resource": "*", "scopes": ["get"], "emails": ["alice@alice.example"], "ask": true},
    ]));
    bed.world.decide_by(Arc::new(CedarUma::new(files, asking).unwrap()));
    let bob = bed.bob().await;
    let page = offer(&bed).await;
    let with_all = [("who", "domain"), ("with", "alice.example"), ("scope", "put")];
    leads_to(&share(&bob, &page, &with_all).await, &page);
    let with_bert = [("with", "bert@alice.example")];
    leads_to(&share(&bob, &page, &with_bert).await, &page);
    let (id, pat) = (page.rsplit('/').next().unwrap(), bed.world.pat("rs").await);
    for sub in ["bert", "dora"] {
        rpt(&gets(&bed, &pat, id, sub).await);
    }
    let list = bob.get(ACCESS).await.text;
    let (bert, dora) = list.split_once("dora@alice.example").unwrap();
    assert!(
        bert.contains("Because you share it beforehand: <strong>bert@alice.example</strong>"),
        "{list}"
    );
    assert!(dora.contains("<strong>the research department</strong>"), "{list}");
    // Once the share is taken back, what it let in counts no more, and is in no list.
    let all = shared(&bed).await;
    let id = all.iter().find(|share| format!("{share:?}").contains("bert")).unwrap().id.clone();
    let page_now = bob.get(&page).await.text;
    let token = fields(&page_now, &format!("unshare-{id}"))[0].1.clone();
    let form = [("form_token", token.as_str()), ("unshare", id.as_str())];
    leads_to(&bob.post(&page, &form).await, &page);
    let list = bob.get(ACCESS).await.text;
    assert!(!list.contains("bert@") && list.contains("dora@"), "{list}");
}

#[tokio::test]
async fn it_says_that_bob_allowed_it_himself() {
    let bed = Bed::new();
    let (ticket, _) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    assert!(ends(&bob.get(ACCESS).await.text).is_empty());
    let page = bob.get(&person).await;
    leads_to(&bob.decide(&person, &page.text, "approve").await, &person);
    rpt(&bed.alice_comes_again(&ticket).await);
    let page = bob.get(ACCESS).await.text;
    assert!(page.contains("Because you allowed it when you were asked."), "{page}");
    assert_eq!(person_on(&page), person, "it is the page of her case");
}

/// GRANT-18: a refresh token ends with the RPTs that came of it.
#[tokio::test]
async fn what_can_be_renewed_ends_with_all_that_came_of_it() {
    let bed = Bed::renewing(Arc::new(MemoryEngine::new()));
    bed.world.change_policy(rule());
    let (id, pat) = resource(&bed, "rs").await;
    let answer = gets(&bed, &pat, &id, "alice").await;
    let (first, renewing) = (rpt(&answer), refresh_token(&answer));
    let bob = bed.bob().await;
    assert_eq!(ends(&bob.get(ACCESS).await.text).len(), 1, "one thing, whatever came of it");
    let second = rpt(&refreshed(&bed, &renewing).await);
    let page = bob.get(ACCESS).await.text;
    assert_eq!(ends(&page).len(), 1, "{page}");
    assert!(page.contains("Until then their client can renew it"), "{page}");
    // Without an RPT that is live, it is there still; and so is one that came after the first look.
    bed.world.advance(400);
    rpt(&gets(&bed, &pat, &id, "bert").await);
    bed.world.advance(400);
    let pat = bed.world.pat("rs").await;
    assert_eq!(ends(&bob.get(ACCESS).await.text).len(), 2);
    let third = rpt(&refreshed(&bed, &renewing).await);
    let alice = bob.get(ACCESS).await.text;
    let alice = alice.split("href=\"").find(|rest| rest.contains("alice@")).unwrap();
    let alice = alice.split('"').next().unwrap().to_owned();
    leads_to(&end(&bob, &alice).await, &alice);
    for token in [first, second, third] {
        assert!(!is_active(&bed, &pat, &token).await);
    }
    refused(&refreshed(&bed, &renewing).await, 400, "invalid_grant");
}

/// Where people are asked, PATs are renewed; RPTs are so only where there are refresh tokens for
/// them.
#[tokio::test]
async fn what_could_be_renewed_is_not_where_there_are_pats_of_people_alone() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let before = Bed::renewing(Arc::clone(&engine));
    before.world.change_policy(rule());
    let (id, pat) = resource(&before, "rs").await;
    let renewing = refresh_token(&gets(&before, &pat, &id, "alice").await);
    let without = Bed::on(engine);
    refused(&refreshed(&without, &renewing).await, 400, "unsupported_grant_type");
    rpt(&refreshed(&before, &renewing).await);
}

/// Who was never asked about has the same button as everybody: what they have ends, they stay out
/// where owners share, and nothing of before comes back when they are let in again.
#[tokio::test]
async fn everything_is_taken_back_of_somebody_nobody_asked_about() {
    for shares in [false, true] {
        let bed = Bed::renewing(Arc::new(MemoryEngine::new()));
        bed.world.change_policy(rule());
        if shares {
            bed.world.decide_by(sharing_policy());
            let bob = bed.bob().await;
            let page = offer(&bed).await;
            let with_all = [("who", "domain"), ("with", "alice.example"), ("what", "everything")];
            leads_to(&share(&bob, &page, &with_all).await, &page);
        }
        let (id, pat) = resource(&bed, "rs").await;
        let answers = [gets(&bed, &pat, &id, "alice").await, gets(&bed, &pat, &id, "alice").await];
        let bert = rpt(&gets(&bed, &pat, &id, "bert").await);
        let bob = bed.bob().await;
        let alice = bob.get(ACCESS).await.text;
        let alice = alice.split("href=\"").find(|rest| rest.contains("alice@")).unwrap();
        let alice = alice.split('"').next().unwrap().to_owned();
        leads_to(&takes_everything_back(&bob, &alice).await, &alice);
        assert!(!bob.get(ACCESS).await.text.contains("alice@"));
        for path in [&alice, "/console/history"] {
            let page = bob.get(path).await.text;
            assert!(page.contains("Everything taken back by b1"), "{page}");
        }
        for answer in &answers {
            assert!(!is_active(&bed, &pat, &rpt(answer)).await);
            refused(&refreshed(&bed, &refresh_token(answer)).await, 400, "invalid_grant");
        }
        assert!(is_active(&bed, &pat, &bert).await, "others stay");
        // The clock stands still, here as everywhere: what comes after it counts within the same
        // second.
        let again = gets(&bed, &pat, &id, "alice").await;
        if !shares {
            assert!(is_active(&bed, &pat, &rpt(&again)).await, "the rule lets her in again");
            continue;
        }
        refused(&again, 403, "request_denied");
        let all = shared(&bed).await;
        let kept_out = all.iter().find(|share| share.terms.is_of_every_scope()).unwrap();
        bed.world.uma.unshare(&bob_at_rs(), &kept_out.id, "b1").await.unwrap().unwrap();
        for answer in &answers {
            assert!(!is_active(&bed, &pat, &rpt(answer)).await, "nothing comes back");
            refused(&refreshed(&bed, &refresh_token(answer)).await, 400, "invalid_grant");
        }
        let again = gets(&bed, &pat, &id, "alice").await;
        assert!(is_active(&bed, &pat, &rpt(&again)).await);
    }
}

fn sharing_policy() -> Arc<CedarUma> {
    let files = Arc::new(PolicyFiles::open_as(uma::SCHEMA, []).unwrap());
    Arc::new(CedarUma::new(files, Rules::new()).unwrap())
}

fn bob_at_rs() -> countersign_uma::Protection {
    serde_json::from_value(json!({"owner": "bob", "resource_server": "rs"})).unwrap()
}

/// Fifty requests meet a revocation, all within one second: none that was issued before it lives
/// after it, and what is shown and what counts of the others is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_ends_what_is_issued_at_the_same_time() {
    let bed = Arc::new(Bed::renewing(Arc::new(MemoryEngine::new())));
    bed.world.change_policy(rule());
    let (id, pat) = resource(&bed, "rs").await;
    let before = [gets(&bed, &pat, &id, "alice").await, gets(&bed, &pat, &id, "alice").await];
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (bed, id, pat) = (Arc::clone(&bed), id.clone(), pat.clone());
            tokio::spawn(async move { gets(&bed, &pat, &id, "alice").await })
        })
        .collect();
    let bob = bed.bob().await;
    let alice = person_of(&bob.get(ACCESS).await.text, "alice@");
    assert_eq!(takes_everything_back(&bob, &alice).await.status, 303);
    let mut meanwhile = Vec::new();
    for task in tasks {
        meanwhile.push(task.await.unwrap());
    }
    for answer in &before {
        assert!(!is_active(&bed, &pat, &rpt(answer)).await);
        refused(&refreshed(&bed, &refresh_token(answer)).await, 400, "invalid_grant");
    }
    let mut live = 0;
    for answer in &meanwhile {
        let is_live = is_active(&bed, &pat, &rpt(answer)).await;
        let is_renewed = refreshed(&bed, &refresh_token(answer)).await.status == 200;
        assert_eq!(is_live, is_renewed);
        live += usize::from(is_live);
    }
    let shown = ends(&bob.get(&alice).await.text).len();
    assert_eq!(shown, live.min(50));
    // Once more, when nothing is being issued: nothing is left of any of them, and what comes then
    // is.
    gets(&bed, &pat, &id, "alice").await;
    assert_eq!(takes_everything_back(&bob, &alice).await.status, 303);
    for answer in &meanwhile {
        assert!(!is_active(&bed, &pat, &rpt(answer)).await);
        refused(&refreshed(&bed, &refresh_token(answer)).await, 400, "invalid_grant");
    }
    assert!(ends(&bob.get(ACCESS).await.text).is_empty());
    let after = gets(&bed, &pat, &id, "alice").await;
    assert!(is_active(&bed, &pat, &rpt(&after)).await);
    assert_eq!(refreshed(&bed, &refresh_token(&after)).await.status, 200);
}

/// What an owner ends who closes the browser meanwhile has ended, all of it, and is in the history,
/// or neither.
#[tokio::test]
async fn what_ends_is_in_the_history_though_the_owner_goes_away() {
    for everything in [true, false] {
        let engine = Arc::new(Watched::default());
        let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
        bed.world.change_policy(rule());
        let (id, pat) = resource(&bed, "rs").await;
        let bob = bed.bob().await;
        for turns in 0.. {
            let name = format!("p{turns}@");
            let token = rpt(&gets(&bed, &pat, &id, &format!("p{turns}")).await);
            let list = bob.get(ACCESS).await.text;
            let person = list.split("href=\"").find(|rest| rest.contains(&name)).unwrap();
            let person = person.split('"').next().unwrap();
            let request = async {
                if everything {
                    takes_everything_back(&bob, person).await
                } else {
                    end(&bob, person).await
                }
            };
            let is_answered = engine.slowly(let_go(request, turns)).await;
            let is_in = is_active(&bed, &pat, &token).await;
            let is_noted = bob.get("/console/history").await.text.contains(&name);
            assert_ne!(is_in, is_noted, "after {turns} turns");
            if is_answered {
                assert!(!is_in && turns > 5, "{turns}");
                break;
            }
        }
    }
}

/// U6, U7: what somebody has of another owner's is not shown, and does not end, whatever it is
/// called.
#[tokio::test]
async fn nobody_sees_or_ends_what_is_held_of_another_owner() {
    let bed = letting_in();
    let (id, pat) = resource(&bed, "rs").await;
    let token = rpt(&gets(&bed, &pat, &id, "alice").await);
    let (bob, carol) = (bed.bob().await, bed.carol().await);
    let page = bob.get(ACCESS).await.text;
    let (alice, held) = (person_on(&page), ends(&page).remove(0));
    // Of the same resource server, another owner; of the same owner, another resource server.
    let place = alice.split('/').nth(3).unwrap();
    for path in [ACCESS, &alice, &format!("{ACCESS}/{place}/{id}")] {
        let answer = carol.get(path).await;
        assert_eq!(answer.status, if path == ACCESS { 200 } else { 404 }, "{path}");
        assert!(!answer.text.contains("alice"), "{path}");
    }
    // Her own form, with what is called so at Bob's.
    let (hers, carols_pat) = resource(&bed, "rs2").await;
    let mut rules = serde_json::Map::new();
    rules.insert("resource".to_owned(), json!("*"));
    let carols: countersign_uma::Protection =
        serde_json::from_value(json!({"owner": "carol", "resource_server": "rs2"})).unwrap();
    let rule_of_hers: Value =
        json!([{"resource": "*", "scopes": ["get"], "domains": ["alice.example"]}]);
    let of_hers: Vec<countersign_uma::policy::rules::Rule> =
        serde_json::from_value(rule_of_hers).unwrap();
    bed.world.change_policy(rule().with(carols.clone(), of_hers));
    let ticket = bed.world.ticket_for(&carols_pat, &hers).await;
    let mut claims = bed.world.claims(&ticket);
    claims["resource"] = json!("https://rs.carol.example");
    let more = [("resource", "https://rs.carol.example")];
    let carols_token = rpt(&bed.world.redeem(&ticket, &claims, &more).await);
    let page = carol.get(ACCESS).await.text;
    let own = ends(&page).remove(0);
    assert_ne!(own, held);
    let form_token = fields(&page, &own)[0].1.clone();
    let form = [("form_token", form_token.as_str()), ("end", held.strip_prefix("end-").unwrap())];
    assert_eq!(carol.post(ACCESS, &form).await.status, 409);
    assert!(is_active(&bed, &pat, &token).await);
    // Alice is one person, and what she has of Carol's is Carol's to end.
    let hers = person_on(&page);
    leads_to(&takes_everything_back(&carol, &hers).await, &hers);
    assert!(!is_active(&bed, &carols_pat, &carols_token).await);
    assert!(is_active(&bed, &pat, &token).await);
    // By Bob's form Carol is nobody, and a form of another page is none of this one.
    let page = bob.get(ACCESS).await.text;
    assert_eq!(end_on(&carol, ACCESS, &page).await.status, 403);
    assert_eq!(end_on(&bob, &alice, &page).await.status, 403);
    assert_eq!(bob.method(Method::DELETE, ACCESS).await.status, 405);
    assert!(is_active(&bed, &pat, &token).await);
}

/// The records are all there is: a restart shows the same, and a revocation stays.
#[tokio::test]
async fn a_restart_shows_the_same() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bed = Bed::renewing(Arc::clone(&engine));
    bed.world.change_policy(rule());
    let (id, pat) = resource(&bed, "rs").await;
    let (alice, bert) = (gets(&bed, &pat, &id, "alice").await, gets(&bed, &pat, &id, "bert").await);
    let public = bed.world.ticket_for(&pat, &id).await;
    let mut claims = bed.world.claims(&public);
    claims["sub"] = json!("alice");
    let token = bed.world.sign(&claims);
    let form = [("claim_token", &*token), ("claim_token_format", crate::support::JWT)];
    rpt(&bed.world.present("public", &public, &form).await);
    let bob = bed.bob().await;
    let before = bob.get(ACCESS).await.text;
    assert_eq!(ends(&before).len(), 2, "Alice once, by what she got last: {before}");
    let alices = person_of(&before, "alice@");
    leads_to(&takes_everything_back(&bob, &alices).await, &alices);
    let after = gets(&bed, &pat, &id, "alice").await;

    let bed = Bed::renewing(engine);
    bed.world.change_policy(rule());
    let bob = bed.bob().await;
    let page = bob.get(ACCESS).await.text;
    assert!(page.contains("bert@") && page.contains("alice@"), "{page}");
    assert_eq!(ends(&bob.get(&person_of(&page, "alice@")).await.text).len(), 1, "of after that");
    assert!(is_active(&bed, &pat, &rpt(&after)).await);
    assert!(!is_active(&bed, &pat, &rpt(&alice)).await);
    refused(&refreshed(&bed, &refresh_token(&alice)).await, 400, "invalid_grant");
    assert!(is_active(&bed, &pat, &rpt(&bert)).await);
    rpt(&refreshed(&bed, &refresh_token(&bert)).await);
}

fn person_of(page: &str, address: &str) -> String {
    let link = page.split("href=\"").find(|rest| rest.contains(address));
    link.unwrap_or_else(|| panic!("{page}")).split('"').next().unwrap().to_owned()
}

/// What counts no more, however much of it, hides nothing that counts; whoever holds it has a page
/// as long as it may count again.
#[tokio::test]
async fn nobody_hides_behind_what_counts_no_more() {
    let may = |scopes: &[&str]| {
        let rule = |scope: &&str| json!({"resource": "RS API", "scopes": [scope], "domains": ["alice.example"]});
        rules_of(scopes.iter().map(rule).collect())
    };
    let bed = Bed::new();
    bed.world.change_policy(may(&["get"]));
    let (id, pat) = resource(&bed, "rs").await;
    let token = rpt(&gets(&bed, &pat, &id, "alice").await);
    bed.world.advance(1);
    bed.world.change_policy(may(&["put"]));
    for _ in 0..70 {
        let body = json!({"resource_id": id, "resource_scopes": ["put"]}).to_string();
        let answer = bed.world.protect(Method::POST, "/permission", &pat, &body).await.json();
        let ticket = answer["ticket"].as_str().unwrap();
        let mut claims = bed.world.claims(ticket);
        claims["sub"] = json!("alice");
        rpt(&bed.world.redeem(ticket, &claims, &[]).await);
    }
    let bob = bed.bob().await;
    let alice = person_on(&bob.get(ACCESS).await.text);
    bed.world.change_policy(may(&["get"]));
    assert!(is_active(&bed, &pat, &token).await);
    assert_eq!(person_on(&bob.get(ACCESS).await.text), alice, "what she got first counts");
    bed.world.change_policy(may(&[]));
    assert!(bob.get(ACCESS).await.text.contains("id=\"nobody-is-in\""));
    assert_eq!(bob.get(&alice).await.status, 200);
    leads_to(&takes_everything_back(&bob, &alice).await, &alice);
    bed.world.change_policy(may(&["get", "put"]));
    assert!(!is_active(&bed, &pat, &token).await, "nothing comes back");
    assert!(bob.get(&alice).await.text.contains("Everything taken back by b1"));
}

/// A list is shown page by page, and nobody hides in it.
#[tokio::test]
async fn many_are_shown_page_by_page_and_one_is_found() {
    let bed = letting_in();
    let (id, pat) = resource(&bed, "rs").await;
    for number in 0..120 {
        rpt(&gets(&bed, &pat, &id, &format!("n{number:03}")).await);
    }
    // One who comes often is one.
    for _ in 0..60 {
        rpt(&gets(&bed, &pat, &id, "often").await);
    }
    let bob = bed.bob().await;
    let (mut path, mut seen) = (ACCESS.to_owned(), Vec::new());
    loop {
        let page = bob.get(&path).await.text;
        let people = page
            .split("class=\"person\"")
            .skip(1)
            .map(|rest| rest.split("<bdi>").nth(1).unwrap().split('@').next().unwrap().to_owned());
        seen.extend(people);
        let Some(next) = page.split("id=\"next\" rel=\"next\" href=\"").nth(1) else { break };
        path = format!("{ACCESS}{}", next.split('"').next().unwrap().replace("&#38;", "&"));
    }
    let mut all: Vec<_> = (0..120).map(|number| format!("n{number:03}")).collect();
    all.push("often".to_owned());
    assert_eq!(seen, all);
    let page = bob.get(&format!("{ACCESS}?find=often")).await.text;
    let often = person_of(&page, "often@");
    assert_eq!(ends(&page).len(), 1);
    assert_eq!(ends(&bob.get(&often).await.text).len(), 50, "all that they hold, by page");
    // Of a resource, some are on its page, and all behind a link.
    let link = person_of(&bob.get("/console/resources").await.text, "RS API");
    let page = bob.get(&link).await.text;
    assert_eq!(ends(&page).len(), 5, "{page}");
    assert!(page.contains(&format!("id=\"all-who-are-in\" href=\"{ACCESS}/")), "{page}");
}
