//! What is there before a flow runs, and how its servers start: ports, certificates, keys, secrets
//! and configuration files.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use countersign_host::Seams;
use countersign_sts_service::{Audit, PasswordHash};
use countersign_types::random;
use countersign_types::secret::Password;

use crate::demo::authority::Authority;
use crate::demo::files;
use crate::demo::place::Place;
use crate::demo::servers::{self, Failure, Servers, listen};
use crate::demo::teller::Teller;
use crate::private_file::{self, PrivateFolder};

/// Where the parties of a flow are.
pub(in crate::demo) trait Places<const N: usize>: Sized {
    /// What their URLs are in a demo.
    const URLS: [&'static str; N];

    /// In the order of [`URLS`](Self::URLS).
    fn of(places: [Place; N]) -> Self;

    /// In the same order.
    fn all(&self) -> [&Place; N];

    /// Writes the configuration files, and the secrets that they name.
    fn write(&self, folder: &Path, made: &Made, password_hash: &str) -> io::Result<()>;

    /// Which names lead where. The guard refuses loopback addresses; this is its one exception.
    fn connect_to(&self) -> Vec<String> {
        self.all().map(Place::leads_to).to_vec()
    }
}

/// The secrets of a run.
pub(in crate::demo) struct Made {
    /// The API's own client's.
    pub(in crate::demo) client: String,
    /// The broker's at its providers, where there is one.
    pub(in crate::demo) broker: String,
    /// Everybody's.
    pub(in crate::demo) password: String,
}

/// What is there before anything runs.
pub(crate) struct Grounds<P, const N: usize> {
    folder: PrivateFolder,
    places: P,
    listeners: [TcpListener; N],
    authority: Authority,
    made: Made,
    seams: Seams,
}

/// What a flow starts from.
pub(in crate::demo) struct Started<P, const N: usize> {
    pub(in crate::demo) servers: Servers,
    pub(in crate::demo) places: P,
    pub(in crate::demo) listeners: [TcpListener; N],
    pub(in crate::demo) made: Made,
}

/// Writes certificates, secrets and configuration files into a folder.
pub(in crate::demo) fn write<P: Places<N>, const N: usize>(
    folder: &Path,
    places: &P,
) -> Result<(Authority, Made), Failure> {
    let authority = Authority::new(folder)?;
    for place in places.all() {
        authority.issue(&[place.host()])?;
    }
    let random = Seams::system().random;
    let generate = || random::handle(random.as_ref()).as_str().to_owned();
    let made = Made { client: generate(), broker: generate(), password: generate() };
    let hash = PasswordHash::of(&Password::new(made.password.as_str()), random.as_ref())?;
    places.write(folder, &made, &hash.to_string())?;
    Ok((authority, made))
}

/// Writes configuration files, secrets, and the password of each of the people.
pub(in crate::demo) fn write_files(
    folder: &Path,
    connect_to: &[String],
    filled: &[(&str, String)],
    texts: &[(&str, &str)],
    secrets: &[(&str, &str)],
    (people, password): ([&str; 2], &str),
) -> io::Result<()> {
    files::write(folder, connect_to, filled, texts)?;
    for (file, secret) in secrets {
        private_file::write(&folder.join(file), secret.as_bytes())?;
    }
    people.iter().try_for_each(|name| {
        private_file::write(&folder.join(format!("{name}.password")), password.as_bytes())
    })
}

impl<P: Places<N>, const N: usize> Grounds<P, N> {
    /// Takes free ports and writes the files into a folder of their own, which is removed with this
    /// value, or with the world made from it, unless it is kept.
    pub(in crate::demo) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let mut taken = Vec::with_capacity(N);
        for url in P::URLS {
            let listener = listen()?;
            let port = listener.local_addr()?.port();
            taken.push((Place { url: url.to_owned(), port }, listener));
        }
        let (places, listeners): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let too_few = "as many places as URLs";
        let places = P::of(places.try_into().map_err(|_| too_few)?);
        let listeners = listeners.try_into().map_err(|_| too_few)?;
        let (authority, made) = write(folder.path(), &places)?;
        Ok(Self { folder, places, listeners, authority, made, seams })
    }

    /// Nobody serves yet.
    pub(in crate::demo) fn start(self, teller: Arc<Teller>) -> Result<Started<P, N>, Failure> {
        let Self { folder, places, listeners, authority, made, seams } = self;
        let servers = Servers::new(folder, authority, seams, &places.connect_to(), teller, None)?;
        Ok(Started { servers, places, listeners, made })
    }
}

#[cfg(test)]
impl<P, const N: usize> crate::demo::told::InFolder for Grounds<P, N> {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Serves a provider from its configuration file.
pub(in crate::demo) fn serve_sts(
    servers: &mut Servers,
    listener: TcpListener,
    file: &str,
    place: &Place,
    audit: Arc<dyn Audit>,
) -> Result<(), Failure> {
    let config = countersign_sts::load(&servers.folder().join(file))?;
    let composed = countersign_sts::compose(config, servers.seams(), audit)?;
    servers.serve(listener, place.host(), composed.router())
}
