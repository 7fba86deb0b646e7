//! Passwords that are guessed first, long as they are. [NIST SP 800-63B-4 §3.1.1.2]
//!
//! Such a password is compared as a whole: what is in it beside a name or a common word makes it
//! another one. Of the 19,640 commonest that Django 5.2 comes with (made by Royce Williams out of
//! what was leaked), 48 have as many characters as are asked for here, and of the 6,523 of zxcvbn
//! 4.4 three: a list is short, and what else is guessed at this length is made by rule, of few
//! characters or of words that one knows of the person. `leaked.txt` has those of the first list
//! that are ASCII, `words.txt` what is nothing but letters among its first 200.
//!
//! [NIST SP 800-63B-4 §3.1.1.2]: https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver

/// Why a password is guessed early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Expected {
    /// It is one of those that were leaked most.
    #[error("it is among the commonest of those that were leaked")]
    Leaked,
    /// The same characters again and again.
    #[error("it is the same few characters over and over")]
    Repeated,
    /// Neighbours in the alphabet, in numbers or on a keyboard.
    #[error("its characters are neighbours in the alphabet or on a keyboard")]
    Neighbours,
    /// Words that anybody would try, and little else.
    #[error(
        "it is made of a few names that are known here, or of the commonest words, and little else"
    )]
    Words,
}

const LEAKED: &str = include_str!("leaked.txt");
const WORDS: &str = include_str!("words.txt");

/// The phrase that everybody knows from a comic: <https://xkcd.com/936/>.
const FAMOUS: &str = "correcthorsebatterystaple";

/// What is over and over has at most so many characters.
const PIECE: usize = 8;

/// So many digits around words are little else, whichever they are, and so many signs: a date has
/// eight.
const BESIDE: usize = 8;

/// So many words, whichever they are, are tried one after the other; more of them are not.
const FEW: usize = 3;

/// Names shorter than this are parts of too many words.
const SHORTEST_NAME: usize = 3;

/// Neighbours, in either direction.
const ROWS: [&str; 16] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "asdfghjklöä",
    "yxcvbnm,.-",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn,;:!",
    "1q2w3e4r5t6y7u8i9o0p",
    "1q2w3e4r5t6z7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qweasdzxc",
];

/// Whether a password is expected of somebody who is known by these names, at a service that is.
pub(super) fn expected(password: &str, names: &[String]) -> Option<Expected> {
    let folded: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    if is_leaked(&folded) {
        Some(Expected::Leaked)
    } else if is_repeated(&folded) {
        Some(Expected::Repeated)
    } else if are_neighbours(&folded) {
        Some(Expected::Neighbours)
    } else if is_of_words(&folded, names) {
        Some(Expected::Words)
    } else {
        None
    }
}

fn is_leaked(folded: &[char]) -> bool {
    let whole: String = folded.iter().collect();
    let letters: String = folded.iter().filter(|it| it.is_alphanumeric()).collect();
    LEAKED.lines().any(|known| known == whole) || letters == FAMOUS
}

/// Whether all of it is one piece and that piece again, the last perhaps cut off.
fn is_repeated(folded: &[char]) -> bool {
    let repeats = |piece: usize| folded.iter().zip(folded.iter().skip(piece)).all(|(a, b)| a == b);
    (1..=PIECE.min(folded.len() / 2)).any(repeats)
}

/// Whether three of four steps from one character to the next lead to a neighbour, or to the same
/// again.
fn are_neighbours(folded: &[char]) -> bool {
    let steps = folded.iter().zip(folded.iter().skip(1));
    let near = steps.clone().filter(|(one, next)| one == next || is_in_a_row(**one, **next));
    folded.len() > 1 && near.count() * 4 >= steps.count() * 3
}

fn is_in_a_row(one: char, next: char) -> bool {
    ROWS.iter().any(|row| {
        let mut pairs = row.chars().zip(row.chars().skip(1));
        pairs.any(|(a, b)| (a, b) == (one, next) || (b, a) == (one, next))
    })
}

