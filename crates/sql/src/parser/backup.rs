//! Repositories, BACKUP, RESTORE and what watches them.

use super::cursor::IDENTIFIER;
use super::{Reader, Result};
use crate::SqlError;
use crate::ast::{
    Backup, CancelJob, CancelTarget, CatalogClause, CatalogItem, CreateRepository, DropRepository,
    DropSnapshot, Ident, JobKind, KindRef, ObjectItem, ObjectSelection, PartitionList, Restore, ShowJobs,
    ShowSnapshots, SnapshotName, Statement,
};
use crate::keywords::is_reserved;
use crate::kinds::KindWords;
use crate::lexer::TokenKind;

const DATABASE_TWICE: &str = "Specifying dbName before snapshot name is forbidden if the DbName is specified \
                              explicitly in BACKUP/RESTORE";

impl Reader<'_> {
    /// Behind `CREATE [READ ONLY]`, at REPOSITORY.
    pub(super) fn create_repository(&mut self, read_only: bool) -> Result<Statement> {
        self.expect_word("REPOSITORY")?;
        let name = self.ident()?;
        self.expect_word("WITH")?;
        self.expect_word("BROKER")?;
        let broker = if self.is_word("ON") { None } else { Some(self.ident_or_text()?) };
        self.expect_word("ON")?;
        self.expect_word("LOCATION")?;
        let location = self.text()?;
        let properties = self.properties()?;
        Ok(Statement::CreateRepository(CreateRepository { read_only, name, broker, location, properties }))
    }

    /// Behind DROP, at REPOSITORY.
    pub(super) fn drop_repository(&mut self) -> Result<Statement> {
        self.bump();
        Ok(Statement::DropRepository(DropRepository { name: self.ident()? }))
    }

    /// Behind DROP, at SNAPSHOT.
    pub(super) fn drop_snapshot(&mut self) -> Result<Statement> {
        self.bump();
        let label = self.ident()?;
        self.expect_word("ON")?;
        let repository = self.ident()?;
        let force = self.eat_word("FORCE");
        Ok(Statement::DropSnapshot(DropSnapshot { label, repository, force }))
    }

    pub(super) fn backup(&mut self) -> Result<Statement> {
        self.expect_word("BACKUP")?;
        let catalogs = self.catalog_clause(false)?;
        let database = if self.eat_word("DATABASE") { Some(self.ident()?) } else { None };
        self.expect_word("SNAPSHOT")?;
        let snapshot = self.snapshot_name()?;
        self.expect_word("TO")?;
        let repository = self.ident()?;
        let items = self.object_items()?;
        let properties = self.properties()?;

        if database.is_some() && snapshot.database.is_some() {
            return Err(SqlError::syntax_rule(DATABASE_TWICE));
        }
        if catalogs.is_some() {
            refuse_with_catalogs(database.is_some() || snapshot.database.is_some(), items.is_some())?;
        }
        for item in items.iter().flatten() {
            if let ObjectSelection::Named { alias: Some(alias), .. } = &item.selection {
                return Err(SqlError::syntax(
                    "Specifying alias for backup object is forbidden in BACKUP stmt",
                    alias.span,
                ));
            }
        }
        Ok(Statement::Backup(Box::new(Backup {
            catalogs,
            database,
            snapshot,
            repository,
            items,
            properties,
        })))
    }

    pub(super) fn restore(&mut self) -> Result<Statement> {
        self.expect_word("RESTORE")?;
        self.expect_word("SNAPSHOT")?;
        let snapshot = self.snapshot_name()?;
        self.expect_word("FROM")?;
        let repository = self.ident()?;
        let catalogs = self.catalog_clause(true)?;
        let mut database = None;
        let mut database_alias = None;
        if self.eat_word("DATABASE") {
            database = Some(self.ident()?);
            database_alias = self.alias()?;
        }
        let items = self.object_items()?;
        let properties = self.properties()?;

        if database.is_some() && snapshot.database.is_some() {
            return Err(SqlError::syntax_rule(DATABASE_TWICE));
        }
        if catalogs.is_some() {
            refuse_with_catalogs(database.is_some() || snapshot.database.is_some(), items.is_some())?;
        } else if items.is_some() && database.is_none() && snapshot.database.is_none() {
            return Err(SqlError::syntax_rule(
                "ON clause is forbidden in RESTORE if no database is specified: add DATABASE db",
            ));
        }
        Ok(Statement::Restore(Box::new(Restore {
            snapshot,
            repository,
            catalogs,
            database,
            database_alias,
            items,
            properties,
        })))
    }

    /// `ALL EXTERNAL CATALOGS`, `EXTERNAL CATALOG[S] (…)`, or nothing.
    fn catalog_clause(&mut self, aliases: bool) -> Result<Option<CatalogClause>> {
        if self.eat_word("ALL") {
            self.expect_word("EXTERNAL")?;
            self.expect_word("CATALOGS")?;
            return Ok(Some(CatalogClause::All));
        }
        if !self.eat_word("EXTERNAL") {
            return Ok(None);
        }
        self.expect_any(&["CATALOG", "CATALOGS"])?;
        let items = self.parenthesized(|reader| {
            let name = reader.ident()?;
            let alias = if aliases { reader.alias()? } else { None };
            Ok(CatalogItem { name, alias })
        })?;
        Ok(Some(CatalogClause::List(items)))
    }

    fn snapshot_name(&mut self) -> Result<SnapshotName> {
        let mut parts = self.object_name()?.parts;
        let whole = parts.iter().map(Ident::as_str).collect::<Vec<_>>().join(".");
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(label), database, None) => Ok(SnapshotName { database, label }),
            _ => Err(SqlError::syntax_rule(format!("Invalid table name format '{whole}'"))),
        }
    }

    fn alias(&mut self) -> Result<Option<Ident>> {
        if self.eat_word("AS") { Ok(Some(self.ident()?)) } else { Ok(None) }
    }

    fn object_items(&mut self) -> Result<Option<Vec<ObjectItem>>> {
        if !self.eat_word("ON") {
            return Ok(None);
        }
        Ok(Some(self.parenthesized(|reader| reader.object_item())?))
    }

    fn object_item(&mut self) -> Result<ObjectItem> {
        let start = self.at;
        if self.eat_word("ALL") {
            let Some((kind, words)) = self.kind_words(|_| true) else {
                return Err(self.unexpected(&self.kind_names()));
            };
            let item = ObjectItem {
                kind: Some(KindRef { id: kind.id.clone(), words: kind.plural.join(" ") }),
                selection: ObjectSelection::All,
                span: self.tokens.get(start).map(|token| token.span).unwrap_or_default(),
            };
            (0..words).for_each(|_| self.bump());
            return Ok(ObjectItem { span: self.span_from(start), ..item });
        }
        // The words of a kind may also be a name: `ON (view)`. They are a kind
        // when a name follows, or when they can be no name.
        let kind =
            self.kind_words(|reader_at| self.is_ident_nth(reader_at) && !self.is_partition_nth(reader_at));
        let kind = match kind {
            Some((kind, words)) => {
                let kind = kind.clone();
                (0..words).for_each(|_| self.bump());
                Some(kind)
            }
            None => None,
        };
        let name_start = self.at;
        let name = self.object_name()?;
        let partitions = match &kind {
            Some(kind) if !kind.partitions => None,
            _ => self.partition_list()?,
        };
        let alias = self.alias()?;
        let span = self.span_from(name_start);
        Ok(ObjectItem {
            kind: kind.map(|kind| KindRef { words: kind.singular.join(" "), id: kind.id }),
            selection: ObjectSelection::Named { name, partitions, alias, span },
            span: self.span_from(start),
        })
    }

    /// The kind whose words stand here, with their number; the longest match
    /// for which `accept` (of the position behind the words) holds.
    fn kind_words(&self, accept: impl Fn(usize) -> bool) -> Option<(&KindWords, usize)> {
        self.kinds
            .iter()
            .flat_map(|kind| [(kind, &kind.singular), (kind, &kind.plural)])
            .filter(|(_, words)| {
                !words.is_empty()
                    && words.iter().enumerate().all(|(n, word)| self.is_word_nth(n, word))
                    && (accept(words.len()) || words.first().is_some_and(|word| is_reserved(word)))
            })
            .max_by_key(|(_, words)| words.len())
            .map(|(kind, words)| (kind, words.len()))
    }

    fn kind_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.kinds.iter().filter_map(|kind| kind.plural.first()).map(String::as_str).collect();
        names.dedup();
        names
    }

    /// Whether `TEMPORARY PARTITION` stands there: behind a name, not a name.
    fn is_partition_nth(&self, n: usize) -> bool {
        self.is_word_nth(n, "TEMPORARY")
            && (self.is_word_nth(n + 1, "PARTITION") || self.is_word_nth(n + 1, "PARTITIONS"))
    }

    /// `[TEMPORARY] PARTITION[S] (name, …)`, also without parentheses.
    pub(super) fn partition_list(&mut self) -> Result<Option<PartitionList>> {
        let start = self.at;
        let is_list = self.is_word("PARTITION")
            || (self.is_word("PARTITIONS") && !self.is_symbol_nth(1, "."))
            || self.is_partition_nth(0);
        if !is_list {
            return Ok(None);
        }
        let temporary = self.eat_word("TEMPORARY");
        self.expect_any(&["PARTITION", "PARTITIONS"])?;
        let mut values = Vec::new();
        let names = if self.eat_symbol("(") {
            if self.is_ident_nth(0) && self.is_symbol_nth(1, "=") {
                values = self.comma_list(|reader| {
                    let column = reader.ident()?;
                    reader.expect_symbol("=")?;
                    Ok((column, reader.expression()?))
                })?;
                self.close_list()?;
                Vec::new()
            } else {
                let names = self.comma_list(|reader| reader.partition_name())?;
                self.close_list()?;
                names
            }
        } else {
            self.comma_list(|reader| reader.partition_name())?
        };
        Ok(Some(PartitionList { temporary, names, values, span: self.span_from(start) }))
    }

    /// A partition's name, which may be written as a string.
    fn partition_name(&mut self) -> Result<Ident> {
        let token = self.peek();
        match &token.kind {
            TokenKind::Text(text) => {
                let ident = Ident { value: text.clone(), quoted: true, span: token.span };
                self.bump();
                Ok(ident)
            }
            TokenKind::Word(_) | TokenKind::Quoted(_) => self.ident(),
            _ => Err(self.unexpected(&[IDENTIFIER])),
        }
    }

    pub(super) fn cancel(&mut self, start: usize) -> Result<Statement> {
        self.bump();
        let kind = match self.eat_any(&["BACKUP", "RESTORE"]) {
            Some("BACKUP") => JobKind::Backup,
            Some(_) => JobKind::Restore,
            None => return self.cancel_other(start),
        };
        let target = if self.eat_any(&["FROM", "IN"]).is_some() {
            Some(CancelTarget::Database(self.ident()?))
        } else if self.eat_word("FOR") {
            self.expect_word("EXTERNAL")?;
            self.expect_word("CATALOG")?;
            Some(CancelTarget::ExternalCatalog)
        } else {
            None
        };
        Ok(Statement::CancelJob(CancelJob { kind, target }))
    }

    /// Behind SHOW, at BACKUP or RESTORE.
    pub(super) fn show_jobs(&mut self, kind: JobKind) -> Result<Statement> {
        self.bump();
        let database = if self.eat_any(&["FROM", "IN"]).is_some() { Some(self.ident()?) } else { None };
        let filter =
            if kind == JobKind::Restore && self.eat_word("WHERE") { Some(self.expression()?) } else { None };
        Ok(Statement::ShowJobs(ShowJobs { kind, database, filter }))
    }

    /// Behind SHOW, at SNAPSHOT.
    pub(super) fn show_snapshots(&mut self) -> Result<Statement> {
        self.bump();
        self.expect_word("ON")?;
        let repository = self.ident()?;
        let filter = if self.eat_word("WHERE") { Some(self.expression()?) } else { None };
        Ok(Statement::ShowSnapshots(ShowSnapshots { repository, filter }))
    }
}

fn refuse_with_catalogs(database: bool, items: bool) -> Result<()> {
    if database {
        return Err(SqlError::syntax_rule("Cannot specify database for external catalog BACKUP/RESTORE"));
    }
    if items {
        return Err(SqlError::syntax_rule("Cannot specify ON clause for external catalog BACKUP/RESTORE"));
    }
    Ok(())
}
