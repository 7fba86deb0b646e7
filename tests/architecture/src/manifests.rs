//! Every package is fit to be published.

use toml::Value;

use crate::workspace::{Package, linked, packages, read, root_manifest};

fn text<'a>(package: &'a Package, key: &str) -> &'a str {
    package.field(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_inherited(package: &Package, key: &str) -> bool {
    package.field(key).and_then(|value| value.get("workspace")).and_then(Value::as_bool)
        == Some(true)
}

#[test]
fn packages_describe_themselves() {
    for package in packages().values() {
        let name = &package.name;
        assert!(text(package, "description").len() > 20, "{name}: say in `description` what it is");
        assert!(text(package, "description").ends_with('.'), "{name}: `description` is a sentence");
        for key in ["version", "edition", "rust-version", "license", "repository"] {
            assert!(is_inherited(package, key), "{name}: {key} comes from the workspace");
        }
        for key in ["keywords", "categories"] {
            assert!(package.field(key).is_some(), "{name}: {key}");
        }
        let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(Value::as_bool), Some(true), "{name}: lints of the workspace");
    }
}

#[test]
fn published_packages_show_all_their_features_on_docs_rs() {
    for package in packages().values().filter(|package| package.is_published()) {
        let docs = package.field("metadata").and_then(|metadata| metadata.get("docs"));
        let all = docs.and_then(|docs| docs.get("rs")).and_then(|rs| rs.get("all-features"));
        assert_eq!(all.and_then(Value::as_bool), Some(true), "{}", package.name);
    }
}

#[test]
fn tests_and_examples_are_not_published() {
    for package in packages().values() {
        let apart = package.folder.starts_with("tests/") || package.folder.starts_with("examples/");
        assert!(!(apart && package.is_published()), "{}: publish = false", package.name);
    }
}

#[test]
fn versions_stand_in_one_place() {
    for package in packages().values() {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = package.manifest.get(table).and_then(Value::as_table);
            for (name, value) in entries.into_iter().flatten() {
                let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                assert!(inherited, "{}: {name} says its version itself", package.name);
            }
        }
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = root_manifest();
    assert_eq!(manifest["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
}

#[test]
fn overflow_is_checked_in_release() {
    let manifest = root_manifest();
    assert_eq!(manifest["profile"]["release"]["overflow-checks"].as_bool(), Some(true));
    assert!(manifest["profile"]["release"].get("panic").is_none(), "a request's panic is caught");
}

#[test]
fn licence_files_are_there() {
    assert!(read("LICENSE-APACHE").contains("Version 2.0, January 2004"));
    assert!(read("LICENSE-MIT").starts_with("MIT License"));
}

#[test]
fn a_verifier_links_no_openssl() {
    let small = linked("countersign-jwt", &["--no-default-features"]);
    assert!(small.iter().any(|name| name == "aws-lc-rs"), "the engine is there: {small:?}");
    for absent in ["josekit", "openssl", "openssl-sys"] {
        assert!(!small.iter().any(|name| name == absent), "{absent} is linked");
    }
}

#[test]
fn crates_open_with_what_they_implement_and_an_example() {
    for package in packages().values().filter(|package| package.folder.starts_with("crates/")) {
        let library = read(&format!("{}/src/lib.rs", package.folder));
        assert!(
            library.starts_with("//! "),
            "{}: lib.rs opens with its documentation",
            package.name
        );
        let front: Vec<_> = library.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(front.len() >= 10, "{}: say what it implements and leaves out", package.name);
        let example = front.iter().any(|line| line.starts_with("//! ```"));
        assert!(example, "{}: a runnable example", package.name);
    }
}
