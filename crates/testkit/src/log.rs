//! What is written to the log.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;

/// A log: that of the whole process, or of one thread for a while.
///
/// ```
/// use countersign_testkit::Log;
///
/// let log = Log::default();
/// let heard = log.hear();
/// tracing::info!(target: "countersign::audit", "signed out");
/// tracing::info!("all is well");
/// drop(heard);
/// tracing::info!("nobody hears this");
/// assert_eq!(log.text().lines().count(), 2);
/// assert_eq!(log.audited("signed").len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log of the whole process, which hears everything from the first call on, save what
    /// [another](Self::hear) hears.
    ///
    /// # Panics
    /// If somebody else in this process has taken over logging.
    pub fn open() -> &'static Self {
        static LOG: LazyLock<Log> = LazyLock::new(|| {
            let log = Log::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            log
        });
        &LOG
    }

    /// Hears this thread, as far as operators do by default, as long as what it gives lives.
    ///
    /// # Panics
    /// As [`open`](Self::open) does.
    #[must_use]
    pub fn hear(&self) -> DefaultGuard {
        // If this were the only subscriber, `tracing` would ask the thread that logs a line first
        // whether anybody wants it, and a thread of another test would say no for all.
        Self::open();
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets()).into_owned()
    }

    /// The lines of the audit log so far that say this.
    #[must_use]
    pub fn audited(&self, what: &str) -> Vec<String> {
        let is_it = |line: &&str| line.contains("countersign::audit:") && line.contains(what);
        self.text().lines().filter(is_it).map(str::to_owned).collect()
    }

    fn octets(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.octets().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
