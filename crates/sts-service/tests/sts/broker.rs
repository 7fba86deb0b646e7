//! Flow 001: people sign in through other OpenID providers.

mod answers;
mod called;
mod closing;
mod confirming;
mod cut_off;
mod disabled;
mod exchanged;
mod further;
mod languages;
mod leaving;
mod linking;
mod narrowed;
mod people;
mod provider;
mod standing;

use std::sync::Arc;

use countersign_login::Registration;
use countersign_store::{Engine, LinkedIdentities, MemoryEngine};
use countersign_sts_service::broker::Mapping;
use countersign_sts_service::{ImportedAccounts, UpstreamSetup, Upstreams, Users};
use countersign_token_exchange::trusted_issuer::{RoleMapping, RoleSource};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, ScopeSet};
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};
use url::Url;

use self::people::People;
use self::provider::Provider;
use crate::browser::Browser;
use crate::support::*;

const UNIVERSITY: &str = "https://idp.university.example";
const LIBRARY: &str = "https://idp.library.example";

fn upstream(alias: &str, name: &str, issuer: &str) -> UpstreamSetup {
    let client_id = ClientId::parse("broker").unwrap();
    UpstreamSetup {
        alias: alias.to_owned(),
        name: name.to_owned(),
        issuer: Issuer::parse(issuer).unwrap(),
        registration: Registration::confidential(client_id, ClientSecret::new("canary-secret")),
        scope: ScopeSet::parse("openid email profile").unwrap(),
        user_info: false,
        mapping: Mapping {
            email_domains: ["university.example".to_owned(), "alice.example".to_owned()].into(),
            claims: ["name".to_owned(), "preferred_username".to_owned()].into(),
            roles: vec![RoleMapping {
                source: RoleSource::Claim("groups".to_owned()),
                roles: [("staff".to_owned(), "curator".to_owned())].into(),
            }],
            everyone: ["reader".to_owned()].into(),
            required: [("member".to_owned(), vec![json!(true)])].into(),
            amr: ["otp".to_owned(), "pwd".to_owned()].into(),
            acr: [("silver".to_owned(), "urn:example:two".to_owned())].into(),
        },
    }
}

fn both() -> Vec<UpstreamSetup> {
    let mut library = upstream("library", "the Library", LIBRARY);
    library.mapping.required.clear();
    vec![upstream("university", "the <University>", UNIVERSITY), library]
}

/// A service whose people may come through two providers.
pub(crate) struct Case {
    pub(crate) world: World,
    people: Arc<People>,
    provider: Arc<Provider>,
    engine: Arc<dyn Engine>,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self::with(both(), |upstreams| upstreams)
    }

    fn with(setups: Vec<UpstreamSetup>, change: impl FnOnce(Upstreams) -> Upstreams) -> Self {
        let people = People::new([user("alice", true), user("mallory", false)]);
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let provider = Arc::new(Provider::new());
        Self::of(people, engine, provider, setups, change)
    }

    fn of(
        people: Arc<People>,
        engine: Arc<dyn Engine>,
        provider: Arc<Provider>,
        setups: Vec<UpstreamSetup>,
        change: impl FnOnce(Upstreams) -> Upstreams,
    ) -> Self {
        let (users, accounts) = (Arc::clone(&people), Arc::clone(&people));
        let (users, accounts): (Arc<dyn Users>, Arc<dyn ImportedAccounts>) = (users, accounts);
        let fetch = provider.clone();
        let world = World::peopled(users, Arc::clone(&engine), |sts, clock| {
            sts.with_upstreams(change(Upstreams::new(setups, accounts, fetch, clock)))
        });
        Self { world, people, provider, engine }
    }

    /// The same after a restart with other providers.
    fn restarted(&self, setups: Vec<UpstreamSetup>) -> Self {
        let (people, engine) = (Arc::clone(&self.people), Arc::clone(&self.engine));
        Self::of(people, engine, Arc::clone(&self.provider), setups, |upstreams| upstreams)
    }

    /// Chooses a provider for a request: where the browser is sent.
    async fn chosen(&self, browser: &Browser<'_>, alias: &str, change: &[(&str, &str)]) -> Url {
        let page = browser.authorize(change).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        on_the_way(&browser.submit(&page, &[("upstream", alias)]).await)
    }

    /// Signs somebody in through a provider, whose ID token is changed before it is signed: what
    /// the browser gets back here.
    pub(crate) async fn arrives(
        &self,
        browser: &Browser<'_>,
        (alias, sub): (&str, &str),
        change: &[(&str, &str)],
        claims: impl FnOnce(&mut Value),
    ) -> Answer {
        let request = self.chosen(browser, alias, change).await;
        let mut token = Provider::claims(&request, sub);
        token["member"] = json!(true);
        claims(&mut token);
        let query = self.provider.lets_in(&request, token);
        browser.get(&format!("/login/callback/{alias}?{query}")).await
    }

    /// The claims of the access token that somebody ends with.
    async fn tokens(&self, answer: &Answer) -> Value {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let code = answer.location("code");
        assert!(code.is_some(), "{:?}", answer.headers);
        self.world.redeem(&code.unwrap()).await.json()
    }

    /// Which link an identity has.
    pub(crate) async fn linked(&self, issuer: &str, sub: &str) -> String {
        self.link(issuer, sub).await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn link(&self, issuer: &str, sub: &str) -> Option<Value> {
        let linked = LinkedIdentities::<Value>::new(Arc::clone(&self.engine));
        let found = linked.find(&Issuer::parse(issuer).unwrap(), sub).await.unwrap();
        found.map(|linked| linked.record)
    }

    async fn subject(&self, answer: &Answer) -> String {
        let tokens = self.tokens(answer).await;
        claims(tokens["access_token"].as_str().unwrap()).required_str("sub").unwrap().to_owned()
    }
}

