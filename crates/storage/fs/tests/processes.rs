//! Create-new holds between processes: this test starts its own binary again.

#![allow(clippy::expect_used, clippy::panic)] // the helpers of tests are tests too

use rockhold_core::{ErrorKind, Key, PutRequest, Repository};
use rockhold_storage_fs::{FsConfig, FsRepository};
use rockhold_testkit::must;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

const ROOT: &str = "ROCKHOLD_TEST_RACE_ROOT";
const ROUNDS: usize = 200;

/// What a child does: at each line on its input it claims the next key and
/// answers whether it won.
#[tokio::test]
async fn racing_child() {
    let Ok(root) = env::var(ROOT) else {
        return; // run by hand, this is no child
    };
    let repository = must(FsRepository::open(must(FsConfig::for_directory(Path::new(&root)))).await);
    println!("\nready");
    let mine = std::process::id().to_string();
    for (round, _) in std::io::stdin().lines().enumerate() {
        let key = must(Key::new(format!("labels/{round}/claim")));
        match repository.put(PutRequest::new(key, mine.clone())).await {
            Ok(_) => println!("\nwon {mine}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
                println!("\nlost");
            }
        }
    }
}

struct Racer {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Racer {
    fn start(root: &Path) -> Self {
        let mut child = Command::new(env::current_exe().expect("this binary"))
            .args(["--exact", "racing_child", "--nocapture"])
            .env(ROOT, root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, output }
    }

    /// The next line that the child itself wrote, past what the test runner says.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).expect("a line"), 0, "the child ended early");
            let line = line.trim();
            if line == "ready" || line == "lost" || line.starts_with("won ") {
                return line.to_owned();
            }
        }
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().expect("its input").write_all(b"\n").expect("written");
    }
}

#[test]
fn exactly_one_of_two_processes_creates_a_key() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("root");
    let mut racers = [Racer::start(&root), Racer::start(&root)];
    racers.iter_mut().for_each(|racer| assert_eq!(racer.answer(), "ready"));
    let mut wins = [0, 0];
    for round in 0..ROUNDS {
        // Who hears first changes, so that both come first now and then.
        racers.iter_mut().for_each(Racer::go);
        if round % 2 == 0 {
            racers.reverse();
            wins.reverse();
        }
        let answers = racers.each_mut().map(Racer::answer);
        let stored = std::fs::read_to_string(root.join(format!("labels/{round}/claim"))).expect("the claim");
        let winners: Vec<usize> = (0..2).filter(|n| answers[*n] == format!("won {stored}")).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}, stored by {stored}");
        assert_eq!(answers.iter().filter(|answer| *answer == "lost").count(), 1, "round {round}");
        wins[winners[0]] += 1;
    }
    for mut racer in racers {
        drop(racer.child.stdin.take());
        assert!(racer.child.wait().expect("the child ends").success());
    }
    println!("wins of the two processes: {wins:?}");
}
