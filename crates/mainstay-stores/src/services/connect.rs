//! From an address and the surroundings of the process to a client of a service.
//!
//! Owns where credentials come from, and that they go nowhere without TLS. Reads the environment only as it was handed in.

use std::io;

use opendal::services::{Dropbox, Onedrive, Swift};
use opendal::{HttpTransporter, Operator};

use super::http::{Redirections, Transport};
use super::operator::OperatorRemote;
use crate::address::{Service, ServiceAddress, ServiceSetting, is_loopback};
use crate::settings::{Surroundings, require_server};

/// Makes the client for an address.
pub fn remote(address: &ServiceAddress, surroundings: &Surroundings) -> io::Result<OperatorRemote> {
    surroundings.require_text()?;
    let keys = Keys { service: address.service, surroundings };
    let (built, is_loopback) = match address.service {
        Service::Swift => swift(address, &keys)?,
        Service::OneDrive => (onedrive(address, &keys)?, false),
        Service::Dropbox => (dropbox(address, &keys)?, false),
    };
    let redirections = match address.service {
        Service::OneDrive => Redirections::ByTls,
        Service::Dropbox | Service::Swift => Redirections::None,
    };
    let transport = HttpTransporter::new(Transport::new(redirections, is_loopback, &surroundings.patience)?);
    let context = built.context().with_http_transport(transport);
    let lists_whole = address.service == Service::Swift;
    OperatorRemote::new(built.with_context(context), lists_whole, surroundings.patience.request)
}

/// The credentials of a service.
struct Keys<'s> {
    service: Service,
    surroundings: &'s Surroundings,
}

impl Keys<'_> {
    /// What a variable of OpenDAL's says, or another one.
    fn find(&self, key: &str, other: Option<&str>) -> io::Result<Option<String>> {
        let own = self.service.variable(key);
        let names = [Some(own.as_str()), other];
        let found = names.into_iter().flatten().find_map(|name| Some((name, self.surroundings.variable(name)?)));
        match found {
            // It goes into the head of a request.
            Some((name, value)) if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(unusable(format!("the variable {name} holds a letter that no credential has")))
            }
            found => Ok(found.map(|(_, value)| value.to_owned())),
        }
    }

    fn require(&self, key: &str, other: Option<&str>) -> io::Result<String> {
        let also = other.map(|other| format!(" or {other}")).unwrap_or_default();
        let missing = || unusable(format!("no {key} was found: {}{also} holds it", self.service.variable(key)));
        self.find(key, other)?.ok_or_else(missing)
    }
}

fn unusable(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn refused(error: opendal::Error) -> io::Error {
    unusable(error.message().to_owned())
}

fn swift(address: &ServiceAddress, keys: &Keys<'_>) -> io::Result<(Operator, bool)> {
    let missing = |setting: &str| unusable(format!("the setting `{setting}` is missing in the address"));
    let container = address.setting(ServiceSetting::Container).ok_or_else(|| missing("container"))?;
    let endpoint = match address.setting(ServiceSetting::Endpoint) {
        Some(endpoint) => Some(endpoint.to_owned()),
        None => keys.find("endpoint", Some("OS_STORAGE_URL"))?,
    };
    let endpoint = endpoint.ok_or_else(|| missing("endpoint"))?;
    require_server(&endpoint)?;
    let parsed = endpoint.parse::<http::Uri>().ok();
    let is_here = parsed.as_ref().and_then(http::Uri::host).is_some_and(is_loopback);
    if endpoint.starts_with("http://") && !is_here {
        let message =
            "the token would go over the network as it is: expected https:// for any server but one on this machine";
        return Err(unusable(message.to_owned()));
    }
    let token = keys.require("token", Some("OS_AUTH_TOKEN"))?;
    let builder = Swift::default().endpoint(&endpoint).container(container).root(&address.root).token(&token);
    Ok((Operator::new(builder).map_err(refused)?, is_here))
}

fn onedrive(address: &ServiceAddress, keys: &Keys<'_>) -> io::Result<Operator> {
    let builder = Onedrive::default().root(&address.root);
    let builder = match keys.find("refresh_token", None)? {
        Some(token) => {
            let builder = builder.refresh_token(&token).client_id(&keys.require("client_id", None)?);
            match keys.find("client_secret", None)? {
                Some(secret) => builder.client_secret(&secret),
                None => builder,
            }
        }
        None => builder.access_token(&keys.require("access_token", None)?),
    };
    Operator::new(builder).map_err(refused)
}

fn dropbox(address: &ServiceAddress, keys: &Keys<'_>) -> io::Result<Operator> {
    let builder = Dropbox::default().root(&address.root);
    let builder = match keys.find("refresh_token", None)? {
        Some(token) => builder
            .refresh_token(&token)
            .client_id(&keys.require("client_id", None)?)
            .client_secret(&keys.require("client_secret", None)?),
        None => builder.access_token(&keys.require("access_token", None)?),
    };
    Operator::new(builder).map_err(refused)
}
