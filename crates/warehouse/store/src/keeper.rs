//! The background thread of a store: renews the lease of its pins, lets go of
//! what was dropped, reclaims.

use crate::core::{Core, guard};
use crate::{load, pin, reclaim};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How long a pin whose owner cannot be seen lives without a sign of it.
pub(crate) const LEASE: Duration = Duration::from_secs(120);

/// How often the owner gives a sign.
const RENEW: Duration = Duration::from_secs(30);

/// What the thread is asked to do.
pub(crate) enum Order {
    /// A pin was dropped.
    Release(i64),
    /// A load was dropped without commit.
    Abandon([u8; 16]),
    /// Something can be reclaimed or settled.
    Tidy,
    /// Says when everything that was asked for before is done.
    Answer(Sender<()>),
}

/// The thread's handle.
pub(crate) struct Keeper {
    orders: Mutex<Option<Sender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub(crate) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("warehouse keeper".into())
            .spawn(move || run(&core, &receiver))?;
        Ok(Self { orders: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Asks for something; returns at once.
    pub(crate) fn order(&self, order: Order) {
        if let Some(sender) = guard(&self.orders).as_ref() {
            // The thread ends only after `stop`; what it can no longer do, the next writer does.
            let _ = sender.send(order);
        }
    }

    /// Ends the thread after everything that was asked for.
    pub(crate) fn stop(&self) {
        drop(guard(&self.orders).take());
        if let Some(thread) = guard(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

fn run(core: &Core, orders: &Receiver<Order>) {
    loop {
        match orders.recv_timeout(RENEW) {
            Ok(order) => obey(core, order),
            Err(RecvTimeoutError::Timeout) => log("renew the lease of pins", pin::renew(core)),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    log("remove the pins of this store", pin::forget_owner(core));
}

fn obey(core: &Core, order: Order) {
    match order {
        Order::Release(id) => {
            log("release a pin", pin::release_one(core, id));
            tidy(core);
        }
        Order::Abandon(owner) => {
            log("remove the files of a load", load::abandon(core, &owner));
            tidy(core);
        }
        Order::Tidy => tidy(core),
        Order::Answer(done) => {
            // Who asked may have gone away.
            let _ = done.send(());
        }
    }
}

/// Only the writer reclaims; what readers release waits for it.
fn tidy(core: &Core) {
    if core.options.background && core.is_writer() {
        log("reclaim files", reclaim::tidy(core));
    }
}

/// A failure here loses nothing: the next writer repeats the work.
fn log(what: &str, done: rockhold_core::Result<()>) {
    if let Err(error) = done {
        tracing::warn!(%error, "could not {what}; the next writer will");
    }
}
