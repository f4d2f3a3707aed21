//! From what HDFS says to what a person can act upon.
//!
//! Every error of the client passes through [`hdfs`]; what a NameNode itself
//! answered is known not to have happened, what got lost on the way is not.

use hdfs_native::HdfsError;
use rockhold_core::{Error, ErrorKind};
use std::{fmt::Display, io, time::Duration};

/// How long to wait for a NameNode that starts, or for another to take over.
/// With the standard retries a call survives more than a minute of that.
const CHANGE_OVER: Duration = Duration::from_secs(10);

/// The longest text of a server that is shown.
const SHOWN: usize = 300;

/// What is told of a connection that was lost.
pub(crate) const LOST: &str = "the connection was lost before the answer came";

/// Maps an error of the client. `what` is the key, path or address concerned;
/// `changes` says whether the call may have changed something when its reply
/// is missing.
pub(crate) fn hdfs(error: HdfsError, operation: &'static str, what: impl Display, changes: bool) -> Error {
    let told = Told::from(&error);
    let mut mapped = Error::new(told.kind, told.message).during(operation).at(what);
    if told.temporary {
        mapped = mapped.temporary(told.after);
    }
    if changes && !told.answered {
        mapped = mapped.maybe_applied();
    }
    mapped.because(Cut(shorten(&error.to_string())))
}

/// Whether a NameNode said that it is in standby state.
pub(crate) fn is_standby(error: &HdfsError) -> bool {
    matches!(error, HdfsError::RPCError(class, _) if simple_name(class) == "StandbyException")
}

/// The client has asked all NameNodes of a nameservice, the last of which is in
/// standby state.
pub(crate) fn none_active(operation: &'static str, what: impl Display, nameservice: &str) -> Error {
    let message = format!(
        "none of the NameNodes of {nameservice} is active; see `hdfs haadmin -getAllServiceState`, and start \
         or activate one"
    );
    let error = Error::new(ErrorKind::Unavailable, message).during(operation).at(what);
    error.temporary(Some(CHANGE_OVER))
}

/// No answer came in time.
pub(crate) fn silent(operation: &'static str, what: impl Display, changes: bool, limit: f64) -> Error {
    let message = format!("the NameNode or a DataNode did not answer within {limit:.0} s");
    let error = Error::new(ErrorKind::TimedOut, message).during(operation).at(what).temporary(None);
    if changes { error.maybe_applied() } else { error }
}

/// Somebody removed what was staged.
pub(crate) fn discarded(operation: &'static str, what: impl Display) -> Error {
    Error::new(ErrorKind::Conflict, "another process discarded what was staged here; write the object again")
        .during(operation)
        .at(what)
}

/// The cause as kept for the log: without the server's stack.
#[derive(Debug)]
struct Cut(String);

impl Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cut {}

/// One line of a server's text: without the Java stack, not too long.
pub(crate) fn shorten(text: &str) -> String {
    let text = text.split("\n\tat ").next().unwrap_or_default();
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(SHOWN) {
        line.truncate(end);
        line.push('…');
    }
    line
}

struct Told {
    kind: ErrorKind,
    message: String,
    temporary: bool,
    after: Option<Duration>,
    /// Whether a server answered, so that nothing was changed.
    answered: bool,
}

