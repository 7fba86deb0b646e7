//! What a rule says when it holds, and what all that hold say together.

use cedar_policy::{Effect, Policy, Template};
use countersign_uma::policy::{Decision, Reason, RequiredClaim};

/// Names of rules that begin so are those of shares and of rules in configuration.
const RESERVED: [&str; 2] = ["share ", "rule "];

/// The annotations there are. One that is misspelt must not come to mean a permission.
const ANNOTATIONS: [&str; 4] = ["id", "ask", "need_info", "description"];

/// So long the name of a rule and what it says of itself are at most, in octets: both are shown in
/// one line.
const MAX_TEXT: usize = 256;

/// What a rule says of itself, if anything.
pub(super) fn description(policy: &Policy) -> Result<Option<&str>, String> {
    let Some(text) = policy.annotation("description") else { return Ok(None) };
    check_line("@description", text)?;
    Ok(Some(text))
}

fn check_line(what: &str, text: &str) -> Result<(), String> {
    let is_line = matches!(text.len(), 1..=MAX_TEXT) && !text.chars().any(char::is_control);
    let error = || format!("{what} is one line of 1 to {MAX_TEXT} octets");
    is_line.then_some(()).ok_or_else(error)
}

/// What a rule says of those for whom it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Permit,
    /// The owner is asked: `@ask`.
    Ask,
    /// These claims are wanted: `@need_info("department")`.
    Want(Vec<String>),
    Forbid,
}

impl Says {
    /// What this rule says, or why it cannot be used.
    pub(super) fn of(policy: &Policy, id: &str) -> Result<Self, String> {
        if RESERVED.iter().any(|reserved| id.starts_with(reserved)) {
            return Err("a name that begins so is no rule's".to_owned());
        }
        check_line("a name", id)?;
        Self::read(policy.effect(), policy.annotations().collect())
    }

    /// What the links of a template say.
    pub(super) fn of_template(template: &Template) -> Result<Self, String> {
        Self::read(template.effect(), template.annotations().collect())
    }

    fn read(effect: Effect, annotations: Vec<(&str, &str)>) -> Result<Self, String> {
        let unknown = annotations.iter().find(|(name, _)| !ANNOTATIONS.contains(name));
        if let Some((name, _)) = unknown {
            return Err(format!("@{name} means nothing here"));
        }
        let value = |wanted| annotations.iter().find(|(name, _)| *name == wanted).map(|(_, v)| *v);
        match (effect, value("ask"), value("need_info")) {
            (Effect::Forbid, None, None) => Ok(Self::Forbid),
            (Effect::Forbid, ..) => Err("what forbids neither asks nor needs anything".to_owned()),
            (Effect::Permit, None, None) => Ok(Self::Permit),
            (Effect::Permit, Some(""), None) => Ok(Self::Ask),
            (Effect::Permit, Some(_), None) => Err("@ask stands alone".to_owned()),
            (Effect::Permit, Some(_), Some(_)) => {
                Err("@ask and @need_info exclude each other".to_owned())
            }
            (Effect::Permit, None, Some(claims)) => {
                let claims: Vec<_> = claims.split(' ').map(str::to_owned).collect();
                let is_list = claims.iter().all(|claim| !claim.is_empty());
                let error = || "@need_info names claims, with one blank between two".to_owned();
                is_list.then_some(Self::Want(claims)).ok_or_else(error)
            }
        }
    }
}

/// What the rules that hold say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) permits: Vec<String>,
    pub(super) asks: Vec<String>,
    pub(super) wants: Vec<RequiredClaim>,
    pub(super) forbids: Vec<String>,
    /// A rule that cannot be evaluated may be one that forbids.
    pub(super) errors: Vec<String>,
}

impl Said {
    pub(super) fn add(&mut self, id: String, says: &Says, has: impl Fn(&str) -> bool) {
        match says {
            Says::Permit => self.permits.push(id),
            Says::Ask => self.asks.push(id),
            Says::Forbid => self.forbids.push(id),
            Says::Want(claims) => {
                for claim in claims.iter().filter(|claim| !has(claim)) {
                    RequiredClaim::join(&mut self.wants, RequiredClaim::named(claim.clone()));
                }
            }
        }
    }

    /// What cannot be asked.
    pub(super) fn failed(error: String) -> Self {
        Self { errors: vec![error], ..Self::default() }
    }

    /// What is forbidden either way is forbidden.
    pub(super) fn forbid(&mut self, other: Self) {
        self.forbids.extend(other.forbids);
        self.errors.extend(other.errors);
    }

    /// Only what is permitted both ways is permitted, and what is forbidden either way is
    /// forbidden.
    pub(super) fn narrow(&mut self, other: Self) {
        self.permits.retain(|id| other.permits.contains(id));
        self.asks.retain(|id| other.asks.contains(id));
        self.forbid(other);
    }

    /// Silence is denial; what forbids has the last word, and so has what cannot be evaluated.
    pub(super) fn ruling(mut self) -> (Decision, Vec<Reason>) {
        for names in [&mut self.permits, &mut self.asks, &mut self.forbids, &mut self.errors] {
            names.sort_unstable();
            names.dedup();
        }
        let by = |names: Vec<String>| names.into_iter().map(Reason::Policy).collect();
        if !self.errors.is_empty() {
            return (Decision::Deny, self.errors.into_iter().map(Reason::Failed).collect());
        }
        if !self.forbids.is_empty() {
            return (Decision::Deny, by(self.forbids));
        }
        if !self.permits.is_empty() {
            return (Decision::Permit, by(self.permits));
        }
        if !self.asks.is_empty() {
            return (Decision::AskOwner, by(self.asks));
        }
        if self.wants.is_empty() {
            return (Decision::Deny, Vec::new());
        }
        self.wants.sort_by(|a, b| a.name.cmp(&b.name));
        let why = self.wants.iter().map(|claim| Reason::Missing(claim.name.clone())).collect();
        (Decision::NeedClaims(self.wants), why)
    }
}