/// Whether its letters are words that anybody would try, one after the other, and what stands
/// beside them says little.
fn is_of_words(folded: &[char], names: &[String]) -> bool {
    let (letters, beside): (Vec<char>, Vec<char>) =
        folded.iter().partition(|it| it.is_alphabetic());
    let parts = names.iter().flat_map(|name| name.split(|c: char| !c.is_alphabetic()));
    let words: Vec<Vec<char>> = names
        .iter()
        .map(String::as_str)
        .chain(parts)
        .map(|name| name.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase))
        .map(Iterator::collect)
        .filter(|word: &Vec<char>| word.len() >= SHORTEST_NAME)
        .chain(WORDS.lines().map(|word| word.chars().collect()))
        .collect();
    let digits = beside.iter().filter(|it| it.is_numeric()).count();
    let are_few = digits <= BESIDE && beside.len() - digits <= BESIDE;
    let says_little = are_few || is_repeated(&beside) || are_neighbours(&beside);
    !letters.is_empty() && says_little && are_words(&letters, &words)
}

/// Whether a text can be cut into a few of these words.
fn are_words(text: &[char], words: &[Vec<char>]) -> bool {
    // Of how few words each beginning of the text can be.
    let mut fewest = vec![None; text.len() + 1];
    if let Some(none) = fewest.first_mut() {
        *none = Some(0);
    }
    for place in 0..text.len() {
        let Some(before) = fewest.get(place).copied().flatten() else { continue };
        let rest = text.get(place..).unwrap_or_default();
        for word in words.iter().filter(|word| rest.starts_with(word)) {
            if let Some(known) = fewest.get_mut(place + word.len()) {
                *known = Some(known.map_or(before + 1, |known: usize| known.min(before + 1)));
            }
        }
    }
    fewest.last().copied().flatten().is_some_and(|words| words <= FEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Vec<String> {
        let names =
            ["alice", "alice@alice.example", "Alice Liddell", "alice.example", "sts.alice.example"];
        names.map(str::to_owned).into()
    }

    #[test]
    fn what_is_guessed_first_is_expected() {
        for (password, reason) in [
            ("1q2w3e4r5t6y7u8i9o0p", Expected::Leaked),
            ("ManchesterUnited", Expected::Leaked),
            ("correct horse battery staple", Expected::Leaked),
            ("Correct-Horse-Battery-Staple", Expected::Leaked),
            ("aaaaaaaaaaaaaaa", Expected::Repeated),
            ("passwordpassword", Expected::Repeated),
            ("Abc123Abc123Abc1", Expected::Repeated),
            ("qwertyuiopasdfgh", Expected::Neighbours),
            ("abcdefghijklmnop", Expected::Neighbours),
            ("9876543210987654", Expected::Neighbours),
            ("1qaz2wsx3edc4rfv5", Expected::Neighbours),
            ("qwertzuiopasdfgh", Expected::Neighbours),
            ("password12345678", Expected::Words),
            ("Password-2026-11-22", Expected::Words),
            ("iloveyousunshine", Expected::Words),
            ("alice.example2026", Expected::Words),
            ("alice@alice.example", Expected::Words),
            ("Alice1234567890", Expected::Words),
            ("LiddellAlice!!!!", Expected::Words),
            ("aliceAliceAlice!1", Expected::Words),
            ("sts.alice.example", Expected::Words),
        ] {
            assert_eq!(expected(password, &alice()), Some(reason), "{password}");
        }
    }

    /// What has a common word or a name in it is no listed password.
    #[test]
    fn what_has_more_in_it_is_not() {
        for password in [
            "another-horse-battery",
            "a long password",
            "alice has nine green umbrellas",
            "qwerty is not a fish 7",
            "mK7#vQz2!pXw9sLd",
            "0f9c3a7be41d82650f9c3a7be41d8265",
            "drei Kühe trinken Tee",
            "monkey purple summer butterfly",
            "日本語の長いパスワードはこれです。",
            "alice8347561029384",
            "password9x3k7q1m5z8w",
        ] {
            assert_eq!(expected(password, &alice()), None, "{password}");
        }
        // Of somebody else it is no name.
        assert_eq!(expected("LiddellRabbit!!!", &["bob".to_owned()]), None);
        assert_eq!(expected("", &alice()), None);
    }

    /// The lists are what their description says.
    #[test]
    fn the_lists_are_as_they_are_described() {
        assert!(LEAKED.lines().all(|known| known.is_ascii() && known.chars().count() >= 15));
        assert!(WORDS.lines().all(|word| word.len() >= 4 && word.chars().all(char::is_lowercase)));
        assert_eq!((LEAKED.lines().count(), WORDS.lines().count()), (41, 89));
    }
}
