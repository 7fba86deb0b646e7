//! Flow 004's parties: the provider's and the relying party's programs from their configuration
//! files, and two services with nothing but their documents; each on its own TLS origin.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use countersign_host::{Seams, server};
use countersign_jwt::Algorithm;
use countersign_resource_server::protect::Audits;
use countersign_sts_service::PasswordHash;
use countersign_types::secret::Password;
use countersign_types::{ClientId, RedirectUri, random};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::arrows::Expected;
use super::files;
use super::narrator::Narrator;
use crate::command::client::router;
use crate::demo::authority::Authority;
use crate::demo::servers::{self, Failure, Servers, leads_to, listen};
use crate::demo::teller::Teller;
use crate::private_file::PrivateFolder;
use crate::url_client::{Description, UrlClient};

pub(super) const ALICE: &str = "alice@alice.example";
pub(super) const STS: &str = "https://sts.alice.example";
pub(super) const MAIL: &str = "https://mail.example/client";
pub(super) const NEWS: &str = "https://news.example/client";
pub(super) const RP: &str = "https://rp.bob.example";
pub(super) const LETTERS: &str = "https://rp.bob.example/letters";
pub(super) const MALLORY: &str = "https://mallory.example/client";
pub(super) const STS_MALLORY: &str = "https://sts.mallory.example";

/// Where each party listens on the loopback interface.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) sts: u16,
    pub(super) mail: u16,
    pub(super) news: u16,
    pub(super) rp: u16,
    /// The service behind the relying party's layer, in clear.
    pub(super) letters: u16,
}

impl Ports {
    /// Which names lead where. The guard refuses loopback addresses; this is its one exception.
    pub(super) fn connect_to(self) -> Vec<String> {
        let parties = [
            ("alice.example", self.sts),
            ("sts.alice.example", self.sts),
            ("mail.example", self.mail),
            ("news.example", self.news),
            ("rp.bob.example", self.rp),
        ];
        parties.into_iter().map(leads_to).collect()
    }
}

/// What is there before anything runs: ports, certificates, keys and configuration files.
pub(crate) struct Grounds {
    folder: PrivateFolder,
    ports: Ports,
    listeners: [TcpListener; 5],
    authority: Authority,
    password: String,
    seams: Seams,
}

/// Everything that runs.
pub(crate) struct World {
    pub(super) servers: Servers,
    pub(super) mail: UrlClient,
    pub(super) news: UrlClient,
    password: String,
    ports: Ports,
    narrator: Arc<Narrator>,
}

impl Grounds {
    /// Takes free ports and writes the files into a folder of their own, which is removed with this
    /// value, or with the world made from it, unless it is kept.
    pub(super) fn prepare() -> Result<Self, Failure> {
        let seams = Seams::system();
        let folder = servers::folder(&seams)?;
        let listeners = [listen()?, listen()?, listen()?, listen()?, listen()?];
        let port = |listener: &TcpListener| Ok::<_, io::Error>(listener.local_addr()?.port());
        let [sts, mail, news, rp, letters] = &listeners;
        let ports = Ports {
            sts: port(sts)?,
            mail: port(mail)?,
            news: port(news)?,
            rp: port(rp)?,
            letters: port(letters)?,
        };
        let authority = Authority::new(folder.path())?;
        authority.issue(&["sts.alice.example", "alice.example"])?;
        for name in ["mail.example", "news.example", "rp.bob.example"] {
            authority.issue(&[name])?;
        }
        let random = seams.random.as_ref();
        let password = random::handle(random).as_str().to_owned();
        let hash = PasswordHash::of(&Password::new(password.as_str()), random)?.to_string();
        files::write(folder.path(), ports, &password, &hash)?;
        for (name, id) in [("mail", MAIL), ("news", NEWS)] {
            let made = service(&folder.path().join(name), id, &seams);
            made.map_err(|failure| failure.line())?;
        }
        Ok(Self { folder, ports, listeners, authority, password, seams })
    }
}

