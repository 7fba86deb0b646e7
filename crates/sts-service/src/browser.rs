//! What kind of browser somebody signed in with, as far as it says so itself.

use http::HeaderMap;
use http::header::USER_AGENT;
use serde::{Deserialize, Serialize};

/// A browser and its system, by the names that people know. Whoever sent the request may have made
/// them up, but out of these words alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrowserKind {
    browser: Option<usize>,
    system: Option<usize>,
}

/// What a browser's product token says, the more particular first: nearly all call themselves
/// Safari.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Likewise: a phone with Android says Linux, too.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

impl BrowserKind {
    /// What the request says of its browser. [RFC 9110 §10.1.5]
    ///
    /// [RFC 9110 §10.1.5]: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.5
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.unwrap_or_default();
        let first =
            |known: &[(&str, &str)]| known.iter().position(|(says, _)| agent.contains(says));
        Self { browser: first(&BROWSERS), system: first(&SYSTEMS) }
    }

    /// The browser, if it is known.
    pub(crate) fn browser(self) -> Option<&'static str> {
        self.browser.and_then(|at| BROWSERS.get(at)).map(|(_, name)| *name)
    }

    /// Its system, if it is known.
    pub(crate) fn system(self) -> Option<&'static str> {
        self.system.and_then(|at| SYSTEMS.get(at)).map(|(_, name)| *name)
    }
}
