//! Tests of the rules about colours.

use super::*;

#[test]
fn a_flag_beats_the_environment_and_no_color_beats_force_color() {
    let nothing = Wishes::default();
    let no = Wishes { no_color: true, ..nothing };
    let force = Wishes { force_color: true, ..nothing };
    let both = Wishes { no_color: true, force_color: true, ..nothing };
    let dumb = Wishes { dumb_terminal: true, ..nothing };
    for (choice, wishes, is_terminal, paint) in [
        (Choice::Auto, nothing, true, Paint::Coloured),
        (Choice::Auto, nothing, false, Paint::Plain),
        (Choice::Auto, no, true, Paint::Plain),
        (Choice::Auto, force, false, Paint::Coloured),
        (Choice::Auto, both, true, Paint::Plain),
        (Choice::Auto, dumb, true, Paint::Plain),
        (Choice::Always, no, false, Paint::Coloured),
        (Choice::Never, force, true, Paint::Plain),
    ] {
        assert_eq!(choice.decide(wishes, is_terminal), paint, "{choice:?} {wishes:?} {is_terminal}");
    }
}
