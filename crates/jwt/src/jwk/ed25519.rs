//! What an Ed25519 key has to be.

use super::KeyError;

/// The y-coordinates of the points of order 1, 2, 4 and 8, in little endian without the sign bit.
/// The two of order 8 are those of RFC 7748's curve in its Edwards form.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

pub(super) fn check(point: &[u8; 32]) -> Result<(), KeyError> {
    let [first, middle @ .., last] = point;
    let sign_cleared = last & 0x7f;
    // p = 2^255 - 19: every y from p upwards is another spelling of a smaller one.
    let canonical =
        !(sign_cleared == 0x7f && middle.iter().all(|octet| *octet == 0xff) && *first >= 0xed);
    if !canonical {
        return Err(KeyError::Malformed("x"));
    }
    let small = SMALL_ORDER.iter().any(|[small_first, small_middle @ .., small_last]| {
        small_first == first && small_middle == middle && *small_last == sign_cleared
    });
    if small { Err(KeyError::Weak("a point of small order")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_and_other_spellings_are_refused() {
        for point in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = point;
                point[31] |= sign;
                assert!(check(&point).is_err(), "{point:?}");
            }
        }
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                let mut point = [0xff; 32];
                point[0] = first;
                point[31] = last;
                assert_eq!(check(&point), Err(KeyError::Malformed("x")));
            }
        }
        let mut below = [0xff; 32];
        (below[0], below[31]) = (0xeb, 0x7f);
        assert_eq!(check(&below), Ok(()));
    }
}
