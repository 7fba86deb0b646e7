//! When files are read again while a program runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often files are looked at without being asked to.
const PERIOD: Duration = Duration::from_secs(60);

/// Why files are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Time went by. What has not changed is not worth a word.
    Timer,
    /// Somebody asked, and wants to hear what came of it.
    Asked,
}

/// Tells when files are to be read again. Whoever holds a clone is told.
#[derive(Clone, Debug)]
pub struct Reload {
    /// How often somebody has asked. What is sent while files are being read overwrites what was
    /// sent before, and a number loses none of it.
    asked: watch::Receiver<u64>,
    answered: u64,
}

/// Has files read again by all who hold its [`Reload`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<u64>);

impl Reload {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self::manual().1
    }

    /// When the trigger is pulled.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, asked) = watch::channel(0);
        (Trigger(sender), Self { asked, answered: 0 })
    }

    /// Every minute, and on SIGHUP where there is such a signal. Its handler stands when this
    /// returns. To be called on a tokio runtime with time and I/O drivers.
    ///
    /// # Errors
    /// If the system refuses the handler.
    pub fn system() -> io::Result<Self> {
        let (trigger, reload) = Self::manual();
        let mut hangup = hangup()?;
        tokio::spawn(async move {
            let mut timer = tokio::time::interval(PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick comes at once.
            timer.tick().await;
            loop {
                tokio::select! {
                    () = trigger.0.closed() => return,
                    _ = timer.tick() => trigger.pull(Cause::Timer),
                    () = hangup.next() => trigger.pull(Cause::Asked),
                }
            }
        });
        Ok(reload)
    }

    /// Waits for the next time; for ever if there is none. Of several that came since the last one
    /// it makes one: [`Cause::Asked`] if anybody asked.
    pub async fn next(&mut self) -> Cause {
        if self.asked.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let asked = *self.asked.borrow_and_update();
        let answered = std::mem::replace(&mut self.answered, asked);
        if asked == answered { Cause::Timer } else { Cause::Asked }
    }

    /// Has `read` run every time, where waiting for files holds nobody up, and never twice at once.
    /// Does not end.
    pub async fn read_again(mut self, read: impl Fn() + Send + Sync + 'static) {
        let read = Arc::new(read);
        loop {
            self.next().await;
            let read = Arc::clone(&read);
            // A panic was reported by its hook.
            drop(tokio::task::spawn_blocking(move || read()).await);
        }
    }
}

impl Trigger {
    /// Has files read again.
    pub fn pull(&self, cause: Cause) {
        self.0.send_modify(|asked| *asked += u64::from(cause == Cause::Asked));
    }
}

#[cfg(unix)]
struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
fn hangup() -> io::Result<Hangup> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).map(Hangup)
}

#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
fn hangup() -> io::Result<Hangup> {
    Ok(Hangup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_is_told_and_why() {
        let (trigger, mut one) = Reload::manual();
        let mut other = one.clone();
        trigger.pull(Cause::Asked);
        assert_eq!(one.next().await, Cause::Asked);
        assert_eq!(other.next().await, Cause::Asked);
        trigger.pull(Cause::Timer);
        assert_eq!(one.next().await, Cause::Timer);
    }

    /// While files are being read, the timer and whoever asks may both come.
    #[tokio::test]
    async fn who_asked_is_answered_though_time_went_by() {
        let (trigger, mut reload) = Reload::manual();
        let mut other = reload.clone();
        trigger.pull(Cause::Asked);
        trigger.pull(Cause::Timer);
        assert_eq!(reload.next().await, Cause::Asked);
        trigger.pull(Cause::Timer);
        assert_eq!(reload.next().await, Cause::Timer, "it was answered");
        assert_eq!(other.next().await, Cause::Asked, "each answers for itself");
    }

    #[tokio::test]
    async fn files_are_read_every_time() {
        let (trigger, reload) = Reload::manual();
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let reading = tokio::spawn(reload.read_again(move || said.send(()).unwrap()));
        for cause in [Cause::Timer, Cause::Asked] {
            trigger.pull(cause);
            heard.recv().await.unwrap();
        }
        reading.abort();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_hangup_asks() {
        let mut reload = Reload::system().unwrap();
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-HUP", &own]).status().unwrap();
        assert!(sent.success());
        assert_eq!(reload.next().await, Cause::Asked);
    }
}
