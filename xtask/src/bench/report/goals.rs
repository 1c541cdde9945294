//! What Mainstay sets out to reach, against the fastest of restic, rustic and Borg in one run.
//!
//! Owns the numbers; change one here only together with `docs/performance.md`.

/// How many times as fast as the fastest rival; `None` where nothing is promised.
pub fn ratio(data_set: &str, operation: &str) -> Option<f64> {
    let goal = match (data_set, operation) {
        ("A", "first") => 3.0,
        ("B", "first") => 2.5,
        ("C", "first") => 6.0,
        ("D", "first") => 4.5,
        ("D", "unchanged") => 7.0,
        ("D", "restore") => 2.0,
        ("A", "unchanged") => 5.0,
        ("A", "changed") => 4.0,
        ("A" | "B" | "C", "forced") => 3.0,
        ("A", "restore") => 2.5,
        ("A", "restore-over") => 1.8,
        ("A" | "B" | "C", "verify") => 5.5,
        ("A", "prune") => 2.0,
        _ => return None,
    };
    Some(goal)
}

pub fn peak_mib(data_set: &str) -> u64 {
    match data_set {
        "D" => 256,
        _ => 128,
    }
}

/// The operation in words.
pub fn title(operation: &str) -> &str {
    match operation {
        "first" => "first backup, cold",
        "unchanged" => "nothing changed, warm",
        "unchanged-cold" => "nothing changed, cold",
        "changed" => "1 % changed",
        "forced" => "forced full re-read",
        "restore" => "restore into an empty directory",
        "restore-over" => "restore over 1 % changed, by bytes",
        "restore-over-mtime" => "restore over 1 % changed, by times",
        "verify" => "verify all data",
        "prune" => "forget + prune of half",
        other => other,
    }
}
