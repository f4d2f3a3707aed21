//! What a NameNode offers for authentication, asked before the client is let at it.
//!
//! The client takes whatever is offered: told to use Kerberos, it goes on
//! without at a NameNode that offers SIMPLE, acting as the local user. So the
//! first message of Hadoop's RPC is exchanged here once, and the connection
//! closed: header (`hrpc`, version 9, class 0, SASL), then a `RpcSaslProto`
//! with the state NEGOTIATE; the answer lists the methods. The numbers are
//! those of Hadoop's `RpcHeader.proto`.

use crate::error::shorten;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The longest answer that is read.
const LONGEST: u32 = 1 << 20;

/// Header of the connection and the question, as bytes.
const QUESTION: [u8; 25] = [
    b'h', b'r', b'p', b'c', 9, 0, 0xdf, // SASL, as a signed byte -33
    0, 0, 0, 14, // the length of the message
    10, 0x08, 2, 0x10, 0, 0x18, 65, 0x22, 0, 0x28,
    1, // kind protobuf, final, call -33, no client, retry -1
    2, 0x10, 1, // NEGOTIATE
];

/// What a NameNode offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The methods by Hadoop's names: `SIMPLE`, `KERBEROS`, `TOKEN`.
    pub(crate) methods: Vec<String>,
}

impl Offer {
    /// Whether one can come in without proof.
    fn simple(&self) -> bool {
        self.has("SIMPLE")
    }

    /// Whether Kerberos is taken.
    fn kerberos(&self) -> bool {
        self.has("KERBEROS")
    }

    /// Whether nobody comes in but by Kerberos, or by a token that it gave.
    pub(crate) fn insists_on_kerberos(&self) -> bool {
        self.kerberos() && !self.simple()
    }

    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|offered| offered == method)
    }
}

/// Asks the NameNode at `host:port`.
///
/// # Errors
/// What the connection gives; `InvalidData` for what is no NameNode; `TimedOut`.
pub(crate) async fn ask(address: &str, limit: Duration) -> io::Result<Offer> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&QUESTION).await?;
        let len = stream.read_u32().await?;
        if len > LONGEST {
            return Err(not_a_namenode());
        }
        let mut answer = vec![0; len as usize];
        stream.read_exact(&mut answer).await?;
        decode(&answer)
    };
    match tokio::time::timeout(limit, talk).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

fn not_a_namenode() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what listens there does not speak Hadoop's RPC")
}

fn decode(answer: &[u8]) -> io::Result<Offer> {
    let mut rest = answer;
    let header = delimited(&mut rest).ok_or_else(not_a_namenode)?;
    let fields = fields(header).ok_or_else(not_a_namenode)?;
    let mut status = 0;
    let mut message = "";
    for (number, field) in fields {
        match (number, field) {
            (2, Field::Number(number)) => status = number,
            (5, Field::Bytes(text)) => message = std::str::from_utf8(text).unwrap_or_default(),
            _ => {}
        }
    }
    if status != 0 {
        return Err(io::Error::other(shorten(message)));
    }
    methods(rest).map(|methods| Offer { methods }).ok_or_else(not_a_namenode)
}

/// The methods of a `RpcSaslProto`: field 1 of each field 4.
fn methods(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut methods = Vec::new();
    for (number, field) in fields(delimited(&mut rest)?)? {
        let (4, Field::Bytes(auth)) = (number, field) else { continue };
        for (number, field) in fields(auth)? {
            if let (1, Field::Bytes(method)) = (number, field) {
                methods.push(std::str::from_utf8(method).ok()?.to_owned());
            }
        }
    }
    Some(methods)
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message, by number; `None` when it is broken.
fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Bytes(take(&mut rest, 8)?),
            2 => Field::Bytes(delimited(&mut rest)?),
            5 => Field::Bytes(take(&mut rest, 4)?),
            _ => return None,
        };
        fields.push((tag >> 3, field));
    }
    Some(fields)
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    take(rest, len)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A NameNode that answers this question and nothing else.
#[cfg(test)]
pub(crate) mod fake {
    use super::QUESTION;
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    type Methods = &'static [&'static str];

    pub(crate) struct NameNode {
        pub(crate) address: String,
        state: Arc<State>,
    }

    struct State {
        methods: Mutex<Methods>,
        asked: AtomicUsize,
    }

    impl NameNode {
        /// One on the runtime of the test.
        pub(crate) async fn start(methods: Methods) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let state = Arc::new(State { methods: Mutex::new(methods), asked: AtomicUsize::new(0) });
            let answering = Arc::clone(&state);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut question = [0; QUESTION.len()];
                    if stream.read_exact(&mut question).await.is_err() {
                        continue;
                    }
                    assert_eq!(question, QUESTION);
                    answering.asked.fetch_add(1, SeqCst);
                    let methods = *answering.methods.lock().unwrap();
                    let answer = message(0, "", methods);
                    let mut framed = u32::try_from(answer.len()).unwrap().to_be_bytes().to_vec();
                    framed.extend(answer);
                    let _ = stream.write_all(&framed).await;
                }
            });
            Self { address, state }
        }

        /// Offers these from now on.
        pub(crate) fn offer(&self, methods: Methods) {
            *self.state.methods.lock().unwrap() = methods;
        }

        /// How often it was asked.
        pub(crate) fn asked(&self) -> usize {
            self.state.asked.load(SeqCst)
        }
    }

    /// An answer, without the length before it.
    pub(super) fn message(status: u8, text: &str, methods: &[&str]) -> Vec<u8> {
        let put = |into: &mut Vec<u8>, tag: u8, bytes: &[u8]| {
            into.extend([tag, u8::try_from(bytes.len()).unwrap()]);
            into.extend(bytes);
        };
        let mut header = vec![0x08, 1, 0x10, status];
        put(&mut header, 0x2a, text.as_bytes());
        let mut sasl = vec![0x10, 1];
        for method in methods {
            let mut auth = Vec::new();
            put(&mut auth, 0x0a, method.as_bytes());
            put(&mut auth, 0x12, b"GSSAPI");
            put(&mut sasl, 0x22, &auth);
        }
        let mut whole = vec![u8::try_from(header.len()).unwrap()];
        whole.extend(header);
        whole.push(u8::try_from(sasl.len()).unwrap());
        whole.extend(sasl);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::{fake::message, *};

    #[test]
    fn the_methods_of_an_answer_are_read() {
        let offer = decode(&message(0, "", &["TOKEN", "KERBEROS"])).unwrap();
        assert!(offer.kerberos() && !offer.simple());
        assert!(decode(&message(0, "", &["SIMPLE"])).unwrap().simple());
        let error = decode(&message(2, "no\n\tat x.java", &[])).unwrap_err();
        assert_eq!(error.to_string(), "no");
    }

    #[test]
    fn hostile_answers_are_refused() {
        let whole = message(0, "", &["SIMPLE"]);
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err(), "{len} bytes");
        }
        assert!(decode(&[0xff; 64]).is_err());
        assert!(decode(b"HTTP/1.1 400 Bad Request").is_err());
    }
}
