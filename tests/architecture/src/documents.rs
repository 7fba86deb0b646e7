//! A document that names a test or a function names one that exists, and no attack class lacks its
//! row.

use std::collections::BTreeMap;

use crate::workspace::{read, root};

/// The attack classes of `docs/SECURITY-TESTS.md`: letter and how many.
const ATTACKS: &[(&str, usize)] =
    &[("J", 32), ("E", 11), ("O", 30), ("T", 15), ("U", 25), ("N", 11), ("H", 18)];

/// The rows of every table of a document whose first cell is an id, by that id.
fn rows(document: &str) -> Vec<(String, Vec<String>)> {
    let text = read(document);
    let cells = |line: &str| -> Vec<String> {
        let inner =
            line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
        inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    };
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    lines.map(cells).map(|cells| (cells[0].clone(), cells)).collect()
}

/// Everything between backticks that points into the tree: `path/file.rs::name`.
fn pointers(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|text| text.split_once(".rs::"))
        .map(|(path, name)| (format!("{path}.rs"), name.to_owned()))
        .collect()
}

fn file(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// Whether the file declares this item: a function, type, constant or module.
fn declares(text: &str, name: &str) -> bool {
    let item = name.rsplit("::").next().unwrap_or(name);
    ["fn ", "struct ", "enum ", "trait ", "const ", "type ", "mod "].iter().any(|keyword| {
        let declaration = format!("{keyword}{item}");
        text.match_indices(&declaration).any(|(start, found)| {
            let next = text[start + found.len()..].chars().next();
            next.is_none_or(|c| !c.is_alphanumeric() && c != '_')
        })
    })
}

/// Whether the file holds a test of this name: the attribute stands close above the function.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let declared = lines.iter().position(|line| {
        let rest = line.trim_start_matches("async ").strip_prefix("fn ");
        rest.is_some_and(|rest| rest.starts_with(&format!("{name}(")))
    });
    declared.is_some_and(|index| {
        lines[..index]
            .iter()
            .rev()
            .take(6)
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// Fails unless every cell of the last column names tests that exist, or says what it is planned
/// for.
fn check_proofs(document: &str, rows: &[(String, Vec<String>)]) {
    let mut faults = Vec::new();
    for (id, cells) in rows {
        let Some(proof) = cells.last() else { continue };
        let tests = pointers(proof);
        if tests.is_empty() && !proof.contains("planned: ") {
            faults.push(format!("{id}: neither a test nor `planned: …`"));
        }
        for (path, name) in tests {
            let found = file(&path).is_some_and(|text| has_test(&text, &name));
            if !found {
                faults.push(format!("{id}: no test {name} in {path}"));
            }
        }
    }
    assert!(faults.is_empty(), "{document}:\n{}", faults.join("\n"));
}

#[test]
fn every_attack_class_has_one_row() {
    let mut seen = BTreeMap::<String, usize>::new();
    for (id, _) in rows("docs/SECURITY-TESTS.md") {
        *seen.entry(id).or_default() += 1;
    }
    let mut count = 0;
    for (letter, highest) in ATTACKS {
        for number in 1..=*highest {
            let id = format!("{letter}{number}");
            assert_eq!(seen.get(&id), Some(&1), "rows for {id}");
            count += 1;
        }
    }
    assert_eq!(count, 142);
}

#[test]
fn every_attack_class_names_a_test_or_a_plan() {
    let is_attack = |id: &str| {
        ATTACKS.iter().any(|(letter, _)| {
            id.strip_prefix(letter).is_some_and(|rest| rest.parse::<usize>().is_ok())
        })
    };
    let rows: Vec<_> =
        rows("docs/SECURITY-TESTS.md").into_iter().filter(|(id, _)| is_attack(id)).collect();
    assert_eq!(rows.len(), 142);
    check_proofs("docs/SECURITY-TESTS.md", &rows);
}

#[test]
fn every_test_that_the_security_tests_name_exists() {
    let text = read("docs/SECURITY-TESTS.md");
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let named: Vec<_> = rows.flat_map(pointers).collect();
    assert!(named.len() > 300, "the pointers were not found");
    for (path, name) in named {
        let found = file(&path).is_some_and(|text| has_test(&text, &name));
        assert!(found, "docs/SECURITY-TESTS.md: no test {name} in {path}");
    }
}

#[test]
fn conformance_points_at_code_and_tests_that_exist() {
    let document = "docs/CONFORMANCE.md";
    let rows: Vec<_> = rows(document)
        .into_iter()
        .filter(|(_, cells)| cells.len() >= 3 && !cells[0].starts_with("section"))
        .filter(|(id, _)| id != "case")
        .collect();
    assert!(rows.len() > 20, "the tables were not found");
    for (id, cells) in &rows {
        for cell in &cells[1..cells.len() - 1] {
            for (path, name) in pointers(cell) {
                let found = file(&path).is_some_and(|text| declares(&text, &name));
                assert!(found, "{document}: {id}: nothing called {name} in {path}");
            }
        }
    }
    check_proofs(document, &rows);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/ARCHITECTURE.md",
        "docs/CONFORMANCE.md",
        "docs/IDENTITY-PROPAGATION.md",
        "docs/PROFILE.md",
        "docs/SECURITY-TESTS.md",
        "tests/model/README.md",
    ];
    for document in documents {
        let folder = root().join(document).parent().unwrap().to_path_buf();
        let text = read(document);
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let path = target.split('#').next().unwrap_or_default();
            assert!(folder.join(path).exists(), "{document} links to {target}");
        }
    }
}

