use super::*;

#[test]
fn every_language_has_every_text_with_the_same_names() {
    let [first, others @ ..] = LANGUAGES;
    for other in others {
        assert_ne!(other.tag, first.tag);
        for ((name, text), (_, translated)) in first.each().into_iter().zip(other.each()) {
            assert!(!text.0.trim().is_empty() && !translated.0.trim().is_empty(), "{name}");
            assert_eq!(text.names(), translated.names(), "{}: {name}", other.tag);
        }
    }
}
