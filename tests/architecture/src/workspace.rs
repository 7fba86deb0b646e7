//! The workspace as the tests see it: packages with their manifests, and source files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// A member of the workspace.
pub(crate) struct Package {
    /// The folder below the root: `crates/jwt`.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) manifest: Table,
}

impl Package {
    /// The names of the packages in these tables, of every target, as the registry knows them.
    pub(crate) fn dependencies(&self, tables: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        let targets = self.manifest.get("target").and_then(Value::as_table);
        let per_target = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
        for place in per_target.chain([&self.manifest]) {
            for table in tables {
                let entries = place.get(*table).and_then(Value::as_table);
                for (key, value) in entries.into_iter().flatten() {
                    let renamed = value.get("package").and_then(Value::as_str);
                    names.push(renamed.unwrap_or(key).to_owned());
                }
            }
        }
        names
    }

    /// The value under `[package]`, inherited or not.
    pub(crate) fn field(&self, key: &str) -> Option<&Value> {
        self.manifest.get("package")?.get(key)
    }

    pub(crate) fn is_published(&self) -> bool {
        self.field("publish").and_then(Value::as_bool) != Some(false)
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn root_manifest() -> Table {
    read("Cargo.toml").parse().unwrap()
}

/// Every member, by package name.
pub(crate) fn packages() -> BTreeMap<String, Package> {
    let manifest = root_manifest();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let mut packages = BTreeMap::new();
    for member in members.iter().filter_map(Value::as_str) {
        let folders = match member.strip_suffix("/*") {
            Some(parent) => folders_in(parent),
            None => vec![member.to_owned()],
        };
        for folder in folders {
            let manifest: Table = read(&format!("{folder}/Cargo.toml")).parse().unwrap();
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            packages.insert(name.clone(), Package { folder, name, manifest });
        }
    }
    assert!(packages.len() > 20, "the members were not found");
    packages
}

fn folders_in(parent: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(parent)).unwrap().map(Result::unwrap);
    let mut folders: Vec<_> = entries
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| format!("{parent}/{}", entry.file_name().to_str().unwrap()))
        .collect();
    folders.sort();
    folders
}

/// Every Rust file below a folder, as a path from the root, with its text.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    files(folder, "rs")
}

/// Every file below a folder whose name has this extension.
pub(crate) fn files(folder: &str, wanted: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == wanted) {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                files.push((name, text));
            }
        }
    }
    files.sort();
    files
}

/// What `cargo tree` says a package links, one package name each. Uses only what is at hand.
pub(crate) fn linked(package: &str, options: &[&str]) -> Vec<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .args(options)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree --package {package}: {complaint}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
