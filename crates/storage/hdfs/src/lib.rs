//! Repositories on HDFS: `hdfs://host:port/path`, `hdfs://nameservice/path`,
//! `viewfs://table/path`.
//!
//! An object is a file; its key is the path below the root. What the contract
//! of [`Repository`](rockhold_core::Repository) asks for is done like this:
//!
//! | promise | means |
//! |---|---|
//! | whole or not at all (R1) | written to `.tmp-*` beside its destination, closed, its length compared with what the NameNode recorded, then renamed |
//! | create-new (R3) | `rename` without overwriting, atomic in the NameNode |
//! | overwrite | `rename` that overwrites, atomic in the NameNode; a reader of the old file gets an error, never bytes of both |
//! | if-match (R4) | not offered: a NameNode neither compares and renames in one step nor locks |
//! | leftovers (R5) | the `.tmp-*` files below a prefix, open ones too; never listed, never a key |
//! | barrier (R10), durable put | nothing to make durable, see below; a barrier waits a while for staged files that are being removed |
//! | parts (W1–W6) | appended as they come in order, else files of their own that `commit` joins: HDFS has no parts, and this client no `concat` |
//!
//! **What an acknowledgement means.** The last packet of every block asks all
//! DataNodes of the pipeline to sync block, checksums and directory, and a
//! NameNode syncs its log (or a quorum of JournalNodes) before it answers. So a
//! `put` or `commit` that succeeded survives loss of power, and `barrier` makes
//! nothing durable. With fewer replicas than machines that fail at once, HDFS
//! loses data all the same; the adapter does not change the replication of a
//! cluster.
//!
//! **What the client does not do, and this crate does**: bound calls to a
//! NameNode that hangs, and make a new connection that begins with another one;
//! run Kerberos, which blocks, on threads that may; refuse a NameNode that
//! would let a Kerberos client in without Kerberos, before a client is made and
//! every ten seconds while it works; remove staged files though NameNodes are
//! changing over; look into the keytab, so that a wrong one is named; settle a
//! rename whose answer got lost; cut the server's Java stack from messages;
//! close small files without a wait of 500 ms. The entity tag is made of time
//! of writing and length.

mod backend;
mod config;
mod deleter;
mod downgrade;
mod error;
mod factory;
mod handshake;
mod keytab;
mod link;
mod lister;
mod parts;
mod properties;
mod reader;
mod removal;
mod sites;
mod staged;
mod target;
mod writer;

pub use backend::HdfsRepository;
pub use config::{HdfsConfig, Kerberos, Login};
pub use factory::HdfsFactory;
