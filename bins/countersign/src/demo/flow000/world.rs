//! Flow 000's parties: two providers from their configuration files, and an API; each on its own TLS
//! origin.

use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use countersign_client_auth::Proof;
use countersign_host::Seams;
use countersign_sts_service::PasswordHash;
use countersign_sts_service::audit::{Audit, ExchangeRecord};
use countersign_types::random;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Issuer};

use super::api;
use super::files::{self, Places, Secrets};
use crate::demo::authority::Authority;
use crate::demo::place::Place;
use crate::demo::servers::{self, Failure, Servers, listen};
use crate::demo::story::CheckLine;
use crate::demo::teller::{Teller, locked};
use crate::private_file::PrivateFolder;

pub(super) const IDP: &str = "https://idp.university.example";
pub(super) const STS: &str = "https://sts.results.example";
pub(super) const API: &str = "https://results.example";
/// The API's own client at the STS.
pub(super) const API_CLIENT: &str = "results-api";
/// The dashboard's client at the provider.
pub(super) const DASHBOARD: &str = "dashboard";

/// What is there before anything runs: ports, certificates, keys and configuration files.
pub(crate) struct Grounds {
    folder: PrivateFolder,
    places: Places,
    listeners: [TcpListener; 3],
    authority: Authority,
    made: Made,
    seams: Seams,
}

/// The secrets of a run.
#[derive(Clone)]
pub(super) struct Made {
    client: String,
    password: String,
}

/// Everything that runs.
pub(crate) struct World {
    pub(super) servers: Servers,
    pub(super) places: Places,
    pub(super) heard: Arc<Heard>,
    made: Made,
}

/// What the STS recorded last.
#[derive(Default)]
pub(super) struct Heard(Mutex<Option<ExchangeRecord>>);

impl Audit for Heard {
    fn record(&self, record: &ExchangeRecord) {
        *locked(&self.0) = Some(record.clone());
    }
}

impl Heard {
    /// The checks of the last decision.
    pub(super) fn checks(&self) -> Vec<CheckLine> {
        let record = locked(&self.0).take();
        let checks = record.iter().flat_map(|record| &record.checks);
        let line = |check: &countersign_sts_service::audit::Check| CheckLine {
            name: check.name.to_owned(),
            section: check.section.to_owned(),
            passed: check.passed,
            note: None,
        };
        checks.map(line).collect()
    }
}

/// Writes certificates, secrets and configuration files into a folder.
pub(super) fn write(folder: &Path, places: &Places) -> Result<(Authority, Made), Failure> {
    let authority = Authority::new(folder)?;
    for place in [&places.idp, &places.sts, &places.api] {
        authority.issue(&[place.host()])?;
    }
    let random = Seams::system().random;
    let generate = || random::handle(random.as_ref()).as_str().to_owned();
    let made = Made { client: generate(), password: generate() };
    let hash = PasswordHash::of(&Password::new(made.password.as_str()), random.as_ref())?;
    let (client, password) = (made.client.as_str(), made.password.as_str());
    let secrets = Secrets { client, password, password_hash: &hash.to_string() };
    files::write(folder, places, &secrets)?;
    Ok((authority, made))
}

impl Grounds {
    /// Takes free ports and writes the files into a folder of their own, which is removed with this
    /// value, or with the world made from it, unless it is kept.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let listeners = [listen()?, listen()?, listen()?];
        let [idp, sts, api] = &listeners;
        let place = |url: &str, listener: &TcpListener| {
            Ok::<_, Failure>(Place { url: url.to_owned(), port: listener.local_addr()?.port() })
        };
        let places = Places { idp: place(IDP, idp)?, sts: place(STS, sts)?, api: place(API, api)? };
        let (authority, made) = write(folder.path(), &places)?;
        Ok(Self { folder, places, listeners, authority, made, seams })
    }

    /// Where the files are.
    #[cfg(test)]
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl World {
    /// Starts the parties.
    pub(super) fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        let Grounds { folder, places, listeners, authority, made, seams } = grounds;
        let servers = Servers::new(folder, authority, seams, &places.connect_to(), teller, None)?;
        let mut world = Self { servers, places, heard: Arc::default(), made };
        let [idp, sts, api] = listeners;
        world.serve_sts(idp, files::IDP, world.places.idp.host().to_owned(), Arc::default())?;
        let heard = Arc::clone(&world.heard);
        world.serve_sts(sts, files::STS, world.places.sts.host().to_owned(), heard)?;
        let (router, host) = (api::router(&world)?, world.places.api.host().to_owned());
        world.servers.serve(api, &host, router)?;
        Ok(world)
    }

    fn serve_sts(
        &mut self,
        listener: TcpListener,
        file: &str,
        host: String,
        audit: Arc<Heard>,
    ) -> Result<(), Failure> {
        let config = countersign_sts::load(&self.servers.folder().join(file))?;
        let composed = countersign_sts::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(listener, &host, composed.router())
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.made.password.as_str())
    }

    /// The API, as its own server knows it.
    pub(super) fn api_client(&self) -> Result<countersign_client::Registration, Failure> {
        Ok(countersign_client::Registration {
            issuer: Issuer::parse(STS)?,
            client_id: ClientId::parse(API_CLIENT)?,
            proof: Proof::SecretBasic(ClientSecret::new(self.made.client.as_str())),
        })
    }
}
