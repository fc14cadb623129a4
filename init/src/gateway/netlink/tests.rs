//! The whole way, from a plan to the kernel and back, in a network namespace of its own. Needs root, `ip` and `nft`.

use super::*;
use gatepost_core::config::{Addressing, Config, Dhcp, Dns, Lan, Uplink};
use gatepost_core::plan::{Inputs, Plan, UplinkLease, plan, reconcile, sysctls};
use nix::sched::{CloneFlags, unshare};
use std::io::Write;
use std::process::Command;

fn config() -> Config {
    Config {
        hostname: "gate".into(),
        domain: "home.arpa".into(),
        uplink: Uplink {
            interface: "eth1".into(),
            country: None,
            wifi: vec![],
            wifi_offload: false,
            addressing: Addressing::Dhcp,
        },
        lan: Lan { interface: "eth0".into(), address: "10.0.0.1/24".parse().unwrap(), alternative: None },
        dhcp: Dhcp::new(("10.0.0.10".parse().unwrap(), "10.0.0.20".parse().unwrap())),
        dns: Dns::default(),
        ..Config::default()
    }
}

fn lease(address: &str, router: &str, mtu: Option<u16>) -> UplinkLease {
    let (address, router) = (address.parse().unwrap(), Some(router.parse().unwrap()));
    UplinkLease { address, router, classless_routes: vec![], mtu }
}

/// Runs `test` on a thread with a network namespace of its own; skipped without root.
fn in_namespace(test: impl Future<Output = ()> + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a network namespace needs root");
        return;
    }
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
    });
    thread.join().unwrap();
}

/// Runs `ip` with these words in the namespace of this thread and returns what it says.
fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One turn of the event loop. Returns the plan and how many changes it took.
async fn settle(network: &mut Network, lease: Option<&UplinkLease>) -> (Plan, usize) {
    let config = config();
    let keys = sysctls(&config, 1 << 30);
    let snapshot = network.snapshot(&["eth0", "eth1"], &keys).await.unwrap();
    let inputs =
        Inputs { config: &config, lease, links: &snapshot.links, lan_in_use: None, memory_bytes: memory_bytes() };
    let plan = plan(&inputs);
    let changes = reconcile(&snapshot.state, &plan.state);
    let failures = network.apply(&changes).await;
    assert!(failures.is_empty(), "{}", failures[0]);
    (plan, changes.len())
}

#[test]
fn a_plan_comes_true_and_stays() {
    in_namespace(async {
        ip("link add eth0 type veth peer name lan");
        ip("link add eth1 type veth peer name wan");
        ip("link add other type veth peer name rehto");
        ip("addr add 10.77.0.1/24 dev other");
        let mut network = Network::open().unwrap();

        let lease = lease("192.168.0.51/24", "192.168.0.1", Some(1400));
        settle(&mut network, Some(&lease)).await;
        assert!(ip("-4 -o addr show dev eth0").contains("10.0.0.1/24 brd 10.0.0.255"));
        assert!(ip("-4 -o addr show dev eth1").contains("192.168.0.51/24"));
        assert!(ip("link show dev eth1").contains("mtu 1400"));
        assert!(ip("route show default").contains("via 192.168.0.1 dev eth1 proto 71"));
        assert!(sysctl::forwarding());
        assert_eq!(settle(&mut network, Some(&lease)).await.1, 0, "applying twice changes nothing");

        // A gateway that starts again has only its filter to install, and to forget what another one let in.
        let mut again = Network::open().unwrap();
        assert_eq!(settle(&mut again, Some(&lease)).await.1, 2);
        assert!(ip("-4 -o addr show dev other").contains("10.77.0.1/24"), "not ours, not touched");
    });
}

#[test]
fn a_changed_lease_and_a_lost_one_leave_nothing_behind() {
    in_namespace(async {
        ip("link add eth0 type veth peer name lan");
        ip("link add eth1 type veth peer name wan");
        let mut network = Network::open().unwrap();
        settle(&mut network, Some(&lease("192.168.0.51/24", "192.168.0.1", None))).await;

        // A router outside the prefix, as some providers have it.
        let far = lease("100.64.0.7/32", "100.64.0.1", None);
        settle(&mut network, Some(&far)).await;
        assert!(!ip("-4 -o addr show dev eth1").contains("192.168"));
        assert!(ip("route show").contains("100.64.0.1 dev eth1 proto 71 scope link"));
        assert!(ip("route show default").contains("via 100.64.0.1 dev eth1 proto 71"));
        assert_eq!(settle(&mut network, Some(&far)).await.1, 0);

        settle(&mut network, None).await;
        assert_eq!(ip("-4 -o addr show dev eth1"), "");
        assert_eq!(ip("route show dev eth1"), "");

        // The provider hands out our own LAN.
        let (plan, _) = settle(&mut network, Some(&lease("10.0.0.99/24", "10.0.0.254", None))).await;
        assert!(plan.conflict.is_some());
        assert_eq!(ip("-4 -o addr show dev eth1"), "");
        assert!(ip("-4 -o addr show dev eth0").contains("10.0.0.1/24"));
    });
}

