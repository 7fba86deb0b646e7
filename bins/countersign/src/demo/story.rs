//! What a demo tells: parties, arrows, checks and refusals, kept as values, printed as they happen
//! and written as JSON at the end.

use std::io::{self, Write};

use serde::Serialize;

/// One party and where it listens.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Party {
    pub(crate) domain: &'static str,
    pub(crate) role: &'static str,
    pub(crate) url: String,
    pub(crate) listens: String,
}

/// One check and how it went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CheckLine {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// A parameter, a header or a claim of a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Detail {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Printed shortened; the record has it whole.
    #[serde(skip)]
    long: bool,
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
        self.details.push(Detail { name: name.into(), value: value.into(), long: false });
        self
    }

    /// A token or a ticket: its beginning and its length are enough to follow it.
    pub(crate) fn token(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push(Detail { name: name.into(), value: value.into(), long: true });
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
}

/// An attack, and what stopped it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refusal {
    pub(crate) title: &'static str,
    pub(crate) attempt: String,
    /// Status and error code of the answer.
    pub(crate) answer: String,
    /// The check that stopped it.
    pub(crate) stopped_by: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) differs: Vec<String>,
}

#[derive(Serialize)]
struct Record<'a> {
    flow: &'a str,
    parties: &'a [Party],
    steps: &'a [Step],
    refusals: &'a [Refusal],
    data: &'a Option<String>,
    milliseconds: u128,
    as_drawn: bool,
}

/// Prints a run while it happens and keeps it for `--record`.
pub(crate) struct Story<W: Write> {
    out: W,
    style: Style,
    json: bool,
    flow: &'static str,
    parties: Vec<Party>,
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    data: Option<String>,
}

impl<W: Write> Story<W> {
    /// Prints to `out`: with colours if `terminal`, nothing at all until the end if `json`.
    pub(crate) fn new(flow: &'static str, out: W, terminal: bool, json: bool) -> Self {
        let style = if terminal && !json { Style::TERMINAL } else { Style::PLAIN };
        Self {
            out,
            style,
            json,
            flow,
            parties: Vec::new(),
            steps: Vec::new(),
            refusals: Vec::new(),
            data: None,
        }
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A heading with an empty line before it.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        let Style { strong, off, .. } = self.style;
        self.line(&format!("\n{strong}{text}{off}"))
    }

    /// Introduces a party.
    pub(crate) fn party(&mut self, party: Party) -> io::Result<()> {
        let Style { strong, dim, off, .. } = self.style;
        self.line(&format!(
            "  {strong}{:<15}{off}{:<46}{:<27}{dim}{}{off}",
            party.domain, party.role, party.url, party.listens
        ))?;
        self.parties.push(party);
        Ok(())
    }

    /// Tells one step.
    pub(crate) fn step(&mut self, step: Step) -> io::Result<()> {
        let Style { strong, dim, good, bad, off } = self.style;
        let number = step.number.map_or_else(|| "   ".to_owned(), |n| format!("{n:>2}."));
        let way = if step.from == step.to {
            step.from.to_owned()
        } else {
            format!("{} -> {}", step.from, step.to)
        };
        self.line(&format!("{strong}{number} {way:<26} {}{off}", step.words))?;
        let widest = step.details.iter().map(|detail| detail.name.len()).max().unwrap_or(0);
        for detail in &step.details {
            let shown = if detail.long { shorten(&detail.value) } else { detail.value.clone() };
            for (index, line) in shown.lines().enumerate() {
                let name = if index == 0 { detail.name.as_str() } else { "" };
                self.line(&format!("      {dim}{name:<widest$}{off}  {line}"))?;
            }
        }
        for check in &step.checks {
            let (mark, colour) = if check.passed { ("ok", good) } else { ("no", bad) };
            let note = check.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            self.line(&format!(
                "      {colour}{mark}{off}  {:<70} {dim}{}{note}{off}",
                check.name, check.section
            ))?;
        }
        for difference in &step.differs {
            self.line(&format!("      {bad}DIFFERS{off}  {difference}"))?;
        }
        self.steps.push(step);
        Ok(())
    }

