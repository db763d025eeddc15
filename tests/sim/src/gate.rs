//! Processes that stand still, as after `SIGSTOP`: none of their tasks is polled, and time goes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use fettle_engine::tasks::{Tasks, Work};

/// The gate in front of every task of one machine's process.
#[derive(Debug, Default)]
pub struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Tasks that were to be polled meanwhile, in that order.
    parked: Vec<Waker>,
}

impl Gate {
    /// Whether its process stands still.
    pub fn is_closed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// The process stands still from now on.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }

    /// The process goes on.
    pub fn open(&self) {
        let parked = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.closed = false;
            std::mem::take(&mut state.parked)
        };
        parked.into_iter().for_each(Waker::wake);
    }

    /// Work that is polled only while the gate is open.
    pub fn behind<F: Future>(self: &Arc<Self>, work: F) -> Behind<F> {
        Behind { gate: self.clone(), work: Box::pin(work) }
    }

    fn holds(&self, context: &Context<'_>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            state.parked.push(context.waker().clone());
        }
        state.closed
    }
}

/// Work behind a gate.
pub struct Behind<F> {
    gate: Arc<Gate>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Behind<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.gate.holds(context) { Poll::Pending } else { self.work.as_mut().poll(context) }
    }
}

/// The engine's tasks run behind the gate.
pub struct Enclosure(pub Arc<Gate>);

impl Tasks for Enclosure {
    fn enclose(&self, _: &'static str, work: Work) -> Work {
        Box::pin(self.0.behind(work))
    }
}
