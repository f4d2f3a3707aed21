//! The repository itself: each operation on the link's threads.

use crate::{
    HdfsConfig, deleter,
    error::LOST,
    link::{Limits, Link, Session},
    lister::{self, Cursors},
    reader,
    target::Target,
    writer::{self, HdfsWriter},
};
use async_trait::async_trait;
use rockhold_core::{
    Capabilities, CreateNew, CreateRequest, Effect, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest,
    ObjectMeta, ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, WriteMode,
};
use std::{fmt, sync::Arc, time::Duration};

/// How long a barrier waits for the removal of staged files.
const TIDIED: Duration = Duration::from_secs(30);

/// A repository below a directory of HDFS. Clones share one connection.
#[derive(Clone)]
pub struct HdfsRepository {
    link: Arc<Link>,
    cursors: Arc<Cursors>,
    page_limit: usize,
    piece_len: usize,
}

impl fmt::Debug for HdfsRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HdfsRepository").field("link", &self.link).finish_non_exhaustive()
    }
}

fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::full();
    capabilities.create_new = CreateNew::Atomic;
    // A NameNode neither compares and renames in one step nor locks, and it
    // does not copy.
    capabilities.if_match = false;
    capabilities.copy = false;
    // A part that does not follow the last one is joined to the others later,
    // by reading and writing it again.
    capabilities.parallel_parts = false;
    capabilities
}

impl HdfsRepository {
    /// Connects, and looks at the root directory, so that what is wrong is
    /// told now and within [`HdfsConfig::open_ms`].
    ///
    /// # Errors
    /// `InvalidInput` for the configuration, `NotFound` for a root that must
    /// exist and does not, `Unauthenticated`, `PermissionDenied`,
    /// `Unavailable`, `TimedOut`.
    pub async fn open(config: HdfsConfig) -> Result<Self> {
        let (page_limit, piece_len, create) =
            (config.page_limit, config.piece_len.clamp(1, 64 << 20), config.create);
        let limits = Limits {
            call: Duration::from_millis(config.call_ms),
            transfer: Duration::from_millis(config.transfer_ms),
            open: Duration::from_millis(config.open_ms),
        };
        let target = tokio::task::spawn_blocking(move || Target::new(&config)).await;
        let target = target.map_err(|lost| Error::internal("the settings were not read").because(lost))??;
        let link = Link::new(target, limits)?;
        let asked = Arc::clone(&link);
        let looked = link.run("open", async move { look(asked, create).await });
        match tokio::time::timeout(limits.open, looked).await {
            Ok(Ok(())) => Ok(Self { link, cursors: Arc::default(), page_limit, piece_len }),
            Ok(Err(error)) => Err(explain(&link, error).await),
            Err(_) => {
                let cause = if link.target.kerberos() {
                    "; it may hang, a firewall may swallow the connection, or the Kerberos server (KDC) does not \
                     answer"
                } else {
                    "; it may hang, or a firewall may swallow the connection"
                };
                let message = format!("no answer within {:.0} s{cause}", limits.open.as_secs_f64());
                let error = Error::new(ErrorKind::TimedOut, message).during("open").temporary(None);
                Err(error.at(link.target.url()))
            }
        }
    }
}

/// Looks at the root directory, and makes it where that is wanted.
async fn look(link: Arc<Link>, create: bool) -> Result<()> {
    let session: Session = link.session().await?;
    let (root, shown) =
        (if link.target.root.is_empty() { "/" } else { &link.target.root }, link.target.location());
    match session.ask("open", &shown, session.client.get_file_info(root)).await {
        Ok(status) if status.isdir => Ok(()),
        Ok(_) => Err(Error::invalid("a file lies there; name a directory").during("open").at(&shown)),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(_) if !create => {
            let message = "no such directory; create it (`hdfs dfs -mkdir -p`), or check the path";
            Err(Error::not_found(message).during("open").at(&shown))
        }
        Err(_) => session.change("open", &shown, session.client.mkdirs(root, 0o755, true)).await,
    }
}

/// A cluster that wants Kerberos hangs up on others without a word, and so does
/// what is no NameNode. Of several NameNodes the last one's answer is told.
async fn explain(link: &Link, error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut) {
        return error;
    }
    if !link.target.kerberos() && link.wants_kerberos().await {
        let message = "the NameNode wants Kerberos; set \"hadoop.security.authentication\" = \"kerberos\" with \
                       a principal and a keytab or ticket cache";
        return Error::new(ErrorKind::Unauthenticated, message)
            .during("open")
            .at(link.target.url())
            .because(error);
    }
    let error = if error.message() == LOST && error.effect() == Effect::NotApplied {
        let message = format!("{LOST}; is this the RPC port of a NameNode?");
        let asked = Error::new(error.kind(), message).during("open").at(link.target.location());
        asked.temporary(None).because(error)
    } else {
        error
    };
    match link.target.nameservice() {
        Some((_, namenodes)) if error.context().is_empty() => error.with("NameNodes", namenodes.join(", ")),
        _ => error,
    }
}

fn check_mode(mode: &WriteMode, operation: &'static str, key: &Key) -> Result<()> {
    match mode {
        WriteMode::IfMatch(_) => {
            let message = "HDFS does not compare and replace in one step, so nothing is written on condition";
            Err(Error::unsupported(message).during(operation).at(key))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl Repository for HdfsRepository {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("hdfs", self.link.target.location())
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.link.run("head", reader::head(Arc::clone(&self.link), key.clone())).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        self.link.run("get", reader::open(Arc::clone(&self.link), request, self.piece_len)).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        check_mode(&request.mode, "put", &request.key)?;
        let (len, limit) = (request.bytes.len(), capabilities().max_put);
        if len as u64 > limit {
            let message = format!("{len} bytes are more than one put takes ({limit}); write it in parts");
            return Err(Error::new(ErrorKind::LimitExceeded, message).during("put").at(&request.key));
        }
        self.link.run("put", writer::put(Arc::clone(&self.link), request)).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        check_mode(&request.mode, "create", &request.key)?;
        let (shortest, longest) = capabilities().part_len;
        if !(shortest..=longest).contains(&request.part_len) {
            let message = format!("a part has {shortest} to {longest} bytes, not {}", request.part_len);
            return Err(Error::invalid(message).during("create").at(&request.key));
        }
        Ok(Box::new(HdfsWriter::new(Arc::clone(&self.link), request, capabilities().max_parts)?))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let (link, cursors) = (Arc::clone(&self.link), Arc::clone(&self.cursors));
        self.link.run("list", lister::list(link, cursors, request, self.page_limit)).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.link.run("delete", deleter::delete(Arc::clone(&self.link), keys)).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        let work = deleter::discard_staged(Arc::clone(&self.link), prefix.clone());
        self.link.run("discard staged", work).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        let work = deleter::count_staged(Arc::clone(&self.link), prefix.clone());
        self.link.run("count staged", work).await
    }

    /// Nothing is left to make durable: every block was synced by all its
    /// DataNodes when it was closed, and a NameNode answers only after its log
    /// is on disk. This only waits for the removal of staged files that were
    /// not published, so that a job does not end before it. What cannot be
    /// removed in half a minute is removed later, or found by `discard_staged`.
    async fn barrier(&self) -> Result<()> {
        if tokio::time::timeout(TIDIED, self.link.removals.ended()).await.is_err() {
            let location = self.link.target.location();
            tracing::warn!(
                location,
                "staged files of failed writes are not removed yet; check the NameNodes"
            );
        }
        Ok(())
    }
}