    /// Tells one refusal.
    pub(crate) fn refusal(&mut self, refusal: Refusal) -> io::Result<()> {
        let Style { strong, dim, good, bad, off } = self.style;
        self.line(&format!("  {strong}{}{off}", refusal.title))?;
        self.line(&format!("      {dim}attempt {off}  {}", refusal.attempt))?;
        self.line(&format!("      {dim}answer  {off}  {}", refusal.answer))?;
        let colour = if refusal.differs.is_empty() { good } else { bad };
        self.line(&format!("      {dim}stopped {off}  {colour}{}{off}", refusal.stopped_by))?;
        for difference in &refusal.differs {
            self.line(&format!("      {bad}DIFFERS{off}  {difference}"))?;
        }
        self.refusals.push(refusal);
        Ok(())
    }

    /// Shows the data that the flow was for.
    pub(crate) fn data(&mut self, data: String) -> io::Result<()> {
        for line in data.lines() {
            self.line(&format!("      {line}"))?;
        }
        self.data = Some(data);
        Ok(())
    }

    /// Whether everything went as drawn.
    pub(crate) fn as_drawn(&self) -> bool {
        self.steps.iter().all(|step| step.differs.is_empty())
            && self.refusals.iter().all(|refusal| refusal.differs.is_empty())
    }

    /// The run as JSON.
    pub(crate) fn to_json(&self, milliseconds: u128) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Record {
            flow: self.flow,
            parties: &self.parties,
            steps: &self.steps,
            refusals: &self.refusals,
            data: &self.data,
            milliseconds,
            as_drawn: self.as_drawn(),
        })
    }

    /// With `--json`: the whole run, on standard output, at the end.
    pub(crate) fn finish(&mut self, milliseconds: u128) -> io::Result<()> {
        if self.json {
            let record = self.to_json(milliseconds).map_err(io::Error::other)?;
            writeln!(self.out, "{record}")?;
        }
        self.out.flush()
    }
}

/// The beginning of a long text, and how long it is.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 12;
    match text.get(..SHOWN) {
        Some(start) if text.len() > 2 * SHOWN => format!("{start}… ({} characters)", text.len()),
        _ => text.to_owned(),
    }
}

/// Escape sequences of a terminal, or none.
#[derive(Clone, Copy)]
struct Style {
    strong: &'static str,
    dim: &'static str,
    good: &'static str,
    bad: &'static str,
    off: &'static str,
}

impl Style {
    const PLAIN: Self = Self { strong: "", dim: "", good: "", bad: "", off: "" };
    const TERMINAL: Self = Self {
        strong: "\u{1b}[1m",
        dim: "\u{1b}[2m",
        good: "\u{1b}[32m",
        bad: "\u{1b}[31m",
        off: "\u{1b}[0m",
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_differs_makes_the_run_differ() {
        let mut story = Story::new("002", Vec::new(), false, false);
        story.step(Step::new(Some(1), "a", "b", "asks").expect(true, "never")).unwrap();
        assert!(story.as_drawn());
        story.step(Step::new(Some(2), "b", "a", "answers").expect(false, "status 500")).unwrap();
        assert!(!story.as_drawn());
        let printed = String::from_utf8(story.out).unwrap();
        assert!(printed.contains("DIFFERS  status 500"), "{printed}");
        assert!(!printed.contains('\u{1b}'), "plain text has no escape sequence");
    }

    #[test]
    fn json_prints_only_the_record() {
        let mut story = Story::new("002", Vec::new(), true, true);
        story.line("hello").unwrap();
        story.step(Step::new(Some(1), "a", "b", "asks").detail("x", "y")).unwrap();
        story.finish(7).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&story.out).unwrap();
        assert_eq!(record["steps"][0]["details"][0]["value"], "y");
        assert_eq!(record["as_drawn"], true);
    }
}
