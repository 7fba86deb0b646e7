//! What an owner shares beforehand, and takes back.

use countersign_types::{ClientId, EmailAddress};
use countersign_uma::Protection;
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::{Effect, What, Who};
use countersign_uma::protection::OwnerId;
use serde_json::{Value, json};

use crate::bed::{Bed, Browser, fields, leads_to};
use crate::support::Answer;

pub(crate) async fn shared(bed: &Bed) -> Vec<Share> {
    let resource_server = ClientId::parse("rs").unwrap();
    let bob = Protection::new(OwnerId::parse("bob").unwrap(), resource_server);
    bed.world.uma.shares(&bob).await.unwrap()
}

/// A server at which owners share, and the page of a resource of Bob's.
async fn sharing() -> (Bed, String) {
    let bed = Bed::new();
    let path = offer(&bed).await;
    (bed, path)
}

/// The same, where these can be done.
pub(crate) async fn sharing_of(scopes: &[String]) -> (Bed, String) {
    let bed = Bed::new();
    let path = offer_of(&bed, json!(scopes)).await;
    (bed, path)
}

/// Lets owners share, and gives the page of a resource of Bob's.
pub(crate) async fn offer(bed: &Bed) -> String {
    offer_of(bed, json!(["get", "put"])).await
}

async fn offer_of(bed: &Bed, scopes: Value) -> String {
    bed.world.offer_shares();
    let pat = bed.world.pat("rs").await;
    let body = json!({"resource_scopes": scopes, "name": "RS API"}).to_string();
    let answer = bed.world.protect(http::Method::POST, "/resources", &pat, &body).await;
    let page = answer.json()["user_access_policy_uri"].as_str().unwrap().to_owned();
    page.strip_prefix("https://uma.bob.example").unwrap().to_owned()
}

/// Fills the form of a resource's page.
pub(crate) async fn share(browser: &Browser<'_>, path: &str, fill: &[(&str, &str)]) -> Answer {
    let page = browser.get(path).await;
    let token = fields(&page.text, "share")[0].1.clone();
    let mut form = vec![("form_token", token.as_str())];
    for default in [("who", "person"), ("effect", "permit"), ("what", "resource"), ("scope", "get")]
    {
        if !fill.iter().any(|(name, _)| *name == default.0) {
            form.push(default);
        }
    }
    form.extend(fill.iter().filter(|(_, value)| !value.is_empty()));
    browser.post(path, &form).await
}

/// UMA Federated Authorization §3.2: where the resource server may send its owner.
#[tokio::test]
async fn the_answer_to_a_registration_names_the_page_of_the_resource() {
    let (bed, path) = sharing().await;
    let pat = bed.world.pat("rs").await;
    let id = path.rsplit('/').next().unwrap();
    let own = format!("/resources/{id}");
    let body = r#"{"resource_scopes":["get"],"name":"RS API"}"#;
    for (method, body) in [(http::Method::GET, ""), (http::Method::PUT, body)] {
        let answer = bed.world.protect(method, &own, &pat, body).await;
        let page = format!("https://uma.bob.example{path}");
        assert_eq!(answer.json()["user_access_policy_uri"], json!(page), "{answer:?}");
        assert_eq!(answer.json()["_id"], json!(id));
    }
    // Whoever is not signed in does so, and is there.
    let bob = bed.browser();
    let page = bob.get(&path).await.text;
    let link = page.split("id=\"sign-in\" class=\"button\" href=\"").nth(1).unwrap();
    let link = link.split('"').next().unwrap();
    leads_to(&bob.sign_in(link, "b1", json!({})).await, &path);
    assert!(bob.get(&path).await.text.contains("<h1><bdi>RS API</bdi></h1>"));
    // Without a console there is no such page.
    let world = crate::support::World::new();
    let pat = world.pat("rs").await;
    let body = r#"{"resource_scopes":["get"]}"#;
    let answer = world.protect(http::Method::POST, "/resources", &pat, body).await;
    assert_eq!(answer.json().get("user_access_policy_uri"), None::<&Value>);
}

