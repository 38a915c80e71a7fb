//! `web/ortc.js` in Chromium and Firefox: page to page, and page to Rust by `server/examples/browser_call`.
//!
//! Each test is a script in `tests/browser/`, which drives Chromium by playwright-core and Firefox
//! by WebDriver BiDi. `tests/run` brings them; without them these tests fail, they do not skip.
#![cfg(feature = "browsers")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The scripts have shorter limits of their own.
const LIMIT: Duration = Duration::from_secs(240);

/// Two browsers at once on a small machine would measure the machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Audio, video, data, digits, mute, tracks that come and go, ICE restarts, between two tabs.
#[tokio::test]
async fn pages_call_each_other() {
    assert!(script("pages.mjs").await);
}

/// What a page takes as JSON, and how it refuses what it does not.
#[tokio::test]
async fn g001_g026_forms_of_json_in_a_page() {
    assert!(script("forms.mjs").await);
}

/// Every codec between two tabs.
#[tokio::test]
async fn pages_in_every_codec() {
    assert!(script("codecs.mjs").await);
}

/// Media, digits, tracks that come and go, an ICE restart: a tab and Rust.
#[tokio::test]
async fn a_page_calls_rust() {
    assert!(script("rust.mjs").await);
}

/// Twenty calls in a row; the median time from click to first frame is printed and bounded.
#[tokio::test]
async fn a_page_calls_rust_again_and_again() {
    assert!(script("reconnects.mjs").await);
}

/// Every codec between a tab and Rust, both ways.
#[tokio::test]
async fn a_page_and_rust_in_every_codec() {
    assert!(script("rust_codecs.mjs").await);
}

/// Redundant audio (RFC 2198) to Chromium and from it.
#[tokio::test]
async fn g043_redundant_audio_between_a_page_and_rust() {
    assert!(script("red.mjs").await);
}

/// The example in the draft, to the letter.
#[tokio::test]
async fn a117_a118_the_drafts_example_runs_in_a_page() {
    assert!(script("draft.mjs").await);
}

/// The demo page, with screenshots.
#[tokio::test]
async fn the_demo_page() {
    assert!(script("demo.mjs").await);
}

/// Session descriptions read and written, the modules and who serves them: without a browser.
#[tokio::test]
async fn the_pages_modules_without_a_browser() {
    assert!(script("modules.mjs").await);
}

/// What is sent, what the own tile shows and what the buttons say, in every order of events.
#[tokio::test]
async fn the_pages_controls_follow_its_tracks() {
    assert!(script("controls.mjs").await);
}

/// Wrong links, peers that leave, servers that die: said in words, with the next step.
#[tokio::test]
async fn the_page_says_what_went_wrong() {
    assert!(script("words.mjs").await);
}

/// Every screen keeps the bar in reach, the keyboard finds its way, axe finds nothing.
#[tokio::test]
async fn the_page_is_in_reach_of_everybody() {
    assert!(script("reach.mjs").await);
}

/// The module in the README, as printed.
#[tokio::test]
async fn the_readmes_module_calls_rust() {
    assert!(script("readme.mjs").await);
}

/// Sessions of several tabs, without a server: streams, words, mute, eject, an owner that goes, calls.
#[tokio::test]
async fn c83_tabs_keep_a_room_among_themselves() {
    assert!(script("rooms_api.mjs").await);
}

/// The page of rooms, among tabs: lobby, password, mute, chat, screen, timer, hand, put out, calls.
#[tokio::test]
async fn c84_d19_the_page_of_rooms() {
    assert!(script("rooms_page.mjs").await);
}

/// By `ortc serve`: who leaves, who comes back, a server that is killed, roles, rooms that end.
#[tokio::test]
async fn c10_d35_the_page_of_rooms_and_its_server() {
    assert!(script("rooms_server.mjs").await);
}

/// Nine people and eleven, on any screen, light and dark; the keyboard; axe.
#[tokio::test]
async fn c89_d33_the_page_of_rooms_on_any_screen() {
    assert!(script("rooms_reach.mjs").await);
}

/// Devices, screens, servers and invitations that fail, each with a sentence; in without a camera.
#[tokio::test]
async fn d55_c90_the_page_of_rooms_says_what_went_wrong() {
    assert!(script("rooms_words.mjs").await);
}

/// One sends and many watch, what each takes, parts that a room has not, a timer that is up.
#[tokio::test]
async fn c87_d12_d43_the_page_of_rooms_for_each_purpose() {
    assert!(script("rooms_rules.mjs").await);
}

/// Files of pages: to pages, to Rust and from it, with reloads, folders, hostile names.
#[tokio::test]
async fn c11_c44_c88_d20_d22_files_of_the_page_of_rooms() {
    assert!(script("rooms_files.mjs").await);
}

/// Files by a code of three words: pages and `ortc send` and `ortc recv`.
#[tokio::test]
async fn c92_e01_files_by_a_code_in_pages() {
    assert!(script("rooms_codes.mjs").await);
}

/// A page records people and its screen, and takes pictures; all are told.
#[tokio::test]
async fn c33_d29_d31_d32_recordings_of_the_page_of_rooms() {
    assert!(script("rooms_recordings.mjs").await);
}

/// What the page leaves at its server: recordings, pictures, reports.
#[tokio::test]
async fn c34_d27_d39_what_the_page_of_rooms_leaves_at_its_server() {
    assert!(script("rooms_kept.mjs").await);
}

/// Two pages and a Rust peer draw at one drawing and edit one text at once, and again after a reload.
#[tokio::test]
async fn d36_d41_d42_pages_and_rust_draw_and_write_together() {
    assert!(script("rooms_widgets.mjs").await);
}

