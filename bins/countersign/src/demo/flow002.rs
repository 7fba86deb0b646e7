//! Flow 002 from the first request to the data.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{Client, Person, Registration, Subject};
use countersign_client_auth::Proof;
use countersign_login::{Credentials, RelyingParty, headless, upstream};
use countersign_types::{ClientId, Issuer, RedirectUri, ScopeSet};
use serde_json::Value;

use super::files;
use super::story::{Data, Party, Step};
use super::world::{ALICE, CLIENT, RESOURCE, RS, STS, UMA, World};

type Failure = Box<dyn Error + Send + Sync>;

/// Who takes part, a line each.
pub(super) fn introduce(world: &World) {
    let ports = world.ports();
    let server = |domain, role, url, port: u16| Party {
        domain,
        role,
        url: Some(url),
        listens: Some(format!("127.0.0.1:{port}")),
        ..Party::default()
    };
    world.narrator().parties(vec![
        server("alice.example", "Security Token Service (STS)", STS, ports.sts),
        server("bob.example", "UMA Server", UMA, ports.uma),
        server("bob.example", "Resource Server (RS)", RS, ports.rs),
        Party {
            domain: "alice.example",
            role: "RqP Client",
            client_id: Some(CLIENT),
            registered_at: vec![STS, UMA],
            ..Party::default()
        },
    ]);
    world.narrator().line(
        "\n  Neither domain's servers know of the other's. Alice is alice@alice.example; the STS is\n  \
         part of her OpenID provider.",
    );
}

/// Alice signs in, in the way a script does: the provider's page is fetched and its form filled.
pub(super) async fn sign_in(world: &World) -> Result<Subject, Failure> {
    let (issuer, client) = (Issuer::parse(STS)?, ClientId::parse(CLIENT)?);
    let registration = upstream::Registration::confidential(client, world.sts_secret());
    let provider = RelyingParty::discover(world.fetch(), &issuer, registration).await?;
    let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback")?;
    let scope = ScopeSet::parse("openid email claims-provider")?;
    let (url, pending) = provider.begin(&redirect_uri, &scope, world.random().as_ref())?;
    let credentials = Credentials { username: "alice".to_owned(), password: world.password() };
    let fetch = world.fetch();
    let query = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials).await?;
    let tokens =
        provider.finish(pending, &query, world.clock().now(), world.random().as_ref()).await?;
    let email = tokens.identity.email.clone().ok_or("the ID token has no e-mail address")?;
    let step = Step::new(None, "RqP Client", "STS", "Alice signs in (before the flow)")
        .detail("scope", tokens.scope.to_string())
        .detail("sub", tokens.identity.subject.clone())
        .detail("email", email.to_string())
        .token("access_token", tokens.access_token.expose())
        .expect(email.as_str() == ALICE, "somebody else signed in");
    world.narrator().step(step);
    let person = Person::SubjectAndEmail(tokens.identity.subject, email);
    Ok(Subject { access_token: tokens.access_token, person })
}

/// The step in the place of the sign-in, if it fails.
pub(super) fn nobody_signed_in(error: &(dyn Error + Send + Sync)) -> Step {
    Step::new(None, "RqP Client", "STS", "Alice signs in (before the flow)")
        .detail("error", crate::failure::one_line(&error.to_string()))
        .expect(false, "Alice was to be signed in")
}

/// The requesting party's client, as an application would build it.
pub(super) fn client(world: &World, subject: Subject) -> Result<Client, Failure> {
    let registration = |issuer: &str, proof: Proof| {
        Ok::<_, Failure>(Registration {
            issuer: Issuer::parse(issuer)?,
            client_id: ClientId::parse(CLIENT)?,
            proof,
        })
    };
    let provider = registration(STS, Proof::SecretBasic(world.sts_secret()))?;
    let uma = registration(UMA, Proof::SecretBasic(world.uma_secret()))?;
    let (fetch, clock, random) = (world.fetch(), world.clock(), world.random());
    Ok(Client::builder(fetch, clock, random, provider, Arc::new(subject))
        .with_registration(uma)
        .with_observer(world.observer())
        .build())
}

/// Arrows 1 to 9. The body of the last, if it came.
pub(super) async fn run(world: &World, client: &Client) -> Result<Option<Bytes>, Failure> {
    let request = http::Request::get(RESOURCE).body(Bytes::new())?;
    Ok(match client.request(request).await {
        Ok(response) => {
            world.narrator().flow_ended(None);
            Some(response.into_body())
        }
        Err(error) => {
            world.narrator().flow_ended(Some(crate::failure::Failure::from(error).line()));
            None
        }
    })
}

/// The data that came, compared with what Bob's configuration says.
pub(super) fn data(body: &[u8]) -> Data {
    let found = serde_json::from_slice::<Value>(body).ok();
    let differs = if found == Some(files::data()) {
        Vec::new()
    } else {
        vec!["it is not what is configured at the resource server".to_owned()]
    };
    Data { body: String::from_utf8_lossy(body).into_owned(), differs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_data_differs() {
        assert!(data(files::data().to_string().as_bytes()).differs.is_empty());
        for other in ["", "{}", "{\"message\":\"Hello Alice, this is Bob's data.\"}"] {
            assert!(!data(other.as_bytes()).differs.is_empty(), "{other}");
        }
    }
}
