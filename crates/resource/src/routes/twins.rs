//! Paths that some services take for one: `/admin`, `/admin/` and `/ADMIN`.

use std::borrow::Cow;

/// The paths of a table without what some services overlook: case, and a slash at the end.
///
/// Where the twin of a path has a rule of its own, a wider rule does not speak of the path: whoever
/// wrote both meant the one, and the service behind may see it so.
#[derive(Clone, Debug, Default)]
pub(super) struct Twins(matchit::Router<String>);

impl Twins {
    /// Takes a path of the table in, as [`of_rule`] gives it.
    ///
    /// # Errors
    /// It and another one are the same but for what is overlooked, with placeholders in different
    /// places.
    pub(super) fn insert(&mut self, rule: &str) -> Result<(), matchit::InsertError> {
        match self.0.at(rule) {
            Ok(known) if *known.value == rule => Ok(()),
            _ => self.0.insert(rule, rule.to_owned()),
        }
    }

    /// Whether a path and its twins are of one rule, the path being of this one.
    pub(super) fn are_of(&self, rule: &str, path: &str) -> bool {
        self.0.at(&fold(path)).is_ok_and(|twin| twin.value == rule)
    }
}

/// The path of a rule, without what some services overlook and what its placeholders are called.
pub(super) fn of_rule(path: &str) -> String {
    fold(&unnamed(path)).into_owned()
}

fn fold(path: &str) -> Cow<'_, str> {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    // Most paths are in lower case already.
    if path.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase()) {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(path.to_lowercase())
    }
}

/// A rule's path with one name for all placeholders: which name they have makes no other path.
fn unnamed(rule: &str) -> String {
    let mut parts = rule.split('{');
    let literal = parts.next().unwrap_or_default().to_owned();
    parts.fold(literal, |path, part| match part.split_once('}') {
        Some((name, rest)) => {
            let star = if name.starts_with('*') { "*" } else { "" };
            format!("{path}{{{star}p}}{rest}")
        }
        None => format!("{path}{{{part}"),
    })
}
