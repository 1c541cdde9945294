//! Tests of how entries are shown.

use super::*;

fn node(kind: NodeKind, mode: u32) -> Node {
    Node { mode, group: 100, size: 2048, ..Node::new("name", kind) }
}

#[test]
fn modes_are_written_as_ls_writes_them() {
    for (kind, mode, text) in [
        (NodeKind::File, 0o644, "-rw-r--r--"),
        (NodeKind::Directory, 0o1777, "drwxrwxrwt"),
        (NodeKind::File, 0o4755, "-rwsr-xr-x"),
        (NodeKind::File, 0o6644, "-rwSr-Sr--"),
        (NodeKind::Fifo, 0, "p---------"),
    ] {
        assert_eq!(mode_text(&node(kind, mode)), text);
    }
}

#[test]
fn a_hostile_link_is_shown_with_escapes_on_both_sides() {
    let mut link = node(NodeKind::Symlink, 0o777);
    link.link_target = Some(b"\x1b[2J\xff".to_vec());
    let line = long(b"/a\nb", &link, &Owners::default());
    assert!(line.ends_with("/a\\nb -> \\x1b[2J\\xff"), "{line}");
    let fields = serde_json::to_value(NodeFields::new(b"/a\nb", &link, &Owners::default())).expect("plain data");
    assert_eq!(fields["path"], "/a\nb");
    assert_eq!(fields["link_target_hex"], "1b5b324aff");
    assert!(fields.get("path_hex").is_none());
}

#[test]
fn owners_are_shown_by_name_where_the_snapshot_knows_them() {
    let file = node(NodeKind::File, 0o644);
    let owners = Owners { users: vec![(1, "one".to_owned()), (0, "a\x1bb".to_owned())], groups: Vec::new() };
    let line = long(b"/a", &file, &owners);
    assert!(line.starts_with("-rw-r--r-- a\\x1bb   100 "), "{line}");
    let fields = serde_json::to_value(NodeFields::new(b"/a", &file, &owners)).expect("plain data");
    assert_eq!((&fields["user"], &fields["user_name"]), (&0.into(), &"a\x1bb".into()));
    assert_eq!((&fields["group"], &fields["group_name"]), (&100.into(), &serde_json::Value::Null));
}
