//! What the server writes to its log.

use std::sync::{Arc, Mutex, Once};

/// The log of this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Hears everything as long as what it gives lives.
    pub(crate) fn hear(&self) -> tracing::subscriber::DefaultGuard {
        // If this were the only subscriber, `tracing` would ask the thread that logs a line first
        // whether anybody wants it, and a thread of another test would say no for all.
        static ANOTHER: Once = Once::new();
        ANOTHER.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
        });
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of the audit log.
    pub(crate) fn audited(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains("countersign::audit:"));
        lines.map(str::to_owned).collect()
    }
}
