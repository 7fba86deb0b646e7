//! Where writes wait for the thread that commits them.
//!
//! A sync costs the same for one write as for a hundred, and waking a thread costs more than a
//! write. So nobody wakes the writer but the first who finds it asleep, and while many are writing
//! it gives those who are about to come a moment ([`Queue::gather`]): on a disk that syncs in a
//! fraction of a millisecond there would be a sync for every few writes otherwise. It knows of
//! those who came during the last commit, and of those whom that one answered, who have an answer
//! to read and a request to send before their next write. When seven eighths of them are there, the
//! one who completes these wakes it: the last ones keep the processors busy during the commit, as
//! nobody would if it waited for everyone. Those who came during one commit are known at the next.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_types::Timestamp;

use super::puts::Puts;
use crate::engine::Outcome;

/// Who follows this many others into one commit is likely to be followed by more.
const COMPANY: usize = 4;

/// Of so many who are known, one is not waited for.
const LEFT: usize = 8;

/// The longest that the first one is kept waiting for company.
pub(super) const PATIENCE: Duration = Duration::from_millis(2);

/// Octets of room for records that are kept for the next ones.
const ROOM: usize = 1024 * 1024;

/// The queue.
pub(super) struct Queue<T> {
    line: Mutex<Line<T>>,
    arrival: Condvar,
}

struct Line<T> {
    waiting: Batch<T>,
    is_closed: bool,
    /// The writer sleeps until it is woken.
    is_asleep: bool,
    /// The writer sleeps until so many wait; the one who completes them wakes it. 0 if it does not.
    expected: usize,
    /// Room for octets of the next records.
    room: Vec<u8>,
}

/// What is committed together.
pub(super) struct Batch<T> {
    /// Each a write of its own kind.
    pub(super) jobs: Vec<T>,
    /// Records for the journal.
    pub(super) puts: Puts,
}

impl<T> Batch<T> {
    /// How many callers there are.
    pub(super) const fn len(&self) -> usize {
        self.jobs.len() + self.puts.len()
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { jobs: Vec::new(), puts: Puts::default() }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let waiting = Batch::default();
        let line =
            Line { waiting, is_closed: false, is_asleep: false, expected: 0, room: Vec::new() };
        Self { line: Mutex::new(line), arrival: Condvar::new() }
    }
}

impl<T> Queue<T> {
    /// Puts one in; `Err` gives it back if the queue is closed.
    pub(super) fn push(&self, one: T) -> Result<(), T> {
        let mut line = self.lock();
        if line.is_closed {
            return Err(one);
        }
        line.waiting.jobs.push(one);
        self.arrived(line);
        Ok(())
    }

    /// Puts a record in, and gives what its caller waits for; `None` if the queue is closed.
    pub(super) fn put(
        &self,
        key: &[u8],
        value: &[u8],
        expires: Option<Timestamp>,
    ) -> Option<Arc<Outcome>> {
        let mut line = self.lock();
        if line.is_closed {
            return None;
        }
        let outcome = line.waiting.puts.push(key, value, expires);
        self.arrived(line);
        Some(outcome)
    }

    fn arrived(&self, mut line: MutexGuard<'_, Line<T>>) {
        let is_asleep = std::mem::take(&mut line.is_asleep);
        let is_last = line.waiting.len() == line.expected;
        drop(line);
        if is_asleep || is_last {
            self.arrival.notify_one();
        }
    }

    /// Takes all records that wait, and the jobs, at most so many. If nobody waits, waits for the
    /// first one, or for so long; then the answer is empty. `None` once the queue is closed and
    /// empty.
    pub(super) fn take(&self, most: usize, longest: Duration) -> Option<Batch<T>> {
        let mut line = self.lock();
        if line.waiting.len() == 0 && !line.is_closed {
            line.is_asleep = true;
            let asleep = |line: &mut Line<T>| line.is_asleep && !line.is_closed;
            let woken = self.arrival.wait_timeout_while(line, longest, asleep);
            (line, _) = woken.unwrap_or_else(PoisonError::into_inner);
            line.is_asleep = false;
        }
        if line.waiting.len() == 0 {
            return (!line.is_closed).then(Batch::default);
        }
        let taken = most.min(line.waiting.jobs.len());
        let jobs = line.waiting.jobs.split_off(taken);
        let puts = Puts::with_room(std::mem::take(&mut line.room));
        Some(std::mem::replace(&mut line.waiting, Batch { jobs, puts }))
    }

    /// Takes back the room that records took.
    pub(super) fn give_back(&self, room: Vec<u8>) {
        if room.capacity() <= ROOM {
            self.lock().room = room;
        }
    }

    /// After a commit that answered so many: if they were many, or many came meanwhile, waits until
    /// seven eighths of both are there, for so long at most.
    pub(super) fn gather(&self, answered: usize, most: usize, longest: Duration) {
        let mut line = self.lock();
        let waiting = line.waiting.len();
        if answered.max(waiting) < COMPANY {
            return;
        }
        let known = answered + waiting;
        line.expected = (known - known / LEFT).min(most);
        let are_missing =
            |line: &mut Line<T>| line.waiting.len() < line.expected && !line.is_closed;
        let gathered = self.arrival.wait_timeout_while(line, longest, are_missing);
        gathered.unwrap_or_else(PoisonError::into_inner).0.expected = 0;
    }

