//! Strings that do not print, compare in constant time and are wiped when dropped.
//!
//! None of these types has `Display`, `Serialize`, `Deref` or `==`. The two doors are
//! `expose` and `ct_eq`, easy to search for.

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, optimization_barrier};

use crate::digest::Digest;
use crate::random::{self, Random};

macro_rules! secret_string {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(String);

        impl Zeroize for $name {
            fn zeroize(&mut self) {
                wipe(&mut self.0);
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.zeroize();
            }
        }

        impl ZeroizeOnDrop for $name {}

        impl $name {
            /// Takes a value received or read from configuration.
            #[must_use]
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// A fresh value of 256 random bits, 43 characters of base64url.
            #[must_use]
            pub fn generate(random: &dyn Random) -> Self {
                Self(std::mem::take(&mut *random::handle(random)))
            }

            /// The value itself. Every use of this is a place where a secret leaves its type.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// Compares in constant time (for values of equal length).
            #[must_use]
            pub fn ct_eq(&self, other: &str) -> bool {
                self.0.as_bytes().ct_eq(other.as_bytes()).into()
            }

            /// SHA-256 of the value, under which a store keeps what belongs to it.
            #[must_use]
            pub fn digest(&self) -> Digest {
                Digest::of(self.0.as_bytes())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret_string! {
    /// A confidential client's secret. [RFC 6749
    /// §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)
    ClientSecret
}
secret_string! {
    /// An access token of any kind: access token, RPT, PAT, claims token.
    AccessToken
}
secret_string! {
    /// A refresh token. [RFC 6749 §1.5](https://www.rfc-editor.org/rfc/rfc6749#section-1.5)
    RefreshToken
}
secret_string! {
    /// A permission ticket as it stands on the wire. UMA 2.0 Federated Authorization §4.2.
    TicketHandle
}
secret_string! {
    /// An authorization code. [RFC 6749
    /// §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)
    AuthorizationCode
}
secret_string! {
    /// A PKCE code verifier. [RFC 7636 §4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)
    CodeVerifier
}
secret_string! {
    /// What a browser's cookie holds for a person who is signed in.
    SessionHandle
}
secret_string! {
    /// A person's password.
    Password
}

/// Overwrites a text with zeros, and what it had room for, too.
///
/// `Zeroize` for `String` stores one octet at a time, which for a request's token and parameters
/// took as long as reading them. Here the memory is filled at once, and the barrier has the
/// compiler believe that somebody looks at it afterwards.
pub(crate) fn wipe(text: &mut String) {
    wipe_octets(&mut std::mem::take(text).into_bytes());
}

/// Overwrites octets, and what they had room for, too: afterwards they are zeros, as many as fit.
pub(crate) fn wipe_octets(octets: &mut Vec<u8>) {
    octets.clear();
    // Within their room, so that nothing is moved and left behind.
    octets.resize(octets.capacity(), 0);
    optimization_barrier(octets.as_slice());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wiped_is_overwritten_where_it_was_with_all_its_room() {
        let mut octets = Vec::with_capacity(64);
        octets.extend_from_slice(b"correct horse battery staple");
        octets.truncate(7);
        let (place, room) = (octets.as_ptr(), octets.capacity());
        wipe_octets(&mut octets);
        assert_eq!((octets.as_ptr(), octets.capacity()), (place, room));
        assert_eq!(octets, vec![0; room]);

        let mut secret = ClientSecret::new("correct horse");
        secret.zeroize();
        assert_eq!(secret.expose(), "");
    }

    #[test]
    fn debug_shows_the_type_and_nothing_else() {
        let ticket = TicketHandle::new("016f84e8-f9b9-11e0-bd6f-0021cc6004de");
        assert_eq!(format!("{ticket:?}"), "TicketHandle(…)");
    }

    /// `==` stops at the first octet that differs. That a type has none is asked of the compiler:
    /// what a bound allows comes before what a trait offers to all.
    #[test]
    fn h14_no_secret_has_equality() {
        use std::marker::PhantomData;

        struct Probe<T, Other>(PhantomData<(T, Other)>);
        trait Otherwise {
            const HAS_EQUALITY: bool = false;
        }
        impl<T, Other> Otherwise for Probe<T, Other> {}
        impl<T: PartialEq<Other>, Other> Probe<T, Other> {
            const HAS_EQUALITY: bool = true;
        }
        macro_rules! probed {
            ($($name:ident)*) => {
                [$((
                    stringify!($name),
                    Probe::<$name, $name>::HAS_EQUALITY
                        || Probe::<$name, &str>::HAS_EQUALITY
                        || Probe::<$name, String>::HAS_EQUALITY,
                )),*]
            };
        }
        let probed = probed!(
            ClientSecret AccessToken RefreshToken TicketHandle AuthorizationCode CodeVerifier
            SessionHandle Password
        );
        let declared = include_str!("secret.rs").matches("\nsecret_string! {").count();
        assert_eq!(probed.len(), declared, "all of them");
        assert_eq!(probed.map(|(name, _)| (name, false)), probed);
        // The probe tells the two apart.
        const { assert!(Probe::<String, &str>::HAS_EQUALITY) };
    }

    #[test]
    fn comparison_is_by_value() {
        let secret = ClientSecret::new("correct horse");
        assert!(secret.ct_eq("correct horse"));
        assert!(!secret.ct_eq("correct hors"));
        assert!(!secret.ct_eq(""));
    }
}
