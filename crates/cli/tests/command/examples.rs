//! The scripts of `examples/`, as a newcomer runs them.

use std::path::Path;
use std::process::Command;

/// Runs a script to its `MATCH:` and gives all that it printed.
pub(crate) fn example(name: &str, variables: &[(&str, &str)]) -> String {
    let place = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/{name}.sh"));
    let output = Command::new("bash")
        .arg(script)
        .env("ROCKHOLD", env!("CARGO_BIN_EXE_rockhold"))
        .env("ROCKHOLD_EXAMPLE_DIR", place.path().join(name))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && out.contains("MATCH: "), "{name} {variables:?}\n{out}\n{err}");
    out + &err
}

#[test]
fn the_quick_start_ends_with_a_match() {
    example("quickstart", &[]);
}

#[test]
fn every_kind_of_object_is_restored_under_another_name_and_lives() {
    let printed = example("every-kind", &[]);
    assert_eq!(printed.matches("MATCH: ").count(), 2);
}
