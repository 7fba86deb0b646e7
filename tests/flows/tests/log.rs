//! What the servers of one test log.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Everything that is logged on this thread, at the finest level. Every server of a test on a
/// current-thread runtime runs there.
pub(crate) struct Log(());

impl Log {
    pub(crate) fn start() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let wanted = dynamic_filter_fn(|_, _| LOG.with_borrow(Option::is_some));
            let layer = fmt::layer().with_ansi(false).with_writer(|| ThisThread);
            tracing_subscriber::registry().with(layer.with_filter(wanted)).init();
        });
        LOG.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn stop(self) -> String {
        String::from_utf8_lossy(&LOG.take().unwrap_or_default()).into_owned()
    }
}

struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.get_or_insert_default().extend_from_slice(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
