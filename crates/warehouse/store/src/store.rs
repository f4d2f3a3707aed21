//! Opening a warehouse and reading its catalog.

use crate::catalog::{self, ObjectInfo, PartitionInfo};
use crate::core::{Core, torn_down};
use crate::ddl::{self, Change};
use crate::keeper::{Keeper, Order};
use crate::{OpenOptions, reclaim};
use rockhold_core::{ClusterId, Error, KindId, Namespace, ObjectName, Result, Timestamp};
use std::{fmt, path::Path, sync::Arc};

/// An open warehouse directory. Cloning is cheap. When the last clone and the
/// last load, snapshot and cut are gone, the writer's lock is released; that
/// drop waits for the background thread to end what it is doing.
///
/// All methods must be called inside a tokio runtime; none blocks its threads.
///
/// ```
/// # async fn example(dir: &std::path::Path) -> rockhold_core::Result<()> {
/// use rockhold_warehouse_store::{Change, OpenOptions, Store};
///
/// let store = Store::open(dir, OpenOptions::create()).await?;
/// store.change(Change::CreateDatabase { name: "sales".into() }).await?;
/// assert_eq!(store.list_databases().await?[0].name, "sales");
/// # Ok(())
/// # }
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
/// # runtime.block_on(example(dir.path())).expect("no error");
/// ```
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    pub(crate) keeper: Keeper,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.stop();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir()).finish_non_exhaustive()
    }
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseInfo {
    /// Its number, for display.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// Opens the warehouse in `dir`, or makes one where `options.create` says
    /// so. Opening never changes an existing warehouse and takes no lock.
    ///
    /// # Errors
    /// `NotFound` without a warehouse; `InvalidInput` for a directory with
    /// other things or a wrong time zone; `Unsupported` for a newer format or a
    /// network file system; `Corrupt` for a damaged catalog.
    pub async fn open(dir: impl AsRef<Path>, options: OpenOptions) -> Result<Self> {
        let dir = dir.as_ref().to_path_buf();
        let open = move || {
            let core = Arc::new(Core::open(&dir, options)?);
            let keeper =
                Keeper::start(core.clone()).map_err(|e| Error::io(e, "start a thread for", dir.display()))?;
            Ok(Self { inner: Arc::new(Inner { core, keeper }) })
        };
        tokio::task::spawn_blocking(open).await.map_err(torn_down)?
    }

    /// The directory, as an absolute path.
    pub fn dir(&self) -> &Path {
        self.core().layout.root()
    }

    /// The identity of the warehouse.
    pub fn cluster_id(&self) -> ClusterId {
        self.core().cluster
    }

    /// The IANA name of its time zone.
    pub fn time_zone(&self) -> &'static str {
        self.core().zone.name()
    }

    /// The time, by the clock the store was opened with.
    pub fn now(&self) -> Timestamp {
        self.core().now()
    }

    /// Becomes the writing process now instead of at the first change.
    ///
    /// # Errors
    /// `Conflict` naming the process that is writing.
    pub async fn become_writer(&self) -> Result<()> {
        self.run(|core| core.ensure_writer()).await
    }

    /// Whether this store is the writing process already.
    pub fn is_writer(&self) -> bool {
        self.core().is_writer()
    }

    /// Settles ended restores and removes every file that nothing needs any
    /// more. Happens by itself in the background unless the options say no.
    ///
    /// # Errors
    /// `Conflict` when another process is writing; those of the file system.
    pub async fn reclaim(&self) -> Result<()> {
        // What was dropped before the call holds nothing any more.
        let (sender, released) = std::sync::mpsc::channel();
        self.inner.keeper.order(Order::Answer(sender));
        self.run(move |core| {
            core.ensure_writer()?;
            // A keeper that has ended has done everything.
            let _ = released.recv();
            reclaim::tidy(core)
        })
        .await
    }

    /// Makes changes of the catalog, all of them or none, in one transaction.
    ///
    /// # Errors
    /// Those of [`Change`].
    pub async fn apply(&self, changes: Vec<Change>) -> Result<()> {
        self.write("change catalog", move |core, transaction| ddl::apply(core, transaction, &changes))
            .await?;
        self.inner.keeper.order(Order::Tidy);
        Ok(())
    }

    /// Makes one change of the catalog.
    ///
    /// # Errors
    /// Those of [`Change`].
    pub async fn change(&self, change: Change) -> Result<()> {
        self.apply(vec![change]).await
    }

    /// The databases, sorted by name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_databases(&self) -> Result<Vec<DatabaseInfo>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT id, name, created FROM databases ORDER BY name")?;
            let rows = statement.query_map([], |row| {
                Ok(DatabaseInfo {
                    id: crate::error::nat(row.get(0)?),
                    name: row.get(1)?,
                    created: Timestamp(row.get(2)?),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The objects of a database, sorted by name; for the empty name those
    /// outside of all databases: catalogs and global functions.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    pub async fn list_objects(&self, database: &str) -> Result<Vec<ObjectInfo>> {
        let database = database.to_owned();
        self.read(move |connection| {
            if !database.is_empty() {
                catalog::require_database(connection, &database)?;
            }
            catalog::list_objects(connection, &database)
        })
        .await
    }

    /// The objects of one kind in all databases, sorted by database and name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_kind(&self, kind: &KindId) -> Result<Vec<ObjectInfo>> {
        let kind = kind.clone();
        self.read(move |connection| catalog::list_kind(connection, &kind)).await
    }

    /// One object; `None` when there is none of that name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_object(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        let name = name.clone();
        self.read(move |connection| catalog::object_at(connection, namespace, &name)).await
    }

    /// The functions of a database that share a name, by their signatures; for
    /// the empty name of a database those outside of all. `name` is without
    /// signature and found in its case.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_functions(&self, database: &str, name: &str) -> Result<Vec<ObjectInfo>> {
        let (database, name) = (database.to_owned(), name.to_owned());
        self.read(move |connection| catalog::list_overloads(connection, &database, &name)).await
    }

    /// The partitions of a relation at their current versions, in the order in
    /// which they were made, temporary ones last. Nothing is pinned.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn list_partitions(&self, name: &ObjectName) -> Result<Vec<PartitionInfo>> {
        let name = name.clone();
        self.read(move |connection| {
            let object = catalog::require_object(connection, Namespace::Relation, &name)?;
            catalog::current_partitions(connection, object.row_id())
        })
        .await
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// Runs blocking work off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let core = self.core().clone();
        tokio::task::spawn_blocking(move || work(&core)).await.map_err(torn_down)?
    }

    /// Reads at one instant.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> crate::error::Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.run(|core| core.read(work)).await
    }

    /// One durable transaction of the writer.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Core, &rusqlite::Connection) -> crate::error::Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |core| core.write(name, |transaction| work(core, transaction))).await
    }
}
