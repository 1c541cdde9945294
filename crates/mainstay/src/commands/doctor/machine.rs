//! Checks of the machine: directories, clock, identity, randomness, limits.
//!
//! Owns what a backup needs of its surroundings. Changes nothing.

use jiff::tz::TimeZone;
use mainstay_repo::RecoveryCode;
use rustix::process::{Resource, getrlimit};

use super::checkup::Checkup;
use crate::failure::{Failure, catalogue};
use crate::location::quoted;
use crate::output::{time, units};
use crate::{defaults, machine};

/// 2025-01-01T00:00:00Z: this program is younger, so a clock that shows less is wrong. Nanoseconds.
const EARLIEST: i64 = 1_735_689_600_000_000_000;
/// Directories that are read, packs and sources that are open at once, with room to spare.
const OPEN_FILES: u64 = 1024;

pub fn check(checkup: &mut Checkup) {
    checkup.group("machine");
    directories(checkup);
    clock(checkup);
    time_zone(checkup);
    identity(checkup);
    random(checkup);
    open_files(checkup);
}

fn directories(checkup: &mut Checkup) {
    let wanted = [defaults::data_directory(), defaults::config_directory(), defaults::state_directory()];
    match wanted.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(found) => {
            let found: Vec<String> = found.iter().map(|path| quoted(path)).collect();
            checkup.ok("directories", found.join(", "));
        }
        Err(failure) => checkup.warn("directories", failure.message.clone(), failure.hint()),
    }
}

fn clock(checkup: &mut Checkup) {
    let now = machine::now();
    if now < EARLIEST {
        checkup.warn("clock", format!("it shows {}", time::local(now)), "set the clock; `forget` goes by times");
    } else {
        checkup.ok("clock", time::local(now));
    }
}

fn time_zone(checkup: &mut Checkup) {
    match TimeZone::try_system() {
        Ok(zone) => {
            let name = zone.iana_name().map_or_else(|| "not named".to_owned(), str::to_owned);
            checkup.ok("time zone", name);
        }
        Err(error) => checkup.warn(
            "time zone",
            format!("not known: {error}"),
            "set TZ or /etc/localtime; days and weeks of `forget` are UTC until then",
        ),
    }
}

fn identity(checkup: &mut Checkup) {
    let liveness = machine::liveness();
    let knows_itself = (liveness.process_start)(liveness.process).is_some_and(|start| start > 0);
    match (liveness.machine.is_empty() || liveness.boot.is_empty(), knows_itself) {
        (false, true) => {
            checkup.ok("identity", format!("host {}, process start times can be read", machine::host_name()))
        }
        (true, _) => checkup.warn(
            "identity",
            "there is no /etc/machine-id, or no /proc: after a crash nobody knows that a session is gone",
            "create /etc/machine-id (systemd-machine-id-setup) and mount /proc",
        ),
        (false, false) => checkup.warn(
            "identity",
            "the start times of processes cannot be read",
            "mount /proc so that this user sees its own processes",
        ),
    }
}

fn random(checkup: &mut Checkup) {
    let drawn = RecoveryCode::generate().and_then(|one| Ok((one.to_text(), RecoveryCode::generate()?.to_text())));
    match drawn {
        Ok((one, other)) if one != other => checkup.ok("random generator", "it works"),
        Ok(_) => {
            let failure = Failure::new(&catalogue::RANDOM, "draw random bytes: the same came twice");
            checkup.fail("random generator", &failure);
        }
        Err(error) => checkup.fail("random generator", &error.into()),
    }
}

fn open_files(checkup: &mut Checkup) {
    // No limit is none that is too low.
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    match limit {
        0..OPEN_FILES => checkup.warn(
            "open files",
            format!("at most {}", units::count(limit)),
            format!("raise the limit to {OPEN_FILES} or more (ulimit -n, or LimitNOFILE= of the service)"),
        ),
        u64::MAX => checkup.ok("open files", "no limit"),
        limit => checkup.ok("open files", format!("at most {}", units::count(limit))),
    }
}
