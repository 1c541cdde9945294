//! The profiles of the AWS tools: `~/.aws/credentials` and `~/.aws/config`.
//!
//! Owns what is read of them: keys, region and endpoint of one profile. Roles, single sign-on and credential processes are not
//! known here; a profile that was named and has no keys is an error, not another identity.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use object_store::aws::AmazonS3ConfigKey;

use crate::settings::Surroundings;

#[cfg(test)]
mod tests;

/// Files longer than this are no profiles.
const LONGEST: u64 = 1 << 20;

/// What the profile says; keys only where the environment has none.
///
/// # Errors
/// When a profile that was named is not there, has no keys, or a file cannot be read.
pub fn read(surroundings: &Surroundings, has_keys: bool) -> io::Result<Vec<(AmazonS3ConfigKey, String)>> {
    let named = surroundings.variable("AWS_PROFILE").or_else(|| surroundings.variable("AWS_DEFAULT_PROFILE"));
    let profile = named.unwrap_or("default");
    let mut values = section(surroundings, ("AWS_CONFIG_FILE", "config"), &config_section(profile))?;
    // As the tools do: what the file of credentials says goes first.
    values.extend(section(surroundings, ("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile)?);
    let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    if has_keys {
        keys.iter().for_each(|key| drop(values.remove(*key)));
    } else if named.is_some() && !(values.contains_key(keys[0]) && values.contains_key(keys[1])) {
        let message = format!(
            "the AWS profile {profile} has no aws_access_key_id and aws_secret_access_key; roles and single sign-on of \
             profiles are not known to this version"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let known = |name: &str| match name {
        "aws_access_key_id" => Some(AmazonS3ConfigKey::AccessKeyId),
        "aws_secret_access_key" => Some(AmazonS3ConfigKey::SecretAccessKey),
        "aws_session_token" => Some(AmazonS3ConfigKey::Token),
        "region" => Some(AmazonS3ConfigKey::Region),
        "endpoint_url" => Some(AmazonS3ConfigKey::Endpoint),
        _ => None,
    };
    Ok(values.into_iter().filter_map(|(name, value)| Some((known(&name)?, value))).collect())
}

/// What the section of a profile is called in the file of settings.
fn config_section(profile: &str) -> String {
    if profile == "default" { profile.to_owned() } else { format!("profile {profile}") }
}

/// The values of a section; none where there is no such file.
fn section(
    surroundings: &Surroundings,
    (variable, file): (&str, &str),
    wanted: &str,
) -> io::Result<BTreeMap<String, String>> {
    let named = surroundings.variable(variable).map(PathBuf::from);
    let usual = || surroundings.variable("HOME").map(|home| Path::new(home).join(".aws").join(file));
    let Some(path) = named.or_else(usual) else { return Ok(BTreeMap::new()) };
    let context = |error: io::Error| io::Error::new(error.kind(), format!("read {}: {error}", path.display()));
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        file => file.map_err(context)?,
    };
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(context)?;
    if text.len() as u64 > LONGEST {
        let message = format!("it has more than {LONGEST} bytes");
        return Err(context(io::Error::new(io::ErrorKind::InvalidData, message)));
    }
    Ok(values_of(&text, wanted))
}

fn values_of(text: &str, wanted: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut is_wanted = false;
    for line in text.lines() {
        // What is indented belongs to the setting above, and none of ours has any.
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) || is_nested {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_wanted = name.split_whitespace().eq(wanted.split_whitespace());
        } else if let Some((name, value)) = line.split_once('=').filter(|_| is_wanted) {
            values.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}
