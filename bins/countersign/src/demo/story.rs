//! What a demo tells, as values: parties, arrows, checks, refusals and the data. The record of
//! `--record` and `--json` is these values, whole.

use serde::Serialize;
use serde_json::{Map, Value};

/// One party, and where it is found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Party {
    pub(crate) domain: &'static str,
    pub(crate) role: &'static str,
    /// A server's public URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<&'static str>,
    /// The address a server really listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listens: Option<String>,
    /// A client's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'static str>,
    /// The servers a client is registered at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) registered_at: Vec<&'static str>,
}

/// One check and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CheckLine {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl CheckLine {
    /// What a client compared and found to be right: else it would have stopped.
    pub(crate) fn compared(what: &str, section: &str, value: &str) -> Self {
        let (name, section) = (what.to_owned(), section.to_owned());
        Self { name, section, passed: true, note: Some(value.to_owned()) }
    }
}

/// A parameter, a header or a claim of a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Detail {
    pub(crate) name: String,
    pub(crate) value: String,
    /// A JWT's header and claims. Nothing was verified to show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<Map<String, Value>>,
    /// Printed shortened; the record has it whole.
    #[serde(skip)]
    pub(crate) long: bool,
}

/// A request that reached a party, and the status of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) status: u16,
}

/// One arrow of the drawing, or one thing that happens at a party.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Step {
    /// The number in the drawing; none for what the drawing leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u8>,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) words: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<Detail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) checks: Vec<CheckLine>,
    /// The HTTP requests that were answered since the step before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) messages: Vec<Message>,
    /// What was expected and did not happen. Empty in a run that is as drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differs: Vec<String>,
}

impl Step {
    pub(crate) fn new(
        number: Option<u8>,
        from: &'static str,
        to: &'static str,
        words: impl Into<String>,
    ) -> Self {
        Self { number, from, to, words: words.into(), ..Self::default() }
    }

    pub(crate) fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.details.push(Detail { name, value, header: None, claims: None, long: false });
        self
    }

    /// A token or a ticket: its beginning and its length are enough to follow it. A JWT is shown
    /// decoded as well.
    pub(crate) fn token(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let (header, claims) = decode(&value).unzip();
        self.details.push(Detail { name, value, header, claims, long: true });
        self
    }

    /// A token that was shown before.
    pub(crate) fn token_again(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.details.push(Detail { name, value, header: None, claims: None, long: true });
        self
    }

    pub(crate) fn checks(mut self, checks: Vec<CheckLine>) -> Self {
        self.checks = checks;
        self
    }

    /// States what must hold here; a run in which it does not, differs from the drawing.
    pub(crate) fn expect(mut self, holds: bool, otherwise: impl Into<String>) -> Self {
        if !holds {
            self.differs.push(otherwise.into());
        }
        self
    }

    /// The checks of these names were made, and all that were made passed.
    pub(crate) fn expect_checks(mut self, names: &[&str]) -> Self {
        for name in names {
            let made = self.checks.iter().any(|check| check.name == *name);
            self = self.expect(made, format!("a check of the drawing was not made: {name}"));
        }
        let failed = self.checks.iter().filter(|check| !check.passed);
        let failed: Vec<_> = failed.map(|check| check.name.clone()).collect();
        for name in failed {
            self = self.expect(false, format!("a check did not pass: {name}"));
        }
        self
    }
}

/// An attack, and what stopped it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) title: &'static str,
    pub(crate) attempt: &'static str,
    /// Status and error code of the answer.
    pub(crate) answer: String,
    /// The check that stopped it.
    pub(crate) stopped_by: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differs: Vec<String>,
}

/// What the flow was for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Data {
    pub(crate) body: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differs: Vec<String>,
}

/// How to use servers that stay up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    /// Where configuration, certificates and secrets are.
    pub(crate) folder: String,
    /// The client's configuration: `COUNTERSIGN_CONFIG`.
    pub(crate) config: String,
    /// Where its session is to be kept: `COUNTERSIGN_SESSION`.
    pub(crate) session: String,
    /// Shell commands that sign in and get the data.
    pub(crate) commands: Vec<String>,
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Story {
    pub(crate) flow: &'static str,
    pub(crate) parties: Vec<Party>,
    pub(crate) steps: Vec<Step>,
    pub(crate) refusals: Vec<Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Data>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Kept>,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    story: &'a Story,
    milliseconds: u128,
    as_drawn: bool,
}

impl Story {
    /// Whether everything went as drawn: every arrow, every refusal, and the data.
    pub(crate) fn as_drawn(&self) -> bool {
        self.data.is_some() && self.differences() == 0
    }

    /// How often it was said that something differs.
    pub(crate) fn differences(&self) -> usize {
        let steps = self.steps.iter().map(|step| step.differs.len());
        let refusals = self.refusals.iter().map(|refusal| refusal.differs.len());
        let data = self.data.iter().map(|data| data.differs.len());
        steps.chain(refusals).chain(data).sum()
    }

    /// The run as JSON.
    pub(crate) fn to_json(&self, milliseconds: u128) -> serde_json::Result<String> {
        let record = Record { story: self, milliseconds, as_drawn: self.as_drawn() };
        serde_json::to_string_pretty(&record).map(|text| text + "\n")
    }
}

/// Header and claims of a JWT, for showing: nothing is verified here.
fn decode(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&bytes).ok()
    });
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, passed: bool) -> CheckLine {
        CheckLine { name: name.to_owned(), section: String::new(), passed, note: None }
    }

    #[test]
    fn every_named_check_must_have_been_made_and_every_made_check_passed() {
        let step = |checks| Step::new(None, "a", "a", "checks").checks(checks);
        let good = step(vec![check("one", true), check("two", true)]).expect_checks(&["one"]);
        assert!(good.differs.is_empty());
        let missing = step(vec![check("two", true)]).expect_checks(&["one"]);
        assert_eq!(missing.differs, ["a check of the drawing was not made: one"]);
        let failed = step(vec![check("one", true), check("two", false)]).expect_checks(&["one"]);
        assert_eq!(failed.differs, ["a check did not pass: two"]);
    }

    #[test]
    fn a_run_without_data_is_not_as_drawn() {
        let data = |differs: &[&str]| {
            let differs = differs.iter().map(|text| (*text).to_owned()).collect();
            Some(Data { body: String::new(), differs })
        };
        assert!(!Story::default().as_drawn());
        assert!(Story { data: data(&[]), ..Story::default() }.as_drawn());
        assert!(!Story { data: data(&["another text"]), ..Story::default() }.as_drawn());
        let steps = vec![Step::new(Some(1), "a", "b", "asks").expect(false, "status 500")];
        let story = Story { steps, data: data(&["another text"]), ..Story::default() };
        assert!(!story.as_drawn());
        assert_eq!(story.differences(), 2);
    }

    #[test]
    fn a_jwt_is_recorded_decoded() {
        // RFC 7519 §6.1, its claims shortened.
        let step = Step::default().token("access_token", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.");
        let story = Story { steps: vec![step], ..Story::default() };
        let record: Value = serde_json::from_str(&story.to_json(7).unwrap()).unwrap();
        let detail = &record["steps"][0]["details"][0];
        assert_eq!(detail["claims"]["iss"], "joe");
        assert_eq!(detail["header"]["alg"], "none");
        assert_eq!(record["milliseconds"], 7);
    }
}
