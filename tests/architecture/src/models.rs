//! The verdicts of flow 004 that `tests/model/README.md` names are those that the models are
//! expected to find. [`README`] writes a verdict as property, `attack` or `none`, and switches.

use std::collections::BTreeSet;

use crate::workspace::read;

const README: &str = "tests/model/README.md";

/// The table that says which check stands between an attack and its success.
const CHECKS: &str = "## Flow 004: which check each verdict rests on";

/// What `maude/propagation.expect` expects of the properties that must not be reached. Rows that
/// only see to it that the good way can be gone at all have the verdict `reach`.
fn of_maude() -> BTreeSet<String> {
    let text = read("tests/model/maude/propagation.expect");
    let rows = text.lines().filter_map(|line| line.strip_prefix("init "));
    rows.filter(|row| !row.starts_with("good reach ")).map(str::to_owned).collect()
}

/// What `proverif/flow004.expect` expects of R4, its fourth column: `t` where it holds.
fn of_proverif() -> BTreeSet<String> {
    let text = read("tests/model/proverif/flow004.expect");
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let (switches, verdicts) = row.split_once(" | ").expect("switches and verdicts");
        let verdict = if verdicts.as_bytes()[3] == b't' { "none" } else { "attack" };
        format!("R4 {verdict} {switches}")
    })
    .collect()
}

/// The verdicts that a text names between backticks.
fn named(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let verdicts = quoted.filter(|text| {
        let mut words = text.split(' ').skip(1);
        matches!(words.next(), Some("attack" | "none")) && words.next().is_some()
    });
    verdicts.map(str::to_owned).collect()
}

fn is_attack(verdict: &str) -> bool {
    verdict.split(' ').nth(1) == Some("attack")
}

#[test]
fn verdicts_of_flow_004_are_those_of_the_models() {
    let expected = &of_maude() | &of_proverif();
    let named = named(&read(README));
    assert!(named.len() > 20, "the verdicts were not found");
    let unknown: Vec<_> = named.difference(&expected).collect();
    assert!(unknown.is_empty(), "{README}: no model is expected to find {unknown:?}");
}

#[test]
fn every_check_of_flow_004_answers_an_attack_and_every_attack_has_its_check() {
    let readme = read(README);
    let (_, table) = readme.split_once(CHECKS).expect("the table of the checks");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(rows.len() >= 10, "the rows were not found");
    for row in &rows {
        assert!(named(row).iter().any(|it| is_attack(it)), "{README}: no attack without it: {row}");
    }
    let attacks: BTreeSet<_> = of_maude().into_iter().filter(|it| is_attack(it)).collect();
    let answered = named(table);
    let unanswered: Vec<_> = attacks.difference(&answered).collect();
    assert!(unanswered.is_empty(), "{README}: no check answers {unanswered:?}");
}
