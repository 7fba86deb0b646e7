//! Flow 003's servers: five real programs, composed in this process from the configuration files
//! that they would be started with by hand.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use countersign_host::Seams;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_sts_service::{LogAudit, PasswordHash};
use countersign_types::random::Random;
use countersign_types::secret::Password;

use super::endpoint::{Told, endpoint};
use super::files::{self, Secrets};
use super::narrator::Narrator;
use crate::demo::authority::Authority;
use crate::demo::place::Place;
use crate::demo::servers::{self, Failure, Servers, leads_to, listen};
use crate::demo::teller::Teller;
use crate::private_file::{self, PrivateFolder};

pub(super) const AUTHN: &str = "https://sts.alice.example";
pub(super) const CLAIMS: &str = "https://alice.example";
pub(super) const RS: &str = "https://rs.bob.example";
pub(super) const INCOMING: &str = "https://rs.bob.example/incoming";
/// Where Bob is told of who waits.
pub(super) const HOOK: &str = "https://hooks.bob.example/uma";
pub(super) const ALICE: &str = "alice@alice.example";

/// Where each server is.
pub(super) struct Places {
    pub(super) authn: u16,
    pub(super) claims: u16,
    pub(super) rs: u16,
    /// Bob's endpoint, which the demo itself serves: by hand there is none.
    pub(super) hooks: Option<u16>,
    /// Those that Bob's browser sees.
    pub(super) uma: Place,
    pub(super) idp: Place,
}

impl Places {
    /// Where servers are that are started by hand. Bob's have names that every browser takes for
    /// this machine.
    pub(super) fn by_hand() -> Self {
        Self {
            authn: 8461,
            claims: 8462,
            rs: 8463,
            hooks: None,
            uma: Place::by_hand("uma.bob", 8464),
            idp: Place::by_hand("idp.bob", 8465),
        }
    }

    /// Which names lead where. The guard refuses loopback addresses; this is its one exception.
    pub(super) fn connect_to(&self) -> Vec<String> {
        let names = [
            ("sts.alice.example", self.authn),
            ("alice.example", self.claims),
            ("rs.bob.example", self.rs),
            ("bob.example", self.idp.port),
        ];
        let names = names.into_iter().map(leads_to);
        let hooks = self.hooks.map(|port| leads_to(("hooks.bob.example", port)));
        names.chain([self.uma.leads_to(), self.idp.leads_to()]).chain(hooks).collect()
    }
}

/// What is there before anything runs.
pub(crate) struct Grounds {
    folder: PrivateFolder,
    places: Places,
    /// In the order of the servers' start.
    listeners: [TcpListener; 6],
    authority: Authority,
    secrets: Secrets,
    seams: Seams,
}

/// Everything that runs.
pub(crate) struct World {
    pub(super) servers: Servers,
    pub(super) places: Places,
    pub(super) secrets: Secrets,
    pub(super) narrator: Arc<Narrator>,
    /// What came to Bob's endpoint.
    pub(super) told: Told,
    /// Bob is whoever sits at the keyboard.
    pub(super) is_live: bool,
}

impl Grounds {
    /// Takes free ports and writes the files into a folder of their own. Where Bob is at the
    /// keyboard, his servers have names that every browser takes for this machine.
    pub(super) fn prepare(is_live: bool) -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let listeners = [listen()?, listen()?, listen()?, listen()?, listen()?, listen()?];
        let ports = listeners.each_ref().map(TcpListener::local_addr);
        let [authn, claims, idp, uma, rs, hooks] = ports;
        let port = |address: io::Result<std::net::SocketAddr>| address.map(|it| it.port());
        let (idp, uma) = (port(idp)?, port(uma)?);
        let place = |name: &str, port| match is_live {
            true => Place::by_hand(&format!("{name}.bob"), port),
            false => Place { url: format!("https://{name}.bob.example"), port },
        };
        let places = Places {
            authn: port(authn)?,
            claims: port(claims)?,
            rs: port(rs)?,
            hooks: Some(port(hooks)?),
            uma: place("uma", uma),
            idp: place("idp", idp),
        };
        let (authority, secrets) = write(folder.path(), &places, seams.random.as_ref())?;
        Ok(Self { folder, places, listeners, authority, secrets, seams })
    }
}

