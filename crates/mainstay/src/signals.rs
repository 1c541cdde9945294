//! Ctrl-C and SIGTERM: the first asks a run to stop cleanly, the second ends the program at once. SIGUSR1 has it say where
//! it stands.
//!
//! Owns the thread that waits for signals. Only runs that can stop cleanly ask for it; everything else keeps the system's
//! default, which is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use mainstay_jobs::Cancel;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::exit_code::ExitCode;
use crate::output::{Output, line_to_stderr};

/// What was asked for by signals.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    pub cancel: Cancel,
    first: Arc<AtomicI32>,
}

impl Requests {
    /// Begins to listen; `tell` says where the run stands.
    pub fn listen(output: Output, tell: impl Fn() + Send + 'static) -> Self {
        let requests = Self::default();
        let heard = requests.clone();
        // Where no handler can be installed, the system's default still ends the program.
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) {
            let wait = move || {
                signals.forever().for_each(|signal| match signal {
                    SIGUSR1 => tell(),
                    _ => heard.take(signal, output),
                })
            };
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
        }
        requests
    }

    /// How a run that was stopped ends.
    pub fn exit_code(&self) -> ExitCode {
        code_of(self.first.load(Ordering::Acquire))
    }

    fn take(&self, signal: i32, output: Output) {
        if self.cancel.is_requested() {
            signal_hook::low_level::exit(code_of(signal).number().into());
        }
        self.first.store(signal, Ordering::Release);
        self.cancel.request();
        if !output.is_json() {
            line_to_stderr("stopping cleanly; press Ctrl-C again to stop at once");
        }
    }
}

fn code_of(signal: i32) -> ExitCode {
    if signal == SIGTERM { ExitCode::Terminated } else { ExitCode::Interrupted }
}
