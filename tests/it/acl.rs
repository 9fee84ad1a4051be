//! The user with the least rights. That they are enough, the conformance suite proves, whose brokers are that user; here it is that none of
//! them can be left out.

use crate::harness::{
    acl::{self, For},
    redis::{self, Redis},
    redis_broker::snapshot,
};
use ::redis::{Value as Answer, cmd};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use longshore_base::{Millis, Name, SystemClock, SystemRandom};
use longshore_queue::{
    Broker, BrokerError, RedisBroker, RedisOptions,
    conformance::{
        Body, Fixture, crashes, enqueueing, explaining, feeding, firing, leasing, letters, listening, moving, people, resources, retention,
        run, running, schedules, seeing, sharing, steering, uniqueness, waiting,
    },
};
use std::{sync::Arc, time::Duration};

const FEED_STEPS: usize = 300;
/// Users that are tried at the same time.
const AT_ONCE: usize = 8;

/// A broker of one user.
struct OfUser {
    server: &'static Redis,
    user: String,
    broker: Arc<RedisBroker>,
}

impl OfUser {
    async fn open(server: &'static Redis, user: &str) -> Result<Self, BrokerError> {
        let url = format!("redis://{}127.0.0.1:{}/0", acl::login_of(user), server.port);
        let options = RedisOptions { feed_steps: FEED_STEPS, ..RedisOptions::new(url, SystemClock::new(), SystemRandom::new()) };
        Ok(Self { server, user: user.to_owned(), broker: RedisBroker::connect(options).await? })
    }
}

#[async_trait]
impl Fixture for OfUser {
    fn broker(&self) -> Arc<dyn Broker> {
        self.broker.clone()
    }
    async fn now(&self) -> Millis {
        redis::time(&mut self.server.connect().await).await
    }
    async fn pass(&self, by: Duration) {
        let (mut server, mut pace) = (self.server.connect().await, tokio::time::interval(Duration::from_millis(20)));
        let end = redis::time(&mut server).await + Millis::try_from(by.as_millis()).expect("a short time");
        while redis::time(&mut server).await < end {
            pace.tick().await;
        }
    }
    fn feed_steps(&self) -> usize {
        FEED_STEPS
    }
    async fn lapse(&self, queue: &Name) {
        let (mut server, meta) = (self.server.connect().await, format!("ls:{{{queue}/0}}:meta"));
        let _: Answer = cmd("HSET").arg(meta).arg(&["feed", "1"]).query_async(&mut server).await.expect("HSET");
    }
    async fn snapshot(&self, queue: &Name) -> String {
        snapshot(&[self.server.connect().await], &format!("*{{{queue}/0}}*")).await
    }
    async fn reopened(&self) -> Arc<dyn Broker> {
        Self::open(self.server, &self.user).await.expect("a broker").broker
    }
    async fn durable(&self) -> Arc<dyn Fixture> {
        panic!("no case of this list asks for it")
    }
}

fn named(name: &'static str, body: Body) -> (&'static str, Body) {
    (name, body)
}

macro_rules! cases {
    ($($module:ident::$case:ident)*) => { vec![$(named(stringify!($case), |case| Box::pin($module::$case(case)))),*] };
}

/// Cases that together use everything that the broker ever sends.
fn walk() -> Vec<(&'static str, Body)> {
    cases! {
        enqueueing::q2_lane_keeps_the_order_of_scheduled_jobs
        uniqueness::q5_unique_replace_remembers_merged_ids
        leasing::q4_leased_and_fenced_extend_keeps_the_lease
        crashes::q4_three_counters_one_suspect_in_a_worker
        people::q3_retrying_given_up_is_dead
        letters::q5_retry_and_dead_are_grouped_by_fingerprint
        retention::q5_retention_lists_what_is_beyond_the_count
        retention::q5_retention_purge_removes_ended_jobs
        waiting::q4_waiting_for_a_child_in_another_queue
        running::q4_checkpoints_first_result_of_a_step_stays
        running::q5_args_and_output_logs_are_capped
        seeing::q5_listed_page_by_page
        steering::q4_repeating_a_request_under_a_key
        steering::q6_contract_workers_report_and_leave
        steering::q7_counters_of_running_jobs_survive_crashes
        sharing::q2_fair_lanes_of_a_tenant_share_by_priority_and_time
        resources::q2_resources_pause_and_resume
        resources::q2_resources_have_revisions
        explaining::q2_explain_names_who_is_before_it
        schedules::q9_schedules_move_to_another_queue
        schedules::q9_schedules_removed_leave_their_jobs
        schedules::q9_schedules_listed_page_by_page
        firing::q9_history_keeps_the_newest
        moving::q5_moves_keep_every_field
        feeding::q7_feed_tells_every_state_in_order
        listening::q7_feed_wakes_who_waits
        listening::q7_feed_tells_what_is_missed
        listening::q7_feed_ends_a_while_after_the_last_listener
    }
}

/// Whether the whole walk goes through without a refusal; ends at the first case that fails.
async fn passes(server: &'static Redis, user: String) -> bool {
    let Ok(first) = OfUser::open(server, &user).await else { return false };
    if first.broker.health().await.is_ok_and(|health| health.faults.iter().any(|fault| fault.key == "CONFIG")) {
        return false;
    }
    for (name, case) in walk() {
        let of = user.clone();
        // A case has a thread of its own, where it may panic.
        let ran = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let fixture = OfUser::open(server, &of).await.expect("it opened before");
                run(name, Arc::new(fixture), case).await;
            });
        });
        if ran.await.is_err() {
            return false;
        }
    }
    acl::denied(&mut server.connect().await, &user).await.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn q7_acl_none_of_the_rights_can_be_left_out() {
    let server: &'static Redis = Box::leak(Box::new(Redis::start(&["--acllog-max-len", "10000", "--appendfsync", "no"]).await));
    let rules = acl::rules(For::Server);
    let mut plain = server.connect().await;
    acl::grant(&mut plain, "whole", &rules).await;
    assert!(passes(server, "whole".into()).await, "{:?}", acl::denied(&mut plain, "whole").await);
    let rights: Vec<_> = rules.iter().filter(|rule| rule.starts_with(['+', '~', '&'])).collect();
    assert!(rights.len() > 40, "{rights:?}");
    let tried = stream::iter(rights.iter().enumerate()).map(async |(at, right)| {
        let (user, fewer): (_, Vec<_>) = (format!("without-{at}"), rules.iter().filter(|rule| rule != right).cloned().collect());
        acl::grant(&mut server.connect().await, &user, &fewer).await;
        passes(server, user).await.then(|| (*right).clone())
    });
    let idle: Vec<String> = tried.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    server.kill();
    assert!(idle.is_empty(), "nothing needs {idle:?}");
}
