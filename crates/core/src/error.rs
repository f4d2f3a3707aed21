//! The one error type of the contracts.
//!
//! Rules, followed everywhere:
//!
//! * An error says *what* failed ([`Error::operation`]), *where*
//!   ([`Error::key`], context) and *what to do* (the message). [`Display`]
//!   prints one line for people; the chain of sources is for logs.
//! * [`ErrorKind`] is for programs. Nobody matches on text.
//! * [`Retry`] is decided where the error arises, because only the adapter
//!   knows its vendor. Callers never guess from the kind.
//! * [`Effect`] says whether a mutating call may have happened all the same.
//!   A lost reply is [`Effect::MaybeApplied`].
//! * A secret never enters an error: [`crate::Secret`] cannot be printed.
//!
//! [`Display`]: std::fmt::Display

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// What went wrong, for programs to act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing named does not exist.
    NotFound,
    /// The thing to be created exists already.
    AlreadyExists,
    /// A condition of the request (such as an entity tag) did not hold.
    PreconditionFailed,
    /// Another party holds what the call needs (a lock, a running job, a claim).
    Conflict,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The credentials were refused.
    Unauthenticated,
    /// The request or the configuration is wrong; repeating it is pointless.
    InvalidInput,
    /// The adapter or warehouse does not offer this operation.
    Unsupported,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The service cannot be reached or is not ready.
    Unavailable,
    /// The service asks for fewer requests.
    Throttled,
    /// A time limit passed.
    TimedOut,
    /// The user or the owner of the job asked to stop.
    Cancelled,
    /// No space, or a quota was met.
    StorageFull,
    /// A configured limit (memory, size, count, depth) would be exceeded.
    LimitExceeded,
    /// Anything else, most often a broken invariant of ours.
    Internal,
}

impl ErrorKind {
    /// A stable lower-case word, used in logs and in serialised errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::PreconditionFailed => "precondition failed",
            Self::Conflict => "conflict",
            Self::PermissionDenied => "permission denied",
            Self::Unauthenticated => "unauthenticated",
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::StorageFull => "storage full",
            Self::LimitExceeded => "limit exceeded",
            Self::Internal => "internal error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether repeating the same call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Repeating the call gives the same error.
    Permanent,
    /// Repeating the call later may succeed, not before `after` where the
    /// service said so.
    Temporary {
        /// The least time to wait, as asked for by the service.
        after: Option<Duration>,
    },
}

/// Whether a failed mutating call changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was changed.
    NotApplied,
    /// The change may have happened; only looking tells.
    MaybeApplied,
}

/// An error of a contract of this crate. See the module for the rules.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    effect: Effect,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    key: Option<String>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of an operation of a contract of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A permanent error that changed nothing. `message` is one line.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: Retry::Permanent,
            effect: Effect::NotApplied,
            message: message.into(),
            operation: None,
            key: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// [`ErrorKind::InvalidInput`]: the caller must change the request.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// [`ErrorKind::Corrupt`]: stored bytes are not what was written.
    pub fn corrupt(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// [`ErrorKind::Unsupported`]: the operation is not offered.
    pub fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// [`ErrorKind::Cancelled`].
    pub fn cancelled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Cancelled, message)
    }

    /// [`ErrorKind::Internal`]: an invariant of ours does not hold.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Marks the error as temporary; `after` as asked for by the service.
    #[must_use]
    pub fn temporary(mut self, after: Option<Duration>) -> Self {
        self.0.retry = Retry::Temporary { after };
        self
    }

    /// Marks the error as permanent.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.retry = Retry::Permanent;
        self
    }

    /// Marks the call as possibly applied.
    #[must_use]
    pub fn maybe_applied(mut self) -> Self {
        self.0.effect = Effect::MaybeApplied;
        self
    }

    /// Marks the call as not applied, after looking.
    #[must_use]
    pub fn not_applied(mut self) -> Self {
        self.0.effect = Effect::NotApplied;
        self
    }

    /// Names the operation that failed (`put`, `list`, …); the innermost name stays.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Names the key or file concerned; the innermost name stays.
    #[must_use]
    pub fn at(mut self, key: impl fmt::Display) -> Self {
        self.0.key.get_or_insert_with(|| key.to_string());
        self
    }

    /// Adds a fact that helps a person find the place (`table`, `partition`, …).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong, for programs.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether repeating the call can succeed.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether repeating the call can succeed, as a flag.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0.retry, Retry::Temporary { .. })
    }

    /// Whether the failed call may have changed something.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// The message alone, without operation, key and context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, where known.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The key or file concerned, where known.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The facts added on the way up, innermost first.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Maps an error of the local file system. `what` is the path or file.
    pub fn io(source: std::io::Error, operation: &'static str, what: impl fmt::Display) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, text) = match source.kind() {
            Io::NotFound => (ErrorKind::NotFound, "no such file or directory"),
            Io::AlreadyExists => (ErrorKind::AlreadyExists, "exists already"),
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                (ErrorKind::PermissionDenied, "permission denied; check owner and mode")
            }
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
                (ErrorKind::StorageFull, "no space left; free some and repeat")
            }
            Io::TimedOut => (ErrorKind::TimedOut, "the file system did not answer in time"),
            Io::NotADirectory => (ErrorKind::InvalidInput, "a part of the path is not a directory"),
            Io::IsADirectory => (ErrorKind::InvalidInput, "is a directory"),
            _ => (ErrorKind::Unavailable, "input/output error"),
        };
        let message = match kind {
            ErrorKind::Unavailable => format!("{text}: {source}").into(),
            _ => Cow::Borrowed(text),
        };
        Self::new(kind, message).during(operation).at(what).because(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        match (inner.operation, &inner.key) {
            (Some(operation), Some(key)) => write!(f, "{operation} {key}: ")?,
            (Some(operation), None) => write!(f, "{operation}: ")?,
            (None, Some(key)) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        f.write_str(&inner.message)?;
        if !inner.context.is_empty() {
            f.write_str(" (")?;
            for (i, (name, value)) in inner.context.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{name} {value}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "[{}, {:?}, {:?}] {self}", inner.kind, inner.retry, inner.effect)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, "; caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}
