//! What pages say stands in the files of their languages, and nowhere else.

use crate::workspace::{read, root};

const FOLDERS: [&str; 2] = ["crates/sts-service/templates", "crates/uma-service/templates"];

/// What is left of a template without its tags, expressions and markup. Punctuation between texts
/// is no text.
fn words(template: &str) -> Vec<String> {
    let mut rest = template.to_owned();
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("<", ">")] {
        while let Some((before, after)) = rest.split_once(open) {
            let (_, after) = after.split_once(close).expect("what is opened is closed");
            rest = format!("{before} {after}");
        }
    }
    let has_letters = |word: &&str| word.chars().any(char::is_alphanumeric);
    rest.split_whitespace().filter(has_letters).map(str::to_owned).collect()
}

#[test]
fn templates_have_no_text_of_their_own() {
    for folder in FOLDERS {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap);
        let names: Vec<_> = entries.map(|it| it.file_name().into_string().unwrap()).collect();
        assert!(names.len() > 5, "{folder}: the templates were not found");
        for name in names {
            let path = format!("{folder}/{name}");
            assert_eq!(words(&read(&path)), Vec::<String>::new(), "{path}");
        }
    }
}

#[test]
fn a_text_is_found_between_tags() {
    assert_eq!(words("<p>{{ t.a }}, {% if x %}Hello{% endif %} <b>Bob</b>!</p>"), ["Hello", "Bob"]);
}
