//! How does a person's identity get through a chain of services, and who sees all of the chain?
//!
//! ```console
//! $ cargo run -q -p countersign-example-identity-propagation
//! alice's application asks trips.example
//!   trips.example asks stays.example, for alice@alice.example
//!     stays.example asks hotel.example, for alice@alice.example through trips.example
//!       hotel.example serves alice@alice.example through stays.example through trips.example
//! 200 OK: room 12
//! what stays.example showed, without stays.example: 401 Unauthorized
//! trips.example, past stays.example: 401 Unauthorized
//! ```
//!
//! `trips.example` and `stays.example` trust Alice's provider, and each exchanges the token it was
//! called with there: the access token that results says who acts. `hotel.example` has heard of
//! nobody. It finds the provider by Alice's address and the keys of `stays.example` at its URL.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

mod hotel;
mod provider;
mod service;
mod stays;
mod trips;
mod world;

use std::error::Error;
use std::sync::mpsc;

use countersign::client_auth::Proof;
use countersign::types::secret::ClientSecret;
use countersign_testkit::names;

use self::provider::exchange;
use self::service::ask;

type Failure = Box<dyn Error + Send + Sync>;

/// A service is known by one URL, as a client and as a resource server.
const TRIPS: &str = "https://trips.example/api";
const STAYS: &str = "https://stays.example/api";
const HOTEL: &str = "https://hotel.example";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Alice's provider, on loopback, and three origins for the services.
    let mut world = world::start().await;
    let (fetch, seams) = (world.http(), world.seams());
    let (shown, was_shown) = mpsc::channel();
    world::open(&mut world, "trips.example", trips::router(&fetch, &seams)?)?;
    world::open(&mut world, "stays.example", stays::router(&fetch, &seams, shown)?)?;
    world::open(&mut world, "hotel.example", hotel::router(&fetch, &seams)?)?;

    println!("alice's application asks trips.example");
    let alice = world.alice().await.access_token;
    let secret = Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET));
    let token = exchange(&fetch, &seams, (names::RQP_CLIENT, &secret), &alice, TRIPS).await?;
    let (status, body) = ask(&fetch, &format!("{TRIPS}/plan"), &token).await?;
    println!("{status}: {body}");

    let identity_token = was_shown.recv()?;
    let (status, _) = ask(&fetch, &format!("{HOTEL}/room"), &identity_token).await?;
    println!("what stays.example showed, without stays.example: {status}");
    let (status, _) = ask(&fetch, &format!("{HOTEL}/room"), &token).await?;
    println!("trips.example, past stays.example: {status}");
    Ok(())
}
