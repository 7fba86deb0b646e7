//! Flow 001's parties: two providers and a broker from their configuration files, and an API; each
//! on its own TLS origin.

use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_resource::Introspector;
use countersign_sts_service::LogAudit;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{ClientId, Issuer};

use super::api;
use super::files::{self, Places};
use crate::demo::results::API_CLIENT;
use crate::demo::results::grounds::{self, Made, Started, serve_sts};
use crate::demo::servers::{Failure, Servers};
use crate::demo::teller::Teller;

pub(super) const IDP: &str = "https://idp.university.example";
pub(super) const COLLEGE: &str = "https://idp.college.example";
pub(super) const BROKER: &str = "https://broker.results.example";

pub(crate) type Grounds = grounds::Grounds<Places, 4>;

/// Everything that runs.
pub(crate) struct World {
    pub(super) servers: Servers,
    pub(super) places: Places,
    made: Made,
}

impl World {
    /// Starts the parties.
    pub(super) fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        let Started { servers, places, listeners, made } = grounds.start(teller)?;
        let ([idp, college, broker, api], mut world) = (listeners, Self { servers, places, made });
        let places = &world.places;
        for (listener, file, place) in [
            (idp, files::IDP, &places.idp),
            (college, files::COLLEGE, &places.college),
            (broker, files::BROKER, &places.broker),
        ] {
            serve_sts(&mut world.servers, listener, file, place, Arc::new(LogAudit))?;
        }
        let router = api::router(&world)?;
        world.servers.serve(api, world.places.api.host(), router)?;
        Ok(world)
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.made.password.as_str())
    }

    /// The API, as the broker knows it.
    pub(super) fn introspector(&self) -> Result<Introspector, Failure> {
        Ok(Introspector {
            issuer: Issuer::parse(BROKER)?,
            client_id: ClientId::parse(API_CLIENT)?,
            proof: Proof::SecretBasic(ClientSecret::new(self.made.client.as_str())),
        })
    }
}
