//! From an address and the surroundings of the process to a client of an object store.
//!
//! Owns where credentials come from: the variables and files that a provider's own tools read, in their order. Knows no store's
//! contract. Reads the environment only as it was handed in.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector as _;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use crate::address::{Cloud, CloudAddress, Setting};
use crate::answers::Careful;
use crate::aws_profile;
use crate::object_lock::Locker;
use crate::patience::Patience;

#[cfg(test)]
mod tests;

/// The environment of the process, as its caller has read it.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    pub patience: Patience,
}

impl Surroundings {
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), patience: Patience::default() }
    }

    /// The same, with other patience.
    pub fn with(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What goes into the head of a request is one line.
    pub(crate) fn require_text(&self) -> io::Result<()> {
        let is_odd = |(name, value): &(&String, &String)| *name != "HOME" && value.chars().any(char::is_control);
        match self.variables.iter().find(is_odd) {
            Some((name, _)) => {
                let message = format!("the variable {name} holds a line break or another control character");
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
            None => Ok(()),
        }
    }

    /// Variables that begin so, in lower case, as the keys of settings are called.
    fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (String, &String)> {
        let ours = self.variables.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
        ours.map(|(name, value)| (name.to_ascii_lowercase(), value))
    }
}

/// What requests go through.
pub struct Client {
    pub store: Box<dyn ObjectStore>,
    /// Where the server may know object lock.
    pub locker: Option<Locker>,
}

impl From<Box<dyn ObjectStore>> for Client {
    fn from(store: Box<dyn ObjectStore>) -> Self {
        Self { store, locker: None }
    }
}

/// Makes the client for an address.
pub fn client(address: &CloudAddress, surroundings: &Surroundings) -> io::Result<Client> {
    surroundings.require_text()?;
    let patience = surroundings.patience;
    let options = ClientOptions::new()
        .with_config(ClientConfigKey::UserAgent, concat!("mainstay/", env!("CARGO_PKG_VERSION")))
        .with_connect_timeout(patience.connect)
        .with_timeout(patience.request);
    let backoff = BackoffConfig { init_backoff: patience.pauses.0, max_backoff: patience.pauses.1, base: 2.0 };
    let retry = RetryConfig { max_retries: patience.retries, retry_timeout: patience.retry_for, backoff };
    match address.cloud {
        Cloud::S3 => s3(address, surroundings, (options, retry)),
        Cloud::Google => google(address, surroundings, (options, retry)).map(Client::from),
        Cloud::Azure => azure(address, surroundings, (options, retry)).map(Client::from),
    }
}

fn s3(
    address: &CloudAddress,
    surroundings: &Surroundings,
    (options, retry): (ClientOptions, RetryConfig),
) -> io::Result<Client> {
    let mut builder = AmazonS3Builder::new();
    let mut has_region = false;
    let has_keys = surroundings.variable("AWS_ACCESS_KEY_ID").is_some();
    let of_profile = aws_profile::read(surroundings, has_keys)?;
    let of_variables = surroundings
        .beginning_with("AWS_")
        .filter_map(|(name, value)| Some((name.parse::<AmazonS3ConfigKey>().ok()?, value.clone())));
    let mut server = None;
    for (key, value) in of_profile.into_iter().chain(of_variables) {
        match key {
            AmazonS3ConfigKey::Endpoint => server = Some(value),
            AmazonS3ConfigKey::S3Endpoint => {}
            key => {
                has_region |= matches!(key, AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion);
                builder = builder.with_config(key, value);
            }
        }
    }
    // The address goes before the variable for this service alone, and that before the one for all.
    let of_service = surroundings.variable("AWS_ENDPOINT_URL_S3").map(str::to_owned);
    let server = setting(address, Setting::Endpoint).map(str::to_owned).or(of_service).or(server);
    match setting(address, Setting::Region) {
        Some(region) => builder = builder.with_region(region),
        None if !has_region => builder = builder.with_region("us-east-1"),
        None => {}
    }
    let is_virtual = setting(address, Setting::Style) == Some("virtual");
    let options = options.with_allow_http(is_plain(server.as_deref()));
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_default();
    let mut bucket = format!("https://s3.{region}.amazonaws.com/{}", address.bucket);
    if let Some(server) = server {
        let server = endpoint(&server, is_virtual.then_some(&address.bucket));
        require_server(&server)?;
        bucket = if is_virtual { server.clone() } else { format!("{server}/{}", address.bucket) };
        builder = builder.with_endpoint(server);
    }
    let builder = builder.with_bucket_name(&address.bucket).with_virtual_hosted_style_request(is_virtual);
    // One by one: the answer to a deletion of many is read by what the server says is in it, and some servers lack it.
    let builder = builder.with_config(AmazonS3ConfigKey::DisableBulkDelete, "true").with_http_connector(Careful);
    let client = Careful.connect(&options).map_err(unusable)?;
    let built = builder.with_client_options(options).with_retry(retry).build().map_err(unusable)?;
    let credentials = built.credentials().clone();
    let locker =
        Locker { patience: surroundings.patience, client, credentials, region, bucket, enabled: OnceLock::new() };
    Ok(Client { store: Box::new(built), locker: Some(locker) })
}

fn google(
    address: &CloudAddress,
    surroundings: &Surroundings,
    (options, retry): (ClientOptions, RetryConfig),
) -> io::Result<Box<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in surroundings.beginning_with("GOOGLE_") {
        if let Ok(key) = name.parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(server) = setting(address, Setting::Endpoint) {
        require_server(server)?;
        builder = builder.with_config(GoogleConfigKey::BaseUrl, server);
    }
    let options = options.with_allow_http(is_plain(setting(address, Setting::Endpoint)));
    let builder = builder.with_bucket_name(&address.bucket).with_client_options(options).with_retry(retry);
    let builder = builder.with_http_connector(Careful);
    Ok(Box::new(builder.build().map_err(unusable)?))
}

fn azure(
    address: &CloudAddress,
    surroundings: &Surroundings,
    (options, retry): (ClientOptions, RetryConfig),
) -> io::Result<Box<dyn ObjectStore>> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in surroundings.beginning_with("AZURE_") {
        // What the provider's own tools call them.
        let name = match name.as_str() {
            "azure_storage_account" => "azure_storage_account_name",
            "azure_storage_key" => "azure_storage_account_key",
            name => name,
        };
        if let Ok(key) = name.parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = setting(address, Setting::Account) {
        builder = builder.with_account(account);
    }
    if let Some(server) = setting(address, Setting::Endpoint) {
        require_server(server)?;
        builder = builder.with_endpoint(server.to_owned());
    }
    let options = options.with_allow_http(is_plain(setting(address, Setting::Endpoint)));
    let builder = builder.with_container_name(&address.bucket).with_client_options(options).with_retry(retry);
    let builder = builder.with_http_connector(Careful);
    Ok(Box::new(builder.build().map_err(unusable)?))
}

fn setting(address: &CloudAddress, setting: Setting) -> Option<&str> {
    address.settings.get(&setting).map(String::as_str)
}

/// A server is named with its scheme, and without credentials: an address is shown to everybody. What is no address would end
/// in a panic where requests are made.
pub(crate) fn require_server(server: &str) -> io::Result<()> {
    let bad = |problem: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, problem.to_owned()));
    if !server.starts_with("https://") && !server.starts_with("http://") {
        return bad("expected http://HOST or https://HOST as the server");
    }
    let parsed = server.parse::<http::Uri>().ok();
    let Some(authority) = parsed.as_ref().and_then(http::Uri::authority) else {
        return bad("the address of the server is none");
    };
    if authority.as_str().contains('@') {
        return bad("credentials do not belong into the address of a server");
    }
    let names_port = authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    if authority.host().is_empty() || names_port && authority.port_u16().is_none() {
        return bad("the address of the server is none");
    }
    Ok(())
}

/// Whether the address of a server says that there is no TLS: only then there need be none. What is stored is encrypted, and
/// requests are signed.
fn is_plain(server: Option<&str>) -> bool {
    server.is_some_and(|server| server.starts_with("http://"))
}

/// The server's address, with the bucket in its name where that is the style.
fn endpoint(server: &str, bucket: Option<&String>) -> String {
    let server = server.trim_end_matches('/');
    match (bucket, server.split_once("://")) {
        (Some(bucket), Some((scheme, host))) => format!("{scheme}://{bucket}.{host}"),
        _ => server.to_owned(),
    }
}

fn unusable(error: object_store::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}
