//! The Pbench-Dashboard of the drawing: it knows the broker alone. The pages, the broker's and the
//! provider's, are driven as a script does.

use bytes::Bytes;
use countersign_fetch::{Limits, Request};
use countersign_login::headless::{Through, sign_in_through};
use countersign_login::{Credentials, Registration, RelyingParty, Tokens};
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EndpointUrl, Issuer, RedirectUri, ScopeSet};
use http::{Method, StatusCode};
use serde_json::Value;

use super::BROKER_NAME;
use super::world::{BROKER, COLLEGE, IDP, World};
use crate::demo::results::{
    self, CALLBACK, DASHBOARD, DASHBOARD_NAME, Opening, PROVIDER, RESULTS, SERVER,
};
use crate::demo::servers::Failure;
use crate::demo::story::{Message, Step};
use crate::demo::token_answer::TokenAnswer;

const SCOPE: &str = "openid profile email offline_access";

/// Who signs in, and where.
#[derive(Clone, Copy)]
pub(super) struct Person {
    username: &'static str,
    alias: &'static str,
    provider: &'static str,
}

pub(super) const ALICE: Person = Person { username: "alice", alias: "university", provider: IDP };
pub(super) const CAROL: Person = Person { username: "carol", alias: "college", provider: COLLEGE };

/// Arrows 1 to 11, and the body of the tenth.
pub(super) async fn run(world: &World) -> Result<Bytes, Failure> {
    let teller = world.servers.teller();
    let opening = Opening {
        asks: "GET Pbench client ID",
        answers: "200 Response",
        secret: "a client_secret is published (A21)",
    };
    results::opened(&world.servers, &opening).await?;

    let SignedIn { tokens, response, .. } = sign_in(world, ALICE).await?;
    let lasts = response.get("refresh_expires_in").and_then(Value::as_u64);
    let session = response.get("session_state").and_then(Value::as_str);
    let sid = tokens.identity.claims.get("sid").and_then(Value::as_str);
    let words = "200 Token Response";
    teller.step(
        Step::new(Some(8), BROKER_NAME, DASHBOARD_NAME, words)
            .token("access_token", tokens.access_token.expose())
            .detail("scope", tokens.scope.to_string())
            .detail("id_token", format!("verified, sub {}", tokens.identity.subject))
            .detail("refresh_expires_in", lasts.map_or_else(String::new, |it| it.to_string()))
            .detail("session_state", session.unwrap_or_default())
            .expect(tokens.refresh_token.is_some(), "a refresh token was to come")
            .expect(lasts.is_some(), "refresh_expires_in was to be said (A23)")
            .expect(session.is_some() && session == sid, "session_state was to be the session's"),
    );

    let token = &tokens.access_token;
    let step = Step::new(Some(9), DASHBOARD_NAME, SERVER, format!("POST {RESULTS} request"));
    teller.step(step.token_again("Authorization", format!("Bearer {}", token.expose())));
    let answer = results::send(&world.servers, Method::POST, RESULTS, Some(token)).await?;
    let words = format!("case 1: 200 {RESULTS} response");
    let step = Step::new(Some(10), SERVER, DASHBOARD_NAME, words);
    teller.step(step.expect(answer.status() == StatusCode::OK, format!("{}", answer.status())));

    revoke(world, token).await?;
    let refused = results::send(&world.servers, Method::POST, RESULTS, Some(token)).await?;
    let is_told = results::challenged(&refused, "error").as_deref() == Some("invalid_token");
    let words = format!("case 2: 401 {RESULTS} response (the token is revoked)");
    teller.step(
        Step::new(Some(11), SERVER, DASHBOARD_NAME, words)
            .expect(refused.status() == StatusCode::UNAUTHORIZED, format!("{}", refused.status()))
            .expect(is_told, "invalid_token was to be said"),
    );
    Ok(answer.into_body())
}

/// What a login gave.
pub(super) struct SignedIn {
    pub(super) tokens: Tokens,
    /// The broker's answer with its code.
    pub(super) query: String,
    /// The token response as it came.
    pub(super) response: Value,
}

