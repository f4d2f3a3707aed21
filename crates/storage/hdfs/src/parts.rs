//! Which parts of an object were written, and where they lie.

use rockhold_core::{CreateRequest, Error, Result};
use std::{collections::BTreeMap, sync::Arc};

use crate::staged::Staged;

/// Where a part lies.
#[derive(Clone)]
pub(crate) enum Place {
    /// In the file that is written from front to back.
    Stream,
    /// In a file of its own.
    Alone(Arc<Staged>),
}

/// One part.
#[derive(Default)]
pub(crate) struct Part {
    /// How often it was asked to be written.
    asked: u64,
    /// Where its newest bytes lie and how many they are; `None` while that is unknown.
    written: Option<(Place, u64)>,
}

/// The parts of one object.
#[derive(Default)]
pub(crate) struct Book {
    parts: BTreeMap<u32, Part>,
    /// How many parts were promised to the stream, which takes them in order.
    promised: u32,
    /// Whether the stream takes no more.
    pub(crate) stream_ended: bool,
    /// Whether `commit` has begun: nothing may be written any more.
    pub(crate) closed: bool,
}

/// What a write of a part is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) number: u32,
    asked: u64,
    /// Whether the part goes to the stream.
    pub(crate) stream: bool,
}

impl Book {
    /// Registers a write of a part. The next part in order goes to the stream
    /// when it is written for the first time: all parts before it are there or
    /// on their way, so that waiting for them comes to an end.
    ///
    /// # Errors
    /// `InvalidInput` by W1 and W4.
    pub(crate) fn ask(
        &mut self,
        request: &CreateRequest,
        most: u32,
        number: u32,
        len: u64,
    ) -> Result<Ticket> {
        let invalid = |message| Err(Error::invalid(message).during("write part").at(&request.key));
        if len > request.part_len || number >= most {
            let agreed = request.part_len;
            return invalid(format!(
                "part {number} has {len} bytes; at most {most} parts of {agreed} bytes were agreed"
            ));
        }
        if self.closed {
            return invalid("the object is committed already".into());
        }
        let stream = number == self.promised && !self.stream_ended;
        self.promised += u32::from(stream);
        let part = self.parts.entry(number).or_default();
        part.asked += 1;
        part.written = None;
        Ok(Ticket { number, asked: part.asked, stream })
    }

    /// Whether no later write of the same part was asked for.
    pub(crate) fn is_newest(&self, ticket: Ticket) -> bool {
        self.parts.get(&ticket.number).is_some_and(|part| part.asked == ticket.asked)
    }

    /// Notes where a part lies, unless a later write replaces it.
    pub(crate) fn note(&mut self, ticket: Ticket, place: Place, len: u64) {
        if let Some(part) = self.parts.get_mut(&ticket.number).filter(|part| part.asked == ticket.asked) {
            part.written = Some((place, len));
        }
    }

    /// All parts in order with their lengths.
    ///
    /// # Errors
    /// `InvalidInput` by W1.
    pub(crate) fn whole(&self, request: &CreateRequest) -> Result<Vec<(Place, u64)>> {
        let last = self.parts.keys().next_back().copied().unwrap_or(0);
        let mut whole = Vec::with_capacity(self.parts.len());
        for (expected, (number, part)) in (0..).zip(&self.parts) {
            match &part.written {
                Some((place, len))
                    if *number == expected && (*len == request.part_len || *number == last) =>
                {
                    whole.push((place.clone(), *len));
                }
                _ => {
                    let message = format!("part {expected} is missing or too short");
                    return Err(Error::invalid(message).during("commit").at(&request.key));
                }
            }
        }
        Ok(whole)
    }

    /// Takes the files of single parts out, to be removed.
    pub(crate) fn take_alone(&mut self) -> Vec<Staged> {
        let parts = std::mem::take(&mut self.parts).into_values();
        let files = parts.filter_map(|part| match part.written {
            Some((Place::Alone(staged), _)) => Arc::into_inner(staged),
            _ => None,
        });
        files.collect()
    }

    /// After all parts were joined in one file.
    pub(crate) fn joined(&mut self) {
        for part in self.parts.values_mut() {
            if let Some((place, _)) = &mut part.written {
                *place = Place::Stream;
            }
        }
        self.promised = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.stream_ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rockhold_core::{ErrorKind, Key};

    fn request() -> CreateRequest {
        CreateRequest::new(Key::new("a").unwrap(), 10)
    }

    #[test]
    fn parts_in_order_go_to_the_stream_and_others_alone() {
        let (mut book, request) = (Book::default(), request());
        let mut streamed = |number| book.ask(&request, 100, number, 10).unwrap().stream;
        assert!(streamed(0));
        assert!(!streamed(2));
        assert!(streamed(1));
        assert!(!streamed(1), "written again");
        assert!(streamed(2), "asked for alone before, and in order now");
        book.stream_ended = true;
        assert!(!book.ask(&request, 100, 3, 10).unwrap().stream);
    }

    #[test]
    fn the_newest_bytes_of_a_part_count() {
        let (mut book, request) = (Book::default(), request());
        let old = book.ask(&request, 100, 0, 10).unwrap();
        let new = book.ask(&request, 100, 0, 7).unwrap();
        assert!(!book.is_newest(old) && book.is_newest(new));
        book.note(new, Place::Stream, 7);
        book.note(old, Place::Stream, 10);
        assert_eq!(book.whole(&request).unwrap()[0].1, 7);
    }

    #[test]
    fn gaps_and_short_parts_are_refused() {
        let (mut book, request) = (Book::default(), request());
        assert!(book.whole(&request).unwrap().is_empty());
        let second = book.ask(&request, 100, 1, 10).unwrap();
        book.note(second, Place::Stream, 10);
        assert_eq!(book.whole(&request).err().unwrap().kind(), ErrorKind::InvalidInput);
        let first = book.ask(&request, 100, 0, 9).unwrap();
        book.note(first, Place::Stream, 9);
        assert_eq!(book.whole(&request).err().unwrap().kind(), ErrorKind::InvalidInput);
        assert!(book.ask(&request, 100, 0, 11).is_err() && book.ask(&request, 100, 100, 1).is_err());
        book.closed = true;
        assert!(book.ask(&request, 100, 2, 1).is_err());
    }
}
