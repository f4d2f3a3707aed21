//! The main job on every storage vendor's server: `examples/migrate.sh`, the
//! script that a newcomer runs, with the location and the properties of each.

use crate::examples::example;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use rockhold_testkit::servers::{Service, service};
use rockhold_testkit_gcs::Emulator;

/// Runs the script: a backup by one warehouse, a restore in another.
fn migrate(location: &str, properties: &[(&str, &str)], environment: &[(&str, &str)]) {
    let list: Vec<String> = properties
        .iter()
        .map(|(key, value)| format!("\"{key}\" = \"{}\"", value.replace('"', "\\\"")))
        .collect();
    let list = list.join(", ");
    let mut variables = vec![("LOCATION", location), ("PROPERTIES", list.as_str())];
    variables.extend(environment);
    let printed = example("migrate", &variables);
    // What a user sees must not hold what opens the bucket.
    for (key, value) in properties.iter().filter(|(key, _)| key.to_lowercase().contains("secret")) {
        assert!(!printed.contains(value), "{location}: the value of {key} was printed");
    }
}

/// A new bucket on a server that speaks S3.
fn bucket(service: &Service, name: &str) {
    let config = aws_sdk_s3::config::Builder::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .region(Region::new(service.get("region").to_owned()))
        .endpoint_url(service.get("endpoint"))
        .force_path_style(true)
        .credentials_provider(Credentials::new(
            service.get("access_key"),
            service.get("secret_key"),
            None,
            None,
            "test",
        ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(Client::from_conf(config.build()).create_bucket().bucket(name).send())
        .expect("a bucket");
}

/// The vendors that speak S3, and how they call endpoint, key and secret.
const SCHEMES: [(&str, [&str; 3]); 5] = [
    ("s3", ["aws.s3.endpoint", "aws.s3.access_key", "aws.s3.secret_key"]),
    ("s3a", ["fs.s3a.endpoint", "fs.s3a.access.key", "fs.s3a.secret.key"]),
    ("oss", ["fs.oss.endpoint", "fs.oss.accessKeyId", "fs.oss.accessKeySecret"]),
    ("cosn", ["fs.cosn.bucket.endpoint_suffix", "fs.cosn.userinfo.secretId", "fs.cosn.userinfo.secretKey"]),
    ("obs", ["fs.obs.endpoint", "fs.obs.access.key", "fs.obs.secret.key"]),
];

fn properties_of_minio<'a>(minio: &'a Service, names: [&'a str; 3]) -> [(&'a str, &'a str); 3] {
    let [at, id, word] = names;
    [(at, minio.get("endpoint")), (id, minio.get("access_key")), (word, minio.get("secret_key"))]
}

fn properties_of_ceph(rgw: &Service) -> [(&str, &str); 4] {
    [
        ("aws.s3.endpoint", rgw.get("endpoint")),
        ("aws.s3.access_key", rgw.get("access_key")),
        ("aws.s3.secret_key", rgw.get("secret_key")),
        ("aws.s3.region", rgw.get("region")),
    ]
}

#[test]
fn the_main_job_runs_on_local_disk() {
    let place = tempfile::tempdir().unwrap();
    migrate(&format!("file://{}", place.path().join("repository").display()), &[], &[]);
}

#[test]
fn the_main_job_runs_on_minio_by_s3_oss_cos_and_obs() {
    let Some(minio) = service("minio", "the_main_job_runs_on_minio_by_s3_oss_cos_and_obs") else { return };
    for (scheme, names) in SCHEMES {
        let name = format!("vendors-{scheme}-{}", std::process::id());
        bucket(&minio, &name);
        migrate(&format!("{scheme}://{name}/backups/here"), &properties_of_minio(&minio, names), &[]);
    }
}

#[test]
fn the_main_job_runs_on_ceph_s_gateway() {
    let Some(rgw) = service("rgw", "the_main_job_runs_on_ceph_s_gateway") else { return };
    let name = format!("vendors-{}", std::process::id());
    bucket(&rgw, &name);
    migrate(&format!("s3a://{name}/backups"), &properties_of_ceph(&rgw), &[]);
}

#[test]
fn the_main_job_runs_on_hdfs() {
    let Some(hdfs) = service("hdfs", "the_main_job_runs_on_hdfs") else { return };
    let location = format!("{}/everybody/vendors-{}", hdfs.get("url"), std::process::id());
    migrate(&location, &[("username", "rockhold")], &[]);
}

#[test]
fn the_main_job_runs_on_hdfs_with_kerberos() {
    let Some(hdfs) = service("hdfs-kerberos", "the_main_job_runs_on_hdfs_with_kerberos") else { return };
    let location = format!("{}/everybody/vendors-{}", hdfs.get("url"), std::process::id());
    migrate_with_kerberos(&hdfs, &location, &[]);
}

fn migrate_with_kerberos(hdfs: &Service, location: &str, more: &[(&str, &str)]) {
    let principal = format!("alice@{}", hdfs.get("realm"));
    let mut properties = vec![
        ("hadoop.security.authentication", "kerberos"),
        ("kerberos_principal", principal.as_str()),
        ("kerberos_keytab", hdfs.get("alice_keytab")),
    ];
    properties.extend(more);
    migrate(location, &properties, &[("KRB5_CONFIG", hdfs.get("krb5_conf"))]);
}

/// The properties that say where the two NameNodes are.
fn pair(hdfs: &Service) -> Vec<(String, &str)> {
    let name = hdfs.get("nameservice");
    vec![
        ("dfs.nameservices".to_owned(), name),
        (format!("dfs.ha.namenodes.{name}"), "nn1, nn2"),
        (format!("dfs.namenode.rpc-address.{name}.nn1"), hdfs.get("nn1")),
        (format!("dfs.namenode.rpc-address.{name}.nn2"), hdfs.get("nn2")),
    ]
}

#[test]
fn the_main_job_runs_on_two_namenodes() {
    let Some(hdfs) = service("hdfs-ha", "the_main_job_runs_on_two_namenodes") else { return };
    let location = format!("{}/everybody/vendors-{}", hdfs.get("url"), std::process::id());
    let pair = pair(&hdfs);
    let mut properties = vec![("username", "rockhold")];
    properties.extend(pair.iter().map(|(key, value)| (key.as_str(), *value)));
    migrate(&location, &properties, &[]);
}

#[test]
fn the_main_job_runs_on_two_namenodes_with_kerberos() {
    let test = "the_main_job_runs_on_two_namenodes_with_kerberos";
    let Some(hdfs) = service("hdfs-ha-kerberos", test) else { return };
    let location = format!("{}/everybody/vendors-{}", hdfs.get("url"), std::process::id());
    let pair = pair(&hdfs);
    let pair: Vec<(&str, &str)> = pair.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    migrate_with_kerberos(&hdfs, &location, &pair);
}

#[test]
fn the_main_job_runs_on_a_stand_in_for_cloud_storage() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let gcs = runtime.block_on(Emulator::start()).unwrap();
    gcs.create_bucket("vendors");
    let properties = [("gcp.gcs.endpoint", gcs.endpoint()), ("gcp.gcs.anonymous", "true")];
    migrate("gs://vendors/backups", &properties, &[]);
    assert_eq!(gcs.unfinished_sessions(), 0);
}

/// Rows that fill some twenty megabytes, so that their file goes in parts.
const MANY: &str = "WITH ten AS (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
    UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 \
    UNION ALL SELECT 10) SELECT repeat(uuid(), 6) AS x FROM ten a, ten b, ten c, ten d, ten e";

