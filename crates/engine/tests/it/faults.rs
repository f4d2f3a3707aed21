//! The store fails, stalls and lies: every call of a job to the repository is
//! numbered, and at each number each fault strikes, below the layers that a
//! user has. The job ends FINISHED, or CANCELLED with the reason; nothing else
//! has changed, nothing is left behind, and a second try succeeds.

use crate::kill::{Start, keeps_files, no_job_is_left, start_with_table};
use crate::support::{MemoryFactory, World, one_at_a_time, open, open_layered};
use crate::verify::{clean_up, orphans, referenced};
use rockhold_core::{ErrorKind, Key, MemoryRepository, ObjectName, Repository, SharedRepository};
use rockhold_engine::{EngineConfig, SnapshotFilter, job_status};
use rockhold_layers::{Failure, Fault, FaultPlan, Layers, Operation, RetryPolicy, Scope, Timeouts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";

/// Longer than any test waits.
const HOUR: Duration = Duration::from_secs(3600);

fn table() -> ObjectName {
    ObjectName::new("d", "t")
}

/// What a store does wrong, once or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// 503 once.
    Unavailable,
    /// 429 three times, with a time to wait.
    Throttled,
    /// It does what it is told, and the reply is lost.
    LosesReply,
    /// It does not answer once.
    Stalls,
    /// It refuses for good.
    Refuses,
    /// It refuses for good, having done it.
    RefusesAfter,
    /// From here on nobody is there.
    Vanishes,
    /// From here on it does everything and no reply arrives.
    LosesReplies,
    /// From here on it does not answer.
    StallsForGood,
    /// The request arrives twice.
    Duplicates,
    /// It stores another bit than was sent.
    FlipsStored(u64),
    /// It gives another bit than is stored.
    FlipsRead(u64),
    /// The bytes end early.
    CutsStream,
    /// The connection breaks between the bytes.
    BreaksStream,
    /// The bytes stop coming.
    StallsStream,
    /// A listing is old.
    ListsStale,
    /// It has lost the parts that it took.
    LosesParts,
}

impl Wrong {
    /// All of them.
    pub(crate) const ALL: [Self; 19] = [
        Self::Unavailable,
        Self::Throttled,
        Self::LosesReply,
        Self::Stalls,
        Self::Refuses,
        Self::RefusesAfter,
        Self::Vanishes,
        Self::LosesReplies,
        Self::StallsForGood,
        Self::Duplicates,
        Self::FlipsStored(0),
        Self::FlipsStored(40),
        Self::FlipsRead(0),
        Self::FlipsRead(40),
        Self::CutsStream,
        Self::BreaksStream,
        Self::StallsStream,
        Self::ListsStale,
        Self::LosesParts,
    ];

    /// What can go wrong at an operation.
    pub(crate) fn at(point: &str) -> Vec<Self> {
        use Wrong::*;
        let mut all = vec![
            Unavailable,
            Throttled,
            LosesReply,
            Stalls,
            Refuses,
            RefusesAfter,
            Vanishes,
            LosesReplies,
            StallsForGood,
        ];
        if point == Operation::Put.name() || point == Operation::WritePart.name() {
            all.extend([FlipsStored(0), FlipsStored(40)]);
        }
        if point == Operation::Get.name() {
            all.extend([FlipsRead(0), FlipsRead(40), CutsStream, BreaksStream, StallsStream]);
        }
        if point == Operation::List.name() {
            all.push(ListsStale);
        }
        if point == Operation::Commit.name() {
            all.push(LosesParts);
        }
        let changes = [
            Operation::Put,
            Operation::Create,
            Operation::WritePart,
            Operation::Commit,
            Operation::Delete,
            Operation::Copy,
        ];
        if changes.iter().any(|operation| operation.name() == point) {
            all.push(Duplicates);
        }
        all
    }

