//! Whoever reads while records move.

use super::*;

/// However a record is read, what was acknowledged before counts: of a record that is put again and
/// again, so that several stand on the shelf, and of one that is removed each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn what_was_replaced_or_removed_is_never_read_again() {
    const ROUNDS: u32 = 300;
    let directory = Directory::new();
    let engine = Arc::new(open(&directory.file(), room(0, 1500)).unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let least = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    engine.put(TABLE, b"again", 0_u32.to_be_bytes().to_vec(), None).await.unwrap();
    let readers: Vec<_> = (0..6)
        .map(|reader| {
            let (engine, is_over) = (Arc::clone(&engine), Arc::clone(&is_over));
            let least = Arc::clone(&least);
            tokio::spawn(async move {
                let mut readings = 0_u32;
                while !is_over.load(Ordering::Acquire) || readings < 2 {
                    let at_least = least.each_ref().map(|it| it.load(Ordering::Acquire));
                    for (key, least) in [&b"again"[..], b"gone"].into_iter().zip(at_least) {
                        let found = match reader % 4 {
                            0 | 1 => engine.get(TABLE, key, at(1)).await.unwrap(),
                            2 => {
                                let found = engine.list(TABLE, key, at(1)).await.unwrap();
                                found.into_iter().next().map(|(_, value)| value)
                            }
                            _ => {
                                let (first, behind) = (&key[..1], [key, b"s"].concat());
                                let parts = [Part::After(first), Part::Before(&behind)];
                                let part = parts[readings as usize % 2];
                                let found =
                                    engine.page(TABLE, first, part, 1, at(1)).await.unwrap();
                                found.into_iter().next().map(|(_, value)| value)
                            }
                        };
                        let found = found.map(|it| u32::from_be_bytes(it.try_into().unwrap()));
                        assert!(
                            found.map_or(key == b"gone", |found| found >= least),
                            "{found:?} after {least} by {reader}"
                        );
                    }
                    readings += 1;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 1..=ROUNDS {
        let value = number.to_be_bytes().to_vec();
        match number % 7 {
            3 => assert!(engine.replace(TABLE, b"again", value.clone(), at(1)).await.unwrap()),
            _ => engine.put(TABLE, b"again", value.clone(), None).await.unwrap(),
        }
        least[0].store(number, Ordering::Release);
        engine.put(TABLE, b"gone", value, None).await.unwrap();
        if number % 2 == 0 {
            engine.put(TABLE, b"h", Vec::new(), None).await.unwrap();
        }
        assert!(engine.remove(TABLE, b"gone").await.unwrap());
        least[1].store(number + 1, Ordering::Release);
    }
    is_over.store(true, Ordering::Release);
    for reader in readers {
        reader.await.unwrap();
    }
}
