//! Base64 as archives write the values of attributes (RFC 4648 §4, with or without padding).

/// The bytes that a text stands for.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    let digits = text.iter().filter(|byte| **byte != b'=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in digits {
        held = (held << 6) | value(*byte).ok_or("an attribute is no base64")?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
            held &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let (from, first) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    Some(u32::from(digit - from) + first)
}
