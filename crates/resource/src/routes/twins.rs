//! Paths that some services take for one: `/admin`, `/admin/` and `/ADMIN`.

/// The paths of a table without what some services overlook: case, and a slash at the end.
///
/// Where the twin of a path has a rule of its own, a wider rule does not speak of the path: whoever
/// wrote both meant the one, and the service behind may see it so.
#[derive(Clone, Debug, Default)]
pub(super) struct Twins(matchit::Router<String>);

impl Twins {
    /// Takes a path of the table in.
    ///
    /// # Errors
    /// It and another one are the same but for what is overlooked, with placeholders in different
    /// places.
    pub(super) fn insert(&mut self, rule: &str) -> Result<(), matchit::InsertError> {
        let folded = fold(&unnamed(rule));
        match self.0.at(&folded) {
            Ok(known) if *known.value == folded => Ok(()),
            _ => self.0.insert(folded.clone(), folded),
        }
    }

    /// Whether a path and its twins are of one rule, the path being of this one.
    pub(super) fn are_of(&self, rule: &str, path: &str) -> bool {
        self.0.at(&fold(path)).is_ok_and(|twin| *twin.value == fold(&unnamed(rule)))
    }
}

fn fold(path: &str) -> String {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    path.to_lowercase()
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
