//! Whose access tokens there are: Alice's and Bob's, who sign in, and the agent's own.

use std::error::Error;
use std::sync::Arc;

use countersign_client::{Client, OwnAccess, Person, Registration, Subject, SubjectToken};
use countersign_client_auth::Proof;
use countersign_fetch::Fetch;
use countersign_fetch::request::BoxFuture;
use countersign_login::{Credentials, RelyingParty, headless, upstream};
use countersign_types::random::Random;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Clock, EmailAddress, Issuer, RedirectUri, ScopeSet};
use tokio::sync::Mutex;

use super::narrator::{AUTHN_NAME, CLIENT};
use super::world::{AUTHN, CLAIMS, World};
use crate::demo::servers::Failure;
use crate::demo::story::Step;
use crate::demo::teller::Teller;

/// Whoever signs in at a provider, in the way a script does, and through which client.
pub(super) struct SignIn {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    provider: String,
    client: (&'static str, String),
    person: (&'static str, String),
    kept: Mutex<Option<Subject>>,
}

impl SignIn {
    pub(super) fn new(
        world: &World,
        provider: &str,
        (client, secret): (&'static str, &str),
        (username, password): (&'static str, &str),
    ) -> Self {
        let servers = &world.servers;
        Self {
            fetch: servers.fetch(),
            clock: servers.clock(),
            random: servers.random(),
            provider: provider.to_owned(),
            client: (client, secret.to_owned()),
            person: (username, password.to_owned()),
            kept: Mutex::new(None),
        }
    }

    async fn sign_in(&self) -> Result<Subject, Failure> {
        let (issuer, id) = (Issuer::parse(&self.provider)?, ClientId::parse(self.client.0)?);
        let secret = ClientSecret::new(self.client.1.as_str());
        let registration = upstream::Registration::confidential(id, secret);
        let provider =
            RelyingParty::discover(Arc::clone(&self.fetch), &issuer, registration).await?;
        let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback")?;
        let scope = ScopeSet::parse("openid email claims-provider")?;
        let random = self.random.as_ref();
        let (url, pending) = provider.begin(&redirect_uri, &scope, random)?;
        let (username, password) =
            (self.person.0.to_owned(), Password::new(self.person.1.as_str()));
        let credentials = Credentials { username, password };
        let fetch = self.fetch.as_ref();
        let query = headless::sign_in(fetch, &url, &redirect_uri, &credentials).await?;
        let tokens = provider.finish(pending, &query, self.clock.now(), random).await?;
        let email = tokens.identity.email.clone().ok_or("the ID token has no e-mail address")?;
        let person = Person::SubjectAndEmail(tokens.identity.subject, email);
        Ok(Subject { access_token: tokens.access_token, person })
    }
}

/// They sign in when the client first needs them to.
impl SubjectToken for SignIn {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        Box::pin(async {
            let mut kept = self.kept.lock().await;
            if let Some(subject) = &*kept {
                return Ok(subject.clone());
            }
            Ok(kept.insert(self.sign_in().await?).clone())
        })
    }
}

/// Arrows 3 and 4, the first time that the client needs an access token.
struct Drawn {
    subject: Arc<dyn SubjectToken>,
    grant: &'static str,
    teller: Arc<Teller>,
    told: Mutex<bool>,
}

impl SubjectToken for Drawn {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        Box::pin(async {
            let mut told = self.told.lock().await;
            self.teller.comparisons(CLIENT);
            let subject = self.subject.subject_token().await?;
            if !std::mem::replace(&mut *told, true) {
                let words = format!("Get access_token (grant_type={})", self.grant);
                let step = Step::new(Some(3), CLIENT, AUTHN_NAME, words);
                self.teller.step(step.detail("scope", "claims-provider"));
                let token = subject.access_token.expose();
                let step = Step::new(Some(4), AUTHN_NAME, CLIENT, "Return access_token")
                    .token("access_token", token);
                let claims = step.details.first().and_then(|detail| detail.claims.clone());
                let claims = claims.unwrap_or_default();
                let has = |name: &str, value: &str| {
                    claims.get(name).is_some_and(|claim| claim.to_string().contains(value))
                };
                self.teller.step(
                    step.expect(has("scope", "claims-provider"), "the scope is another")
                        .expect(has("aud", CLAIMS), "it is not for the claims provider"),
                );
            }
            Ok(subject)
        })
    }
}

fn known_at(issuer: &str, (id, secret): (&str, &str)) -> Result<Registration, Failure> {
    Ok(Registration {
        issuer: Issuer::parse(issuer)?,
        client_id: ClientId::parse(id)?,
        proof: Proof::SecretBasic(ClientSecret::new(secret)),
    })
}

/// What Alice's application is known by.
pub(super) fn application(world: &World) -> (&'static str, &str) {
    ("rqp-client", &world.secrets.client)
}

fn agent(world: &World) -> (&'static str, &str) {
    ("night-agent", &world.secrets.agent)
}

/// The client of branch A, for whoever signs in; its arrows are told where it is `drawn`.
pub(super) fn client_of(
    world: &World,
    username: &'static str,
    drawn: bool,
) -> Result<Client, Failure> {
    let known = application(world);
    let subject = SignIn::new(world, AUTHN, known, (username, &world.secrets.password));
    build(world, known, Arc::new(subject), "authorization_code", drawn, None)
}

/// The client of branch B: it names the person of this address.
pub(super) fn agent_of(world: &World, address: &str, drawn: bool) -> Result<Client, Failure> {
    let address = EmailAddress::parse(address)?;
    let own = OwnAccess::new(
        known_at(AUTHN, agent(world))?,
        address.clone(),
        world.servers.fetch(),
        world.servers.clock(),
        world.servers.random(),
    )
    .for_claims_provider(Issuer::parse(CLAIMS)?);
    build(world, agent(world), Arc::new(own), "client_credentials", drawn, Some(address))
}

fn build(
    world: &World,
    known: (&str, &str),
    subject: Arc<dyn SubjectToken>,
    grant: &'static str,
    drawn: bool,
    named: Option<EmailAddress>,
) -> Result<Client, Failure> {
    let teller = world.servers.teller();
    let subject: Arc<dyn SubjectToken> = match drawn {
        true => Arc::new(Drawn { subject, grant, teller, told: Mutex::new(false) }),
        false => subject,
    };
    let servers = &world.servers;
    let (fetch, clock, random) = (servers.fetch(), servers.clock(), servers.random());
    let mut builder = Client::builder(fetch, clock, random, known_at(AUTHN, known)?, subject)
        .with_claims_provider(Issuer::parse(CLAIMS)?)
        .with_registration(known_at(&world.places.uma.url, known)?);
    if let Some(address) = named {
        builder = builder.naming(address);
    }
    if drawn {
        builder = builder.with_observer(Arc::clone(&world.narrator) as _);
    }
    Ok(builder.build())
}

/// The reader of somebody in Bob's domain, which exchanges tokens at their own provider.
pub(super) fn reader_of(world: &World, username: &'static str) -> Result<Client, Failure> {
    let known = ("bobs-reader", world.secrets.reader.as_str());
    let idp = &world.places.idp.url;
    let subject = SignIn::new(world, idp, known, (username, &world.secrets.bobs_password));
    let servers = &world.servers;
    let (fetch, clock, random) = (servers.fetch(), servers.clock(), servers.random());
    Ok(Client::builder(fetch, clock, random, known_at(idp, known)?, Arc::new(subject))
        .with_registration(known_at(&world.places.uma.url, known)?)
        .build())
}
