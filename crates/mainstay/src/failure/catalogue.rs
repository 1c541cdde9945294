//! The catalogue of errors: every code that Mainstay prints, with its exit code and advice.
//!
//! Owns the numbers; a number is never given to another error. `docs/errors.md` has a section for each, and a test
//! compares the two. The sections are built into the binary: `mainstay help MS-1101` prints one.

use crate::exit_code::ExitCode;

/// One kind of error.
#[derive(Debug)]
pub struct Code {
    pub number: &'static str,
    pub exit_code: ExitCode,
    /// What to do, in general.
    pub hint: &'static str,
}

macro_rules! catalogue {
    ($($name:ident = $number:literal, $exit_code:ident, $hint:literal;)*) => {
        $(pub const $name: Code = Code { number: $number, exit_code: ExitCode::$exit_code, hint: $hint };)*
        /// Every code, in order.
        pub const ALL: &[&Code] = &[$(&$name),*];
    };
}

catalogue! {
    USAGE = "MS-1001", Usage, "see `mainstay help` or `mainstay COMMAND --help`";
    INVALID = "MS-1002", Usage, "see the command's --help for what it takes";
    ADDRESS = "MS-1003", Usage, "name a place: a path, file:///PATH, sqlite:///FILE, sftp://USER@HOST/PATH, s3://BUCKET/PREFIX, gs://, az://, webdavs://HOST/PATH or postgresql://HOST/DATABASE";
    RULE = "MS-1004", Usage, "rules are written as in .gitignore; check brackets and escapes";
    NO_HOME = "MS-1005", Configuration, "set HOME, or XDG_DATA_HOME and XDG_CONFIG_HOME, or name everything by --repo and --password-file";
    FILE = "MS-1006", Configuration, "check that the file is there and that you may use it";
    UNKNOWN_TOPIC = "MS-1007", Usage, "see `mainstay help` for the topics";

    NO_REPOSITORY = "MS-1101", NoRepository, "check --repo or MAINSTAY_REPO and that the disk is mounted, or create one with `mainstay init`";
    OCCUPIED = "MS-1102", Refused, "choose an empty directory, or use the repository that is there";
    TOO_NEW = "MS-1103", Failure, "update Mainstay; nothing was changed";
    STORE = "MS-1105", Unreachable, "check that the store's disk is mounted and healthy, or that its server can be reached, then run the command again";
    STORE_DENIED = "MS-1106", Unreachable, "check the owner and mode of the repository's directory and that its disk is writable, or the credentials and their rights";
    NO_SPACE = "MS-1107", NoSpace, "free space on the store's disk, or forget snapshots and prune; what is stored is whole";
    LIMIT = "MS-1108", Failure, "the repository's format does not allow more; split the source";
    FENCED = "MS-1109", Busy, "run it again: what was stored is found there, and nothing that was confirmed is lost";
    CONDEMNED = "MS-1110", Failure, "as long as it is there, restore it or copy it into another repository; next time give prune a longer --hold";
    UNFIT_STORE = "MS-1111", Damage, "keep no repository there: choose another place, or have what is broken mended (the mount's options, the server's version) and validate again";
    HOST_KEY = "MS-1112", Unreachable, "ask whoever runs the server for the fingerprint of its key, and compare";
    ARCHIVE_HELD = "MS-1121", Refused, "wait for the end of the hold; `mainstay archive show` tells when it is";
    ARCHIVE_SEALED = "MS-1122", Refused, "nothing is added to an archive: make another one, or back up into a repository";
    ARCHIVE_COLD = "MS-1123", Unreachable, "have the store restore the objects that are listed, for S3 by `aws s3api restore-object`, and run the command again when they are there";

    WRONG_KEY = "MS-1201", WrongKey, "check which password or key belongs to this repository, or use the recovery kit by --password-file";
    NO_KEY = "MS-1202", WrongKey, "give the recovery kit or a password by --password-file FILE, MAINSTAY_PASSWORD_FILE or MAINSTAY_PASSWORD_COMMAND";
    KEY_FILE_OPEN = "MS-1203", Configuration, "take the rights of others away: chmod 600 on the file";
    PASSWORD_COMMAND = "MS-1205", Configuration, "run the command of MAINSTAY_PASSWORD_COMMAND by hand: it must print the password and end with 0";
    EMPTY_PASSWORD = "MS-1206", Configuration, "an empty password protects nothing; give one of at least one character";
    PASSWORDS_DIFFER = "MS-1207", Failure, "type the same passphrase twice";
    NO_KEY_SLOT = "MS-1208", Failure, "list the keys with `mainstay key list`";
    LAST_KEY = "MS-1209", Refused, "add another key with `mainstay key add` first";
    NOT_ALLOWED = "MS-1210", WrongKey, "name a key that may by --password-file; `mainstay key list` shows what each may do";
    KEYS_LEFT_OUT = "MS-1211", Refused, "name a file that opens each by --take-along FILE, or remove them by --remove-others and add them again";

    DAMAGED = "MS-1301", Damage, "do not prune; `mainstay verify` shows how far the damage goes, and `mainstay repair` undoes what can be undone";
    MISSING = "MS-1302", Damage, "do not prune; check that the store is complete, then run `mainstay check`, and `mainstay repair` for what is lost";
    BLOCK_MISSING = "MS-1303", Damage, "do not prune; `mainstay check` shows which snapshots are affected, and `mainstay repair` undoes what can be undone";
    DAMAGE_FOUND = "MS-1304", Damage, "do not prune; run `mainstay repair`, or `mainstay repair --from` another copy of the repository";
    REWOUND = "MS-1305", Rewound, "do not prune; find out who put back an older repository, and see `mainstay repo history`";
    HISTORY_GAP = "MS-1306", Rewound, "list again, and see `mainstay repo history`; if the snapshot is lost for good, give it up by `mainstay prune --accept-loss ID`";
    UNREPAIRED = "MS-1307", Damage, "back up: what the sources still have is stored again; then repair once more; or repair --from another copy of the repository; or give the rest up by --accept-loss";
    NO_PARITY_OF_DAMAGE = "MS-1308", Damage, "run `mainstay repair` first; parity is made of what is whole";
    INCOMPLETE_SYNC = "MS-1309", Incomplete, "repair the copy that lacks it, and synchronise again; everything else is there";
    INCOMPLETE_COPY = "MS-1310", Incomplete, "repair the repository that lacks it, and copy again; every other snapshot is copied";
    ARCHIVE_DAMAGED = "MS-1311", Damage, "bring the objects named above from another copy of the archive: they never change";
    PARITY_KEPT = "MS-1312", Damage, "run `mainstay repair` first, which heals by it what can be healed, then drop the rest";

    NO_SNAPSHOT = "MS-1401", Failure, "list the snapshots with `mainstay snapshots`";
    NO_PATH = "MS-1402", Failure, "list the snapshot with `mainstay ls SNAP`, or search with `mainstay find PATTERN`";
    NO_MATCH = "MS-1403", Failure, "list the snapshot with `mainstay ls -R SNAP`; rules are written as in .gitignore, and `/` stands in front of a path from the top";

    SOURCE = "MS-1501", Failure, "check that the path is there and that you may read it";
    REFUSED_NAME = "MS-1502", Failure, "the name cannot be used here; nothing was written";
    INCOMPLETE_BACKUP = "MS-1503", Incomplete, "the snapshot holds everything else; check the entries named above, or exclude them";
    CLOCK_BEHIND = "MS-1504", Incomplete, "set the clock right; the snapshot is whole, but its time is wrong, and `forget` goes by times";
    BROKEN_TAR = "MS-1505", Failure, "no snapshot was made; see whether `tar -t` reads it, and bring it anew from where it was made";

    TARGET_NOT_EMPTY = "MS-1601", Refused, "choose an empty directory, or say by --overwrite what to do with files that exist";
    INCOMPLETE_RESTORE = "MS-1602", Incomplete, "everything else is restored; check the entries named above";
    TARGET = "MS-1603", Configuration, "name by --target a directory that you may write, or one that is not there yet";
    TARGET_FULL = "MS-1604", NoSpace, "free space where the target is and run the command again with --overwrite if-changed; the repository is untouched";

    BUG = "MS-1901", Failure, "this is a fault in Mainstay: please report it with the command and this message";
    RANDOM = "MS-1902", Failure, "the system's random generator does not work; do not trust keys made on this machine";
    STOPPED = "MS-1903", Interrupted, "run the command again when it suits";
    OUTPUT = "MS-1904", Failure, "check where the output goes";
    OUTPUT_CLOSED = "MS-1905", Success, "the reader of the output ended early";
}
