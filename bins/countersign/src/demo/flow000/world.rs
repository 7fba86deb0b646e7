//! Flow 000's parties: two providers from their configuration files, and an API; each on its own
//! TLS origin.

use std::sync::{Arc, Mutex};

use countersign_client_auth::Proof;
use countersign_sts_service::audit::{Audit, ExchangeRecord};
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Issuer};

use super::api;
use super::files::{self, Places};
use crate::demo::results::API_CLIENT;
use crate::demo::results::grounds::{self, Made, Started, serve_sts};
use crate::demo::servers::{Failure, Servers};
use crate::demo::story::CheckLine;
use crate::demo::teller::{Teller, locked};

pub(super) const IDP: &str = "https://idp.university.example";
pub(super) const STS: &str = "https://sts.results.example";

pub(crate) type Grounds = grounds::Grounds<Places, 3>;

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

impl World {
    /// Starts the parties.
    pub(super) fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        let Started { servers, places, listeners: [idp, sts, api], made } =
            grounds.start(teller)?;
        let mut world = Self { servers, places, heard: Arc::default(), made };
        let nobody = Arc::<Heard>::default();
        serve_sts(&mut world.servers, idp, files::IDP, &world.places.idp, nobody)?;
        let heard = Arc::clone(&world.heard) as Arc<dyn Audit>;
        serve_sts(&mut world.servers, sts, files::STS, &world.places.sts, heard)?;
        let router = api::router(&world)?;
        world.servers.serve(api, world.places.api.host(), router)?;
        Ok(world)
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
