//! Canonical, unpadded base64url: one text for one octet string. [RFC 7515 §2]
//!
//! Padding, other alphabets, blanks and set unused bits are refused, so two different texts never
//! decode to the same octets.
//!
//! [RFC 7515 §2]: https://www.rfc-editor.org/rfc/rfc7515#section-2

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::NO_PAD;

/// Many octets at once where the processor can.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(NO_PAD));

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD));

pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    ENGINE.encode(octets)
}

pub(crate) fn encode_onto(octets: &[u8], out: &mut String) {
    ENGINE.encode_string(octets, out);
}

/// As [`encode_onto`], for a text that is made of octets and becomes one at its end.
pub(crate) fn encode_octets_onto(octets: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + octets.len().div_ceil(3) * 4, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    // INVARIANT: there is room for what is written, padded or not.
    let written = ENGINE.encode_slice(octets, room).unwrap_or_default();
    out.truncate(start + written);
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    // Room that has to be zeros from the start is dearer to allocate.
    let mut octets = Vec::with_capacity(base64::decoded_len_estimate(text.len()));
    decode_onto(text, &mut octets).then_some(octets)
}

/// Whether the text could be decoded; what it stands for is then behind what was in `out`.
pub(crate) fn decode_onto(text: &str, out: &mut Vec<u8>) -> bool {
    ENGINE.decode_vec(text, out).is_ok()
}

/// Whether a text is of the alphabet alone, canonical or not.
pub(crate) fn is_of_alphabet(text: &str) -> bool {
    let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    // Without an early end the compiler looks at many octets at once.
    text.bytes().fold(true, |all, octet| all & is_letter(octet))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Octet by octet or many at once: the same texts, and the same refusals.
        #[test]
        fn many_at_once_is_as_one_by_one(
            octets in prop::collection::vec(any::<u8>(), 0..400),
            place in any::<prop::sample::Index>(),
            letter in prop_oneof![any::<char>(), proptest::char::range('+', 'z')],
        ) {
            let text = encode(&octets);
            prop_assert_eq!(&text, &URL_SAFE_NO_PAD.encode(&octets));
            let mut letters: Vec<char> = text.chars().collect();
            if let Some(changed) = letters.get_mut(place.index(text.len().max(1))) {
                *changed = letter;
            }
            for text in [text, letters.into_iter().collect()] {
                prop_assert_eq!(decode(&text), URL_SAFE_NO_PAD.decode(&text).ok());
            }
        }
    }

    #[test]
    fn only_the_canonical_text_decodes() {
        assert_eq!(decode("-_8").as_deref(), Some([0xfb, 0xff].as_slice()));
        for twin in ["-_8=", "-_9", "+/8", "-_8 ", "-_8\n", " -_8", "-", "-_8A-"] {
            assert_eq!(decode(twin), None, "{twin:?}");
        }
    }
}
