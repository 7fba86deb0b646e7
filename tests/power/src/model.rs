//! What a client did to the store and was told, and so what must be found.
//!
//! A client has keys of its own and waits for each answer, so that at any moment one of its actions
//! at most is under way. Of each place the model knows what may be found there: one thing mostly,
//! two where nobody was told which it is. Whatever an answer shows is so from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use countersign_store::engine::{OneTimeTable, RecordTable};

/// What can be under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Absent,
    /// A record with the value of this number.
    Value(u32),
    /// A one-time value that nobody spent.
    Live,
    /// One that was spent, or a `jti` that is remembered.
    Spent,
}

/// A place of a client. Tables are numbers in `RecordTable::ALL` and `OneTimeTable::ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Record(usize, u32),
    OneTime(usize, u32),
    Jti(u32),
}

/// What a client asks the store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put(usize, u32, u32),
    /// A record whose time is over.
    PutExpired(usize, u32, u32),
    Replace(usize, u32, u32),
    /// A record, and in the same step a notice.
    Tell(usize, u32, u32),
    Remove(usize, u32),
    Get(usize, u32),
    Insert(usize, u32),
    InsertLazily(usize, u32),
    /// Writes what is in memory alone.
    Flush,
    Spend(usize, u32),
    /// Remembers a `jti`.
    InsertNew(u32),
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// Whether there was something to change, or something to remember.
    Was(bool),
    Is(Found),
    /// An error: it may have been done or not.
    Failed,
}

/// What may be found at each place.
pub(crate) type May = BTreeMap<Place, BTreeSet<Found>>;

/// What is known of one client's places.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) may: May,
    pub(crate) under_way: Option<Action>,
    /// Inserted lazily, and in memory since.
    young: BTreeSet<Place>,
}

/// The table of notices, as a number.
pub(crate) fn notices() -> usize {
    RecordTable::ALL.iter().position(|table| *table == RecordTable::Notices).unwrap_or_default()
}

pub(crate) fn tickets() -> usize {
    OneTimeTable::ALL.iter().position(|table| *table == OneTimeTable::Tickets).unwrap_or_default()
}

impl Client {
    pub(crate) fn may(&self, place: Place) -> BTreeSet<Found> {
        self.may.get(&place).cloned().unwrap_or_else(|| [Found::Absent].into())
    }

    /// Whether nobody knows what is there.
    pub(crate) fn is_open(&self, place: Place) -> bool {
        self.may(place).len() > 1 && !self.young.contains(&place)
    }

    /// What may be found if this action was done.
    fn done(&self, action: Action) -> Vec<(Place, BTreeSet<Found>)> {
        let one = |place, found| vec![(place, [found].into())];
        match action {
            Action::Put(table, key, value) => one(Place::Record(table, key), Found::Value(value)),
            Action::PutExpired(table, key, _) | Action::Remove(table, key) => {
                one(Place::Record(table, key), Found::Absent)
            }
            Action::Replace(table, key, value) => {
                let place = Place::Record(table, key);
                let replaced = |found| match found {
                    Found::Value(_) => Found::Value(value),
                    other => other,
                };
                vec![(place, self.may(place).into_iter().map(replaced).collect())]
            }
            Action::Tell(table, key, value) => {
                let record = (Place::Record(table, key), [Found::Value(value)].into());
                vec![record, (Place::Record(notices(), key), [Found::Value(value)].into())]
            }
            Action::Get(..) => Vec::new(),
            Action::Insert(table, key) => one(Place::OneTime(table, key), Found::Live),
            Action::InsertLazily(table, key) => {
                vec![(Place::OneTime(table, key), [Found::Absent, Found::Live].into())]
            }
            Action::Flush => {
                let live = |place: &Place| self.may(*place).contains(&Found::Live);
                let young = self.young.iter().copied().filter(live);
                young.map(|place| (place, [Found::Live].into())).collect()
            }
            Action::Spend(table, key) => {
                let place = Place::OneTime(table, key);
                let is_young = self.young.contains(&place);
                let mut may = self.may(place);
                // The tombstone of what never was on the disk is not there either.
                may.retain(|found| *found == Found::Absent);
                if !is_young {
                    may.clear();
                }
                may.insert(Found::Spent);
                vec![(place, may)]
            }
            Action::InsertNew(key) => one(Place::Jti(key), Found::Spent),
        }
    }

