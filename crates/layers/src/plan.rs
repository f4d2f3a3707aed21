//! Which calls fail, and how: the script of the fault layer.

use crate::Operation;
use rockhold_core::{Effect, Error, ErrorKind, Key, Result, Retry};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A numbered script of failures. Clones share numbers and script.
///
/// Every call that passes gets the next number, from 1. A run without rules
/// tells by [`FaultPlan::passed`] how many points there are; then one run for
/// each number and each [`Moment`] kills or fails a job at every step:
///
/// ```
/// # use rockhold_core::{Key, MemoryRepository, PutRequest, Repository};
/// # use rockhold_layers::{Fault, FaultPlan, Layers, Moment};
/// # use std::sync::Arc;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// async fn job(repository: &dyn Repository) -> rockhold_core::Result<()> {
///     for name in ["a", "b"] {
///         repository.put(PutRequest::new(Key::new(name)?, "bytes")).await?;
///     }
///     Ok(())
/// }
///
/// let count = FaultPlan::new();
/// job(&*Layers::new().fault(count.clone()).around(Arc::new(MemoryRepository::new()))).await.unwrap();
/// assert_eq!(count.passed(), 2);
///
/// for number in 1..=count.passed() {
///     for moment in [Moment::Before, Moment::After] {
///         let store = Arc::new(MemoryRepository::new());
///         let plan = FaultPlan::new();
///         plan.at(number, Fault::Die(moment));
///         assert!(job(&*Layers::new().fault(plan).around(store.clone())).await.is_err());
///         let survived = number - u64::from(moment == Moment::Before);
///         assert_eq!(store.objects().len() as u64, survived);
///     }
/// }
/// # });
/// ```
///
/// Other crates put their own points (a catalog transaction) into the same
/// numbering with [`FaultPlan::enter`].
#[derive(Clone, Debug, Default)]
pub struct FaultPlan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    passed: u64,
    dead: bool,
    log: Option<Vec<Passed>>,
    rules: Vec<Rule>,
    /// The keys written last, newest first, through whichever layer.
    newest: VecDeque<Key>,
}

/// How many of the objects written last [`Fault::HideNewest`] can know.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
struct Rule {
    scope: Scope,
    fault: Fault,
    /// How many calls it covered so far.
    covered: u64,
    /// How many of them it struck.
    struck: u64,
}

impl Rule {
    /// Counts a call, and tells whether the fault is due.
    fn is_due(&mut self, passed: &Passed) -> bool {
        let scope = &self.scope;
        if !scope.covers(passed) {
            return false;
        }
        let before = self.covered;
        self.covered += 1;
        before >= scope.skip
            && (before - scope.skip).is_multiple_of(scope.every.unwrap_or(1).max(1))
            && scope.times.is_none_or(|times| self.struck < times)
    }
}

/// On which side of a call's effect a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The call never reaches the store.
    Before,
    /// The store has done it; the caller does not learn so.
    After,
}

/// What happens to a call.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The call fails.
    Fail(Moment, Failure),
    /// The process is as good as dead: this call and every later one fails
    /// permanently, nothing is cleaned up, and no number is given any more.
    Die(Moment),
    /// Calls a function, for example one that really kills the process.
    Run(Moment, Arc<dyn Fn(&Passed) + Send + Sync>),
    /// The call waits first.
    Stall(Duration),
    /// The stream of a `get` ends without an error after so many bytes.
    CutStream(u64),
    /// The stream of a `get` fails after so many bytes.
    BreakStream(u64, Failure),
    /// The stream of a `get` waits once after so many bytes.
    StallStream(u64, Duration),
    /// Turns the lowest bit of the byte at this offset: of the bytes sent by
    /// `put` or `write_part`, or given by the stream of a `get`.
    FlipBit(u64),
    /// A listing does not show the so many objects written last, as a store
    /// that lists eventually.
    HideNewest(usize),
    /// The request arrives twice; the caller gets the first answer.
    Duplicate,
}

impl Fault {
    /// Fails with `failure` before the effect.
    pub fn before(failure: Failure) -> Self {
        Self::Fail(Moment::Before, failure)
    }

    /// Fails with `failure` after the effect: a lost reply.
    pub fn after(failure: Failure) -> Self {
        Self::Fail(Moment::After, failure.maybe_applied())
    }