/// Two pages and `ortc call` prove a secret to each other; who has another is connected to nobody.
#[tokio::test]
async fn c66_secrets_of_rooms_in_pages_and_rust() {
    assert!(script("rooms_secret.mjs").await);
}

/// Firefox opens the link that a page shows, and one that the server made.
#[tokio::test]
async fn c90_c66_firefox_enters_by_invitations() {
    setting("ORTC_FIREFOX", "/usr/bin/firefox-esr".into());
    assert!(script("rooms_invited.mjs").await);
}

/// Chromium, Firefox and `ortc call` in one room: three pictures at each.
#[tokio::test]
async fn c3_c99_two_browsers_and_the_command_in_one_room() {
    setting("ORTC_FIREFOX", "/usr/bin/firefox-esr".into());
    assert!(script("rooms_three.mjs").await);
}

/// Where no UDP of the browser's gets out: by ICE over TCP, and by relays over TCP and TLS.
#[tokio::test]
async fn a_page_calls_rust_without_udp() {
    assert!(script_alone("no_udp.mjs").await);
}

/// A page that shows no address, only names that are asked for by multicast; and Rust that does.
#[tokio::test]
async fn a_page_that_hides_its_addresses_calls_rust() {
    assert!(script_alone("mdns.mjs").await);
}

/// Chromium, Firefox and `ortc call` in a room that grows beyond its mesh and shrinks back: by the
/// server and by themselves again, without a gap in picture or words.
#[tokio::test]
async fn e7_e10_a_room_grows_beyond_its_mesh_and_shrinks_back() {
    assert!(script("rooms_hub.mjs").await);
}

/// Clients of WHIP and WHEP that are no code of ours: the browser's own connections and `fetch`.
#[tokio::test]
async fn a_page_and_a_player_watch_what_a_whip_client_sends() {
    assert!(script("rooms_whip.mjs").await);
}

/// Two pages and Rust count aloud by a server that is killed, to one with a hub and to one without:
/// each number comes once and in order.
#[tokio::test]
async fn e5_a_hub_that_is_killed_loses_no_word_of_a_page() {
    assert!(script("rooms_hub_lost.mjs").await);
}

/// The server of a cluster that has a room's hub is killed: pages and Rust see each other again by the
/// other, and nobody reloads.
#[tokio::test]
async fn e5_pages_go_on_when_the_server_with_the_hub_is_killed() {
    assert!(script("rooms_takeover.mjs").await);
}

/// A server that keeps files has what a page sends once, and two pages and Rust have it from there.
#[tokio::test]
async fn e11_d25_a_file_of_a_page_goes_up_once() {
    assert!(script("rooms_hub_files.mjs").await);
}

/// A page sends a hub three sizes of its camera: each watcher gets the one that its path carries and
/// its tile shows.
#[tokio::test]
async fn e5_a_page_sends_a_hub_three_sizes() {
    assert!(script("rooms_simulcast.mjs").await);
}

/// Thirteen in a room of a hub: a page shows and gets nine, and who begins to speak comes to it.
#[tokio::test]
async fn e5_a_page_gets_those_who_speak() {
    assert!(script("rooms_speakers.mjs").await);
}

/// Two tabs, and a tab and Rust, in Firefox.
#[tokio::test]
async fn firefox_calls_firefox_and_rust() {
    setting("ORTC_FIREFOX", "/usr/bin/firefox-esr".into());
    assert!(script("firefox.mjs").await);
}

/// A Chromium page and a Firefox page, with ICE restarts by both.
#[tokio::test]
async fn chromium_calls_firefox() {
    setting("ORTC_FIREFOX", "/usr/bin/firefox-esr".into());
    assert!(script("mixed.mjs").await);
}

/// Whether the script ended well; what it says is printed.
async fn script(name: &str) -> bool {
    script_by(Command::new("node"), name).await
}

/// The same in a network of its own, of loopback alone. Needs root.
async fn script_alone(name: &str) -> bool {
    let mut command = Command::new("unshare");
    let up = "ip link set lo up && exec node \"$0\"";
    command.args(["--net", "sh", "-c", up]);
    script_by(command, name).await
}

async fn script_by(mut node: Command, name: &str) -> bool {
    let _turn = ONE_AT_A_TIME.lock().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = present(root.join("tests/browser").join(name));
    setting("ORTC_CHROMIUM", "/usr/bin/chromium".into());
    let modules = setting("ORTC_PLAYWRIGHT_DIR", root.join("target/peers"));
    present(modules.join("node_modules/playwright-core"));
    present(modules.join("node_modules/axe-core"));
    let begin = Instant::now();
    let output = node
        .arg(script)
        .env("ORTC_BROWSER_CALL", built("examples/browser_call"))
        .env("ORTC_PROGRAM", built("ortc"))
        .env("ORTC_BOARD", built("examples/board"))
        .env("ORTC_CROWD", built("examples/crowd"))
        // Firefox is spoken to by WebSocket, which Node has of itself from 22 on.
        .env("NODE_OPTIONS", "--experimental-websocket")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LIMIT, output).await.expect("time is up").unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{name}: {:.1} s", begin.elapsed().as_secs_f64());
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

/// What cargo built beside this test.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    present(profile.join(name))
}

fn setting(name: &str, default: PathBuf) -> PathBuf {
    present(std::env::var_os(name).map_or(default, PathBuf::from))
}

fn present(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: tests/run installs the browser and its driver, \
         `cargo build --workspace --bins --examples --all-features` makes the programs",
        path.display()
    );
    path
}
