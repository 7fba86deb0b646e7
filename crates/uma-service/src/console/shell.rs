//! What is around what a page shows: where in the console one is, who is signed in, which part of a
//! list it is.

use super::texts::{Say, Text, Texts};

/// What is around every page.
pub(super) struct Shell {
    /// What this server is called.
    pub(super) name: String,
    /// Where its pages begin.
    pub(super) base: String,
    /// Who is signed in, the token to sign out by, and where in the console they are.
    pub(super) person: Option<(String, String, Tab)>,
    /// What was done on the page before.
    pub(super) done: Option<Say>,
}

/// A part of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Requests,
    People,
    Access,
    TurnedAway,
    Resources,
    History,
}

/// A link to a part, and whether it is the one that is shown.
pub(super) struct TabLink {
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    say: Say,
    pub(super) is_this: bool,
}

impl TabLink {
    pub(super) fn text(&self, t: &Texts) -> Text {
        (self.say)(t)
    }
}

impl Shell {
    pub(super) fn done(&self, t: &Texts) -> Option<Text> {
        self.done.map(|say| say(t))
    }

    pub(super) fn tabs(&self) -> Vec<TabLink> {
        let Some((.., current)) = &self.person else { return Vec::new() };
        let all: [(Tab, &str, &str, Say); 6] = [
            (Tab::Requests, "", "requests", |t| t.requests),
            (Tab::People, "/people", "people", |t| t.people),
            (Tab::Access, "/access", "access", |t| t.access),
            (Tab::TurnedAway, "/turned-away", "turned-away", |t| t.turned_away),
            (Tab::Resources, "/resources", "resources", |t| t.resources),
            (Tab::History, "/history", "history", |t| t.history),
        ];
        let link = |(tab, path, id, say)| TabLink { path, id, say, is_this: tab == *current };
        all.into_iter().map(link).collect()
    }
}

/// The pages before and after one of a long list, as queries.
#[derive(Default)]
pub(super) struct Pager {
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    /// What is looked for.
    pub(super) find: String,
    /// Whether there is more that was not looked through.
    pub(super) is_partial: bool,
}

impl Pager {
    /// Whether there is enough to look for something in.
    pub(super) const fn is_long(&self) -> bool {
        self.previous.is_some() || self.next.is_some() || !self.find.is_empty()
    }
}
