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

const STARTS: u32 = 4;
/// Of one step of a start; all of them together take ten.
const LONGEST_SECONDS: u64 = 60;
const LINES_TOLD: usize = 30;

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
    ///
    /// A client of Ceph that asks before it has been told which cluster it talks to is refused, or is never answered; and a port that
    /// was free may be taken by the time that a server wants it. So a start that fails is tried again as a whole.
    pub fn start(world: &World) -> Self {
        let mut told = String::new();
        for _ in 0..STARTS {
            match Self::start_once() {
                Ok(server) => {
                    world.write(
                        ".aws/credentials",
                        b"[default]\naws_access_key_id = key\naws_secret_access_key = secret\n",
                    );
                    return server;
                }
                Err(problem) => told = problem,
            }
        }
        panic!("{told}");
    }

    fn start_once() -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a directory");
        let [of_monitor, port] = [free_port(), free_port()];
        let mut server = Self { folder, processes: Vec::new(), port };
        let root = server.folder.path().to_owned();
        for part in ["mon/a", "osd", "run", "log", "rgw", "crash"] {
            std::fs::create_dir_all(root.join(part)).expect("a directory");
        }
        let (cluster, disk) = (uuid(), uuid());
        std::fs::write(root.join("ceph.conf"), configuration(&root, &cluster, [of_monitor, port])).expect("a file");
        let map = root.join("monmap").display().to_string();
        let monitor = format!("v1:127.0.0.1:{of_monitor}");
        server.run("monmaptool", &["--create", "--clobber", "--fsid", &cluster, "--addv", "a", &monitor, &map])?;
        server.run("ceph-mon", &["--mkfs", "-i", "a", "--monmap", &map])?;
        server.spawn("ceph-mon", &["-i", "a"]);
        server.run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", &disk])?;
        server.run("ceph", &["osd", "new", &disk, "0"])?;
        server.spawn("ceph-osd", &["-i", "0"]);
        server.run("ceph", &["osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here"])?;
        let user = ["user", "create", "--uid=me", "--display-name=me", "--access-key=key", "--secret-key=secret"];
        server.run("radosgw-admin", &user)?;
        server.spawn("radosgw", &["-n", "client.rgw"]);
        server.wait_for_the_gateway()?;
        Ok(server)
    }

    /// Runs a program to its end, which those of Ceph never reach where the monitor is gone: they look for it for ever.
    fn run(&self, program: &str, words: &[&str]) -> Result<(), String> {
        let mut limited = Command::new("timeout");
        limited.arg(LONGEST_SECONDS.to_string()).arg(program).args(self.of_cluster(program)).args(words);
        let ran = limited.output().unwrap_or_else(|error| panic!("{program}: {error}"));
        if ran.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(format!("{program} {words:?}: {}: {said}\n{}", ran.status, self.logs()))
    }

    fn spawn(&mut self, program: &str, words: &[&str]) {
        let mut command = Command::new(program);
        command.args(self.of_cluster(program)).arg("-f").args(words).stdout(Stdio::null()).stderr(Stdio::null());
        self.processes.push(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")));
    }

    fn of_cluster(&self, program: &str) -> Vec<String> {
        // Maps of a cluster are made before there is one.
        if program == "monmaptool" {
            return Vec::new();
        }
        vec!["-c".to_owned(), self.folder.path().join("ceph.conf").display().to_string()]
    }

    fn wait_for_the_gateway(&self) -> Result<(), String> {
        let begun = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if begun.elapsed().as_secs() > LONGEST_SECONDS {
                return Err(format!("the gateway does not listen\n{}", self.logs()));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The last lines that each part of the cluster has written.
    fn logs(&self) -> String {
        let mut told = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("log")).into_iter().flatten().flatten() {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            told += &format!("{}:\n", entry.path().display());
            lines.iter().skip(lines.len().saturating_sub(LINES_TOLD)).for_each(|line| told += &format!("  {line}\n"));
        }
        told
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
        self.run("radosgw-admin", &[&["subuser", "create", "--access=full"], &user[..]].concat()).expect("a user");
        let key = ["key", "create", "--key-type=swift", "--secret=hush"];
        self.run("radosgw-admin", &[&key[..], &user[..]].concat()).expect("a key");
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

fn uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux").trim().to_owned()
}

/// The monitor is told to go on however full the disk is: by itself it ends at 95 % of it, without a word to who waits for it.
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
mon_data_avail_crit = -1
mon_data_avail_warn = -1
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
