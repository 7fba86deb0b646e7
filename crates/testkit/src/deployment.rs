//! Alice's and Bob's domains in one process: real sockets, real TLS, real configuration files.

mod builder;
mod party;
mod place;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use countersign_client::subject::{Person, Subject};
use countersign_fetch::{ConnectTo, Danger, Fetch, FetchConfig, HttpFetch, Roots};
use countersign_host::Seams;
use countersign_host::reload::{Cause, Reload, Trigger};
use countersign_host::server::{self, TlsConfig, Transport};
use countersign_login::{Credentials, Registration, RelyingParty, headless};
use countersign_sts::claims_provider;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, EmailAddress, Issuer, RedirectUri, ScopeSet};
use countersign_uma_service::Uma;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use toml::Table;

pub use self::builder::{Builder, Change};
pub use self::party::Party;
pub(crate) use self::place::{Place, Surroundings};
use crate::audit::Recorder;
use crate::clock::FixedClock;
use crate::configuration as written;
use crate::directory::Directory;
use crate::ear::{Ear, Heard};
use crate::names;
use crate::web::Web;

/// A server that runs in a task of its own.
struct Running {
    stop: oneshot::Sender<()>,
    reload: Trigger,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        // A server that has ended by itself is stopped as well.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Alice's and Bob's domains, running. Everything ends when it is dropped.
pub struct Deployment {
    clock: FixedClock,
    seams: Seams,
    directory: Directory,
    roots: PathBuf,
    connect_to: Vec<String>,
    places: BTreeMap<Party, Place>,
    hosts: BTreeMap<&'static str, Place>,
    running: BTreeMap<Party, Running>,
    configurations: BTreeMap<Party, Table>,
    web: Web,
    recorder: Arc<Recorder>,
    /// They go with their servers.
    umas: BTreeMap<Party, Weak<Uma>>,
    ear: Option<Ear>,
}

impl Deployment {
    /// A deployment to be described.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The clock that everybody goes by.
    #[must_use]
    pub const fn clock(&self) -> &FixedClock {
        &self.clock
    }

    /// The clock and the randomness that everybody uses.
    #[must_use]
    pub fn seams(&self) -> Seams {
        self.seams.clone()
    }

    /// The hosts that say what a test makes them say: [`names::SCRIPTED`].
    #[must_use]
    pub const fn web(&self) -> &Web {
        &self.web
    }

    /// What the servers have recorded of their decisions.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// What reached the servers and what they answered so far, in order: [`Builder::overheard`].
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.ear.as_ref().map(Ear::heard).unwrap_or_default()
    }