impl Told {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), temporary: false, after: None, answered: true }
    }

    fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// Passes when another NameNode took over, or this one came up.
    fn until_change_over(mut self) -> Self {
        self.after = Some(CHANGE_OVER);
        self.temporary()
    }

    fn unanswered(mut self) -> Self {
        self.answered = false;
        self.temporary()
    }

    fn from(error: &HdfsError) -> Self {
        use ErrorKind::{AlreadyExists, Corrupt, InvalidInput, Unauthenticated, Unavailable, Unsupported};
        match error {
            HdfsError::IOError(error) => Self::from_io(error),
            HdfsError::FileNotFound(_) | HdfsError::IsADirectoryError(_) => missing(),
            HdfsError::AlreadyExists(text) if is_held(text) => {
                Self::new(ErrorKind::Conflict, format!("another writer holds the file: {}", shorten(text)))
                    .temporary()
            }
            HdfsError::AlreadyExists(_) => Self::new(AlreadyExists, "an object with this key exists"),
            HdfsError::RPCError(class, text) | HdfsError::FatalRPCError(class, text) => {
                Self::from_exception(class, text)
            }
            HdfsError::OperationFailed(text) if text.contains("libgssapi") => Self::new(
                Unauthenticated,
                "the Kerberos library libgssapi_krb5.so.2 is not installed here; install libgssapi-krb5-2 \
                 (Debian) or krb5-libs (Red Hat)",
            ),
            HdfsError::OperationFailed(text) => {
                Self::new(Unavailable, format!("HDFS could not finish: {}", shorten(text))).unanswered()
            }
            HdfsError::GSSAPIError(_, _, text) if text.contains("contact any KDC") => Self::new(
                Unavailable,
                "the Kerberos server (KDC) cannot be reached; check krb5.conf and the network",
            )
            .temporary(),
            HdfsError::GSSAPIError(_, _, text) => Self::new(
                Unauthenticated,
                format!(
                    "Kerberos refused the credentials: {}; check principal, keytab or ticket cache, and krb5.conf",
                    shorten(text)
                ),
            ),
            HdfsError::SASLError(text) => {
                Self::new(Unauthenticated, format!("authentication failed: {}", shorten(text)))
            }
            HdfsError::NoSASLMechanism => Self::new(
                Unauthenticated,
                "the NameNode offers no way to authenticate that this client knows (Kerberos, simple, \
                 delegation token)",
            ),
            HdfsError::ChecksumError => {
                Self::new(Corrupt, "a DataNode sent bytes that do not match their checksum").temporary()
            }
            HdfsError::BlocksNotFound(_) => {
                Self::new(Unavailable, "no living DataNode holds a block of the file; check the DataNodes")
                    .temporary()
            }
            HdfsError::DataTransferError(text) if text.contains("All nodes failed") => Self::new(
                Unavailable,
                "no DataNode takes the data; check that the DataNodes run and can be reached from here",
            )
            .unanswered(),
            HdfsError::DataTransferError(text) => {
                Self::new(Unavailable, format!("a DataNode failed: {}", shorten(text))).unanswered()
            }
            HdfsError::UnsupportedFeature(text)
            | HdfsError::UnsupportedErasureCodingPolicy(text)
            | HdfsError::ErasureCodingError(text) => Self::new(Unsupported, shorten(text)),
            HdfsError::InvalidArgument(text) | HdfsError::InvalidPath(text) => {
                Self::new(InvalidInput, shorten(text))
            }
            HdfsError::UrlParseError(error) => Self::new(InvalidInput, format!("not an address: {error}")),
            HdfsError::XmlParseError(error) => Self::new(InvalidInput, format!("not a site file: {error}")),
            other => Self::new(Unavailable, shorten(&other.to_string())).unanswered(),
        }
    }

    fn from_io(error: &io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = ErrorKind::Unavailable;
        match error.kind() {
            Io::ConnectionRefused => Self::new(
                kind,
                "the connection was refused; check that NameNode and DataNodes run, and that host and RPC port are right",
            )
            .until_change_over(),
            Io::HostUnreachable | Io::NetworkUnreachable | Io::AddrNotAvailable => {
                Self::new(kind, "the host cannot be reached; check host name and network").until_change_over()
            }
            Io::ConnectionAborted | Io::ConnectionReset | Io::UnexpectedEof | Io::BrokenPipe => {
                Self::new(kind, LOST).unanswered()
            }
            Io::TimedOut => Self::new(ErrorKind::TimedOut, "no answer came in time").unanswered(),
            // A name that does not resolve has no kind of its own.
            _ if error.to_string().contains("failed to lookup address") => {
                Self::new(kind, "the host name cannot be resolved; check it").temporary()
            }
            _ => Self::new(kind, format!("input/output error: {error}")).unanswered(),
        }
    }

    fn from_exception(class: &str, text: &str) -> Self {
        use ErrorKind::{
            AlreadyExists, Conflict, InvalidInput, PermissionDenied, StorageFull, Unauthenticated,
            Unavailable,
        };
        let line = shorten(text);
        match simple_name(class) {
            "FileNotFoundException" => missing(),
            // Said of a file that would take the place of a directory.
            "IOException" if line.contains("must both be directories") => {
                Self::new(AlreadyExists, "a directory with this name exists")
            }
            // Said of the settings that a file is created with.
            "IOException" if line.contains("Specified block size") => {
                Self::new(InvalidInput, format!("{line}; correct dfs.blocksize"))
            }
            "IOException" if line.contains("Requested replication factor") => {
                Self::new(InvalidInput, format!("{line}; correct dfs.replication"))
            }
            "FileAlreadyExistsException" => Self::new(AlreadyExists, "an object with this key exists"),
            "StandbyException" => Self::new(
                Unavailable,
                "the NameNode is in standby state; name the active one, or the nameservice with both \
                 (dfs.nameservices, dfs.ha.namenodes.<ns>, dfs.namenode.rpc-address.<ns>.<nn>)",
            )
            .until_change_over(),
            _ if is_safe_mode(class, &line) => Self::new(
                Unavailable,
                "the NameNode is in safe mode: it is starting, or an administrator set it; wait, or see \
                 `hdfs dfsadmin -safemode get`",
            )
            .until_change_over(),
            "RetriableException" => {
                Self::new(Unavailable, format!("HDFS asks to try again: {line}")).temporary()
            }
            // Said of a walk through a file, whoever walks.
            "AccessControlException" if line.contains("(is not a directory)") => below_an_object(),
            "AccessControlException" if line.contains("SIMPLE authentication is not enabled") => {
                wants_kerberos()
            }
            "AccessControlException" => Self::new(
                PermissionDenied,
                format!("{line}; give this user access to the directory, or name another user"),
            ),
            "AuthorizationException" => Self::new(PermissionDenied, line),
            "NSQuotaExceededException"
            | "DSQuotaExceededException"
            | "QuotaByStorageTypeExceededException" => {
                Self::new(StorageFull, format!("the quota of a directory is used up: {line}"))
            }
            "LeaseExpiredException" => Self::new(Conflict, format!("the file is not ours any more: {line}")),
            "RecoveryInProgressException" | "AlreadyBeingCreatedException" => {
                Self::new(Conflict, format!("another writer holds the file: {line}")).temporary()
            }
            "ParentNotDirectoryException" => below_an_object(),
            "InvalidPathException" | "PathComponentTooLongException" | "HadoopIllegalArgumentException" => {
                Self::new(InvalidInput, format!("HDFS refuses the path: {line}"))
            }
            "SaslException" | "GSSException" | "InvalidToken" => {
                Self::new(Unauthenticated, format!("the NameNode refused the credentials: {line}"))
            }
            _ if line.contains("could only be written to") => Self::new(
                Unavailable,
                "no DataNode takes the data: too few are running, or they have no room; check the DataNodes",
            )
            .temporary(),
            short => Self::new(Unavailable, format!("HDFS says {short}: {line}")).temporary(),
        }
    }
}

