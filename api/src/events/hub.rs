//! One hub for a process: it reads a queue's feed once, whoever listens, and hands every reader the text that readers like it share.
//! Nothing of it runs while nobody listens.

use super::{
    bell::{Bell, Hold},
    group::{Group, Mark, Wanted},
    labels::Labels,
    line::Event,
    position::Position,
    row::Row,
    seats::{Seat, Seats},
    tail::{self, Heard, Tail},
};
use crate::traffic::Traffic;
use longshore_base::{Clock, Name};
use longshore_queue::{Broker, FeedEntry};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{AbortHandle, JoinHandle},
};

/// Orders that wait for the hub.
const BACKLOG: usize = 64;
/// How often it is looked for readers that have gone while nothing happens.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Queues that readers of everything hear.
pub(super) const QUEUES_MAX: usize = 1_000;
/// Readers that catch up at once: each call reads a page of a feed, and the jobs in it.
const CATCHING_UP_MAX: usize = 8;

/// What a reader gets when it is let in.
pub(super) struct Entered {
    pub(super) row: Arc<Row>,
    pub(super) mark: Arc<Mark>,
    /// Everything up to here was before it.
    pub(super) position: Position,
    /// The queues that it listens to, by number.
    pub(super) queues: BTreeMap<u16, Name>,
}

enum Order {
    Enter(Wanted, Seat, oneshot::Sender<Entered>),
    Heard(Heard, Hold),
    Queues(Vec<Name>),
}

/// The orders of the running hub. Readers are sent in under the lock, and a hub ends under it, so that none is sent to a hub that ends.
type Way = Arc<tokio::sync::Mutex<Option<mpsc::Sender<Order>>>>;

/// The way to the hub.
pub(crate) struct Hub {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    /// Whom readers give way to.
    pub(crate) traffic: Traffic,
    way: Way,
    stopped: watch::Sender<bool>,
    pub(super) seats: Arc<Seats>,
    pub(super) labels: Arc<Labels>,
    /// For pages that readers catch up with.
    pub(super) pages: Semaphore,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("seats", &self.seats).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub for at most so many readers.
    pub(crate) fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>, readers_max: usize) -> Self {
        Self {
            broker,
            clock,
            traffic: Traffic::default(),
            way: Way::default(),
            stopped: watch::Sender::new(false),
            seats: Seats::new(readers_max),
            labels: Arc::default(),
            pages: Semaphore::new(CATCHING_UP_MAX),
        }
    }

    /// Ends every stream, for a shutdown; nobody is let in any more.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Tells of the end.
    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Lets a reader in: it gets everything that happens from the answer on. None: the feeds cannot be read now.
    pub(super) async fn enter(&self, wanted: &Wanted, seat: Seat) -> Option<Entered> {
        let (answer, entered) = oneshot::channel();
        {
            let mut way = self.way.lock().await;
            if *self.stopped.borrow() {
                return None;
            }
            let orders = match way.take().filter(|orders| !orders.is_closed()) {
                Some(orders) => orders,
                None => self.start(),
            };
            let sent = orders.send(Order::Enter(wanted.clone(), seat, answer)).await;
            *way = Some(orders);
            sent.ok()?;
        }
        entered.await.ok()
    }

    fn start(&self) -> mpsc::Sender<Order> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let core = Core {
            broker: Arc::clone(&self.broker),
            clock: Arc::clone(&self.clock),
            traffic: self.traffic.clone(),
            labels: Arc::clone(&self.labels),
            way: Arc::clone(&self.way),
            own: sender.downgrade(),
            held: Arc::default(),
            tails: HashMap::new(),
            lives: 0,
            groups: HashMap::new(),
            waiting: Vec::new(),
            looking: None,
            bell: Bell::default(),
        };
        tokio::spawn(core.run(receiver, self.stopped()));
        sender
    }
}

/// A queue that is listened to.
struct Listened {
    life: u64,
    /// Its number, and where the hub is; None until the first answer.
    at: Option<(u16, String)>,
    tail: AbortHandle,
}

