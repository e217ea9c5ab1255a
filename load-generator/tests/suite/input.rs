//! What is refused before anything is started.

use crate::{load_generator, said};

#[test]
fn bad_input_is_refused_with_a_clear_message() {
    for (flags, status, message) in [
        ("--rate 0", 2, "from 0.001"),
        ("--duration soon", 2, "20s"),
        ("--duration 0s", 2, "longer than 0"),
        ("--rate 5 --bogus", 2, "--bogus"),
        ("--ramp 1..2/1s --burst 5/1s", 2, "cannot be used with"),
        ("--clients 4 --workers 4", 2, "cannot be used with"),
        ("--spike 100@50s/20s --duration 60s", 2, "is over after --duration"),
        ("--node 3/2", 2, "NTH from 1 to OF"),
        ("--speed 2", 2, "--replay"),
        ("--replay /no/such/file", 2, "/no/such/file"),
        ("--read-ratio 1.5", 2, "from 0 to 1"),
        ("--duration 1s --primary host=db.example password=geheim user=u", 1, "needs TLS"),
        ("--duration 1s --primary nonsense=geheim", 1, "does not parse"),
        ("--duration 1s --json /nonexistent/out.json", 1, "/nonexistent/out.json"),
        ("--metrics 203.0.113.1:1", 1, "metrics at 203.0.113.1:1"),
    ] {
        let mut arguments = flags.split(" --primary ");
        let mut command = load_generator(arguments.next().unwrap());
        if let Some(primary) = arguments.next() {
            command.args(["--primary", primary]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{flags}: {said}");
        assert!(said.contains(message) && !said.contains("geheim"), "{flags}: {said}");
    }
    // No server is given a port that low.
    let nobody = "host=127.0.0.1 port=1 user=u password=geheim";
    let output = load_generator("--duration 1s --primary").arg(nobody).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1") && !said.contains("geheim"), "{said}");
}

#[test]
fn a_process_that_may_open_too_few_files_is_told_so() {
    let limited =
        "ulimit -n 64; exec \"$0\" --engine cte --workers 100 --primary 'host=127.0.0.1 port=1 user=u'";
    let program = env!("CARGO_BIN_EXE_load-generator");
    let output = std::process::Command::new("sh").args(["-c", limited, program]).output().unwrap();
    let said = said(&output, 1);
    assert!(said.contains("164 open files") && said.contains("ulimit -n 164"), "{said}");
}
