//! The octets of one row of the journal: entries, one behind the other.
//!
//! An entry is one octet that says what it is, eight of the moment at which the record expires,
//! eight each of the lengths of key and value, all with the lowest octet first, then key and value.
//! No entry begins with the octet 3: in the file, a packed row does (`statements::packed`).

use countersign_types::Timestamp;

/// A record that does not expire.
const LASTING: u8 = 0;
/// A record that expires.
const EXPIRING: u8 = 1;
/// No record: whatever the journal has under this key no longer counts.
const SETTLED: u8 = 2;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Where it stands in the row.
    pub(super) at: usize,
    pub(super) key: &'a [u8],
    pub(super) change: Change<'a>,
}

/// What an entry says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// This is the record.
    Put { value: &'a [u8], expires: Option<Timestamp> },
    /// The table says what the record is.
    Settled,
}

/// Appends a record.
pub(in super::super) fn put(
    octets: &mut Vec<u8>,
    key: &[u8],
    value: &[u8],
    expires: Option<Timestamp>,
) {
    append(octets, if expires.is_some() { EXPIRING } else { LASTING }, expires, key, value);
}

/// Appends that the table says what stands under this key.
pub(in super::super) fn settled(octets: &mut Vec<u8>, key: &[u8]) {
    append(octets, SETTLED, None, key, &[]);
}

fn append(octets: &mut Vec<u8>, kind: u8, expires: Option<Timestamp>, key: &[u8], value: &[u8]) {
    octets.push(kind);
    octets.extend(expires.map_or(0, Timestamp::as_unix).to_le_bytes());
    octets.extend((key.len() as u64).to_le_bytes());
    octets.extend((value.len() as u64).to_le_bytes());
    octets.extend_from_slice(key);
    octets.extend_from_slice(value);
}

/// Whether a row holds entries and nothing else.
pub(in super::super) fn is_whole(octets: &[u8]) -> bool {
    let mut entries = Entries { octets, at: 0 };
    while entries.next().is_some() {}
    entries.at == octets.len()
}

/// The entries in their order; the last one is followed by the end, or by what is none.
pub(super) const fn entries(octets: &[u8]) -> Entries<'_> {
    Entries { octets, at: 0 }
}

/// The entry that stands there.
pub(super) fn entry(octets: &[u8], at: usize) -> Option<Entry<'_>> {
    Entries { octets, at }.next()
}

pub(super) struct Entries<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (&[kind], rest) = self.octets.get(self.at..)?.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(length(*key)?)?;
        let (value, rest) = rest.split_at_checked(length(*value)?)?;
        let expires = Timestamp::from_unix(i64::from_le_bytes(*expires));
        let change = match kind {
            LASTING => Change::Put { value, expires: None },
            EXPIRING => Change::Put { value, expires: Some(expires) },
            SETTLED => Change::Settled,
            _ => return None,
        };
        let at = std::mem::replace(&mut self.at, self.octets.len() - rest.len());
        Some(Entry { at, key, change })
    }
}

fn length(octets: [u8; 8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(octets)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_appended_is_read(
            changes in prop::collection::vec(
                (any::<Vec<u8>>(), prop::option::of((any::<Vec<u8>>(), prop::option::of(any::<i64>())))),
                0..10,
            ),
        ) {
            let mut octets = Vec::new();
            let mut expected = Vec::new();
            for (key, change) in &changes {
                let at = octets.len();
                let change = match change {
                    Some((value, expires)) => {
                        let expires = expires.map(Timestamp::from_unix);
                        put(&mut octets, key, value, expires);
                        Change::Put { value, expires }
                    }
                    None => {
                        settled(&mut octets, key);
                        Change::Settled
                    }
                };
                expected.push(Entry { at, key, change });
            }
            prop_assert!(is_whole(&octets));
            prop_assert_eq!(entries(&octets).collect::<Vec<_>>(), expected.clone());
            for one in expected {
                prop_assert_eq!(entry(&octets, one.at), Some(one));
            }
        }

        #[test]
        fn a_row_that_was_cut_or_changed_is_no_panic(
            key in any::<Vec<u8>>(), cut in any::<prop::sample::Index>(), octet in any::<u8>(),
        ) {
            let mut octets = Vec::new();
            put(&mut octets, &key, b"value", None);
            let cut = cut.index(octets.len());
            prop_assert_eq!(is_whole(&octets[..cut]), cut == 0);
            octets[cut] = octet;
            prop_assert!(entries(&octets).count() <= 1);
        }
    }
}
