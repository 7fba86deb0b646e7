//! What is elsewhere in reality: Alice's provider with what it is told, and three origins.

use axum::Router;
use countersign::adapters::host::server::{Transport, serve};
use countersign_testkit::{Deployment, Party, names};
use toml::{Table, toml};

use crate::Failure;

/// Alice's provider, on loopback, and places for the services.
pub(crate) async fn start() -> Deployment {
    let world = Deployment::builder().with(Party::Sts, who_may_act);
    let hosts = ["trips.example", "stays.example", "hotel.example"];
    hosts.into_iter().fold(world, |world, host| world.with_host(host)).start().await
}

/// Serves a service at its origin, over TLS.
pub(crate) fn open(world: &mut Deployment, host: &str, app: Router) -> Result<(), Failure> {
    let (listener, tls) = world.take_host(host);
    tokio::spawn(serve(listener, Transport::tls(&tls)?, app, std::future::pending()));
    Ok(())
}

/// What Alice's provider is told: who gets which tokens, and that they can be exchanged once more.
fn who_may_act(sts: &mut Table) {
    let clients = sts.get_mut("clients").and_then(|clients| clients.as_array_mut());
    for client in clients.into_iter().flatten().filter_map(|client| client.as_table_mut()) {
        if client.get("id").and_then(|id| id.as_str()) == Some(names::RQP_CLIENT) {
            let exchange = toml! {
                access_token_audiences = ["https://trips.example/api"]
                delegate_onward = true
                email_in_access_token = true
                impersonate = true
            };
            client.insert("exchange".to_owned(), exchange.into());
        }
    }
    sts.extend(toml! {
        [[url_clients]]
        id = "https://trips.example/api"
        grants = ["token_exchange"]
        scopes = []
        [url_clients.exchange]
        access_token_audiences = ["https://stays.example/api"]
        delegate_onward = true
        email_in_access_token = true

        [[url_clients]]
        id = "https://stays.example/api"
        grants = ["token_exchange"]
        scopes = []
        exchange = { actor_token = true, identity_token_audiences = ["*"] }
    });
}
