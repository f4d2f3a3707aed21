//! The contract of [`Repository`](rockhold_core::Repository), R1 to R12, and
//! of [`ObjectWriter`](rockhold_core::ObjectWriter), W1 to W6.
//!
//! Behaviours that a store cannot have by its
//! [`Capabilities`](rockhold_core::Capabilities) are passed over.

mod conditions;
mod deleting;
mod errors;
mod listing;
mod reading;
mod subject;
mod visibility;
mod writing;

pub use conditions::*;
pub use deleting::*;
pub use errors::*;
pub use listing::*;
pub use reading::*;
pub use subject::Subject;
pub use visibility::*;
pub use writing::*;

use futures::{FutureExt, future::BoxFuture};

/// One behaviour, to be run on a subject.
pub type Behaviour = for<'a> fn(&'a Subject) -> BoxFuture<'a, ()>;

/// All behaviours by name, in the order of the contract.
pub const BEHAVIOURS: &[(&str, Behaviour)] = crate::__repository_behaviours!(table);

/// Runs all behaviours one after the other, each on a subject of its own.
///
/// # Panics
/// At the first behaviour that does not hold, after printing its name.
pub async fn run_all<F: Future<Output = Subject>>(subject: impl Fn() -> F) {
    for (name, behaviour) in BEHAVIOURS {
        println!("{name}");
        behaviour(&subject().await).await;
    }
}

/// For the table alone: a behaviour as a value.
#[doc(hidden)]
pub fn boxed<'a>(behaviour: impl Future<Output = ()> + Send + 'a) -> BoxFuture<'a, ()> {
    behaviour.boxed()
}

/// Expands into one `#[tokio::test]` for each behaviour of a repository. The
/// argument is evaluated anew in each of them and gives a future of a
/// [`Subject`].
#[macro_export]
macro_rules! repository_conformance {
    ($subject:expr) => {
        $crate::__repository_behaviours!(tests $subject);
    };
}

/// The one list of behaviours.
#[doc(hidden)]
#[macro_export]
macro_rules! __repository_behaviours {
    ($form:ident $($subject:expr)?) => {
        $crate::__repository_expand! {
            $form [$($subject)?]
            r1_readers_see_an_object_whole_or_not_at_all
            r1_an_object_keeps_its_bytes_for_those_who_read_it_while_it_is_replaced
            r2_what_was_written_is_seen_at_once
            r2_what_was_replaced_or_deleted_is_seen_at_once
            r3_create_new_refuses_a_key_that_is_taken
            r3_exactly_one_of_many_creators_wins
            r3_a_key_is_free_again_once_deleted
            r4_if_match_replaces_only_the_version_it_names
            r4_racing_updates_on_condition_lose_none
            r4_entity_tags_change_with_the_bytes
            r5_a_writer_that_was_dropped_leaves_nothing
            r5_what_a_killed_writer_left_is_discarded
            r5_discarding_leaves_objects_and_other_prefixes_alone
            r5_a_living_writer_whose_parts_were_discarded_cannot_commit
            r6_missing_objects_are_not_found
            r7_ranges_are_given_exactly_and_cut_at_the_end
            r7_ranges_behind_the_object_are_refused
            r7_a_read_on_condition_refuses_another_version
            r7_large_objects_come_in_order_and_whole
            r8_pages_together_give_each_key_once
            r8_a_prefix_ends_at_a_segment
            r8_direct_children_are_objects_and_common_prefixes
            r8_pages_of_direct_children_give_each_child_once
            r8_keys_that_stay_are_listed_once_while_others_come_and_go
            r8_staged_writes_are_not_listed
            r8_an_empty_prefix_gives_an_empty_page
            r8_listed_facts_are_those_of_head
            r8_tokens_of_strangers_are_refused
            r9_each_key_has_its_result_in_order
            r9_more_keys_than_a_batch_are_deleted_in_one_call
            r9_prefixes_vanish_with_their_last_object
            r10_barriers_succeed_after_few_and_after_many_writes
            r10_durable_puts_behave_like_others
            r11_errors_name_operation_and_key_and_are_permanent
            r11_puts_that_are_too_long_are_refused
            r12_dropped_calls_leave_the_store_usable
            names_all_letters_of_keys_are_kept_apart
            names_an_object_below_an_object_is_refused_or_harmless
            copy_gives_an_independent_object
            w1_parts_have_the_agreed_length_and_no_gaps
            w1_part_lengths_out_of_range_are_refused
            w2_parts_come_in_any_order_and_at_once
            w3_a_part_written_again_is_replaced
            w4_nothing_is_visible_before_commit
            w4_a_failed_commit_may_be_repeated
            w4_a_commit_repeated_after_success_gives_the_same_answer
            w5_no_parts_make_an_empty_object
            w6_abort_leaves_nothing
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __repository_expand {
    (table [] $($name:ident)*) => {
        &[$((stringify!($name), |subject| $crate::repository::boxed($crate::repository::$name(subject)))),*]
    };
    (tests [$subject:expr] $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let subject = $subject.await;
                $crate::repository::$name(&subject).await;
            }
        )*
    };
}
