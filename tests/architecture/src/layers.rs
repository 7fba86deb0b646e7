//! The picture of `docs/ARCHITECTURE.md`: who may depend on whom.

use crate::workspace::{linked, packages};

/// From the bottom up. A package may depend on packages of lower rows only, never on one of its own
/// row.
const LAYERS: &[&[&str]] = &[
    &["countersign-types"],
    &["countersign-jwt"],
    &["countersign-permission-ticket", "countersign-client-auth", "countersign-metadata"],
    &["countersign-claims-token"],
    &["countersign-identity-propagation"],
    &["countersign-uma", "countersign-token-exchange", "countersign-oidc"],
    &[
        "countersign-store",
        "countersign-fetch",
        "countersign-host",
        "countersign-cedar",
        "countersign-pages",
    ],
    &["countersign-resolver", "countersign-login"],
    &[
        "countersign-sts-service",
        "countersign-uma-service",
        "countersign-resource",
        "countersign-client",
    ],
    &["countersign"],
    &["countersign-sts", "countersign-uma-server", "countersign-resource-server"],
    &["countersign-cli"], // its demonstration runs the three servers
];

/// The last row without waiting, clock, file, environment or socket.
const LAST_PURE: usize = 5;

/// What the pure layers may take from outside: types and arithmetic.
const PURE_DEPENDENCIES: &[&str] = &[
    "base64",
    "bytes",
    "form_urlencoded",
    "http",
    "idna",
    "memchr",
    "percent-encoding",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "url",
    "zeroize",
];

/// And what `jwt` alone takes beside them: the engines.
const ENGINES: &[&str] = &["aws-lc-rs", "curve25519-dalek", "josekit"];

/// Never linked into a pure layer, by whatever way.
const EFFECTS: &[&str] =
    &["async-std", "axum", "hyper", "mio", "rusqlite", "rustls", "socket2", "tokio", "tower"];

fn rank(package: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&package))
}

pub(crate) fn pure_packages() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().take(LAST_PURE + 1).flat_map(|layer| layer.iter().copied())
}

#[test]
fn every_package_has_its_layer_or_stands_outside() {
    for package in packages().values() {
        let outside = package.folder.starts_with("tests/")
            || package.folder.starts_with("examples/")
            || package.name == "countersign-testkit";
        assert!(
            outside != rank(&package.name).is_some(),
            "{} ({}): give it a layer",
            package.name,
            package.folder
        );
    }
}

#[test]
fn dependencies_point_downwards() {
    for package in packages().values() {
        let Some(own) = rank(&package.name) else { continue };
        for name in package.dependencies(&["dependencies", "build-dependencies"]) {
            assert_ne!(name, "countersign-testkit", "{}: for tests only", package.name);
            if let Some(other) = rank(&name) {
                assert!(other < own, "{} may not depend on {name}", package.name);
            } else {
                assert!(!name.starts_with("countersign"), "{} depends on {name}", package.name);
            }
        }
    }
}

#[test]
fn pure_layers_take_types_and_arithmetic_only() {
    let packages = packages();
    for name in pure_packages() {
        for dependency in packages[name].dependencies(&["dependencies", "build-dependencies"]) {
            let allowed = dependency.starts_with("countersign-")
                || PURE_DEPENDENCIES.contains(&dependency.as_str())
                || (name == "countersign-jwt" && ENGINES.contains(&dependency.as_str()));
            assert!(allowed, "{name} may not depend on {dependency}");
        }
    }
}

#[test]
fn pure_layers_link_no_runtime() {
    for name in pure_packages() {
        let linked = linked(name, &["--all-features"]);
        assert!(linked.iter().any(|other| other == name), "{name} links itself");
        for effect in EFFECTS {
            assert!(!linked.iter().any(|other| other == effect), "{name} links {effect}");
        }
    }
}

#[test]
fn only_jwt_names_the_engines() {
    for package in packages().values() {
        // TLS and random bytes come from aws-lc-rs too; josekit is nobody's business but `jwt`'s.
        let exempt = package.name == "countersign-jwt" || package.folder.starts_with("tests/");
        let dependencies = package.dependencies(&["dependencies", "build-dependencies"]);
        let names_josekit = dependencies.iter().any(|name| name == "josekit");
        assert!(exempt || !names_josekit, "{} names josekit", package.name);
    }
}
