//! EXPLAIN BACKUP and EXPLAIN RESTORE: the plan, without doing it.
//!
//! Nothing is changed and no label is claimed. A backup's objects are pinned
//! for as long as they are looked at, so that the answer is of one instant.

use crate::backup::{Amounts, Bases, EstimateSink, KnownFiles, PreparedBackup};
use crate::error::from_core;
use crate::job::guarantee_note;
use crate::restore::{PreparedRestore, estimate};
use crate::{BackupRequest, CancelToken, Engine, RestoreRequest};
use rockhold_core::format::SnapshotKind;
use rockhold_core::{
    Cut, Guarantee, JobId, KindId, LiveObject, ObjectName, PinRequest, RestoreAction, RestoreOptions, Result,
    Row, Rows,
};
use rockhold_sql::SqlError;
use std::collections::BTreeSet;

/// The columns of both statements.
const COLUMNS: [&str; 10] =
    ["Step", "Kind", "Object", "Target", "Action", "Partitions", "Files", "Bytes", "BytesToMove", "Detail"];

/// The rows so far: one for each object in order, then what is said of the whole.
#[derive(Default)]
struct Plan {
    rows: Vec<Row>,
    totals: Amounts,
}

impl Plan {
    fn object(
        &mut self,
        kind: String,
        (object, target): (&ObjectName, Option<&ObjectName>),
        action: &str,
        amounts: Amounts,
        detail: Option<String>,
    ) {
        self.totals.add(&amounts);
        let step = self.rows.len() + 1;
        self.rows.push(vec![
            Some(step.to_string()),
            Some(kind),
            Some(object.to_string()),
            target.map(ObjectName::to_string),
            Some(action.to_owned()),
            Some(amounts.partitions.to_string()),
            Some(amounts.files.to_string()),
            Some(amounts.bytes.to_string()),
            Some(amounts.bytes_to_move.to_string()),
            detail,
        ]);
    }

    fn total(&mut self, verb: &str) {
        let totals = self.totals;
        let mut row: Row = vec![None; COLUMNS.len()];
        let cells = [
            (0, "total".to_owned()),
            (5, totals.partitions.to_string()),
            (6, totals.files.to_string()),
            (7, totals.bytes.to_string()),
            (8, totals.bytes_to_move.to_string()),
            (9, format!("{} of {} files must be {verb}", totals.files_to_move, totals.files)),
        ];
        for (place, text) in cells {
            if let Some(cell) = row.get_mut(place) {
                *cell = Some(text);
            }
        }
        self.rows.push(row);
    }

    fn say(&mut self, step: &str, detail: String) {
        let mut row: Row = vec![None; COLUMNS.len()];
        if let [first, .., last] = row.as_mut_slice() {
            *first = Some(step.to_owned());
            *last = Some(detail);
        }
        self.rows.push(row);
    }

    fn rows(self) -> Rows {
        Rows::text(&COLUMNS, self.rows)
    }
}

fn word(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::Whole => "whole",
        Guarantee::PerTable => "per table",
    }
}

impl Engine {
    /// EXPLAIN BACKUP.
    ///
    /// # Errors
    /// Those of the statement itself; what would refuse only its job is a row.
    pub async fn explain_backup(&self, request: &BackupRequest) -> Result<Rows, SqlError> {
        let prepared = self.prepare_backup(request).await?;
        let mut plan = Plan::default();
        let id = JobId::random().map_err(from_core)?;
        // A pin that is left behind by a failure ends with its lease.
        let requests: Vec<PinRequest> = prepared.selected.iter().map(|s| s.pin_request()).collect();
        let cut = self.0.warehouse.pin(id, requests).await.map_err(from_core)?;
        let measured = self.measure_backup(&prepared, &*cut, &mut plan).await;
        drop(cut);
        self.0.warehouse.release(id).await.map_err(from_core)?;
        let notes = measured.map_err(from_core)?;
        plan.total("uploaded");
        plan.say("guarantee", format!("cut: {}", word(self.0.warehouse.guarantees().cut)));
        for note in prepared.notes.into_iter().chain(notes) {
            plan.say("note", note);
        }
        for refused in [
            self.require_free_label(&prepared.opened, request).await,
            self.require_free_slot(&prepared.database).await,
        ] {
            if let Err(error) = refused {
                plan.say("conflict", error.to_string());
            }
        }
        Ok(plan.rows())
    }

