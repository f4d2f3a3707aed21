//! A Kerberos server (KDC) for the realm `EXAMPLE.COM`: Hadoop's MiniKdc.
//!
//! It makes new keys each time it starts, so it can be paused and killed, and
//! not restarted. It is no server of its own: a cluster brings it along.

use super::{Failure, Lifetime, Process, State, free_port, hadoop};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Everything after the `@`.
pub(super) const REALM: &str = "EXAMPLE.COM";

/// Those whose keys the cluster needs.
pub(super) const SERVICES: [&str; 3] = ["nn/localhost", "dn/localhost", "HTTP/localhost"];

/// Those who use it.
pub(super) const USERS: [&str; 2] = ["alice", "bob"];

/// The file for clients and servers, in the folder of the state.
pub(super) const KRB5_CONF: &str = "krb5.conf";

/// The file with the keys of [`SERVICES`] and [`USERS`].
pub(super) const KEYTAB: &str = "all.keytab";

/// A KDC that runs.
pub(super) struct Kdc {
    pub(super) process: Process,
}

impl Kdc {
    pub(super) fn start(state: &State, lifetime: Lifetime) -> Result<Self, Failure> {
        let (port, dir) = (free_port(), state.dir("kdc")?);
        let properties = state.file(
            "kdc.properties",
            &format!(
                "org.name=EXAMPLE\norg.domain=COM\nkdc.bind.address=127.0.0.1\nkdc.port={port}\ninstance=Rockhold\n\
                 max.ticket.lifetime=86400000\nmax.renewable.lifetime=604800000\ntransport=TCP\ndebug=false\n"
            ),
        )?;
        // Names are taken as they are: loopback has no reverse names worth asking for.
        state.file(
            KRB5_CONF,
            &format!(
                "[libdefaults]\n default_realm = {REALM}\n udp_preference_limit = 1\n rdns = false\n \
                 dns_canonicalize_hostname = false\n dns_lookup_kdc = false\n dns_lookup_realm = false\n\
                 [realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
            ),
        )?;
        let keytab = state.path().join(KEYTAB);
        let program = hadoop::KDC
            .java(None, &[], "org.apache.hadoop.minikdc.MiniKdc")
            .arg(&dir)
            .arg(properties)
            .arg(&keytab)
            .args(SERVICES)
            .args(USERS);
        let log = state.path().join("kdc.log");
        let running =
            move || fs::read_to_string(&log).is_ok_and(|text| text.contains("Standalone MiniKdc Running"));
        let process = Process::start("kdc", program, state.path(), lifetime, running)?;
        for user in USERS {
            extract(&keytab, user, &state.path().join(format!("{user}.keytab")))?;
        }
        Ok(Self { process })
    }
}

/// The library that every client of Kerberos loads.
pub(super) fn missing_library() -> Option<String> {
    const LIBRARY: &str = "libgssapi_krb5.so.2";
    let roots = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].map(PathBuf::from);
    // Debian keeps it in a folder named after the machine.
    let below =
        roots.iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten().map(|entry| entry.path());
    let found = roots.iter().cloned().chain(below).any(|dir| dir.join(LIBRARY).exists());
    (!found).then(|| format!("{LIBRARY} is not installed (package libgssapi-krb5-2 or krb5-libs)"))
}

/// Writes the entries of one principal of a keytab to a file of its own.
fn extract(keytab: &Path, principal: &str, to: &Path) -> Result<(), Failure> {
    let cannot = |path: &Path, what: String| Failure::new(format!("{}: {what}", path.display()));
    let bytes = fs::read(keytab).map_err(|e| cannot(keytab, e.to_string()))?;
    let Some(taken) = entries_of(&bytes, principal) else {
        return Err(cannot(keytab, format!("no keytab, or none with a key of {principal}")));
    };
    fs::write(to, taken).map_err(|e| cannot(to, e.to_string()))
}

/// A keytab of version 5.2 with the entries of one principal of one component.
fn entries_of(bytes: &[u8], principal: &str) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[5, 2])?;
    let mut taken = vec![5, 2];
    // One component, the realm, the name: each text with a length of two bytes.
    let mut head = 1_u16.to_be_bytes().to_vec();
    for text in [REALM, principal] {
        head.extend(u16::try_from(text.len()).ok()?.to_be_bytes());
        head.extend(text.as_bytes());
    }
    while !rest.is_empty() {
        let (len, _) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(i32::from_be_bytes(*len).unsigned_abs()).ok()?;
        let (record, behind) = rest.split_at_checked(4 + len)?;
        if record[4..].starts_with(&head) {
            taken.extend(record);
        }
        rest = behind;
    }
    (taken.len() > 2).then_some(taken)
}
