//! Tests of the profiles.

use super::*;

const CREDENTIALS: &str = "\
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key=default/secret=
; a comment
[backup]
aws_access_key_id=AKBACKUP
aws_secret_access_key=backup
";
const CONFIG: &str = "\
[default]
region = eu-central-1
[profile  backup]
region = eu-north-1
s3 =
  max_concurrent_requests = 3
endpoint_url = https://s3.example.com
[profile role]
role_arn = arn:aws:iam::1:role/x
";

fn read_with(variables: &[(&str, &str)], has_keys: bool) -> io::Result<Vec<String>> {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
    std::fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let home = ("HOME".to_owned(), home.path().to_str().unwrap().to_owned());
    let values = read(&Surroundings::new(variables.chain([home])), has_keys)?;
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

#[test]
fn the_default_profile_counts_where_none_is_named() {
    assert_eq!(read_with(&[], false).unwrap(), ["AKDEFAULT", "default/secret=", "eu-central-1"]);
}

#[test]
fn a_named_profile_counts_with_its_server() {
    let values = read_with(&[("AWS_PROFILE", "backup")], false).unwrap();
    assert_eq!(values, ["AKBACKUP", "backup", "https://s3.example.com", "eu-north-1"]);
}

#[test]
fn keys_of_the_environment_go_before_those_of_a_profile() {
    assert_eq!(read_with(&[], true).unwrap(), ["eu-central-1"]);
}

#[test]
fn a_profile_without_keys_is_an_error_and_no_other_identity() {
    for profile in ["role", "absent"] {
        let error = read_with(&[("AWS_PROFILE", profile)], false).unwrap_err();
        assert!(error.to_string().contains(profile), "{error}");
    }
}

#[test]
fn no_files_are_no_profile() {
    let values = read(&Surroundings::new([("HOME".to_owned(), "/nonexistent".to_owned())]), false).unwrap();
    assert_eq!(values, []);
}