    /// Strikes at the call with this number.
    pub(crate) fn strike(self, plan: &FaultPlan, number: u64) {
        let here = Scope::number(number);
        let from_here = Scope::all().skip(number - 1 - plan.passed());
        let unavailable = Failure::unavailable(None);
        match self {
            Self::Unavailable => plan.on(here, Fault::before(unavailable)),
            Self::Throttled => {
                let wait = Some(Duration::from_millis(2));
                plan.on(from_here.times(3), Fault::before(Failure::throttled(wait)));
            }
            Self::LosesReply => plan.on(here, Fault::after(unavailable)),
            Self::Stalls => plan.on(here, Fault::Stall(HOUR)),
            Self::Refuses => plan.on(here, Fault::before(Failure::permanent(ErrorKind::PermissionDenied))),
            Self::RefusesAfter => plan.on(here, Fault::after(Failure::permanent(ErrorKind::Unavailable))),
            Self::Vanishes => plan.on(from_here, Fault::before(unavailable)),
            Self::LosesReplies => plan.on(from_here, Fault::after(unavailable)),
            Self::StallsForGood => plan.on(from_here, Fault::Stall(HOUR)),
            Self::Duplicates => plan.on(here, Fault::Duplicate),
            Self::FlipsStored(at) | Self::FlipsRead(at) => plan.on(here, Fault::FlipBit(at)),
            Self::CutsStream => plan.on(here, Fault::CutStream(7)),
            Self::BreaksStream => plan.on(here, Fault::BreakStream(7, unavailable)),
            Self::StallsStream => plan.on(here, Fault::StallStream(7, HOUR)),
            Self::ListsStale => plan.on(here, Fault::HideNewest(1000)),
            Self::LosesParts => plan.on(here, Fault::before(Failure::permanent(ErrorKind::Conflict))),
        }
    }

    /// What the layers must hide from the user.
    pub(crate) fn is_overcome(self) -> bool {
        use Wrong::*;
        matches!(
            self,
            Unavailable
                | Throttled
                | LosesReply
                | Stalls
                | Duplicates
                | CutsStream
                | BreaksStream
                | StallsStream
                | ListsStale
                | LosesParts
        )
    }

    /// What strikes at the bytes of an object.
    pub(crate) fn is_of_bytes(self) -> bool {
        use Wrong::*;
        matches!(self, FlipsStored(_) | FlipsRead(_) | CutsStream | BreaksStream | StallsStream)
    }

    /// What no layer can see when it happens; the digests find it when it is read.
    pub(crate) fn is_damage(self) -> bool {
        matches!(self, Self::FlipsStored(_))
    }
}

/// The layers that a user has, in a hurry.
fn layers(wrong: Option<Wrong>, plan: &FaultPlan) -> Layers {
    let for_good = [Wrong::Vanishes, Wrong::LosesReplies, Wrong::StallsForGood];
    let attempts = if wrong.is_some_and(|wrong| for_good.contains(&wrong)) { 2 } else { 8 };
    let policy = RetryPolicy::default().attempts(attempts);
    let limit = Duration::from_millis(if wrong == Some(Wrong::StallsForGood) { 20 } else { 250 });
    Layers::new()
        .retry(policy.waits(Duration::from_millis(1), Duration::from_millis(4)))
        .timeout(Timeouts::default().call(limit).transfer(limit).sync(limit))
        .checksum()
        .fault(plan.clone())
}

/// Files of more than a few hundred bytes go up in parts.
pub(crate) fn config() -> EngineConfig {
    EngineConfig { upload_buffer_size: 300, ..one_at_a_time() }
}

async fn faulty(dir: &Path, memory: &MemoryFactory, wrong: Option<Wrong>, plan: &FaultPlan) -> World {
    let storage = Arc::new(memory.clone());
    open_layered(dir, storage, &FaultPlan::new(), layers(wrong, plan), config()).await.unwrap()
}

/// One run, over.
struct After {
    dir: PathBuf,
    /// The directory as the next process opens it, with a store that does no wrong.
    world: World,
    memory: MemoryFactory,
    repository: Arc<MemoryRepository>,
    wrong: Wrong,
    /// FINISHED, as opposed to CANCELLED or refused.
    finished: bool,
    /// What the user was told.
    said: String,
}

impl After {
    fn shared(&self) -> SharedRepository {
        self.repository.clone()
    }
}