/// Rows go into files below `location` and come back, by both formats, into a
/// directory that is not there before.
fn unload_and_load(location: &str, properties: &[(&str, &str)], environment: &[(&str, &str)]) {
    let place = tempfile::tempdir().unwrap();
    let list: String = properties.iter().map(|(key, value)| format!(", \"{key}\" = \"{value}\"")).collect();
    let run = |script: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_rockhold"))
            .args(["sql", "--quiet", "--format", "csv", "--data"])
            .arg(place.path().join("w"))
            .args(["-e", script])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{location}: {script}: {out}{err}");
        for (key, value) in properties.iter().filter(|(key, _)| key.to_lowercase().contains("secret")) {
            assert!(
                !err.contains(value) && !out.contains(value),
                "{location}: the value of {key} was printed"
            );
        }
        out.into_owned()
    };
    let files = |format: &str, path: &str| {
        format!("FILES (\"path\" = \"{location}/new/{format}/{path}\", \"format\" = \"{format}\"{list})")
    };
    for format in ["parquet", "csv"] {
        let out = run(&format!(
            "INSERT INTO {} SELECT 1 AS k, 'one' AS v UNION ALL SELECT 2, 'two'; SELECT * FROM {} ORDER BY 1",
            files(format, ""),
            files(format, "*")
        ));
        assert!(out.ends_with("1,one\n2,two\n"), "{location}, {format}: {out}");
    }
    let out = run(&format!(
        "INSERT INTO {} {MANY}; SELECT count(*), min(length($1)) FROM {}",
        files("csv", "many/"),
        files("csv", "many/*")
    ));
    assert!(out.ends_with("100000,216\n"), "{location}: {out}");
}

#[test]
fn files_are_written_and_read_on_minio_by_s3_oss_cos_and_obs() {
    let test = "files_are_written_and_read_on_minio_by_s3_oss_cos_and_obs";
    let Some(minio) = service("minio", test) else { return };
    for (scheme, names) in SCHEMES {
        let name = format!("vendors-files-{scheme}-{}", std::process::id());
        bucket(&minio, &name);
        unload_and_load(&format!("{scheme}://{name}/files"), &properties_of_minio(&minio, names), &[]);
    }
}

#[test]
fn files_are_written_and_read_on_ceph_s_gateway() {
    let Some(rgw) = service("rgw", "files_are_written_and_read_on_ceph_s_gateway") else { return };
    let name = format!("vendors-files-{}", std::process::id());
    bucket(&rgw, &name);
    unload_and_load(&format!("s3://{name}/files"), &properties_of_ceph(&rgw), &[]);
}

#[test]
fn files_are_written_and_read_on_hdfs() {
    let Some(hdfs) = service("hdfs", "files_are_written_and_read_on_hdfs") else { return };
    let location = format!("{}/everybody/vendors-files-{}", hdfs.get("url"), std::process::id());
    unload_and_load(&location, &[("username", "rockhold")], &[]);
}

#[test]
fn files_are_written_and_read_on_a_stand_in_for_cloud_storage() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let gcs = runtime.block_on(Emulator::start()).unwrap();
    gcs.create_bucket("files");
    let properties = [("gcp.gcs.endpoint", gcs.endpoint()), ("gcp.gcs.anonymous", "true")];
    unload_and_load("gs://files/here", &properties, &[]);
    assert!(gcs.names("files").iter().all(|name| name.starts_with("here/new/")), "{:?}", gcs.names("files"));
}
