//! Host names.

/// Whether a name is one in canonical form: labels of lower-case letters, digits and hyphens.
///
/// A URL reads a host whose last label is a number, decimal or `0x…`, as an IPv4 address. Top-level
/// domains start with a letter ([RFC 1123 §2.1]).
///
/// [RFC 1123 §2.1]: https://www.rfc-editor.org/rfc/rfc1123#section-2.1
pub(crate) fn is_canonical(name: &[u8]) -> bool {
    let mut last = None;
    let is_name = name.len() <= 253
        && name.split(|octet| *octet == b'.').all(|label| {
            last = label.first();
            is_label(label)
        });
    is_name && last.is_some_and(u8::is_ascii_lowercase)
}

/// Whether a canonical name has no label whose hyphens may stand for something else, as those of
/// A-labels do: then URL and IDNA have nothing to say about it.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    is_canonical(name) && !name.windows(2).any(|pair| pair == b"--")
}

fn is_label(label: &[u8]) -> bool {
    let allowed =
        |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
    matches!(label.len(), 1..=63)
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
        && label.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn what_is_plain_and_what_is_not() {
        for name in ["a", "rs.example", "a-b.9-9.e", "1.2.3.d4"] {
            assert!(is_plain(name.as_bytes()), "{name}");
        }
        let long = ["a".repeat(64), "a.".repeat(127) + "a"];
        let others = [
            "", ".", "a.", ".a", "a..b", "A.b", "-a.b", "a-.b", "a_b.c", "ä.b", "a:1", "1.2.3.4",
            "a.0x7f",
        ];
        for name in
            others.into_iter().chain(["xn--a.b", "a--b.c"]).chain(long.iter().map(String::as_str))
        {
            assert!(!is_plain(name.as_bytes()), "{name}");
        }
        assert!(is_canonical(b"xn--bcher-kva.example"));
    }

    proptest! {
        /// Whoever reads every name by the libraries alone reads the same.
        #[test]
        fn the_libraries_leave_a_plain_name_as_it_is(name in "[a-z0-9x.-]{1,24}") {
            if is_plain(name.as_bytes()) {
                prop_assert_eq!(idna::domain_to_ascii_strict(&name).unwrap(), name.as_str());
                let url = Url::parse(&format!("https://{name}/")).unwrap();
                prop_assert_eq!(url.host_str().unwrap(), name);
            }
        }
    }
}
