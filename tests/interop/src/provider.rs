//! Our client and our APIs with a foreign provider.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_fetch::{Limits, Request};
use countersign_jwt::Sign;
use countersign_login::{Credentials, Registration, RelyingParty, headless};
use countersign_types::secret::{AccessToken, Password};
use countersign_types::{ClientId, EndpointUrl, Issuer, RedirectUri, ScopeSet};
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::world::{API, ASKING_API, CLIENT, PROVIDER, REDIRECT_URI, World};
use crate::{Failure, check};

/// Runs the provider, and everything we do with it.
pub(crate) async fn run(world: &World, node: &str) -> Result<(), Failure> {
    let mut provider =
        world.command(Path::new(node), Some("provider.mjs")).stdout(Stdio::piped()).spawn()?;
    let said = provider.stdout.take().ok_or("the provider's output is not read")?;
    // It says little after this; the pipe stays open until the end.
    let mut said = BufReader::new(said).lines();
    let first = said.next_line().await?;
    check("the provider listens", first.as_deref() == Some("listening"), &first)?;

    let person = signs_in(world).await?;
    let read = world.read(API, &person).await?;
    let expected = format!("carol through {CLIENT}");
    check("its access token, verified here, lets carol in", read == (200, expected), &read)?;
    let read = world.read(ASKING_API, &person).await?;
    check("and nobody at an API that it is not for", read.0 == 401, &read)?;
    let read = world.read(API, &with_another_signature(&person)).await?;
    check("and nobody once it is changed", read.0 == 401, &read)?;

    let opaque = world.credentials(ASKING_API, "letters.read").await?;
    check("its other access token is opaque", !opaque.expose().contains('.'), opaque.expose())?;
    let read = world.read(ASKING_API, &opaque).await?;
    let expected = format!("nobody through {CLIENT}");
    check(
        "the layer asks, by private_key_jwt, and lets the client in",
        read == (200, expected),
        &read,
    )?;
    let weak = world.credentials(ASKING_API, "letters.write").await?;
    let read = world.read(ASKING_API, &weak).await?;
    check("a token without the scope does not suffice", read.0 == 403, &read)?;
    let revoked = world.post("revocation_endpoint", &[("token", opaque.expose())]).await?;
    check("the provider revokes it", revoked.0 == StatusCode::OK, &revoked)?;
    let read = world.read(ASKING_API, &opaque).await?;
    check("from then on it lets nobody in", read.0 == 401, &read)?;
    check("the provider is still there", provider.try_wait()?.is_none(), "it ended")?;
    provider.kill().await?;
    Ok(())
}

/// A person signs in for our client: code, PKCE, private_key_jwt, ID token.
async fn signs_in(world: &World) -> Result<AccessToken, Failure> {
    let proof = Proof::PrivateKeyJwt(Arc::clone(&world.key) as Arc<dyn Sign>);
    let registration = Registration::new(ClientId::parse(CLIENT)?, proof);
    let issuer = Issuer::parse(PROVIDER)?;
    let provider = RelyingParty::discover(Arc::clone(&world.http), &issuer, registration).await?;
    let redirect_uri = RedirectUri::parse(REDIRECT_URI)?;
    let (scope, random) = (ScopeSet::parse("openid letters.read")?, world.seams.random.as_ref());
    let (url, pending) = provider.begin(&redirect_uri, &scope, random)?;
    let carol =
        Credentials { username: "carol".to_owned(), password: Password::new("carol's password") };
    let query = headless::sign_in(world.http.as_ref(), &url, &redirect_uri, &carol).await?;
    let tokens = provider.finish(pending, &query, world.seams.clock.now(), random).await?;
    check("a person signs in for a client known by its document", true, ())?;
    Ok(tokens.access_token)
}

impl World {
    /// Status and body of what an API answers.
    async fn read(&self, api: &str, token: &AccessToken) -> Result<(u16, String), Failure> {
        let url = EndpointUrl::parse(&format!("{api}/letters"))?;
        let bearer = format!("Bearer {}", token.expose()).try_into()?;
        let request = Request::get(url, Limits::resource()).with_header(AUTHORIZATION, bearer);
        let answer = self.http.fetch(request).await?;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        Ok((answer.status().as_u16(), body))
    }

    /// A token for our client itself.
    async fn credentials(&self, api: &str, scope: &str) -> Result<AccessToken, Failure> {
        let params = [("grant_type", "client_credentials"), ("resource", api), ("scope", scope)];
        let (status, answer) = self.post("token_endpoint", &params).await?;
        check("our client gets a token by private_key_jwt", status == StatusCode::OK, &answer)?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(AccessToken::new(token.ok_or("no access token")?))
    }

    /// Posts a form to an endpoint that the provider publishes, as our client.
    async fn post(
        &self,
        endpoint: &str,
        params: &[(&str, &str)],
    ) -> Result<(StatusCode, Value), Failure> {
        let url = EndpointUrl::parse(&format!("{PROVIDER}/.well-known/openid-configuration"))?;
        let metadata = self.http.fetch(Request::get(url, Limits::resource())).await?;
        let metadata: Value = serde_json::from_slice(metadata.body())?;
        let url = metadata.get(endpoint).and_then(Value::as_str).ok_or("no such endpoint")?;
        let url = EndpointUrl::parse(url)?;
        let proof = Proof::PrivateKeyJwt(Arc::clone(&self.key) as Arc<dyn Sign>).present(
            &ClientId::parse(CLIENT)?,
            &Issuer::parse(PROVIDER)?,
            self.seams.clock.now(),
            self.seams.random.as_ref(),
        )?;
        let own = proof.params.iter().map(|(name, value)| (*name, value.as_str()));
        let params: Vec<_> = params.iter().copied().chain(own).collect();
        let request = Request::post_form(url, &params, Limits::resource());
        let answer = self.http.fetch(request).await?;
        Ok((answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default()))
    }
}

/// The same with the first octet of its signature changed.
fn with_another_signature(token: &AccessToken) -> AccessToken {
    let (before, signature) = token.expose().rsplit_once('.').unwrap_or_default();
    let (first, rest) = signature.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    AccessToken::new(format!("{before}.{other}{rest}"))
}
