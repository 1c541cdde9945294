//! Tests of who waits and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_repo::store::Verb;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_was_moved_before_has_its_time_first() {
    let (pace, now) = (Pace::new(100), Instant::now());
    assert_eq!(pace.delay(300, now), Duration::ZERO);
    assert_eq!(pace.delay(100, now), 3 * SECOND);
    assert_eq!(pace.delay(100, now + 2 * SECOND), 2 * SECOND);
    assert_eq!(pace.delay(1, now + 10 * SECOND), Duration::ZERO, "what was not used is not saved up");
}

#[test]
fn nothing_waits_for_a_limit_that_is_not_there() {
    let limits = Limits::new(None, Some(1), None);
    let request = Request { verb: Verb::Put, name: "packs/a", sent: u64::MAX };
    assert_eq!(limits.request(request, || Ok((7, 0))).unwrap(), 7);
}

#[test]
fn no_more_requests_are_under_way_than_are_allowed() {
    let limits = Arc::new(Limits::new(None, None, Some(2)));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let request = Request { verb: Verb::Len, name: "packs/a", sent: 0 };
                let counted = limits.request(request, || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(((), 0))
                });
                counted.unwrap();
            });
        }
    });
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn an_error_gives_its_place_free() {
    let limits = Limits::new(Some(1000), Some(1000), Some(1));
    let request = Request { verb: Verb::Read, name: "packs/a", sent: 0 };
    for _ in 0..3 {
        assert!(limits.request::<()>(request, || Err(io::ErrorKind::TimedOut.into())).is_err());
    }
}
