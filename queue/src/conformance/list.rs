//! The list: every case, by module. A case that is not here does not run; a test of this crate's suite looks for such.

/// Makes one `#[tokio::test]` per case. The expression opens a fresh [`Fixture`](crate::conformance::Fixture) as `Arc<dyn Fixture>`; it
/// is a future, evaluated anew for each case.
#[macro_export]
macro_rules! broker_conformance {
    ($fixture:expr) => {
        $crate::conformance_cases! { $fixture;
            enqueueing:
                q3_enqueue_makes_a_ready_job
                q3_enqueue_with_a_due_time_is_scheduled
                q3_enqueue_with_a_due_time_behind_is_ready
                q3_enqueue_with_a_wait_is_waiting
                q3_enqueue_of_a_known_id_answers_its_job
                q4_repeating_inside_one_batch_makes_one_job
                q4_repeating_a_batch_over_several_queues
                q3_due_is_promoted_by_a_lease
                q3_due_is_promoted_by_a_tick
                q3_due_time_is_told_by_an_empty_lease
                q2_lane_is_ordered_by_priority_then_enqueue
                q2_lane_keeps_the_order_over_retries
                q2_lane_keeps_the_order_of_scheduled_jobs
                q2_lane_of_an_uncarried_kind_blocks_nobody
                q2_fair_tenants_take_turns
                q2_fair_inside_one_lease
                q3_expires_in_scheduled_and_ready
                q5_expires_is_checked_by_the_lease
                q5_expires_only_before_the_first_start
                q4_at_least_once_refuses_unrepeatable_kinds_unless_durable
                ;
            leasing:
                q3_leased_job_runs_under_a_token
                q3_leased_jobs_are_nobody_elses
                q3_leased_in_the_largest_batch
                q3_leased_by_kinds_that_the_worker_carries
                q4_repeating_a_lease_call_gives_the_same_reply
                q4_leased_and_fenced_tokens_grow
                q4_leased_and_fenced_older_tokens_are_refused
                q4_leased_and_fenced_invented_tokens_are_refused
                q4_leased_and_fenced_accepts_after_expiry_before_the_reap
                q4_leased_and_fenced_late_writes_are_counted
                q4_leased_and_fenced_extend_keeps_the_lease
                q4_repeating_extend_tells_what_is_lost
                q4_repeating_extend_gives_back_what_never_arrived
                q4_durations_a_gap_holds_the_reaper
                ;
            ends:
                q3_complete_keeps_the_output
                q3_retry_waits_as_long_as_asked
                q3_retry_with_no_attempt_left_is_dead
                q3_retry_or_fatal_is_dead
                q3_snooze_moves_no_counter
                q3_snooze_is_bounded_by_runs
                q3_snooze_is_bounded_by_age
                q3_gate_release_gate_rests_without_a_count
                q3_gate_release_counts_only_what_had_started
                q4_leased_and_fenced_acks_may_be_repeated
                q3_every_exit_clears_the_token
                q4_repeating_an_ack_batch_is_per_item
                q4_repeating_an_ack_inside_a_batch
                q4_three_counters_are_never_mixed
                ;
            crashes:
                q3_lease_lost_crashes_below_max_goes_retrying
                q3_lease_lost_crashes_max_times_is_dead
                q4_three_counters_an_attempt_that_returns_clears_the_row
                q3_lease_lost_late_ack_is_refused
                q3_lease_lost_of_an_unrepeatable_kind_is_dead
                q3_not_repeatable_release_after_start_is_dead
                q3_not_repeatable_timeout_is_dead_even_if_cancelled
                q3_not_repeatable_lost_lease_is_dead_even_if_cancelled
                q4_three_counters_one_suspect_in_a_worker
                ;
        }
    };
}

/// The tests of a list; use [`broker_conformance!`](crate::broker_conformance).
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($fixture:expr; $($module:ident: $($case:ident)* ;)*) => {
        $($(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::run(stringify!($case), $fixture.await, |case| Box::pin($crate::conformance::$module::$case(case))).await;
            }
        )*)*
    };
}
