//! Every flow with its table of refusals.
//!
//! | file | cases |
//! |---|---|
//! | `uma_sts_ticket_challenge.rs` | flow 002 as it is drawn, and what the client says of it |
//! | `uma_wide_ecosystem.rs`, `uma_wide_ecosystem/` | flow 003 as it is drawn, in both branches, with Bob at his console; RS-6, GRANT-10, 12, 18, STS-7 to STS-10 there |
//! | `protection_api.rs` | PROT-1 to PROT-8 |
//! | `public_cves.rs` | what was published of others: U6, U7, U8, U20 |
//! | `resource_server.rs` | RS-1 to RS-6 |
//! | `identity_broker.rs` | flow 001: F001-1, 2, 4, 6, 8 to 10, 12, 13 |
//! | `identity_propagation.rs` | F004-1 to F004-3 and F004-6 to F004-12 through the STS and to the relying party, PARTY-8 |
//! | `bound.rs` | the same with tokens that are bound to a key: A6, A34, PARTY-6 |
//! | `relying_party.rs` | F004-1 at the relying party, PARTY-1 to PARTY-5, PARTY-8 |
//! | `protected_service.rs` | a service behind `resource-server` with `[protect]`: PARTY-2, PARTY-3, PARTY-6, PARTY-7 |
//! | `sts.rs` | STS-1 to STS-6, STS-10 |
//! | `claims_endpoint.rs` | flow 003 without its owner: both branches, STS-7 to STS-9 |
//! | `claims_provider.rs` | the same with a claims provider of its own, which asks about opaque tokens |
//! | `grant.rs`, `grant/` | GRANT-1 to GRANT-9, 11, 13 to 15, 20, 21 |
//! | `inbox.rs` | RS-6 with POST: a message is left, read and taken out |
//! | `owner.rs` | GRANT-10: requests that wait for the owner, through our client |
//! | `webhook.rs` | the owner is told of a request that waits |
//! | `relay.rs` | the relay attacks, and metadata that lies |
//! | `discovery.rs` | DISC-1 to DISC-9 |
//! | `url_clients.rs` | clients without a registration (A7, A16, N6), at both authorization servers |
//! | `example_files.rs` | the example files of the three programs, as one deployment |
//! | `token_confusion.rs`, `token_confusion/` | X-3: every token at every place that takes one |
//! | `metadata.rs`, `one_deployment.rs` | X-1 |
//! | `skew.rs` | X-5 |
//! | `vectors.rs` | X-4 |

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at once"
)]

mod acting;
mod alice;
mod bed;
mod bound;
mod browser;
mod claims_endpoint;
mod claims_provider;
mod discovery;
mod example_files;
mod grant;
mod identity_broker;
mod identity_propagation;
mod inbox;
mod log;
mod metadata;
mod near;
mod one_deployment;
mod owner;
mod protected_service;
mod protection_api;
mod public_cves;
mod relay;
mod relying_party;
mod resource_server;
mod skew;
mod strangers;
mod sts;
mod token_confusion;
mod uma_sts_ticket_challenge;
mod uma_wide_ecosystem;
mod url_clients;
mod vectors;
mod webhook;
