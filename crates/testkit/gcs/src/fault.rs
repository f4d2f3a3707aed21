//! What goes wrong, on request.

use std::sync::{Mutex, PoisonError};

/// The requests that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// An upload in one request.
    Upload,
    /// The begin of a resumable upload.
    StartSession,
    /// A piece of a resumable upload, or a question for its state.
    SendChunk,
    /// The end of a resumable upload without an object.
    CancelSession,
    /// The bytes of an object.
    Read,
    /// The facts of an object.
    Head,
    /// One page of names.
    List,
    /// The removal of one object.
    Delete,
    /// Several objects made into one.
    Compose,
    /// A copy inside the service.
    Rewrite,
    /// The facts of a bucket.
    Bucket,
    /// A token for another service account, or of the metadata server.
    Token,
    /// Anything else.
    Other,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answered with this status and nothing done; with `retry-after` in seconds.
    Status(u16, Option<u64>),
    /// The connection is reset after so many bytes of the request's body; nothing is done.
    ResetRequest(u64),
    /// Done, but the connection is reset before the first byte of the answer.
    LoseReply,
    /// Nothing is done, and there is never an answer.
    Stall,
    /// Done, but there is never an answer.
    StallReply,
    /// The connection is reset after so many bytes of the answer's body.
    ResetBody(u64),
    /// Nothing more comes after so many bytes of the answer's body.
    StallBody(u64),
    /// A range that ends after so many bytes is given instead of the one asked for.
    ShortRange(u64),
    /// The whole object is given, whatever range was asked for.
    IgnoreRange,
    /// The lowest bit of this byte of an object is turned on its way to the service.
    FlipUploadBit(u64),
    /// The lowest bit of this byte of the answer's body is turned on its way back.
    FlipBodyBit(u64),
    /// Only so many bytes of a piece of a resumable upload are kept.
    KeepOnly(u64),
}

/// Which requests a fault strikes.
#[derive(Clone, Debug)]
pub struct Rule {
    call: Call,
    name: Option<String>,
    skip: u64,
    times: u64,
    seen: u64,
    struck: u64,
}

impl Rule {
    /// The next request of a sort, once.
    pub fn next(call: Call) -> Self {
        Self { call, name: None, skip: 0, times: 1, seen: 0, struck: 0 }
    }

    /// Every request of a sort.
    pub fn every(call: Call) -> Self {
        Self { times: u64::MAX, ..Self::next(call) }
    }

    /// Only requests for objects whose name contains `text`.
    #[must_use]
    pub fn named(mut self, text: impl Into<String>) -> Self {
        self.name = Some(text.into());
        self
    }

    /// Passes over the first `count` of them.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Strikes `count` times.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = count;
        self
    }

    fn is_due(&mut self, call: Call, name: &str) -> bool {
        if self.call != call || self.name.as_ref().is_some_and(|text| !name.contains(text)) {
            return false;
        }
        self.seen += 1;
        let due = self.seen > self.skip && self.struck < self.times;
        self.struck += u64::from(due);
        due
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<(Rule, Fault)>>);

impl Faults {
    pub(crate) fn add(&self, rule: Rule, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((rule, fault));
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The fault that strikes this request: the first rule that is due.
    pub(crate) fn strike(&self, call: Call, name: &str) -> Option<Fault> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter_mut().find_map(|(rule, fault)| rule.is_due(call, name).then(|| fault.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_when_it_is_due_and_no_more() {
        let faults = Faults::default();
        faults.add(Rule::next(Call::Read).skip(1).times(2), Fault::Stall);
        faults.add(Rule::every(Call::Delete).named("x/"), Fault::LoseReply);
        let read: Vec<bool> = (0..5).map(|_| faults.strike(Call::Read, "a").is_some()).collect();
        assert_eq!(read, [false, true, true, false, false]);
        assert_eq!(faults.strike(Call::Delete, "y"), None);
        assert_eq!(faults.strike(Call::Delete, "x/y"), Some(Fault::LoseReply));
        faults.clear();
        assert_eq!(faults.strike(Call::Delete, "x/y"), None);
    }
}