#[tokio::test]
async fn bob_shares_and_takes_it_back() {
    let (bed, path) = sharing().await;
    let bob = bed.bob().await;
    assert!(bob.get(&path).await.text.contains("Nothing is shared beforehand."));
    let fill = [
        ("with", "alice@alice.example"),
        ("effect", "ask"),
        ("present", "true"),
        ("until", "2023-12-24"),
    ];
    leads_to(&share(&bob, &path, &fill).await, &path);
    let all = shared(&bed).await;
    let [one] = &*all else { panic!("{all:?}") };
    assert_eq!((one.terms.effect(), one.terms.present(), &*one.by), (Effect::Ask, true, "b1"));
    assert_eq!(one.terms.until().unwrap().as_unix(), 1_703_462_400);
    let page = bob.get(&path).await;
    assert!(page.text.contains("<strong>alice@alice.example</strong>"), "{}", page.text);
    assert!(page.text.contains("until the end of 2023-12-24 (UTC)"), "{}", page.text);
    let form = format!("unshare-{}", one.id);
    let token = fields(&page.text, &form)[0].1.clone();
    let form = [("form_token", token.as_str()), ("unshare", one.id.as_str())];
    leads_to(&bob.post(&path, &form).await, &path);
    assert_eq!(shared(&bed).await, []);
    assert_eq!(bob.post(&path, &form).await.status, 409, "once");

    for fill in [
        [("who", "domain"), ("with", "alice.example"), ("x", "")],
        [("who", "anyone"), ("what", "everything"), ("sure", "yes")],
        [("who", "person"), ("with", "carol@alice.example"), ("effect", "forbid")],
    ] {
        leads_to(&share(&bob, &path, &fill).await, &path);
    }
    let group = [("who", "group"), ("with", "alice.example"), ("claim", "team"), ("value", "<a>")];
    leads_to(&share(&bob, &path, &group).await, &path);
    assert_eq!(shared(&bed).await.len(), 4);
    let page = bob.get(&path).await.text;
    assert!(page.contains("<strong>&#60;a&#62;</strong>") && page.contains("may not"), "{page}");
}

/// What opens everything to everyone is asked once more, as it was filled; nothing less is.
#[tokio::test]
async fn everything_is_shared_with_everyone_on_a_second_word_alone() {
    let (bed, path) = sharing().await;
    let bob = bed.bob().await;
    let everything = [("who", "anyone"), ("what", "everything"), ("scope", "put")];
    let answer = share(&bob, &path, &everything).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.text.contains("id=\"share-sure\" name=\"sure\" value=\"yes\""), "{answer:?}");
    for chosen in ["value=\"anyone\" selected", "value=\"everything\" selected", "\"put\" checked"]
    {
        assert!(answer.text.contains(chosen), "{chosen}: {answer:?}");
    }
    assert_eq!(shared(&bed).await, []);
    let sure = |word| everything.into_iter().chain([("sure", word)]).collect::<Vec<_>>();
    assert_eq!(share(&bob, &path, &sure("no")).await.status, 422);
    leads_to(&share(&bob, &path, &sure("yes")).await, &path);
    assert_eq!(shared(&bed).await.len(), 1);
    assert!(!bob.get(&path).await.text.contains("share-sure"), "the next time it is asked again");
    for less in [
        [("who", "anyone"), ("x", "")],
        [("who", "anyone"), ("effect", "ask")],
        [("who", "anyone"), ("effect", "forbid")],
        [("who", "domain"), ("with", "alice.example")],
    ] {
        let what = if less[1].0 == "x" { "resource" } else { "everything" };
        let fill: Vec<_> = less.into_iter().chain([("what", what)]).collect();
        leads_to(&share(&bob, &path, &fill).await, &path);
    }
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_and_nobody_else_shares() {
    let (bed, path) = sharing().await;
    let bob = bed.bob().await;
    for fill in [
        [("with", ""), ("x", "")],
        [("with", "alice"), ("x", "")],
        [("with", "alice@alice.example"), ("scope", "")],
        [("with", "alice@alice.example"), ("scope", "delete")],
        [("with", "alice@alice.example"), ("effect", "allow")],
        [("with", "alice@alice.example"), ("what", "all")],
        [("with", "alice@alice.example"), ("until", "2023-11-13")],
        [("with", "alice@alice.example"), ("until", "soon")],
        [("with", "alice@alice.example"), ("who", "domain")],
        [("with", "alice.example"), ("who", "group")],
        [("with", "alice@alice.example"), ("who", "anyone")],
    ] {
        let answer = share(&bob, &path, &fill).await;
        assert_eq!(answer.status, 422, "{fill:?}: {answer:?}");
        assert!(answer.text.contains("id=\"notice\""), "{fill:?}");
    }
    // To keep out who is present would let in who acts for them.
    let fill = [("with", "alice@alice.example"), ("effect", "forbid"), ("present", "true")];
    assert_eq!(share(&bob, &path, &fill).await.status, 422);
    let page = bob.get(&path).await;
    let token = fields(&page.text, "share")[0].1.clone();
    let sign_out = fields(&page.text, "sign-out")[0].1.clone();
    let form = |token| {
        let fill =
            [("who", "anyone"), ("effect", "permit"), ("what", "resource"), ("scope", "get")];
        [&[("form_token", token)], &fill[..]].concat()
    };
    let carol = bed.carol().await;
    assert_eq!(carol.get(&path).await.status, 404);
    for (browser, token) in [
        (&carol, token.as_str()),
        (&bed.browser(), token.as_str()),
        (&bed.bob().await, token.as_str()),
        (&bob, sign_out.as_str()),
        (&bob, "x.y"),
    ] {
        assert_eq!(browser.post(&path, &form(token)).await.status, 403);
    }
    let elsewhere = path.replace(path.rsplit('/').next().unwrap(), "another");
    assert_eq!(bob.post(&elsewhere, &form(token.as_str())).await.status, 403);
    assert_eq!(bob.get(&format!("{path}?who=anyone&effect=permit")).await.status, 200);
    assert_eq!(shared(&bed).await, []);
}

