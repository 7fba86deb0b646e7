//! Flow 002 from the first request to the data.

mod arrows;
mod files;
mod narrator;
mod refusals;
mod world;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{Client, Person, Registration, Subject};
use countersign_client_auth::Proof;
use countersign_login::{Credentials, RelyingParty, headless, upstream};
use countersign_types::{ClientId, Issuer, RedirectUri, ScopeSet};
use serde_json::Value;

pub(super) use self::world::World;
use self::world::{ALICE, CLIENT, Grounds, Ports, RESOURCE, RS, STS, UMA};
use super::servers::{Failure, Servers};
use super::story::{Data, Party, Step};
use super::teller::Teller;
use super::{Flow, at};
use crate::output::Output;

impl Flow for World {
    const NUMBER: &'static str = "002";
    const TITLE: &'static str = "UMA, a security token service and a ticket challenge";
    const CONFIG: &'static str = files::CLIENT;

    type Grounds = Grounds;

    fn prepare() -> Result<Grounds, Failure> {
        Grounds::prepare()
    }

    fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        Self::start(grounds, teller)
    }

    fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    fn into_servers(self) -> Servers {
        self.servers
    }

    /// What to type at a shell to sign in as Alice and get the data.
    fn commands(program: &str, folder: &Path) -> Vec<String> {
        let password = at(folder, files::PASSWORD);
        vec![
            format!("{program} login {STS} --headless --username alice --password-file {password}"),
            format!("{program} request --explain {RESOURCE}"),
        ]
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        introduce(self);
        let teller = self.servers.teller();
        teller.heading("The flow");
        teller.registers("RS", "UMA Server", UMA).await;
        let subject = match sign_in(self).await {
            Ok(subject) => subject,
            Err(error) => {
                teller.step(nobody_signed_in(error.as_ref()));
                return Ok(());
            }
        };
        let client = client(self, subject)?;
        let body = run(self, &client).await?;

        teller.heading("Three refusals");
        self.narrator().fall_silent();
        for refusal in refusals::try_all(self, &client).await {
            teller.refusal(refusal);
        }
        if let Some(body) = body {
            teller.heading("The data");
            teller.data(data(&body));
        }
        Ok(())
    }
}

/// Writes what the servers and the client need to be started by hand.
pub(super) fn write(folder: &Path, out: Output) -> Result<(), Failure> {
    super::files::write_new(folder, |made| world::write(made, Ports::BY_HAND).map(drop))?;
    let folder = std::fs::canonicalize(folder)?;
    let text = format!(
        "\
Written to {shown}. Start each server in a terminal of its own:

  sts {sts}
  uma-server {uma}
  resource-server {rs}

Then sign in as Alice and get the data:

{client}",
        shown = folder.display(),
        sts = at(&folder, files::STS),
        uma = at(&folder, files::UMA),
        rs = at(&folder, files::RS),
        client = super::indented(&super::client_commands::<World>("countersign", &folder)),
    );
    let json = serde_json::json!({
        "folder": folder, "sts": at(&folder, files::STS), "uma_server": at(&folder, files::UMA),
        "resource_server": at(&folder, files::RS), "client": at(&folder, files::CLIENT),
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

/// Who takes part, a line each.
fn introduce(world: &World) {
    let ports = world.ports();
    let server = |domain, role, url, port: u16| Party {
        domain,
        role,
        url: Some(url),
        listens: Some(format!("127.0.0.1:{port}")),
        ..Party::default()
    };
    world.servers.teller().parties(vec![
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
    world.servers.teller().line(
        "\n  Neither domain's servers know of the other's. Alice is alice@alice.example; the STS is\n  \
         part of her OpenID provider.",
    );
}

/// Alice signs in, in the way a script does: the provider's page is fetched and its form filled.
async fn sign_in(world: &World) -> Result<Subject, Failure> {
    let (issuer, client) = (Issuer::parse(STS)?, ClientId::parse(CLIENT)?);
    let registration = upstream::Registration::confidential(client, world.sts_secret());
    let provider = RelyingParty::discover(world.servers.fetch(), &issuer, registration).await?;
    let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback")?;
    let scope = ScopeSet::parse("openid email claims-provider")?;
    let (url, pending) = provider.begin(&redirect_uri, &scope, world.servers.random().as_ref())?;
    let credentials = Credentials { username: "alice".to_owned(), password: world.password() };
    let fetch = world.servers.fetch();
    let query = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials).await?;
    let tokens = provider
        .finish(pending, &query, world.servers.clock().now(), world.servers.random().as_ref())
        .await?;
    let email = tokens.identity.email.clone().ok_or("the ID token has no e-mail address")?;
    let step = Step::new(None, "RqP Client", "STS", "Alice signs in (before the flow)")
        .detail("scope", tokens.scope.to_string())
        .detail("sub", tokens.identity.subject.clone())
        .detail("email", email.to_string())
        .token("access_token", tokens.access_token.expose())
        .expect(email.as_str() == ALICE, "somebody else signed in");
    world.servers.teller().step(step);
    let person = Person::SubjectAndEmail(tokens.identity.subject, email);
    Ok(Subject { access_token: tokens.access_token, person })
}

/// The step in the place of the sign-in, if it fails.
fn nobody_signed_in(error: &(dyn Error + Send + Sync)) -> Step {
    Step::new(None, "RqP Client", "STS", "Alice signs in (before the flow)")
        .detail("error", crate::failure::one_line(&error.to_string()))
        .expect(false, "Alice was to be signed in")
}

/// The requesting party's client, as an application would build it.
fn client(world: &World, subject: Subject) -> Result<Client, Failure> {
    let registration = |issuer: &str, proof: Proof| {
        Ok::<_, Failure>(Registration {
            issuer: Issuer::parse(issuer)?,
            client_id: ClientId::parse(CLIENT)?,
            proof,
        })
    };
    let provider = registration(STS, Proof::SecretBasic(world.sts_secret()))?;
    let uma = registration(UMA, Proof::SecretBasic(world.uma_secret()))?;
    let (fetch, clock, random) =
        (world.servers.fetch(), world.servers.clock(), world.servers.random());
    Ok(Client::builder(fetch, clock, random, provider, Arc::new(subject))
        .with_registration(uma)
        .with_observer(world.narrator())
        .build())
}

/// Arrows 1 to 9. The body of the last, if it came.
async fn run(world: &World, client: &Client) -> Result<Option<Bytes>, Failure> {
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
fn data(body: &[u8]) -> Data {
    let found = serde_json::from_slice::<Value>(body).ok();
    let differs = if found == Some(files::data()) {
        Vec::new()
    } else {
        vec!["it is not what is configured at the resource server".to_owned()]
    };
    Data { body: String::from_utf8_lossy(body).into_owned(), differs }
}

#[cfg(test)]
mod tests;
