//! Alice's application: the client of this project, with everything it sends written down.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_client::observe::{Event, Observer};
use countersign_client::subject::AnyAudience;
use countersign_client::{Client, ClientError, Registration};
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_testkit::names;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer};
use http::Response;

use crate::bed::Bed;

/// What went over the wire: host, and everything that was sent there.
#[derive(Default)]
pub(crate) struct Wire {
    sent: Mutex<Vec<(String, String)>>,
}

impl Wire {
    /// Everything that was sent to a host.
    pub(crate) fn sent_to(&self, url: &str) -> String {
        let host = url.trim_start_matches("https://").split('/').next().unwrap();
        let sent = self.sent.lock().unwrap();
        let to_host = sent.iter().filter(|(to, _)| to == host).map(|(_, text)| text.as_str());
        to_host.collect::<Vec<_>>().join("\n")
    }
}

struct Recorded(Arc<dyn Fetch>, Arc<Wire>);

impl Fetch for Recorded {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let host = request.url.as_url().host_str().unwrap_or_default().to_owned();
        let body = String::from_utf8_lossy(&request.body);
        let text = format!("{} {} {:?} {body}", request.method, request.url, request.headers);
        let values =
            request.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let text = format!("{text} {}", values.collect::<Vec<_>>().join(" "));
        self.1.sent.lock().unwrap().push((host, text));
        self.0.fetch(request)
    }
}

/// The arrows of flow 002 that were seen, and the checks that were made between them.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Vec<String>>);

impl Seen {
    pub(crate) fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The numbers of the arrows, in order.
    pub(crate) fn arrows(&self) -> Vec<u8> {
        self.events().iter().filter_map(|event| event.parse().ok()).collect()
    }
}

impl Observer for Seen {
    fn on(&self, event: &Event<'_>) {
        let name = match (event.arrow(), event) {
            (Some(arrow), _) => arrow.to_string(),
            (None, Event::Checked { what, .. }) => format!("checked {what}"),
            (None, Event::GrantRefused { .. }) => "refused".to_owned(),
            (None, _) => "other".to_owned(),
        };
        self.0.lock().unwrap().push(name);
    }
}

/// Alice at her application.
pub(crate) struct Alice {
    pub(crate) client: Client,
    pub(crate) wire: Arc<Wire>,
    pub(crate) seen: Arc<Seen>,
}

impl Alice {
    /// Signs in for real. The application is registered at Bob's UMA server and goes to any other
    /// as a public client, and Alice approves of all of them: the least careful client there is.
    pub(crate) async fn signs_in(bed: &Bed) -> Self {
        Self::with_proof(
            bed,
            names::RQP_CLIENT,
            Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
        )
        .await
    }

    /// The same with the client registered at Bob's UMA server in another way.
    pub(crate) async fn with_proof(bed: &Bed, client_id: &str, proof: Proof) -> Self {
        let wire = Arc::new(Wire::default());
        let seen = Arc::new(Seen::default());
        let fetch = Arc::new(Recorded(bed.deployment.http(), Arc::clone(&wire)));
        let seams = bed.deployment.seams();
        let at = |issuer: &str, client_id: &str, proof: Proof| Registration {
            issuer: Issuer::parse(issuer).unwrap(),
            client_id: ClientId::parse(client_id).unwrap(),
            proof,
        };
        let confidential = Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET));
        let provider = at(names::STS, names::RQP_CLIENT, confidential);
        let subject = Arc::new(bed.deployment.alice().await);
        let elsewhere = ClientId::parse("https://app.alice.example/client").unwrap();
        let client = Client::builder(fetch, seams.clock, seams.random, provider, subject)
            .with_registration(at(names::UMA, client_id, proof))
            .with_identity_elsewhere(elsewhere, None)
            .with_approval(Arc::new(AnyAudience))
            .with_observer(Arc::clone(&seen) as _)
            .build();
        Self { client, wire, seen }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response<Bytes>, ClientError> {
        self.client.request(http::Request::get(url).body(Bytes::new()).unwrap()).await
    }
}