/// What is wrong is said beside each field, and nothing has to be typed again.
#[tokio::test]
async fn a_form_that_is_wrong_comes_back_as_it_was_filled() {
    let (bed, path) = sharing().await;
    let bob = bed.bob().await;
    let untouched = bob.get(&path).await.text;
    assert!(!untouched.contains("aria-invalid") && !untouched.contains("class=\"wrong\""));
    let group = [
        ("who", "group"),
        ("with", "\"><b>"),
        ("claim", "team"),
        ("effect", "forbid"),
        ("scope", "put"),
        ("what", "everything"),
        ("present", "true"),
        ("until", "2023-11-13"),
    ];
    let page = share(&bob, &path, &group).await.text;
    for kept in [
        "<option value=\"group\" selected>",
        "name=\"with\" value=\"&#34;&#62;&#60;b&#62;\"",
        "name=\"claim\" value=\"team\"",
        "<option value=\"forbid\" selected>",
        "name=\"scope\" value=\"put\" checked",
        "<option value=\"everything\" selected>",
        "name=\"present\" value=\"true\" checked",
        "name=\"until\" value=\"2023-11-13\"",
    ] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    for (field, said) in [
        ("with", "This is not a domain such as alice.example."),
        ("value", "A group is told by a claim, such as department, and by its value."),
        ("present", "Whoever may not do something may not have it done either. Leave this out."),
        ("until", "This day is over."),
    ] {
        let beside = format!("<p class=\"wrong\" id=\"{field}-wrong\">{said}</p>");
        assert!(page.contains(&beside), "{beside}: {page}");
        assert!(page.contains(&format!("aria-describedby=\"{field}-wrong\"")), "{field}");
    }
    assert_eq!(page.matches("class=\"wrong\"").count(), 4, "{page}");
    assert_eq!(page.matches(" autofocus").count(), 1, "the first one");
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("id=\"with\"") < at(" autofocus") && at(" autofocus") < at("id=\"claim\""));

    for (fill, said) in [
        ([("with", "alice"), ("x", "")], "This is not an address such as "),
        ([("with", "a@b@c"), ("who", "domain")], "This is not a domain such as "),
        ([("with", "alice.example"), ("who", "anyone")], "Everyone is more than this."),
        ([("with", "alice@alice.example"), ("scope", "")], "Tick at least one thing."),
        ([("with", "alice@alice.example"), ("until", "soon")], "This is not a day such as "),
    ] {
        let page = share(&bob, &path, &fill).await.text;
        assert_eq!(page.matches("class=\"wrong\"").count(), 1, "{fill:?}: {page}");
        assert!(page.contains(said), "{fill:?}: {page}");
    }
    assert_eq!(shared(&bed).await, []);
}

