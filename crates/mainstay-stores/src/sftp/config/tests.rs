//! Tests of what is read of the user's settings.

use super::*;

fn find(address: &str, config: &str, variables: &[(&str, &str)]) -> io::Result<Target> {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    std::fs::write(home.path().join(".ssh/config"), config).unwrap();
    let rest = address.strip_prefix("sftp:").unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let own = ("HOME".to_owned(), home.path().display().to_string());
    let address = SftpAddress::parse(rest.as_bytes()).unwrap();
    let mut target = Target::find(&address, &Surroundings::new(variables.chain([own])))?;
    for path in target.keys.iter_mut().chain(&mut target.known_hosts) {
        *path = path.strip_prefix(home.path()).unwrap_or(path).to_owned();
    }
    Ok(target)
}

#[test]
fn without_settings_the_address_and_the_user_s_name_are_what_counts() {
    let target = find("sftp://Host/path", "", &[("USER", "ann"), ("SSH_AUTH_SOCK", "/agent")]).unwrap();
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("Host", 22, "ann"));
    assert_eq!(target.keys, USUAL_KEYS.map(PathBuf::from));
    assert_eq!(target.known_hosts.last().unwrap(), std::path::Path::new(KNOWN_TO_ALL));
    assert_eq!((target.known_name().as_str(), target.agent), ("host", Some(PathBuf::from("/agent"))));
    let error = find("sftp://host/path", "", &[]).unwrap_err();
    assert!(error.to_string().contains("no user is named"), "{error}");
}

#[test]
fn the_first_value_that_is_said_of_a_host_counts_and_the_address_goes_before() {
    let config = "Port = 2200\n# a note\nHost box *.lan !no.lan\n  HostName  real.example\n User \"bob\"\n Port 3\n\
                  IdentityFile ~/.ssh/box\n IdentityFile /keys/%r\nMatch host box\n User eve\nHost *\n User carl\n HostKeyAlias Alias\n";
    let target = find("sftp://box/path", config, &[]).unwrap();
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("real.example", 2200, "bob"));
    assert_eq!(target.keys, [PathBuf::from(".ssh/box"), PathBuf::from("/keys/bob")]);
    assert_eq!(target.known_name(), "alias");
    let target = find("sftp://dan@x.lan:9/path", config, &[]).unwrap();
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("real.example", 9, "dan"));
    let target = find("sftp://dan@Other:9/path", "", &[]).unwrap();
    assert_eq!(target.known_name(), "[other]:9");
    let target = find("sftp://no.lan/path", config, &[]).unwrap();
    assert_eq!((target.host.as_str(), target.user.as_str()), ("no.lan", "carl"));
}

#[test]
fn a_host_behind_another_one_is_refused_and_not_called_directly() {
    let error = find("sftp://a@box/path", "Host box\nProxyJump gate\n", &[]).unwrap_err();
    assert!(error.to_string().contains("go by `gate`"), "{error}");
    assert!(find("sftp://a@box/path", "Host box\nProxyJump none\n", &[]).is_ok());
}

#[test]
fn an_agent_is_left_out_where_the_settings_say_so() {
    let agent = [("SSH_AUTH_SOCK", "/agent")];
    let only = "IdentityFile ~/k\nIdentitiesOnly yes\n";
    assert_eq!(find("sftp://a@box/path", only, &agent).unwrap().agent, None);
    assert_eq!(find("sftp://a@box/path", "IdentityAgent none\n", &agent).unwrap().agent, None);
    assert_eq!(find("sftp://a@box/path", "IdentityAgent /b\n", &agent).unwrap().agent, Some("/b".into()));
}

#[test]
fn patterns_fit_as_in_the_settings_of_ssh() {
    for (name, pattern, is_fitting) in [
        ("box", "box", true),
        ("box", "BOX", true),
        ("box", "b?x", true),
        ("box", "*", true),
        ("box", "b*x*", true),
        ("boxes", "box", false),
        ("box", "boxes", false),
        ("a.b.example.org", "*.example.*", true),
        ("", "*", true),
        ("", "?", false),
    ] {
        assert_eq!(fits(name.as_bytes(), pattern.as_bytes()), is_fitting, "{name} {pattern}");
    }
    let long = "a".repeat(10_000);
    assert!(!fits(long.as_bytes(), b"*a*a*a*a*a*a*a*a*b"), "no pattern takes long");
}
