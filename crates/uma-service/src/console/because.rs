//! Why an owner was asked, in words.

use countersign_pages::Phrase;

use super::texts::Texts;

/// What said that the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// What they share beforehand: "ask me first".
    Shared,
    /// A rule of the server's administrator, by its name.
    Rule(String),
}

impl Because {
    /// Each of these policies once.
    pub(super) fn of(policies: &[String]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for name in policies {
            // INVARIANT: no rule of an administrator has such a name.
            let because = if name.starts_with("share ") {
                Self::Shared
            } else {
                Self::Rule(super::history::short(name.clone()))
            };
            if !all.contains(&because) {
                all.push(because);
            }
        }
        all
    }

    pub(super) fn said(&self, t: &Texts) -> Phrase {
        match self {
            Self::Shared => t.because_shared.with("", ""),
            Self::Rule(name) => t.because_rule.strong("rule", name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_said_once_and_a_rule_by_its_name() {
        let named = ["share a", "rule 1", "share b", "letters", "rule 1"].map(str::to_owned);
        let rule = |name: &str| Because::Rule(name.to_owned());
        assert_eq!(Because::of(&named), [Because::Shared, rule("rule 1"), rule("letters")]);
    }
}