    /// Calls `action` with the number and name of the call.
    pub fn run(moment: Moment, action: impl Fn(&Passed) + Send + Sync + 'static) -> Self {
        Self::Run(moment, Arc::new(action))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail(moment, failure) => write!(f, "Fail({moment:?}, {failure:?})"),
            Self::Die(moment) => write!(f, "Die({moment:?})"),
            Self::Run(moment, _) => write!(f, "Run({moment:?})"),
            Self::Stall(time) => write!(f, "Stall({time:?})"),
            Self::CutStream(at) => write!(f, "CutStream({at})"),
            Self::BreakStream(at, failure) => write!(f, "BreakStream({at}, {failure:?})"),
            Self::StallStream(at, time) => write!(f, "StallStream({at}, {time:?})"),
            Self::FlipBit(at) => write!(f, "FlipBit({at})"),
            Self::HideNewest(count) => write!(f, "HideNewest({count})"),
            Self::Duplicate => f.write_str("Duplicate"),
        }
    }
}

/// The error of a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: ErrorKind,
    retry: Retry,
    effect: Effect,
}

impl Failure {
    /// An error that repeating does not cure.
    pub fn permanent(kind: ErrorKind) -> Self {
        Self { kind, retry: Retry::Permanent, effect: Effect::NotApplied }
    }

    /// An error that repeating may cure.
    pub fn temporary(kind: ErrorKind) -> Self {
        Self { kind, retry: Retry::Temporary { after: None }, effect: Effect::NotApplied }
    }

    /// The answer 503, with or without a time to wait.
    pub fn unavailable(after: Option<Duration>) -> Self {
        Self { retry: Retry::Temporary { after }, ..Self::temporary(ErrorKind::Unavailable) }
    }

    /// The answer 429, with or without a time to wait.
    pub fn throttled(after: Option<Duration>) -> Self {
        Self { retry: Retry::Temporary { after }, ..Self::temporary(ErrorKind::Throttled) }
    }

    /// Says that the call may have been applied, whether or not it was.
    #[must_use]
    pub fn maybe_applied(mut self) -> Self {
        self.effect = Effect::MaybeApplied;
        self
    }

    pub(crate) fn error(self, passed: &Passed) -> Error {
        let mut error = Error::new(self.kind, "injected by the fault plan")
            .during(passed.point)
            .with("call", passed.number);
        if let Some(subject) = &passed.subject {
            error = error.at(subject);
        }
        if let Retry::Temporary { after } = self.retry {
            error = error.temporary(after);
        }
        if self.effect == Effect::MaybeApplied { error.maybe_applied() } else { error }
    }
}

/// One call that passed a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// Its number, from 1.
    pub number: u64,
    /// The name of the operation or point.
    pub point: &'static str,
    /// The key, or whatever else the call is about.
    pub subject: Option<String>,
}

/// Which calls a fault strikes.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    number: Option<u64>,
    point: Option<&'static str>,
    prefix: Option<Key>,
    skip: u64,
    every: Option<u64>,
    times: Option<u64>,
}

impl Scope {
    /// Every call.
    pub fn all() -> Self {
        Self::default()
    }

    /// The call with this number.
    pub fn number(number: u64) -> Self {
        Self { number: Some(number), ..Self::default() }
    }

    /// Calls of this operation.
    pub fn operation(operation: Operation) -> Self {
        Self::point(operation.name())
    }

    /// Passages of a point of another crate.
    pub fn point(point: &'static str) -> Self {
        Self { point: Some(point), ..Self::default() }
    }

    /// Only calls on this key or below it.
    #[must_use]
    pub fn below(mut self, prefix: Key) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Lets the first `count` of them pass.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Then strikes the first of every `count` of them.
    #[must_use]
    pub fn every(mut self, count: u64) -> Self {
        self.every = Some(count);
        self
    }

    /// Strikes `count` times, then never again.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    fn covers(&self, passed: &Passed) -> bool {
        let below = |prefix: &Key| {
            let subject = passed.subject.as_deref().and_then(|s| Key::new(s).ok());
            subject.is_some_and(|key| key.starts_with(prefix))
        };
        self.number.is_none_or(|number| number == passed.number)
            && self.point.is_none_or(|point| point == passed.point)
            && self.prefix.as_ref().is_none_or(below)
    }
}

impl FaultPlan {
    /// A plan that lets everything pass and counts it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault at one number.
    pub fn at(&self, number: u64, fault: Fault) {
        self.on(Scope::number(number), fault);
    }

