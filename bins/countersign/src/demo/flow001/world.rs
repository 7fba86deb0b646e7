//! Flow 001's parties: two providers and a broker from their configuration files, and an API; each on
//! its own TLS origin.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_host::Seams;
use countersign_resource::Introspector;
use countersign_sts_service::{LogAudit, PasswordHash};
use countersign_types::random;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Issuer};

use super::api;
use super::files::{self, Places, Secrets};
use crate::demo::authority::Authority;
use crate::demo::place::Place;
use crate::demo::servers::{self, Failure, Servers, listen};
use crate::demo::teller::Teller;
use crate::private_file::PrivateFolder;

pub(super) const IDP: &str = "https://idp.university.example";
pub(super) const COLLEGE: &str = "https://idp.college.example";
pub(super) const BROKER: &str = "https://broker.results.example";
pub(super) const API: &str = "https://results.example";
/// The API's own client at the broker.
const API_CLIENT: &str = "results-api";
/// The dashboard's client at the broker.
pub(super) const DASHBOARD: &str = "dashboard";

/// What is there before anything runs: ports, certificates, keys and configuration files.
pub(crate) struct Grounds {
    folder: PrivateFolder,
    places: Places,
    listeners: [TcpListener; 4],
    authority: Authority,
    made: Made,
    seams: Seams,
}

/// The secrets of a run.
pub(super) struct Made {
    api: String,
    password: String,
}

/// Everything that runs.
pub(crate) struct World {
    pub(super) servers: Servers,
    pub(super) places: Places,
    made: Made,
}

/// Writes certificates, secrets and configuration files into a folder.
pub(super) fn write(folder: &Path, places: &Places) -> Result<(Authority, Made), Failure> {
    let authority = Authority::new(folder)?;
    for place in places.all() {
        authority.issue(&[place.host()])?;
    }
    let random = Seams::system().random;
    let generate = || random::handle(random.as_ref()).as_str().to_owned();
    let (made, broker) = (Made { api: generate(), password: generate() }, generate());
    let hash = PasswordHash::of(&Password::new(made.password.as_str()), random.as_ref())?;
    let secrets = Secrets {
        api: &made.api,
        broker: &broker,
        password: &made.password,
        password_hash: &hash.to_string(),
    };
    files::write(folder, places, &secrets)?;
    Ok((authority, made))
}

impl Grounds {
    /// Takes free ports and writes the files into a folder of their own, which is removed with this
    /// value, or with the world made from it, unless it is kept.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let listeners = [listen()?, listen()?, listen()?, listen()?];
        let [idp, college, broker, api] = &listeners;
        let place = |url: &str, listener: &TcpListener| {
            Ok::<_, Failure>(Place { url: url.to_owned(), port: listener.local_addr()?.port() })
        };
        let places = Places {
            idp: place(IDP, idp)?,
            college: place(COLLEGE, college)?,
            broker: place(BROKER, broker)?,
            api: place(API, api)?,
        };
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
        let mut world = Self { servers, places, made };
        let [idp, college, broker, api] = listeners;
        let places = world.places.clone();
        world.serve_sts(idp, files::IDP, &places.idp)?;
        world.serve_sts(college, files::COLLEGE, &places.college)?;
        world.serve_sts(broker, files::BROKER, &places.broker)?;
        let router = api::router(&world)?;
        world.servers.serve(api, places.api.host(), router)?;
        Ok(world)
    }

    fn serve_sts(
        &mut self,
        listener: TcpListener,
        file: &str,
        place: &Place,
    ) -> Result<(), Failure> {
        let config = countersign_sts::load(&self.servers.folder().join(file))?;
        let audit = Arc::new(LogAudit);
        let composed = countersign_sts::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(listener, place.host(), composed.router())
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.made.password.as_str())
    }

    /// The API, as the broker knows it.
    pub(super) fn introspector(&self) -> Result<Introspector, Failure> {
        Ok(Introspector {
            issuer: Issuer::parse(BROKER)?,
            client_id: ClientId::parse(API_CLIENT)?,
            proof: Proof::SecretBasic(ClientSecret::new(self.made.api.as_str())),
        })
    }
}