/// The name of an exception without those of packages and classes around it.
fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// Of the two exceptions that the client takes for one, whether it was
/// `AlreadyBeingCreatedException`. A NameNode also throws it when it cannot end
/// a file yet, since too few DataNodes have reported the last block.
/// Source: `internalReleaseLease` in FSNamesystem.java.
fn is_held(text: &str) -> bool {
    text.contains("already being created") || text.contains("Failed to release lease")
}

fn is_safe_mode(class: &str, line: &str) -> bool {
    class.ends_with("SafeModeException")
        || (class.ends_with("RetriableException") && line.contains("Name node is in safe mode"))
}

fn missing() -> Told {
    Told::new(ErrorKind::NotFound, "no such object")
}

fn below_an_object() -> Told {
    Told::new(ErrorKind::InvalidInput, "a part of the path is an object, so nothing can lie below it")
}

fn wants_kerberos() -> Told {
    Told::new(
        ErrorKind::Unauthenticated,
        "the NameNode wants Kerberos; set \"hadoop.security.authentication\" = \"kerberos\" with a principal \
         and a keytab or ticket cache",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rockhold_core::Effect;

    fn rpc(class: &str, text: &str) -> Error {
        hdfs(HdfsError::RPCError(class.into(), text.into()), "put", "a/b", true)
    }

    #[test]
    fn the_stack_of_the_server_is_cut_off() {
        let text = "Permission denied: user=bob, access=WRITE\n\tat org.apache.X.y(X.java:1)\n\tat z";
        let error = rpc("org.apache.hadoop.security.AccessControlException", text);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let line = error.to_string();
        assert!(line.starts_with("put a/b: Permission denied: user=bob, access=WRITE;"), "{line}");
        assert!(!format!("{error:?}").contains(".java"), "{error:?}");
        assert!(shorten(&"x".repeat(1000)).chars().count() <= SHOWN + 1);
    }

    #[test]
    fn what_a_server_answered_did_not_happen_and_what_got_lost_may_have() {
        let answered = rpc("org.apache.hadoop.ipc.StandbyException", "no");
        assert_eq!((answered.effect(), answered.is_temporary()), (Effect::NotApplied, true));
        let lost = |kind| hdfs(HdfsError::IOError(io::Error::from(kind)), "put", "a", true);
        assert_eq!(lost(io::ErrorKind::ConnectionAborted).effect(), Effect::MaybeApplied);
        assert_eq!(lost(io::ErrorKind::ConnectionRefused).effect(), Effect::NotApplied);
        assert!(lost(io::ErrorKind::ConnectionAborted).is_temporary());
    }

    #[test]
    fn a_missing_file_is_one_kind_however_it_is_told() {
        for error in [
            HdfsError::FileNotFound("x".into()),
            HdfsError::RPCError("java.io.FileNotFoundException".into(), "File does not exist: /x".into()),
        ] {
            assert_eq!(hdfs(error, "get", "x", false).kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn what_no_repetition_changes_is_permanent() {
        for (class, text, kind, words) in [
            (
                "org.apache.hadoop.hdfs.protocol.FSLimitException$PathComponentTooLongException",
                "The maximum path component name limit of x in directory /y is exceeded",
                ErrorKind::InvalidInput,
                "HDFS refuses the path",
            ),
            (
                "java.io.IOException",
                "Specified block size is less than configured minimum value \
                 (dfs.namenode.fs-limits.min-block-size): 512 < 1048576",
                ErrorKind::InvalidInput,
                "correct dfs.blocksize",
            ),
            (
                "java.io.IOException",
                "Requested replication factor of 999 exceeds maximum of 512 for /x",
                ErrorKind::InvalidInput,
                "correct dfs.replication",
            ),
            (
                "org.apache.hadoop.security.token.SecretManager$InvalidToken",
                "token can't be found in cache",
                ErrorKind::Unauthenticated,
                "refused the credentials",
            ),
        ] {
            let error = rpc(class, text);
            assert!(error.kind() == kind && !error.is_temporary(), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn leases_of_others_and_safe_mode_pass_by_themselves() {
        for (class, text, kind) in [
            ("org.apache.hadoop.hdfs.protocol.RecoveryInProgressException", "x", ErrorKind::Conflict),
            ("org.apache.hadoop.hdfs.server.namenode.SafeModeException", "x", ErrorKind::Unavailable),
            (
                "org.apache.hadoop.ipc.RetriableException",
                "SafeModeException: Name node is in safe mode.",
                ErrorKind::Unavailable,
            ),
        ] {
            let error = rpc(class, text);
            assert!(error.kind() == kind && error.is_temporary(), "{error:?}");
        }
        for text in [
            "x already being created by y",
            "DIR* NameSystem.internalReleaseLease: Failed to release lease for file /x/.tmp-1. Committed \
             blocks are waiting to be minimally replicated.",
        ] {
            let error = hdfs(HdfsError::AlreadyExists(text.into()), "put", "a", true);
            assert!(error.kind() == ErrorKind::Conflict && error.is_temporary(), "{error:?}");
        }
        let taken = hdfs(HdfsError::AlreadyExists("/x/a for client 127.0.0.1".into()), "put", "a", true);
        assert!(taken.kind() == ErrorKind::AlreadyExists && !taken.is_temporary(), "{taken:?}");
    }
}
