//! Alice's and Bob's domains in one process: real sockets, real TLS, real configuration files.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
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

use crate::audit::Recorder;
use crate::ca::CertificateAuthority;
use crate::clock::FixedClock;
use crate::configuration as written;
use crate::directory::Directory;
use crate::names;
use crate::random::SeededRandom;
use crate::web::Web;

/// A program of the deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Alice's identity provider with its security token service, which also answers for the host
    /// `alice.example`.
    Sts,
    /// A claims provider of its own in front of it, which answers for the host `alice.example` then.
    ClaimsProvider,
    /// Bob's UMA authorization server.
    UmaServer,
    /// Bob's resource server.
    ResourceServer,
    /// The university's identity provider, at which Alice's may have people sign in.
    University,
    /// The hostile domain's security token service, which answers for `evil.example`.
    EvilSts,
    /// Its UMA authorization server.
    EvilUmaServer,
    /// Its resource server.
    EvilResourceServer,
}

impl Party {
    const HONEST: [Self; 3] = [Self::Sts, Self::UmaServer, Self::ResourceServer];
    const HOSTILE: [Self; 3] = [Self::EvilSts, Self::EvilUmaServer, Self::EvilResourceServer];

    /// The hosts at which it is found.
    const fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::Sts => &["sts.alice.example", "alice.example"],
            Self::ClaimsProvider => &["alice.example"],
            Self::UmaServer => &["uma.bob.example"],
            Self::ResourceServer => &["rs.bob.example"],
            Self::University => &["sts.university.example"],
            Self::EvilSts => &["sts.evil.example", "evil.example"],
            Self::EvilUmaServer => &["uma.evil.example"],
            Self::EvilResourceServer => &["rs.evil.example"],
        }
    }

    /// The name of its files.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::ClaimsProvider => "claims-provider",
            Self::UmaServer => "uma-server",
            Self::ResourceServer => "resource-server",
            Self::University => "university",
            Self::EvilSts => "evil-sts",
            Self::EvilUmaServer => "evil-uma-server",
            Self::EvilResourceServer => "evil-resource-server",
        }
    }
}

/// A change to a configuration before it is written.
pub type Change = Box<dyn FnOnce(&mut Table) + Send>;

/// What a deployment is to be.
#[derive(Default)]
pub struct Builder {
    hostile: bool,
    university: bool,
    claims_provider: bool,
    without: Vec<Party>,
    changes: BTreeMap<Party, Change>,
    hosts: Vec<&'static str>,
    seams: Option<Seams>,
}

impl Builder {
    /// With the hostile domain.
    #[must_use]
    pub fn with_hostile_domain(mut self) -> Self {
        self.hostile = true;
        self
    }

    /// With the university's identity provider.
    #[must_use]
    pub fn with_university(mut self) -> Self {
        self.university = true;
        self
    }

    /// With a claims provider of its own in front of Alice's STS.
    #[must_use]
    pub fn with_claims_provider(mut self) -> Self {
        self.claims_provider = true;
        self
    }

    /// Without a party, whose place the test takes: [`Deployment::take_place`].
    #[must_use]
    pub fn without(mut self, party: Party) -> Self {
        self.without.push(party);
        self
    }

    /// With another clock and other randomness: for software that cannot be told the time.
    /// [`Deployment::clock`] is nobody's then.
    #[must_use]
    pub fn with_seams(mut self, seams: Seams) -> Self {
        self.seams = Some(seams);
        self
    }

    /// With one more host, for the test to serve: [`Deployment::take_host`].
    #[must_use]
    pub fn with_host(mut self, host: &'static str) -> Self {
        self.hosts.push(host);
        self
    }

