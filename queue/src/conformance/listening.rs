//! Who listens to a feed: how it goes on, waits, misses, begins and ends.

use super::{
    Case, LONG, SHORT, complete,
    feeding::{Ear, alert, announce, read, state_of},
    only,
    steering::{ends, hears},
};
use crate::{FEED_KEPT, FeedEntry, JobId, NewJob, Note, State};

/// Whoever comes back goes on exactly where it was; one entry at a time, or many.
pub async fn q7_feed_goes_on_after_a_place(c: &Case) {
    let start = Ear::open(c).await.place;
    let (mut singles, mut place) = (Vec::new(), start.clone());
    for round in 0..5 {
        let ids = c.add(3).await;
        c.cancel(ids[0]).await.expect("cancelled");
        announce(c, &format!("round.{round}")).await;
        // Sometimes behind what happens, sometimes up to date.
        for _ in 0..round * 2 {
            let feed = read(c, Some(&place), 1).await;
            assert!(feed.entries.len() <= 1 && !feed.missed);
            singles.extend(feed.entries);
            place = feed.next;
        }
    }
    let mut whole = Ear { c, place: start.clone() };
    let whole = whole.hears(25).await;
    assert_eq!(whole.len(), 25);
    let mut rest = Ear { c, place };
    singles.extend(rest.hears(25 - singles.len()).await);
    let text = |entries: &[FeedEntry]| entries.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
    assert_eq!(text(&singles), text(&whole));
    for (at, entry) in whole.iter().enumerate() {
        let feed = read(c, Some(&entry.place), 100).await;
        assert!(!feed.missed);
        assert_eq!(text(&feed.entries), text(&whole[at + 1..]), "after {}", entry.place);
    }
    let oldest = read(c, Some(&start), 1).await;
    assert!(oldest.oldest_at.is_some_and(|at| at <= whole[0].at) && text(&oldest.entries) == text(&whole[..1]));
}

/// Two readers hear the same, and each from where it began; another queue is not heard.
pub async fn q7_feed_is_the_same_for_every_reader(c: &Case) {
    let other = c.beside().await;
    let mut first = Ear::open(c).await;
    let _elsewhere = Ear::open(&other).await;
    let ids = c.add(2).await;
    other.add(3).await;
    let before = first.hears(2).await;
    let mut second = Ear::open(c).await;
    let mut third = Ear { c, place: first.place.clone() };
    for lease in c.lease(2).await {
        c.ack(&lease, complete()).await;
    }
    let (a, b, d) = (first.hears(4).await, second.hears(4).await, third.hears(4).await);
    let text = |entries: &[FeedEntry]| entries.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
    assert_eq!((text(&a), text(&a)), (text(&b), text(&d)));
    assert_eq!(a.len(), 4);
    assert!(before.iter().chain(&a).all(|entry| entry.id.is_some_and(|id| ids.contains(&id))));
}

/// Whoever waits for something new hears of it soon, and otherwise waits no longer than asked.
pub async fn q7_feed_wakes_who_waits(c: &Case) {
    let mut ear = Ear::open(c).await;
    let lease = c.running().await;
    // What nobody has read yet may end a wait at once, and so may a signal that comes late: what is done may be done no time at all.
    ear.hears(2).await;
    hears("an enqueue", c.broker.wait_feed(&c.queue, LONG), async || c.add(1).await).await;
    ear.hears(0).await;
    hears("an alert", c.broker.wait_feed(&c.queue, LONG), async || announce(c, "some").await).await;
    ear.hears(0).await;
    let note = || Note { output: Some("piece".into()), ..Note::default() };
    let told = async || c.broker.note(lease.job.id, lease.token, note()).await.expect("noted");
    hears("a note", c.broker.wait_feed(&c.queue, LONG), told).await;
    ear.hears(0).await;
    ends(c, c.broker.wait_feed(&c.queue, SHORT)).await;
}

/// A place that is not there any more is told, with what is there after it; so is one that never was.
pub async fn q7_feed_tells_what_is_missed(c: &Case) {
    const PART: usize = 100;
    let steps = c.fixture.feed_steps();
    let start = Ear::open(c).await.place;
    let parts = (steps * 2).div_ceil(PART) + 2;
    for part in 0..parts {
        let codes: Vec<_> = (0..PART).map(|n| format!("n.{}", part * PART + n)).collect();
        futures::future::join_all(codes.iter().map(|code| announce(c, code))).await;
    }
    let (mut place, mut missed, mut heard) = (start.clone(), 0, Vec::new());
    let mut oldest = None;
    loop {
        let feed = read(c, Some(&place), PART).await;
        if feed.entries.is_empty() {
            break;
        }
        missed += usize::from(feed.missed);
        oldest = oldest.or(feed.oldest_at);
        place = feed.next;
        heard.extend(feed.entries);
    }
    assert_eq!(missed, 1, "once, and told by the first answer only");
    assert!((steps..parts * PART).contains(&heard.len()), "{} of {} are there", heard.len(), parts * PART);
    assert_eq!(oldest, heard.first().map(|entry| entry.at));
    let again = read(c, Some(&heard[1].place), 1).await;
    assert!(!again.missed && again.entries.first().map(|entry| &entry.place) == Some(&heard[2].place), "what is there is not missed");
    for place in ["x", "never", "0000000000000000000000000000"] {
        let feed = read(c, Some(place), 1).await;
        assert!(feed.missed && only(feed.entries).place == heard[0].place, "`{place}` is no place");
    }
}

