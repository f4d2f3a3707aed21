//! ALTER TABLE. All clauses of a statement happen in one transaction.

use super::super::error::of_store;
use super::super::materialized::{Event, noted};
use super::super::session::{Session, unknown_table};
use super::table::{cluster, plain_table_of};
use super::to_value;
use rockhold_core::{Namespace, ObjectName, Outcome};
use rockhold_model::{Partition, Partitioning, TableDefinition};
use rockhold_sql::analyze::{add_partitions, names};
use rockhold_sql::ast::{AlterClause, AlterTable, Ident};
use rockhold_sql::{SqlError, rename_base_of_rollups};
use rockhold_warehouse_store::Change;

/// Runs the clauses.
pub(super) async fn run(session: &Session, statement: &AlterTable) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    let definition = plain_table_of(session, &name, "ALTER TABLE").await?;
    let partitions = partitions_of(session, &name).await?;
    let mut alteration = Alteration { session, name, definition, partitions, changes: Vec::new() };
    let swaps = statement.clauses.iter().any(|clause| matches!(clause, AlterClause::Swap { .. }));
    if swaps && statement.clauses.len() > 1 {
        return Err(SqlError::execute(
            "Alter operation SWAP conflicts with the other operations; give SWAP WITH a statement of its own",
        ));
    }
    for clause in &statement.clauses {
        alteration.clause(clause).await?;
    }
    let changes = alteration.changes;
    if !changes.is_empty() {
        session.store.apply(changes).await.map_err(of_store)?;
    }
    Ok(Outcome::done())
}

async fn partitions_of(session: &Session, name: &ObjectName) -> Result<Vec<Partition>, SqlError> {
    let partitions = session.store.list_partitions(name).await.map_err(of_store)?;
    Ok(partitions.into_iter().map(|partition| partition.definition).collect())
}

/// The table as the clauses so far leave it.
struct Alteration<'a> {
    session: &'a Session,
    name: ObjectName,
    definition: TableDefinition,
    partitions: Vec<Partition>,
    changes: Vec<Change>,
}

