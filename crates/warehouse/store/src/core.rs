//! The connections to the catalog, and the two ways to write to it.

use crate::catalog::{meta, schema};
use crate::error::{Failure, Outcome, from_sqlite};
use crate::fault::Faults;
use crate::layout::{Found, Layout, make_dir, missing};
use crate::lock::WriterLock;
use crate::options::OpenOptions;
use crate::owner::Owner;
use crate::{data, recover, zone};
use chrono_tz::Tz;
use rockhold_core::{ClusterId, Error, ErrorKind, JobId, Result, Timestamp};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a transaction waits for those of other processes, which are short.
const BUSY: Duration = Duration::from_secs(60);

/// Readers that are kept open.
const IDLE_READERS: usize = 8;

/// Everything behind a store but the background thread.
pub(crate) struct Core {
    pub(crate) layout: Layout,
    pub(crate) options: OpenOptions,
    pub(crate) faults: Faults,
    pub(crate) cluster: ClusterId,
    pub(crate) zone: Tz,
    pub(crate) owner: Owner,
    writers: Mutex<Writers>,
    readers: Mutex<Vec<Connection>>,
    lock: Mutex<Option<WriterLock>>,
    /// Loads of one table run one after the other; see `load.rs`.
    tables: Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>,
    /// Restores that are open and have a staging directory, so that not every
    /// file that comes asks the catalog.
    receiving: Mutex<HashSet<JobId>>,
}

/// The connections that write. They share a mutex, since SQLite would let the
/// second one poll.
struct Writers {
    /// synchronous=FULL: what it commits survives power loss.
    durable: Connection,
    /// synchronous=NORMAL, for pins: after power loss their owner is gone too.
    notes: Connection,
}

/// No data is left half-changed by a panic while one of our locks is held: transactions roll back.
pub(crate) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn open(dir: &Path, options: OpenOptions) -> Result<Self> {
        let layout = Layout::new(dir)?;
        let faults = Faults::new(options.fault.clone());
        if layout.look()? == Found::Nothing {
            if !options.create {
                return Err(missing(layout.root()));
            }
            create(&layout, &options, &faults)?;
        }
        layout.check_file_system()?;
        let catalog = layout.catalog();
        let at = |e: Error| e.during("open").at(layout.root().display());
        let durable = connect(&catalog, "FULL").map_err(at)?;
        let notes = connect(&catalog, "NORMAL").map_err(at)?;
        let (cluster, zone) = identify(&durable, &options).map_err(at)?;
        let owner = Owner::this()?;
        Ok(Self {
            layout,
            options,
            faults,
            cluster,
            zone,
            owner,
            writers: Mutex::new(Writers { durable, notes }),
            readers: Mutex::default(),
            lock: Mutex::default(),
            tables: Mutex::default(),
            receiving: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// The lock that orders the loads of one table.
    pub(crate) fn table_lock(&self, object: i64) -> Arc<tokio::sync::Mutex<()>> {
        guard(&self.tables).entry(object).or_default().clone()
    }

    /// Whether files of this restore may come, as far as is known without the catalog.
    pub(crate) fn receives(&self, job: JobId) -> bool {
        guard(&self.receiving).contains(&job)
    }

    /// Notes that files of a restore may come, unless `check` refuses it. Held
    /// while it is checked: a restore that ends meanwhile is forgotten behind it.
    pub(crate) fn begin_receiving(&self, job: JobId, check: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut receiving = guard(&self.receiving);
        if !receiving.contains(&job) {
            check()?;
            receiving.insert(job);
        }
        Ok(())
    }

    /// Forgets a restore that has ended; one that has not is checked again.
    pub(crate) fn end_receiving(&self, job: JobId) {
        guard(&self.receiving).remove(&job);
    }

    /// Reads at one instant.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        let idle = guard(&self.readers).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.layout.catalog(), "NORMAL")?,
        };
        let done = {
            let transaction = connection.transaction().map_err(from_sqlite)?;
            work(&transaction).map_err(Error::from)
        };
        let mut readers = guard(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        done
    }

    /// Whether this store is the writer already.
    pub(crate) fn is_writer(&self) -> bool {
        guard(&self.lock).is_some()
    }

    /// Becomes the writer: takes LOCK and recovers, the first time.
    pub(crate) fn ensure_writer(&self) -> Result<()> {
        self.ensure_writer_within(self.options.lock_wait)
    }

    /// As [`Core::ensure_writer`], waiting so long for another writer.
    pub(crate) fn ensure_writer_within(&self, wait: Duration) -> Result<()> {
        let mut lock = guard(&self.lock);
        if lock.is_some() {
            return Ok(());
        }
        let taken = WriterLock::take(&self.layout, wait, &self.options.command)?;
        let format = self.read(schema::format)?;
        // A newer version may have written since this store was opened.
        refuse_newer(format).map_err(|e| e.during("open").at(self.layout.root().display()))?;
        if format < schema::FORMAT {
            self.transact("upgrade catalog", |transaction| schema::upgrade(transaction))?;
        }
        recover::recover(self)?;
        *lock = Some(taken);
        Ok(())
    }

    /// One durable transaction of the writer.
    pub(crate) fn write<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        self.ensure_writer()?;
        self.transact(name, work)
    }

    /// One transaction of the writer that power loss may undo: for what is
    /// staged, which the next writer would remove anyway, and for caches. The durable
    /// transaction that commits makes everything before it durable too.
    pub(crate) fn stage<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        self.ensure_writer()?;
        self.note(name, work)
    }

    /// One durable transaction without LOCK: for recovery, which has it, and
    /// for cancel flags, which any process may set.
    pub(crate) fn transact<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        commit(&mut guard(&self.writers).durable, &self.faults, name, work)
    }

    /// One transaction without LOCK that power loss may undo: for pins.
    pub(crate) fn note<T>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
    ) -> Result<T> {
        commit(&mut guard(&self.writers).notes, &self.faults, name, work)
    }
}

