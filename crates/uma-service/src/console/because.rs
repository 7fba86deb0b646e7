//! Why an owner was asked, or not asked any more, in words.

use countersign_pages::Phrase;

use super::texts::Texts;

/// What said that the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// What they share beforehand: "ask me first".
    Shared,
    /// A rule of the server's administrator, as it is called.
    Rule(String),
}

impl Because {
    /// Each of these policies once; `rule` says what a rule is called.
    pub(super) fn of(policies: &[String], rule: impl Fn(&str) -> String) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for name in policies {
            // INVARIANT: no rule of an administrator has such a name.
            let because =
                if name.starts_with("share ") { Self::Shared } else { Self::Rule(rule(name)) };
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

    /// The same where it decided, and nobody was asked.
    pub(super) fn decided(&self, t: &Texts) -> Phrase {
        match self {
            Self::Shared => t.ruled_by_share.with("", ""),
            Self::Rule(name) => t.ruled_by_rule.strong("rule", name),
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
        let all = Because::of(&named, str::to_owned);
        assert_eq!(all, [Because::Shared, rule("rule 1"), rule("letters")]);
    }
}