    async fn measure_backup(
        &self,
        prepared: &PreparedBackup,
        cut: &dyn Cut,
        plan: &mut Plan,
    ) -> Result<Vec<String>> {
        let (opened, cancel) = (&prepared.opened, CancelToken::default());
        let base_refs = match prepared.kind {
            SnapshotKind::Database if prepared.reuse => self.bases(opened, &prepared.database).await?,
            SnapshotKind::Database | SnapshotKind::ExternalCatalogs => Vec::new(),
        };
        let wanted: BTreeSet<(KindId, ObjectName)> =
            prepared.selected.iter().map(|s| (s.kind.clone(), s.name.clone())).collect();
        let (bases, notes) = Bases::read(opened, &base_refs, &wanted, &cancel).await?;
        let known = KnownFiles {
            repository: opened.repository.clone(),
            repository_id: opened.document.id,
            state: self.0.state.clone(),
            cancel,
            trusted: base_refs.iter().map(|b| b.job).collect(),
            // What a dead job left is known when its label is claimed.
            adopted: BTreeSet::new(),
        };
        for (index, object) in cut.objects().iter().enumerate() {
            let amounts = self.measure_object(cut, index, object, &known, &bases).await?;
            let action = match (amounts.bytes_to_move, amounts.files) {
                (1.., _) => "upload",
                (0, 1..) => "reference",
                (0, 0) => "record",
            };
            plan.object(self.kind_words(&object.kind), (&object.name, None), action, amounts, None);
        }
        Ok(notes)
    }

    async fn measure_object(
        &self,
        cut: &dyn Cut,
        index: usize,
        object: &LiveObject,
        known: &KnownFiles,
        bases: &Bases,
    ) -> Result<Amounts> {
        let Some(writer) = self.writer(&object.kind) else { return Ok(Amounts::default()) };
        let document = self.codec(&object.kind)?.encode(object)?;
        let base = bases.of(&object.kind, &object.name).map(|entry| entry.partitions.clone());
        let mut sink = EstimateSink::new(cut, known, object.name.clone(), base);
        writer.write(cut, index, &document, &mut sink).await?;
        sink.finish().await
    }

    /// EXPLAIN RESTORE.
    ///
    /// # Errors
    /// Those of the statement itself; what would refuse only its job is a row.
    pub async fn explain_restore(&self, request: &RestoreRequest) -> Result<Rows, SqlError> {
        let PreparedRestore { database, job } = self.prepare_restore(request, false).await?;
        let options = RestoreOptions::new(request.replication_num);
        let repository = &job.opened.repository;
        let planning = self
            .plan_restore(repository, &database, &job.chosen, &job.entries, &options)
            .await
            .map_err(from_core)?;
        let mut plan = Plan::default();
        let mut conflicts: Vec<String> = planning.circle.iter().map(ToString::to_string).collect();
        for step in &planning.steps {
            let amounts = estimate(self, repository, &step.planned).await.map_err(from_core)?;
            let renamed = step.planned.entry.name != step.target;
            let (action, detail) = match &step.decision {
                Ok(target) => {
                    let action = match target.action {
                        RestoreAction::Create => "create",
                        RestoreAction::Merge => "merge",
                        RestoreAction::Replace => "replace",
                    };
                    (action, renamed.then(|| "renamed".to_owned()))
                }
                Err(error) => {
                    conflicts.push(error.to_string());
                    ("refused", Some(error.to_string()))
                }
            };
            let kind = self.kind_words(&step.kind);
            plan.object(kind, (&step.planned.entry.name, Some(&step.target)), action, amounts, detail);
        }
        plan.total("downloaded");
        let commit = self.0.warehouse.guarantees().commit;
        plan.say(
            "guarantee",
            format!(
                "{} (cut of the snapshot: {}, commit: {})",
                word(job.cut.min(commit)),
                word(job.cut),
                word(commit)
            ),
        );
        let databases = self.0.warehouse.databases().await.map_err(from_core)?;
        if !database.is_empty() && !databases.contains(&database) {
            plan.say("note", format!("database {database} will be created"));
        }
        for note in planning.notes.into_iter().chain(guarantee_note(job.cut.min(commit))) {
            plan.say("note", note);
        }
        if let Err(error) = self.require_free_slot(&database).await {
            conflicts.push(error.to_string());
        }
        for conflict in conflicts {
            plan.say("conflict", conflict);
        }
        Ok(plan.rows())
    }
}
