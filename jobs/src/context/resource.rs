//! What a provider's headers said about an outside quota, passed on to the broker: `cx.resource("ads").remaining(40).resets_in(wait).await`.

use super::Context;
use longshore_base::{Clock, Name};
use longshore_queue::{Broker, BrokerError, ResourceChange};
use std::{
    collections::HashMap,
    future::IntoFuture,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Of one resource this process tells the broker at most once in so long; what comes in between is told together.
const APART: Duration = Duration::from_millis(100);
/// Providers tell the end of a window in whole seconds: ends that are no further apart mean the same one.
const SAME_WINDOW: Duration = Duration::from_secs(1);
/// What a handler tells so soon after another may be older than what the other told.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(1);
/// A handler waits for the broker no longer than this.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// A window that ends later than this is a mistake.
const RESETS_MAX: Duration = Duration::from_hours(24 * 31);
/// More resources than this are not remembered when they rest.
const REMEMBERED_MAX: usize = 256;

/// What handlers of this process were told about outside quotas. One per process, in [`super::Tools`].
#[derive(Debug, Clone)]
pub struct Headers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
}

/// What the broker has been told of each resource, and when. Times are of the process's monotonic clock.
#[derive(Debug, Default)]
struct Book(HashMap<Name, Told>);

#[derive(Debug, Default)]
struct Told {
    /// When the broker was last told.
    at: Option<Duration>,
    /// What it was told then.
    last: Option<Left>,
    /// What it will be told next.
    next: Option<Left>,
}

/// So many are left until the provider's window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    remaining: u64,
    resets_at: Duration,
}

impl Left {
    /// What holds when this came after `before`. Answers overtake each other: of one window the least is the newest.
    fn after(self, before: Self) -> Self {
        if self.resets_at > before.resets_at + SAME_WINDOW {
            return self;
        }
        Self { remaining: self.remaining.min(before.remaining), resets_at: self.resets_at.max(before.resets_at) }
    }
}

impl Book {
    /// Takes news down. Answers when to tell it; None: somebody waits to tell of this resource already.
    fn note(&mut self, name: &Name, left: Left, now: Duration) -> Option<Duration> {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, told| told.next.is_some() || told.at.is_some_and(|at| now < at + APART));
        }
        let told = self.0.entry(name.clone()).or_default();
        let Some(next) = &mut told.next else {
            let lately = told.last.filter(|_| told.at.is_some_and(|at| now < at + OVERTAKEN_WITHIN));
            told.next = Some(lately.map_or(left, |last| left.after(last)));
            return Some(told.at.map_or(now, |at| now.max(at + APART)));
        };
        *next = left.after(*next);
        None
    }

    /// What the broker is told now.
    fn take(&mut self, name: &Name, now: Duration) -> Option<Left> {
        let told = self.0.get_mut(name)?;
        told.at = Some(now);
        let next = told.next.take();
        told.last = next.or(told.last);
        next
    }
}

impl Headers {
    /// Tells this broker.
    #[must_use]
    pub fn new(broker: Arc<dyn Broker>, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { broker, clock, book: Mutex::default() }) }
    }

    async fn learn(&self, name: Name, remaining: u64, resets_in: Duration) {
        let now = self.inner.clock.elapsed();
        let left = Left { remaining, resets_at: now + resets_in.min(RESETS_MAX) };
        let Some(at) = self.inner.book().note(&name, left, now) else { return };
        if at <= now {
            let _ = tokio::time::timeout(TOLD_WITHIN, self.inner.tell(name)).await;
            return;
        }
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            inner.clock.sleep(at - now).await;
            inner.tell(name).await;
        });
    }
}

impl Inner {
    async fn tell(&self, name: Name) {
        let now = self.clock.elapsed();
        let Some(Left { remaining, resets_at }) = self.book().take(&name, now) else { return };
        let resets_in = resets_at.saturating_sub(now);
        if resets_in.is_zero() {
            return;
        }
        match self.broker.resource(&name, ResourceChange::Learn { remaining, resets_in }, None).await {
            Ok(_) => {}
            Err(BrokerError::NotFound) => tracing::trace!(resource = %name, "a handler told of a resource that nobody has made"),
            Err(error) => tracing::debug!(resource = %name, code = %error.code(), "what a provider said could not be told: {error}"),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// An outside quota, to tell what its provider's headers said. Nothing of this can fail the attempt: a resource that nobody has
    /// made is passed over, and so is a broker that does not answer.
    #[must_use]
    pub fn resource<'a>(&'a self, name: &'a str) -> Resource<'a> {
        Resource { cx: self, name }
    }
}

/// See [`Context::resource`].
#[derive(Debug)]
pub struct Resource<'a> {
    cx: &'a Context,
    name: &'a str,
}

impl<'a> Resource<'a> {
    /// So many points are left, or starts where the resource has no points.
    #[must_use]
    pub fn remaining(self, remaining: u64) -> Remaining<'a> {
        Remaining { of: self, remaining }
    }
}