/// Whoever is out is out, by whatever they were in.
#[tokio::test]
async fn taking_everything_back_ends_what_is_shared_too() {
    let (bed, path) = sharing().await;
    bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let address = ("with", "alice@alice.example");
    share(&bob, &path, &[address]).await;
    share(&bob, &path, &[("with", "carol@alice.example")]).await;
    share(&bob, &path, &[("who", "domain"), ("with", "alice.example"), ("scope", "put")]).await;
    // Her provider said nothing of a team when she asked; the next time it may.
    let group = [("who", "group"), ("with", "alice.example"), ("claim", "t"), ("value", "a")];
    share(&bob, &path, &group).await;
    let page = bob.get(&person).await.text;
    let shares = page.split("id=\"shares\"").nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(shares.contains("alice@alice.example") && shares.contains("alice.example</strong>"));
    assert!(!shares.contains("carol"), "{shares}");
    leads_to(&take_back(&bob, &person).await, &person);
    let (all, alice) = (shared(&bed).await, EmailAddress::parse(address.1).unwrap());
    let is_about = |share: &&Share| *share.terms.who() == Who::Person(alice.clone());
    let about_alice: Vec<_> = all.iter().filter(is_about).collect();
    let [out] = &*about_alice else { panic!("{all:?}") };
    assert_eq!(
        (out.terms.effect(), out.terms.what(), out.terms.is_of_every_scope()),
        (Effect::Forbid, &What::Everything, true)
    );
    assert_eq!(all.len(), 4, "Carol's, the domain's and the group's are there still");
    // She is out, and he can let her in again.
    let page = bob.get(&person).await.text;
    assert!(!page.contains("id=\"revoke\"") && page.contains("may not"), "{page}");
    assert!(
        page.contains("<p id=\"kept-out\" class=\"problem\">You keep this person out."),
        "{page}"
    );
    let token = fields(&page, &format!("unshare-{}", out.id))[0].1.clone();
    let form = [("form_token", token.as_str()), ("unshare", out.id.as_str())];
    leads_to(&bob.post(&person, &form).await, &person);
    let page = bob.get(&person).await.text;
    assert!(page.contains("id=\"revoke\"") && !page.contains("id=\"kept-out\""), "{page}");
}

/// Whoever is kept out by an address, and nothing was ever asked about, is on the list of people,
/// and so is whoever something is shared with: Bob sees it there and ends it, and nobody else does.
#[tokio::test]
async fn who_is_kept_out_by_an_address_is_seen_and_let_in_again_among_the_people() {
    let (bed, path) = sharing().await;
    let bob = bed.bob().await;
    assert!(bob.get("/console/people").await.text.contains("Nobody has asked"));
    for fill in [
        [("with", "mallory@evil.example"), ("effect", "forbid"), ("what", "everything")],
        [("with", "alice@alice.example"), ("effect", "permit"), ("x", "")],
        [("who", "domain"), ("with", "alice.example"), ("x", "")],
    ] {
        leads_to(&share(&bob, &path, &fill).await, &path);
    }
    let page = bob.get("/console/people").await.text;
    assert!(page.contains("<h2 id=\"by-address\">"), "{page}");
    let by_address = page.split("id=\"by-address\"").nth(1).unwrap();
    let places = ["alice@alice.example", "mallory@evil.example"].map(|one| by_address.find(one));
    assert!(places[0].is_some() && places[0] < places[1], "by address: {page}");
    assert_eq!(by_address.matches("class=\"unshare\"").count(), 2, "of one person each: {page}");
    assert!(by_address.contains("may not") && by_address.contains("RS API"), "{page}");
    let all = shared(&bed).await;
    let mallory = |share: &&Share| share.terms.effect() == Effect::Forbid;
    let out = all.iter().find(mallory).unwrap().id.to_string();
    let token = fields(&page, &format!("unshare-{out}"))[0].1.clone();
    let (none, form) =
        ("x.y".to_owned(), |token| [("form_token", token), ("unshare", out.as_str())]);
    let carol = bed.carol().await;
    assert!(!carol.get("/console/people").await.text.contains("mallory"), "it is Bob's");
    let elsewhere = fields(&bob.get(&path).await.text, "share")[0].1.clone();
    for (browser, token) in [(&carol, &token), (&bob, &elsewhere), (&bob, &none)] {
        assert_eq!(browser.post("/console/people", &form(token.as_str())).await.status, 403);
    }
    assert_eq!(shared(&bed).await.len(), 3);
    leads_to(&bob.post("/console/people", &form(token.as_str())).await, "/console/people");
    assert_eq!(shared(&bed).await.len(), 2);
    let again = bob.post("/console/people", &form(token.as_str())).await;
    assert_eq!(again.status, 409, "once");
    assert!(again.text.contains("id=\"notice\"") && !again.text.contains("mallory"));
    let german = bob.in_german("/console/people").await.text;
    assert!(german.contains("nach Adresse"), "{german}");
}

