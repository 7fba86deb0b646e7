//! Flow 002 from the first request to the data.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{Client, Person, Registration, Subject};
use countersign_client_auth::Proof;
use countersign_login::{Credentials, RelyingParty, headless, upstream};
use countersign_types::{ClientId, Issuer, RedirectUri, ScopeSet};

use super::story::{Party, Step};
use super::world::{ALICE, CLIENT, RESOURCE, RS, STS, UMA, World};

type Failure = Box<dyn Error + Send + Sync>;

/// Who takes part, a line each.
pub(super) fn introduce<W: Write + Send + 'static>(world: &World<W>) -> std::io::Result<()> {
    let ports = world.ports();
    let parties = [
        ("alice.example", "Security Token Service (STS), Alice's provider", STS, ports.sts),
        ("bob.example", "UMA Server", UMA, ports.uma),
        ("bob.example", "Resource Server (RS)", RS, ports.rs),
    ];
    for (domain, role, url, port) in parties {
        let listens = format!("127.0.0.1:{port}");
        world
            .narrator()
            .tell(|story| story.party(Party { domain, role, url: url.to_owned(), listens }))?;
    }
    world.narrator().tell(|story| {
        story.party(Party {
            domain: "alice.example",
            role: "RqP Client, Alice's application",
            url: format!("client_id {CLIENT}"),
            listens: "registered at both".to_owned(),
        })?;
        story
            .line("\n  Neither domain's servers know of the other's. Alice is alice@alice.example.")
    })
}

/// Alice signs in, in the way a script does: the provider's page is fetched and its form filled.
pub(super) async fn sign_in<W: Write + Send + 'static>(
    world: &World<W>,
) -> Result<Subject, Failure> {
    let (issuer, client) = (Issuer::parse(STS)?, ClientId::parse(CLIENT)?);
    let registration = upstream::Registration::confidential(client, world.sts_secret());
    let provider = RelyingParty::discover(world.fetch(), &issuer, registration).await?;
    let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback")?;
    let scope = ScopeSet::parse("openid email claims-provider")?;
    let (url, pending) = provider.begin(&redirect_uri, &scope, world.random().as_ref())?;
    let credentials = Credentials { username: "alice".to_owned(), password: world.password() };
    let fetch = world.fetch();
    let query = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials).await?;
    let tokens = provider.finish(pending, &query, world.clock().now()).await?;
    let email = tokens.identity.email.clone().ok_or("the ID token has no e-mail address")?;
    let step = Step::new(None, "RqP Client", "STS", "Alice signs in (before the flow)")
        .detail("scope", tokens.scope.to_string())
        .detail("sub", tokens.identity.subject.clone())
        .detail("email", email.to_string())
        .token("access_token", tokens.access_token.expose())
        .expect(email.as_str() == ALICE, "somebody else signed in");
    world.narrator().tell(|story| story.step(step))?;
    let person = Person::SubjectAndEmail(tokens.identity.subject, email);
    Ok(Subject { access_token: tokens.access_token, person })
}

/// The requesting party's client, as an application would build it.
pub(super) fn client<W: Write + Send + 'static>(
    world: &World<W>,
    subject: Subject,
) -> Result<Client, Failure> {
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

/// Arrows 1 to 9, and the data.
pub(super) async fn run<W: Write + Send + 'static>(
    world: &World<W>,
    client: &Client,
) -> Result<(), Failure> {
    let request = http::Request::get(RESOURCE).body(Bytes::new())?;
    let response = client.request(request).await?;
    let last = world.narrator().last_arrow();
    let data = String::from_utf8_lossy(response.body()).into_owned();
    world.narrator().tell(|story| {
        story.heading("The data")?;
        story.data(data)
    })?;
    if last == 9 { Ok(()) } else { Err(format!("the flow ended at arrow {last}").into()) }
}
