//! A server with a console, and browsers at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use countersign_login::Registration;
use countersign_store::{Engine, MemoryEngine};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ScopeSet};
use countersign_uma::protection::OwnerId;
use countersign_uma_service::UmaConfig;
use countersign_uma_service::console::{ConsoleSetup, OwnerIdentity, ProviderSetup, Who};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request};
use serde_json::json;
use url::Url;

use super::provider::{IDP, Provider};
use super::support::{AS, Answer, World, encode, rules_of, submitted};

pub(crate) const CONSOLE: &str = "/console";

/// Where `rs3` has people sent back to.
pub(crate) const BACK: &str = "https://rs3.bob.example/back";

/// A server whose owners have a console: Bob, and Carol with a resource server of her own.
pub(crate) struct Bed {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) world: World,
    pub(crate) provider: Arc<Provider>,
}

pub(crate) fn person(owner: &str, who: Who) -> OwnerIdentity {
    let (owner, issuer) = (OwnerId::parse(owner).unwrap(), Issuer::parse(IDP).unwrap());
    OwnerIdentity { owner, issuer, who }
}

fn owners() -> Vec<OwnerIdentity> {
    let carol = EmailAddress::parse("carol@bob.example").unwrap();
    vec![person("bob", Who::Subject("b1".into())), person("carol", Who::Email(carol))]
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryEngine::new()))
    }

    pub(crate) fn on(engine: Arc<dyn Engine>) -> Self {
        Self::with_owners(engine, owners())
    }

    pub(crate) fn with_owners(engine: Arc<dyn Engine>, owners: Vec<OwnerIdentity>) -> Self {
        Self::configured(engine, owners, &["rs3"], |_| {})
    }

    /// A server at which these resource servers may ask people.
    pub(crate) fn asking(engine: Arc<dyn Engine>, servers: &[&str]) -> Self {
        Self::configured(engine, owners(), servers, |_| {})
    }

    /// A server that gives out refresh tokens.
    pub(crate) fn renewing(engine: Arc<dyn Engine>) -> Self {
        Self::configured(engine, owners(), &["rs3"], |config| {
            config.refresh_lifetime = Some(Lifetime::from_secs(86_400));
        })
    }

    fn configured(
        engine: Arc<dyn Engine>,
        owners: Vec<OwnerIdentity>,
        asking: &[&str],
        configure: impl FnOnce(&mut UmaConfig),
    ) -> Self {
        let provider = Arc::new(Provider::new());
        let secret = ClientSecret::new("the secret of the console at its provider");
        let mut setup = ConsoleSetup::new(
            "Bob's desk".to_owned(),
            ProviderSetup {
                issuer: Issuer::parse(IDP).unwrap(),
                name: "Bob's provider".to_owned(),
                registration: Registration::confidential(
                    ClientId::parse("console").unwrap(),
                    secret,
                ),
                scope: ScopeSet::parse("openid email").unwrap(),
            },
            owners,
            ["rs", "rs2", "rs3"].map(|id| ClientId::parse(id).unwrap()).to_vec(),
        );
        let back = countersign_types::RedirectUri::parse(BACK).unwrap();
        let may_ask = asking.iter().map(|id| (ClientId::parse(id).unwrap(), vec![back.clone()]));
        setup.people.extend(may_ask);
        let fetch = Arc::clone(&provider);
        let finish = |uma: countersign_uma_service::Uma| uma.with_console(setup, fetch).unwrap();
        let world = World::built(&[], Arc::clone(&engine), configure, finish);
        let rule =
            json!({"resource": "*", "scopes": ["get", "put"], "domains": ["*"], "ask": true});
        world.change_policy(rules_of(json!([rule])));
        Self { engine, world, provider }
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { bed: self, cookies: Mutex::default() }
    }

    /// A browser in which this person has signed in.
    pub(crate) async fn signed_in(&self, sub: &str, more: serde_json::Value) -> Browser<'_> {
        let browser = self.browser();
        let back = browser.sign_in("/console/sign-in", sub, more).await;
        assert_eq!(back.status, 303, "{back:?}");
        browser
    }

    pub(crate) async fn bob(&self) -> Browser<'_> {
        self.signed_in("b1", json!({})).await
    }

    pub(crate) async fn carol(&self) -> Browser<'_> {
        let more = json!({"email": "carol@bob.example", "email_verified": true});
        self.signed_in("c1", more).await
    }

    /// Alice asks for `get` at a resource of Bob's, and waits: her ticket, and the resource.
    pub(crate) async fn alice_asks(&self) -> (String, String) {
        self.alice_asks_saying(json!({})).await
    }

    /// The same, and her provider says this of her.
    pub(crate) async fn alice_asks_saying(&self, more: serde_json::Value) -> (String, String) {
        let world = &self.world;
        let pat = world.pat("rs").await;
        let id = world.register(&pat).await;
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let answer = world.redeem(&ticket, &claims, &[]).await;
        (submitted(&answer, &ticket).0, id)
    }

    /// What Alice gets who comes again in time with her ticket, and with claims if they are needed
    /// again.
    pub(crate) async fn alice_comes_again(&self, ticket: &str) -> Answer {
        self.world.advance(5);
        let answer = self.world.present("app", ticket, &[]).await;
        if answer.json()["error"] != "need_info" {
            return answer;
        }
        let ticket = super::support::need_info(&answer, ticket);
        self.world.redeem(&ticket, &self.world.claims(&ticket), &[]).await
    }
}