    /// What may be found once the action that is under way was done.
    pub(crate) fn if_done(&self) -> May {
        let mut may = self.may.clone();
        may.extend(self.under_way.into_iter().flat_map(|action| self.done(action)));
        may
    }

    pub(crate) fn begin(&mut self, action: Action) {
        self.under_way = Some(action);
    }

    /// Takes an answer, and says whether it could be given.
    pub(crate) fn answered(&mut self, answer: Answer) -> Result<(), String> {
        let Some(action) = self.under_way.take() else {
            return Err(format!("{answer:?} answers nothing"));
        };
        if answer == Answer::Failed {
            self.may_be_done(action);
            return Ok(());
        }
        let done = self.done(action);
        let could = match (action, answer) {
            (Action::Replace(table, key, _), Answer::Was(was)) => {
                let may = self.may(Place::Record(table, key));
                may.iter().any(|found| (*found == Found::Absent) != was)
            }
            // What is over may be there still.
            (Action::Remove(table, key), Answer::Was(was)) => {
                was || self.may(Place::Record(table, key)).contains(&Found::Absent)
            }
            (Action::InsertNew(key), Answer::Was(was_new)) => {
                let found = if was_new { Found::Absent } else { Found::Spent };
                self.may(Place::Jti(key)).contains(&found)
            }
            (Action::Get(table, key), Answer::Is(found)) => {
                let place = Place::Record(table, key);
                let may = self.may(place);
                self.may.insert(place, [found].into());
                if !may.contains(&found) {
                    return Err(format!("{place:?} is {found:?}, may be {may:?}"));
                }
                true
            }
            (Action::Spend(table, key), Answer::Is(found)) => {
                let place = Place::OneTime(table, key);
                let could = self.may(place).contains(&found);
                if found == Found::Absent {
                    self.may.insert(place, [Found::Absent].into());
                    return could.then_some(()).ok_or_else(|| self.surprise(action, answer));
                }
                could
            }
            (_, Answer::Done) => true,
            _ => false,
        };
        let surprise = (!could).then(|| self.surprise(action, answer));
        self.may.extend(done);
        match (action, answer) {
            (Action::InsertLazily(table, key), _) => {
                self.young.insert(Place::OneTime(table, key));
            }
            // There was nothing to replace.
            (Action::Replace(table, key, _), Answer::Was(false)) => {
                self.may.insert(Place::Record(table, key), [Found::Absent].into());
            }
            (Action::Replace(table, key, value), Answer::Was(true)) => {
                self.may.insert(Place::Record(table, key), [Found::Value(value)].into());
            }
            _ => {}
        }
        surprise.map_or(Ok(()), Err)
    }

    fn surprise(&self, action: Action, answer: Answer) -> String {
        let places = self.done(action).into_iter().map(|(place, _)| place);
        let may: Vec<_> = places.map(|place| (place, self.may(place))).collect();
        format!("{action:?} was answered {answer:?}, where there may be {may:?}")
    }

    fn may_be_done(&mut self, action: Action) {
        for (place, found) in self.done(action) {
            let may = self.may(place).into_iter().chain(found).collect();
            self.may.insert(place, may);
        }
    }

    /// The process ended, and nothing was in memory any more.
    pub(crate) fn killed(&mut self) {
        if let Some(action) = self.under_way.take() {
            self.may_be_done(action);
        }
        self.young.clear();
    }

    /// The engine was closed in an orderly way, which writes what was in memory alone.
    pub(crate) fn closed(&mut self) {
        for place in std::mem::take(&mut self.young) {
            let mut may = self.may(place);
            if may.len() > 1 {
                may.remove(&Found::Absent);
            }
            self.may.insert(place, may);
        }
    }
}

