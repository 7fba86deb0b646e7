//! Every decision, and what was known when it was made.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_pages::page::moment;
use countersign_store::StoreError;
use countersign_types::Timestamp;
use countersign_uma::case::{Event, Happened};
use countersign_uma::policy::shares::Effect;
use countersign_uma::{Case, PersonId};
use http::StatusCode;
use serde_json::{Map, Value};

use super::because::Because;
use super::desk::{Desk, Visit};
use super::moments::{Happening, Moments, Of, Thing};
use super::paging::{self, Asked, Cut};
use super::people::{self, Cards};
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shares;
use super::shell::Tab;
use super::views::{EventView, HistoryPage, What};
use crate::shares::ShareEvent;

/// The longest value of a claim that is shown whole.
const MAX_VALUE: usize = 512;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, Refusal> {
    let now = visit.now;
    let places = places::of(&desk, &visit.active).await?;
    let lists = [Moments::new(&desk, &places, Of::Happened, now).await?];
    let Cut { shown, pager } = paging::cut(&lists, &asked, |one| one.what.is_some()).await?;
    let (mut cards, mut views) = (Cards::new(&desk, now), Vec::new());
    for (_, Happening { place, at, what }) in shown {
        let Some((place, what)) = places.get(place).zip(what) else { continue };
        let case = match what {
            Thing::Case(case) => case,
            Thing::Share(event) => {
                views.push(of_share(&mut cards, place, event, at).await?);
                continue;
            }
        };
        let person = case.person();
        // Of one moment, the last first, as of them all.
        for event in case.history().iter().rev().filter(|event| event.at == at) {
            let link = people::link(&desk, place, &PersonId::of(person));
            let view = view(&mut cards, place, event).await?;
            views.push(EventView { person: Some((link, person.email.to_string())), ..view });
        }
    }
    let page = HistoryPage { shell: desk.shell(&visit, Tab::History)?, events: views, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
}

/// What happened to a person's case, and to what is shared with them or keeps them out, the latest
/// first.
pub(super) async fn views(
    cards: &mut Cards<'_>,
    place: &Place,
    case: Option<&Case>,
    shares: Vec<(Timestamp, ShareEvent)>,
) -> Result<Vec<EventView>, StoreError> {
    let mut views = Vec::new();
    for event in case.into_iter().flat_map(|case| case.history().iter().rev()) {
        views.push((event.at, view(cards, place, event).await?));
    }
    for (at, event) in shares {
        views.push((at, of_share(cards, place, event, at).await?));
    }
    views.sort_by_key(|(at, _)| Reverse(*at));
    Ok(views.into_iter().map(|(_, view)| view).collect())
}

/// A rule as an owner is told of it: by its name, and by what it says of itself.
pub(super) fn rule(desk: &Desk, name: &str) -> String {
    let description = desk.uma.seams.policy.describe(name);
    let description = description.map(|text| format!(": {text}")).unwrap_or_default();
    short(format!("{name}{description}"))
}

async fn view(
    cards: &mut Cards<'_>,
    place: &Place,
    event: &Event,
) -> Result<EventView, StoreError> {
    let mut permissions = Vec::new();
    for permission in &event.permissions {
        let name = cards.name(place, &permission.resource_id).await?;
        permissions.push((name, permission.resource_scopes.to_string()));
    }
    let through = event.through.as_ref();
    Ok(EventView {
        at: moment(event.at),
        what: What::of(&event.what),
        by: event.by.clone().unwrap_or_default(),
        through: through.map(|(client, present)| (client.to_string(), *present)),
        permissions,
        why: Because::of(&event.why, |name| rule(cards.desk, name)),
        claims: event.claims.as_ref().map(claims).unwrap_or_default(),
        person: None,
        share: None,
    })
}

/// That a share was made, or ended.
async fn of_share(
    cards: &mut Cards<'_>,
    place: &Place,
    event: ShareEvent,
    at: Timestamp,
) -> Result<EventView, StoreError> {
    let ShareEvent { share, end } = event;
    let is_kept_out = share.terms.effect() == Effect::Forbid;
    let (what, by) = match (end, is_kept_out) {
        (None, false) => (What::Shared, None),
        (None, true) => (What::KeptOut, None),
        (Some(Some(by)), false) => (What::Unshared, Some(by)),
        (Some(Some(by)), true) => (What::LetIn, Some(by)),
        (Some(None), _) => (What::EndedWithResource, None),
    };
    let view = shares::views(cards, place, &[&share]).await?.pop();
    let there = (place.protection.owner.to_string(), place.name());
    Ok(EventView {
        at: moment(at),
        what,
        by: by.unwrap_or_default(),
        through: None,
        permissions: Vec::new(),
        why: Vec::new(),
        claims: Vec::new(),
        person: None,
        share: view.map(|view| (view, there)),
    })
}

impl What {
    fn of(happened: &Happened) -> Self {
        match happened {
            Happened::Asked => Self::Asked,
            Happened::Approved => Self::Allowed,
            Happened::Denied => Self::Refused,
            Happened::AskedMore(claims) => {
                Self::AskedMore(claims.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Happened::Reopened => Self::Reopened,
            Happened::Revoked => Self::Revoked,
            Happened::Ended => Self::Ended,
            Happened::Ruled => Self::Ruled,
        }
    }
}

/// Claims as text: what is a text in itself, a list of texts, and whatever else as JSON.
pub(super) fn claims(claims: &Map<String, Value>) -> Vec<(String, String)> {
    claims.iter().map(|(name, value)| (short(name.clone()), short(text(value)))).collect()
}

fn text(value: &Value) -> String {
    let list = |values: &Vec<Value>| {
        values.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|texts| texts.join(", "))
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => list(values).unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

/// A text of somebody else's, cut where it is too long.
pub(super) fn short(text: String) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", plain(text.get(..end).unwrap_or_default())),
        None => plain(&text),
    }
}

/// A text of somebody else's as it is: what would have it read in another order, or would not be
/// seen, is seen instead. [UTR #36](https://www.unicode.org/reports/tr36/)
pub(super) fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_seen = |c: char| !(c.is_control() && c != '\n' || turns(c));
    text.chars().map(|c| if is_seen(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_say_is_read_as_it_was_written() {
        for (value, shown) in [
            (json!("research"), "research"),
            (json!(["a", "b"]), "a, b"),
            (json!(["a", 1]), "[\"a\",1]"),
            (json!({"a": true}), "{\"a\":true}"),
            (json!("\u{202e}lave\u{202c}\0"), "\u{fffd}lave\u{fffd}\u{fffd}"),
            (json!("a\u{202a}b\u{202b}c\u{202d}"), "a\u{fffd}b\u{fffd}c\u{fffd}"),
            (json!("a\u{2066}b\u{2067}c\u{2068}d\u{2069}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"),
            (json!("two\nlines"), "two\nlines"),
            (json!("אבג"), "אבג"),
        ] {
            assert_eq!(short(text(&value)), shown);
        }
        assert_eq!(short("ä".repeat(600)), format!("{}…", "ä".repeat(512)));
        assert_eq!(short("\u{202e}".repeat(600)), format!("{}…", "\u{fffd}".repeat(512)));
    }
}
