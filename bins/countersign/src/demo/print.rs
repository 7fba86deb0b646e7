//! How a story looks in a terminal: lines of at most 100 columns, with colours where they are
//! welcome.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::{Map, Value};

use super::story::{CheckLine, Data, Detail, Party, Refusal, Step};

/// What a line should not exceed.
const WIDTH: usize = 100;
/// Names of checks up to this length stand in a column.
const CHECK_COLUMN: usize = 48;
const INDENT: &str = "      ";

/// Prints while things happen. A reader that goes away early has seen enough, and is no failure.
pub(crate) struct Printer {
    out: Box<dyn Write + Send>,
    style: Style,
    closed: bool,
}

impl Printer {
    pub(crate) fn new(out: Box<dyn Write + Send>, colours: bool) -> Self {
        let style = if colours { Style::TERMINAL } else { Style::PLAIN };
        Self { out, style, closed: false }
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.closed = true,
            result => result?,
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[String]) -> io::Result<()> {
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// A heading with an empty line before it.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        let Style { strong, off, .. } = self.style;
        self.line(format_args!("\n{strong}{text}{off}"))
    }

    /// A line for each party, in columns.
    pub(crate) fn parties(&mut self, parties: &[Party]) -> io::Result<()> {
        let Style { strong, dim, off, .. } = self.style;
        let rows = parties.iter().map(party_row).collect::<Vec<_>>();
        let width = |column: fn(&[String; 4]) -> &String| {
            rows.iter().map(|row| column(row).len()).max().unwrap_or(0)
        };
        let (first, second, third) =
            (width(|row| &row[0]), width(|row| &row[1]), width(|row| &row[2]));
        for [domain, role, url, place] in &rows {
            self.line(format_args!(
                "  {strong}{domain:<first$}{off}  {role:<second$}  {url:<third$}  {dim}{place}{off}"
            ))?;
        }
        Ok(())
    }

    /// One step: its words, what it carries, which checks it met.
    pub(crate) fn step(&mut self, step: &Step) -> io::Result<()> {
        let Style { strong, off, .. } = self.style;
        let number = step.number.map_or_else(|| "   ".to_owned(), |n| format!("{n:>2}."));
        let way = if step.from == step.to {
            step.from.to_owned()
        } else {
            format!("{} -> {}", step.from, step.to)
        };
        self.line(format_args!("{strong}{number} {way:<26} {}{off}", step.words))?;
        self.lines(&self.style.messages(step))?;
        self.lines(&self.style.details(&step.details))?;
        self.lines(&self.style.checks(&step.checks))?;
        self.differences(&step.differs)
    }

    /// One refusal.
    pub(crate) fn refusal(&mut self, refusal: &Refusal) -> io::Result<()> {
        let Style { strong, dim, good, bad, off } = self.style;
        self.line(format_args!("  {strong}{}{off}", refusal.title))?;
        let colour = if refusal.differs.is_empty() { good } else { bad };
        for (name, colour, text) in [
            ("attempt", "", refusal.attempt),
            ("answer", "", &refusal.answer),
            ("stopped", colour, &refusal.stopped_by),
        ] {
            for (index, part) in wrap(text, WIDTH - 16).iter().enumerate() {
                let name = if index == 0 { name } else { "" };
                self.line(format_args!("{INDENT}{dim}{name:<8}{off}  {colour}{part}{off}"))?;
            }
        }
        self.differences(&refusal.differs)
    }

    /// The data.
    pub(crate) fn data(&mut self, data: &Data) -> io::Result<()> {
        for line in data.body.lines() {
            self.line(format_args!("{INDENT}{line}"))?;
        }
        self.differences(&data.differs)
    }

    fn differences(&mut self, differs: &[String]) -> io::Result<()> {
        let Style { bad, off, .. } = self.style;
        for difference in differs {
            self.line(format_args!("{INDENT}{bad}DIFFERS{off}  {difference}"))?;
        }
        Ok(())
    }
}

