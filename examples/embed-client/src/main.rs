//! How does my application get at something that another domain protects?
//!
//! ```console
//! $ cargo run -q -p countersign-example-embed-client
//! 1  GET https://rs.bob.example/rs-api
//! 2  401, a permission ticket of https://uma.bob.example
//!    checked: issuer of the metadata = as_uri
//!    checked: resource covers the URL
//!    may https://uma.bob.example learn who you are, as https://rs.bob.example wants? yes
//! 3  ticket_challenge made
//! 4  token exchange at the person's own provider
//! 5  claims token received
//!    checked: the claims token is the one asked for
//! 6  ticket and claims token to https://uma.bob.example/token
//! 7  requesting party token received
//! 8  GET https://rs.bob.example/rs-api, with the token
//! 9  200 OK
//! {"message":"Hello from the RS API"}
//! ```
//!
//! The application brings four things: who it is at its user's provider, who it is at Bob's server,
//! the user's access token, and a word on who may learn the user's address.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use countersign::adapters::fetch::request::BoxFuture;
use countersign::client::{ApproveAudience, Client, Event, NewAudience, Observer, Registration};
use countersign::client_auth::Proof;
use countersign::types::secret::ClientSecret;
use countersign::types::{ClientId, Issuer};
use countersign_testkit::{Deployment, names};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Alice's and Bob's domains, on loopback. Your program has the real ones: its `fetch` is
    // `HttpFetch::new(&FetchConfig::default())`, its clock and randomness are `Seams::system()`.
    let world = Deployment::builder().start().await;
    let (fetch, seams) = (world.http(), world.seams());

    // Whoever signs in: an access token of their provider, with scope `claims-provider`.
    let alice = Arc::new(world.alice().await);

    let provider = Registration {
        issuer: Issuer::parse(names::STS)?,
        client_id: ClientId::parse(names::RQP_CLIENT)?,
        proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
    };
    let client = Client::builder(fetch, seams.clock, seams.random, provider, alice)
        // Where it has no registration of its own, it is a public client of this name. At servers
        // it is registered at (`with_registration`) it asks nobody for approval.
        .with_identity_elsewhere(ClientId::parse(names::RQP_PUBLIC)?, None)
        .with_approval(Arc::new(AskFirst))
        .with_observer(Arc::new(Narrator))
        .build();

    // From here on it is an HTTP client.
    let request = http::Request::get(names::RS_API).body(Bytes::new())?;
    let response = client.request(request).await?;
    println!("{}", String::from_utf8_lossy(response.body()));
    if response.status().is_success() { Ok(()) } else { Err("not let in".into()) }
}

/// Asks the person before a server learns their address: here, everybody says yes.
struct AskFirst;

impl ApproveAudience for AskFirst {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        println!("   may {} learn who you are, as {} wants? yes", new.audience, new.resource);
        Box::pin(std::future::ready(true))
    }
}

/// Says what happens. The events carry tokens: do not log them whole.
struct Narrator;

impl Observer for Narrator {
    fn on(&self, event: &Event<'_>) {
        let text = match event {
            Event::Requested { method, url } => format!("{method} {url}"),
            Event::Challenged { challenge } => {
                format!("401, a permission ticket of {}", challenge.as_uri)
            }
            Event::Checked { what, .. } => format!("checked: {what}"),
            Event::ChallengeMade { .. } => "ticket_challenge made".to_owned(),
            Event::ExchangeRequested { .. } => {
                "token exchange at the person's own provider".to_owned()
            }
            Event::ClaimsTokenReceived { .. } => "claims token received".to_owned(),
            Event::GrantRequested { endpoint, .. } => {
                format!("ticket and claims token to {endpoint}")
            }
            Event::RptReceived { .. } => "requesting party token received".to_owned(),
            Event::RequestedWithRpt { method, url, .. } => {
                format!("{method} {url}, with the token")
            }
            Event::Answered { status } => status.to_string(),
            _ => return,
        };
        println!("{:2} {text}", event.arrow().map(|arrow| arrow.to_string()).unwrap_or_default());
    }
}
