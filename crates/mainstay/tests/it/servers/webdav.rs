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

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    Wsgidav,
    Rclone,
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
        let netrc = world.write(".netrc", b"machine 127.0.0.1 login me password hush\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(netrc, mode).expect("it is ours");
        let mut process = spawn(make, &directory, "0");
        let address = super::address_of(&mut process, "tarted on http://");
        Self { make, process, address: address.trim_end_matches('/').to_owned(), directory }
    }

    /// The address of a repository in it.
    pub fn repository(&self, place: &str) -> String {
        format!("webdav://{}/{place}", self.address)
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
        super::address_of(&mut self.process, "tarted on http://");
    }
}

impl Drop for Webdav {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(make: Make, directory: &Path, port: &str) -> Child {
    let mut command = match make {
        Make::Wsgidav => {
            let mut command = Command::new(python());
            command.args(["-c", WSGIDAV]).arg(directory).arg(port);
            command
        }
        Make::Rclone => {
            let mut command = Command::new("rclone");
            command.args(["serve", "webdav", "--config", "", "--user", "me", "--pass", "hush", "--addr"]);
            command.arg(format!("127.0.0.1:{port}")).arg(directory);
            command
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a server")
}
