//! A form as somebody filled it, to be shown again with what is wrong.

use countersign_pages::Text;
use countersign_types::Params;

use super::texts::{Say, Texts};

/// What is wrong with a form, by the names of its fields, in their order on the page.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrong(Vec<(&'static str, Say)>);

impl Wrong {
    pub(super) const NOTHING: Self = Self(Vec::new());

    pub(super) fn one(field: &'static str, say: Say) -> Self {
        Self(vec![(field, say)])
    }

    pub(super) fn note(&mut self, field: &'static str, say: Say) {
        self.0.push((field, say));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fields of a form: as they were sent, or untouched.
#[derive(Default)]
pub(super) struct Filled {
    sent: Option<Params>,
    wrong: Wrong,
}

impl Filled {
    pub(super) const fn new(sent: Params, wrong: Wrong) -> Self {
        Self { sent: Some(sent), wrong }
    }

    /// Whether somebody sent it.
    pub(super) const fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// What was typed into a field.
    pub(super) fn text(&self, field: &str) -> &str {
        self.sent.as_ref().and_then(|sent| sent.get(field)).unwrap_or_default()
    }

    /// Whether this was chosen, or ticked.
    pub(super) fn has(&self, field: &str, value: &str) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.all(field).any(|sent| sent == value))
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, t: &Texts, field: &str) -> Option<Text> {
        let found = self.wrong.0.iter().find(|(name, _)| *name == field);
        found.map(|(_, say)| say(t))
    }

    /// Whether this field is the first one to be put right.
    pub(super) fn is_first(&self, field: &str) -> bool {
        self.wrong.0.first().is_some_and(|(name, _)| *name == field)
    }
}
