//! Keys of hosts and of users, and what is told when one does not fit.

use std::fs;
use std::process::{Command, Stdio};

use super::sshd::keygen;
use super::*;

fn host_key(error: &io::Error) -> &HostKey {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref())
        .unwrap_or_else(|| panic!("no error of a host key: {error:?}"))
}

/// A store that has not called yet, in the home of a fixture.
fn another(fixture: &Fixture) -> SftpStore {
    open(&fixture.server.address(&fixture.path("")), &home(&fixture.folder)).unwrap()
}

#[test]
fn a_host_that_is_not_known_is_refused_with_its_fingerprint() {
    let fixture = Fixture::new();
    let known = fixture.folder.path().join(".ssh/known_hosts");
    let printed = Command::new("ssh-keygen").arg("-lf").arg(&known).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let fingerprint = printed.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap();
    fs::remove_file(&known).unwrap();
    let error = another(&fixture).list("packs/").unwrap_err();
    let refused = host_key(&error);
    assert_eq!(refused.trust, Trust::Unknown);
    assert!(error.to_string().contains(fingerprint), "{error}: {printed}");
    let keyscan = format!("ssh-keyscan -p {} 127.0.0.1 >> ~/.ssh/known_hosts", fixture.server.port());
    assert!(refused.hint.contains(&keyscan), "{}", refused.hint);
}

#[test]
fn a_host_whose_key_has_changed_is_refused_loudly() {
    let fixture = Fixture::new();
    let (home, line) = (fixture.folder.path(), fixture.server.known_host().unwrap());
    keygen(&home.join("other"), "ed25519", "").unwrap();
    let other = fs::read_to_string(home.join("other.pub")).unwrap();
    let name = line.split_once(' ').unwrap().0;
    fs::write(home.join(".ssh/known_hosts"), format!("{name} {other}")).unwrap();
    let error = another(&fixture).list("packs/").unwrap_err();
    assert_eq!(host_key(&error).trust, Trust::Changed);
    assert!(error.to_string().contains("HAS CHANGED"), "{error}");
    // As `ssh` has it: among several keys of one kind one has to fit.
    fs::write(home.join(".ssh/known_hosts"), format!("{name} {other}{line}")).unwrap();
    assert_eq!(another(&fixture).list("packs/").unwrap(), []);
    fs::write(home.join(".ssh/known_hosts"), format!("{line}@revoked {line}")).unwrap();
    assert_eq!(host_key(&another(&fixture).list("packs/").unwrap_err()).trust, Trust::Revoked);
}

#[test]
fn a_host_is_known_by_a_hashed_name() {
    let fixture = Fixture::new();
    let known = fixture.folder.path().join(".ssh/known_hosts");
    assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&known).status().unwrap().success());
    assert!(fs::read_to_string(&known).unwrap().starts_with("|1|"));
    assert_eq!(another(&fixture).list("packs/").unwrap(), []);
}

#[test]
fn a_key_that_the_server_does_not_take_is_named_and_nothing_is_tried_twice() {
    let fixture = Fixture::new();
    let key = fixture.folder.path().join(".ssh/id_ed25519");
    fs::remove_file(&key).unwrap();
    keygen(&key, "ed25519", "").unwrap();
    let before = fixture.server.accepted();
    let error = another(&fixture).list("packs/").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("id_ed25519 was not taken"), "{error}");
    assert_eq!(fixture.server.accepted() - before, 1);
}

#[test]
fn a_key_with_a_passphrase_or_open_to_others_is_named_with_what_to_do() {
    let fixture = Fixture::new();
    let key = fixture.folder.path().join(".ssh/id_ed25519");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let told = another(&fixture).list("packs/").unwrap_err().to_string();
    assert!(told.contains("can be read by others (chmod 600"), "{told}");
    fs::remove_file(&key).unwrap();
    keygen(&key, "ed25519", "secret words").unwrap();
    let told = another(&fixture).list("packs/").unwrap_err().to_string();
    assert!(told.contains("id_ed25519 has a passphrase: hand it to the agent"), "{told}");
    fs::remove_file(&key).unwrap();
    let told = another(&fixture).list("packs/").unwrap_err().to_string();
    assert!(told.contains("there is no agent and no key"), "{told}");
}

#[test]
fn an_ecdsa_key_that_the_settings_name_is_used() {
    let fixture = Fixture::new();
    let home = fixture.folder.path();
    fs::remove_file(home.join(".ssh/id_ed25519")).unwrap();
    keygen(&home.join("named"), "ecdsa", "").unwrap();
    fs::copy(home.join("named.pub"), home.join("server/authorized_keys")).unwrap();
    let settings = format!("Host box\n HostName 127.0.0.1\n Port {}\n IdentityFile ~/named\n", fixture.server.port());
    fs::write(home.join(".ssh/config"), settings).unwrap();
    let user = fixture.server.address(&fixture.path(""));
    let user = user.strip_prefix("sftp://").unwrap().split_once('@').unwrap().0;
    let address = format!("sftp://{user}@box{}", fixture.path("").display());
    assert_eq!(open(&address, &super::home(&fixture.folder)).unwrap().list("packs/").unwrap(), []);
}

#[test]
fn a_key_of_the_agent_is_used_and_one_of_rsa_too() {
    let fixture = Fixture::new();
    let home = fixture.folder.path();
    fs::remove_file(home.join(".ssh/id_ed25519")).unwrap();
    let socket = home.join("agent");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
    // It says where it listens once it does.
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(agent.stdout.take().unwrap()), &mut said).unwrap();
    let around = |socket: &std::path::Path| {
        let text = |path: &std::path::Path| path.display().to_string();
        Surroundings::new([("HOME".to_owned(), text(home)), ("SSH_AUTH_SOCK".to_owned(), text(socket))])
    };
    let address = fixture.server.address(&fixture.path(""));
    let told = open(&address, &around(&socket)).unwrap().list("packs/").unwrap_err().to_string();
    assert!(told.contains("the agent has no keys"), "{told}");
    for kind in ["ed25519", "rsa"] {
        keygen(&home.join(kind), kind, "").unwrap();
        fs::copy(home.join(format!("{kind}.pub")), home.join("server/authorized_keys")).unwrap();
        let added = Command::new("ssh-add").arg("-q").arg(home.join(kind)).env("SSH_AUTH_SOCK", &socket).status();
        assert!(added.unwrap().success());
        assert_eq!(open(&address, &around(&socket)).unwrap().list("packs/").unwrap(), [], "{kind}");
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    let told = open(&address, &around(&socket)).unwrap().list("packs/").unwrap_err().to_string();
    assert!(told.contains("the agent at SSH_AUTH_SOCK cannot be reached"), "{told}");
}
