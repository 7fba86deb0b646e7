//! What Bob's authorization server is told of the foreign parties: their resource servers, who may
//! do what there, and where Bob signs in to decide.

use toml::{Table, toml};

use crate::alice::extend;

/// Adds everything to the configuration of the deployment's UMA server. The secrets are files that
/// every deployment has.
pub(crate) fn configure(uma: &mut Table) {
    let servers = toml! {
        [[resource_servers]]
        id = "python-rs"
        secret = { file = "rs-olga.secret" }
        owner = "bob"
        resource_identifiers = ["https://python.services.example"]
        [[resource_servers.policy]]
        resource = "Letters"
        scopes = ["read"]
        emails = ["alice@alice.example"]
        [[resource_servers.policy]]
        resource = "Diary"
        scopes = ["read"]
        emails = ["alice@alice.example"]
        ask = true

        [[resource_servers]]
        id = "rust-rs"
        secret = { file = "plain-client.secret" }
        owner = "bob"
        resource_identifiers = ["https://rust.services.example"]
        policy = [{ resource = "Letters", scopes = ["read"], emails = ["alice@alice.example"] }]
    };
    extend(uma, "resource_servers", servers);
    uma.extend(toml! {
        [console]
        name = "Bob's authorization server"
        issuer = "https://sts.alice.example"
        client_id = "uma-console"
        client_secret = { file = "changed.secret" }
        scopes = ["openid", "email"]

        [[owners]]
        id = "bob"
        issuer = "https://sts.alice.example"
        email = "bob@alice.example"
    });
}