    /// Lets nobody in any more, and wakes the writer to take the rest.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrival.notify_one();
    }

    /// INVARIANT: every change is one assignment or one move, so a line is whole at any time.
    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StoreError;

    const LONG: Duration = Duration::from_secs(60);

    fn jobs<T>(batch: Option<Batch<T>>) -> Option<Vec<T>> {
        batch.map(|batch| batch.jobs)
    }

    #[test]
    fn all_that_wait_come_together_and_in_order() {
        let queue = Queue::default();
        for number in 0..5 {
            queue.push(number).unwrap();
        }
        assert_eq!(jobs(queue.take(3, LONG)), Some(vec![0, 1, 2]));
        queue.gather(COMPANY, 2, LONG);
        assert_eq!(jobs(queue.take(3, LONG)), Some(vec![3, 4]));
        assert_eq!(jobs(queue.take(3, Duration::ZERO)), Some(vec![]));
        queue.push(5).unwrap();
        queue.close();
        assert_eq!(queue.push(6), Err(6));
        assert_eq!(jobs(queue.take(3, LONG)), Some(vec![5]));
        assert_eq!(jobs(queue.take(3, LONG)), None);
    }

    #[test]
    fn records_come_together_and_share_an_answer() {
        let queue = Queue::<()>::default();
        let one = queue.put(b"one", b"1", None).unwrap();
        let two = queue.put(b"two", b"2", None).unwrap();
        let mut batch = queue.take(1, LONG).unwrap();
        assert_eq!(batch.len(), 2);
        let three = queue.put(b"three", b"3", None).unwrap();
        batch.puts.answer(Ok(()));
        for answered in [&one, &two] {
            assert!(matches!(answered.get(), Some(Ok(()))));
        }
        assert!(three.get().is_none());

        // The next ones get the room and nothing of what was in it.
        queue.give_back(std::mem::take(&mut batch.puts.octets));
        let batch = queue.take(1, LONG).unwrap();
        assert!(batch.puts.octets.ends_with(b"three3"));
        assert!(queue.put(b"four", b"4", None).is_some());
        let mut expected = Vec::new();
        super::super::journal::put(&mut expected, b"four", b"4", None);
        assert_eq!(queue.take(1, LONG).unwrap().puts.octets, expected);
        drop(batch);
        assert!(matches!(three.get(), Some(Err(StoreError::Stopped))));
        queue.close();
        assert!(queue.put(b"five", b"5", None).is_none());
    }

    #[test]
    fn every_one_is_taken_whenever_it_comes() {
        let queue = Arc::new(Queue::default());
        let pushers: Vec<_> = (0..4)
            .map(|pusher| {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || {
                    for number in 0..500 {
                        queue.push((pusher, number)).unwrap();
                    }
                })
            })
            .collect();
        let mut taken: Vec<Vec<u32>> = vec![Vec::new(); 4];
        let mut last = 0;
        while taken.iter().map(Vec::len).sum::<usize>() < 2000 {
            queue.gather(last, 100, PATIENCE);
            let batch = queue.take(100, LONG).unwrap();
            last = batch.len();
            for (pusher, number) in batch.jobs {
                let pusher: usize = pusher;
                taken[pusher].push(number);
            }
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        assert!(taken.iter().all(|numbers| numbers.is_sorted()));
    }

    /// A gathering that would have to last for a minute ends at once when those whom it waits for
    /// have come, and does not begin where there is no company.
    #[test]
    fn the_one_who_completes_those_who_are_known_ends_the_gathering() {
        let queue = Arc::new(Queue::default());
        let few = COMPANY - 1;
        (0..few).for_each(|number| queue.push(number).unwrap());
        queue.gather(few, 100, LONG);
        let writer = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                queue.gather(COMPANY, 100, LONG);
                let before_the_end = jobs(queue.take(100, LONG)).unwrap().len();
                queue.gather(COMPANY, 100, LONG);
                (before_the_end, jobs(queue.take(100, LONG)))
            })
        };
        while queue.lock().expected == 0 {
            std::thread::yield_now();
        }
        (0..COMPANY).for_each(|number| queue.push(number).unwrap());
        while queue.lock().expected != COMPANY {
            std::thread::yield_now();
        }
        queue.close();
        assert_eq!(writer.join().unwrap(), (few + COMPANY, None));
    }

    /// Whoever came during the commit counts as much as whom it answered, and an eighth of them may
    /// come later.
    #[test]
    fn the_last_eighth_is_not_waited_for() {
        let queue = Arc::new(Queue::default());
        (0..LEFT).for_each(|number| queue.push(number).unwrap());
        let writer = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                queue.gather(3 * LEFT, 100, LONG);
                jobs(queue.take(100, LONG)).unwrap().len()
            })
        };
        while queue.lock().expected == 0 {
            std::thread::yield_now();
        }
        let expected = 4 * LEFT - 4;
        assert_eq!(queue.lock().expected, expected);
        (LEFT..expected).for_each(|number| queue.push(number).unwrap());
        assert_eq!(writer.join().unwrap(), expected);
    }

    #[test]
    fn a_sleeper_is_woken_by_the_first_and_by_the_end() {
        let queue = Arc::new(Queue::default());
        let sleeper = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || (jobs(queue.take(9, LONG)), jobs(queue.take(9, LONG))))
        };
        queue.push(1).unwrap();
        while !queue.lock().waiting.jobs.is_empty() {
            std::thread::yield_now();
        }
        queue.close();
        assert_eq!(sleeper.join().unwrap(), (Some(vec![1]), None));
    }
}
