//! A relay between client and NameNode that loses answers, or changes one.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Passes everything on, until told otherwise.
#[derive(Clone)]
pub(crate) struct Relay(Arc<State>);

struct State {
    address: SocketAddr,
    /// After a request that names this method was passed on, its connection is
    /// cut before the answer.
    losing: Mutex<Option<&'static str>>,
    lost: AtomicU32,
    /// Whether new connections are cut at once, once an answer was lost.
    then_dead: Mutex<bool>,
    /// Whether the next yes is passed on as a no.
    denying: AtomicBool,
}

impl Relay {
    /// A relay to the NameNode at `host:port`.
    pub(crate) async fn to(namenode: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self(Arc::new(State {
            address: listener.local_addr().unwrap(),
            losing: Mutex::new(None),
            lost: AtomicU32::new(0),
            then_dead: Mutex::new(false),
            denying: AtomicBool::new(false),
        }));
        let (accepting, namenode) = (relay.clone(), namenode.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (relay, namenode) = (accepting.clone(), namenode.clone());
                tokio::spawn(async move {
                    if *relay.0.then_dead.lock().unwrap() && relay.lost() > 0 {
                        return;
                    }
                    relay.pass(stream, TcpStream::connect(namenode).await.unwrap()).await;
                });
            }
        });
        relay
    }

    /// Its own address, as `hdfs://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("hdfs://{}", self.0.address)
    }

    /// Loses the answer to the next call of `method`; then serves on, or not.
    pub(crate) fn lose(&self, method: &'static str, then_dead: bool) {
        *self.0.losing.lock().unwrap() = Some(method);
        *self.0.then_dead.lock().unwrap() = then_dead;
    }

    /// The next answer that is nothing but yes arrives as a no.
    pub(crate) fn deny(&self) {
        self.0.denying.store(true, SeqCst);
    }

    /// Serves new connections again.
    pub(crate) fn revive(&self) {
        *self.0.then_dead.lock().unwrap() = false;
    }

    /// How many answers were lost.
    pub(crate) fn lost(&self) -> u32 {
        self.0.lost.load(SeqCst)
    }

    async fn pass(&self, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let deaf = Arc::new(AtomicBool::new(false));
        let swallowed = Arc::new(AtomicBool::new(false));
        let (swallows, has_swallowed) = (Arc::clone(&deaf), Arc::clone(&swallowed));
        let relay = self.clone();
        let answers = tokio::spawn(async move {
            // An answer is its length in four bytes, and so many more.
            while let Ok(len) = from_server.read_u32().await {
                let mut answer = len.to_be_bytes().to_vec();
                answer.resize(4 + len as usize, 0);
                if from_server.read_exact(&mut answer[4..]).await.is_err() {
                    break;
                }
                if swallows.load(SeqCst) {
                    has_swallowed.store(true, SeqCst);
                    continue;
                }
                if is_yes(&answer[4..]) && relay.0.denying.swap(false, SeqCst) {
                    answer[3 + len as usize] = 0;
                }
                if to_client.write_all(&answer).await.is_err() {
                    break;
                }
            }
        });
        let mut buffer = vec![0; 1 << 16];
        while let Ok(len @ 1..) = from_client.read(&mut buffer).await {
            let wanted = *self.0.losing.lock().unwrap();
            let loses = wanted.is_some_and(|method| {
                buffer[..len].windows(method.len()).any(|bytes| bytes == method.as_bytes())
            });
            if loses {
                *self.0.losing.lock().unwrap() = None;
                deaf.store(true, SeqCst);
                to_server.write_all(&buffer[..len]).await.unwrap();
                // When it answers, the NameNode has done it.
                for _ in 0..3000 {
                    if swallowed.load(SeqCst) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                self.0.lost.fetch_add(1, SeqCst);
                break;
            }
            if to_server.write_all(&buffer[..len]).await.is_err() {
                break;
            }
        }
        answers.abort();
    }
}

/// Whether an answer says yes and nothing else: after a head, whose length comes
/// first, two bytes for a first field that is true.
fn is_yes(answer: &[u8]) -> bool {
    let head = answer.first().map_or(0, |len| usize::from(*len));
    answer.get(1 + head..).is_some_and(|body| body == [2, 8, 1])
}
