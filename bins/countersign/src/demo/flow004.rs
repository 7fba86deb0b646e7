//! Flow 004: in the drawing's form of the actor token, then in the strict one.

mod arrows;
mod checks;
mod files;
mod narrator;
mod refusals;
mod world;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{
    ActingClient, ActorForm, IdentityPropagator, Person, PropagationError, Subject,
};
use countersign_login::{Credentials, RelyingParty, headless, upstream};
use countersign_types::{Issuer, RedirectUri, ScopeSet};
use http::StatusCode;
use serde_json::Value;

use self::arrows::{CLIENT, Expected, IDP};
pub(super) use self::world::World;
use self::world::{ALICE, Grounds, LETTERS, MAIL, NEWS, RP, STS, STS_MALLORY};
use super::servers::{Failure, Servers};
use super::story::{Data, Party, Step};
use super::teller::Teller;
use super::{Flow, at};
use crate::command::acting::proof;

/// As drawn: the actor token is made out to the relying party.
const DRAWN: Expected =
    Expected { form: ActorForm::Target, method: "GET", url: LETTERS, status: StatusCode::OK };

/// By the letter of RFC 7519 §4.1.3: the actor token is for who reads it.
const STRICT: Expected =
    Expected { form: ActorForm::Issuer, method: "POST", url: LETTERS, status: StatusCode::CREATED };

const LETTER: &str = "Hello Bob, this is Alice.";

impl Flow for World {
    const NUMBER: &'static str = "004";
    const TITLE: &'static str = "identity propagation, and a relying party that decides by itself";
    const CONFIG: &'static str = files::CLIENT;

    type Grounds = Grounds;

    fn prepare() -> Result<Grounds, Failure> {
        Grounds::prepare()
    }

    fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        Self::start(grounds, teller, DRAWN)
    }

    fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    fn into_servers(self) -> Servers {
        self.servers
    }

    /// What to type at a shell to sign in as Alice, and to act for her as mail.example.
    fn commands(program: &str, folder: &Path) -> Vec<String> {
        let (password, mail) = (at(folder, files::PASSWORD), at(folder, "mail"));
        let request = format!("{program} request --identity-propagation --client {mail}");
        vec![
            format!("{program} login {STS} --headless --username alice --password-file {password}"),
            format!("{request} --explain {LETTERS}"),
            format!("{request} --data '{LETTER}' {LETTERS}"),
            format!(
                "{program} exchange --explain --client {mail} --actor-token-form drawing \
                 --resource {RP} --requested-token-type jwt"
            ),
        ]
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        introduce(self);
        let teller = self.servers.teller();
        teller.heading("The flow, as drawn: the actor_token is made out to the RP");
        let mail = self.mail.acting().map_err(|failure| failure.line())?;
        let subject = match sign_in(self, &mail).await {
            Ok(subject) => subject,
            Err(error) => {
                let step = Step::new(None, CLIENT, IDP, "Alice signs in (before the flow)");
                let said = crate::failure::one_line(&error.to_string());
                teller.step(step.detail("error", said).expect(false, "Alice was to be signed in"));
                return Ok(());
            }
        };
        let client = refusals::propagator(self, mail.clone(), subject.clone(), ActorForm::Target)?;
        let body = run(self, &client, http::Request::get(LETTERS).body(Bytes::new())?).await;

        teller.heading("Once more, strictly: the actor_token is for the IdP-STS alone");
        self.narrator().begin(STRICT);
        let client = refusals::propagator(self, mail, subject, ActorForm::Issuer)?;
        let _ = run(self, &client, http::Request::post(LETTERS).body(Bytes::from(LETTER))?).await;

        teller.heading("Three refusals");
        self.narrator().fall_silent();
        for refusal in refusals::try_all(self).await {
            teller.refusal(refusal);
        }
        if let Some(body) = body {
            teller.heading("The data");
            teller.data(data(&body));
        }
        Ok(())
    }
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
    let teller = world.servers.teller();
    teller.parties(vec![
        server("alice.example", "Identity Provider and STS (IdP-STS)", STS, ports.sts),
        server("mail.example", "Client", MAIL, ports.mail),
        server("bob.example", "Relying Party (RP)", RP, ports.rp),
        server("news.example", "another client", NEWS, ports.news),
        Party {
            domain: "mallory.example",
            role: "an attacker",
            url: Some(STS_MALLORY),
            ..Party::default()
        },
    ]);
    teller.line(
        "\n  Nobody registered anybody: a client is its URL, where its keys are, and the RP finds Alice's\n  \
         provider from her address. Alice is alice@alice.example.",
    );
}

/// Alice signs in at the client, in the way a script does: the provider's page is fetched and its
/// form filled.
async fn sign_in(world: &World, mail: &ActingClient) -> Result<Subject, Failure> {
    let subject = signed_in(world, mail, "https://mail.example/callback").await?;
    let Person::SubjectAndEmail(sub, email) = &subject.person else {
        return Err("the ID token has no e-mail address".into());
    };
    let step = Step::new(None, CLIENT, IDP, "Alice signs in (before the flow)")
        .detail("sub", sub.clone())
        .detail("email", email.to_string())
        .token("access_token", subject.access_token.expose())
        .expect(email.as_str() == ALICE, "somebody else signed in");
    world.servers.teller().step(step);
    Ok(subject)
}

/// Alice, signed in at a client that is known by its URL.
async fn signed_in(
    world: &World,
    acting: &ActingClient,
    callback: &str,
) -> Result<Subject, Failure> {
    let registration = upstream::Registration::new(acting.client_id.clone(), proof(acting));
    let (issuer, random) = (Issuer::parse(STS)?, world.servers.random());
    let fetch = world.servers.fetch();
    let provider = RelyingParty::discover(Arc::clone(&fetch), &issuer, registration).await?;
    let callback = RedirectUri::parse(callback)?;
    let scope = ScopeSet::parse("openid email")?;
    let (url, pending) = provider.begin(&callback, &scope, random.as_ref())?;
    let credentials = Credentials { username: "alice".to_owned(), password: world.password() };
    let query = headless::sign_in(fetch.as_ref(), &url, &callback, &credentials).await?;
    let now = world.servers.clock().now();
    let tokens = provider.finish(pending, &query, now, random.as_ref()).await?;
    let email = tokens.identity.email.ok_or("the ID token has no e-mail address")?;
    let person = Person::SubjectAndEmail(tokens.identity.subject, email);
    Ok(Subject { access_token: tokens.access_token, person })
}

/// Arrows 1 to 10. The body of the last, if it came.
async fn run(
    world: &World,
    client: &IdentityPropagator,
    request: http::Request<Bytes>,
) -> Option<Bytes> {
    match client.request(request).await {
        Ok(response) => {
            world.narrator().flow_ended(None);
            Some(response.into_body())
        }
        Err(error) => {
            world.narrator().flow_ended(Some(line(error)));
            None
        }
    }
}

fn line(error: PropagationError) -> String {
    crate::failure::Failure::from(error).line()
}

/// The data that came, compared with what the relying party has.
fn data(body: &[u8]) -> Data {
    let found = serde_json::from_slice::<Value>(body).ok();
    let differs = if found == Some(Value::from(files::letters())) {
        Vec::new()
    } else {
        vec!["it is not what the relying party has".to_owned()]
    };
    Data { body: String::from_utf8_lossy(body).into_owned(), differs }
}

#[cfg(test)]
mod tests;
