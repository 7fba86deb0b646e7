//! Flow 001: people sign in through a broker, with a provider of their choice.

mod api;
mod dashboard;
mod files;
mod refusals;
mod world;

use std::path::Path;
use std::sync::Arc;

use self::files::Places;
pub(super) use self::world::World;
use self::world::{BROKER, COLLEGE, Grounds, IDP};
use super::results::{self, grounds, server};
use super::servers::{Failure, Servers};
use super::teller::Teller;
use super::{Flow, at};
use crate::output::Output;

/// The drawing's party, without "Pbench-".
const BROKER_NAME: &str = "Broker";

/// The number of the last arrow.
const LAST: u8 = 11;

impl Flow for World {
    const NUMBER: &'static str = "001";
    const TITLE: &'static str = "people sign in through a broker, with a provider of their choice";
    const CONFIG: &'static str = files::CLIENT;

    type Grounds = Grounds;

    fn prepare() -> Result<Grounds, Failure> {
        Grounds::prepare()
    }

    fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        Self::start(grounds, teller)
    }

    fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    fn into_servers(self) -> Servers {
        self.servers
    }

    /// What to type at a shell: to sign in, with a browser.
    fn commands(program: &str, _: &Path) -> Vec<String> {
        vec![format!("{program} discover alice@university.example")]
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        introduce(self);
        let teller = self.servers.teller();
        let (flow, refusals) = (dashboard::run(self), refusals::try_all(self));
        results::tell(&teller, LAST, "alice@university.example", flow, refusals).await;
        Ok(())
    }
}

/// Writes what the servers need to be started by hand.
pub(super) fn write(folder: &Path, out: Output) -> Result<(), Failure> {
    let places = Places::by_hand();
    super::files::write_new(folder, |made| grounds::write(made, &places).map(drop))?;
    let folder = std::fs::canonicalize(folder)?;
    let file = |name| at(&folder, name);
    let text = format!(
        "\
Written to {shown}. Start each server in a terminal of its own:

  sts {idp}
  sts {college}
  sts {broker}
  countersign-example-results-service {api}

Then open {url} and sign in as alice at the University or as carol at the
College, with the password in {password}.
`examples/results-service/start 001` does all of it.",
        shown = folder.display(),
        idp = file(files::IDP),
        college = file(files::COLLEGE),
        broker = file(files::BROKER),
        api = file(files::API),
        url = places.api.url,
        password = file("alice.password"),
    );
    let json = serde_json::json!({
        "folder": folder, "idp": file(files::IDP), "college": file(files::COLLEGE),
        "broker": file(files::BROKER), "results_service": file(files::API), "open": places.api.url,
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

/// Who takes part, a line each.
fn introduce(world: &World) {
    let (teller, places) = (world.servers.teller(), &world.places);
    teller.parties(vec![
        server("university.example", "Identity-Provider (IdP)", IDP, &places.idp),
        server("college.example", "another provider", COLLEGE, &places.college),
        server("results.example", "Identity-Broker (Broker)", BROKER, &places.broker),
        server("results.example", "Pbench-Server (Server)", results::API, &places.api),
        results::dashboard(BROKER),
    ]);
    teller.line(
        "\n  The Dashboard and the Server know the Broker alone, and never see a provider's token.",
    );
}

#[cfg(test)]
mod tests;
