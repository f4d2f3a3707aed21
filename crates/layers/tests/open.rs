//! Opening a store that has a bad moment, or a bad day.

use async_trait::async_trait;
use rockhold_core::{
    Error, ErrorKind, MemoryRepository, OpenRepository, OpenedRepository, RepositoryFactory, Result,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What an attempt to open meets.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Good,
    Busy,
    Refused,
    /// Given up by the adapter itself.
    Late,
    Silent,
}

/// Attempts meet these one after the other, the last one for ever.
#[derive(Debug)]
struct Scripted {
    moments: Vec<Moment>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(moments: &[Moment]) -> Self {
        Self { moments: moments.to_vec(), asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl RepositoryFactory for Scripted {
    fn schemes(&self) -> &[&'static str] {
        &["mem"]
    }

    async fn open(&self, _: OpenRepository) -> Result<OpenedRepository> {
        let at = self.asked.fetch_add(1, SeqCst).min(self.moments.len() - 1);
        match self.moments[at] {
            Moment::Good => Ok(OpenedRepository {
                repository: Arc::new(MemoryRepository::new()),
                warnings: vec!["a warning".into()],
            }),
            Moment::Busy => Err(Error::new(ErrorKind::Unavailable, "slow down").temporary(None)),
            Moment::Refused => Err(Error::new(ErrorKind::Unauthenticated, "who are you")),
            Moment::Late => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(Error::new(ErrorKind::TimedOut, "no answer").temporary(None))
            }
            Moment::Silent => std::future::pending().await,
        }
    }
}

async fn opened(moments: &[Moment]) -> (Result<OpenedRepository>, usize, Duration) {
    let (factory, begun) = (Scripted::new(moments), Instant::now());
    let result = rockhold_layers::open(&factory, &OpenRepository::new("mem://r")).await;
    (result, factory.asked.load(SeqCst), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_bad_moment_passes() {
    let (result, asked, _) = opened(&[Moment::Busy, Moment::Busy, Moment::Good]).await;
    assert_eq!((result.unwrap().warnings, asked), (vec!["a warning".to_owned()], 3));
}

#[tokio::test(start_paused = true)]
async fn a_bad_day_is_told_soon() {
    let (result, asked, waited) = opened(&[Moment::Busy]).await;
    assert_eq!((result.unwrap_err().kind(), asked), (ErrorKind::Unavailable, 4));
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final() {
    let (result, asked, waited) = opened(&[Moment::Refused, Moment::Good]).await;
    assert_eq!((result.unwrap_err().kind(), asked), (ErrorKind::Unauthenticated, 1));
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for_twice() {
    let (result, asked, waited) = opened(&[Moment::Silent]).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), asked), (ErrorKind::TimedOut, 1));
    assert_eq!(waited, Duration::from_secs(90));
    assert!(error.to_string().contains("no answer within 90s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nor_is_silence_that_the_adapter_gave_up_or_that_followed_a_bad_moment() {
    let (result, asked, waited) = opened(&[Moment::Late]).await;
    assert_eq!((result.unwrap_err().kind(), asked), (ErrorKind::TimedOut, 1));
    assert_eq!(waited, Duration::from_secs(30));
    let (result, asked, waited) = opened(&[Moment::Busy, Moment::Silent]).await;
    assert_eq!((result.unwrap_err().kind(), asked), (ErrorKind::TimedOut, 2));
    assert!(waited < Duration::from_secs(91), "{waited:?}");
}