/// A browser with its cookies.
pub(crate) struct Browser<'a> {
    bed: &'a Bed,
    pub(crate) cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser<'_> {
    async fn send(&self, request: http::request::Builder, body: String) -> Answer {
        let cookies = self.cookies.lock().unwrap().clone();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request =
            if pairs.is_empty() { request } else { request.header(COOKIE, pairs.join("; ")) };
        let answer = self.bed.world.send(request.body(Body::from(body)).unwrap()).await;
        let mut kept = self.cookies.lock().unwrap();
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            for attribute in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(attribute), "{cookie}");
            }
            match rest.split(';').next().unwrap() {
                "" => kept.remove(name),
                value => kept.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), String::new()).await
    }

    pub(crate) async fn method(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path), String::new()).await
    }

    pub(crate) async fn in_german(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("accept-language", "de"), String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, encode(form)).await
    }

    /// Begins a login by this path: where the browser is sent.
    pub(crate) async fn leaves(&self, path: &str) -> Url {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        Url::parse(answer.header("location")).unwrap()
    }

    /// Signs in by this path: the answer to what the browser brings back.
    pub(crate) async fn sign_in(&self, path: &str, sub: &str, more: serde_json::Value) -> Answer {
        let request = self.leaves(path).await;
        let query = self.bed.provider.lets_in(&request, sub, more, self.bed.world.now());
        self.get(&format!("{CONSOLE}/callback?{query}")).await
    }

    /// The page of the only person who waits.
    pub(crate) async fn only_person(&self) -> String {
        let page = self.get(CONSOLE).await;
        assert_eq!(page.status, 200, "{page:?}");
        let links: Vec<_> = page.text.split("class=\"button decide\" href=\"").skip(1).collect();
        let [link] = &*links else { panic!("{}", page.text) };
        link.split('"').next().unwrap().to_owned()
    }

    /// Fills the first form of a page that decides, and sends it with this verdict.
    pub(crate) async fn decide(&self, path: &str, page: &str, verdict: &str) -> Answer {
        self.decide_with(path, page, verdict, &[]).await
    }

    pub(crate) async fn decide_with(
        &self,
        path: &str,
        page: &str,
        verdict: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let fields = fields(page, "decide-1");
        let mut form: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.push(("verdict", verdict));
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.post(path, &form).await
    }
}

/// The fields of a form that a browser sends without anybody having done anything.
#[track_caller]
pub(crate) fn fields(page: &str, form: &str) -> Vec<(String, String)> {
    let start = page.find(&format!("<form id=\"{form}\"")).unwrap_or_else(|| panic!("{page}"));
    let form = page[start..].split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        let text = rest.split('"').next().unwrap().replace("&#60;", "<").replace("&#62;", ">");
        Some(text.replace("&#x27;", "'").replace("&#38;", "&"))
    };
    let inputs = form.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap());
    let sent = inputs.filter(|tag| !tag.contains("checkbox") || tag.contains(" checked"));
    let pair = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value")?));
    sent.filter_map(pair).collect()
}

/// A place at this server.
#[track_caller]
pub(crate) fn leads_to(answer: &Answer, path: &str) {
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.headers[LOCATION].to_str().unwrap();
    assert_eq!(location, format!("{AS}{path}"), "{answer:?}");
}
