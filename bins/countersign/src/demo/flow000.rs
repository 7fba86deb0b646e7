//! Flow 000: people sign in elsewhere, and the server exchanges what they bring.

mod api;
mod dashboard;
mod files;
mod refusals;
mod world;

use std::path::Path;
use std::sync::Arc;

use self::files::Places;
pub(super) use self::world::World;
use self::world::{Grounds, IDP, STS};
use super::results::{self, grounds, server};
use super::servers::{Failure, Servers};
use super::teller::Teller;
use super::{Flow, at};
use crate::output::Output;

/// The drawing's party, without "Pbench-".
const SERVICE: &str = "STS";

/// The number of the last arrow.
const LAST: u8 = 18;

impl Flow for World {
    const NUMBER: &'static str = "000";
    const TITLE: &'static str =
        "people sign in elsewhere, and the server exchanges what they bring";
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

    /// What to type at a shell to sign in as Alice at the provider, as the dashboard.
    fn commands(program: &str, folder: &Path) -> Vec<String> {
        let password = at(folder, "alice.password");
        vec![
            format!("{program} login {IDP} --headless --username alice --password-file {password}"),
            format!("{program} discover alice@university.example"),
        ]
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        introduce(self);
        let teller = self.servers.teller();
        let (flow, refusals) = (dashboard::run(self), refusals::try_all(self));
        results::tell(&teller, LAST, "Alice Liddell", flow, refusals).await;
        Ok(())
    }
}

/// Writes what the servers need to be started by hand.
pub(super) fn write(folder: &Path, out: Output) -> Result<(), Failure> {
    let places = Places::by_hand();
    super::files::write_new(folder, |made| grounds::write(made, &places).map(drop))?;
    let folder = std::fs::canonicalize(folder)?;
    let [idp, sts, api] = [files::IDP, files::STS, files::API].map(|file| at(&folder, file));
    let text = format!(
        "\
Written to {shown}. Start each server in a terminal of its own:

  sts {idp}
  sts {sts}
  countersign-example-results-service {api}

Then open {url} and sign in as alice or bob, with the password in
{password}. `examples/results-service/start` does all of it.",
        shown = folder.display(),
        url = places.api.url,
        password = at(&folder, "alice.password"),
    );
    let json = serde_json::json!({
        "folder": folder, "idp": idp, "sts": sts, "results_service": api, "open": places.api.url,
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

/// Who takes part, a line each.
fn introduce(world: &World) {
    let (teller, places) = (world.servers.teller(), &world.places);
    teller.parties(vec![
        server("university.example", "Identity-Provider (IdP)", IDP, &places.idp),
        server("results.example", "Pbench-Keycloak-server (STS)", STS, &places.sts),
        server("results.example", "Pbench-Server (Server)", results::API, &places.api),
        results::dashboard(IDP),
    ]);
    teller.line(
        "\n  The university has never heard of the STS, which trusts it for what its configuration says.",
    );
}

#[cfg(test)]
mod tests;