struct Core {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    traffic: Traffic,
    labels: Arc<Labels>,
    way: Way,
    own: mpsc::WeakSender<Order>,
    /// Bytes of chunks.
    held: Arc<AtomicUsize>,
    tails: HashMap<Name, Listened>,
    /// Tails so far.
    lives: u64,
    groups: HashMap<Wanted, Group>,
    /// Readers whose feeds have not all answered yet.
    waiting: Vec<(Wanted, Seat, oneshot::Sender<Entered>)>,
    /// Looks for new queues while somebody listens to all.
    looking: Option<JoinHandle<()>>,
    bell: Bell,
}

impl Core {
    /// Until nobody listens any more for a while.
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, mut stopped: watch::Receiver<bool>) {
        loop {
            let due = self.bell.due().map(|at| at.saturating_sub(self.clock.elapsed()));
            let order = tokio::select! {
                order = orders.recv() => order,
                () = over(&mut stopped) => None,
                () = self.clock.sleep(due.unwrap_or_default()), if due.is_some() => {
                    self.ring();
                    continue;
                }
                () = self.clock.sleep(SWEEP_EVERY) => {
                    self.sweep();
                    if self.has_ended(&orders) { None } else { continue }
                }
            };
            match order {
                Some(Order::Enter(wanted, seat, answer)) => {
                    if self.listen(&wanted).await {
                        self.waiting.push((wanted, seat, answer));
                    }
                }
                Some(Order::Queues(all)) => self.look_at(&all),
                Some(Order::Heard(heard, hold)) => self.heard(heard, hold).await,
                None => break,
            }
            self.let_in();
        }
        self.groups.values().for_each(Group::close);
        self.tails.values().for_each(|listened| listened.tail.abort());
        if let Some(looking) = self.looking {
            looking.abort();
        }
    }

    /// Whether nobody listens any more; the next reader starts another hub then.
    fn has_ended(&self, orders: &mpsc::Receiver<Order>) -> bool {
        let Ok(mut way) = self.way.try_lock() else { return false };
        let ended = self.groups.is_empty() && self.waiting.is_empty() && orders.is_empty();
        if ended {
            *way = None;
        }
        ended
    }

    /// Starts what a reader needs. False: that cannot be found out now.
    async fn listen(&mut self, wanted: &Wanted) -> bool {
        if let Some(queue) = &wanted.queue {
            // While somebody listens to all, a queue without a tail is one that was just made.
            self.tail(queue, self.looking.is_some());
            return true;
        }
        if self.looking.is_some() {
            return true;
        }
        let Ok(all) = self.broker.queues().await else { return false };
        all.iter().for_each(|queue| self.tail(queue, false));
        let (broker, clock, own) = (Arc::clone(&self.broker), Arc::clone(&self.clock), self.own.clone());
        let tell = move |queues| tell(own.clone(), Order::Queues(queues));
        self.looking = Some(tokio::spawn(tail::look(broker, clock, all.len(), tell)));
        true
    }

    /// There are new queues.
    fn look_at(&mut self, all: &[Name]) {
        for queue in all {
            if self.tails.len() < QUEUES_MAX {
                self.tail(queue, true);
            } else if !self.tails.contains_key(queue) {
                tracing::warn!(%queue, "there are more queues than readers of everything can hear; name one");
            }
        }
    }

    fn tail(&mut self, queue: &Name, young: bool) {
        if self.tails.contains_key(queue) {
            return;
        }
        self.lives += 1;
        let (own, life) = (self.own.clone(), self.lives);
        let (broker, clock) = (Arc::clone(&self.broker), Arc::clone(&self.clock));
        let tail = Tail { broker, clock, queue: queue.clone(), life, young };
        let tail = tokio::spawn(tail.run(move |heard, hold| tell(own.clone(), Order::Heard(heard, hold)))).abort_handle();
        self.tails.insert(queue.clone(), Listened { life, at: None, tail });
    }

    async fn heard(&mut self, heard: Heard, hold: Hold) {
        let Heard { queue, life, home, entries, next, missed } = heard;
        let Some(listened) = self.tails.get_mut(&queue).filter(|listened| listened.life == life) else { return };
        listened.at = Some((home, next.clone()));
        let hears = |group: &&mut Group| group.wanted().hears(&queue);
        if missed {
            self.groups.values_mut().filter(hears).for_each(|group| group.gap());
        }
        // Who watches one job in a busy queue needs none of the others looked up.
        let of_interest: HashSet<_> = self.groups.keys().filter(|wanted| wanted.hears(&queue)).map(|wanted| wanted.job).collect();
        let may_want = |id| of_interest.contains(&None) || of_interest.contains(&Some(id));
        self.labels.learn(&*self.broker, &entries, may_want).await;
        let event = |entry: FeedEntry| {
            let label = self.labels.of(entry.id);
            Event::new(&queue, home, entry, label)
        };
        let events: Vec<_> = entries.into_iter().filter(|entry| entry.id.is_none_or(may_want)).map(event).collect();
        self.groups.values_mut().filter(hears).for_each(|group| group.tell(&events, home, &next));
        self.bell.news(hold);
        self.ring();
        self.sweep();
    }

    /// Wakes the next readers.
    fn ring(&mut self) {
        self.bell.ring(self.clock.elapsed(), self.groups.values().flat_map(Group::rows), self.traffic.is_busy());
    }

    /// Lets those in whose feeds have all answered.
    fn let_in(&mut self) {
        for (wanted, seat, answer) in std::mem::take(&mut self.waiting) {
            if answer.is_closed() {
                continue;
            }
            let mine = || self.tails.iter().filter(|(queue, _)| wanted.hears(queue));
            let named = wanted.queue.as_ref().is_none_or(|queue| self.tails.contains_key(queue));
            if !named || mine().any(|(_, listened)| listened.at.is_none()) {
                self.waiting.push((wanted, seat, answer));
                continue;
            }
            let (mut position, mut queues) = (Position::default(), BTreeMap::new());
            for (queue, listened) in mine() {
                if let Some((home, place)) = &listened.at {
                    position.reach(*home, place);
                    queues.insert(*home, queue.clone());
                }
            }
            let held = &self.held;
            let group = self.groups.entry(wanted.clone()).or_insert_with(|| Group::new(wanted, position, Arc::clone(held)));
            let entered = Entered { row: group.enter(seat), mark: Arc::clone(&group.mark), position: group.position.clone(), queues };
            if let Err(gone) = answer.send(entered) {
                gone.row.leave();
            }
        }
    }

    /// Readers that have gone, and feeds that nobody reads.
    fn sweep(&mut self) {
        let now = self.clock.elapsed();
        self.groups.retain(|_, group| group.sweep(now));
        self.waiting.retain(|(.., answer)| !answer.is_closed());
        let wanted: Vec<_> = self.groups.keys().chain(self.waiting.iter().map(|(wanted, ..)| wanted)).collect();
        self.tails.retain(|queue, listened| {
            let heard = wanted.iter().any(|wanted| wanted.hears(queue));
            if !heard {
                listened.tail.abort();
            }
            heard
        });
        if wanted.iter().all(|wanted| wanted.queue.is_some())
            && let Some(looking) = self.looking.take()
        {
            looking.abort();
        }
    }
}

/// False: the hub has ended.
async fn tell(hub: mpsc::WeakSender<Order>, order: Order) -> bool {
    match hub.upgrade() {
        Some(hub) => hub.send(order).await.is_ok(),
        None => false,
    }
}

/// Completes at the end of the process.
pub(super) async fn over(stopped: &mut watch::Receiver<bool>) {
    while !*stopped.borrow_and_update() {
        if stopped.changed().await.is_err() {
            return;
        }
    }
}