#[test]
fn links_may_come_and_go_at_any_time() {
    in_namespace(async {
        let mut monitor = Monitor::open().unwrap();
        let mut network = Network::open().unwrap();
        let lease = lease("192.168.0.51/24", "192.168.0.1", None);
        // Nothing there yet: the filter and forwarding are, so that whatever comes is guarded.
        settle(&mut network, Some(&lease)).await;
        assert!(sysctl::forwarding());
        for _ in 0..2 {
            ip("link add eth1 type veth peer name wan");
            monitor.changed().await.unwrap();
            settle(&mut network, Some(&lease)).await;
            assert!(ip("route show default").contains("via 192.168.0.1 dev eth1"));
            ip("link add eth0 type veth peer name lan");
            monitor.changed().await.unwrap();
            settle(&mut network, Some(&lease)).await;
            assert!(ip("-4 -o addr show dev eth0").contains("10.0.0.1/24"));
            ip("link del eth0");
            ip("link del eth1");
            monitor.changed().await.unwrap();
            settle(&mut network, Some(&lease)).await;
        }
        while tokio::time::timeout(Duration::from_millis(100), monitor.changed()).await.is_ok() {}
        assert_eq!(settle(&mut network, Some(&lease)).await.1, 0);
    });
}

/// In the event loop every other event interrupts the wait.
#[test]
fn a_wait_that_is_always_interrupted_ends_all_the_same() {
    in_namespace(async {
        let mut monitor = Monitor::open().unwrap();
        ip("link add eth0 type veth peer name lan");
        let mut turns = 0;
        while tokio::time::timeout(Duration::from_millis(5), monitor.changed()).await.is_err() {
            turns += 1;
            assert!(turns < 100, "the change is never told");
        }
    });
}

/// More notifications than the socket holds: the kernel says ENOBUFS, which is a change like any other.
#[test]
fn a_storm_of_notifications_is_a_change() {
    in_namespace(async {
        let mut monitor = Monitor::open().unwrap();
        ip("link add eth0 type veth peer name lan");
        ip("link set eth0 up");
        let batch: String = (0..4000).map(|n| format!("addr add 10.1.{}.{}/32 dev eth0\n", n / 250, n % 250)).collect();
        let mut child = Command::new("ip").args(["-batch", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        monitor.changed().await.unwrap();
        let mut rounds = 0;
        while tokio::time::timeout(Duration::from_millis(200), monitor.changed()).await.is_ok() {
            rounds += 1;
        }
        assert!(rounds < 10, "notifications come together");
    });
}

#[test]
fn without_the_filter_there_is_no_uplink() {
    in_namespace(async {
        ip("link add eth0 type veth peer name lan");
        ip("link add eth1 type veth peer name wan");
        let mut network = Network::open().unwrap();
        let config = config();
        let keys = sysctls(&config, 1 << 30);
        let snapshot = network.snapshot(&["eth0", "eth1"], &keys).await.unwrap();
        let lease = lease("192.168.0.51/24", "192.168.0.1", None);
        let inputs = Inputs {
            config: &config,
            lease: Some(&lease),
            links: &snapshot.links,
            lan_in_use: None,
            memory_bytes: 1 << 30,
        };
        let wanted = plan(&inputs).state;
        // nft keeps a table of this name for itself as long as it runs.
        let mut nft = Command::new("nft").arg("-i").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut owner = nft.stdin.take().unwrap();
        owner.write_all(b"add table inet gatepost { flags owner; }\n").unwrap();
        while Command::new("nft").args(["list", "tables"]).output().unwrap().stdout.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let failures = network.apply(&reconcile(&snapshot.state, &wanted)).await;
        let said: Vec<String> = failures.iter().map(Failure::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].starts_with("Could not install the packet filter: "), "{said:?}");
        assert!(said[3].contains("switch forwarding on"), "{said:?}");
        assert!(ip("-4 -o addr show dev eth0").contains("10.0.0.1/24"), "the LAN comes up all the same");
        assert_eq!(ip("-4 -o addr show dev eth1"), "");
        assert!(!sysctl::forwarding());

        drop(owner);
        nft.wait().unwrap();
        settle(&mut network, Some(&lease)).await;
        assert!(sysctl::forwarding() && ip("-4 -o addr show dev eth1").contains("192.168.0.51/24"));
    });
}
