//! What the configuration files of all servers say about serving, and a server that is ready for
//! it.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use axum::Router;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::config::{self, ConfigError};
use crate::logging::LogConfig;
use crate::reload::Reload;
use crate::server::{
    self, Bodies, Limits, ServeError, Served, Service, TlsConfig, Transport, TransportError,
};

/// Where a server keeps what it must not forget: the table `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The database file.
    pub path: Option<PathBuf>,
}

/// The keys of a configuration file that all servers have, as they are written.
#[derive(Debug)]
pub struct ServingConfig {
    /// `listen`
    pub listen: SocketAddr,
    /// `[tls]`
    pub tls: Option<TlsConfig>,
    /// `[log]`
    pub log: LogConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `danger.plain_http`
    pub plain_http: bool,
    /// `danger.memory_store`
    pub memory_store: bool,
}

/// How a server is served: paths are relative to the configuration file no more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serving {
    /// The configuration file, for what is found out later.
    pub file: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate and key; `None` for plain http on a loopback address.
    pub tls: Option<TlsConfig>,
    /// How to log.
    pub log: LogConfig,
    /// The database file; `None` keeps everything in memory.
    pub store: Option<PathBuf>,
}

impl ServingConfig {
    /// Checks what stands in `file` together: a protection is there, or it was given up by name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve(self, file: &Path) -> Result<Serving, ConfigError> {
        let refuse = |key: &str, reason: &str| Err(ConfigError::new(file, key, reason));
        match (&self.tls, self.plain_http) {
            (None, false) => {
                return refuse("tls", "missing; plain http takes danger.plain_http = true");
            }
            (Some(_), true) => {
                return refuse("danger.plain_http", "there is a certificate to serve with");
            }
            (None, true) if !self.listen.ip().is_loopback() => {
                return refuse(
                    "danger.plain_http",
                    "for loopback addresses only, and listen is none",
                );
            }
            _ => {}
        }
        if self.store.path.is_none() && !self.memory_store {
            return refuse("store.path", "missing; forgetting takes danger.memory_store = true");
        }
        if let Err(error) = self.log.check() {
            return Err(ConfigError::new(file, "log.filter", error.to_string()));
        }
        Ok(Serving {
            file: file.to_owned(),
            listen: self.listen,
            tls: self.tls.map(|tls| tls.relative_to(file)),
            log: self.log,
            store: self.store.path.map(|path| config::relative_to(file, &path)),
        })
    }
}

impl Serving {
    /// Reads certificate and key, if there are any.
    ///
    /// # Errors
    /// [`ConfigError`] for `tls.certificate`, `tls.key`, or `tls` if they do not fit.
    pub fn transport(&self) -> Result<Transport, ConfigError> {
        match &self.tls {
            Some(tls) => Transport::tls(tls)
                .map_err(|error| ConfigError::because(&self.file, tls_key(tls, &error), &error)),
            None => Ok(server::danger::plain_http()),
        }
    }

    /// What has to be said of the certificate: which of these hosts it does not cover.
    ///
    /// It may be as it should: something else answers for them. Without a certificate, something
    /// else does.
    ///
    /// # Errors
    /// As [`Serving::transport`].
    pub fn uncovered(&self, hosts: &[String]) -> Result<Vec<ConfigError>, ConfigError> {
        let transport = self.transport()?;
        let Some(tls) = &self.tls else { return Ok(Vec::new()) };
        let hosts = hosts.iter().filter(|host| !transport.covers(host));
        let note = |host| {
            let reason = format!(
                "{} does not cover {host}: as it should be only where another server has that name",
                tls.certificate.display()
            );
            ConfigError::new(&self.file, "tls.certificate", reason)
        };
        Ok(hosts.map(note).collect())
    }
}

