//! OpenStack's own object store, Swift, that a test starts for itself: one machine, one disk, one copy of everything.
//!
//! Owns its four processes. It asks nobody for a token: of Swift's ways to say who one is, each needs a server more. Tries nothing.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::free_port;
use crate::reader::python;

/// Prepares a directory, or serves one part of it: what, the directory, and the ports of the parts.
const SCRIPT: &str = "
import os, pwd, sys, urllib.request
import swift.common.utils.base as base
from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi

what, root = sys.argv[1:3]
kinds = ['account', 'container', 'object', 'proxy']
ports = dict(zip(kinds, map(int, sys.argv[3:])))

def server(kind):
    user = pwd.getpwuid(os.getuid()).pw_name
    text = f'[DEFAULT]\\nbind_ip = 127.0.0.1\\nbind_port = {ports[kind]}\\nworkers = 0\\nswift_dir = {root}\\n'
    text += f'devices = {root}/devices\\nmount_check = false\\nfallocate_reserve = 0\\nuser = {user}\\nlog_level = ERROR\\n'
    parts = [kind + '-server']
    if kind == 'proxy':
        parts = ['catch_errors', 'gatekeeper', 'listing_formats', 'copy', 'slo'] + parts
    text += '[pipeline:main]\\npipeline = ' + ' '.join(parts) + '\\n'
    for name in parts[:-1]:
        text += f'[filter:{name}]\\nuse = egg:swift#{name}\\n'
    text += f'[app:{kind}-server]\\nuse = egg:swift#{kind}\\n'
    if kind == 'proxy':
        text += 'account_autocreate = true\\nallow_account_management = true\\n'
    with open(f'{root}/{kind}.conf', 'w') as file:
        file.write(text)

if what == 'prepare':
    os.makedirs(root + '/devices/disk')
    with open(root + '/swift.conf', 'w') as file:
        file.write('[swift-hash]\\nswift_hash_path_suffix = here\\n[storage-policy:0]\\nname = default\\ndefault = yes\\n')
    for kind in kinds:
        server(kind)
    for kind in kinds[:-1]:
        ring = RingBuilder(4, 1, 0)
        place = dict(ip='127.0.0.1', port=ports[kind], replication_ip='127.0.0.1', replication_port=ports[kind])
        ring.add_dev(dict(place, id=0, region=1, zone=1, device='disk', weight=1.0))
        ring.rebalance()
        ring.get_ring().save(f'{root}/{kind}.ring.gz')
elif what in kinds:
    base.SWIFT_CONF_FILE = root + '/swift.conf'
    sys.argv = [what]
    sys.exit(run_wsgi(f'{root}/{what}.conf', what + '-server'))
else:
    place = f'http://127.0.0.1:{ports[\"proxy\"]}/v1/AUTH_me/{what}'
    urllib.request.urlopen(urllib.request.Request(place, method='PUT'))
";

/// In the order of the script.
const PARTS: [&str; 4] = ["account", "container", "object", "proxy"];

pub struct OpenStack {
    _folder: tempfile::TempDir,
    processes: Vec<Child>,
    port: u16,
}

impl OpenStack {
    /// Starts one with a container.
    pub fn with_container(container: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let ports = PARTS.map(|_| free_port());
        let script = |what: &str| {
            let mut command = Command::new(python());
            command.args(["-c", SCRIPT, what]).arg(folder.path()).args(ports.map(|port| port.to_string()));
            command.stdin(Stdio::null());
            command
        };
        let run = |what: &str| {
            let ran = script(what).output().expect("Python");
            assert!(ran.status.success(), "{what}: {}", String::from_utf8_lossy(&ran.stderr));
        };
        run("prepare");
        let silent = |what: &str| script(what).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a server");
        let processes = PARTS.map(silent).into();
        let begun = std::time::Instant::now();
        for port in ports {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(begun.elapsed().as_secs() < 120, "a part of Swift does not listen");
                std::thread::yield_now();
            }
        }
        run(container);
        Self { processes, port: ports[3], _folder: folder }
    }

    /// The address of its account.
    pub fn account(&self) -> String {
        format!("http://127.0.0.1:{}/v1/AUTH_me", self.port)
    }
}

impl Drop for OpenStack {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
