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
        let left = rest.split_whitespace().collect::<Vec<_>>();
        assert!(left.is_empty(), "{}: {left:?}", path.display());
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn what_is_put_into_a_text_is_escaped() {
    let text = Text("a {one} b {two} c");
    let phrase = text.strong("two", "<&\"'>").with("one", "{two}");
    assert_eq!(phrase.to_string(), "a {two} b <strong>&#60;&#38;&#34;&#39;&#62;</strong> c");
}

#[test]
fn the_client_is_heard_before_the_browser_and_english_is_for_the_rest() {
    let tag = |ui_locales, accept| chosen(ui_locales, accept).tag;
    for (ui_locales, accept, expected) in [
        (None, None, "en"),
        (Some("de"), None, "de"),
        (Some("fr de-CH-1996 en"), Some("en"), "de"),
        (Some("fr"), Some("de"), "de"),
        (Some("fr"), Some("fr"), "en"),
        (Some("DE"), None, "de"),
        (Some("deu de1 d"), None, "en"),
        (Some(""), Some("de-AT, en;q=0.9"), "de"),
        (None, Some("en;q=0.5, de;q=0.6"), "de"),
        (None, Some("de;q=0, en;q=0.1"), "en"),
        (None, Some("de;q=0, *"), "en"),
        (None, Some("fr, de ;q=0.3"), "de"),
        (None, Some("de;q=nan, de;q=2, de;q"), "en"),
        (None, Some(",;,-,"), "en"),
    ] {
        assert_eq!(tag(ui_locales, accept), expected, "{ui_locales:?} {accept:?}");
    }
}