/// Arrows 3 to 7, and the answer of the broker with its code.
pub(super) async fn sign_in(world: &World, who: Person) -> Result<SignedIn, Failure> {
    let (teller, random) = (world.servers.teller(), world.servers.random());
    let registration = Registration::public(ClientId::parse(DASHBOARD)?);
    let issuer = Issuer::parse(BROKER)?;
    let answered = TokenAnswer::heard_by(world.servers.fetch());
    let broker = RelyingParty::discover(answered.clone(), &issuer, registration).await?;
    let (callback, scope) = (RedirectUri::parse(CALLBACK)?, ScopeSet::parse(SCOPE)?);
    let (url, pending) = broker.begin(&callback, &scope, random.as_ref())?;
    let credentials = Credentials { username: who.username.to_owned(), password: world.password() };
    let provider = Issuer::parse(who.provider)?;
    let through = Through { alias: who.alias, provider: &provider };
    let fetch = world.servers.fetch();
    let query = sign_in_through(fetch.as_ref(), &url, &callback, through, &credentials).await?;
    if !teller.is_silent() {
        let heard = teller.take_messages();
        for step in on_the_way(heard, &query) {
            teller.step(step);
        }
    }
    let now = world.servers.clock().now();
    let tokens = broker.finish(pending, &query, now, random.as_ref()).await?;
    if !teller.is_silent() {
        teller.step(
            Step::new(Some(7), DASHBOARD_NAME, BROKER_NAME, "POST Request to token endpoint")
                .detail("client_id", DASHBOARD)
                .detail("redirect_uri", CALLBACK),
        );
    }
    Ok(SignedIn { tokens, query, response: answered.last() })
}

/// Arrows 3 to 6, each with the requests that are its own.
fn on_the_way(mut heard: Vec<Message>, answer: &str) -> Vec<Step> {
    let mut of = |belongs: &dyn Fn(&str) -> bool| -> Vec<Message> {
        let (own, rest) = heard.drain(..).partition(|message: &Message| belongs(&message.url));
        heard = rest;
        own
    };
    let at = |origin: &'static str, path: &'static str| {
        move |url: &str| url.strip_prefix(origin).is_some_and(|rest| rest.starts_with(path))
    };
    let callback = of(&at(BROKER, "/login/callback/"));
    let choice = of(&at(BROKER, "/login"));
    let request = of(&at(BROKER, "/"));
    let metadata = of(&at(IDP, "/.well-known/"));
    let page = of(&at(IDP, "/authorize"));
    let login = of(&at(IDP, "/login"));
    let tokens = of(&at(IDP, "/"));
    let is_called = |messages: &[Message], path: &str| {
        messages.iter().any(|message| message.url.contains(path))
    };
    let (redeemed, returned) = (is_called(&tokens, "/token"), is_called(&callback, "state="));
    let with = |step: Step, messages: Vec<Message>| Step { messages, ..step };
    let words = "LOAD identity broker auth URI (Authentication Request)";
    let asked = Step::new(Some(3), DASHBOARD_NAME, BROKER_NAME, words)
        .detail("response_type", "code, with state, nonce and PKCE (S256)")
        .detail("client_id", DASHBOARD)
        .expect(!request.is_empty(), "the broker was to be asked");
    let words = "User selects an identity provider from the list";
    let chosen = Step::new(None, BROKER_NAME, BROKER_NAME, words).detail("upstream", ALICE.alias);
    let led = Step::new(Some(4), BROKER_NAME, PROVIDER, "LOAD identity provider auth page");
    let led = led.expect(!page.is_empty(), "the provider's page was to be loaded");
    let words = "User challenge credentials and consent";
    let signed_in = Step::new(None, PROVIDER, PROVIDER, words).detail("user", ALICE.username);
    let words = "302 Authentication Response (back to identity broker)";
    let back = Step::new(Some(5), PROVIDER, BROKER_NAME, words)
        .expect(returned, "the broker's own state was to come back");
    let words = "code for tokens (the drawing omits it)";
    let redeems = Step::new(None, BROKER_NAME, PROVIDER, words)
        .expect(redeemed, "the broker was to redeem its code");
    let words = "Identity federation: checked, imported, linked by (iss, sub)";
    let federated = Step::new(None, BROKER_NAME, BROKER_NAME, words);
    let words = "302 Authentication Response (back to Pbench dashboard)";
    let answered = Step::new(Some(6), BROKER_NAME, DASHBOARD_NAME, words)
        .expect(answer.contains("code="), "a code was to come")
        .expect(answer.contains("iss="), "the answer was to name its issuer (RFC 9207)");
    vec![
        with(asked, request),
        with(chosen, choice),
        with(led, [metadata, page].concat()),
        with(signed_in, login),
        with(back, Vec::new()),
        with(redeems, tokens),
        with(federated, callback),
        answered,
    ]
}

/// The person takes the token back. [RFC 7009 §2.1]
///
/// [RFC 7009 §2.1]: https://www.rfc-editor.org/rfc/rfc7009#section-2.1
async fn revoke(world: &World, token: &AccessToken) -> Result<(), Failure> {
    let url = EndpointUrl::parse(&format!("{BROKER}/revoke"))?;
    let params = [("token", token.expose()), ("client_id", DASHBOARD)];
    // RFC 7009 §2.2: the answer has no content that counts.
    let request = Request::post_form(url, &params, Limits::resource());
    let answer = world.servers.fetch().fetch(request).await?;
    if answer.status() == StatusCode::OK { Ok(()) } else { Err("nothing was revoked".into()) }
}