/// Whoever has heard the last entry that is gone misses nothing; whoever has not heard that one does. A step goes as a whole.
pub async fn q7_feed_knows_the_last_that_is_gone(c: &Case) {
    const PART: usize = 50;
    let mut ear = Ear::open(c).await;
    let mut places = vec![ear.place.clone()];
    for _ in 0..c.fixture.feed_steps() / PART + 5 {
        // One after the other: calls that come together may be one step.
        for _ in 0..PART {
            c.add(2).await;
        }
        places.extend(ear.hears(2 * PART).await.into_iter().map(|entry| entry.place));
    }
    let oldest = only(read(c, Some(""), 1).await.entries).place;
    let at = places.iter().position(|place| *place == oldest).expect("it was heard");
    assert!(at > 2 && places.len() - at >= 2 * c.fixture.feed_steps(), "{at} of {} are gone", places.len());
    for (place, missed) in [(&places[at - 1], false), (&places[at - 2], true), (&places[0], true)] {
        let feed = read(c, Some(place), 1).await;
        assert_eq!((feed.missed, &only(feed.entries).place), (missed, &oldest), "{place}");
    }
}

/// Who knows nothing is told everything that is there, and has missed nothing.
pub async fn q7_feed_from_its_beginning(c: &Case) {
    let first = read(c, Some(""), 10).await;
    assert!(!first.missed && first.entries.is_empty() && !first.next.is_empty() && first.oldest_at.is_some(), "{first:?}");
    let ids = c.add(3).await;
    let heard: Vec<_> = Ear { c, place: first.next }.hears(3).await.iter().map(state_of).collect();
    let all = read(c, Some(""), 10).await;
    assert!(!all.missed);
    assert_eq!((all.entries.iter().map(state_of).collect::<Vec<_>>(), heard.len()), (heard, ids.len()));
    c.fixture.lapse(&c.queue).await;
    let later = read(c, Some(""), 10).await;
    assert!(!later.missed && later.entries.is_empty() && later.next > all.next, "{later:?}");
}

/// Who asks for the feed of a queue that nobody has enqueued to makes no queue, and hears when it comes.
pub async fn q7_feed_makes_no_queue(c: &Case) {
    let nobody = c.own("nobody");
    let kept = async || (c.fixture.snapshot(&nobody).await, c.broker.queues().await.expect("queues").contains(&nobody));
    let before = kept().await;
    for (after, missed) in [(None, false), (Some(""), false), (Some("x"), true)] {
        let feed = c.broker.feed(&nobody, after, 10).await.expect("a feed");
        assert!(feed.entries.is_empty() && feed.next.is_empty() && feed.oldest_at.is_none(), "{feed:?}");
        assert_eq!(feed.missed, missed, "after {after:?}");
    }
    c.broker.announce(&nobody, alert("early")).await.expect("nobody hears it");
    ends(c, c.broker.wait_feed(&nobody, SHORT)).await;
    assert_eq!(kept().await, before);
    assert!(!before.1, "there is no such queue");
    let comes = async || {
        let home = c.broker.home(&nobody).await.expect("a home");
        c.broker.feed(&nobody, None, 1).await.expect("a feed");
        c.broker.announce(&nobody, alert("here")).await.expect("told");
        home
    };
    hears("a new queue", c.broker.wait_feed(&nobody, LONG), &comes).await;
    let (home, place) = (comes().await, c.broker.feed(&nobody, None, 1).await.expect("a feed").next);
    let job = NewJob { id: JobId::derived(c.now().await, home, b"first"), queue: nobody.clone(), ..c.job() };
    let id = c.put(job).await;
    let told = c.broker.feed(&nobody, Some(&place), 10).await.expect("a feed").entries;
    assert_eq!(told.iter().map(state_of).collect::<Vec<_>>(), [(id, State::Ready)]);
}

/// While somebody asks now and then nothing is lost. After a minute without anybody what is asked for is gone, and that is told.
pub async fn q7_feed_ends_a_while_after_the_last_listener(c: &Case) {
    let rest = if c.fixture.may_skip() { FEED_KEPT * 2 / 3 } else { SHORT };
    let mut ear = Ear::open(c).await;
    for _ in 0..4 {
        let id = c.put(c.job()).await;
        c.pass(rest).await;
        ear.tells("in time", c.cancel(id), &[(id, State::Ready), (id, State::Cancelled)]).await.expect("cancelled");
    }
    let before = c.put(c.job()).await;
    let place = ear.place.clone();
    c.fixture.lapse(&c.queue).await;
    c.unchanged(announce(c, "nobody hears")).await;
    let feed = read(c, Some(&place), 100).await;
    assert!(feed.missed && feed.entries.is_empty(), "{feed:?}");
    let created = c.get(before).await.created_at;
    assert!(feed.next > place && feed.oldest_at.is_some_and(|at| at > created), "{feed:?}");
    ear.place = feed.next;
    ear.tells("after that", c.cancel(before), &[(before, State::Cancelled)]).await.expect("cancelled");
    assert!(read(c, Some(&place), 100).await.missed, "an old place stays one");
}
