use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Numbers in some order, by name the other way round, and how many were read.
struct Numbers {
    id: &'static str,
    all: Vec<usize>,
    read: AtomicUsize,
}

impl Numbers {
    fn new(id: &'static str, all: impl IntoIterator<Item = usize>) -> Self {
        Self { id, all: all.into_iter().collect(), read: AtomicUsize::new(0) }
    }
}

impl List for Numbers {
    type Item = usize;

    const IS_NAMED: bool = true;

    fn id(&self) -> String {
        self.id.to_owned()
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, usize)>, Refusal> {
        let key = |key: &str| key.parse::<usize>().unwrap_or(0);
        let all = self.all.iter().copied();
        let mut part: Vec<usize> = match beside {
            Beside::Start => all.take(limit).collect(),
            Beside::After(after) => all.filter(|n| *n > key(after)).take(limit).collect(),
            Beside::Before(before) => all.rev().filter(|n| *n < key(before)).take(limit).collect(),
            Beside::End => all.rev().take(limit).collect(),
        };
        if matches!(beside, Beside::Before(_) | Beside::End) {
            part.reverse();
        }
        self.read.fetch_add(part.len(), Ordering::Relaxed);
        Ok(part.into_iter().map(|n| (n.to_string(), n)).collect())
    }

    fn name(item: &usize) -> (i64, String) {
        (-i64::try_from(*item).unwrap(), String::new())
    }
}

async fn page(lists: &[Numbers], query: &str) -> (Vec<usize>, Pager) {
    let asked = Asked::parse(Some(query.trim_start_matches('?')));
    let find = asked.find.clone();
    let cut = cut(lists, &asked, |n| n.to_string().ends_with(&find)).await;
    let Cut { shown, pager } = cut.unwrap_or_else(|error| panic!("{error}"));
    (shown.into_iter().map(|(_, n)| n).collect(), pager)
}

/// From the first page to the last, and back: the same pages, and every record once.
async fn there_and_back(lists: &[Numbers], expected: &[usize]) {
    let (mut there, mut query) = (Vec::new(), String::new());
    loop {
        let (shown, pager) = page(lists, &query).await;
        assert!(there.is_empty() || pager.previous.is_some());
        there.push((shown, pager.previous));
        let Some(next) = pager.next else { break };
        query = next;
    }
    let all: Vec<usize> = there.iter().flat_map(|(shown, _)| shown).copied().collect();
    assert_eq!(all, expected);
    assert_eq!(there[0].1, None);
    while let Some((_, previous)) = there.pop() {
        let Some((expected, _)) = there.last() else { break };
        let (shown, pager) = page(lists, &previous.unwrap()).await;
        assert_eq!(shown, *expected);
        assert!(pager.next.is_some());
    }
}

#[tokio::test]
async fn few_are_shown_by_name_and_many_by_key() {
    for count in [0, 1, 50, 51, 100, 120, 500] {
        let lists = [Numbers::new("a", 1..=count), Numbers::new("b", [])];
        there_and_back(&lists, &(1..=count).rev().collect::<Vec<_>>()).await;
    }
    for (one, other) in [(501, 0), (0, 550), (300, 317), (1000, 1)] {
        let lists = [Numbers::new("a", 1..=one), Numbers::new("b", 1..=other)];
        there_and_back(&lists, &(1..=one).chain(1..=other).collect::<Vec<_>>()).await;
    }
}

/// However long a list is, a page of it costs the same: what tells few from many, and what is
/// shown.
#[tokio::test]
async fn a_page_of_a_long_list_reads_few_records() {
    let lists = [Numbers::new("a", 1..=100_000)];
    for query in ["", "?after=a:70000", "?before=a:70000", "?after=a:99999", "?after=a:100000"] {
        lists[0].read.store(0, Ordering::Relaxed);
        let (shown, _) = page(&lists, query).await;
        assert!(!shown.is_empty(), "{query}");
        let read = lists[0].read.load(Ordering::Relaxed);
        assert!(read <= FEW + 1 + 2 * (ON_A_PAGE + 1), "{query}: {read}");
    }
}

#[tokio::test]
async fn what_is_looked_for_is_found_a_bounded_way_at_a_time() {
    let lists = [Numbers::new("a", 1..=10_000)];
    let (shown, pager) = page(&lists, "?find=777").await;
    assert_eq!(shown, [777, 1777]);
    assert_eq!(pager.next.as_deref(), Some("?after=a%3A2000&find=777"));
    assert!(pager.is_partial && pager.previous.is_none());
    assert!(lists[0].read.load(Ordering::Relaxed) <= FEW + 1 + LOOKED_THROUGH);
    let (shown, pager) = page(&lists, &pager.next.unwrap()).await;
    assert_eq!(shown, [2777, 3777]);
    let (shown, pager) = page(&lists, &pager.previous.unwrap()).await;
    assert_eq!((shown, pager.is_partial), (vec![777, 1777], true));
    let (shown, pager) = page(&lists, "?after=a%3A8100&find=777").await;
    assert_eq!((shown, pager.next, pager.is_partial), (vec![8777, 9777], None, false));
    let few = [Numbers::new("a", 1..=400)];
    let (shown, pager) = page(&few, "?find=77").await;
    assert_eq!((shown, pager.next, pager.previous), (vec![377, 277, 177, 77], None, None));
}

/// A mark is a place in a list, whether its record is there still or not, and one of no list is no
/// mark.
#[tokio::test]
async fn a_mark_outlives_its_record() {
    let lists = [Numbers::new("a", (1..=2000).filter(|n| n % 2 == 0))];
    assert_eq!(page(&lists, "?after=a:101").await.0[0], 102);
    assert_eq!(*page(&lists, "?before=a:301").await.0.last().unwrap(), 300);
    let (shown, pager) = page(&lists, "?after=a:3000").await;
    assert_eq!((shown.last(), pager.next), (Some(&2000), None), "the end of what is left");
    let (shown, pager) = page(&lists, "?before=a:20").await;
    assert_eq!((shown.len(), shown[0], pager.previous), (50, 2, None), "the first page is whole");
    for query in ["?after=c:7", "?after=", "?after=7", "?before=:", "?x=y", "?after=a:", "?page=2"]
    {
        assert_eq!(page(&lists, query).await.0[0], 2, "{query}");
    }
    let few = [Numbers::new("a", 1..=120), Numbers::new("b", 1..=3)];
    assert_eq!(page(&few, "?after=b:").await.0, [3, 2, 1], "the beginning of a list");
    assert_eq!(page(&few, "?after=a:999").await.0[0], 120);
}