#[cfg(test)]
impl crate::demo::told::InFolder for Grounds {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A service with a URL of its own, as `countersign client init` makes it.
fn service(
    directory: &Path,
    id: &str,
    seams: &Seams,
) -> Result<UrlClient, crate::failure::Failure> {
    let internal = |error| crate::failure::Failure::internal("a service", error);
    let client_id = ClientId::parse(id).map_err(|error| internal(Box::new(error)))?;
    let callback = id.replace("/client", "/callback");
    let callback = RedirectUri::parse(&callback).map_err(|error| internal(Box::new(error)))?;
    let description = Description {
        redirect_uris: vec![callback],
        ..Description::new(client_id, Algorithm::Es256)
    };
    UrlClient::create(directory, description, seams.clock.now())
}

impl World {
    /// Starts the parties.
    pub(super) fn start(
        grounds: Grounds,
        teller: Arc<Teller>,
        expected: Expected,
    ) -> Result<Self, Failure> {
        let Grounds { folder, ports, listeners, authority, password, seams } = grounds;
        let narrator = Arc::new(Narrator::new(Arc::clone(&teller), expected));
        let read = |name: &str| {
            UrlClient::load(&folder.path().join(name)).map_err(|failure| failure.line())
        };
        let (mail, news) = (read("mail")?, read("news")?);
        let servers = Servers::new(folder, authority, seams, &ports.connect_to(), teller, None)?;
        let mut world = Self { servers, mail, news, password, ports, narrator };
        world.serve_all(listeners)?;
        Ok(world)
    }

    fn serve_all(
        &mut self,
        [sts, mail, news, rp, letters]: [TcpListener; 5],
    ) -> Result<(), Failure> {
        let config = countersign_sts::load(&self.servers.folder().join(files::STS))?;
        let audit = Arc::clone(&self.narrator);
        let composed = countersign_sts::compose(config, self.servers.seams(), audit)?;
        self.servers.serve(sts, "sts.alice.example", composed.router())?;
        let document = router(&self.mail).map_err(|failure| failure.line())?;
        self.servers.serve(mail, "mail.example", document)?;
        let document = router(&self.news).map_err(|failure| failure.line())?;
        self.servers.serve(news, "news.example", document)?;
        self.serve_letters(letters);
        let config = countersign_resource_server::load(&self.servers.folder().join(files::RP))?;
        let audits = Audits {
            presentations: Some(Arc::clone(&self.narrator) as _),
            decisions: Some(Arc::clone(&self.narrator) as _),
        };
        let composed =
            countersign_resource_server::compose_with(config, self.servers.seams(), &audits)?;
        self.servers.serve(rp, "rp.bob.example", composed.router())
    }

    /// Bob's letters: a service that knows nothing of tokens, on a loopback port of its own.
    fn serve_letters(&mut self, listener: TcpListener) {
        let letters = Arc::new(Mutex::new(files::letters()));
        let api = Router::new().route("/letters", get(read).post(write)).with_state(letters);
        let stopped = self.servers.stopped();
        let transport = server::danger::plain_http();
        self.servers.spawn(async move {
            server::serve(listener, transport, api, stopped).await.map_err(Failure::from)
        });
    }

    pub(super) const fn ports(&self) -> Ports {
        self.ports
    }

    pub(super) fn narrator(&self) -> Arc<Narrator> {
        Arc::clone(&self.narrator)
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.password.as_str())
    }
}

type Letters = Arc<Mutex<Vec<Value>>>;

async fn read(State(letters): State<Letters>) -> impl IntoResponse {
    let letters = letters.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::CONTENT_TYPE, "application/json")], Value::from(letters).to_string())
}

/// Who writes is whom the layer in front says it is: nobody else can set that header.
async fn write(
    State(letters): State<Letters>,
    headers: HeaderMap,
    text: String,
) -> impl IntoResponse {
    let from = headers.get("x-caller-subject").and_then(|value| value.to_str().ok());
    let mut letters = letters.lock().unwrap_or_else(PoisonError::into_inner);
    letters.push(json!({ "from": from, "text": text }));
    let location = format!("/letters/{}", letters.len());
    (StatusCode::CREATED, [(header::LOCATION, location)])
}
