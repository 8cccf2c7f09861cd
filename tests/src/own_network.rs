//! A network that only one test is in: what it changes there concerns nobody else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// A loopback that takes groups.
pub const GROUPS: &str = "ip link set lo multicast on && ip route add 239.0.0.0/8 dev lo";
/// Beside the loopback two networks, and an address in each: `10.9.1.1` and `10.9.2.1`.
pub const TWO_ADDRESSES: &str = "ip link add one type veth peer name eno && ip link add two type veth peer name owt \
    && ip link set one up && ip link set eno up && ip link set two up && ip link set owt up \
    && ip addr add 10.9.1.1/24 dev one && ip addr add 10.9.2.1/24 dev two";

/// Runs a test, by its name and its module's, in a network with nothing but a loopback and what this shell command makes.
pub fn in_a_network_of_its_own(prepare: &str, test: &str, inside: impl FnOnce()) {
    const INSIDE: &str = "FIRSTLIGHT_OWN_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let prepare = format!("ip link set lo up && {prepare} && exec \"$@\"");
    let program = std::env::current_exe().expect("a program knows where it is");
    // Who is not root may be it in a world of their own.
    let is_root = fs::metadata("/proc/self").expect("there are processes").uid() == 0;
    let rights = if is_root { &[][..] } else { &["--map-root-user"] };
    let output = Command::new("unshare")
        .args(rights)
        .args(["--net", "sh", "-c", &prepare, "sh"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is installed");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
