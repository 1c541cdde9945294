//! Tests of a stream as a source.

use std::io::Read;

use super::{StreamSource, UNKNOWN_LENGTH};
use crate::{Error, Kind, Owner, Run, Source as _, Timestamp};

fn stream(name: &[u8], reader: impl Read + Send + 'static) -> crate::Result<StreamSource> {
    StreamSource::new(name, Timestamp { seconds: 5, nanoseconds: 6 }, Owner::default(), Box::new(reader))
}

#[test]
fn a_stream_is_one_file_whose_size_is_known_at_its_end() {
    let root = stream(b"dump.sql", &b"create table"[..]).unwrap().root().unwrap();
    let listing = root.list().unwrap();
    assert_eq!(listing.entries.len(), 1);
    let entry = &listing.entries[0];
    assert_eq!((entry.name.as_slice(), entry.kind, entry.size), (b"dump.sql".as_slice(), Kind::File, 0));
    let mut content = root.open_file(entry).unwrap();
    assert_eq!(content.next_run().unwrap(), Some(Run::Data { len: UNKNOWN_LENGTH }));
    let mut buffer = [0; 100];
    let read = content.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"create table");
    assert_eq!(content.read(&mut buffer).unwrap(), 0);
    assert_eq!(content.next_run().unwrap(), None);
    let now = content.entry_now().unwrap();
    assert_eq!((now.size, now.modified), (12, entry.modified));
    assert_eq!(root.details(entry).unwrap(), crate::Details::default());
}

#[test]
fn a_stream_is_read_only_once() {
    let root = stream(b"x", &b""[..]).unwrap().root().unwrap();
    let entry = root.list().unwrap().entries.remove(0);
    assert!(root.open_file(&entry).is_ok());
    assert!(matches!(root.open_file(&entry).err(), Some(Error::Refused { .. })));
    assert!(matches!(root.open_dir(b"x").err(), Some(Error::Refused { .. })));
}

#[test]
fn a_stream_that_fails_is_an_error_with_its_name() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            let kind = if self.0 { std::io::ErrorKind::BrokenPipe } else { std::io::ErrorKind::Interrupted };
            self.0 = true;
            Err(kind.into())
        }
    }
    let root = stream(b"x", Broken(false)).unwrap().root().unwrap();
    let entry = root.list().unwrap().entries.remove(0);
    let mut content = root.open_file(&entry).unwrap();
    content.next_run().unwrap();
    let error = content.read(&mut [0; 10]).unwrap_err();
    assert!(error.to_string().starts_with("read stream x: "), "{error}");
}

#[test]
fn the_name_must_be_that_of_a_file() {
    for name in [b"".as_slice(), b"..", b"a/b", b"/etc/passwd"] {
        assert!(matches!(stream(name, &b""[..]).err(), Some(Error::Refused { .. })));
    }
}
