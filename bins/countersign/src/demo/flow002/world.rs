//! Flow 002's servers: three real programs, composed in this process from the configuration files
//! that they would be started with by hand, on real sockets with real TLS.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use countersign_client_auth::Proof;
use countersign_host::Seams;
use countersign_sts_service::PasswordHash;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Issuer};
use http::HeaderValue;

use super::arrows::Expected;
use super::files::{self, Secrets};
use super::narrator::Narrator;
use crate::demo::authority::Authority;
use crate::demo::servers::{self, Failure, Servers, leads_to, listen};
use crate::demo::teller::Teller;
use crate::private_file::PrivateFolder;

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
        servers.into_iter().chain(mallory).map(leads_to).collect()
    }
}

/// What is there before anything runs: ports, certificates, secrets and configuration files.
pub(crate) struct Grounds {
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
pub(crate) struct World {
    pub(super) servers: Servers,
    secrets: Secrets,
    ports: Ports,
    mallory: Option<TcpListener>,
    narrator: Arc<Narrator>,
}

const EXPECTED: Expected =
    Expected { url: RESOURCE, authorization_server: UMA, resource: RS, email: ALICE };

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
    /// value, or with the world made from it.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let (sts, uma, rs, mallory) = (listen()?, listen()?, listen()?, listen()?);
        let port = |listener: &TcpListener| Ok::<_, io::Error>(listener.local_addr()?.port());
        let (sts_port, uma_port, rs_port) = (port(&sts)?, port(&uma)?, port(&rs)?);
        let mallory_port = Some(port(&mallory)?);
        let ports = Ports { sts: sts_port, uma: uma_port, rs: rs_port, mallory: mallory_port };
        let (authority, secrets) = write(folder.path(), ports)?;
        Ok(Self { folder, ports, sts, uma, rs, mallory, authority, secrets, seams })
    }
}

#[cfg(test)]
impl crate::demo::told::InFolder for Grounds {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl World {
    /// Starts the three servers from their configuration files.
    pub(super) fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        let Grounds { folder, ports, sts, uma, rs, mallory, authority, secrets, seams } = grounds;
        let narrator = Arc::new(Narrator::new(Arc::clone(&teller), EXPECTED));
        let connect_to = ports.connect_to();
        // The two authorization servers tell of what they answer; the resource server does not.
        let servers = Servers::new(folder, authority, seams, &connect_to, teller, Some(RS))?;
        let mallory = Some(mallory);
        let mut world = Self { servers, secrets, ports, mallory, narrator };
        world.serve_all(sts, uma, rs)?;
        Ok(world)
    }

    fn serve_all(
        &mut self,
        sts: TcpListener,
        uma: TcpListener,
        rs: TcpListener,
    ) -> Result<(), Failure> {
        let folder = self.servers.folder().to_owned();
        let config = countersign_sts::load(&folder.join(files::STS))?;
        let audit = Arc::clone(&self.narrator);
        let composed = countersign_sts::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(sts, "sts.alice.example", composed.router())?;

        let config = countersign_uma_server::load(&folder.join(files::UMA))?;
        let audit = Arc::clone(&self.narrator);
        let composed = countersign_uma_server::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(uma, "uma.bob.example", composed.router())?;

        let config = countersign_resource_server::load(&folder.join(files::RS))?;
        let composed = countersign_resource_server::compose(config, self.servers.seams())?;
        let stopped = self.servers.stopped();
        self.servers.spawn(async move { composed.serve(rs, stopped).await.map_err(Failure::from) });
        Ok(())
    }

    /// Serves Mallory's routes at `rs.mallory.example`.
    pub(super) fn serve_malicious_resource_server(
        &mut self,
        router: Router,
    ) -> Result<(), Failure> {
        let listener = self.mallory.take().ok_or("it is served already")?;
        self.servers.authority().issue(&["rs.mallory.example"])?;
        self.servers.serve(listener, "rs.mallory.example", router)
    }

    pub(super) const fn ports(&self) -> Ports {
        self.ports
    }

    pub(super) fn narrator(&self) -> Arc<Narrator> {
        Arc::clone(&self.narrator)
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
        let now = self.servers.clock().now();
        let shown =
            proof.present(&client, &Issuer::parse(UMA)?, now, self.servers.random().as_ref())?;
        Ok(shown.authorization)
    }
}
