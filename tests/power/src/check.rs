//! Compares what is in a store with what must be.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_store::StoreError;
use countersign_store::engine::{OneTimeTable, RecordTable};

use crate::model::{Action, Answer, Client, Found, May, Model, Place};
use crate::store::{Store, numbered};

/// What was found at the places of each client.
type Is = BTreeMap<u8, BTreeMap<Place, Found>>;

/// Differences that are told.
const MOST: usize = 4;

/// A client that the model has not, for what is written after a look.
const STRANGER: u8 = 200;

/// Opens the store in a directory twice and looks at everything; what is not as it must be.
///
/// The first look spends all one-time values and writes one record more; the second must find both.
pub(crate) async fn check(directory: &Path, model: &Model) -> Result<(), String> {
    let mut model = model.clone();
    let store = Store::open(directory).map_err(|error| failed("it does not open", &error))?;
    let is = look(&store, &model).await?;
    for (number, client) in &mut model.clients {
        let found = is.get(number).cloned().unwrap_or_default();
        agree(*number, client, &found)?;
        client.under_way = None;
        client.may = found.into_iter().map(|(place, is)| (place, [is].into())).collect();
        for (place, may) in &mut client.may {
            if matches!(place, Place::Jti(_)) || may.contains(&Found::Live) {
                *may = [Found::Spent].into();
            }
        }
    }
    let one_more = Action::Put(access_tokens(), 1, numbered(1, 3));
    let answer = store.ask(STRANGER, one_more).await;
    answer.map_err(|error| failed("nothing can be written to it", &error))?;
    let stranger = model.clients.entry(STRANGER).or_default();
    stranger.begin(one_more);
    stranger.answered(Answer::Done)?;
    drop(store);

    let store = Store::open(directory).map_err(|error| failed("it does not open again", &error))?;
    let is = look(&store, &model).await?;
    for (number, client) in &model.clients {
        let found = is.get(number).cloned().unwrap_or_default();
        agree(*number, client, &found).map_err(|error| format!("opened again: {error}"))?;
    }
    Ok(())
}

/// Looks at the records of a store that is in use, and changes nothing.
pub(crate) async fn check_records(store: &Store, model: &Model) -> Result<(), String> {
    let is = records(store).await?;
    for (number, client) in &model.clients {
        let found = is.get(number).cloned().unwrap_or_default();
        agree_on_records(*number, client, &found)?;
    }
    Ok(())
}

pub(crate) fn access_tokens() -> usize {
    let is = |table: &RecordTable| *table == RecordTable::AccessTokens;
    RecordTable::ALL.iter().position(is).unwrap_or_default()
}

fn failed(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// All records, by their lists, and whether each is there by its key as well.
async fn records(store: &Store) -> Result<Is, String> {
    let unreadable = |error: StoreError| failed("it cannot be read", &error);
    let mut is = Is::new();
    for table in 0..RecordTable::ALL.len() {
        for (client, key, found) in store.records(table).await.map_err(unreadable)? {
            let got = store.ask(client, Action::Get(table, key)).await.map_err(unreadable)?;
            if got != Answer::Is(found) {
                return Err(format!("{table} {key} is listed as {found:?}, and is {got:?}"));
            }
            is.entry(client).or_default().insert(Place::Record(table, key), found);
        }
    }
    Ok(is)
}

/// Looks at all that a model knows of, and spends it.
async fn look(store: &Store, model: &Model) -> Result<Is, String> {
    let mut is = records(store).await?;
    let unanswered = |error: StoreError| failed("it gives no answer", &error);
    for (number, client) in &model.clients {
        let is = is.entry(*number).or_default();
        let may = client.if_done();
        for place in client.may.keys().chain(may.keys()) {
            if is.contains_key(place) {
                continue;
            }
            let action = match *place {
                Place::Record(table, key) => Action::Get(table, key),
                Place::OneTime(table, key) => Action::Spend(table, key),
                Place::Jti(key) => Action::InsertNew(key),
            };
            let found = match store.ask(*number, action).await.map_err(unanswered)? {
                Answer::Is(found) => found,
                Answer::Was(is_new) if is_new => Found::Absent,
                _ => Found::Spent,
            };
            is.insert(*place, found);
        }
    }
    Ok(is)
}

/// Whether a client finds all as it was before what is under way, or all as it is behind that.
fn agree(number: u8, client: &Client, found: &BTreeMap<Place, Found>) -> Result<(), String> {
    let before = differences(&client.may, found);
    let behind = differences(&client.if_done(), found);
    if before.is_empty() || behind.is_empty() {
        return Ok(());
    }
    let under_way = client.under_way;
    let more = before.len().saturating_sub(MOST);
    let before = before.get(..MOST).unwrap_or(&before).join("; ");
    Err(format!("client {number}, with {under_way:?} under way: {before}; and {more} more"))
}

fn agree_on_records(
    number: u8,
    client: &Client,
    found: &BTreeMap<Place, Found>,
) -> Result<(), String> {
    let records = client.may.iter().filter(|(place, _)| matches!(place, Place::Record(..)));
    let may: May = records.map(|(place, may)| (*place, may.clone())).collect();
    let differences = differences(&may, found);
    if differences.is_empty() { Ok(()) } else { Err(format!("client {number}: {differences:?}")) }
}

fn differences(may: &May, found: &BTreeMap<Place, Found>) -> Vec<String> {
    let mut differences = Vec::new();
    for (place, may) in may {
        let is = found.get(place).copied().unwrap_or(Found::Absent);
        if !may.contains(&is) {
            differences.push(format!("{} is {is:?}, may be {may:?}", name(*place)));
        }
    }
    let strays =
        found.iter().filter(|(place, is)| **is != Found::Absent && !may.contains_key(place));
    differences.extend(strays.map(|(place, is)| format!("{} is {is:?}, unknown", name(*place))));
    differences
}

fn name(place: Place) -> String {
    match place {
        Place::Record(table, key) => {
            RecordTable::ALL.get(table).map_or_else(String::new, |table| format!("{table:?} {key}"))
        }
        Place::OneTime(table, key) => OneTimeTable::ALL
            .get(table)
            .map_or_else(String::new, |table| format!("{table:?} {key}")),
        Place::Jti(key) => format!("jti {key}"),
    }
}
