//! What an Ed25519 key has to be.

use curve25519_dalek::edwards::CompressedEdwardsY;

use super::KeyError;

/// Checks that these octets encode a point of the curve ([RFC 8032 §5.1.3]), in the one way there
/// is, and that it is not of small order. The engine looks at none of the three before it has a
/// signature.
///
/// [RFC 8032 §5.1.3]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.3
pub(super) fn check(octets: &[u8; 32]) -> Result<(), KeyError> {
    let encoded = CompressedEdwardsY(*octets);
    let point = encoded.decompress().ok_or(KeyError::Invalid)?;
    // y from p upwards, or x zero with a sign: another spelling of a point.
    if point.compress() != encoded {
        return Err(KeyError::Malformed("x"));
    }
    if point.is_small_order() { Err(KeyError::Weak("a point of small order")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::*;

    #[test]
    fn small_order_and_other_spellings_are_refused() {
        for point in EIGHT_TORSION {
            let octets = point.compress().0;
            assert_eq!(check(&octets), Err(KeyError::Weak("a point of small order")));
            let mut other_sign = octets;
            other_sign[31] ^= 0x80;
            assert!(check(&other_sign).is_err(), "{octets:?}");
        }
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let mut octets = [0xff; 32];
                (octets[0], octets[31]) = (first, last);
                assert!(
                    matches!(check(&octets), Err(KeyError::Malformed("x") | KeyError::Invalid)),
                    "{octets:?}"
                );
            }
        }
    }

    /// A y has a point if (y² - 1) / (dy² + 1) is a square, which that of y = 2 is not.
    #[test]
    fn what_is_no_point_is_refused() {
        let mut y = [0; 32];
        y[0] = 2;
        assert_eq!(check(&y), Err(KeyError::Invalid));
        y[31] = 0x80;
        assert_eq!(check(&y), Err(KeyError::Invalid));
        // About half of all have one.
        let points = (3..=u8::MAX).filter(|first| {
            let mut y = [0; 32];
            y[0] = *first;
            check(&y).is_ok()
        });
        assert!((96..160).contains(&points.count()));
    }
}
