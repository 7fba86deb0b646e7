//! Authenticated encryption of the content. [RFC 7518 §5.2], [RFC 7518 §5.3]
//!
//! Computed by aws-lc-rs and not by josekit, which decrypts CBC before it looks at the tag, and
//! then compares the tag octet by octet: by its time it would tell padding from tag, and how much
//! of a tag is right. Here the tag is checked first, in constant time, over everything.
//!
//! [RFC 7518 §5.2]: https://www.rfc-editor.org/rfc/rfc7518#section-5.2
//! [RFC 7518 §5.3]: https://www.rfc-editor.org/rfc/rfc7518#section-5.3

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::alg::ContentEncryption;

/// What the content became.
pub(super) struct Sealed {
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

/// Fresh random octets: a content encryption key, or an initialization vector. [RFC 7518 §5.3]
/// never lets one be used twice with a key; 96 random bits repeat with a chance of 2^-33 among
/// 2^32 messages under one shared key, and a key that is not shared is used once.
///
/// [RFC 7518 §5.3]: https://www.rfc-editor.org/rfc/rfc7518#section-5.3
pub(super) fn fresh(len: usize) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let mut octets = Zeroizing::new(vec![0; len]);
    SystemRandom::new().fill(&mut octets)?;
    Ok(octets)
}

/// Encrypts `plaintext` under a key and an initialization vector of the algorithm's lengths.
pub(super) fn seal(
    enc: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Sealed, Unspecified> {
    match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => {
            let mut ciphertext = plaintext.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(iv)?;
            let tag = gcm(enc, key)?.seal_in_place_separate_tag(
                nonce,
                Aad::from(aad),
                &mut ciphertext,
            )?;
            Ok(Sealed { ciphertext, tag: tag.as_ref().to_vec() })
        }
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => {
            let (mac_key, enc_key) = halves(enc, key)?;
            let mut ciphertext = plaintext.to_vec();
            let context = EncryptionContext::Iv128(FixedLength::try_from(iv)?);
            PaddedBlockEncryptingKey::cbc_pkcs7(cbc(enc, enc_key)?)?
                .less_safe_encrypt(&mut ciphertext, context)?;
            let tag = mac(enc, mac_key, aad, iv, &ciphertext)?;
            Ok(Sealed { ciphertext, tag })
        }
    }
}

/// Decrypts. That the tag is wrong and that the padding is wrong are the same answer, and the
/// padding is looked at under a right tag only.
pub(super) fn open(
    enc: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    match enc {
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => {
            let mut plaintext = Zeroizing::new(ciphertext.to_vec());
            let nonce = Nonce::try_assume_unique_for_key(iv)?;
            gcm(enc, key)?.open_in_place_separate_tag(
                nonce,
                Aad::from(aad),
                tag,
                &mut plaintext,
            )?;
            Ok(plaintext)
        }
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => {
            let (mac_key, enc_key) = halves(enc, key)?;
            verify_slices_are_equal(&mac(enc, mac_key, aad, iv, ciphertext)?, tag)?;
            let mut plaintext = Zeroizing::new(ciphertext.to_vec());
            let context = DecryptionContext::Iv128(FixedLength::try_from(iv)?);
            let len = PaddedBlockDecryptingKey::cbc_pkcs7(cbc(enc, enc_key)?)?
                .decrypt(&mut plaintext, context)?
                .len();
            plaintext.truncate(len);
            Ok(plaintext)
        }
    }
}

fn gcm(enc: ContentEncryption, key: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let algorithm = match enc {
        ContentEncryption::A128Gcm => &AES_128_GCM,
        _ => &AES_256_GCM,
    };
    Ok(LessSafeKey::new(UnboundKey::new(algorithm, key)?))
}

fn cbc(enc: ContentEncryption, key: &[u8]) -> Result<UnboundCipherKey, Unspecified> {
    let algorithm = match enc {
        ContentEncryption::A128CbcHs256 => &AES_128,
        _ => &AES_256,
    };
    UnboundCipherKey::new(algorithm, key)
}

/// The initial octets of the key are for the MAC, the final ones for the cipher. [RFC 7518
/// §5.2.2.1]
///
/// [RFC 7518 §5.2.2.1]: https://www.rfc-editor.org/rfc/rfc7518#section-5.2.2.1
fn halves(enc: ContentEncryption, key: &[u8]) -> Result<(&[u8], &[u8]), Unspecified> {
    if key.len() != enc.key_len() {
        return Err(Unspecified);
    }
    key.split_at_checked(enc.key_len() / 2).ok_or(Unspecified)
}

