//! Of any token, any text and any header.

use countersign_jwt::jwe::Encrypted;
use proptest::prelude::*;

use super::{KEYS, encrypt, pairs};
use crate::support::encode;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_fails(index in 0..28_usize, place in any::<prop::sample::Index>(), bit in 0..6_u8) {
        let (key, enc) = pairs().nth(index).unwrap();
        let token = encrypt(key, enc, b"What is true of one is true of all");
        let places: Vec<usize> = token.match_indices(|c| c != '.').map(|(place, _)| place).collect();
        let place = places[place.index(places.len())];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut octets = token.into_bytes();
        let value = alphabet.iter().position(|octet| *octet == octets[place]).unwrap();
        octets[place] = alphabet[value ^ (1 << bit)];
        let token = String::from_utf8(octets).unwrap();
        let outcome = Encrypted::parse(&token).map(|encrypted| encrypted.decrypt(key).is_ok());
        prop_assert_ne!(outcome, Ok(true));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,200}|([A-Za-z0-9_-]{0,40}\\.){4}[A-Za-z0-9_-]{0,40}") {
        let _ = Encrypted::parse(&text);
    }

    #[test]
    fn any_header_is_read_or_refused(header in "\\{(\"(alg|enc|kid|epk|apu|cty)\":(\"(dir|ECDH-ES|A128GCM|x)\"|1|\\{\\}|null),?){0,5}\\}") {
        let token = format!("{}..{}.{}.{}", encode(header), encode([0; 12]), "", encode([0; 16]));
        if let Ok(encrypted) = Encrypted::parse(&token) {
            for key in KEYS.iter() {
                prop_assert!(encrypted.decrypt(key).is_err());
            }
        }
    }
}
