//! A provider whose people and clients are asked after, over HTTP.

use std::error::Error;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_testkit::{Deployment, Party, names};
use countersign_types::EndpointUrl;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use toml::{Table, Value};

use crate::work::{Of, Samples, Turns, burn, processor_time};

type Failure = Box<dyn Error + Send + Sync>;

/// So many failures of one person from one source end the attempts; nobody comes that far here.
const FAILURES: usize = 8;

/// So many answers about clients are one sample: a single one takes so little work that what it
/// waits for moves it.
pub(crate) const BATCH: usize = 16;

/// The provider, and the page in one browser.
pub(crate) struct Provider {
    deployment: Deployment,
    http: Arc<dyn Fetch>,
    cookie: HeaderValue,
    form_token: String,
}

/// Names as long as each other: of people, of nobody.
fn name(is_known: bool, index: usize) -> String {
    format!("{}-{:04}", if is_known { "a" } else { "b" }, index / FAILURES)
}

impl Provider {
    /// With so many people that each can be asked after a few times in `samples`.
    pub(crate) async fn start(samples: usize) -> Result<Self, Failure> {
        let people = samples.div_ceil(FAILURES) + 1;
        let builder = Deployment::builder().with(Party::Sts, move |sts| add(sts, people));
        let deployment = builder.start().await;
        let http = deployment.http();
        let query = format!(
            "response_type=code&client_id={}&redirect_uri=http://127.0.0.1/callback&scope=openid&state=s\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
            names::RQP_PUBLIC
        );
        let url = EndpointUrl::parse(&format!("{}/authorize?{query}", names::STS))?;
        let page = http.fetch(Request::get(url, Limits::resource())).await?;
        let cookie = page.headers().get(SET_COOKIE).ok_or("the page sets no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().try_into()?;
        let text = std::str::from_utf8(page.body())?;
        let (_, token) = text.split_once("name=\"form_token\" value=\"").ok_or("no form token")?;
        let form_token = token.split('"').next().unwrap_or_default().to_owned();
        Ok(Self { deployment, http, cookie, form_token })
    }

    /// Wrong passwords, of somebody and of nobody: processor time of the whole process, in
    /// nanoseconds. With a leak, somebody's takes that share longer.
    pub(crate) async fn people(&self, samples: usize, leak: f64) -> Result<Samples, Failure> {
        let url = EndpointUrl::parse(&format!("{}/login", names::STS))?;
        let ask = |is_known, index| {
            let username = name(is_known, index);
            let fields = [
                ("form_token", self.form_token.as_str()),
                ("username", &username),
                ("password", "not the password of anybody"),
                ("decision", "allow"),
            ];
            Request::post_form(url.clone(), &fields, Limits::resource())
                .with_header(COOKIE, self.cookie.clone())
                .with_header(ORIGIN, HeaderValue::from_static(names::STS))
        };
        self.asked(samples, 1, leak, StatusCode::FORBIDDEN, ask).await
    }

    /// Wrong secrets, of a client and of none: of so many answers each.
    pub(crate) async fn clients(&self, samples: usize) -> Result<Samples, Failure> {
        let url = EndpointUrl::parse(&format!("{}/token", names::STS))?;
        let other: String = names::RQP_CLIENT.chars().rev().collect();
        let ask = |is_known, _| {
            let id = if is_known { names::RQP_CLIENT } else { &other };
            let pair = STANDARD.encode(format!("{id}:not-the-secret-of-any-client-here"));
            let basic = HeaderValue::try_from(format!("Basic {pair}"));
            let request = Request::post_form(
                url.clone(),
                &[("grant_type", "client_credentials")],
                Limits::token_endpoint(),
            );
            match basic {
                Ok(basic) => request.with_header(AUTHORIZATION, basic),
                Err(_) => request,
            }
        };
        self.asked(samples, BATCH, 0.0, StatusCode::UNAUTHORIZED, ask).await
    }

    async fn asked(
        &self,
        samples: usize,
        batch: usize,
        leak: f64,
        expected: StatusCode,
        ask: impl Fn(bool, usize) -> Request,
    ) -> Result<Samples, Failure> {
        let (mut taken, mut turns) = (Samples::default(), Turns::new(0x5eed));
        // The first answers open connections and fill caches.
        let warm = samples.min(FAILURES);
        for index in 0..samples + warm {
            for is_known in turns.pair() {
                let before = processor_time(Of::Process);
                for _ in 0..batch {
                    let answer = self.http.fetch(ask(is_known, index)).await?;
                    if answer.status() != expected {
                        let text = String::from_utf8_lossy(answer.body());
                        let found = answer.status();
                        return Err(format!("{found} instead of {expected}: {text}").into());
                    }
                }
                if is_known && leak > 0.0 {
                    burn((processor_time(Of::Process) - before) * leak);
                }
                let sample = (processor_time(Of::Process) - before) / batch as f64;
                if index >= warm {
                    taken.push(is_known, sample);
                }
            }
        }
        Ok(taken)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        self.deployment.stop(Party::Sts).await;
    }
}

/// Adds people who have the password of somebody who is there.
fn add(sts: &mut Table, people: usize) {
    let Some(Value::Array(users)) = sts.get_mut("users") else { return };
    let Some(Value::Table(somebody)) = users.first().cloned() else { return };
    users.extend((0..people).map(|index| {
        let mut user = somebody.clone();
        let username = name(true, index * FAILURES);
        user.insert("subject".into(), Value::from(format!("subject-{username}")));
        let email = format!("{username}@alice.example");
        user.insert("email".into(), Value::from(email));
        user.insert("username".into(), Value::from(username));
        Value::Table(user)
    }));
}
