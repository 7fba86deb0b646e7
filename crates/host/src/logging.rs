//! Logging to standard error, one line per event.
//!
//! No input can forge a line or drive a terminal (H16): control characters, line separators and
//! direction marks leave as `\uXXXX`, in both formats. A panic is logged by its place only, since
//! its message may quote what the request carried.

use std::io;

use serde::Deserialize;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How and what to log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: Format,
    /// What is logged: a level, or directives as `info,countersign_uma_service=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: Format::Text, filter: "info".to_owned() }
    }
}

impl LogConfig {
    /// Whether logging can start with it.
    ///
    /// # Errors
    /// [`LoggingError::Filter`].
    pub fn check(&self) -> Result<(), LoggingError> {
        self.filter().map(drop)
    }

    fn filter(&self) -> Result<EnvFilter, LoggingError> {
        EnvFilter::try_new(&self.filter).map_err(|_| LoggingError::Filter(self.filter.clone()))
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter is not a level or a list of directives.
    #[error("`{0}` is not a log filter")]
    Filter(String),
    /// Something else in this process has taken over logging.
    #[error("logging was started before")]
    Started,
}

/// Starts logging for the whole process; `main` calls it once, before anything else.
///
/// # Errors
/// [`LoggingError`].
pub fn init(config: &LogConfig) -> Result<(), LoggingError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_ansi(false)
        .with_writer(Escaped(io::stderr));
    let started = match config.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| LoggingError::Started)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}

/// A writer whose every write is one event and becomes one line of harmless characters.
struct Escaped<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = EscapedWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapedWriter(self.0.make_writer())
    }
}

struct EscapedWriter<W>(W);

impl<W: io::Write> io::Write for EscapedWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The event as one line. Inside a JSON string `\uXXXX` is the character itself, so JSON stays
/// JSON.
fn line(event: &str) -> String {
    let event = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len() + 1);
    for character in event.chars() {
        if is_harmful(character) {
            line += &format!("\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

/// Controls (C0, DEL, C1), line and paragraph separators, and what changes the direction of text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_says() {
        let forged =
            "client a\r\n2026-01-01 INFO all is well \u{1b}[2K\u{7f}\u{9b}\u{2028}\u{202e}\n";
        let expected = "client a\\u000d\\u000a2026-01-01 INFO all is well \
                        \\u001b[2K\\u007f\\u009b\\u2028\\u202e\n";
        assert_eq!(line(forged), expected);
        assert_eq!(line("grüße, Ωmega\n"), "grüße, Ωmega\n");
        assert_eq!(line(""), "\n");
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs one event in `format`, with a hostile message and a hostile field.
    fn logged(format: Format) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder =
            tracing_subscriber::fmt().with_ansi(false).with_writer(Escaped(move || writer.clone()));
        let hostile = "x\nERROR forged\u{1b}[31m\u{7f}";
        let event = || tracing::info!(client = hostile, "refused {hostile}");
        match format {
            Format::Text => tracing::subscriber::with_default(builder.finish(), event),
            Format::Json => tracing::subscriber::with_default(builder.json().finish(), event),
        }
        let octets = lines.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn neither_format_lets_an_input_end_the_line() {
        for format in [Format::Text, Format::Json] {
            let log = logged(format);
            assert_eq!(log.matches('\n').count(), 1, "{log:?}");
            assert!(log.ends_with('\n'));
            assert!(!log.contains(['\u{1b}', '\u{7f}', '\r']), "{log:?}");
        }
    }

    #[test]
    fn json_stays_json_and_says_what_was_said() {
        let log = logged(Format::Json);
        assert!(log.contains(r#""client":"x\nERROR forged\u001b[31m\u007f""#), "{log}");
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let config = LogConfig { filter: "loud=very".into(), ..LogConfig::default() };
        let error = init(&config).unwrap_err();
        assert_eq!(error.to_string(), "`loud=very` is not a log filter");
    }
}
