//! Tells a story while it happens: prints it, and keeps it for the record. Which arrows there are,
//! and what each has to carry, is a flow's own.

use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::print::Printer;
use super::story::{CheckLine, Data, Kept, Message, Party, Refusal, Step, Story};

/// How long the servers may take for what they do at their start.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer that reached the client: its status, and the scheme of its challenge.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) scheme: String,
}

/// Tells a [`Story`].
pub(super) struct Teller {
    inner: Mutex<Inner>,
    /// Of every message that is kept.
    heard: Notify,
}

struct Inner {
    story: Story,
    /// None if only the record is wanted.
    printer: Option<Printer>,
    failed: Option<io::Error>,
    last_arrow: u8,
    /// While a refusal is tried, nothing is told; what was heard is asked for afterwards.
    silent: bool,
    answer: Answer,
    messages: Vec<Message>,
    /// What the client compared since the last arrow.
    comparisons: Vec<CheckLine>,
}

/// Whole after every statement, so a panic elsewhere does not spoil it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Teller {
    pub(super) fn new(flow: &'static str, printer: Option<Printer>) -> Self {
        let inner = Mutex::new(Inner {
            story: Story { flow, ..Story::default() },
            printer,
            failed: None,
            last_arrow: 0,
            silent: false,
            answer: Answer::default(),
            messages: Vec::new(),
            comparisons: Vec::new(),
        });
        Self { inner, heard: Notify::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }

    pub(super) fn heading(&self, text: &str) {
        self.inner().print(|printer| printer.heading(text));
    }

    pub(super) fn line(&self, text: &str) {
        self.inner().print(|printer| printer.line(text));
    }

    pub(super) fn parties(&self, parties: Vec<Party>) {
        let mut inner = self.inner();
        inner.print(|printer| printer.parties(&parties));
        inner.story.parties = parties;
    }

    /// Tells a step. An arrow has to be the one after the last.
    pub(super) fn step(&self, mut step: Step) {
        let mut inner = self.inner();
        if let Some(number) = step.number {
            let expected = inner.last_arrow.saturating_add(1);
            inner.last_arrow = number;
            step = step.expect(number == expected, format!("arrow {expected} was to come"));
        }
        let heard = std::mem::take(&mut inner.messages);
        step.messages.extend(heard);
        inner.print(|printer| printer.step(&step));
        inner.story.steps.push(step);
    }

    /// The number of the arrow that was told last.
    pub(super) fn last_arrow(&self) -> u8 {
        self.inner().last_arrow
    }

    /// The arrows begin anew.
    pub(super) fn begin(&self) {
        self.inner().last_arrow = 0;
    }

    /// The drawing has a loop: what comes next is the arrow after `number` once more.
    pub(super) fn back_to(&self, number: u8) {
        self.inner().last_arrow = number;
    }

    /// The client's flow is over: with the arrow `last`, or with an error, which differs from the
    /// drawing, as do arrows that did not come.
    pub(super) fn flow_ended(&self, client: &'static str, last: u8, error: Option<String>) {
        let arrow = self.last_arrow();
        if let Some(error) = error {
            let step = Step::new(None, client, client, "gives up").detail("error", error);
            let next = arrow.saturating_add(1);
            self.step(step.expect(false, format!("arrow {next} was to come")));
        } else if arrow != last {
            let step = Step::new(None, client, client, "is done");
            self.step(step.expect(false, format!("the flow ended at arrow {arrow}")));
        }
    }

    /// The client compared something and found it to be right.
    pub(super) fn compared(&self, what: &str, section: &str, value: &str) {
        self.inner().comparisons.push(CheckLine::compared(what, section, value));
    }

    /// Tells what the client compared since the last arrow.
    pub(super) fn comparisons(&self, client: &'static str) {
        let checks = std::mem::take(&mut self.inner().comparisons);
        if !checks.is_empty() {
            self.step(Step::new(None, client, client, "compares").checks(checks));
        }
    }

    pub(super) fn refusal(&self, refusal: Refusal) {
        let mut inner = self.inner();
        inner.print(|printer| printer.refusal(&refusal));
        inner.story.refusals.push(refusal);
    }

    pub(super) fn data(&self, data: Data) {
        let mut inner = self.inner();
        inner.print(|printer| printer.data(&data));
        inner.story.data = Some(data);
    }

    /// How the servers that stay up are used.
    pub(super) fn kept(&self, kept: Kept) {
        self.inner().story.kept = Some(kept);
    }

    /// From here on, listens without telling.
    pub(super) fn fall_silent(&self) {
        self.inner().silent = true;
    }

    /// From here on, tells again.
    pub(super) fn speak(&self) {
        self.inner().silent = false;
    }

    pub(super) fn is_silent(&self) -> bool {
        self.inner().silent
    }

    /// A request that reached a party.
    pub(super) fn message(&self, message: Message) {
        let mut inner = self.inner();
        if !inner.silent {
            inner.messages.push(message);
            drop(inner);
            self.heard.notify_waiters();
        }
    }

    /// Waits until such a message was heard that no step has told yet; whether it was, in ten
    /// seconds.
    pub(super) async fn hears(&self, what: impl Fn(&Message) -> bool) -> bool {
        let heard = async {
            loop {
                // Before the look, so that what comes in between is not missed.
                let mut next = pin!(self.heard.notified());
                next.as_mut().enable();
                if self.inner().messages.iter().any(&what) {
                    return;
                }
                next.await;
            }
        };
        timeout(PATIENCE, heard).await.is_ok()
    }

    /// Tells what a resource server did at its start: it got a token and registered what it
    /// protects.
    pub(super) async fn registers(&self, rs: &'static str, uma: &'static str, at: &str) {
        let resources = format!("{at}/resources");
        let is_registered = |message: &Message| message.status == 201 && message.url == resources;
        let registers = self.hears(is_registered).await;
        let step = Step::new(None, rs, uma, "registers what it protects (before the flow)");
        self.step(step.expect(registers, "it was to register"));
    }

    /// What was heard since the last step, for whoever tells several at once.
    pub(super) fn take_messages(&self) -> Vec<Message> {
        std::mem::take(&mut self.inner().messages)
    }

    /// An answer that reached the client.
    pub(super) fn answer(&self, answer: Answer) {
        self.inner().answer = answer;
    }

    /// The answer that reached the client last.
    pub(super) fn last_answer(&self) -> Answer {
        self.inner().answer.clone()
    }

    /// The story so far.
    ///
    /// # Errors
    /// What kept it from being printed.
    pub(super) fn story(&self) -> io::Result<Story> {
        let mut inner = self.inner();
        match inner.failed.take() {
            Some(error) => Err(error),
            None => Ok(inner.story.clone()),
        }
    }
}

impl Inner {
    fn print(&mut self, what: impl FnOnce(&mut Printer) -> io::Result<()>) {
        if let Some(Err(error)) = self.printer.as_mut().map(what) {
            self.failed.get_or_insert(error);
        }
    }
}