/// Runs `sql` from `start` once for every call to the repository and every
/// wrong that fits it, then calls `check`. Prints and gives the number of points.
async fn at_every_call<F>(name: &str, start: &Start, sql: &str, check: impl Fn(After) -> F) -> u64
where
    F: Future<Output = ()>,
{
    let place = tempfile::tempdir().unwrap();
    let calls = {
        let dir = place.path().join("count");
        let memory = start.copy(&dir);
        let plan = FaultPlan::new();
        plan.record();
        faulty(&dir, &memory, None, &plan).await.done(sql).await;
        plan.log()
    };
    let (mut points, mut finished) = (0, 0);
    for call in &calls {
        for wrong in Wrong::at(call.point) {
            let dir = place.path().join(format!("run{points}"));
            let memory = start.copy(&dir);
            let plan = FaultPlan::new();
            wrong.strike(&plan, call.number);
            let outcome = faulty(&dir, &memory, Some(wrong), &plan).await.job(sql).await;
            let context = format!("{name}: call {call:?} of {}, {wrong:?}: {outcome:?}", calls.len());
            let (state, said) = match &outcome {
                Ok(record) => (record.state.clone(), job_status(record)),
                Err(refused) => ("REFUSED".to_owned(), refused.to_string()),
            };
            let after = After {
                world: open(&dir, &memory, &FaultPlan::new()).await.unwrap(),
                repository: memory.repository("mem://r/__rockhold_repository_r"),
                memory,
                dir: dir.clone(),
                wrong,
                finished: state == "FINISHED",
                said: said.clone(),
            };
            let checked = async {
                if after.finished {
                    assert_eq!(said, "[OK]", "a job that is FINISHED has nothing to say");
                } else {
                    assert!(!wrong.is_overcome(), "the layers hide this from the user");
                    assert!(said.len() > 20, "the reason is given");
                }
                finished += u64::from(after.finished);
                // Whoever writes next puts things right.
                after.world.store.become_writer().await.unwrap();
                after.world.store.reclaim().await.unwrap();
                no_job_is_left(&after.world).await;
                check(after).await;
            };
            let checked = std::panic::AssertUnwindSafe(checked);
            if let Err(panic) = futures::FutureExt::catch_unwind(checked).await {
                eprintln!("{context}");
                std::panic::resume_unwind(panic);
            }
            points += 1;
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
    println!(
        "{name}: {} calls, {points} points, {finished} of them FINISHED and {} CANCELLED",
        calls.len(),
        points - finished
    );
    points
}

/// Whether SHOW SNAPSHOT says of the label `s` that it is OK.
async fn is_listed(w: &World) -> bool {
    let rows = w.engine.show_snapshots("r", SnapshotFilter::Label("s".into())).await.unwrap();
    let rows = rows.collect().await.unwrap();
    rows.iter().any(|row| row[2].as_deref() == Some("OK"))
}

/// The snapshot `s` is whole: every byte of it verifies, its rows are `rows`,
/// nothing else lies in the repository, staged or stored.
async fn is_whole(after: &After, rows: &[String]) {
    after.world.done(&after.world.restore_statement("s", " AS copy").await).await;
    let mut copy = after.world.visible(&ObjectName::new("copy", "t")).await.unwrap();
    copy[0].clone_from(&rows[0]);
    assert_eq!(copy, rows, "the snapshot holds the rows");
    assert_eq!(orphans(&after.shared()).await.unwrap(), [], "nothing is left in the repository");
    assert_eq!(after.repository.staged(), [], "no unfinished upload is left in the repository");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_over_a_store_that_fails_stalls_and_lies_gives_a_whole_snapshot_or_the_reason() {
    let start = start_with_table().await;
    let rows = {
        let place = tempfile::tempdir().unwrap();
        let memory = start.copy(place.path());
        open(place.path(), &memory, &FaultPlan::new()).await.unwrap().visible(&table()).await.unwrap()
    };
    let points = at_every_call("backup", &start, BACKUP, |after| {
        let rows = rows.clone();
        async move {
            let w = &after.world;
            assert_eq!(w.visible(&table()).await.as_ref(), Some(&rows), "the warehouse is as it was");
            keeps_files(&after.world, &after.dir, rows.len() - 1).await;
            if after.finished && after.wrong.is_damage() {
                return damage_is_named(&after, &rows).await;
            }
            if !after.finished && is_listed(w).await {
                // The outcome was written, and nobody was there to say so.
                assert_eq!(after.wrong, Wrong::LosesReplies, "{}", after.said);
                assert!(after.said.contains("SHOW SNAPSHOT"), "{}", after.said);
            } else if !after.finished {
                clean_up(&after.shared(), "s").await.unwrap();
                assert_eq!(orphans(&after.shared()).await.unwrap(), [], "what was stored is removed");
                assert_eq!(after.repository.staged(), [], "what was staged is removed");
                w.done(BACKUP).await;
            }
            is_whole(&after, &rows).await;
        }
    })
    .await;
    assert!(points > 200, "{points}");
}

/// The store changed a bit under way. In a warehouse that has none of the
/// files, RESTORE gives the rows where they do not depend on that bit; else it
/// says where the damage is and restores nothing. Dropped and backed up again,
/// everything is there.
async fn damage_is_named(after: &After, rows: &[String]) {
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path(), &after.memory, &FaultPlan::new()).await.unwrap();
    other.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    damage_is_named_by(&other, &after.world, &after.shared(), &[(table(), rows.to_vec())]).await;
}

/// As `damage_is_named`, over any store; `other` has the repository and no files.
pub(crate) async fn damage_is_named_by(
    other: &World,
    w: &World,
    repository: &SharedRepository,
    rows: &[(ObjectName, Vec<String>)],
) {
    let has_all = async || {
        for (table, rows) in rows {
            assert_eq!(other.visible(table).await.as_ref(), Some(rows), "{table}");
        }
    };
    let verified = referenced(repository).await;
    if is_listed(other).await {
        let restored = other.job(&other.restore_statement("s", "").await).await;
        let said = match &restored {
            Ok(record) if record.state == "FINISHED" => {
                verified.unwrap();
                return has_all().await;
            }
            Ok(record) => job_status(record),
            Err(refused) => refused.to_string(),
        };
        let key = verified.unwrap_err().key().map(ToString::to_string).unwrap();
        assert!(said.contains(&key), "{said} names {key}");
        assert!(other.store.list_databases().await.unwrap().is_empty(), "nothing is restored");
    } else {
        verified.unwrap_err();
    }
    w.sql("DROP SNAPSHOT s ON r").await.unwrap();
    w.done(BACKUP).await;
    // A damaged file is not used again.
    other.done(&other.restore_statement("s", "").await).await;
    has_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_backup_over_a_store_that_fails_stalls_and_lies_leaves_the_first_alone() {
    let start = start_with_table().await;
    let rows = {
        let w = open(start.dir.path(), &start.memory, &FaultPlan::new()).await.unwrap();
        w.done("BACKUP DATABASE d SNAPSHOT first TO r").await;
        w.load_into(&table(), 20, |name| name == "p001").await;
        w.visible(&table()).await.unwrap()
    };
    let points = at_every_call("second backup", &start, BACKUP, |after| {
        let rows = rows.clone();
        async move {
            let w = &after.world;
            if after.finished && after.wrong.is_damage() {
                return damage_is_named(&after, &rows).await;
            }
            if !after.finished && !is_listed(w).await {
                clean_up(&after.shared(), "s").await.unwrap();
                assert_eq!(orphans(&after.shared()).await.unwrap(), [], "what was stored is removed");
                w.done(BACKUP).await;
            }
            is_whole(&after, &rows).await;
            w.done(&w.restore_statement("first", " AS old").await).await;
            assert_eq!(w.visible(&ObjectName::new("old", "t")).await.unwrap().len(), rows.len() - 1);
        }
    })
    .await;
    assert!(points > 200, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_over_a_store_that_fails_stalls_and_lies_gives_the_old_rows_or_the_new_ones() {
    let start = start_with_table().await;
    let (backed_up, changed, restore) = {
        let w = open(start.dir.path(), &start.memory, &FaultPlan::new()).await.unwrap();
        w.done(BACKUP).await;
        let backed_up = w.visible(&table()).await.unwrap();
        let truncate = rockhold_warehouse_store::Change::TruncatePartitions { table: table(), names: None };
        w.store.change(truncate).await.unwrap();
        w.store.reclaim().await.unwrap();
        w.load_into(&table(), 70, |name| name == "p001").await;
        (backed_up, w.visible(&table()).await.unwrap(), w.restore_statement("s", "").await)
    };
    assert_ne!(backed_up, changed);
    let again = restore.clone();
    let points = at_every_call("restore", &start, &restore, |after| {
        let (backed_up, changed, again) = (backed_up.clone(), changed.clone(), again.clone());
        async move {
            let w = &after.world;
            let found = w.visible(&table()).await.expect("the table stays");
            if after.finished {
                assert_eq!(found, backed_up);
            } else {
                assert_eq!(found, changed, "{}", after.said);
                keeps_files(&after.world, &after.dir, changed.len() - 1).await;
                w.done(&again).await;
                assert_eq!(w.visible(&table()).await.unwrap(), backed_up);
            }
            keeps_files(&after.world, &after.dir, backed_up.len() - 1).await;
            assert_eq!(orphans(&after.shared()).await.unwrap(), [], "a restore writes nothing");
        }
    })
    .await;
    assert!(points > 100, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_listing_never_gives_two_backups_one_label() {
    let start = start_with_table().await;
    let plan = FaultPlan::new();
    let w = faulty(start.dir.path(), &start.memory, None, &plan).await;
    w.done(BACKUP).await;
    let repository = start.memory.repository("mem://r/__rockhold_repository_r");
    let label = |repository: &MemoryRepository| {
        let mut objects = repository.objects();
        objects.retain(|key, _| key.starts_with(&Key::new("labels/s/1").unwrap()));
        objects
    };
    let before = label(&repository);
    plan.on(Scope::operation(Operation::List), Fault::HideNewest(1000));
    let refused = w.job(BACKUP).await.unwrap_err().to_string();
    assert!(refused.contains("Snapshot with name 's' already exist in repository"), "{refused}");
    assert_eq!(label(&repository), before);
    let hidden = repository.list(rockhold_core::ListRequest::below(Key::new("labels").unwrap())).await;
    assert!(!hidden.unwrap().objects.is_empty(), "the store itself has them all");
}
