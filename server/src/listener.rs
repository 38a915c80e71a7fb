//! Which program has a port.

#[cfg(target_os = "linux")]
use std::fs;

/// The id and name of the process that listens on a TCP port, where the system tells it: on Linux,
/// of one's own processes, or of all for root.
#[cfg(target_os = "linux")]
pub(crate) fn of_port(port: u16) -> Option<(u32, String)> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| inode(&fs::read_to_string(table).ok()?, port))?;
    let socket = format!("socket:[{inode}]");
    let has = |process: u32| {
        let open = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
        let mut links = open.flatten().flat_map(|entry| fs::read_link(entry.path()));
        links.find(|link| link.as_os_str() == socket.as_str())
    };
    let names = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let process = processes.find(|process| has(*process).is_some())?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some((process, name.trim().to_owned()))
}

/// Not known here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of_port(_: u16) -> Option<(u32, String)> {
    None
}

/// The inode of a listening socket: fields of proc_pid_net(5).
#[cfg(target_os = "linux")]
fn inode(table: &str, port: u16) -> Option<String> {
    const LISTENS: &str = "0A";
    let port = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let here = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENS;
        here.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn d57_the_program_that_has_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(of_port(port).unwrap().0, std::process::id());
        drop(listener);
        assert_eq!(of_port(port), None);
    }
}
