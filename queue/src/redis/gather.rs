//! Small enqueues that come while one of the same queue is on its way go together with the next: a script costs much more to begin than a job
//! costs inside it, and whoever enqueues one job at a time gets the price of many. A call that finds nobody before it goes at once.

use super::{RedisBroker, Result, enqueue::Sent, queues::Queue};
use crate::{BrokerError, Enqueued};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::oneshot;

/// A call of more jobs goes by itself.
const SMALL: usize = 32;
/// A call that takes longer holds nobody up any more: its server may be gone.
const PATIENCE: Duration = Duration::from_millis(20);

/// What came of a call's jobs, in their order.
type Answers = Vec<Result<Enqueued>>;

/// One queue's calls.
#[derive(Debug, Default)]
pub(super) struct Gathering(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Calls on their way.
    under_way: usize,
    /// When the last of them went, by this process's clock.
    went: Duration,
    waiting: Vec<Waiting>,
}

/// Jobs that go with the next call.
#[derive(Debug)]
struct Waiting {
    jobs: Vec<Sent>,
    answer: oneshot::Sender<Answers>,
}

/// How a call goes.
enum Turn {
    /// At once, and those that waited too long go beside it.
    Now(Vec<Sent>, Vec<Waiting>),
    /// With the next one.
    Next(oneshot::Receiver<Answers>),
}

impl RedisBroker {
    /// Enqueues into one queue, in the order of `jobs`.
    pub(super) async fn enqueue_soon(&self, queue: &Arc<Queue>, jobs: Vec<Sent>) -> Answers {
        let n = jobs.len();
        if n > SMALL {
            return self.enqueue_batches(queue, jobs).await;
        }
        match queue.gathering.turn(jobs, self.options.clock.elapsed()) {
            Turn::Now(jobs, others) => {
                let _under_way = UnderWay { broker: self.own.clone(), queue: Arc::clone(queue) };
                if !others.is_empty() {
                    self.send_together(queue, others);
                }
                self.enqueue_batches(queue, jobs).await
            }
            Turn::Next(answer) => answer.await.unwrap_or_else(|_| {
                // Whoever was to send them ended first, with the process or by a panic.
                let unknown = || BrokerError::OutcomeUnknown("the call that this one went with was given up".to_owned());
                (0..n).map(|_| Err(unknown())).collect()
            }),
        }
    }

    /// A call of its own, that is counted already, for those that waited. It goes on if a caller goes away, as what is sent is sent.
    fn send_together(&self, queue: &Arc<Queue>, waiting: Vec<Waiting>) {
        let under_way = UnderWay { broker: self.own.clone(), queue: Arc::clone(queue) };
        // Outside of a runtime the process is at its end; those who wait are told by the ends of their answers.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Some(broker) = under_way.broker.upgrade() else { return };
            let (mut jobs, mut answers) = (Vec::new(), Vec::new());
            for one in waiting.into_iter().filter(|one| !one.answer.is_closed()) {
                answers.push((one.jobs.len(), one.answer));
                jobs.extend(one.jobs);
            }
            let mut done = broker.enqueue_batches(&under_way.queue, jobs).await.into_iter();
            for (n, answer) in answers {
                drop(answer.send(done.by_ref().take(n).collect()));
            }
        });
    }
}

impl Gathering {
    fn turn(&self, jobs: Vec<Sent>, now: Duration) -> Turn {
        let mut state = self.lock();
        if state.under_way > 0 && now < state.went + PATIENCE {
            let (answer, answered) = oneshot::channel();
            state.waiting.push(Waiting { jobs, answer });
            return Turn::Next(answered);
        }
        let others = state.go(now);
        state.under_way += 1;
        state.went = now;
        Turn::Now(jobs, others)
    }

    /// One call came to its end: those that go now, counted.
    fn ended(&self, now: Duration) -> Vec<Waiting> {
        let mut state = self.lock();
        state.under_way -= 1;
        state.go(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those that waited, counted as one call if there are any.
    fn go(&mut self, now: Duration) -> Vec<Waiting> {
        if !self.waiting.is_empty() {
            self.under_way += 1;
            self.went = now;
        }
        std::mem::take(&mut self.waiting)
    }
}

/// A call on its way; at its end, whatever that is, those that wait go.
struct UnderWay {
    broker: Weak<RedisBroker>,
    queue: Arc<Queue>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Without the broker nobody asks any more.
        let Some(broker) = self.broker.upgrade() else { return };
        let waiting = self.queue.gathering.ended(broker.options.clock.elapsed());
        if !waiting.is_empty() {
            broker.send_together(&self.queue, waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(7);

    fn jobs(n: usize) -> Vec<Sent> {
        let one = |at| Sent { at, id: vec![0; 14], lane: String::new(), blob: Vec::new(), unique: None, follows: None };
        (0..n).map(one).collect()
    }

    #[test]
    fn who_comes_while_a_call_is_under_way_goes_with_the_next() {
        let calls = Gathering::default();
        assert!(matches!(calls.turn(jobs(1), AT), Turn::Now(own, others) if own.len() == 1 && others.is_empty()));
        let (Turn::Next(_a), Turn::Next(_b)) = (calls.turn(jobs(2), AT), calls.turn(jobs(3), AT)) else { panic!("both wait") };
        let next = calls.ended(AT);
        assert_eq!(next.iter().map(|one| one.jobs.len()).collect::<Vec<_>>(), [2, 3]);
        // They are a call under way, too.
        assert!(matches!(calls.turn(jobs(1), AT), Turn::Next(_)));
        assert_eq!(calls.ended(AT).len(), 1);
        assert!(calls.ended(AT).is_empty());
        assert!(matches!(calls.turn(jobs(1), AT), Turn::Now(..)));
    }

    #[test]
    fn a_call_that_is_stuck_holds_nobody_up() {
        let calls = Gathering::default();
        assert!(matches!(calls.turn(jobs(1), AT), Turn::Now(..)));
        let Turn::Next(_answer) = calls.turn(jobs(2), AT) else { panic!("it waits") };
        let later = AT + PATIENCE;
        assert!(matches!(calls.turn(jobs(1), later), Turn::Now(_, others) if others.len() == 1 && others[0].jobs.len() == 2));
        // Three are under way now.
        assert!(matches!(calls.turn(jobs(1), later), Turn::Next(_)));
        assert_eq!(calls.ended(later).len(), 1);
    }
}
