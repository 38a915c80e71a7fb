//! `ortc doctor`: what a person is told.

use serde_json::Value;

use crate::process::{Serve, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_servers_and_the_clock() {
    let serve = Serve::start(&[]).await;
    let server = serve.address.as_str();
    // It answers STUN on the port of the same number.
    let ice = format!("stun:127.0.0.1:{}", serve.port);
    let asked = ["doctor", "--json", "--server", server, "--ice", &ice];
    let (code, out, errors) = run(&asked).await;
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &said["callsWillWork"]),
        (0, &true.into()),
        "{out} {errors}"
    );
    assert_eq!(said["servers"][0]["state"], "mapped", "{out}");
    assert!(said["clockAhead"].as_i64().unwrap().abs() < 60, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d59_the_doctor_names_what_is_wrong() {
    // Nobody listens there, and nothing else is asked.
    let ice = "turn:anna:hunter2@127.0.0.1:9";
    let (code, out, errors) = run(&["doctor", "--no-server", "--ice", ice]).await;
    assert_eq!(code, 6, "{out} {errors}");
    assert!(
        out.contains("problem: turn:127.0.0.1:9: The TURN server does not answer"),
        "{out}"
    );
    assert!(
        !(out.clone() + &errors).contains("hunter2"),
        "{out} {errors}"
    );
    // A TURN server without a password is wrong usage, and said so at once.
    let (code, _, missing) = run(&["doctor", "--no-server", "--ice", "turn:127.0.0.1"]).await;
    assert_eq!(code, 1, "{missing}");
    assert!(
        missing.contains("a TURN server needs a username and a credential"),
        "{missing}"
    );
    assert!(errors.contains("calls will not work from here"), "{errors}");
}