/// See [`Resource::remaining`].
#[derive(Debug)]
pub struct Remaining<'a> {
    of: Resource<'a>,
    remaining: u64,
}

impl<'a> Remaining<'a> {
    /// They are left until the provider's window ends after this long. `.await` it: cheap, since a process tells the broker at most ten
    /// times a second of one resource.
    #[must_use = "nothing is told until it is awaited"]
    pub fn resets_in(self, resets_in: Duration) -> Learning<'a> {
        Learning { what: self, resets_in }
    }
}

/// See [`Remaining::resets_in`].
#[derive(Debug)]
pub struct Learning<'a> {
    what: Remaining<'a>,
    resets_in: Duration,
}

impl<'a> IntoFuture for Learning<'a> {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Remaining { of: Resource { cx, name }, remaining } = self.what;
            let Ok(name) = Name::new(name) else {
                tracing::debug!(job.id = %cx.id(), name, "no resource can have this name");
                return;
            };
            cx.inner.parts.tools.headers.learn(name, remaining, self.resets_in).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Book, Left};
    use longshore_base::Name;
    use std::time::Duration;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }
    fn left(remaining: u64, resets_at: u64) -> Left {
        Left { remaining, resets_at: ms(resets_at) }
    }

    #[test]
    fn the_broker_is_told_at_once_and_then_in_batches() {
        let (mut book, ads, llm) = (Book::default(), Name::literal("ads"), Name::literal("llm"));
        assert_eq!(book.note(&ads, left(90, 60_000), ms(1_000)), Some(ms(1_000)));
        assert_eq!(book.take(&ads, ms(1_000)), Some(left(90, 60_000)));
        assert_eq!(book.note(&ads, left(88, 60_010), ms(1_020)), Some(ms(1_100)), "the next one waits for company");
        assert_eq!(book.note(&ads, left(89, 60_030), ms(1_030)), None);
        assert_eq!(book.note(&llm, left(5, 2_000), ms(1_030)), Some(ms(1_030)), "another resource is another matter");
        assert_eq!(book.take(&ads, ms(1_100)), Some(left(88, 60_030)), "the least of a window");
        assert_eq!(book.take(&ads, ms(1_100)), None);
        assert_eq!(book.note(&ads, left(3, 60_000), ms(1_150)), Some(ms(1_200)));
        assert_eq!(book.note(&ads, left(1_000, 120_000), ms(1_160)), None);
        assert_eq!(book.take(&ads, ms(1_200)), Some(left(1_000, 120_000)), "a new window begins with more");
    }

    #[test]
    fn what_was_overtaken_gives_nothing_back() {
        let (mut book, ads) = (Book::default(), Name::literal("ads"));
        book.note(&ads, left(40, 60_000), ms(1_000));
        assert_eq!(book.take(&ads, ms(1_000)), Some(left(40, 60_000)));
        book.note(&ads, left(41, 60_010), ms(1_020));
        assert_eq!(book.take(&ads, ms(1_100)), Some(left(40, 60_010)), "said earlier, told later");
        book.note(&ads, left(70, 60_000), ms(2_500));
        assert_eq!(book.take(&ads, ms(2_500)), Some(left(70, 60_000)), "a quota that fills up again has more in the same window");
    }

    #[test]
    fn what_rests_is_forgotten() {
        let mut book = Book::default();
        for n in 0..2_000 {
            let name = Name::new(format!("r{n}")).unwrap();
            book.note(&name, left(1, 9_000_000), ms(n * 10));
            book.take(&name, ms(n * 10));
        }
        assert!(book.0.len() <= super::REMEMBERED_MAX, "{}", book.0.len());
    }
}
