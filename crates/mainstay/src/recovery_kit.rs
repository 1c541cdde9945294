//! The recovery kit: a page to print, with which a repository can be opened when this machine is gone.
//!
//! Owns the page's text and where it is written. Makes no keys.

use std::path::{Path, PathBuf};

use mainstay_repo::{RecoveryCode, Repository};
use zeroize::Zeroizing;

use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::output::{escape, time};
use crate::{defaults, machine, private_file};

/// The label of a kit's key slot.
const LABEL: &str = "recovery kit";

/// Adds a key for a new kit and writes the kit; an existing file is never replaced.
pub fn create(repository: &Repository, location: &Location, path: &Path) -> Result<()> {
    let code = RecoveryCode::generate()?;
    let now = machine::now();
    let text = page(repository, location, &code, now);
    private_file::create(path, &text).map_err(|error| Failure::file("write recovery kit", path, &error))?;
    // A kit that opens nothing is noticed and made again; a key without a kit would not be.
    let label = format!("{LABEL} {}", time::utc(now).get(..10).unwrap_or_default());
    repository.add_key(&mainstay_repo::Secret::Code(code), &label, now).map(drop).map_err(Failure::from).inspect_err(
        |_| {
            // The page must not be printed; if it cannot be removed, the error says that the key was not added.
            let _ = std::fs::remove_file(path);
        },
    )
}

/// Where the kit goes that `init` writes.
pub fn default_path(repository: &Repository) -> Result<PathBuf> {
    Ok(defaults::config_directory()?.join(file_name(repository)))
}

/// The name of a kit's file.
pub fn file_name(repository: &Repository) -> String {
    format!("recovery-kit-{}.txt", repository.id().short())
}

fn page(repository: &Repository, location: &Location, code: &RecoveryCode, now: i64) -> Zeroizing<String> {
    let place = escape::text(&location.text().to_string_lossy());
    Zeroizing::new(format!(
        "\
MAINSTAY RECOVERY KIT

Print this page and keep it apart from the machine. With it and the repository,
everything that was backed up can be restored. Without it, and without this
machine, nothing can. Whoever has this page and the repository can read it all.

  Repository   {id}
  Location     {place}
  On host      {host}
  Made         {made}

  Recovery code

      {code}

How to use it

  1. Install Mainstay on any machine and {reach}.
  2. Type the code above into a file, for example kit.txt (letter case, spaces
     and dashes do not matter), and close it to others: chmod 600 kit.txt
  3. mainstay --repo {repo} --password-file kit.txt snapshots
     mainstay --repo {repo} --password-file kit.txt restore latest --target restored

The file with this text works as --password-file, too.
If the page is lost: mainstay key export-kit makes another, and mainstay key
remove takes the old one's power away.
",
        id = repository.id(),
        host = escape::text(&machine::host_name()),
        made = time::local(now),
        code = code.to_text().as_str(),
        repo = location.quoted(),
        reach = match location.path() {
            Some(_) => "attach the disk with the repository",
            None => "set there what opens the bucket: its\n     credentials are not on this page",
        },
    ))
}
