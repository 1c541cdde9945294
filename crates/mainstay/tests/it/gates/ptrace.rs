//! The few system calls by which one process follows another.
//!
//! Owns the project's only unsafe code, in tests: no crate here offers `ptrace` without rebuilding half of what stands
//! beneath it. Each call gets numbers, and at most one pointer to memory of its own; nothing outlives the call.
#![allow(unsafe_code)]

use std::io;

use rustix::process::Pid;

pub type Registers = libc::user_regs_struct;

/// Why a thread that is followed stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The process has ended, with this exit code or by a signal.
    Ended(Option<i32>),
    /// Before or behind a system call.
    SystemCall,
    /// It has become another program.
    Exec,
    /// It is new, has made a new thread, or was stopped.
    Event,
    /// This signal is about to reach it.
    Signal(i32),
}

/// Follows a child of this thread, with all threads that it makes; it is killed if we end first.
pub fn seize(process: Pid) -> io::Result<()> {
    let options =
        libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SEIZE, process, options as usize)
}

/// Lets a thread go on, to the next system call or to the next event only, and hands it a signal (0 for none).
pub fn go_on(thread: Pid, to_next_call: bool, signal: i32) -> io::Result<()> {
    let how = if to_next_call { libc::PTRACE_SYSCALL } else { libc::PTRACE_CONT };
    request(how, thread, signal as usize)
}

pub fn registers(thread: Pid) -> io::Result<Registers> {
    // SAFETY: the structure consists of integers, for which zeros are a value.
    let mut registers: Registers = unsafe { std::mem::zeroed() };
    request(libc::PTRACE_GETREGS, thread, &raw mut registers as usize).map(|()| registers)
}

pub fn set_registers(thread: Pid, registers: &Registers) -> io::Result<()> {
    request(libc::PTRACE_SETREGS, thread, registers as *const Registers as usize)
}

/// Waits until something of what this thread follows stands still.
pub fn wait() -> io::Result<(Pid, Stop)> {
    let mut status = 0;
    // SAFETY: the pointer leads to an integer of ours that lives longer than the call.
    let thread = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    let thread = Pid::from_raw(thread.max(0)).ok_or_else(io::Error::last_os_error)?;
    Ok((thread, stop(status)))
}

fn stop(status: i32) -> Stop {
    if libc::WIFEXITED(status) {
        return Stop::Ended(Some(libc::WEXITSTATUS(status)));
    }
    if libc::WIFSIGNALED(status) {
        return Stop::Ended(None);
    }
    match (libc::WSTOPSIG(status), status >> 16) {
        (_, libc::PTRACE_EVENT_EXEC) => Stop::Exec,
        (signal, 0) if signal == libc::SIGTRAP | 0x80 => Stop::SystemCall,
        (signal, 0) => Stop::Signal(signal),
        _ => Stop::Event,
    }
}

/// The data is a number, or the address of registers that outlive the call and that no other reference changes.
fn request(request: libc::c_uint, thread: Pid, data: usize) -> io::Result<()> {
    // SAFETY: of the requests made here only those for registers use the data as an address, as said above; no request uses
    // the address before it.
    let answer = unsafe { libc::ptrace(request, thread.as_raw_nonzero().get(), 0_usize, data) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