/// Domain, role, URL or identifier, and where it listens or is registered.
fn party_row(party: &Party) -> [String; 4] {
    let client = || party.client_id.map(|id| format!("client_id {id}"));
    let url = party.url.map(str::to_owned).or_else(client).unwrap_or_default();
    let place = match (&party.listens, party.registered_at.len()) {
        (Some(listens), _) => listens.clone(),
        (None, 2) => "registered at both".to_owned(),
        (None, _) => String::new(),
    };
    [party.domain.to_owned(), party.role.to_owned(), url, place]
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

    /// What went over the wire, an arrow's own request among it.
    fn messages(self, step: &Step) -> Vec<String> {
        let Self { dim, off, .. } = self;
        let line = |message: &super::story::Message| {
            let text = format!("{} {}", message.method, message.url);
            format!("{INDENT}{dim}http {} {}{off}", message.status, cut(&text, WIDTH - 15))
        };
        step.messages.iter().map(line).collect()
    }

    fn details(self, details: &[Detail]) -> Vec<String> {
        let Self { dim, off, .. } = self;
        let widest = details.iter().map(|detail| detail.name.len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for detail in details {
            let shown = if detail.long { shown(&detail.value) } else { detail.value.clone() };
            lines.push(format!("{INDENT}{dim}{:<widest$}{off}  {shown}", detail.name));
            for (name, members) in [("header", &detail.header), ("claims", &detail.claims)] {
                for (index, member) in members.iter().flat_map(members_of).enumerate() {
                    let name = if index == 0 { name } else { "" };
                    lines.push(format!("{INDENT}{dim}{name:>widest$}{off}  {member}"));
                }
            }
        }
        lines
    }

    fn checks(self, checks: &[CheckLine]) -> Vec<String> {
        let short = |length: &usize| *length <= CHECK_COLUMN;
        let column = checks.iter().map(|check| check.name.chars().count());
        let column = column.filter(short).max().unwrap_or(0);
        checks.iter().flat_map(|check| self.check(check, column)).collect()
    }

    /// Name, section and note: on one line if they fit, else each below the other.
    fn check(self, check: &CheckLine, column: usize) -> Vec<String> {
        let Self { dim, good, bad, off, .. } = self;
        let (mark, colour) = if check.passed { ("ok", good) } else { ("no", bad) };
        let mut lines = vec![format!("{INDENT}{colour}{mark}{off}  {}", check.name)];
        let mut used = INDENT.len() + 4 + check.name.chars().count();
        let note = check.note.as_deref().into_iter();
        for (index, text) in std::iter::once(check.section.as_str()).chain(note).enumerate() {
            let start =
                if index == 0 { (INDENT.len() + 4 + column).max(used) + 2 } else { used + 2 };
            let length = text.chars().count();
            if let Some(line) = lines.last_mut().filter(|_| start + length <= WIDTH) {
                *line += &format!("{}{dim}{text}{off}", " ".repeat(start - used));
                used = start + length;
            } else {
                lines.push(format!("{INDENT}    {dim}{text}{off}"));
                used = INDENT.len() + 4 + length;
            }
        }
        lines
    }
}

/// One member of a JSON object a line, without the braces; those of an object in it under its name.
fn members_of(object: &Map<String, Value>) -> Vec<String> {
    let lines = object.iter().map(|(name, value)| match value.as_object() {
        Some(inner) => members_of(inner).iter().map(|line| format!("{name}.{line}")).collect(),
        None => vec![format!("{name}: {value}")],
    });
    lines.collect::<Vec<Vec<_>>>().concat()
}

/// The beginning of a token, and how long it is.
fn shown(token: &str) -> String {
    const SHOWN: usize = 12;
    match token.get(..SHOWN) {
        Some(start) if token.len() > 2 * SHOWN => format!("{start}… ({} characters)", token.len()),
        _ => token.to_owned(),
    }
}

/// The beginning of a text that is too long for its line.
fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks a text between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(colours: bool, what: impl FnOnce(&mut Printer)) -> String {
        let page = Page::default();
        what(&mut Printer::new(Box::new(page.clone()), colours));
        let octets = page.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    fn check(name: usize, section: usize, note: Option<usize>) -> CheckLine {
        CheckLine {
            name: "n".repeat(name),
            section: "s".repeat(section),
            passed: true,
            note: note.map(|length| "o".repeat(length)),
        }
    }

    #[test]
    fn a_difference_is_shown_and_plain_text_has_no_escape_sequence() {
        let step = Step::new(Some(2), "b", "a", "answers").expect(false, "status 500");
        let plain = printed(false, |printer| printer.step(&step).unwrap());
        assert!(plain.contains("DIFFERS  status 500") && !plain.contains('\u{1b}'), "{plain}");
        assert!(
            printed(true, |printer| printer.step(&step).unwrap()).contains("\u{1b}[31mDIFFERS")
        );
    }

    #[test]
    fn an_object_in_an_object_is_told_by_its_members() {
        let claims =
            serde_json::json!({ "act": { "sub": "b", "act": { "sub": "a" } }, "iss": "c" });
        let lines = members_of(claims.as_object().unwrap());
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, ["act.act.sub: \"a\"", "act.sub: \"b\"", "iss: \"c\""], "{lines:?}");
    }

    #[test]
    fn columns_do_not_run_together() {
        let party =
            |role, url| Party { domain: "a.example", role, url: Some(url), ..Party::default() };
        let parties = [party("a role", "https://a.example"), party("another, longer role", "u")];
        let text = printed(false, |printer| printer.parties(&parties).unwrap());
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "  a.example  a role                https://a.example",
                "  a.example  another, longer role  u",
            ]
        );
    }

    #[test]
    fn checks_stand_in_a_column_and_stay_within_the_page() {
        let checks = vec![check(20, 10, None), check(48, 44, None), check(66, 44, Some(60))];
        let step = Step::default().checks(checks);
        let text = printed(false, |printer| printer.step(&step).unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let short = format!("      ok  {}{}ssssssssss", "n".repeat(20), " ".repeat(30));
        assert!(text.contains(&short), "{text}");
        assert_eq!(text.matches('o').count(), 3 + 60, "{text}");
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::new(Box::new(Gone), false);
        printer.line("one").unwrap();
        printer.line("two").unwrap();
    }
}
