//! Channels that threads share, on a connection that is made anew when it breaks.
//!
//! Owns how many channels there are, and what is tried again: a request after which the connection is gone, or of which no answer
//! came, a few times, ever later, for a bounded time. Knows no file. Argument of safety: a channel belongs to one thread from
//! `take` to `give_back`; one of a connection that was dropped is never given out again, so no request meets the answer to
//! another's.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::runtime::Runtime;

use super::channel::Channel;
use super::config::Target;
use super::failure::is_passing;
use super::line::{Line, Patience};

/// Channels of one connection: OpenSSH allows ten.
const MOST_CHANNELS: usize = 8;

pub struct Pool {
    target: Target,
    patience: Patience,
    runtime: Runtime,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    line: Option<Arc<Line>>,
    idle: Vec<Channel>,
    /// Channels of the connection, idle or not.
    open: usize,
    /// How many the server allows, once it has refused one.
    allowed: Option<usize>,
    /// Whether there ever was a connection: a server that never answered is not waited for.
    has_answered: bool,
    /// Whether everything was tried in vain: until something works again nothing is tried twice.
    is_down: bool,
}

impl Pool {
    pub fn new(target: Target, patience: Patience, runtime: Runtime) -> Self {
        Self { target, patience, runtime, state: Mutex::default(), returned: Condvar::new() }
    }

    /// Has a channel do something; `work` is told how often it was tried before.
    pub fn run<T>(&self, work: impl AsyncFn(&Channel, usize) -> io::Result<T>) -> io::Result<T> {
        let mut first_failure = None;
        let mut pauses = self.patience.pauses.iter();
        let mut attempt = 0;
        loop {
            let error = match self.attempt(&work, attempt) {
                Err(error) if is_passing(&error) => error,
                done => {
                    self.state().is_down = false;
                    return done;
                }
            };
            // Not from the start: a large object takes its time.
            let failing = first_failure.get_or_insert_with(Instant::now).elapsed();
            let mut state = self.state();
            let is_hopeless = !state.has_answered || state.is_down || failing > self.patience.retry_for;
            let Some(pause) = pauses.next().filter(|_| !is_hopeless) else {
                state.is_down = true;
                return Err(error);
            };
            drop(state);
            std::thread::sleep(*pause);
            attempt += 1;
        }
    }

    fn attempt<T>(&self, work: &impl AsyncFn(&Channel, usize) -> io::Result<T>, attempt: usize) -> io::Result<T> {
        let channel = self.take()?;
        let done = self.runtime.block_on(work(&channel, attempt));
        match &done {
            // Answers may still be on their way, and another channel of the connection is in the same state.
            Err(error) if is_passing(error) => self.drop_line(&channel.line),
            _ => self.give_back(channel),
        }
        done
    }

    /// A channel for the calling thread alone.
    fn take(&self) -> io::Result<Channel> {
        let mut state = self.state();
        loop {
            if state.line.as_ref().is_some_and(|line| line.is_closed()) {
                state.forget_line();
            }
            if let Some(channel) = state.idle.pop() {
                return Ok(channel);
            }
            if state.open < state.allowed.unwrap_or(MOST_CHANNELS) {
                // Whoever else comes needs this connection as well, and waits for the lock.
                if let Some(channel) = self.open(&mut state)? {
                    return Ok(channel);
                }
                state.allowed = Some(state.open);
                continue;
            }
            if state.open == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the server opens no channel for this user",
                ));
            }
            // Whoever has one comes back: each of its requests is answered in time, or ends it.
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn open(&self, state: &mut State) -> io::Result<Option<Channel>> {
        let line = match &state.line {
            Some(line) => Arc::clone(line),
            None => {
                let line = Arc::new(self.runtime.block_on(Line::open(&self.target, &self.patience))?);
                state.has_answered = true;
                state.line = Some(Arc::clone(&line));
                line
            }
        };
        let opened = self.runtime.block_on(line.channel());
        match &opened {
            Ok(Some(_)) => state.open += 1,
            Ok(None) => {}
            Err(_) => state.forget_line(),
        }
        opened
    }

    fn give_back(&self, channel: Channel) {
        let mut state = self.state();
        if state.line.as_ref().is_some_and(|line| Arc::ptr_eq(line, &channel.line)) {
            state.idle.push(channel);
        }
        drop(state);
        self.returned.notify_one();
    }

    fn drop_line(&self, line: &Arc<Line>) {
        let mut state = self.state();
        if state.line.as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
            state.forget_line();
        }
        drop(state);
        self.returned.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_line(&mut self) {
        self.line = None;
        self.idle.clear();
        self.open = 0;
    }
}