/// All clients, by their numbers, as the marks tell of them.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) clients: BTreeMap<u8, Client>,
    /// Answers that could not be given.
    pub(crate) surprises: Vec<String>,
}

impl Model {
    /// Takes note of a mark. What cannot be read is a surprise.
    pub(crate) fn mark(&mut self, mark: &str) {
        if self.read(mark.trim_end()).is_none() {
            self.surprises.push(format!("a mark cannot be read: {mark}"));
        }
    }

    fn read(&mut self, mark: &str) -> Option<()> {
        match mark {
            "killed" => self.clients.values_mut().for_each(Client::killed),
            "closed" => self.clients.values_mut().for_each(Client::closed),
            _ => {
                let mut words = mark.splitn(3, ' ');
                let (word, client) = (words.next()?, words.next()?.parse().ok()?);
                let rest = words.next()?;
                let client = self.clients.entry(client).or_default();
                match word {
                    "asks" => client.begin(rest.parse().ok()?),
                    "hears" => {
                        if let Err(surprise) = client.answered(rest.parse().ok()?) {
                            self.surprises.push(surprise);
                        }
                    }
                    _ => return None,
                }
            }
        }
        Some(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(table, key, value) => write!(f, "put {table} {key} {value}"),
            Self::PutExpired(table, key, value) => write!(f, "put-expired {table} {key} {value}"),
            Self::Replace(table, key, value) => write!(f, "replace {table} {key} {value}"),
            Self::Tell(table, key, value) => write!(f, "tell {table} {key} {value}"),
            Self::Remove(table, key) => write!(f, "remove {table} {key}"),
            Self::Get(table, key) => write!(f, "get {table} {key}"),
            Self::Insert(table, key) => write!(f, "insert {table} {key}"),
            Self::InsertLazily(table, key) => write!(f, "insert-lazily {table} {key}"),
            Self::Flush => write!(f, "flush"),
            Self::Spend(table, key) => write!(f, "spend {table} {key}"),
            Self::InsertNew(key) => write!(f, "insert-new {key}"),
        }
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let numbers: Vec<u32> = rest.split_whitespace().flat_map(str::parse).collect();
        Ok(match (word, numbers.as_slice()) {
            ("put", [table, key, value]) => Self::Put(*table as usize, *key, *value),
            ("put-expired", [table, key, value]) => Self::PutExpired(*table as usize, *key, *value),
            ("replace", [table, key, value]) => Self::Replace(*table as usize, *key, *value),
            ("tell", [table, key, value]) => Self::Tell(*table as usize, *key, *value),
            ("remove", [table, key]) => Self::Remove(*table as usize, *key),
            ("get", [table, key]) => Self::Get(*table as usize, *key),
            ("insert", [table, key]) => Self::Insert(*table as usize, *key),
            ("insert-lazily", [table, key]) => Self::InsertLazily(*table as usize, *key),
            ("flush", []) => Self::Flush,
            ("spend", [table, key]) => Self::Spend(*table as usize, *key),
            ("insert-new", [key]) => Self::InsertNew(*key),
            _ => return Err(()),
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "done"),
            Self::Was(was) => write!(f, "{was}"),
            Self::Is(Found::Absent) => write!(f, "absent"),
            Self::Is(Found::Value(value)) => write!(f, "value {value}"),
            Self::Is(Found::Live) => write!(f, "live"),
            Self::Is(Found::Spent) => write!(f, "spent"),
            Self::Failed => write!(f, "failed"),
        }
    }
}

impl FromStr for Answer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "done" => Self::Done,
            "true" => Self::Was(true),
            "false" => Self::Was(false),
            "absent" => Self::Is(Found::Absent),
            "live" => Self::Is(Found::Live),
            "spent" => Self::Is(Found::Spent),
            "failed" => Self::Failed,
            _ => {
                let value = text.strip_prefix("value ").ok_or(())?;
                Self::Is(Found::Value(value.parse().map_err(|_| ())?))
            }
        })
    }
}
