//! What an RSA key has to be.

use super::KeyError;

/// [RFC 7518 §3.3] sets the lower bound of the size; the upper one, like that of the exponent (64
/// bits), bounds the work of one verification.
///
/// [RFC 7518 §3.3]: https://www.rfc-editor.org/rfc/rfc7518#section-3.3
pub(super) fn check(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let leading = n.first().map_or(8, |octet| octet.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(leading);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::Weak("an RSA modulus is of 2048 to 8192 bits"));
    }
    if n.last().is_none_or(|octet| octet % 2 == 0) {
        return Err(KeyError::Weak("the modulus is even"));
    }
    if e.len() > 8 {
        return Err(KeyError::Malformed("e"));
    }
    let exponent = e.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    if exponent < 65537 || exponent % 2 == 0 {
        return Err(KeyError::Weak("the public exponent is even or below 65537"));
    }
    if has_roca_structure(n) {
        return Err(KeyError::Weak("the modulus has the structure that ROCA factors"));
    }
    Ok(())
}

/// Whether a modulus is a power of 65537 modulo each of the first odd primes, as every modulus is
/// that came out of the key generator that ROCA names. An honest modulus passes for one by a
/// chance of less than one in a hundred million.
fn has_roca_structure(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |value, octet| (value * 256 + u32::from(*octet)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let hit = power == residue;
            power = power * (65537 % prime) % prime;
            hit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roca_structure_is_seen_and_nothing_else() {
        // A number that is a power of 65537 modulo every prime: a power of 65537 itself.
        let powers = [vec![1, 0, 1], vec![1, 0, 2, 0, 1], vec![1, 0, 3, 0, 3, 0, 1]];
        for power in powers {
            assert!(has_roca_structure(&power));
        }
        assert!(!has_roca_structure(&[1, 0, 3]));
        assert!(!has_roca_structure(&[0xff; 256]));
    }

    #[test]
    fn exponents_and_sizes() {
        let modulus = [0xff; 256];
        assert_eq!(check(&modulus, &[1, 0, 1]), Ok(()));
        for exponent in [&[1][..], &[3], &[17], &[1, 0, 0], &[1, 0, 2], &[0xff, 0xff], &[]] {
            assert!(matches!(check(&modulus, exponent), Err(KeyError::Weak(_))), "{exponent:?}");
        }
        assert_eq!(check(&modulus, &[1; 9]), Err(KeyError::Malformed("e")));
        for len in [0, 1, 128, 255, 1025, 2048] {
            assert!(matches!(check(&vec![0xff; len], &[1, 0, 1]), Err(KeyError::Weak(_))));
        }
        let mut short = modulus;
        short[0] = 0x7f;
        assert!(matches!(check(&short, &[1, 0, 1]), Err(KeyError::Weak(_))), "2047 bits");
        let mut even = modulus;
        even[255] = 0xfe;
        assert!(matches!(check(&even, &[1, 0, 1]), Err(KeyError::Weak(_))));
    }
}
