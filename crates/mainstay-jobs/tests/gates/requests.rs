//! Gate: a fault at every request to an S3 server, over the whole way of a command to the server and back.
//!
//! Owns which faults are tried at which requests, once and for good, and how long a command may take. What must hold is what
//! holds for every store: whoever answers success has done the work, and nothing confirmed is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_jobs::verify::{VerifyOptions, verify};
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{Repository, Store};
use mainstay_stores::{Address, Patience, Surroundings};

use crate::commands::{Command, Process, secret, unborn};
use crate::effort::{Effort, Figures};
use crate::journal_store::{JournalStore, Objects};
use crate::ledger::Ledger;
use crate::s3::{Fault, Kind, Plan, S3};

/// A command that takes longer waits for something that does not come.
const LONGEST: Duration = Duration::from_secs(20);
/// Faults that may last: an outage, a server that is overrun, credentials that have expired, connections that break.
const LASTING: [Fault; 5] = [Fault::Busy, Fault::Expired, Fault::ResetBefore, Fault::ResetAfter, Fault::NoPage];

struct Tally {
    effort: Effort,
    runs: u64,
    successes: u64,
    longest: Duration,
    wrong: Vec<String>,
}

/// A repository in the bucket of a server.
struct InBucket<'s> {
    server: &'s S3,
    objects: Objects,
    ledger: Ledger,
}

/// A store as a command opens it: nothing of an earlier one is left in it.
fn store(server: &S3) -> Arc<dyn Store> {
    let rest = format!("//bucket?endpoint={}", server.endpoint);
    let Some(Ok(address)) = Address::parse("s3", rest.as_bytes()) else { panic!("{rest} is an address") };
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let pause = Duration::from_millis(1);
    let patience = Patience {
        retries: 3,
        retry_for: Duration::from_secs(2),
        request: Duration::from_secs(5),
        pauses: (pause, 2 * pause),
        ..Patience::default()
    };
    mainstay_stores::open(&address, &Surroundings::new(keys).with(patience))
        .expect("a gate begins with what is healthy")
}

impl InBucket<'_> {
    fn run(&mut self, command: Command) {
        self.server.set(&self.objects, None);
        let ledger = command.run(store(self.server), Process::FIRST, &self.ledger);
        self.ledger = ledger.expect("a gate begins with what is healthy");
        self.objects = self.server.heal().0;
    }

    /// What a command asks for where nothing goes wrong.
    fn requests_of(&self, command: impl FnOnce(Arc<dyn Store>)) -> Vec<Kind> {
        self.server.set(&self.objects, None);
        command(store(self.server));
        self.server.heal().1
    }

    fn try_command(&self, command: Command, tally: &mut Tally) {
        let requests = self.requests_of(|store| {
            command.run(store, Process::FIRST, &self.ledger).expect("a gate begins with what is healthy");
        });
        for plan in plans(&requests, tally.effort) {
            self.server.set(&self.objects, Some(plan));
            let begun = Instant::now();
            let answer = command.run(store(self.server), Process::FIRST, &self.ledger);
            tally.longest = tally.longest.max(begun.elapsed());
            tally.runs += 1;
            tally.successes += u64::from(answer.is_ok());
            let told = answer.as_ref().err().map(ToString::to_string);
            let ledger = answer.unwrap_or_else(|_| command.under_way(&self.ledger));
            let process = Process::FIRST.after_kill();
            let after: Arc<dyn Store> = Arc::new(JournalStore::with(self.server.heal().0));
            if let Err(why) = ledger.look(&after, &process).and_then(|()| ledger.go_on(&after, &process)) {
                tally.wrong.push(format!("{command:?} with {plan:?}, which answered {told:?}: {why}"));
            }
        }
    }

    /// Of a repository that is damaged nobody says that it is sound, whatever the server answers.
    fn try_verify(&self, tally: &mut Tally) {
        let requests = self.requests_of(|store| assert!(!is_sound(store, &self.ledger), "a gate begins with damage"));
        for plan in plans(&requests, tally.effort) {
            self.server.set(&self.objects, Some(plan));
            let begun = Instant::now();
            tally.runs += 1;
            if is_sound(store(self.server), &self.ledger) {
                tally.wrong.push(format!("verify with {plan:?} calls a damaged repository sound"));
            }
            tally.longest = tally.longest.max(begun.elapsed());
        }
    }
}

/// Each fault that fits, once; and those that may last, from that request on. The short form tries every other of them, so that each
/// request gets half of the faults and each fault half of the requests.
fn plans(requests: &[Kind], effort: Effort) -> Vec<Plan> {
    let at = |(at, kind): (usize, &Kind)| {
        let kind = *kind;
        let once = Fault::ALL.into_iter().filter(move |fault| fault.fits(kind));
        let once = once.map(move |fault| Plan { fault, at, lasts: false });
        let all = once.chain(LASTING.into_iter().map(move |fault| Plan { fault, at, lasts: true }));
        let is_tried = move |number: usize| effort.is_long() || (number + at).is_multiple_of(2);
        all.enumerate().filter(move |(number, _)| is_tried(*number)).map(|(_, plan)| plan)
    };
    requests.iter().enumerate().flat_map(at).collect()
}

fn is_sound(store: Arc<dyn Store>, ledger: &Ledger) -> bool {
    let options = VerifyOptions { sample: None, seed: 0 };
    let Ok(repository) = Repository::open(store, &secret(&ledger.codes[0].1), Process::FIRST.liveness()) else {
        return false;
    };
    verify(&repository, &options, &NoProgress, &Cancel::default()).is_ok_and(|report| report.is_sound())
}

#[test]
fn a_fault_at_any_request_never_ends_in_a_success_that_is_none_or_a_loss() {
    use Command::{Backup, Forget, Init, Prune, Undelete};
    let mut figures = Figures::of("faults of requests");
    let mut tally =
        Tally { effort: Effort::asked(), runs: 0, successes: 0, longest: Duration::ZERO, wrong: Vec::new() };
    let server = S3::start();
    let mut place = InBucket { server: &server, objects: Objects::new(), ledger: unborn(11) };
    place.try_command(Init, &mut tally);
    for command in [Init, Backup, Backup, Forget, Backup] {
        place.run(command);
    }
    for command in [Backup, Forget, Undelete, Prune] {
        place.try_command(command, &mut tally);
    }
    let largest = place.objects.iter().filter(|(name, _)| name.starts_with("packs/"));
    let (name, bytes) = largest.max_by_key(|(_, bytes)| bytes.len()).expect("a gate begins with packs");
    let (name, mut bytes) = (name.clone(), bytes.to_vec());
    bytes[100] ^= 1;
    place.objects.insert(name, bytes.into());
    place.try_verify(&mut tally);
    figures.add(tally.runs, "runs");
    figures.add(Fault::ALL.len() as u64, "faults at the requests that they fit, five of them for good as well");
    figures.add(tally.successes, "commands that went on to success");
    figures.add(tally.longest.as_millis() as u64, "ms at most");
    figures.add(tally.wrong.len() as u64, "false successes or losses");
    figures.publish(tally.effort);
    assert!(tally.wrong.is_empty(), "{}: {:#?}", tally.wrong.len(), &tally.wrong[..tally.wrong.len().min(8)]);
    assert!(tally.longest < LONGEST, "{:?}", tally.longest);
}
