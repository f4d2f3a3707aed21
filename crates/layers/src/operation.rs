//! The operations of a repository, as values to count, limit and fail by.

use rockhold_core::Key;
use std::fmt;

/// One kind of call on a repository or on an object writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `Repository::head`.
    Head,
    /// `Repository::get`, until the reader is there.
    Get,
    /// The reader's stream, until its end.
    Read,
    /// `Repository::put`.
    Put,
    /// `Repository::create`.
    Create,
    /// `ObjectWriter::write_part`.
    WritePart,
    /// `ObjectWriter::commit`.
    Commit,
    /// `ObjectWriter::abort`.
    Abort,
    /// `Repository::list`.
    List,
    /// `Repository::delete`.
    Delete,
    /// `Repository::copy`.
    Copy,
    /// `Repository::discard_staged`.
    DiscardStaged,
    /// `Repository::barrier`.
    Barrier,
    /// `Repository::count_staged`.
    CountStaged,
}

impl Operation {
    /// All of them, in order.
    pub const ALL: [Operation; 14] = [
        Self::Head,
        Self::Get,
        Self::Read,
        Self::Put,
        Self::Create,
        Self::WritePart,
        Self::Commit,
        Self::Abort,
        Self::List,
        Self::Delete,
        Self::Copy,
        Self::DiscardStaged,
        Self::Barrier,
        Self::CountStaged,
    ];

    /// The name that errors of this operation carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Get => "get",
            Self::Read => "read",
            Self::Put => "put",
            Self::Create => "create",
            Self::WritePart => "write part",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
            Self::DiscardStaged => "discard staged",
            Self::Barrier => "barrier",
            Self::CountStaged => "count staged",
        }
    }

    /// Whether a lost reply leaves open what happened.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Head | Self::Get | Self::Read | Self::List | Self::Barrier | Self::CountStaged)
    }

    /// Whether doing it twice can answer otherwise than doing it once.
    pub(crate) fn is_ambiguous_when_repeated(self) -> bool {
        matches!(self, Self::Put | Self::Commit | Self::Copy)
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One call, as a layer sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// The key, where the call has exactly one.
    pub(crate) key: Option<&'a Key>,
    /// The bytes that go up with it.
    pub(crate) bytes_up: u64,
}

impl<'a> Call<'a> {
    pub(crate) fn new(operation: Operation, key: Option<&'a Key>) -> Self {
        Self { operation, key, bytes_up: 0 }
    }

    pub(crate) fn sends(mut self, bytes: usize) -> Self {
        self.bytes_up = bytes as u64;
        self
    }
}
