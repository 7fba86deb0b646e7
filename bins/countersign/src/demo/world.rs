//! The demo's servers: three real programs, composed in this process from the configuration files
//! that they would be started with by hand, on real sockets with real TLS.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use countersign_client_auth::Proof;
use countersign_fetch::{ConnectTo, Danger, Fetch, FetchConfig, HttpFetch, Roots};
use countersign_host::Seams;
use countersign_host::server::{self, TlsConfig, Transport};
use countersign_sts_service::PasswordHash;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Clock, Issuer, random};
use http::HeaderValue;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::authority::{Authority, CertificateFiles};
use super::files::{self, Secrets};
use super::narrator::Narrator;
use super::witness::{Witness, overheard};
use crate::private_file::PrivateFolder;

type Failure = Box<dyn Error + Send + Sync>;

pub(super) const ALICE: &str = "alice@alice.example";
pub(super) const STS: &str = "https://sts.alice.example";
pub(super) const UMA: &str = "https://uma.bob.example";
pub(super) const RS: &str = "https://rs.bob.example";
pub(super) const RESOURCE: &str = "https://rs.bob.example/rs-api";
pub(super) const MALLORY_RS: &str = "https://rs.mallory.example";
pub(super) const STS_MALLORY: &str = "https://sts.mallory.example";
pub(super) const CLIENT: &str = "rqp-client";

/// Where each server listens on the loopback interface.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) sts: u16,
    pub(super) uma: u16,
    pub(super) rs: u16,
    /// Only the demo itself has an attacker.
    pub(super) mallory: Option<u16>,
}

impl Ports {
    /// For servers that are started by hand.
    pub(super) const BY_HAND: Self = Self { sts: 8441, uma: 8442, rs: 8443, mallory: None };

    /// Which names lead where. The guard refuses loopback addresses; this is its one exception.
    pub(super) fn connect_to(self) -> Vec<String> {
        let servers = [
            ("alice.example", self.sts),
            ("sts.alice.example", self.sts),
            ("uma.bob.example", self.uma),
            ("rs.bob.example", self.rs),
        ];
        let mallory = self.mallory.map(|port| ("rs.mallory.example", port));
        let to = |(name, port)| format!("{name}:443=127.0.0.1:{port}");
        servers.into_iter().chain(mallory).map(to).collect()
    }
}

/// What is there before anything runs: ports, certificates, secrets and configuration files.
pub(super) struct Grounds {
    folder: PrivateFolder,
    ports: Ports,
    sts: TcpListener,
    uma: TcpListener,
    rs: TcpListener,
    mallory: TcpListener,
    authority: Authority,
    secrets: Secrets,
    seams: Seams,
}

/// Everything that runs.
pub(super) struct World {
    folder: PrivateFolder,
    authority: Authority,
    secrets: Secrets,
    ports: Ports,
    mallory: Option<TcpListener>,
    seams: Seams,
    fetch: Arc<dyn Fetch>,
    narrator: Arc<Narrator>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
}

/// Writes certificates, secrets and configuration files into a folder.
pub(super) fn write(folder: &Path, ports: Ports) -> Result<(Authority, Secrets), Failure> {
    let authority = Authority::new(folder)?;
    authority.issue(&["sts.alice.example", "alice.example"])?;
    authority.issue(&["uma.bob.example"])?;
    authority.issue(&["rs.bob.example"])?;
    let random = Seams::system().random;
    let secrets = Secrets::generate(random.as_ref());
    let hash = PasswordHash::of(&Password::new(secrets.password.as_str()), random.as_ref())?;
    files::write(folder, ports, &secrets, &hash.to_string())?;
    Ok((authority, secrets))
}