    /// With a party whose configuration is changed.
    #[must_use]
    pub fn with(mut self, party: Party, change: impl FnOnce(&mut Table) + Send + 'static) -> Self {
        self.changes.insert(party, Box::new(change));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If anything does not work: a test that has no deployment has nothing to say.
    #[expect(clippy::expect_used, reason = "a test stops at once without its deployment")]
    pub async fn start(self) -> Deployment {
        let authority = CertificateAuthority::generate().expect("a certificate authority");
        let directory = Directory::new().expect("a directory");
        let roots = directory.write("ca.pem", authority.certificate()).expect("a file");
        written::write_files(&directory).expect("files");

        let mut parties = Party::HONEST.to_vec();
        parties.extend(self.hostile.then_some(Party::HOSTILE).into_iter().flatten());
        parties.extend(self.university.then_some(Party::University));
        parties.extend(self.claims_provider.then_some(Party::ClaimsProvider));
        let hosts_of = |party: Party| match party {
            // The domain's own host is the claims provider's.
            Party::Sts if self.claims_provider => &["sts.alice.example"],
            _ => party.hosts(),
        };
        let places = parties.iter().map(|party| {
            let place = Place::reserve(&directory, &authority, party.file(), hosts_of(*party));
            (*party, place.expect("a place"))
        });
        let places: BTreeMap<Party, Place> = places.collect();
        let web_place =
            Place::reserve(&directory, &authority, "web", &names::SCRIPTED).expect("a place");

        let hosts = self.hosts.into_iter().map(|host| {
            let place = Place::reserve(&directory, &authority, host, &[host]);
            (host, place.expect("a place"))
        });
        let hosts: BTreeMap<&'static str, Place> = hosts.collect();

        let clock = FixedClock::default();
        let fixed =
            || Seams { clock: Arc::new(clock.clone()), random: Arc::new(SeededRandom::new(1)) };
        let mut deployment = Deployment {
            seams: self.seams.unwrap_or_else(fixed),
            clock,
            directory,
            roots,
            connect_to: connect_to(places.iter().map(|(party, place)| (hosts_of(*party), place)))
                .chain(connect_to([(&names::SCRIPTED[..], &web_place)].into_iter()))
                .chain(connect_to(
                    hosts.iter().map(|(host, place)| (std::slice::from_ref(host), place)),
                ))
                .collect(),
            places,
            hosts,
            running: BTreeMap::new(),
            configurations: BTreeMap::new(),
            web: Web::default(),
            recorder: Arc::new(Recorder::default()),
            umas: BTreeMap::new(),
        };
        deployment.serve_web(web_place);
        let mut changes = self.changes;
        for party in parties {
            let mut table = written::configuration(party, &deployment.surroundings());
            if let Some(change) = changes.remove(&party) {
                change(&mut table);
            }
            deployment.configurations.insert(party, table);
            if !self.without.contains(&party) {
                deployment.run(party).await;
            }
        }
        deployment
    }
}

fn connect_to<'a>(
    places: impl Iterator<Item = (&'a [&'a str], &'a Place)>,
) -> impl Iterator<Item = String> {
    places.flat_map(|(hosts, place)| {
        let address = place.address;
        hosts.iter().map(move |host| format!("{host}:443={address}")).collect::<Vec<_>>()
    })
}

/// What the configurations of all parties have in common.
pub(crate) struct Surroundings<'a> {
    pub(crate) connect_to: &'a [String],
    places: &'a BTreeMap<Party, Place>,
}

impl Surroundings<'_> {
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub(crate) fn place(&self, party: Party) -> &Place {
        self.places.get(&party).expect("a party of this deployment")
    }
}

/// Where a party listens, and with which certificate.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsConfig,
    listener: Option<TcpListener>,
}

impl Place {
    /// Binds a port first, so that everybody's address is known before anybody starts.
    fn reserve(
        directory: &Directory,
        authority: &CertificateAuthority,
        name: &str,
        hosts: &[&str],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let issued = authority.issue(hosts)?;
        let tls = TlsConfig {
            certificate: directory.write(&format!("{name}.pem"), &issued.certificate)?,
            key: directory.write(&format!("{name}.key"), &issued.key)?,
        };
        Ok(Self { address: listener.local_addr()?, tls, listener: Some(listener) })
    }

