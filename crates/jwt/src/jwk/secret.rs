//! What a shared secret has to be, whatever it is for.

use super::KeyError;

/// Refuses a text, whatever its length, since every list of guessed secrets is made of such.
pub(crate) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    if reads_as_text(secret) { Err(KeyError::Weak("the secret is a text")) } else { Ok(()) }
}

/// Whether these octets are what somebody could have typed, the end of a line included, in UTF-8 or
/// UTF-16, but for a few.
fn reads_as_text(secret: &[u8]) -> bool {
    let typed = |letter: char| !letter.is_control() || letter.is_ascii_whitespace();
    let utf8 = std::str::from_utf8(secret).is_ok_and(|text| text.chars().all(typed));
    let printable = |octet: &&u8| matches!(octet, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    // One of 32 may be another: a password that was filled up.
    let mostly = |octets: Vec<&u8>| {
        octets.iter().filter(|octet| !printable(octet)).count() <= octets.len() / 32
    };
    let half = |odd: usize| secret.iter().skip(odd).step_by(2).collect::<Vec<_>>();
    let zero = |octets: Vec<&u8>| octets.iter().all(|octet| **octet == 0);
    utf8 || mostly(secret.iter().collect())
        || (0..2).any(|odd| zero(half(odd)) && mostly(half(1 - odd)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn j17_a_text_is_refused_in_whatever_encoding() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        let rows: [(&str, Vec<u8>); 4] = [
            ("a letter", vec![b'a'; 32]),
            ("a word with an octet", [b"password".repeat(4).as_slice(), &[0x80]].concat()),
            ("UTF-16, little endian", utf16("correct horse battery staple", u16::to_le_bytes)),
            ("UTF-16, big endian", utf16("correct horse battery staple", u16::to_be_bytes)),
        ];
        for (name, secret) in rows {
            assert!(matches!(check_secret(&secret), Err(KeyError::Weak(_))), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_was_drawn_at_random_is_taken(secret in prop::array::uniform32(any::<u8>())) {
            prop_assert!(check_secret(&secret).is_ok());
        }
    }
}
