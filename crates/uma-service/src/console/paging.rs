//! Long lists, page by page.
//!
//! A page is asked for by a [`Mark`]: the record after or before which it begins. So a page costs
//! the same wherever it is in its list, and goes on where the one before ended, whoever came or
//! went meanwhile. One that is looked for something in looks through a bounded number of records,
//! and says so if there are more.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use countersign_store::resources::Beside;
use http::request::Parts;
use url::form_urlencoded;

use super::refusal::Refusal;
use super::shell::Pager;

/// So much of a list is on a page.
const ON_A_PAGE: usize = 50;

/// A list of no more records than this is shown in the order in which people look for something.
const FEW: usize = 500;

/// So many records are looked through for one page.
const LOOKED_THROUGH: usize = 2000;

/// So many of them are in memory at a time.
const AT_A_TIME: usize = 250;

/// The longest text that is looked for.
const MAX_FIND: usize = 256;

/// A part of what is listed on a page, in an order of its own: that of one owner at one resource
/// server.
pub(super) trait List: Sync {
    /// What is shown of a record.
    type Item: Send;

    /// Whether people look for something by its name, and not by when it was.
    const IS_NAMED: bool;

    /// What it is called in a mark: another in each list, and the same over restarts.
    fn id(&self) -> String;

    /// The first records after a key or the last before it, `limit` of them at most and fewer only
    /// where there are no more, in their order. A key that is none of the list's is no reason to
    /// fail.
    fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(String, Self::Item)>, Refusal>> + Send;

    /// Where it stands among few.
    fn name(item: &Self::Item) -> (i64, String);
}

/// A record in one of the lists of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The list.
    pub(super) list: String,
    /// The record.
    pub(super) key: String,
}

/// What the query of a page asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) beside: Beside<Mark>,
    /// What is looked for, in small letters; nothing if it is empty.
    pub(super) find: String,
}

impl Asked {
    /// A page whose query nobody made is the first.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let (mut beside, mut find) = (Beside::Start, String::new());
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let mark = || {
                let (list, key) = value.split_once(':')?;
                Some(Mark { list: list.to_owned(), key: key.to_owned() })
            };
            match &*name {
                "after" => beside = mark().map_or(Beside::Start, Beside::After),
                "before" => beside = mark().map_or(Beside::Start, Beside::Before),
                "find" => find = value.trim().chars().take(MAX_FIND).collect(),
                _ => {}
            }
        }
        Self { beside, find: find.to_lowercase() }
    }

    /// Whether a name is one that is looked for.
    pub(super) fn finds(&self, name: &str) -> bool {
        self.find.is_empty() || name.to_lowercase().contains(&self.find)
    }

    /// The query of another page of the same.
    pub(super) fn query(&self, beside: &Beside<Mark>) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix("?".to_owned(), 1);
        match beside {
            Beside::After(Mark { list, key }) => {
                query.append_pair("after", &format!("{list}:{key}"));
            }
            Beside::Before(Mark { list, key }) => {
                query.append_pair("before", &format!("{list}:{key}"));
            }
            Beside::Start | Beside::End => {}
        }
        if !self.find.is_empty() {
            query.append_pair("find", &self.find);
        }
        query.finish()
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query()))
    }
}

/// What is on a page, with the number of the list that it is of, and the pages around it.
pub(super) struct Cut<I> {
    pub(super) shown: Vec<(usize, I)>,
    pub(super) pager: Pager,
}

/// The page that is asked for, of those records that are meant.
pub(super) async fn cut<L: List>(
    lists: &[L],
    asked: &Asked,
    is_meant: impl Fn(&L::Item) -> bool + Send + Sync,
) -> Result<Cut<L::Item>, Refusal> {
    if L::IS_NAMED {
        let few = walk(lists, &Beside::Start, |_| true, FEW + 1, false).await?;
        if few.found.len() <= FEW {
            let mut found = few.found;
            found.retain(|one| is_meant(&one.item));
            found.sort_by_cached_key(|one| (one.list, L::name(&one.item)));
            return Ok(of_few(lists, found, asked));
        }
    }
    let is_search = !asked.find.is_empty();
    let is_ours = |mark: &Mark| lists.iter().any(|list| list.id() == mark.list);
    let beside = match &asked.beside {
        Beside::After(mark) | Beside::Before(mark) if !is_ours(mark) => &Beside::Start,
        beside => beside,
    };
    let walked = walk(lists, beside, &is_meant, ON_A_PAGE + 1, is_search).await?;
    let nothing = walked.found.is_empty() && walked.stopped.is_none();
    let is_short = walked.found.len() <= ON_A_PAGE && walked.stopped.is_none();
    // What the mark led to is gone: the end of what is left. And the first page is a whole one.
    let again = match beside {
        Beside::After(_) if nothing => Beside::End,
        Beside::Before(_) if is_short => Beside::Start,
        _ => return Ok(walked.cut(lists, asked, beside)),
    };
    let walked = walk(lists, &again, &is_meant, ON_A_PAGE + 1, is_search).await?;
    Ok(walked.cut(lists, asked, &again))
}

/// A record that was found.
struct One<I> {
    list: usize,
    key: String,
    item: I,
}

impl<I> One<I> {
    fn mark<L: List>(&self, lists: &[L]) -> Option<Mark> {
        let list = lists.get(self.list)?.id();
        Some(Mark { list, key: self.key.clone() })
    }
}

/// What was found on the way from a mark, in the order of the way, and where the way was too long.
struct Walked<I> {
    found: Vec<One<I>>,
    stopped: Option<Mark>,
}