    /// Bob's UMA server as he has it before him: what waits for him, and what he decides. It is not
    /// to be kept over [`stop`](Self::stop), since it has the store.
    ///
    /// # Panics
    /// If the server does not run.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn bob(&self) -> Arc<Uma> {
        let uma = self.umas.get(&Party::UmaServer).expect("a UMA server");
        uma.upgrade().expect("a UMA server that runs")
    }

    /// Where the hosts really are, in the form of `danger.connect_to`.
    #[must_use]
    pub fn connect_to(&self) -> &[String] {
        &self.connect_to
    }

    /// The certificate that everybody trusts.
    #[must_use]
    pub fn roots(&self) -> &Path {
        &self.roots
    }

    /// Where configurations, keys and stores are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// An HTTP client that finds and trusts everybody here.
    ///
    /// # Panics
    /// If TLS cannot be set up.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test stops at once without its client")]
    pub fn http(&self) -> Arc<dyn Fetch> {
        let connect_to = ConnectTo::parse(&self.connect_to).expect("a map");
        let config = FetchConfig::default()
            .with_roots(Roots::File(self.roots.clone()))
            .with_danger(Danger::default().with_connect_to(connect_to));
        Arc::new(HttpFetch::new(&config).expect("a client"))
    }

    /// The place of a party that was left out, for the test to take: the listener to which its
    /// hosts lead, and the certificate for them.
    ///
    /// # Panics
    /// If the deployment has no such party, or its place is taken.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn take_place(&mut self, party: Party) -> (TcpListener, TlsConfig) {
        let place = self.places.get_mut(&party).expect("a party of this deployment");
        (place.listener.take().expect("a free place"), place.tls.clone())
    }

    /// The place of a host that was asked for with [`Builder::with_host`]: the listener to which it
    /// leads, and its certificate.
    ///
    /// # Panics
    /// If the deployment has no such host, or it was taken before.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn take_host(&mut self, host: &str) -> (TcpListener, TlsConfig) {
        let place = self.hosts.get_mut(host).expect("a host of this deployment");
        (place.listener.take().expect("a free host"), place.tls.clone())
    }

    /// Signs Alice in, in earnest, and tells who she is: with scope `claims-provider`, through
    /// [`names::RQP_CLIENT`].
    ///
    /// # Panics
    /// If she is not signed in.
    pub async fn alice(&self) -> Subject {
        self.signs_in(names::STS, "alice", names::ALICE_SUB, names::ALICE).await
    }

    /// The same for anybody: at the provider `issuer`, as whom it knows by `username`.
    ///
    /// # Panics
    /// If they are not signed in.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn signs_in(
        &self,
        issuer: &str,
        username: &str,
        subject: &str,
        email: &str,
    ) -> Subject {
        let client = ClientId::parse(names::RQP_CLIENT).expect("a client id");
        let secret = ClientSecret::new(names::RQP_SECRET);
        let registration = Registration::confidential(client, secret);
        let fetch = self.http();
        let issuer = Issuer::parse(issuer).expect("an issuer");
        let provider = RelyingParty::discover(Arc::clone(&fetch), &issuer, registration)
            .await
            .expect("the provider's metadata");
        let redirect_uri = RedirectUri::parse(names::REDIRECT_URI).expect("a redirect URI");
        let scopes = ScopeSet::parse("claims-provider email openid").expect("scopes");
        let (url, pending) = provider
            .begin(&redirect_uri, &scopes, self.seams.random.as_ref())
            .expect("an authentication request");
        let credentials = Credentials {
            username: username.to_owned(),
            password: Password::new(names::ALICE_PASSWORD),
        };
        let query = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials)
            .await
            .expect("an answer");
        let tokens = provider
            .finish(pending, &query, self.seams.clock.now(), self.seams.random.as_ref())
            .await
            .expect("tokens");
        let email = EmailAddress::parse(email).expect("an address");
        Subject {
            access_token: tokens.access_token,
            person: Person::SubjectAndEmail(subject.to_owned(), email),
        }
    }

    /// Stops a party; its host refuses connections until it is started again.
    pub async fn stop(&mut self, party: Party) {
        if let Some(running) = self.running.remove(&party) {
            running.stop().await;
        }
    }

    /// Starts a party again with a changed configuration, on the same store.
    ///
    /// # Panics
    /// If it does not start.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn restart(&mut self, party: Party, change: impl FnOnce(&mut Table)) {
        self.stop(party).await;
        change(self.configurations.get_mut(&party).expect("a party of this deployment"));
        self.run(party).await;
    }

    /// Has a party read its files again, as SIGHUP does. When it has done so is not known.
    pub fn reload(&self, party: Party) {
        if let Some(running) = self.running.get(&party) {
            running.reload.pull(Cause::Asked);
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { connect_to: &self.connect_to, places: &self.places }
    }

    #[expect(clippy::expect_used, reason = "a test stops at once without its web")]
    fn serve_web(&mut self, mut place: Place) {
        let transport = Transport::tls(&place.tls).expect("TLS");
        let listener = place.listener().expect("a listener");
        let router = self.web.router();
        // Ends with the runtime of the test.
        tokio::spawn(server::serve(listener, transport, router, std::future::pending()));
    }

    /// Writes the configuration of a party, for a program that a test starts: [`Builder::without`].
    ///
    /// # Panics
    /// If the deployment has no such party, or the file cannot be written.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn write_configuration(&self, party: Party) -> PathBuf {
        let table = self.configurations.get(&party).expect("a configuration");
        let name = format!("{}.toml", party.file());
        self.directory.write(&name, &table.to_string()).expect("a file")
    }

    /// Loads the configuration and serves, as the program does.
    #[expect(clippy::expect_used, reason = "a test stops at once without its servers")]
    async fn run(&mut self, party: Party) {
        let file = self.write_configuration(party);
        let place = self.places.get_mut(&party).expect("a place");
        let listener = place.listener().expect("a listener");
        let (stop, stopped) = oneshot::channel();
        let (reload, again) = Reload::manual();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let seams = self.seams.clone();
        let composed = match party {
            Party::Sts | Party::EvilSts | Party::University | Party::BobsProvider => {
                let config = countersign_sts::load(&file).expect("an STS configuration");
                let audit = Arc::clone(&self.recorder) as _;
                countersign_sts::compose(config, &seams, audit).expect("an STS")
            }
            Party::ClaimsProvider => {
                let config =
                    claims_provider::load(&file).expect("a claims provider's configuration");
                let audit = Arc::clone(&self.recorder) as _;
                claims_provider::compose(config, &seams, audit).expect("a claims provider")
            }
            Party::UmaServer | Party::EvilUmaServer => {
                let config = countersign_uma_server::load(&file).expect("a UMA configuration");
                let audit = Arc::clone(&self.recorder) as _;
                let composed = countersign_uma_server::compose_with_owners(config, &seams, audit);
                let (composed, uma) = composed.expect("a UMA server");
                self.umas.insert(party, Arc::downgrade(&uma));
                composed
            }
            Party::ResourceServer | Party::EvilResourceServer => {
                let config = countersign_resource_server::load(&file).expect("a configuration");
                countersign_resource_server::compose(config, &seams).expect("a resource server")
            }
        };
        let composed = match &self.ear {
            Some(ear) => composed.within(|router| ear.at(router)),
            None => composed,
        };
        let composed = composed.with_reload(again);
        let task = tokio::spawn(async move { drop(composed.serve(listener, shutdown).await) });
        self.running.insert(party, Running { stop, reload, task });
    }
}