fn commit<T>(
    connection: &mut Connection,
    faults: &Faults,
    name: &'static str,
    work: impl FnOnce(&Transaction<'_>) -> Outcome<T>,
) -> Result<T> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate).map_err(from_sqlite)?;
    let done = work(&transaction)?;
    faults.around(name, || transaction.commit().map_err(|e| from_sqlite(e).maybe_applied()))?;
    Ok(done)
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(from_sqlite)?;
    configure(&connection, synchronous).map_err(Error::from)?;
    Ok(connection)
}

fn configure(connection: &Connection, synchronous: &str) -> Outcome<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn refuse_newer(format: i32) -> Result<()> {
    if format <= schema::FORMAT {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "the warehouse has format {format}, this program knows up to {}; use a newer one",
        schema::FORMAT
    )))
}

/// Checks that the catalog is ours and readable, and gives cluster and zone.
fn identify(connection: &Connection, options: &OpenOptions) -> Result<(ClusterId, Tz)> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = pragma("application_id").map_err(from_sqlite)?;
    if application != schema::APPLICATION_ID {
        return Err(Error::invalid(
            "catalog.sqlite was not made by Rockhold; name the directory of a warehouse",
        ));
    }
    refuse_newer(schema::format(connection).map_err(Error::from)?)?;
    let cluster: [u8; 16] = meta(connection, "cluster").map_err(Error::from)?;
    let name: String = meta(connection, "time_zone").map_err(Error::from)?;
    let zone = zone::parse(&name)?;
    if let Some(wanted) = &options.time_zone
        && zone::parse(wanted)? != zone
    {
        return Err(Error::invalid(format!(
            "the warehouse has the time zone {name}, fixed when it was made; leave --time-zone out"
        )));
    }
    Ok((ClusterId::from_bytes(cluster), zone))
}

/// Makes a warehouse. The catalog gets its name last, so an interrupted
/// creation leaves a directory in which it can be repeated.
fn create(layout: &Layout, options: &OpenOptions, faults: &Faults) -> Result<()> {
    let zone = match &options.time_zone {
        Some(name) => zone::parse(name)?,
        None => zone::system(),
    };
    let root = layout.root();
    fs::create_dir_all(root).map_err(|e| Error::io(e, "make directory", root.display()))?;
    layout.check_file_system()?;
    let _lock = WriterLock::take(layout, options.lock_wait.max(Duration::from_secs(5)), &options.command)?;
    if layout.look()? == Found::Warehouse {
        return Ok(());
    }
    make_dir(&layout.data())?;
    make_dir(&layout.staging())?;
    let new = layout.new_catalog();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = new.clone().into_os_string();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
    faults.around("create catalog", || write_catalog(&new, zone))?;
    data::sync_file(faults, &new)?;
    faults.around("rename catalog", || {
        fs::rename(&new, layout.catalog()).map_err(|e| Error::io(e, "rename", new.display()))
    })?;
    data::sync_dirs(faults, root, [root.to_path_buf()])?;
    if let Some(parent) = root.parent() {
        data::sync_dirs(faults, parent, [parent.to_path_buf()])?;
    }
    Ok(())
}

fn write_catalog(path: &Path, zone: Tz) -> Result<()> {
    let cluster = ClusterId::random()?;
    let fill = || -> Outcome<()> {
        let connection = Connection::open(path)?;
        configure(&connection, "FULL")?;
        let transaction = connection.unchecked_transaction()?;
        schema::create(&transaction)?;
        let mut insert = transaction.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)")?;
        insert.execute(rusqlite::params!["cluster", cluster.as_bytes()])?;
        insert.execute(rusqlite::params!["time_zone", zone.name()])?;
        for (key, first) in [("sequence", 1), ("next_id", 10_000), ("next_number", 10_000)] {
            insert.execute(rusqlite::params![key, first])?;
        }
        drop(insert);
        transaction.commit()?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.close().map_err(|(_, e)| Failure::from(e))?;
        Ok(())
    };
    fill().map_err(|f| Error::from(f).during("create").at(path.display()))
}

/// The error of a blocking task that was torn down with its runtime.
pub(crate) fn torn_down(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "the task was stopped before it ended").because(error).maybe_applied()
}