impl<I> Walked<I> {
    /// What is on the page to which the way from there leads.
    fn cut<L: List>(self, lists: &[L], asked: &Asked, from: &Beside<Mark>) -> Cut<I> {
        let Self { mut found, stopped } = self;
        let is_partial = stopped.is_some();
        let mut further = stopped;
        if found.len() > ON_A_PAGE {
            found.truncate(ON_A_PAGE);
            further = found.last().and_then(|one| one.mark(lists));
        }
        let has_behind = matches!(from, Beside::After(_) | Beside::Before(_));
        let behind = found.first().filter(|_| has_behind).and_then(|one| one.mark(lists));
        let is_back = matches!(from, Beside::Before(_) | Beside::End);
        if is_back {
            found.reverse();
        }
        let (before, after) = if is_back { (further, behind) } else { (behind, further) };
        let link = |mark: Option<Mark>, to: fn(Mark) -> Beside<Mark>| {
            mark.map(|mark| asked.query(&to(mark)))
        };
        let pager = Pager {
            previous: link(before, Beside::Before),
            next: link(after, Beside::After),
            find: asked.find.clone(),
            is_partial,
        };
        Cut { shown: found.into_iter().map(|one| (one.list, one.item)).collect(), pager }
    }
}

/// Goes from a mark until so many are found, or so many looked through.
async fn walk<L: List>(
    lists: &[L],
    beside: &Beside<Mark>,
    is_meant: impl Fn(&L::Item) -> bool + Send + Sync,
    limit: usize,
    is_search: bool,
) -> Result<Walked<L::Item>, Refusal> {
    let (mark, is_back) = match beside {
        Beside::Start => (None, false),
        Beside::After(mark) => (Some(mark), false),
        Beside::Before(mark) => (Some(mark), true),
        Beside::End => (None, true),
    };
    let position = |mark: &Mark| lists.iter().position(|list| list.id() == mark.list);
    let from = mark.and_then(|mark| Some((position(mark)?, mark.key.clone())));
    let (mut found, mut left) = (Vec::new(), LOOKED_THROUGH);
    let way = lists.iter().enumerate();
    let way: Vec<_> = if is_back { way.rev().collect() } else { way.collect() };
    for (number, list) in way {
        let is_behind = |(first, _): &(usize, String)| {
            if is_back { number > *first } else { number < *first }
        };
        if from.as_ref().is_some_and(is_behind) {
            continue;
        }
        let mut last =
            from.as_ref().filter(|(first, _)| *first == number).map(|(_, key)| key.clone());
        loop {
            // Who finds less than was read looks for it.
            let is_search = is_search || left < LOOKED_THROUGH;
            let wanted = if is_search { AT_A_TIME } else { limit }.min(left);
            let part = list.part(side(is_back, last.as_deref()), wanted).await?;
            let count = part.len();
            left -= count.min(left);
            let part: Vec<_> = if is_back { part.into_iter().rev().collect() } else { part };
            for (key, item) in part {
                last = Some(key.clone());
                if is_meant(&item) {
                    found.push(One { list: number, key, item });
                }
                if found.len() == limit {
                    return Ok(Walked { found, stopped: None });
                }
            }
            if count < wanted {
                break;
            }
            if left == 0 {
                let stopped = last.map(|key| Mark { list: list.id(), key });
                return Ok(Walked { found, stopped });
            }
        }
    }
    Ok(Walked { found, stopped: None })
}

const fn side(is_back: bool, last: Option<&str>) -> Beside<&str> {
    match (is_back, last) {
        (false, None) => Beside::Start,
        (false, Some(key)) => Beside::After(key),
        (true, Some(key)) => Beside::Before(key),
        (true, None) => Beside::End,
    }
}

/// A page of a list that is in memory as a whole.
fn of_few<L: List>(lists: &[L], found: Vec<One<L::Item>>, asked: &Asked) -> Cut<L::Item> {
    let count = found.len();
    let position =
        |mark: &Mark| found.iter().position(|one| one.mark(lists).as_ref() == Some(mark));
    // A mark of a whole list, or of who is gone: where that list begins.
    let of_list = |mark: &Mark| {
        let number = lists.iter().position(|list| list.id() == mark.list)?;
        found.iter().position(|one| one.list >= number)
    };
    let last_page = count.saturating_sub(1) / ON_A_PAGE * ON_A_PAGE;
    let start = match &asked.beside {
        Beside::Start => 0,
        Beside::After(mark) => {
            position(mark).map(|at| at + 1).or_else(|| of_list(mark)).unwrap_or(0)
        }
        Beside::Before(mark) => position(mark).unwrap_or(0).saturating_sub(ON_A_PAGE),
        Beside::End => last_page,
    };
    let start = if start < count { start } else { last_page };
    let end = count.min(start + ON_A_PAGE);
    let mark = |at: usize| found.get(at).and_then(|one| one.mark(lists));
    let before = mark(start).filter(|_| start > 0).map(Beside::Before);
    let after = mark(end.saturating_sub(1)).filter(|_| end < count).map(Beside::After);
    let pager = Pager {
        previous: before.map(|beside| asked.query(&beside)),
        next: after.map(|beside| asked.query(&beside)),
        find: asked.find.clone(),
        is_partial: false,
    };
    let shown = found.into_iter().skip(start).take(end - start);
    Cut { shown: shown.map(|one| (one.list, one.item)).collect(), pager }
}

#[cfg(test)]
mod tests;
