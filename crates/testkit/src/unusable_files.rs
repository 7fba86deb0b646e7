//! Files that a configuration names and that cannot be used, for the three programs alike.

use std::fs;

use countersign_host::ConfigError;

use crate::directory::Directory;

/// What a configuration says of certificate and key, of roots or of the store, which key the error
/// is about, and what it says.
fn rows() -> Vec<(String, &'static str, &'static str)> {
    let tls = |certificate: &str, key: &str| {
        format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    let store = |path: &str| format!("[store]\npath = \"{path}\"\n");
    let roots = |path: &str| format!("[outbound]\nroots = \"{path}\"\n");
    vec![
        (tls("nope.pem", "a.key"), "tls.certificate", "nope.pem"),
        (tls("text", "a.key"), "tls.certificate", "no certificate in PEM"),
        (tls("block.pem", "nope.key"), "tls.key", "nope.key"),
        (tls("block.pem", "text"), "tls.key", "no private key in PEM"),
        (tls("block.pem", "block.key"), "tls", "cannot be used"),
        (roots("nope.pem"), "outbound.roots", "nope.pem"),
        (roots("text"), "outbound.roots", "text"),
        (store("no/such/server.db"), "store.path", "there is no directory"),
        (store("."), "store.path", "not a file"),
        (store("text"), "store.path", "not a store"),
    ]
}

/// Checks that a program names each of them by its key before anything binds or is made.
///
/// `small` is a configuration whose last table is `[danger]` with `plain_http` and `memory_store`.
/// `load` writes a text into a directory, and loads it; `check` is the program's own.
///
/// # Panics
/// If it does not.
#[expect(clippy::expect_used, clippy::panic, reason = "a test stops at once")]
pub fn are_named_by_key<C>(
    small: &str,
    load: impl Fn(&Directory, &str) -> Result<C, ConfigError>,
    check: impl Fn(&C) -> Result<(), ConfigError>,
) {
    for (table, key, reason) in rows() {
        let replaced = match key.split('.').next() {
            Some("tls") => "plain_http = true",
            Some("store") => "memory_store = true",
            _ => "",
        };
        assert!(small.contains(replaced), "{replaced}");
        let text = if replaced.is_empty() { small.to_owned() } else { small.replace(replaced, "") };
        let place = Directory::new().expect("a directory");
        let config =
            load(&place, &(text + &table)).unwrap_or_else(|error| panic!("{table}: {error}"));
        write_files(&place).expect("files");
        let entries = || fs::read_dir(place.path()).expect("the directory").count();
        let before = entries();
        let Err(error) = check(&config) else { panic!("nothing is wrong with {table}") };
        assert!(error.file.starts_with(place.path()), "{error}");
        assert_eq!(error.key, key, "{table}: {error}");
        assert!(error.reason.contains(reason), "{table}: {error}");
        assert_eq!(entries(), before, "{table}: nothing is made");
    }
}

/// A text, and two blocks of PEM with nothing in them.
fn write_files(place: &Directory) -> std::io::Result<()> {
    place.write("text", "only text")?;
    for (file, label) in [("block.pem", "CERTIFICATE"), ("block.key", "PRIVATE KEY")] {
        let block = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        place.write(file, &block)?;
    }
    Ok(())
}
