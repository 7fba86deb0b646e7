//! A server on the machine of the servers, with documents that are good: what the address guard is
//! for. [`names::SCRIPTED`](countersign_testkit::names::SCRIPTED) is reached on loopback, too, but
//! by a `connect_to` that every configuration asks for by name; this one has a port that nobody
//! names.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::routing::any;
use countersign_host::server::{TlsConfig, Transport, serve};
use countersign_testkit::Deployment;
use countersign_testkit::deployment::Builder;
use serde_json::Value;
use toml::Table;

const HOST: &str = "127.0.0.1";

/// Whether the servers of a deployment may go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    On,
    /// Loopback is reached by `danger.allow_networks`.
    Open,
}

impl Guard {
    pub(crate) const BOTH: [Self; 2] = [Self::On, Self::Open];

    /// What a configuration says of it.
    pub(crate) fn configure(self, config: &mut Table) {
        if self == Self::Open {
            let danger = config["danger"].as_table_mut().unwrap();
            danger.insert("allow_networks".to_owned(), vec!["127.0.0.0/8"].into());
        }
    }
}

pub(crate) struct Near {
    listener: TcpListener,
    tls: TlsConfig,
}

impl Near {
    /// A deployment that has the place.
    pub(crate) fn reserve(builder: Builder) -> Builder {
        builder.with_host(HOST)
    }

    pub(crate) fn take(deployment: &mut Deployment) -> Self {
        let (listener, tls) = deployment.take_host(HOST);
        Self { listener, tls }
    }

    /// Its origin with the host in one of its spellings.
    pub(crate) fn origin(&self, host: &str) -> String {
        format!("https://{host}:{}", self.listener.local_addr().unwrap().port())
    }

    /// Answers with these documents, by path.
    pub(crate) fn serve(self, documents: HashMap<&'static str, Value>) {
        let documents = Arc::new(documents);
        let answer = async move |uri: Uri| {
            let document = documents.get(uri.path()).ok_or(StatusCode::NOT_FOUND)?;
            Ok::<_, StatusCode>(([(CONTENT_TYPE, "application/json")], document.to_string()))
        };
        let transport = Transport::tls(&self.tls).unwrap();
        let router = Router::new().fallback(any(answer));
        // Ends with the runtime of the test.
        tokio::spawn(serve(self.listener, transport, router, std::future::pending()));
    }

    /// Whether nobody so much as connected, where nobody answers: who does waits to be accepted.
    #[track_caller]
    pub(crate) fn saw_nobody(&self, name: &str) {
        self.listener.set_nonblocking(true).unwrap();
        let accepted = self.listener.accept().map(|(_, from)| from);
        let error = accepted.expect_err(name);
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{name}: {error}");
    }
}
