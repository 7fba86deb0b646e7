//! Networks of an operator's own, which a configuration lets be reached, for the three programs
//! alike.

use std::fmt::Debug;

use countersign_host::ConfigError;

use crate::directory::Directory;

/// Checks that a program takes networks that are networks, and names one that is none by its key
/// and its place.
///
/// `small` is a configuration with a table `[danger]`; `load` writes a text into a directory, and
/// loads it.
///
/// # Panics
/// If it does not.
#[expect(clippy::expect_used, reason = "a test stops at once")]
pub fn are_asked_for_by_name<C: Debug>(
    small: &str,
    load: impl Fn(&Directory, &str) -> Result<C, ConfigError>,
) {
    let place = Directory::new().expect("a directory");
    let with = |networks: &str| {
        let danger = format!("[danger]\nallow_networks = [{networks}]");
        load(&place, &small.replace("[danger]", &danger))
    };
    let good = "\"10.1.0.0/16\", \"fd00::/8\"";
    with(good).expect("two networks");
    for wrong in ["\"10.0.0.0\"", "\"10.0.0.0/33\"", "\"example\""] {
        let error = with(&format!("{good}, {wrong}")).expect_err("no network");
        assert_eq!(error.key, "danger.allow_networks[2]", "{error}");
    }
}
