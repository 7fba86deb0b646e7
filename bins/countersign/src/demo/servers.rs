//! What the worlds of all flows have: a folder, certificates, the way out, and servers that run
//! until they are stopped.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use countersign_fetch::{ConnectTo, Danger, Fetch, FetchConfig, HttpFetch, Roots};
use countersign_host::Seams;
use countersign_host::server::{self, TlsConfig, Transport};
use countersign_types::{Clock, random};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::authority::{Authority, CertificateFiles};
use super::teller::Teller;
use super::witness::{Witness, overheard};
use crate::private_file::PrivateFolder;

pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// Everything that runs.
pub(super) struct Servers {
    folder: PrivateFolder,
    authority: Authority,
    seams: Seams,
    teller: Arc<Teller>,
    fetch: Arc<dyn Fetch>,
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
}

/// A folder of its own, which is removed with this value.
pub(super) fn folder(seams: &Seams) -> io::Result<PrivateFolder> {
    let name = format!("countersign-demo-{}", random::identifier(seams.random.as_ref()));
    PrivateFolder::create(std::env::temp_dir().join(name))
}

/// A free port of the loopback interface, taken.
pub(super) fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// `name:443` leads to a port of the loopback interface.
pub(super) fn leads_to((name, port): (&str, u16)) -> String {
    format!("{name}:443=127.0.0.1:{port}")
}

impl Servers {
    /// None runs yet. `quiet` is where a server will be that does not tell of its requests itself.
    pub(super) fn new(
        folder: PrivateFolder,
        authority: Authority,
        seams: Seams,
        connect_to: &[String],
        teller: Arc<Teller>,
        quiet: Option<&'static str>,
    ) -> Result<Self, Failure> {
        let fetch = fetch(&authority, connect_to)?;
        let fetch = Arc::new(Witness::new(fetch, Arc::clone(&teller), quiet));
        let (stop, _) = watch::channel(false);
        Ok(Self { folder, authority, seams, teller, fetch, stop, serving: Vec::new() })
    }

    /// Serves a router under a name's certificate, and tells of what it answers.
    pub(super) fn serve(
        &mut self,
        listener: TcpListener,
        name: &str,
        router: Router,
    ) -> Result<(), Failure> {
        let router = overheard(router, Arc::clone(&self.teller));
        self.serve_unheard(listener, name, router)
    }

    /// The same, of which nothing is told.
    pub(super) fn serve_unheard(
        &mut self,
        listener: TcpListener,
        name: &str,
        router: Router,
    ) -> Result<(), Failure> {
        let CertificateFiles { certificate, key } = self.authority.files(name);
        let transport = Transport::tls(&TlsConfig { certificate, key })?;
        let stopped = self.stopped();
        self.spawn(async move {
            server::serve(listener, transport, router, stopped).await.map_err(Failure::from)
        });
        Ok(())
    }

    pub(super) fn spawn(
        &mut self,
        serve: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        self.serving.push(tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "a server of the demo stopped");
            }
        }));
    }

    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // A sender that is gone stops as well as one that says so.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Stops the servers. What they wrote goes.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(true);
        for server in self.serving {
            let _ = server.await;
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) const fn seams(&self) -> &Seams {
        &self.seams
    }

    pub(super) fn teller(&self) -> Arc<Teller> {
        Arc::clone(&self.teller)
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
}

/// An outbound client that trusts the throw-away authority and follows the map.
fn fetch(authority: &Authority, connect_to: &[String]) -> Result<Arc<dyn Fetch>, Failure> {
    let connect_to = ConnectTo::parse(connect_to.iter().map(String::as_str))?;
    let config = FetchConfig::default()
        .with_roots(Roots::File(authority.root()))
        .with_danger(Danger::default().with_connect_to(connect_to));
    Ok(Arc::new(HttpFetch::new(&config)?))
}