/// Where somebody who chose a provider is sent.
fn on_the_way(answer: &Answer) -> Url {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    Url::parse(answer.header(LOCATION)).unwrap()
}

/// Nobody is signed in at this browser.
async fn is_nobody(browser: &Browser<'_>) -> bool {
    browser.cookie("__Host-session").is_none()
        && !browser.get("/account").await.text.contains("You are signed in as")
}

/// F001-1.
#[tokio::test]
async fn f001_1_a_person_chooses_a_provider_and_arrives() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let page = browser.authorize(&[("scope", "openid email profile")]).await;
    for text in [
        "id=\"upstream-university\" name=\"upstream\" value=\"university\"",
        "Sign in with the &#60;University&#62;",
        "id=\"upstream-library\"",
        "name=\"password\"",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let request = on_the_way(&browser.submit(&page, &[("upstream", "university")]).await);
    assert!(request.as_str().starts_with("https://idp.university.example/authorize?"), "{request}");
    let asked: std::collections::BTreeMap<_, _> = request.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "broker"),
        ("redirect_uri", "https://sts.alice.example/login/callback/university"),
        ("code_challenge_method", "S256"),
        ("scope", "openid email profile"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked[name].len(), 43, "{name}");
    }
    assert!(!asked.contains_key("prompt") && !asked.contains_key("max_age"));

    let mut token = Provider::claims(&request, "7");
    for (name, value) in [
        ("member", json!(true)),
        ("name", json!("Ada")),
        ("preferred_username", json!("alice")),
        ("email", json!("ada@university.example")),
        ("email_verified", json!(true)),
        ("groups", json!(["staff", "admin"])),
        ("salary", json!(1)),
        ("auth_time", json!(NOW - 50)),
        ("amr", json!(["pwd", "face"])),
        ("acr", json!("silver")),
    ] {
        token[name] = value;
    }
    let query = case.provider.lets_in(&request, token);
    let answer = browser.get(&format!("/login/callback/university?{query}")).await;
    assert!(answer.header(LOCATION).starts_with("https://app.example/cb?code="));
    assert_eq!(answer.location("state").as_deref(), Some("s&t"));
    assert_eq!(answer.location("iss").as_deref(), Some(STS));
    let (redeemed, by_header) = case.provider.redeemed.lock().unwrap().take().unwrap();
    assert!(by_header && redeemed.get("client_secret").is_none());
    assert_eq!(redeemed.get("code_verifier").map(str::len), Some(43));

    let tokens = case.tokens(&answer).await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    let subject = access.required_str("sub").unwrap();
    assert!(subject != "7" && subject.len() == 22, "a subject of this server: {subject}");
    assert_eq!(access.get("roles"), Some(&json!(["curator", "reader"])), "A31");
    assert_eq!(access.str("email").unwrap(), Some("ada@university.example"));
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    for (name, value) in [
        ("name", json!("Ada")),
        ("auth_time", json!(NOW - 50)),
        ("amr", json!(["pwd"])),
        ("acr", json!("urn:example:two")),
        ("sid", tokens["session_state"].clone()),
    ] {
        assert_eq!(id_token.get(name), Some(&value), "{name}");
    }
    assert!(!format!("{access:?}{id_token:?}").contains("salary"));
    let [imported] = case.people.imported().try_into().ok().unwrap();
    assert_eq!(imported.account.username, "university:alice", "nobody's name here");

    // From there on as anybody: the session answers for the same client.
    let silent = browser.authorize(&[("prompt", "none"), ("scope", "openid")]).await;
    assert!(silent.location("code").is_some(), "{:?}", silent.headers);
}

