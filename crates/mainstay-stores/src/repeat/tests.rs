//! Tests of what is repeated, and for how long.

use super::*;

/// Without pauses worth the name.
fn hasty() -> Patience {
    Patience { pauses: (Duration::from_nanos(1), Duration::from_nanos(8)), ..Patience::default() }
}

#[test]
fn what_may_pass_is_tried_again_until_it_works() {
    let mut left = 3;
    let done = hasty().repeat(|| {
        left -= 1;
        if left == 0 { Ok("done") } else { Err(Trouble::passing("a reset")) }
    });
    assert_eq!(done.unwrap(), "done");
}

#[test]
fn what_lasts_is_told_at_once() {
    let mut tries = 0;
    let done = hasty().repeat(|| -> Result<(), Trouble> {
        tries += 1;
        Err(Trouble::lasting(io::ErrorKind::PermissionDenied.into()))
    });
    assert_eq!((done.unwrap_err().kind(), tries), (io::ErrorKind::PermissionDenied, 1));
}

#[test]
fn patience_has_an_end_and_a_server_cannot_make_it_longer() {
    let mut tries = 0;
    let done = Patience { retry_for: Duration::ZERO, ..hasty() }.repeat(|| -> Result<(), Trouble> {
        tries += 1;
        Err(Trouble::passing("a reset"))
    });
    assert_eq!((done.unwrap_err().kind(), tries), (io::ErrorKind::TimedOut, 1));
    let late = Trouble { after: Some(Duration::from_secs(61)), ..Trouble::passing("503") };
    assert_eq!(hasty().pauses().wait(late).unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn no_more_is_tried_than_a_user_allows() {
    let mut tries = 0;
    let done = Patience { retries: 2, ..hasty() }.repeat(|| -> Result<(), Trouble> {
        tries += 1;
        Err(Trouble::passing("a reset"))
    });
    assert_eq!((done.unwrap_err().kind(), tries), (io::ErrorKind::TimedOut, 3));
}
