use super::*;

/// The names in a text, in order.
fn names(text: Text) -> Vec<&'static str> {
    let mut names: Vec<_> =
        text.0.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_language_has_every_text_with_the_same_names() {
    let [first, others @ ..] = LANGUAGES;
    for other in others {
        assert_ne!(other.tag, first.tag);
        for ((name, text), (_, translated)) in first.each().into_iter().zip(other.each()) {
            assert!(!text.0.trim().is_empty() && !translated.0.trim().is_empty(), "{name}");
            assert_eq!(names(text), names(translated), "{}: {name}", other.tag);
        }
    }
}

/// What is said stands in the languages' files, and nowhere else.
#[test]
fn the_templates_have_no_text_of_their_own() {
    let templates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for entry in std::fs::read_dir(templates).unwrap() {
        let path = entry.unwrap().path();
        let mut rest = std::fs::read_to_string(&path).unwrap();
        for (open, close) in [("{{", "}}"), ("{%", "%}"), ("<", ">")] {
            while let Some((before, after)) = rest.split_once(open) {
                let (_, after) = after.split_once(close).unwrap();
                rest = format!("{before} {after}");
            }
        }
        // Punctuation between texts is no text.
        let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
        let left = rest.split_whitespace().filter(is_word).collect::<Vec<_>>();
        assert!(left.is_empty(), "{}: {left:?}", path.display());
        seen += 1;
    }
    assert!(seen > 5);
}
