//! How the records of a row stand in the file.
//!
//! Records of access tokens are alike: the same names, and mostly the same servers, clients and
//! scopes. So a row of many is packed as a block of LZ4, which takes a third to a tenth of the
//! pages, and less time than writing the rest would. A row of few stands as it is: it has its page
//! in any case.
//!
//! A packed row is one octet that says so, which no entry begins with, four of the length of what
//! is packed, with the lowest octet first, and the block.

use std::borrow::Cow;

use lz4_flex::block;

/// The row is packed.
const PACKED: u8 = 3;

/// Octets from which on a row is packed.
const LEAST: usize = 2048;

/// Octets that one octet of a block stands for, at most.
const MOST: usize = 255;

/// What is written for a row.
pub(super) fn pack(octets: &[u8]) -> Cow<'_, [u8]> {
    match u32::try_from(octets.len()) {
        Ok(length) if octets.len() >= LEAST => {
            let mut packed = vec![PACKED];
            packed.extend(length.to_le_bytes());
            packed.extend(block::compress(octets));
            Cow::Owned(packed)
        }
        _ => Cow::Borrowed(octets),
    }
}

/// The row for which this was written; `None` if it was written for none.
pub(super) fn unpack(written: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some((&PACKED, packed)) = written.split_first() else {
        return Some(Cow::Borrowed(written));
    };
    let (length, block) = announced(packed)?;
    let mut octets = vec![0; length];
    let length_found = block::decompress_into(block, &mut octets).ok()?;
    (length_found == length).then_some(Cow::Owned(octets))
}

/// How long a packed row says it is, and its block; `None` if no block of this length says so much.
fn announced(packed: &[u8]) -> Option<(usize, &[u8])> {
    let (length, block) = packed.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (length <= block.len().saturating_mul(MOST)).then_some((length, block))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sqlite::journal;

    /// A row of so many records that are alike.
    fn row(records: u8) -> Vec<u8> {
        let mut octets = Vec::new();
        for number in 0..records {
            let value = format!(r#"{{"kind":"rpt","client":"client","issued":{number}}}"#);
            journal::put(&mut octets, &[number; 38], value.as_bytes(), None);
        }
        octets
    }

    #[test]
    fn a_row_of_many_takes_less_and_a_row_of_few_stands_as_it_is() {
        assert!(matches!(pack(&row(3)), Cow::Borrowed(_)));
        assert!(matches!(unpack(&row(3)), Some(Cow::Borrowed(_))));
        let many = row(100);
        let packed = pack(&many);
        assert!(packed.len() < many.len() / 3, "{} of {}", packed.len(), many.len());
        assert_eq!(unpack(&packed).as_deref(), Some(&*many));
        // As it was written before rows were packed.
        assert_eq!(unpack(&many).as_deref(), Some(&*many));
    }

    /// What was packed once is read by every later version.
    #[test]
    fn a_packed_row_is_what_it_was() {
        let mut written = vec![3, 0, 8, 0, 0];
        // One literal, then a match with the octet before it, of 2042; and five literals at the
        // end.
        written.extend([0x1f, b'a', 1, 0]);
        written.extend([255; 7]);
        written.extend([238, 0x50, b'a', b'a', b'a', b'a', b'a']);
        assert_eq!(unpack(&written).as_deref(), Some(&[b'a'; 2048][..]));
    }

    #[test]
    fn no_room_is_made_for_what_no_block_can_say() {
        let block = [0_u8; 4];
        let packed = |length: u32| [&length.to_le_bytes()[..], &block].concat();
        assert_eq!(announced(&packed(4 * 255)), Some((4 * 255, &block[..])));
        for length in [4 * 255 + 1, u32::MAX] {
            assert_eq!(announced(&packed(length)), None);
            assert_eq!(unpack(&[&[PACKED], &*packed(length)].concat()), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_is_packed_is_unpacked(octets in prop::collection::vec(0..4_u8, 0..3 * LEAST)) {
            // No row begins with the octet that says it is packed.
            let mut row = vec![0];
            row.extend(octets);
            let packed = pack(&row);
            let unpacked = unpack(&packed);
            prop_assert_eq!(unpacked.as_deref(), Some(&*row));
        }

        #[test]
        fn a_packed_row_that_was_cut_or_changed_is_no_panic(
            at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let row = row(100);
            let whole = pack(&row).into_owned();
            let cut = cut.index(whole.len());
            prop_assert!(unpack(&whole[..cut]).is_none_or(|octets| cut == 0 && octets.is_empty()));
            let mut changed = whole.clone();
            let at = at.index(changed.len());
            changed[at] = octet;
            prop_assert!(changed == whole || unpack(&changed).as_deref() != Some(&*row) || at > 4);
        }
    }
}