/// Takes everything back on the page of a person.
async fn take_back(browser: &Browser<'_>, person: &str) -> Answer {
    let page = browser.get(person).await.text;
    let form = fields(&page, "revoke");
    let mut form: Vec<_> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    form.push(("verdict", "revoke"));
    browser.post(person, &form).await
}

/// What a rule permits ends as well, though nothing is shared with her and nothing waits.
#[tokio::test]
async fn taking_everything_back_keeps_out_of_what_rules_permit() {
    let (bed, _) = sharing().await;
    bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await.text;
    bob.decide(&person, &page, "deny").await;
    leads_to(&take_back(&bob, &person).await, &person);
    let all = shared(&bed).await;
    let [out] = &*all else { panic!("{all:?}") };
    assert_eq!((out.terms.effect(), out.terms.what()), (Effect::Forbid, &What::Everything));
    assert!(!bob.get(&person).await.text.contains("id=\"revoke\""), "nothing is left");
}

/// A person is a person: whoever asked by two addresses is out by both, and who is kept out by an
/// address on a resource's page is so as whom the owner was asked about by it.
#[tokio::test]
async fn a_person_is_out_by_every_address_of_theirs() {
    let (bed, path) = sharing().await;
    bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    bed.alice_asks_saying(json!({"email": "al@alice.example"})).await;
    share(&bob, &path, &[("with", "Alice@alice.example"), ("effect", "forbid")]).await;
    let [by_address] = &*shared(&bed).await else { panic!() };
    assert_eq!(by_address.terms.accounts().count(), 1, "she is known by her address");
    // That is of one resource and its scopes: everything is still to be taken back.
    leads_to(&take_back(&bob, &person).await, &person);
    assert!(!bob.get("/console").await.text.contains("class=\"button decide\""), "both cases end");
    let people = bob.get("/console/people").await.text;
    assert!(people.contains("al@alice.example") && people.contains("alice@alice.example"));
    let other = people.split("class=\"person\" href=\"").nth(1).unwrap();
    let other = bob.get(other.split('"').next().unwrap()).await.text;
    assert!(other.contains("<h1><bdi>al@alice.example"), "{other}");
    assert!(other.contains("id=\"shares\"") && other.contains("may not"), "{other}");
}

/// No limit keeps what can be taken back from being taken back.
#[tokio::test]
async fn a_limit_keeps_nobody_in() {
    let (bed, path) = sharing().await;
    let (ticket, _) = bed.alice_asks().await;
    let bob = bed.bob().await;
    let person = bob.only_person().await;
    let page = bob.get(&person).await.text;
    bob.decide(&person, &page, "approve").await;
    let token = crate::support::rpt(&bed.alice_comes_again(&ticket).await);
    share(&bob, &path, &[("with", "alice@alice.example")]).await;
    let is_full = async || {
        for day in 0..300 {
            let day = format!("2024-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
            let fill = [
                ("with", "alice@alice.example"),
                ("effect", "forbid"),
                ("what", "everything"),
                ("until", &*day),
            ];
            if share(&bob, &path, &fill).await.status == 409 {
                return true;
            }
        }
        false
    };
    assert!(is_full().await);
    let answer = take_back(&bob, &person).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text.contains("No more can be shared"), "{answer:?}");
    assert!(shared(&bed).await.iter().all(|share| share.terms.effect() == Effect::Forbid));
    let pat = bed.world.pat("rs").await;
    let active = bed.world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(active.json(), json!({"active": false}));
}
