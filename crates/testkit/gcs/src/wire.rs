//! Bytes, checksums and answers, as the wire has them.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, body::Frame, header};
use serde_json::{Value, json};
use std::{borrow::Cow, convert::Infallible};

/// Bytes in pieces, so that an object can be composed without a copy.
pub(crate) type Rope = Vec<Bytes>;

pub(crate) fn len(rope: &Rope) -> u64 {
    rope.iter().map(|piece| piece.len() as u64).sum()
}

/// The bytes from `start` to `end`.
pub(crate) fn cut(rope: &Rope, start: u64, end: u64) -> Rope {
    let mut at = 0;
    let mut out = Rope::new();
    for piece in rope {
        let (from, to) = (start.max(at), end.min(at + piece.len() as u64));
        if from < to {
            out.push(piece.slice((from - at) as usize..(to - at) as usize));
        }
        at += piece.len() as u64;
    }
    out
}

pub(crate) fn crc32c(rope: &Rope) -> u32 {
    rope.iter().fold(0, |sum, piece| crc32c::crc32c_append(sum, piece))
}

/// A checksum as the service writes it: base64 of the four bytes, big-endian.
pub(crate) fn crc32c_text(sum: u32) -> String {
    STANDARD.encode(sum.to_be_bytes())
}

/// Turns the lowest bit of one byte; nothing where there is no such byte.
pub(crate) fn flip(bytes: Bytes, at: u64) -> Bytes {
    let mut changed = bytes.to_vec();
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| changed.get_mut(at)) {
        *byte ^= 1;
    }
    Bytes::from(changed)
}

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(crate) type Reply = Response<Body>;

/// A refusal, as the service gives it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) message: Cow<'static, str>,
}

pub(crate) fn failed(status: u16, message: impl Into<Cow<'static, str>>) -> Failure {
    Failure { status, message: message.into() }
}

/// The refusal of what cannot be read.
pub(crate) fn malformed(_: impl Sized) -> Failure {
    failed(400, "Bad Request")
}

impl Failure {
    pub(crate) fn reply(&self) -> Reply {
        let reason = match self.status {
            401 => "authError",
            403 => "forbidden",
            404 => "notFound",
            412 => "conditionNotMet",
            429 => "rateLimitExceeded",
            503 => "backendError",
            _ => "invalid",
        };
        let error = json!({"error": {
            "code": self.status,
            "message": self.message,
            "errors": [{"message": self.message, "domain": "global", "reason": reason}],
        }});
        json_reply(self.status, &error)
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body of these pieces; afterwards nothing, for ever, when it `stalls`.
pub(crate) fn pieces(rope: Rope, stalls: bool) -> Body {
    let given = stream::iter(rope.into_iter().map(|piece| Ok(Frame::data(piece))));
    if stalls {
        StreamBody::new(given.chain(stream::pending())).boxed_unsync()
    } else {
        StreamBody::new(given).boxed_unsync()
    }
}

pub(crate) fn reply(status: u16, headers: &[(&str, String)], body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        let name = header::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

pub(crate) fn json_reply(status: u16, value: &Value) -> Reply {
    reply(status, &[("content-type", "application/json; charset=UTF-8".into())], full(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rope_is_cut_across_its_pieces() {
        let rope = vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg"), Bytes::from_static(b"h")];
        assert_eq!(len(&rope), 8);
        assert_eq!(cut(&rope, 2, 7).concat(), b"cdefg");
        assert_eq!(cut(&rope, 0, 8).concat(), b"abcdefgh");
        assert!(cut(&rope, 8, 9).is_empty());
    }

    #[test]
    fn checksums_are_written_as_the_service_writes_them() {
        // The check value of CRC-32C.
        let rope = vec![Bytes::from_static(b"1234"), Bytes::from_static(b"56789")];
        assert_eq!(crc32c(&rope), 0xe306_9283);
        assert_eq!(crc32c_text(0xe306_9283), "4waSgw==");
    }
}