impl Alteration<'_> {
    async fn clause(&mut self, clause: &AlterClause) -> Result<(), SqlError> {
        match clause {
            AlterClause::AddRangePartition { .. } | AlterClause::AddListPartition { .. } => {
                let added =
                    add_partitions(&self.definition, &self.partitions, clause, &cluster(self.session))?;
                self.partitions.extend(added.iter().cloned());
                if !added.is_empty() {
                    let table = self.name.clone();
                    self.changes.push(Change::AddPartitions { table, partitions: added });
                }
                Ok(())
            }
            AlterClause::DropPartition { temporary, if_exists, names, .. } => {
                self.drop_partitions(*temporary, *if_exists, names)
            }
            AlterClause::RenamePartition { from, to } => self.rename_partition(from.as_str(), to.as_str()),
            AlterClause::Rename { name } => {
                names::check_table(name.as_str())?;
                if self.name.name == name.as_str() {
                    return Err(SqlError::execute(format!("Same table name {name}")));
                }
                let to = ObjectName::new(&self.name.database, name.as_str());
                self.definition = rename(&mut self.changes, &self.name, &to, &self.definition)?;
                let old = std::mem::replace(&mut self.name, to);
                self.changes.extend(noted(self.session, &[old], Event::Renamed).await?);
                Ok(())
            }
            AlterClause::Swap { with } => self.swap(with).await,
            AlterClause::ReplacePartition { partitions, with, properties } => {
                let keep_names = properties
                    .as_ref()
                    .is_none_or(|p| p.get("use_temp_partition_name").is_none_or(|v| v != "true"));
                let old: Vec<&str> = partitions.names.iter().map(Ident::as_str).collect();
                let new: Vec<&str> = with.names.iter().map(Ident::as_str).collect();
                self.replace(&old, &new, keep_names)
            }
            AlterClause::Set { properties } => {
                for (key, value) in properties.effective() {
                    let key = key.strip_prefix("default.").unwrap_or(&key).to_owned();
                    self.definition.properties.insert(key, value);
                }
                self.definition.properties.sort_keys();
                self.define()
            }
            AlterClause::Comment { comment } => {
                self.definition.comment.clone_from(comment);
                self.define()
            }
            AlterClause::ModifyColumnComment { name, comment } => {
                let table = self.definition.name.clone();
                let at = self.definition.column_index(name.as_str()).ok_or_else(|| {
                    SqlError::analyze(format!("Column '{name}' does not exist in table {table}"))
                })?;
                if let Some(column) = self.definition.columns.get_mut(at) {
                    column.comment.clone_from(comment);
                }
                self.define()
            }
            AlterClause::ModifyPartition { partitions, properties } => {
                let names: Vec<String> = match partitions {
                    Some(names) => names.iter().map(|name| name.value.clone()).collect(),
                    None => self.partitions.iter().filter(|p| !p.temporary).map(|p| p.name.clone()).collect(),
                };
                for name in names {
                    let mut definition = self.partition(&name, false)?.clone();
                    definition.properties.extend(properties.effective());
                    self.set_partition(&name, definition);
                }
                Ok(())
            }
            other => Err(SqlError::analyze(format!(
                "the embedded warehouse does not run ALTER TABLE … {}; make a new table and load it",
                other.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
            ))),
        }
    }

    fn partition(&self, name: &str, temporary: bool) -> Result<&Partition, SqlError> {
        self.partitions
            .iter()
            .find(|p| p.temporary == temporary && p.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let word = if temporary { "temporary partition" } else { "partition" };
                SqlError::execute(format!("Unknown {word} '{name}' in table '{}'", self.definition.name))
            })
    }

    fn drop_partitions(&mut self, temporary: bool, lenient: bool, names: &[Ident]) -> Result<(), SqlError> {
        if self.definition.partitioning == Partitioning::Unpartitioned {
            return Err(SqlError::execute(format!(
                "Table {} is not partitioned; use TRUNCATE TABLE or DROP TABLE",
                self.definition.name
            )));
        }
        let mut found = Vec::new();
        for name in names {
            match self.partition(name.as_str(), temporary) {
                Ok(partition) => found.push(partition.name.clone()),
                Err(_) if lenient => {}
                Err(error) => return Err(error),
            }
        }
        self.partitions.retain(|p| p.temporary != temporary || !found.contains(&p.name));
        if !found.is_empty() {
            let table = self.name.clone();
            self.changes.push(Change::DropPartitions { table, names: found, temporary });
        }
        Ok(())
    }

    fn set_partition(&mut self, name: &str, definition: Partition) {
        if let Some(known) =
            self.partitions.iter_mut().find(|p| !p.temporary && p.name.eq_ignore_ascii_case(name))
        {
            *known = definition.clone();
        }
        self.changes.push(Change::SetPartition {
            table: self.name.clone(),
            name: name.to_owned(),
            temporary: false,
            definition,
        });
    }

    fn rename_partition(&mut self, from: &str, to: &str) -> Result<(), SqlError> {
        if self.definition.partitioning == Partitioning::Unpartitioned {
            return Err(SqlError::execute(format!(
                "Table {} is not partitioned; its only partition has the table's name",
                self.definition.name
            )));
        }
        names::check_partition(to)?;
        if !from.eq_ignore_ascii_case(to) && self.partition(to, false).is_ok() {
            return Err(SqlError::execute(format!("Partition name[{to}] is already used")));
        }
        let definition = Partition { name: to.to_owned(), ..self.partition(from, false)?.clone() };
        self.set_partition(from, definition);
        Ok(())
    }

    fn replace(&mut self, old: &[&str], new: &[&str], keep_names: bool) -> Result<(), SqlError> {
        let mut gone = Vec::new();
        for name in old {
            gone.push(self.partition(name, false)?.clone());
        }
        let keep_names = keep_names && old.len() == new.len();
        let mut come = Vec::new();
        for (position, name) in new.iter().enumerate() {
            let temporary = self.partition(name, true)?.clone();
            let kept = gone.get(position).filter(|_| keep_names);
            let definition = Partition {
                name: kept.map_or_else(|| temporary.name.clone(), |p| p.name.clone()),
                temporary: false,
                ..temporary.clone()
            };
            come.push((temporary.name, definition));
        }
        let mut before: Vec<_> = gone.iter().map(|p| format!("{:?}", p.value)).collect();
        let mut after: Vec<_> = come.iter().map(|(_, p)| format!("{:?}", p.value)).collect();
        before.sort();
        after.sort();
        if before != after {
            return Err(SqlError::execute(
                "The partitions to replace and the temporary partitions must hold the same ranges or values",
            ));
        }
        let old: Vec<String> = gone.iter().map(|p| p.name.clone()).collect();
        self.partitions
            .retain(|p| !(gone.contains(p) || p.temporary && come.iter().any(|(n, _)| *n == p.name)));
        self.partitions.extend(come.iter().map(|(_, p)| p.clone()));
        self.changes.push(Change::ReplacePartitions { table: self.name.clone(), old, new: come });
        Ok(())
    }

    async fn swap(&mut self, with: &Ident) -> Result<(), SqlError> {
        let other = ObjectName::new(&self.name.database, with.as_str());
        if self.session.find(&other).await?.is_none() {
            return Err(unknown_table(&other));
        }
        let theirs = plain_table_of(self.session, &other, "ALTER TABLE … SWAP").await?;
        let id = rockhold_core::JobId::random().map_err(of_store)?;
        let between = ObjectName::new(&self.name.database, format!("__rh_swap_{id}"));
        let aside = rename(&mut self.changes, &self.name, &between, &self.definition)?;
        rename(&mut self.changes, &other, &self.name, &theirs)?;
        rename(&mut self.changes, &between, &other, &aside)?;
        self.changes.extend(noted(self.session, &[self.name.clone(), other], Event::Swapped).await?);
        Ok(())
    }

    fn define(&mut self) -> Result<(), SqlError> {
        self.changes.push(Change::SetDefinition {
            namespace: Namespace::Relation,
            name: self.name.clone(),
            definition: to_value(&self.definition)?,
            rows_change: false,
        });
        Ok(())
    }
}

/// Renames a table and gives its new definition. The only partition of an
/// unpartitioned one and the queries of synchronous materialized views follow.
fn rename(
    changes: &mut Vec<Change>,
    from: &ObjectName,
    to: &ObjectName,
    definition: &TableDefinition,
) -> Result<TableDefinition, SqlError> {
    let mut renamed = TableDefinition { name: to.name.clone(), ..definition.clone() };
    rename_base_of_rollups(&mut renamed.rollups, from, to).map_err(of_store)?;
    changes.push(Change::RenameObject {
        namespace: Namespace::Relation,
        name: from.clone(),
        to: to.clone(),
        definition: to_value(&renamed)?,
    });
    if definition.partitioning == Partitioning::Unpartitioned {
        changes.push(Change::SetPartition {
            table: to.clone(),
            name: from.name.clone(),
            temporary: false,
            definition: Partition::new(to.name.clone(), rockhold_model::PartitionValue::All),
        });
    }
    Ok(renamed)
}
