//! The person's browser.

use countersign_types::EndpointUrl;

/// Starts the browser that the platform would take, detached from this terminal, and does not wait
/// for it. Whether one could be started.
///
/// The URL is another party's choice. It is `https`, by its type, and one argument of a program: no
/// shell reads it, and it cannot be taken for an option.
pub(super) fn open(url: &EndpointUrl) -> bool {
    open::that_detached(url.as_str()).is_ok()
}
