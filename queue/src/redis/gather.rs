//! Small enqueues that come while one of the same queue is on its way go together with the next: a script costs much more to begin than a job
//! costs inside it, and whoever enqueues one job at a time gets the price of many. A call that finds nobody before it goes at once.

use super::{
    RedisBroker, Result,
    enqueue::{Batch, Sent},
    queues::Queue,
};
use crate::{BrokerError, Enqueued};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::oneshot::{self, error::RecvError};

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
            Turn::Next(answer) => self.answered(queue, answer).await.unwrap_or_else(|_| {
                // Whoever was to send them ended first, with the process or by a panic.
                let unknown = || BrokerError::OutcomeUnknown("the call that this one went with was given up".to_owned());
                (0..n).map(|_| Err(unknown())).collect()
            }),
        }
    }

    /// The answer of the next call. If none goes for too long, whoever waits is sent beside the one that is stuck.
    async fn answered(&self, queue: &Arc<Queue>, mut answer: oneshot::Receiver<Answers>) -> std::result::Result<Answers, RecvError> {
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            () = self.options.clock.sleep(PATIENCE) => {}
        }
        let overdue = queue.gathering.overdue(self.options.clock.elapsed());
        if !overdue.is_empty() {
            self.send_together(queue, overdue);
        }
        answer.await
    }

    /// Calls of their own, counted as one already, for those that waited. They go on if a caller goes away, as what is sent is sent.
    fn send_together(&self, queue: &Arc<Queue>, waiting: Vec<Waiting>) {
        let under_way = UnderWay { broker: self.own.clone(), queue: Arc::clone(queue) };
        // Outside of a runtime the process is at its end; those who wait are told by the ends of their answers.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Some(broker) = under_way.broker.upgrade() else { return };
            let groups = grouped(waiting).into_iter().map(|group| group.send(&broker, &under_way.queue));
            futures::future::join_all(groups).await;
        });
    }
}

/// Callers whose jobs a script can take at once. Those of a caller that need several calls have a group of their own.
#[derive(Debug)]
struct Group {
    batch: Batch,
    /// How many jobs, and who waits for their answers.
    callers: Vec<(usize, oneshot::Sender<Answers>)>,
    /// One call is enough.
    whole: bool,
}

/// As few groups as are easily found; those that have gone are left out.
fn grouped(waiting: Vec<Waiting>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Waiting { jobs, answer } in waiting.into_iter().filter(|one| !one.answer.is_closed()) {
        let caller = (jobs.len(), answer);
        match groups.last_mut() {
            Some(group) if group.whole && group.batch.fits(&jobs) => {
                jobs.into_iter().for_each(|job| group.batch.push(job));
                group.callers.push(caller);
            }
            _ => {
                let mut batch = Batch::default();
                let whole = batch.fits(&jobs);
                jobs.into_iter().for_each(|job| batch.push(job));
                groups.push(Group { batch, callers: vec![caller], whole });
            }
        }
    }
    groups
}

impl Group {
    /// Sends them and answers each caller.
    async fn send(self, broker: &RedisBroker, queue: &Queue) {
        let Self { batch: Batch { mut jobs, .. }, callers, .. } = self;
        let answers = if callers.len() == 1 {
            broker.enqueue_batches(queue, jobs).await
        } else {
            match broker.enqueue_batch(queue, &jobs).await {
                Ok(answers) => answers,
                // The script came to its end for none of them, perhaps because of one: each is asked for alone.
                Err(BrokerError::Refused(_)) => {
                    let alone = callers.iter().map(|(n, _)| broker.enqueue_batches(queue, jobs.drain(..*n).collect()));
                    futures::future::join_all(alone).await.into_iter().flatten().collect()
                }
                Err(error) => jobs.iter().map(|_| Err(error.clone())).collect(),
            }
        };
        let mut answers = answers.into_iter();
        callers.into_iter().for_each(|(n, answer)| drop(answer.send(answers.by_ref().take(n).collect())));
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

    /// Those that have waited too long, counted as one call if there are any.
    fn overdue(&self, now: Duration) -> Vec<Waiting> {
        let mut state = self.lock();
        if now < state.went + PATIENCE { Vec::new() } else { state.go(now) }
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
        (0..n).map(|at| job(at, None)).collect()
    }

    fn job(at: usize, unique: Option<&str>) -> Sent {
        let id = [[0; 6].as_slice(), &at.to_be_bytes()].concat();
        Sent { at, id, lane: String::new(), blob: Vec::new(), unique: unique.map(str::to_owned), follows: None }
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

    #[test]
    fn who_waits_goes_by_itself_when_a_call_is_stuck() {
        let calls = Gathering::default();
        assert!(matches!(calls.turn(jobs(1), AT), Turn::Now(..)));
        let Turn::Next(_answer) = calls.turn(jobs(2), AT + PATIENCE / 2) else { panic!("it waits") };
        assert!(calls.overdue(AT + PATIENCE / 2).is_empty());
        assert_eq!(calls.overdue(AT + PATIENCE).len(), 1);
        // They are a call under way, which the next ones wait for.
        assert!(matches!(calls.turn(jobs(1), AT + PATIENCE), Turn::Next(_)));
        assert!(calls.overdue(AT + PATIENCE * 3 / 2).is_empty());
    }

    #[test]
    fn a_repeated_key_or_id_is_a_call_of_its_own() {
        let mut kept = Vec::new();
        let mut caller = |jobs: Vec<Sent>| {
            let (answer, answered) = oneshot::channel();
            kept.push(answered);
            Waiting { jobs, answer }
        };
        let key = Some("hot");
        let follower = Sent { follows: job(7, None).short(), ..job(8, None) };
        let waiting = vec![
            caller(vec![job(1, key)]),
            caller(vec![job(2, None)]),
            caller(vec![job(3, key), job(4, None)]),
            caller(vec![job(4, None)]),
            caller(vec![job(5, None), job(5, None)]),
            caller(vec![job(6, None)]),
            caller(vec![job(7, None)]),
            caller(vec![follower]),
        ];
        let shape = |groups: &[Group]| -> Vec<(Vec<usize>, Vec<usize>, bool)> {
            let one = |group: &Group| {
                let jobs = group.batch.jobs.iter().map(|job| job.at).collect();
                (jobs, group.callers.iter().map(|(n, _)| *n).collect(), group.whole)
            };
            groups.iter().map(one).collect()
        };
        let groups = [
            (vec![1, 2], vec![1, 1], true),
            (vec![3, 4], vec![2], true),
            (vec![4], vec![1], true),
            (vec![5, 5], vec![2], false),
            (vec![6, 7], vec![1, 1], true),
            (vec![8], vec![1], true),
        ];
        assert_eq!(shape(&grouped(waiting)), groups);
        drop(kept);
    }
}