/// Writes certificates, keys, secrets and configuration files into a folder.
pub(super) fn write(
    folder: &Path,
    places: &Places,
    random: &dyn Random,
) -> Result<(Authority, Secrets), Failure> {
    let authority = Authority::new(folder)?;
    authority.issue(&["sts.alice.example"])?;
    authority.issue(&["alice.example"])?;
    authority.issue(&["rs.bob.example"])?;
    if places.hooks.is_some() {
        authority.issue(&["hooks.bob.example"])?;
        let signing = SigningKey::generate(Algorithm::Es256, Some("uma-1"))?.to_jwk()?;
        private_file::write(&folder.join(files::SIGNING), signing.as_str().as_bytes())?;
    }
    authority.issue(&[places.uma.host()])?;
    authority.issue(&[places.idp.host(), "bob.example"])?;
    let secrets = Secrets::generate(random);
    let hash = |password: &str| PasswordHash::of(&Password::new(password), random);
    let (alices, bobs) = (hash(&secrets.password)?, hash(&secrets.bobs_password)?);
    let hashes = [alices.to_string(), bobs.to_string()];
    files::write(folder, places, &secrets, hashes.each_ref().map(String::as_str))?;
    Ok((authority, secrets))
}

#[cfg(test)]
impl crate::demo::told::InFolder for Grounds {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl World {
    pub(super) fn start(
        grounds: Grounds,
        teller: Arc<Teller>,
        is_live: bool,
    ) -> Result<Self, Failure> {
        let Grounds { folder, places, listeners, authority, secrets, seams } = grounds;
        let narrator = Arc::new(Narrator::new(Arc::clone(&teller), places.uma.url.clone()));
        let connect_to = places.connect_to();
        let servers = Servers::new(folder, authority, seams, &connect_to, teller, Some(RS))?;
        let (endpoint, told) = endpoint();
        let mut world = Self { servers, places, secrets, narrator, told, is_live };
        world.serve_all(listeners, endpoint)?;
        Ok(world)
    }

    fn serve_all(
        &mut self,
        [authn, claims, idp, uma, rs, hooks]: [TcpListener; 6],
        endpoint: Router,
    ) -> Result<(), Failure> {
        let folder = self.servers.folder().to_owned();
        let (uma_host, idp_host) =
            (self.places.uma.host().to_owned(), self.places.idp.host().to_owned());
        let router = self.sts(&folder.join(files::AUTHN))?;
        self.servers.serve(authn, "sts.alice.example", router)?;

        let config = countersign_sts::claims_provider::load(&folder.join(files::CLAIMS))?;
        let audit = Arc::clone(&self.narrator);
        let composed =
            countersign_sts::claims_provider::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(claims, "alice.example", composed.router())?;

        let router = self.sts(&folder.join(files::IDP))?;
        self.servers.serve(idp, &idp_host, router)?;

        let config = countersign_uma_server::load(&folder.join(files::UMA))?;
        let audit = Arc::clone(&self.narrator);
        let (composed, server) =
            countersign_uma_server::compose_with_owners(config, self.servers.seams(), audit)?;
        self.servers.serve(uma, &uma_host, composed.router())?;
        let stopped = self.servers.stopped();
        self.servers.spawn(async move {
            tokio::select! {
                () = server.tell_owners() => {}
                () = stopped => {}
            }
            Ok(())
        });
        self.servers.serve_unheard(hooks, "hooks.bob.example", endpoint)?;

        let config = countersign_resource_server::load(&folder.join(files::RS))?;
        let composed = countersign_resource_server::compose(config, self.servers.seams())?;
        let stopped = self.servers.stopped();
        self.servers.spawn(async move { composed.serve(rs, stopped).await.map_err(Failure::from) });
        Ok(())
    }

    fn sts(&self, file: &Path) -> Result<Router, Failure> {
        let config = countersign_sts::load(file)?;
        let composed = countersign_sts::compose(config, self.servers.seams(), Arc::new(LogAudit))?;
        Ok(composed.router())
    }
}
