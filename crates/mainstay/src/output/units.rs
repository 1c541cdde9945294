//! Sizes and lengths of time, to be read by people and typed by them.
//!
//! Owns IEC units in text (JSON has plain numbers) and the parsing of sizes and shares on the command line.

use std::time::Duration;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size with three or four digits: `1.23 GiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1023.5 KiB would be shown as 1024 KiB.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", UNITS.get(unit).unwrap_or(&"EiB"))
}

/// A number with its thousands apart: `80,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A count with the noun that fits: `1 file`, `2 files`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A length of time in at most two units: `0.8 s`, `41 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => two("min", seconds / 60, "s", seconds % 60),
        3600..86_400 => two("h", seconds / 3600, "min", seconds % 3600 / 60),
        _ => two("d", seconds / 86_400, "h", seconds % 86_400 / 3600),
    }
}

fn two(large: &str, of_large: u64, small: &str, of_small: u64) -> String {
    match of_small {
        0 => format!("{of_large} {large}"),
        _ => format!("{of_large} {large} {of_small} {small}"),
    }
}

/// A part of a whole in per cent; nothing of nothing is 0 %.
pub fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
    let decimals = usize::from(share > 0.0 && share < 9.95);
    format!("{share:.decimals$} %")
}

/// Reads a size: digits, and perhaps K, M, G or T with or without `iB`; all are powers of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || format!("expected a size such as 500K, 100M or 2GiB, got {text:?}");
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let exponent = match text.get(digits.len()..).map(str::to_ascii_lowercase).as_deref() {
        Some("" | "b") => 0,
        Some("k" | "kib") => 1,
        Some("m" | "mib") => 2,
        Some("g" | "gib") => 3,
        Some("t" | "tib") => 4,
        _ => return Err(expected()),
    };
    let number: u64 = digits.trim_end().parse().map_err(|_| expected())?;
    number.checked_mul(1 << (10 * exponent)).ok_or_else(expected)
}

/// Reads a share such as `5%`, above 0 and at most 100.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|digits| digits.trim_end().parse::<f64>().ok());
    number
        .filter(|number| *number > 0.0 && *number <= 100.0)
        .ok_or_else(|| format!("expected a share such as 5%, above 0% and at most 100%, got {text:?}"))
}

#[cfg(test)]
mod tests;
