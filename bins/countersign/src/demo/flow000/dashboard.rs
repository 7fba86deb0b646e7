//! The Pbench-Dashboard of the drawing: it signs people in at the provider, whose pages it drives
//! as a script does, and calls the server.

use bytes::Bytes;
use countersign_login::{Credentials, Registration, RelyingParty, headless};
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Issuer, RedirectUri, ScopeSet};
use http::{Method, StatusCode};
use serde_json::Value;

use super::api::TOKEN;
use super::world::{IDP, World};
use crate::demo::results::{self, DASHBOARD, DASHBOARD_NAME, Opening, PROVIDER, RESULTS, SERVER};
use crate::demo::servers::Failure;
use crate::demo::story::{Message, Step};
use crate::demo::token_answer::TokenAnswer;

const SCOPE: &str = "openid profile email offline_access claims-provider";
/// Where people are sent to sign in.
const AUTHORIZE: &str = "https://idp.university.example/authorize";

/// Arrows 1 to 17, and the body of the last.
pub(super) async fn run(world: &World) -> Result<Bytes, Failure> {
    let teller = world.servers.teller();
    let opening = Opening {
        asks: "GET IAM scheme & link",
        answers: "200 authentication schema/link",
        secret: "a secret is published",
    };
    let client = results::opened(&world.servers, &opening).await?;

    let token = sign_in(world, "alice", &client, true).await?;
    let step = Step::new(Some(7), DASHBOARD_NAME, SERVER, format!("POST {TOKEN} request"));
    teller.step(step.token_again("Authorization", format!("Bearer {}", token.expose())));
    let answer = results::send(&world.servers, Method::POST, TOKEN, Some(&token)).await?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let pbench = body.get("access_token").and_then(Value::as_str).unwrap_or_default();
    let pbench = AccessToken::new(pbench);
    let words = format!("200 {TOKEN} response (new 'Pbench Access Token')");
    teller.step(
        Step::new(Some(15), SERVER, DASHBOARD_NAME, words)
            .token_again("access_token", pbench.expose())
            .expect(answer.status() == StatusCode::OK, format!("{}", answer.status()))
            .expect(body.get("refresh_token").is_none(), "the refresh token was to stay (A30)"),
    );

    let step = Step::new(Some(16), DASHBOARD_NAME, SERVER, format!("POST {RESULTS} request"));
    teller.step(step.token_again("Authorization", format!("Bearer {}", pbench.expose())));
    let answer = results::send(&world.servers, Method::POST, RESULTS, Some(&pbench)).await?;
    let step =
        Step::new(Some(17), SERVER, DASHBOARD_NAME, format!("case 1: 200 {RESULTS} response"));
    teller.step(step.expect(answer.status() == StatusCode::OK, format!("{}", answer.status())));

    // The provider's own token opens nothing here.
    let refused = results::send(&world.servers, Method::POST, RESULTS, Some(&token)).await?;
    let words = format!("case 2: 401 {RESULTS} response (with the IdP's token)");
    teller.step(
        Step::new(Some(18), SERVER, DASHBOARD_NAME, words)
            .detail("error", results::challenged(&refused, "error").unwrap_or_default())
            .expect(refused.status() == StatusCode::UNAUTHORIZED, format!("{}", refused.status())),
    );
    Ok(answer.into_body())
}

/// Arrows 3 to 6: somebody signs in at the provider, for one of its clients.
pub(super) async fn sign_in(
    world: &World,
    username: &str,
    client: &str,
    tells: bool,
) -> Result<AccessToken, Failure> {
    let tell = |step: Step| {
        if tells {
            world.servers.teller().step(step);
        }
    };
    let (fetch, random) = (world.servers.fetch(), world.servers.random());
    let registration = Registration::public(ClientId::parse(client)?);
    let issuer = Issuer::parse(IDP)?;
    let answered = TokenAnswer::heard_by(world.servers.fetch());
    let provider = RelyingParty::discover(answered.clone(), &issuer, registration).await?;
    let callback = RedirectUri::parse(results::CALLBACK)?;
    let scope = ScopeSet::parse(SCOPE)?;
    let (url, pending) = provider.begin(&callback, &scope, random.as_ref())?;
    let credentials = Credentials { username: username.to_owned(), password: world.password() };
    let query = headless::sign_in_by_post(fetch.as_ref(), &url, &callback, &credentials).await?;
    if tells {
        let (asked, signs_in) = told_apart(world.servers.teller().take_messages());
        let is_posted = asked.iter().any(|it| it.method == "POST" && it.url == AUTHORIZE);
        let step = Step::new(Some(3), DASHBOARD_NAME, PROVIDER, "POST Authorization request")
            .detail("client_id", client)
            .detail("scope", scope.to_string())
            .detail("code_challenge", "S256, with state and nonce")
            .expect(is_posted, format!("{AUTHORIZE} was to be called by POST"));
        tell(Step { messages: asked, ..step });
        let words = "Authenticate User and request user consent for Pbench";
        let step = Step::new(None, PROVIDER, PROVIDER, words).detail("user", username);
        tell(Step { messages: signs_in, ..step });
    }
    tell(
        Step::new(Some(4), PROVIDER, DASHBOARD_NAME, "Authorization code response")
            .expect(query.contains("code="), "a code was to come")
            .expect(query.contains("iss="), "the answer was to name its issuer (RFC 9207)"),
    );
    let now = world.servers.clock().now();
    let tokens = provider.finish(pending, &query, now, random.as_ref()).await?;
    let words = "POST authorization code (Token request)";
    tell(Step::new(Some(5), DASHBOARD_NAME, PROVIDER, words));
    let lasts = answered.last().get("refresh_expires_in").and_then(Value::as_u64);
    tell(
        Step::new(Some(6), PROVIDER, DASHBOARD_NAME, "200 Access/Refresh Token payload response")
            .token("access_token", tokens.access_token.expose())
            .token("refresh_token", tokens.refresh_token.as_ref().map_or("", |it| it.expose()))
            .detail("refresh_expires_in", lasts.map_or_else(String::new, |it| it.to_string()))
            .detail("id_token", format!("verified, sub {}", tokens.identity.subject))
            .expect(tokens.refresh_token.is_some(), "a refresh token was to come")
            .expect(lasts.is_some(), "refresh_expires_in was to be said (A23)"),
    );
    Ok(tokens.access_token)
}

/// The requests up to the authorization request, and what came after it.
fn told_apart(mut heard: Vec<Message>) -> (Vec<Message>, Vec<Message>) {
    let end = heard.iter().position(|it| it.url.starts_with(AUTHORIZE)).map_or(0, |at| at + 1);
    let after = heard.split_off(end);
    (heard, after)
}

/// A token of the API's own server, for somebody.
pub(super) async fn pbench_token(world: &World, username: &str) -> Result<AccessToken, Failure> {
    let brought = sign_in(world, username, DASHBOARD, false).await?;
    let answer = results::send(&world.servers, Method::POST, TOKEN, Some(&brought)).await?;
    let body: Value = serde_json::from_slice(answer.body())?;
    let token = body.get("access_token").and_then(Value::as_str).ok_or("no token was given")?;
    Ok(AccessToken::new(token))
}
