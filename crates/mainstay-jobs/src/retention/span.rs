//! Reading lengths of time as people type them.
//!
//! Owns the grammar: numbers with `y`, `m` (months), `w`, `d` and `h`, largest unit first (`30d`, `1y6m`), or ISO 8601
//! (`P30D`, `PT6H`).

use jiff::Span;

use crate::{Error, Result};

const UNITS: [char; 5] = ['y', 'm', 'w', 'd', 'h'];

/// Reads a length of time.
///
/// # Errors
/// [`Error::Invalid`] when the text is none, or not longer than nothing.
pub fn parse_span(text: &str) -> Result<Span> {
    let invalid = |problem: &str| Error::Invalid(format!("read length of time {text:?}: {problem}"));
    let span = if text.starts_with(['P', 'p']) {
        text.parse::<Span>().map_err(|error| invalid(&error.to_string()))?
    } else {
        parse_units(text).map_err(|problem| invalid(&problem))?
    };
    if span.is_positive() { Ok(span) } else { Err(invalid("it must be longer than nothing")) }
}

fn parse_units(text: &str) -> Result<Span, String> {
    let mut span = Span::new();
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let unit = tail.chars().next();
        let (Ok(number), Some(unit)) = (number.parse::<i64>(), unit) else {
            return Err("expected numbers with y, m, w, d or h, such as 30d or 1y6m".to_owned());
        };
        if !units.any(|known| *known == unit) {
            return Err(format!("unit {unit:?} is unknown or out of order: y, m, w, d, h"));
        }
        span = with_unit(span, unit, number).map_err(|error| error.to_string())?;
        rest = tail.get(unit.len_utf8()..).unwrap_or_default();
    }
    Ok(span)
}

fn with_unit(span: Span, unit: char, number: i64) -> Result<Span, jiff::Error> {
    match unit {
        'y' => span.try_years(number),
        'm' => span.try_months(number),
        'w' => span.try_weeks(number),
        'd' => span.try_days(number),
        _ => span.try_hours(number),
    }
}
