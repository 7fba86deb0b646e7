//! Canonical, unpadded base64url: one text for one octet string. [RFC 7515 §2]
//!
//! Padding, other alphabets, blanks and set unused bits are refused, so two different texts never
//! decode to the same octets.
//!
//! [RFC 7515 §2]: https://www.rfc-editor.org/rfc/rfc7515#section-2

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

pub(crate) fn encode_onto(octets: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(octets, out);
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_decodes() {
        assert_eq!(decode("-_8").as_deref(), Some([0xfb, 0xff].as_slice()));
        for twin in ["-_8=", "-_9", "+/8", "-_8 ", "-_8\n", " -_8", "-", "-_8A-"] {
            assert_eq!(decode(twin), None, "{twin:?}");
        }
    }
}
