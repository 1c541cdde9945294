//! Tests of what becomes of an address and variables.

use super::*;
use crate::address::Address;

fn made(scheme: &str, rest: &str, variables: &[(&str, &str)]) -> io::Result<String> {
    let Some(Ok(Address::Cloud(address))) = Address::parse(scheme, rest.as_bytes()) else { panic!("{rest}") };
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    client(&address, &Surroundings::new(variables)).map(|client| format!("{:?}", client.store))
}

#[test]
fn settings_of_the_address_go_before_variables() {
    let variables = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hush"), ("AWS_REGION", "of-variable")];
    let client = made("s3", "//bucket/x?region=of-address", &variables).unwrap();
    assert!(client.contains("of-address") && !client.contains("of-variable"), "{client}");
    let client = made("s3", "//bucket/x", &variables).unwrap();
    assert!(client.contains("of-variable"), "{client}");
}

#[test]
fn the_server_of_the_address_goes_before_those_of_variables() {
    let for_all = ("AWS_ENDPOINT_URL", "http://for-all.example");
    let for_s3 = ("AWS_ENDPOINT_URL_S3", "http://for-s3.example");
    let server = |address: &str, variables: &[(&str, &str)]| made("s3", address, variables).unwrap();
    assert!(server("//bucket/x?endpoint=http://own.example", &[for_all, for_s3]).contains("http://own.example"));
    assert!(server("//bucket/x", &[for_all, for_s3]).contains("http://for-s3.example"));
    assert!(server("//bucket/x", &[for_all]).contains("http://for-all.example"));
}

#[test]
fn the_bucket_stands_in_the_name_of_the_server_where_that_is_the_style() {
    let bucket = "bucket".to_owned();
    assert_eq!(endpoint("https://s3.example.com/", Some(&bucket)), "https://bucket.s3.example.com");
    assert_eq!(endpoint("http://127.0.0.1:9000", None), "http://127.0.0.1:9000");
}

#[test]
fn what_is_missing_is_told_before_anything_is_sent() {
    let error = made("az", "//container/x", &[]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    assert!(error.to_string().contains("Account"), "{error}");
}

#[test]
fn a_server_is_named_with_its_scheme_and_without_credentials() {
    for server in [
        "127.0.0.1:9000",
        "localhost",
        "http://",
        "ftp://host",
        "http://user:secret@host/x",
        "http://ho st",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://host:",
    ] {
        let variable = [("AWS_ENDPOINT_URL", server)];
        let error = made("s3", "//bucket/x", &variable).map(drop).expect_err(server);
        assert!(error.kind() == io::ErrorKind::InvalidInput && !error.to_string().contains("secret"), "{error}");
    }
    let of_address = made("s3", "//bucket/x?endpoint=http://u:p@host", &[]).map(drop);
    assert!(of_address.is_err());
}

#[test]
fn the_region_is_that_of_the_variables_whichever_of_them_names_it() {
    let client = made("s3", "//bucket/x", &[("AWS_DEFAULT_REGION", "of-default")]).unwrap();
    assert!(client.contains("of-default") && !client.contains("us-east-1"), "{client}");
    assert!(made("s3", "//bucket/x", &[]).unwrap().contains("us-east-1"));
}

#[test]
fn an_account_is_named_as_the_providers_own_tools_name_it() {
    let variables = [("AZURE_STORAGE_ACCOUNT", "someone"), ("AZURE_STORAGE_KEY", "c2VjcmV0")];
    assert!(made("az", "//container/x", &variables).unwrap().contains("someone"));
}

#[test]
fn a_variable_with_a_line_break_is_named_and_its_value_is_not() {
    let error = made("s3", "//bucket/x", &[("AWS_SECRET_ACCESS_KEY", "hush\n")]).map(drop).unwrap_err();
    assert!(error.to_string().contains("AWS_SECRET_ACCESS_KEY") && !error.to_string().contains("hush"), "{error}");
}
