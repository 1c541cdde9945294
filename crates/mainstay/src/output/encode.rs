//! Bytes in JSON: a lossy text for people, and the bytes in hexadecimal where the text is not the whole truth.
//!
//! Owns the pair of fields that every name and path in `--json` output has.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// A path that may not be UTF-8: `path`, and `path_hex` when it is not.
pub struct PathFields<'a>(pub &'a [u8]);

impl Serialize for PathFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &String::from_utf8_lossy(self.0))?;
        if std::str::from_utf8(self.0).is_err() {
            map.serialize_entry("path_hex", &hex(self.0))?;
        }
        map.end()
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