    /// The listener; bound anew if it was given away before.
    fn listener(&mut self) -> std::io::Result<TcpListener> {
        self.listener.take().map_or_else(|| TcpListener::bind(self.address), Ok)
    }
}

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

    /// Bob's UMA server as he has it before him: what waits for him, and what he decides. It is not to
    /// be kept over [`stop`](Self::stop), since it has the store.
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
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub async fn alice(&self) -> Subject {
        let client = ClientId::parse(names::RQP_CLIENT).expect("a client id");
        let secret = ClientSecret::new(names::RQP_SECRET);
        let registration = Registration::confidential(client, secret);
        let fetch = self.http();
        let issuer = Issuer::parse(names::STS).expect("an issuer");
        let provider = RelyingParty::discover(Arc::clone(&fetch), &issuer, registration)
            .await
            .expect("the provider's metadata");
        let redirect_uri = RedirectUri::parse(names::REDIRECT_URI).expect("a redirect URI");
        let scopes = ScopeSet::parse("claims-provider email openid").expect("scopes");
        let (url, pending) = provider
            .begin(&redirect_uri, &scopes, self.seams.random.as_ref())
            .expect("an authentication request");
        let credentials = Credentials {
            username: "alice".to_owned(),
            password: Password::new(names::ALICE_PASSWORD),
        };
        let query = headless::sign_in(fetch.as_ref(), &url, &redirect_uri, &credentials)
            .await
            .expect("an answer");
        let tokens = provider
            .finish(pending, &query, self.seams.clock.now(), self.seams.random.as_ref())
            .await
            .expect("tokens");
        let email = EmailAddress::parse(names::ALICE).expect("an address");
        Subject {
            access_token: tokens.access_token,
            person: Person::SubjectAndEmail(names::ALICE_SUB.to_owned(), email),
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

    /// Writes the configuration, loads it and serves, as the program does.
    #[expect(clippy::expect_used, reason = "a test stops at once without its servers")]
    async fn run(&mut self, party: Party) {
        let table = self.configurations.get(&party).expect("a configuration");
        let name = format!("{}.toml", party.file());
        let file = self.directory.write(&name, &table.to_string()).expect("a file");
        let place = self.places.get_mut(&party).expect("a place");
        let listener = place.listener().expect("a listener");
        let (stop, stopped) = oneshot::channel();
        let (reload, again) = Reload::manual();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let seams = self.seams.clone();
        let task = match party {
            Party::Sts | Party::EvilSts | Party::University => {
                let config = countersign_sts::load(&file).expect("an STS configuration");
                let audit = Arc::clone(&self.recorder) as _;
                let composed = countersign_sts::compose(config, &seams, audit);
                let composed = composed.expect("an STS").with_reload(again);
                tokio::spawn(async move { drop(composed.serve(listener, shutdown).await) })
            }
            Party::ClaimsProvider => {
                let config =
                    claims_provider::load(&file).expect("a claims provider's configuration");
                let audit = Arc::clone(&self.recorder) as _;
                let composed = claims_provider::compose(config, &seams, audit);
                let composed = composed.expect("a claims provider").with_reload(again);
                tokio::spawn(async move { drop(composed.serve(listener, shutdown).await) })
            }
            Party::UmaServer | Party::EvilUmaServer => {
                let config = countersign_uma_server::load(&file).expect("a UMA configuration");
                let audit = Arc::clone(&self.recorder) as _;
                let composed = countersign_uma_server::compose_with_owners(config, &seams, audit);
                let (composed, uma) = composed.expect("a UMA server");
                self.umas.insert(party, Arc::downgrade(&uma));
                let composed = composed.with_reload(again);
                tokio::spawn(async move { drop(composed.serve(listener, shutdown).await) })
            }
            Party::ResourceServer | Party::EvilResourceServer => {
                let config = countersign_resource_server::load(&file).expect("a configuration");
                let composed = countersign_resource_server::compose(config, &seams);
                let composed = composed.expect("a resource server").with_reload(again);
                tokio::spawn(async move { drop(composed.serve(listener, shutdown).await) })
            }
        };
        self.running.insert(party, Running { stop, reload, task });
    }
}