/// F001-10, and F000-13 at the broker: an identity is its issuer and its `sub`, and nothing else
/// is.
#[tokio::test]
async fn f001_10_the_same_identity_is_the_same_person_and_no_other_is() {
    let case = Case::new();
    let called = |name: &'static str| {
        move |token: &mut Value| {
            token["preferred_username"] = json!(name);
            token["groups"] = json!([]);
        }
    };
    let mut subjects = Vec::new();
    for (alias, sub, name) in [
        ("university", "7", "ada"),
        ("university", "7", "lovelace"),
        ("university", "8", "ada"),
        ("library", "7", "ada"),
        ("university", "7 ", "ada"),
        ("university", "alice", "alice"),
        ("university", "sub-of-alice", "alice"),
    ] {
        let browser = Browser::new(&case.world);
        let answer = case.arrives(&browser, (alias, sub), &[], called(name)).await;
        subjects.push(case.subject(&answer).await);
    }
    assert_eq!(subjects[0], subjects[1], "under another name");
    let all: std::collections::BTreeSet<_> = subjects.iter().collect();
    assert_eq!(all.len(), 6, "{subjects:?}");
    assert!(!all.contains(&"sub-of-alice".to_owned()));
    let imported = case.people.imported();
    let name = |subject: &str| {
        let found = imported.iter().find(|it| it.account.subject == *subject).unwrap();
        found.account.username.clone()
    };
    assert_eq!(name(&subjects[0]), "university:lovelace", "as the provider said last");
    assert_eq!(imported.len(), 6);
}

/// F001-10 after the process was killed: what it had acknowledged is on the disk.
#[tokio::test]
async fn f001_10_a_link_survives_a_killed_process() {
    let (directory, copy) = (Directory::new(), Directory::new());
    let people = People::new([user("alice", true)]);
    let provider = Arc::new(Provider::new());
    let at = |engine| {
        let (people, provider) = (Arc::clone(&people), Arc::clone(&provider));
        Case::of(people, engine, provider, both(), |upstreams| upstreams)
    };
    let case = at(directory.open());
    let answer = case.arrives(&Browser::new(&case.world), ("library", "7"), &[], |_| {}).await;
    let before = case.subject(&answer).await;
    directory.copy_to(&copy);
    let case = at(copy.open());
    let answer = case.arrives(&Browser::new(&case.world), ("library", "7"), &[], |_| {}).await;
    assert_eq!(case.subject(&answer).await, before);
    assert_eq!(people.imported().len(), 1);
}

/// F001-10 under a race: of simultaneous first logins comes one account.
#[tokio::test]
async fn f001_10_simultaneous_first_logins_make_one_account() {
    let case = Case::new();
    let browsers: Vec<_> = (0..8).map(|_| Browser::new(&case.world)).collect();
    let logins = browsers.iter().map(|browser| async {
        let answer = case.arrives(browser, ("university", "7"), &[], |token| {
            token["email"] = json!("ada@university.example");
            token["email_verified"] = json!(true);
        });
        case.subject(&answer.await).await
    });
    let mut subjects = futures_of(logins).await;
    subjects.dedup();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    let [imported] = case.people.imported().try_into().ok().unwrap();
    assert_eq!(imported.account.subject, subjects[0]);
    assert!(imported.account.email.is_some());
}

/// All of them, interleaved on this thread.
pub(crate) async fn futures_of<T>(
    futures: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut waiting {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => {}
                }
            }
        }
        if waiting.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().map(|(_, done)| done.unwrap()).collect()
}

/// OpenID Connect Discovery §3: what the metadata lists is what ID tokens say.
#[tokio::test]
async fn the_metadata_lists_the_classes_that_id_tokens_have() {
    const CLASS: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";
    let listed = async |case: &Case| {
        let metadata = case.world.get("/.well-known/openid-configuration").await.json();
        metadata["acr_values_supported"].clone()
    };
    let mut setups = both();
    let gold = ("gold".to_owned(), "urn:example:three".to_owned());
    setups[1].mapping.acr.extend([gold, ("good".to_owned(), CLASS.to_owned())]);
    let case = Case::with(setups, |upstreams| upstreams);
    let classes = listed(&case).await;
    assert_eq!(classes, json!([CLASS, "urn:example:three", "urn:example:two"]));
    let mallory = ("library", "7");
    let browser = Browser::new(&case.world);
    let answer = case.arrives(&browser, mallory, &[], |token| token["acr"] = json!("gold")).await;
    let tokens = case.tokens(&answer).await;
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token.str("acr").unwrap(), Some("urn:example:three"));
    // Who links an account shows its password, even where nobody signs in by one otherwise.
    let without = Case::with(both(), Upstreams::without_passwords);
    assert_eq!(listed(&without).await, json!([CLASS, "urn:example:two"]));
    let browser = Browser::new(&without.world);
    let page = without.arrives(&browser, ("university", "7"), &[], |token| {
        token["email"] = json!("alice@alice.example");
        token["email_verified"] = json!(true);
    });
    let fields = [("password", PASSWORD), ("decision", "sign_in")];
    let page = browser.submit(&page.await, &fields).await;
    let answer = browser.submit(&page, &[("decision", "link")]).await;
    let tokens = without.tokens(&answer).await;
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token.str("acr").unwrap(), Some(CLASS));
}