    /// Adds a fault. Where several are due at one call, the one added first strikes.
    pub fn on(&self, scope: Scope, fault: Fault) {
        self.state().rules.push(Rule { scope, fault, covered: 0, struck: 0 });
    }

    /// Keeps a log of all calls from now on.
    pub fn record(&self) {
        self.state().log.get_or_insert_default();
    }

    /// The log, empty without [`FaultPlan::record`].
    pub fn log(&self) -> Vec<Passed> {
        self.state().log.clone().unwrap_or_default()
    }

    /// How many calls were given a number.
    pub fn passed(&self) -> u64 {
        self.state().passed
    }

    /// Whether [`Fault::Die`] has struck.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Numbers one call that is about to happen. `subject` is a key or any
    /// other name. A [`Fault::Stall`] takes effect in [`Passage::stall`].
    ///
    /// # Errors
    /// What the plan has for this number, before the effect.
    pub fn enter(&self, point: &'static str, subject: Option<String>) -> Result<Passage> {
        let (passed, fault) = {
            let mut state = self.state();
            if state.dead {
                return Err(dead(point));
            }
            state.passed += 1;
            let passed = Passed { number: state.passed, point, subject };
            if let Some(log) = &mut state.log {
                log.push(passed.clone());
            }
            let mut fault = None;
            for rule in &mut state.rules {
                if rule.is_due(&passed) && fault.is_none() {
                    rule.struck += 1;
                    fault = Some(rule.fault.clone());
                }
            }
            if matches!(fault, Some(Fault::Die(Moment::Before))) {
                state.dead = true;
            }
            (passed, fault)
        };
        match &fault {
            Some(Fault::Fail(Moment::Before, failure)) => return Err(failure.error(&passed)),
            Some(Fault::Die(Moment::Before)) => return Err(dead(point)),
            Some(Fault::Run(Moment::Before, action)) => action(&passed),
            _ => {}
        }
        Ok(Passage { plan: self.clone(), passed, fault })
    }

    pub(crate) fn dead(&self, point: &'static str) -> Result<()> {
        if self.is_dead() { Err(dead(point)) } else { Ok(()) }
    }

    /// Notes an object that was written.
    pub(crate) fn wrote<T>(&self, key: &Key, result: &Result<T>) {
        if result.is_ok() {
            let mut state = self.state();
            state.newest.push_front(key.clone());
            state.newest.truncate(REMEMBERED);
        }
    }

    /// Whether `key` is one of the `count` objects written last.
    pub(crate) fn hides(&self, count: usize, key: &Key) -> bool {
        self.state().newest.iter().take(count).any(|hidden| hidden == key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dead(point: &'static str) -> Error {
    Error::cancelled("the fault plan killed this process").during(point)
}

/// A call between the two sides of its effect.
#[derive(Debug)]
#[must_use = "a passage ends with `finish`"]
pub struct Passage {
    plan: FaultPlan,
    pub(crate) passed: Passed,
    pub(crate) fault: Option<Fault>,
}

impl Passage {
    /// The number of the call.
    pub fn number(&self) -> u64 {
        self.passed.number
    }

    /// Waits, where the plan says so.
    pub async fn stall(&self) {
        if let Some(Fault::Stall(time)) = &self.fault {
            tokio::time::sleep(*time).await;
        }
    }

    /// Whether [`Passage::finish`] will hide the answer from the caller.
    pub(crate) fn loses_reply(&self) -> bool {
        matches!(self.fault, Some(Fault::Fail(Moment::After, _) | Fault::Die(Moment::After)))
    }

    /// Ends the call after its effect.
    ///
    /// # Errors
    /// That of `result`, or what the plan has for this number after the effect.
    pub fn finish<T>(self, result: Result<T>) -> Result<T> {
        match &self.fault {
            Some(Fault::Fail(Moment::After, failure)) => Err(failure.error(&self.passed)),
            Some(Fault::Die(Moment::After)) => {
                self.plan.state().dead = true;
                Err(dead(self.passed.point).maybe_applied())
            }
            Some(Fault::Run(Moment::After, action)) => {
                action(&self.passed);
                result
            }
            // Somebody else's call may have killed the process meanwhile.
            _ => self.plan.dead(self.passed.point).map_err(Error::maybe_applied).and(result),
        }
    }
}
