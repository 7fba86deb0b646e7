//! Randomness as a seam.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Fills bytes from a cryptographically secure source.
///
/// The call cannot fail: an implementation that has no randomness to give must not return. It
/// panics, the request that asked ends, and no guessable value ever leaves.
pub trait Random: Send + Sync {
    /// Fills `out` with unpredictable bytes.
    fn fill(&self, out: &mut [u8]);
}

/// 256 random bits as 43 characters of base64url: tickets, codes, access tokens, PCTs.
#[must_use]
pub fn handle(random: &dyn Random) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    random.fill(bytes.as_mut_slice());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// 128 random bits as 22 characters of base64url: `jti` values, resource ids, request ids.
#[must_use]
pub fn identifier(random: &dyn Random) -> String {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets that are all different.
    struct Counting;

    impl Random for Counting {
        fn fill(&self, out: &mut [u8]) {
            for (octet, number) in out.iter_mut().zip(0..) {
                *octet = number;
            }
        }
    }

    /// U3: every octet comes from the source, and none of them stands for two.
    #[test]
    fn u3_all_of_a_handle_and_of_an_identifier_is_random() {
        assert_eq!(*handle(&Counting), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(identifier(&Counting), "AAECAwQFBgcICQoLDA0ODw");
    }
}