fn mac(
    enc: ContentEncryption,
    key: &[u8],
    aad: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let algorithm = match enc {
        ContentEncryption::A128CbcHs256 => hmac::HMAC_SHA256,
        _ => hmac::HMAC_SHA512,
    };
    let bits = u64::try_from(aad.len()).ok().and_then(|len| len.checked_mul(8));
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in [aad, iv, ciphertext, &bits.ok_or(Unspecified)?.to_be_bytes()] {
        context.update(part);
    }
    let tag = context.sign();
    tag.as_ref().get(..enc.tag_len()).map(<[u8]>::to_vec).ok_or(Unspecified)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use aws_lc_rs::cipher::EncryptingKey;

    use super::*;

    fn counting(len: u8) -> Vec<u8> {
        (0..len).collect()
    }

    const PLAINTEXT: &[u8] = b"A cipher system must not be required to be secret, and it must be \
        able to fall into the hands of the enemy without inconvenience";
    const AAD: &[u8] = b"The second principle of Auguste Kerckhoffs";
    const IV: [u8; 16] = [
        0x1a, 0xf3, 0x8c, 0x2d, 0xc2, 0xb9, 0x6f, 0xfd, 0xd8, 0x66, 0x94, 0x09, 0x23, 0x41, 0xbc,
        0x04,
    ];

    #[test]
    fn rfc7518_b1_b3_aes_cbc_and_hmac() {
        let rows: [(_, _, &[u8], &[u8]); 2] = [
            (
                ContentEncryption::A128CbcHs256,
                counting(32),
                b"\xc8\x0e\xdf\xa3\x2d\xdf\x39\xd5\xef\x00\xc0\xb4\x68\x83\x42\x79",
                b"\x65\x2c\x3f\xa3\x6b\x0a\x7c\x5b\x32\x19\xfa\xb3\xa3\x0b\xc1\xc4",
            ),
            (
                ContentEncryption::A256CbcHs512,
                counting(64),
                b"\x4a\xff\xaa\xad\xb7\x8c\x31\xc5\xda\x4b\x1b\x59\x0d\x10\xff\xbd",
                b"\x4d\xd3\xb4\xc0\x88\xa7\xf4\x5c\x21\x68\x39\x64\x5b\x20\x12\xbf\
                \x2e\x62\x69\xa8\xc5\x6a\x81\x6d\xbc\x1b\x26\x77\x61\x95\x5b\xc5",
            ),
        ];
        for (enc, key, first_block, tag) in rows {
            let sealed = seal(enc, &key, &IV, AAD, PLAINTEXT).unwrap();
            assert_eq!(sealed.ciphertext.len(), 144);
            assert_eq!((&sealed.ciphertext[..16], &*sealed.tag), (first_block, tag), "{enc}");
            let opened = open(enc, &key, &IV, AAD, &sealed.ciphertext, &sealed.tag).unwrap();
            assert_eq!(*opened, PLAINTEXT);
        }
    }

    #[test]
    fn e4_padding_under_a_right_tag_is_the_same_no() {
        let enc = ContentEncryption::A128CbcHs256;
        let key = counting(32);
        let (mac_key, enc_key) = halves(enc, &key).unwrap();
        for end in [[0; 2], [17, 17], [2, 3], [3, 2], [0, 1]] {
            let mut block = [0x41; 16];
            block[14..].copy_from_slice(&end);
            let context = EncryptionContext::Iv128(FixedLength::from(&IV));
            EncryptingKey::cbc(cbc(enc, enc_key).unwrap())
                .unwrap()
                .less_safe_encrypt(&mut block, context)
                .unwrap();
            let tag = mac(enc, mac_key, AAD, &IV, &block).unwrap();
            let opened = open(enc, &key, &IV, AAD, &block, &tag);
            // One octet of padding is in order, and no other of these ends.
            assert_eq!(opened.is_ok(), end == [0, 1], "{end:?}");
            let mut wrong = tag.clone();
            wrong[15] ^= 1;
            assert_eq!(open(enc, &key, &IV, AAD, &block, &wrong).unwrap_err(), Unspecified);
        }
    }

    #[test]
    fn e5_no_vector_comes_twice() {
        let mut seen = HashSet::new();
        for _ in 0..1 << 20 {
            let iv = fresh(ContentEncryption::A256Gcm.iv_len()).unwrap();
            let iv: [u8; 12] = iv.as_slice().try_into().unwrap();
            assert!(seen.insert(iv));
        }
    }
}
