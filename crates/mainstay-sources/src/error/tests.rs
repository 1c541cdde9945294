//! Tests of what errors quote.

use super::*;

#[test]
fn a_long_rule_is_quoted_in_part() {
    for (rule, quoted) in [("a[", 2), (&*"ä[".repeat(50), 100), (&*"ä[".repeat(1 << 20), 101)] {
        let error =
            ignore::gitignore::GitignoreBuilder::new("/").allow_unclosed_class(false).add_line(None, rule).err();
        let Some(error) = error else { panic!("{quoted}: it is a rule") };
        let Error::Rule { rule, reason } = Error::rule(rule, &error) else { panic!("{quoted}: another error") };
        assert_eq!(rule.chars().count(), quoted);
        assert!(reason.len() <= 103, "{reason}");
    }
}
