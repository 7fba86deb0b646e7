//! What the server has acknowledged, and so what must hold after it comes back.

use std::collections::BTreeMap;

/// What is known of everything the load did, and how much there was in all.
#[derive(Debug, Default)]
pub struct History {
    /// Resources whose registration was acknowledged.
    pub registered: usize,
    /// Tickets presented with success.
    pub spent: usize,
}

/// What may be found of one registered resource. A request without an answer leaves more than one
/// possibility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The names it may have.
    pub names: Vec<String>,
    /// Whether it may be gone.
    pub may_be_gone: bool,
    /// Whether it may be there.
    pub may_be_there: bool,
}

impl Resource {
    /// Acknowledged under this name.
    #[must_use]
    pub fn registered(name: String) -> Self {
        Self { names: vec![name], may_be_gone: false, may_be_there: true }
    }

    /// What is wrong with finding it under `name`, or not at all.
    #[must_use]
    pub fn judge(&self, found: Option<&str>) -> Option<&'static str> {
        match found {
            None if !self.may_be_gone => Some("an acknowledged registration is lost"),
            Some(_) if !self.may_be_there => Some("an acknowledged deletion is undone"),
            Some(name) if !self.names.iter().any(|known| known == name) => {
                Some("an acknowledged replacement is lost")
            }
            _ => None,
        }
    }
}

/// Resources by id.
pub type Resources = BTreeMap<String, Resource>;

/// A permission ticket that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The ticket as on the wire.
    pub handle: String,
    /// Answers that accepted it: at most one may.
    pub successes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_a_loss_and_an_unanswered_request_is_not() {
        let mut resource = Resource::registered("a".into());
        assert_eq!(resource.judge(Some("a")), None);
        assert!(resource.judge(None).is_some());
        assert!(resource.judge(Some("b")).is_some());

        // A replacement without an answer: both are possible.
        resource.names.push("b".into());
        assert_eq!(resource.judge(Some("a")), None);
        assert_eq!(resource.judge(Some("b")), None);
        assert!(resource.judge(None).is_some());

        // A deletion without an answer, then one that was acknowledged.
        resource.may_be_gone = true;
        assert_eq!(resource.judge(None), None);
        assert_eq!(resource.judge(Some("a")), None);
        resource.may_be_there = false;
        assert!(resource.judge(Some("a")).is_some());
    }
}
