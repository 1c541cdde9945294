//! One run of a program under `ptrace`: every system call of every thread, before the kernel sees it.
//!
//! Owns following the threads, and what may be done to a call: killing the whole process before it, letting it fail, or
//! letting it do half of what it was asked. Never judges which calls matter; a [`Plan`] does.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::in_shell;
use super::ptrace::{self, Registers, Stop};

/// A system call that a thread is about to make.
pub struct Call {
    process: Pid,
    pub number: libc::c_long,
    pub arguments: [u64; 4],
}

impl Call {
    /// The file behind a descriptor of the process.
    pub fn path_of(&self, descriptor: u64) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{descriptor}", self.process.as_raw_nonzero())).ok()
    }

    /// The text, ended by a NUL, that an argument points to.
    pub fn text(&self, argument: usize) -> Option<PathBuf> {
        let memory = File::open(format!("/proc/{}/mem", self.process.as_raw_nonzero())).ok()?;
        let mut bytes = vec![0; 4096];
        // A page may be followed by none.
        let read = memory.read_at(&mut bytes, self.arguments[argument]).ok()?;
        let len = bytes.iter().take(read).position(|byte| *byte == 0)?;
        Some(PathBuf::from(OsStr::from_bytes(&bytes[..len])))
    }

    /// The file that the first argument, a descriptor, stands for.
    pub fn file(&self) -> Option<PathBuf> {
        self.path_of(self.arguments[0])
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Proceed,
    /// The process is killed and the call is not made.
    Kill,
    /// The call is not made and fails with this number.
    Fail(i32),
    /// The call, one whose third argument is a length, is asked for half of it.
    Halve,
}

/// Decides about each call. Of one process only one call is decided at a time.
pub trait Plan {
    fn decide(&mut self, call: &Call) -> Act;

    /// Learns what a call that was made came to.
    fn learn(&mut self, _call: &Call, _result: i64) {}

    /// Whether it wants to know of no more calls: following them takes most of the time.
    fn is_over(&self) -> bool {
        false
    }
}

/// How a traced program ended.
#[derive(Debug)]
pub struct Traced {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub output: String,
}

/// Where a thread is between two stops.
enum Place {
    Outside,
    /// In the call that starts the program.
    Starting,
    /// In a call that is made.
    Inside(Call),
    /// In a call that is not made and fails with this number.
    Failing(i32),
}

struct Tracer<'p> {
    process: Pid,
    threads: HashMap<Pid, Place>,
    /// The program itself runs, no longer the shell that waited for us.
    has_begun: bool,
    plan: &'p mut dyn Plan,
}

/// Runs a program to its end under a plan; all that it prints goes through a file at `output`.
///
/// A shell waits for a line before it becomes the program, so that the program is followed from its first call on.
#[expect(clippy::zombie_processes, reason = "the tracer waits for it, with all its threads")]
pub fn trace(command: &Command, output: &Path, plan: &mut dyn Plan) -> Traced {
    let printed = File::create(output).expect("a file for the output");
    let mut child = in_shell(command, r#"read -r line; exec "$0" "$@""#)
        .stdin(Stdio::piped())
        .stdout(printed.try_clone().expect("a second descriptor"))
        .stderr(printed)
        .spawn()
        .expect("the shell starts");
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    ptrace::seize(process).expect("a child may be traced");
    let mut line = child.stdin.take().expect("it is piped");
    line.write_all(b"go\n").expect("it reads");
    drop(line);
    let mut tracer = Tracer { process, threads: HashMap::new(), has_begun: false, plan };
    let code = tracer.follow();
    let output = std::fs::read(output).expect("it was printed to");
    Traced { code, output: String::from_utf8_lossy(&output).into_owned() }
}

impl Tracer<'_> {
    /// Lets the process run from stop to stop until it ends; answers its exit code.
    fn follow(&mut self) -> Option<i32> {
        loop {
            let (thread, stop) = ptrace::wait().expect("there is a child until it has ended");
            match stop {
                Stop::Ended(code) if thread == self.process => return code,
                // One of its threads.
                Stop::Ended(_) => {}
                Stop::SystemCall => self.system_call(thread),
                Stop::Exec => {
                    self.has_begun = true;
                    self.threads.insert(thread, Place::Starting);
                    self.go_on(thread, 0);
                }
                Stop::Event => self.go_on(thread, 0),
                Stop::Signal(signal) => self.go_on(thread, signal),
            }
        }
    }

    fn go_on(&self, thread: Pid, signal: i32) {
        let is_failing = matches!(self.threads.get(&thread), Some(Place::Failing(_)));
        let to_next_call = self.has_begun && (is_failing || !self.plan.is_over());
        if_alive(ptrace::go_on(thread, to_next_call, signal));
    }

    fn system_call(&mut self, thread: Pid) {
        let next = match self.threads.remove(&thread).unwrap_or(Place::Outside) {
            Place::Outside => self.enter(thread),
            Place::Starting => Place::Outside,
            Place::Inside(call) => {
                if let Ok(registers) = ptrace::registers(thread) {
                    self.plan.learn(&call, registers.rax as i64);
                }
                Place::Outside
            }
            Place::Failing(number) => {
                change(thread, |registers| registers.rax = (-i64::from(number)) as u64);
                Place::Outside
            }
        };
        self.threads.insert(thread, next);
        self.go_on(thread, 0);
    }

    fn enter(&mut self, thread: Pid) -> Place {
        // Whoever was killed has no registers any more.
        let Ok(registers) = ptrace::registers(thread) else { return Place::Starting };
        let call = Call {
            process: self.process,
            number: registers.orig_rax as libc::c_long,
            arguments: [registers.rdi, registers.rsi, registers.rdx, registers.r10],
        };
        match self.plan.decide(&call) {
            Act::Proceed => Place::Inside(call),
            Act::Halve => {
                change(thread, |registers| registers.rdx = half(registers.rdx));
                Place::Inside(call)
            }
            Act::Fail(number) => {
                change(thread, skip);
                Place::Failing(number)
            }
            Act::Kill => {
                change(thread, skip);
                kill_process(self.process, Signal::KILL).expect("it is our process");
                Place::Failing(libc::EINTR)
            }
        }
    }
}

/// No call has this number: the kernel does nothing.
fn skip(registers: &mut Registers) {
    registers.orig_rax = u64::MAX;
}

/// Changes the registers of a thread that stands still, if it was not killed meanwhile.
fn change(thread: Pid, how: impl FnOnce(&mut Registers)) {
    let Ok(mut registers) = ptrace::registers(thread) else { return };
    how(&mut registers);
    if_alive(ptrace::set_registers(thread, &registers));
}

/// A process that was killed is gone at any time; nothing else may fail.
fn if_alive(done: std::io::Result<()>) {
    if let Err(error) = done {
        assert_eq!(Errno::from_io_error(&error), Some(Errno::SRCH), "{error}");
    }
}

/// Half of a length, in whole blocks where there are some: what is written past the page cache has no other length.
fn half(len: u64) -> u64 {
    let half = len / 2;
    if half > 4096 { half & !4095 } else { half.max(1) }
}
