//! Resumable uploads.

use crate::{
    store::{Condition, Store},
    wire::{Failure, Reply, Rope, cut, failed, full, json_reply, len, reply},
};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What persists of an unfinished upload are whole multiples of this.
const QUANTUM: u64 = 256 * 1024;

#[derive(Debug)]
struct Session {
    bucket: String,
    name: String,
    condition: Condition,
    said: Map<String, Value>,
    data: Rope,
    finished: Option<Value>,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: HashMap<String, Session>,
    begun: u64,
}

/// One request to a session.
pub(crate) struct Chunk {
    pub(crate) content_range: String,
    /// `x-goog-hash`, sent with the last piece.
    pub(crate) hash: Option<String>,
    pub(crate) bytes: Bytes,
    /// Keeps at most so many bytes of this request.
    pub(crate) keep: Option<u64>,
    /// The body broke off: what came is kept, nothing is finished.
    pub(crate) broken: bool,
}

impl Sessions {
    pub(crate) fn start(
        &mut self,
        bucket: &str,
        name: &str,
        condition: Condition,
        said: Map<String, Value>,
    ) -> String {
        self.begun += 1;
        let id = format!("session-{}", self.begun);
        let session = Session {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            condition,
            said,
            data: Rope::new(),
            finished: None,
        };
        self.open.insert(id.clone(), session);
        id
    }

    /// The name of the object that a session is for.
    pub(crate) fn name(&self, id: &str) -> String {
        self.open.get(id).map(|session| session.name.clone()).unwrap_or_default()
    }

    /// How many were begun and neither finished nor cancelled.
    pub(crate) fn unfinished(&self) -> usize {
        self.open.values().filter(|session| session.finished.is_none()).count()
    }

    pub(crate) fn cancel(&mut self, id: &str) -> Result<Reply, Failure> {
        self.open.remove(id).ok_or_else(|| failed(404, "No such upload."))?;
        Ok(reply(499, &[], full("")))
    }

    pub(crate) fn send(&mut self, id: &str, chunk: Chunk, store: &mut Store) -> Result<Reply, Failure> {
        let session = self.open.get_mut(id).ok_or_else(|| failed(410, "No such upload."))?;
        if let Some(object) = &session.finished {
            return Ok(json_reply(200, object));
        }
        let malformed = || failed(400, format!("Invalid Content-Range: {}", chunk.content_range));
        let (range, total) = chunk
            .content_range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'))
            .ok_or_else(malformed)?;
        let start = match range.split_once('-') {
            None if range == "*" => None,
            None => return Err(malformed()),
            Some((start, _)) => Some(start.parse::<u64>().map_err(|_| malformed())?),
        };
        let held = len(&session.data);
        if let Some(start) = start {
            // Bytes that are held already may come again; a hole is an error.
            let skip = held.checked_sub(start).ok_or_else(|| failed(400, "The upload has a hole."))?;
            let most = chunk.keep.unwrap_or(u64::MAX);
            let end = (chunk.bytes.len() as u64).min(most);
            if skip < end {
                session.data.push(chunk.bytes.slice(skip as usize..end as usize));
            }
        }
        if let Some(sum) =
            chunk.hash.as_deref().and_then(|hash| hash.split(',').find_map(|h| h.strip_prefix("crc32c=")))
        {
            session.said.insert("crc32c".into(), sum.into());
        }
        let held = len(&session.data);
        // With `N-*/*` the end of the body is the end of the object.
        let is_last = total.parse() == Ok(held) || (range.ends_with("-*") && chunk.keep.is_none());
        if is_last && !chunk.broken {
            let (bucket, name) = (&session.bucket, &session.name);
            let data = std::mem::take(&mut session.data);
            let object = store.put(bucket, name, data, session.said.clone(), session.condition)?;
            let shown = object.json(bucket, name);
            session.finished = Some(shown.clone());
            return Ok(json_reply(200, &shown));
        }
        let kept = held - held % QUANTUM;
        session.data = cut(&session.data, 0, kept);
        let range = (kept > 0).then(|| ("range", format!("bytes=0-{}", kept - 1)));
        Ok(reply(308, range.as_slice(), full("")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::crc32c_text;

    const KIB: usize = 1024;

    fn chunk(range: &str, bytes: usize) -> Chunk {
        Chunk {
            content_range: format!("bytes {range}"),
            hash: None,
            bytes: Bytes::from(vec![7; bytes]),
            keep: None,
            broken: false,
        }
    }

    fn range(reply: &Reply) -> Option<&str> {
        reply.headers().get("range").and_then(|value| value.to_str().ok())
    }

    #[test]
    fn whole_quanta_persist_and_a_finished_upload_answers_again() {
        let (mut store, mut sessions) = (Store::default(), Sessions::default());
        store.create_bucket("b").unwrap();
        let id = sessions.start("b", "n", Condition { is: Some(0), is_not: None }, Map::new());
        let mut send = |chunk| sessions.send(&id, chunk, &mut store);
        let first = send(chunk("0-307199/*", 300 * KIB)).unwrap();
        assert_eq!((first.status().as_u16(), range(&first)), (308, Some("bytes=0-262143")));
        let asked = send(chunk("*/*", 0)).unwrap();
        assert_eq!(range(&asked), Some("bytes=0-262143"));
        // The tail again, from the beginning of the quantum that was not kept.
        let last = send(chunk("262144-307199/307200", 44 * KIB)).unwrap();
        assert_eq!(last.status(), 200);
        assert_eq!(send(chunk("*/*", 0)).unwrap().status(), 200);
        assert!(send(chunk("400000-400001/*", 2)).is_ok(), "a finished upload answers whatever comes");
        assert_eq!(sessions.unfinished(), 0);
        assert_eq!(store.bucket("b").unwrap()["n"].size, 300 * KIB as u64);
    }

    #[test]
    fn a_hole_a_wrong_sum_and_a_taken_name_are_refused() {
        let (mut store, mut sessions) = (Store::default(), Sessions::default());
        store.create_bucket("b").unwrap();
        let condition = Condition { is: Some(0), is_not: None };
        let id = sessions.start("b", "n", condition, Map::new());
        let hole = sessions.send(&id, chunk("262144-262145/*", 2), &mut store).unwrap_err();
        assert_eq!(hole.status, 400);
        let mut wrong = chunk("0-3/4", 4);
        wrong.hash = Some(format!("crc32c={}", crc32c_text(1)));
        assert_eq!(sessions.send(&id, wrong, &mut store).unwrap_err().status, 400);
        let id = sessions.start("b", "n", condition, Map::new());
        store.put("b", "n", Rope::new(), Map::new(), Condition::default()).unwrap();
        assert_eq!(sessions.send(&id, chunk("*/0", 0), &mut store).unwrap_err().status, 412);
    }
}
