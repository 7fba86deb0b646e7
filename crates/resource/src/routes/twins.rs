//! Paths that some services take for one: `/admin`, `/admin/` and `/ADMIN`.

use std::borrow::Cow;

/// The paths of a table without what some services overlook: case, and a slash at the end.
///
/// Where the twin of a path has a rule of its own, a wider rule does not speak of the path: whoever
/// wrote both meant the one, and the service behind may see it so.
#[derive(Clone, Debug, Default)]
pub(super) struct Twins {
    rules: matchit::Router<String>,
    /// Some path of the table is not as it is without all that.
    some_differ: bool,
}

impl Twins {
    /// Takes a path of the table in.
    ///
    /// # Errors
    /// It and another one are the same but for what is overlooked, with placeholders in different
    /// places.
    pub(super) fn insert(&mut self, path: &str) -> Result<(), matchit::InsertError> {
        let rule = of_rule(path);
        self.some_differ |= rule != unnamed(path);
        match self.rules.at(&rule) {
            Ok(known) if *known.value == rule => Ok(()),
            _ => self.rules.insert(rule.clone(), rule),
        }
    }

    /// Whether a path and its twins are of one rule, the path being of this one.
    pub(super) fn are_of(&self, rule: &str, path: &str) -> bool {
        let folded = fold(path);
        // Where there is nothing to overlook, in the table and in the path, it is of the rule that
        // was found.
        (!self.some_differ && folded == path)
            || self.rules.at(&folded).is_ok_and(|twin| twin.value == rule)
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