impl Grounds {
    /// Takes free ports and writes the files into a folder of their own, which is removed with this
    /// value, or with the world made from it, unless it is kept.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let name = format!("countersign-demo-{}", random::identifier(seams.random.as_ref()));
        let folder = PrivateFolder::create(std::env::temp_dir().join(name))?;
        let listen = || TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let (sts, uma, rs, mallory) = (listen()?, listen()?, listen()?, listen()?);
        let port = |listener: &TcpListener| Ok::<_, io::Error>(listener.local_addr()?.port());
        let (sts_port, uma_port, rs_port) = (port(&sts)?, port(&uma)?, port(&rs)?);
        let mallory_port = Some(port(&mallory)?);
        let ports = Ports { sts: sts_port, uma: uma_port, rs: rs_port, mallory: mallory_port };
        let (authority, secrets) = write(folder.path(), ports)?;
        Ok(Self { folder, ports, sts, uma, rs, mallory, authority, secrets, seams })
    }

    /// Where the files are.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl World {
    /// Starts the three servers from their configuration files.
    pub(super) fn start(grounds: Grounds, narrator: Arc<Narrator>) -> Result<Self, Failure> {
        let Grounds { folder, ports, sts, uma, rs, mallory, authority, secrets, seams } = grounds;
        let fetch = fetch(&authority, ports)?;
        let fetch = Arc::new(Witness::new(fetch, Arc::clone(&narrator)));
        let (stop, _) = watch::channel(false);
        let mut world = Self {
            folder,
            authority,
            secrets,
            ports,
            mallory: Some(mallory),
            seams,
            fetch,
            narrator,
            stop,
            serving: Vec::new(),
        };
        world.serve_all(sts, uma, rs)?;
        Ok(world)
    }

    fn serve_all(
        &mut self,
        sts: TcpListener,
        uma: TcpListener,
        rs: TcpListener,
    ) -> Result<(), Failure> {
        let config = countersign_sts::load(&self.folder().join(files::STS))?;
        let audit = Arc::clone(&self.narrator);
        let composed = countersign_sts::compose(config, &self.seams, audit)?;
        self.serve(sts, "sts.alice.example", composed.router())?;

        let config = countersign_uma_server::load(&self.folder().join(files::UMA))?;
        let audit = Arc::clone(&self.narrator);
        let composed = countersign_uma_server::compose(config, &self.seams, audit)?;
        self.serve(uma, "uma.bob.example", composed.router())?;

        let config = countersign_resource_server::load(&self.folder().join(files::RS))?;
        let composed = countersign_resource_server::compose(config, &self.seams)?;
        let stopped = self.stopped();
        self.spawn(async move { composed.serve(rs, stopped).await.map_err(Failure::from) });
        Ok(())
    }

    /// Serves a router under a name's certificate, and tells of what it answers.
    fn serve(&mut self, listener: TcpListener, name: &str, router: Router) -> Result<(), Failure> {
        let CertificateFiles { certificate, key } = self.authority.files(name);
        let transport = Transport::tls(&TlsConfig { certificate, key })?;
        let router = overheard(router, Arc::clone(&self.narrator));
        let stopped = self.stopped();
        self.spawn(async move {
            server::serve(listener, transport, router, stopped).await.map_err(Failure::from)
        });
        Ok(())
    }

    /// Serves Mallory's routes at `rs.mallory.example`.
    pub(super) fn serve_malicious_resource_server(
        &mut self,
        router: Router,
    ) -> Result<(), Failure> {
        let listener = self.mallory.take().ok_or("it is served already")?;
        self.authority.issue(&["rs.mallory.example"])?;
        self.serve(listener, "rs.mallory.example", router)
    }

    fn spawn(&mut self, serve: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        self.serving.push(tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "a server of the demo stopped");
            }
        }));
    }

    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // A sender that is gone stops as well as one that says so.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Stops the servers. What they wrote goes, unless it is kept.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        for server in self.serving {
            let _ = server.await;
        }
    }

    /// From here on, the folder stays.
    pub(super) const fn keep(&mut self) {
        self.folder.keep();
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) const fn ports(&self) -> Ports {
        self.ports
    }

    pub(super) fn narrator(&self) -> &Narrator {
        &self.narrator
    }

    pub(super) fn observer(&self) -> Arc<Narrator> {
        Arc::clone(&self.narrator)
    }

    pub(super) fn fetch(&self) -> Arc<dyn Fetch> {
        Arc::clone(&self.fetch)
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.seams.clock)
    }

    pub(super) fn random(&self) -> Arc<dyn random::Random> {
        Arc::clone(&self.seams.random)
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.secrets.password.as_str())
    }

    pub(super) fn sts_secret(&self) -> ClientSecret {
        ClientSecret::new(self.secrets.client_at_sts.as_str())
    }

    pub(super) fn uma_secret(&self) -> ClientSecret {
        ClientSecret::new(self.secrets.client_at_uma.as_str())
    }

    /// How the registered client shows its secret at the UMA server.
    pub(super) fn authorization_at_uma_server(&self) -> Result<Option<HeaderValue>, Failure> {
        let proof = Proof::SecretBasic(self.uma_secret());
        let client = ClientId::parse(CLIENT)?;
        let now = self.seams.clock.now();
        let shown =
            proof.present(&client, &Issuer::parse(UMA)?, now, self.seams.random.as_ref())?;
        Ok(shown.authorization)
    }
}

/// The demo's own outbound client: it trusts the throw-away authority and follows the map.
fn fetch(authority: &Authority, ports: Ports) -> Result<Arc<dyn Fetch>, Failure> {
    let connect_to = ports.connect_to();
    let connect_to = ConnectTo::parse(connect_to.iter().map(String::as_str))?;
    let config = FetchConfig::default()
        .with_roots(Roots::File(authority.root()))
        .with_danger(Danger::default().with_connect_to(connect_to));
    Ok(Arc::new(HttpFetch::new(&config)?))
}
