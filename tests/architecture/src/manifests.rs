//! Every package is fit to be published.

use toml::Value;

use crate::workspace::{Package, linked, packages, read, root, root_manifest, sources};

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
        if package.is_published() {
            check_categories(package);
            check_keywords(package);
        }
        let lints = package.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(Value::as_bool), Some(true), "{name}: lints of the workspace");
    }
}

/// One to five of the registry's own: it drops any other without a word.
fn check_categories(package: &Package) {
    const KNOWN: &[&str] = &[
        "authentication",
        "caching",
        "command-line-utilities",
        "config",
        "cryptography",
        "data-structures",
        "database",
        "encoding",
        "internationalization",
        "network-programming",
        "web-programming",
        "web-programming::http-client",
        "web-programming::http-server",
    ];
    let name = &package.name;
    let categories = package.field("categories").and_then(Value::as_array);
    let categories = categories.unwrap_or_else(|| panic!("{name}: categories of its own"));
    assert!((1..=5).contains(&categories.len()), "{name}: one to five categories");
    for category in categories {
        let is_known = category.as_str().is_some_and(|slug| KNOWN.contains(&slug));
        assert!(is_known, "{name}: category {category}");
    }
}

/// Five at most, of letters, digits, `_`, `-` and `+`, twenty octets each: the registry's rule.
fn check_keywords(package: &Package) {
    let name = &package.name;
    let keywords = package.field("keywords").and_then(Value::as_array);
    let keywords = keywords.unwrap_or_else(|| panic!("{name}: keywords of its own"));
    assert!((2..=5).contains(&keywords.len()), "{name}: two to five keywords");
    for keyword in keywords.iter().map(|keyword| keyword.as_str().unwrap()) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+".contains(c);
        let fits = keyword.len() <= 20 && keyword.starts_with(|c: char| c.is_ascii_alphabetic());
        assert!(fits && keyword.chars().all(is_plain), "{name}: keyword {keyword:?}");
    }
}

#[test]
fn published_packages_carry_their_licences_and_a_readme() {
    for package in packages().values().filter(|package| package.is_published()) {
        let (name, folder) = (&package.name, &package.folder);
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(read(&format!("{folder}/{licence}")), read(licence), "{name}: {licence}");
        }
        let readme = read(&format!("{folder}/README.md"));
        let title = name.strip_prefix("countersign-").unwrap_or(name);
        let heading = readme.lines().next().unwrap_or_default();
        let is_titled = [format!("# {name}"), format!("# {title}")].iter().any(|t| t == heading);
        assert!(is_titled || folder.starts_with("bins/"), "{name}: README opens with its name");
        if folder.starts_with("crates/") {
            let documentation = format!("https://docs.rs/{name}");
            assert_eq!(text(package, "documentation"), documentation, "{name}");
        }
    }
}

/// A path without a version is dropped from what is published; a version would be looked up there.
#[test]
fn what_is_not_published_is_depended_on_by_path_alone() {
    let packages = packages();
    let manifest = root_manifest();
    let shared = manifest["workspace"]["dependencies"].as_table().unwrap();
    for (name, entry) in shared.iter().filter(|(name, _)| packages.contains_key(*name)) {
        let has_version = entry.get("version").is_some();
        assert_eq!(has_version, packages[name].is_published(), "{name}: a version");
    }
    for package in packages.values().filter(|package| package.is_published()) {
        for name in package.dependencies(&["dependencies", "build-dependencies"]) {
            let is_published = packages.get(&name).is_none_or(Package::is_published);
            assert!(is_published, "{} depends on {name}, which is not published", package.name);
        }
    }
}

/// Known private keys must not be one `cargo add` away.
#[test]
fn the_testkit_is_not_published() {
    assert!(!packages()["countersign-testkit"].is_published());
    assert!(root().join("crates/testkit/src/keys").is_dir(), "where its keys are");
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

/// What a published package asks others to build is named by its sources, and what its tests ask
/// for somewhere in it.
#[test]
fn what_is_depended_on_is_used() {
    for package in packages().values() {
        let sources = sources(&package.folder);
        let is_named = |name: &str, place: &str| {
            let name = name.replace('-', "_");
            let mut files = sources.iter().filter(|(path, _)| path.starts_with(place));
            files.any(|(_, text)| has_word(text, &name))
        };
        let of_all = format!("{}/src/", package.folder);
        let place = if package.is_published() { &of_all } else { &package.folder };
        for name in package.dependencies(&["dependencies"]) {
            assert!(is_named(&name, place), "{}: nothing in {place} names {name}", package.name);
        }
        for name in package.dependencies(&["dev-dependencies"]) {
            assert!(is_named(&name, &package.folder), "{}: no test names {name}", package.name);
        }
    }
}

/// Whether a text has an identifier as a whole.
fn has_word(text: &str, word: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        !text[..start].ends_with(continues) && !text[start + word.len()..].starts_with(continues)
    })
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
        assert!(has_runnable_example(&front), "{}: an example that the tests run", package.name);
    }
}

/// Whether one of the fences is Rust that `cargo test` compiles and runs: `no_run`, `ignore`,
/// `text` and other languages are not.
fn has_runnable_example(documentation: &[&str]) -> bool {
    let fences = documentation.iter().filter_map(|line| line.strip_prefix("//! ```"));
    fences.step_by(2).any(|tags| matches!(tags.trim(), "" | "rust"))
}

#[test]
fn an_example_that_is_not_run_is_none() {
    for (tags, runs) in
        [("", true), ("rust", true), ("no_run", false), ("text", false), ("toml", false)]
    {
        let fence = format!("//! ```{tags}");
        assert_eq!(has_runnable_example(&[&fence, "//! 1", "//! ```"]), runs, "{tags:?}");
    }
}
