//! A Ceph cluster of one node that a test starts for itself: a monitor, a disk in memory, and the object gateway that speaks S3
//! and Swift.
//!
//! Owns its processes and its buckets, and looking into these past the binary. Tries nothing.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::free_port;
use crate::reader::python;
use crate::world::World;

/// What a bucket keeps.
#[derive(Clone, Copy, Debug)]
pub enum Keeps {
    Newest,
    Versions,
    /// Versions that can be locked.
    Locked,
}

pub struct Ceph {
    folder: tempfile::TempDir,
    processes: Vec<Child>,
    port: u16,
}

impl Ceph {
    /// Starts one, and puts the keys to it where the AWS tools have theirs.
    pub fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let (root, ports) = (folder.path(), [free_port(), free_port()]);
        for part in ["mon/a", "osd", "run", "log", "rgw", "crash"] {
            std::fs::create_dir_all(root.join(part)).expect("a directory");
        }
        let (cluster, disk) = (uuid(), uuid());
        std::fs::write(root.join("ceph.conf"), configuration(root, &cluster, ports)).expect("a file");
        let run = |program: &str, words: &[&str]| run(root, program, words);
        let spawn = |program: &str, words: &[&str]| {
            let mut process = command(root, program);
            process.args(["-f"]).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a server")
        };
        let map = root.join("monmap").display().to_string();
        let monitor = format!("v1:127.0.0.1:{}", ports[0]);
        run("monmaptool", &["--create", "--clobber", "--fsid", &cluster, "--addv", "a", &monitor, &map]);
        run("ceph-mon", &["--mkfs", "-i", "a", "--monmap", &map]);
        let mut processes = vec![spawn("ceph-mon", &["-i", "a"])];
        run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", &disk]);
        run("ceph", &["--connect-timeout", "60", "osd", "new", &disk, "0"]);
        processes.push(spawn("ceph-osd", &["-i", "0"]));
        run("ceph", &["osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here"]);
        let user = ["user", "create", "--uid=me", "--display-name=me", "--access-key=key", "--secret-key=secret"];
        run("radosgw-admin", &user);
        processes.push(spawn("radosgw", &["-n", "client.rgw"]));
        let begun = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", ports[1])).is_err() {
            assert!(begun.elapsed().as_secs() < 120, "the gateway does not listen");
            std::thread::yield_now();
        }
        world.write(".aws/credentials", b"[default]\naws_access_key_id = key\naws_secret_access_key = secret\n");
        Self { folder, processes, port: ports[1] }
    }

    /// The address of a repository in it.
    pub fn repository(&self, place: &str) -> String {
        format!("s3://{place}?endpoint=http://127.0.0.1:{}", self.port)
    }

    pub fn create(&self, bucket: &str, keeps: Keeps) {
        let lock = if matches!(keeps, Keeps::Locked) { "True" } else { "False" };
        self.ask(&format!("s3.create_bucket(Bucket={bucket:?}, ObjectLockEnabledForBucket={lock})"));
        if matches!(keeps, Keeps::Versions) {
            let on = "VersioningConfiguration={'Status': 'Enabled'}";
            self.ask(&format!("s3.put_bucket_versioning(Bucket={bucket:?}, {on})"));
        }
    }

    /// Makes a user of Swift and a container, and answers with the address of the account and a token for it.
    #[cfg(feature = "opendal")]
    pub fn swift(&self, container: &str) -> (String, String) {
        let user = ["--uid=me", "--subuser=me:swift"];
        run(self.folder.path(), "radosgw-admin", &[&["subuser", "create", "--access=full"], &user[..]].concat());
        let key = ["key", "create", "--key-type=swift", "--secret=hush"];
        run(self.folder.path(), "radosgw-admin", &[&key[..], &user[..]].concat());
        let ask = format!(
            "import urllib.request as web\n\
             who = {{'X-Auth-User': 'me:swift', 'X-Auth-Key': 'hush'}}\n\
             said = web.urlopen(web.Request('http://127.0.0.1:{}/auth/v1.0', headers=who)).headers\n\
             account, token = said['X-Storage-Url'], said['X-Auth-Token']\n\
             place = account + '/{container}'\n\
             web.urlopen(web.Request(place, method='PUT', headers={{'X-Auth-Token': token}}))\n\
             print(account, token)",
            self.port
        );
        let said = self.ask(&ask);
        let (account, token) = said.trim().split_once(' ').expect("an address and a token");
        (account.to_owned(), token.to_owned())
    }

    /// What boto3, which Amazon keeps, prints after some lines of Python; `s3` is its client.
    pub fn ask(&self, lines: &str) -> String {
        let client = format!(
            "import boto3, botocore\n\
             s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:{}', aws_access_key_id='key', \
             aws_secret_access_key='secret', region_name='us-east-1')\n",
            self.port
        );
        let ran = Command::new(python()).args(["-c", &(client + lines)]).output().expect("Python");
        assert!(ran.status.success(), "{lines}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text")
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn run(root: &Path, program: &str, words: &[&str]) {
    let ran = command(root, program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(ran.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn command(root: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    // Maps of a cluster are made before there is one.
    if program != "monmaptool" {
        command.arg("-c").arg(root.join("ceph.conf"));
    }
    command
}

fn uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux").trim().to_owned()
}

fn configuration(root: &Path, cluster: &str, [monitor, gateway]: [u16; 2]) -> String {
    let root = root.display();
    format!(
        "[global]
fsid = {cluster}
mon_host = v1:127.0.0.1:{monitor}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
public_network = 127.0.0.0/8
run_dir = {root}/run
admin_socket = {root}/run/$name.asok
log_file = {root}/log/$name.log
pid_file = {root}/run/$name.pid
crash_dir = {root}/crash
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[mon.a]
mon_data = {root}/mon/a
mon_addr = 127.0.0.1:{monitor}
[osd.0]
osd_data = {root}/osd
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_class_update_on_start = false
osd_crush_update_on_start = false
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw_data = {root}/rgw
"
    )
}
