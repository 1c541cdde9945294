//! WebDAV servers that tests start: two that have nothing in common.
//!
//! Owns starting them over a directory, on a port that they keep when they are started anew. Tries nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::reader::python;
use crate::world::World;

/// Serves the directory that it is given, on the port that it is given, to whoever knows the password.
const WSGIDAV: &str = "
import socket, sys
from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp
app = WsgiDAVApp({
    'provider_mapping': {'/': sys.argv[1]},
    'simple_dc': {'user_mapping': {'*': {'me': {'password': 'hush'}}}},
    'http_authenticator': {'accept_digest': False, 'default_to_digest': False},
    'verbose': 0, 'logging': {'enable': False},
})
class Server(wsgi.Server):
    # What is left of its connections must not keep the next one from the port.
    @classmethod
    def prepare_socket(cls, *arguments, **named):
        prepared = super().prepare_socket(*arguments, **named)
        prepared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return prepared
server = Server(('127.0.0.1', int(sys.argv[2])), app)
server.prepare()
print('started on http://%s:%s/' % server.bind_addr, file=sys.stderr, flush=True)
server.serve()
";

/// Makes a certificate for `localhost` that nobody has signed but itself, beside its key.
const CERTIFICATE: &str = "
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'localhost')])
day = datetime.timedelta(days=1)
now = datetime.datetime.now(datetime.timezone.utc)
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
made = made.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName('localhost')]), False)
made = made.add_extension(x509.BasicConstraints(False, None), True).sign(key, hashes.SHA256())
open(sys.argv[1], 'wb').write(made.public_bytes(s.Encoding.PEM))
private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
open(sys.argv[2], 'wb').write(private)
";

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Wsgidav,
    Rclone,
    /// The same, by TLS with a certificate of its own.
    RcloneByTls,
}

/// A server over a directory of the home.
pub struct Webdav {
    make: Make,
    process: Child,
    address: String,
    directory: PathBuf,
}

impl Webdav {
    /// Starts one, and puts the password for it where programs look for it.
    pub fn start(world: &World, make: Make) -> Self {
        let directory = world.path("served");
        std::fs::create_dir(&directory).expect("a directory");
        let netrc = world.write(".netrc", b"default login me password hush\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(netrc, mode).expect("it is ours");
        if make == Make::RcloneByTls {
            let mut made = Command::new(python());
            made.args(["-c", CERTIFICATE]).arg(beside(&directory, "certificate")).arg(beside(&directory, "key"));
            assert!(made.status().is_ok_and(|status| status.success()), "a certificate");
        }
        let mut process = spawn(make, &directory, "0");
        let address = super::address_of(&mut process, "://");
        Self { make, process, address: address.trim_end_matches('/').to_owned(), directory }
    }

    /// The address of a repository in it.
    pub fn repository(&self, place: &str) -> String {
        match (self.make, self.address.rsplit_once(':')) {
            (Make::RcloneByTls, Some((_, port))) => format!("webdavs://localhost:{port}/{place}"),
            _ => format!("webdav://{}/{place}", self.address),
        }
    }

    /// The certificate of a server that has one.
    pub fn certificate(&self) -> PathBuf {
        beside(&self.directory, "certificate")
    }

    /// A file or directory as the server has it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Ends it at once, whatever it is doing, and starts it anew where it was.
    pub fn kill_and_start_anew(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        let (_, port) = self.address.rsplit_once(':').expect("a port");
        self.process = spawn(self.make, &self.directory, port);
        super::address_of(&mut self.process, "://");
    }
}

impl Drop for Webdav {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn beside(directory: &Path, name: &str) -> PathBuf {
    directory.with_file_name(name)
}

fn spawn(make: Make, directory: &Path, port: &str) -> Child {
    let mut command = match make {
        Make::Wsgidav => {
            let mut command = Command::new(python());
            command.args(["-c", WSGIDAV]).arg(directory).arg(port);
            command
        }
        Make::Rclone | Make::RcloneByTls => {
            let mut command = Command::new("rclone");
            command.args(["serve", "webdav", "--config", "", "--user", "me", "--pass", "hush", "--addr"]);
            command.arg(format!("127.0.0.1:{port}")).arg(directory);
            if make == Make::RcloneByTls {
                command.arg("--cert").arg(beside(directory, "certificate")).arg("--key").arg(beside(directory, "key"));
            }
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a server")
}