/// Which key of the file an error is about.
fn tls_key(tls: &TlsConfig, error: &TransportError) -> &'static str {
    match error {
        TransportError::File { path, .. } | TransportError::Pem { path, .. }
            if *path == tls.certificate =>
        {
            "tls.certificate"
        }
        TransportError::File { .. } | TransportError::Pem { .. } => "tls.key",
        TransportError::Unusable(_) => "tls",
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server that is ready to serve: nothing is bound, nothing was sent.
pub struct Composed {
    served: Served,
    listen: SocketAddr,
    transport: Transport,
    tasks: Vec<Box<dyn FnOnce(Reload) -> Task + Send>>,
    closed: Vec<Task>,
    reload: Reload,
    limits: Limits,
    bodies: Bodies,
}

impl Composed {
    /// A server of these routes, or of another service.
    #[must_use]
    pub fn new(served: impl Into<Served>, listen: SocketAddr, transport: Transport) -> Self {
        Self {
            served: served.into(),
            listen,
            transport,
            tasks: Vec::new(),
            closed: Vec::new(),
            reload: Reload::never(),
            limits: Limits::default(),
            bodies: Bodies::Whole,
        }
    }

    /// With something that runs while the server serves, and ends with it. It is told when files
    /// are to be read again.
    #[must_use]
    pub fn with_task<F>(mut self, task: impl FnOnce(Reload) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.push(Box::new(|reload| Box::pin(task(reload))));
        self
    }

    /// With something that is closed once nobody uses it, as a store is; `closed` is done then.
    /// What a request began may go on though its peer is gone: serving lasts until it has ended,
    /// but at most another [`Limits::drain`].
    #[must_use]
    pub fn with_closing(mut self, closed: impl Future<Output = ()> + Send + 'static) -> Self {
        self.closed.push(Box::pin(closed));
        self
    }

    /// With files that are read again whenever it is time to: certificate and key, and what the
    /// tasks look at.
    #[must_use]
    pub fn with_reload(mut self, reload: Reload) -> Self {
        self.reload = reload;
        self
    }

    /// With its routes inside something that sees every request and every answer: what counts them,
    /// measures or records.
    #[must_use]
    pub fn within(mut self, outer: impl FnOnce(Router) -> Router) -> Self {
        self.served = outer(self.served.into_router()).into();
        self
    }

    /// Under other limits, and with bodies that are handed on in this way.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits, bodies: Bodies) -> Self {
        (self.limits, self.bodies) = (limits, bodies);
        self
    }

    /// Where the configuration says to listen.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What is served, as a router to be served by another server.
    pub fn router(&self) -> Router {
        self.served.clone().into_router()
    }

    /// Serves until `shutdown` is done, and what is open then has ended.
    ///
    /// # Errors
    /// [`ServeError`], before anything is served.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let mut running = JoinSet::new();
        for task in self.tasks {
            running.spawn(task(self.reload.clone()));
        }
        let service = Service::new(self.served).with_limits(self.limits).with_bodies(self.bodies);
        let service = service.with_reload(self.reload);
        let served = server::serve(listener, self.transport, service, shutdown).await;
        let ended = async {
            running.shutdown().await;
            for closed in self.closed {
                closed.await;
            }
        };
        if tokio::time::timeout(self.limits.drain, ended).await.is_err() {
            tracing::warn!("what was begun has not ended, and is cut off");
        }
        served
    }
}

impl std::fmt::Debug for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composed")
            .field("listen", &self.listen)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn written() -> ServingConfig {
        ServingConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            tls: None,
            log: LogConfig::default(),
            store: StoreConfig::default(),
            plain_http: true,
            memory_store: true,
        }
    }

    #[track_caller]
    fn check_refused(change: impl FnOnce(&mut ServingConfig), key: &str, reason: &str) {
        let mut config = written();
        change(&mut config);
        let error = config.resolve(Path::new("etc/server.toml")).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }

    #[test]
    fn a_protection_is_there_or_was_given_up_by_name() {
        assert!(written().resolve(Path::new("etc/server.toml")).is_ok());
        let tls = || Some(TlsConfig { certificate: "a.pem".into(), key: "a.key".into() });
        check_refused(|config| config.plain_http = false, "tls", "danger.plain_http");
        check_refused(|config| config.tls = tls(), "danger.plain_http", "certificate");
        check_refused(|config| config.memory_store = false, "store.path", "danger.memory_store");
    }

    #[test]
    fn plain_http_is_refused_where_others_can_reach_it() {
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"] {
            let listen = address.parse().unwrap();
            check_refused(|config| config.listen = listen, "danger.plain_http", "loopback");
        }
    }

    #[test]
    fn a_log_filter_that_is_none_is_named() {
        check_refused(|config| config.log.filter = "a=b=c".to_owned(), "log.filter", "a=b=c");
    }

    #[test]
    fn paths_start_at_the_configuration_file() {
        let mut config = written();
        config.store.path = Some("server.db".into());
        config.tls = Some(TlsConfig { certificate: "a.pem".into(), key: "/a.key".into() });
        config.plain_http = false;
        let serving = config.resolve(Path::new("etc/server.toml")).unwrap();
        assert_eq!(serving.store.as_deref(), Some(Path::new("etc/server.db")));
        let tls = serving.tls.unwrap();
        assert_eq!(tls.certificate, Path::new("etc/a.pem"));
        assert_eq!(tls.key, Path::new("/a.key"));
    }

    /// A server whose store is closed once `closed` says so, and a task of its own that `uses`
    /// something.
    fn with_store(closed: oneshot::Receiver<()>, uses: &Arc<()>) -> Composed {
        let (listen, uses) = (SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(uses));
        Composed::new(Router::new(), listen, server::danger::plain_http())
            .with_closing(async { drop(closed.await) })
            .with_task(|_| async move {
                let _uses = uses;
                std::future::pending().await
            })
    }

    #[tokio::test]
    async fn serving_ends_with_what_was_begun() {
        let ((close, closed), used) = (oneshot::channel(), Arc::new(()));
        let composed = with_store(closed, &used);
        let listener = server::bind(composed.listen()).unwrap();
        let served = tokio::spawn(composed.serve(listener, std::future::ready(())));
        let its_task_ends = async {
            while Arc::strong_count(&used) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), its_task_ends).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!served.is_finished(), "the store is open yet");
        close.send(()).unwrap();
        served.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_does_not_end_is_cut_off() {
        let (_never, closed) = oneshot::channel();
        let limits = Limits { drain: Duration::from_millis(10), ..Limits::default() };
        let composed = with_store(closed, &Arc::default()).with_limits(limits, Bodies::Whole);
        let listener = server::bind(composed.listen()).unwrap();
        composed.serve(listener, std::future::ready(())).await.unwrap();
    }
}