/// What the README shows of a program compiles and runs, because an example has it, line for line.
#[test]
fn the_readme_shows_code_of_the_examples() {
    let readme = read("README.md");
    let trimmed = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let shown: Vec<_> = blocks(&readme).iter().filter_map(|it| it.strip_prefix("rust\n")).collect();
    assert!(shown.len() >= 2, "the blocks were not found");
    let examples: Vec<_> = readme
        .split("](")
        .filter_map(|rest| rest.split_once(')'))
        .filter(|(target, _)| target.starts_with("examples/") && target.ends_with(".rs"))
        .map(|(target, _)| trimmed(&read(target)))
        .collect();
    for block in shown {
        let is_there = examples.iter().any(|example| example.contains(&trimmed(block)));
        assert!(is_there, "README.md shows what no example that it links to has:\n{block}");
    }
}

#[test]
fn the_profile_shows_the_vectors_that_the_tests_check() {
    let profile = read("docs/PROFILE.md");
    let vectors = |path: &str| -> serde_json::Value { serde_json::from_str(&read(path)).unwrap() };

    let challenges = vectors("crates/permission-ticket/tests/vectors/ticket_challenge.json");
    for row in challenges["valid"].as_array().unwrap().iter().take(2) {
        for member in ["ticket", "ticket_challenge"] {
            let shown = format!("`{}`", row[member].as_str().unwrap());
            assert!(profile.contains(&shown), "PROFILE.md does not show {shown}");
        }
    }

    let tokens = vectors("crates/claims-token/tests/vectors/claims_token.json");
    let blocks = blocks(&profile);
    shows(&blocks, &tokens["accepted"][0]);
    assert!(has_json(&blocks, &tokens["jwks"]["keys"][0]));
}

#[test]
fn the_profile_of_identity_propagation_shows_its_vectors() {
    let profile = read("docs/IDENTITY-PROPAGATION.md");
    let path = "crates/identity-propagation/tests/vectors/identity_propagation.json";
    let vectors: serde_json::Value = serde_json::from_str(&read(path)).unwrap();
    let (actors, presentations) = (&vectors["actor_tokens"], &vectors["presentations"]);
    let blocks = blocks(&profile);
    shows(&blocks, &actors["accepted"][0]);
    shows(&blocks, &presentations["accepted"][0]["identity_token"]);
    shows(&blocks, &presentations["accepted"][0]["client_proof"]);
    let refused = |of: &serde_json::Value| of["refused"].as_array().unwrap().len();
    let (actors, presentations) = (refused(actors), refused(presentations));
    let said = format!("{actors} actor tokens and {presentations} presentations that are refused");
    let words = profile.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&said), "IDENTITY-PROPAGATION.md does not say: {said}");
}

/// What a document has between fences, with the name of its language.
fn blocks(document: &str) -> Vec<&str> {
    document.split("```").skip(1).step_by(2).collect()
}

fn has_json(blocks: &[&str], wanted: &serde_json::Value) -> bool {
    let texts = blocks.iter().filter_map(|block| block.strip_prefix("json\n"));
    texts
        .filter_map(|text| serde_json::from_str(text).ok())
        .any(|it: serde_json::Value| it == *wanted)
}

/// Header, claims and token of a vector are among the blocks.
#[track_caller]
fn shows(blocks: &[&str], vector: &serde_json::Value) {
    assert!(has_json(blocks, &vector["header"]), "{}", vector["header"]);
    assert!(has_json(blocks, &vector["claims"]), "{}", vector["claims"]);
    let token = vector["token"].as_str().unwrap();
    let mut joined = blocks.iter().map(|block| block.replace('\n', "").replacen("text", "", 1));
    assert!(joined.any(|block| block == token), "another token is shown than {token}");
}
