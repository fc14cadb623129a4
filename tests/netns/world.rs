//! A gateway with a network on either side.

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The uplink network's own gateway: DHCP server, DNS server and web server.
pub const WAN_HOST: &str = "192.168.77.1";

/// A name that only the uplink's DNS server knows, and its address.
pub const FAR_NAME: &str = "far.example";
pub const FAR_ADDRESS: &str = "198.51.100.7";

/// What most tests start with.
pub const CONFIG: &str = r#"
hostname = "rpi1"
domain = "mydomain.net"

[uplink]
interface = "eth1"

[lan]
interface = "eth0"
address = "10.0.0.1/24"

[dhcp]
pool = "10.0.0.10-10.0.0.128"
lease = "1h"

[[host]]
name = "rpi2"
mac = "02:00:00:00:00:22"
address = "10.0.0.2"

[dns]
log_queries = true
"#;

/// What dnsmasq hands out: first and last address, mask, time.
pub const RANGE: &str = "192.168.77.50,192.168.77.99,255.255.255.0,10m";

/// Longest wait for anything here; on two busy cores a gateway starts within one.
pub const DEADLINE: Duration = Duration::from_secs(20);

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A network namespace with a name of its own; removed with everything in it when dropped.
pub struct Namespace(String);

impl Namespace {
    fn new(side: &str, world: u32) -> Result<Self> {
        let name = format!("gp-{}-{world}-{side}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self(name);
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A program inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).stdin(Stdio::null());
        command
    }

    /// Runs a program inside and returns what it printed.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(program).args(arguments).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    /// `ip …` inside.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.0]).args(arguments.split(' '))).map(drop)
    }

    /// Runs `work` on a thread inside.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let path = format!("/run/netns/{}", self.0);
        thread::spawn(move || {
            let file = File::open(path).expect("the namespace is there");
            setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter it");
            work()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The gateway's namespace with `eth0` and `eth1`, and one namespace on either side of it.
pub struct World {
    // Dropped in this order: programs before the namespaces they run in.
    gateway: Option<Running>,
    dnsmasq: Option<Running>,
    /// The network that is served; its interface is `lan0`.
    pub lan: Namespace,
    /// The network that leads on; its interface is `wan0`.
    pub wan: Namespace,
    /// Where the gateway runs.
    pub gate: Namespace,
    folder: tempfile::TempDir,
}

impl World {
    /// Both networks, the uplink's servers, no gateway yet. `None`, said aloud, without root.
    pub fn without_gateway(test: &str) -> Option<Self> {
        if !tests::is_root() {
            tests::skip(test, "needs root for network namespaces");
            return None;
        }
        Some(Self::build().expect("the namespaces can be made"))
    }

    /// Both networks and a gateway with this configuration, its LAN services open.
    pub fn start(test: &str, config: &str) -> Option<Self> {
        let mut world = Self::without_gateway(test)?;
        world.write_config(config.as_bytes());
        world.start_gateway();
        world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
        Some(world)
    }

    fn build() -> Result<Self> {
        let world = WORLDS.fetch_add(1, Ordering::Relaxed);
        let [lan, gate, wan] = ["lan", "gate", "wan"].map(|side| Namespace::new(side, world));
        let (lan, gate, wan) = (lan?, gate?, wan?);
        for (side, outer, inner) in [(&lan, "lan0", "eth0"), (&wan, "wan0", "eth1")] {
            run(Command::new("ip")
                .args(["link", "add", outer, "netns", &side.0, "type", "veth", "peer"])
                .args(["name", inner, "netns", &gate.0]))?;
            side.ip(&format!("link set {outer} up"))?;
        }
        lan.ip("link set lan0 address 02:00:00:00:00:22")?;
        wan.ip(&format!("addr add {WAN_HOST}/24 dev wan0"))?;
        wan.ip(&format!("addr add {FAR_ADDRESS}/32 dev lo"))?;
        let folder = tempfile::tempdir()?;
        for name in ["state", "run"] {
            fs::create_dir(folder.path().join(name))?;
        }
        let dnsmasq = Some(start_dnsmasq(&wan, folder.path(), RANGE, &[])?);
        Ok(Self { gateway: None, dnsmasq, lan, wan, gate, folder })
    }

    /// Where things are kept: `state/`, `run/`, logs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the user wrote.
    pub fn write_config(&self, text: &[u8]) {
        fs::write(self.path("run/gateway.toml"), text).expect("the folder is writable");
    }

    /// Starts the gateway process; does not wait for anything.
    pub fn start_gateway(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("gateway.log")).expect("a log");
        let child = self
            .gate
            .command(gatepost().to_str().expect("a plain path"))
            .arg("gateway")
            .args(["--config".into(), self.path("run/gateway.toml")])
            .args(["--state".into(), self.path("state")])
            .args(["--lists".into(), self.path("blocklists")])
            .args(["--netboot".into(), self.path("netboot")])
            .args(["--control".into(), self.path("run/control.sock")])
            .args(self.roots())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        self.gateway = Some(Running(child));
    }

    /// The argument for authorities that a test has put in their place.
    fn roots(&self) -> Vec<PathBuf> {
        let roots = self.path("run/roots.pem");
        if roots.exists() { vec!["--dns-roots".into(), roots] } else { Vec::new() }
    }

    /// Ends the gateway process as a crash would.
    pub fn kill_gateway(&mut self) {
        let mut running = self.gateway.take().expect("a gateway runs");
        // `ip netns exec` becomes the program it starts, so this is the gateway itself.
        kill(Pid::from_raw(running.0.id() as i32), Signal::SIGKILL).expect("it is ours");
        running.0.wait().expect("it ended");
    }

    /// Starts the uplink's servers anew, with another range and nothing remembered.
    pub fn restart_dnsmasq(&mut self, range: &str) {
        self.restart_dnsmasq_with(range, &[]);
    }

    /// The same, with more words for dnsmasq.
    pub fn restart_dnsmasq_with(&mut self, range: &str, more: &[&str]) {
        self.dnsmasq = None;
        let _ = fs::remove_file(self.path("dnsmasq.leases"));
        self.dnsmasq = Some(start_dnsmasq(&self.wan, self.folder.path(), range, more).expect("dnsmasq starts"));
    }

    /// Pulls the adapter out: the interface is gone from both ends.
    pub fn unplug(&self, inner: &str) {
        self.gate.ip(&format!("link delete {inner}")).expect("it was there");
    }

    /// Plugs an adapter in, which gets another number and another hardware address.
    pub fn plug(&self, inner: &str) {
        let (side, outer) = if inner == "eth0" { (&self.lan, "lan0") } else { (&self.wan, "wan0") };
        let gate = &self.gate.0;
        side.ip(&format!("link add {outer} type veth peer name {inner} netns {gate}")).expect("veth");
        side.ip(&format!("link set {outer} up")).expect("it is there");
    }

    /// The IPv4 addresses of an interface of the gateway.
    pub fn addresses(&self, interface: &str) -> Vec<String> {
        let text = self.gate.output("ip", &["-4", "-o", "addr", "show", interface]).expect("ip runs");
        text.lines().filter_map(|line| line.split_whitespace().nth(3)).map(str::to_string).collect()
    }

    /// What dnsmasq has logged, in lower case: our queries mix the cases as a guard against forged replies.
    pub fn dnsmasq_log(&self) -> String {
        fs::read_to_string(self.path("dnsmasq.log")).unwrap_or_default().to_lowercase()
    }

    /// The gateway process's number. Panics when it has ended.
    pub fn gateway_id(&mut self) -> u32 {
        let running = self.gateway.as_mut().expect("a gateway runs");
        let ended = running.0.try_wait().expect("it is our child");
        assert!(ended.is_none(), "the gateway has ended: {ended:?}");
        running.0.id()
    }

    /// Resident memory of the gateway process, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.kib("VmRSS:")
    }

    /// The part of it that the process itself holds: heap, stacks and data, without its code. In KiB.
    pub fn own_memory_kib(&self) -> u64 {
        self.kib("RssAnon:")
    }

    /// One line of the kernel's account of the gateway process.
    fn kib(&self, word: &str) -> u64 {
        let id = self.gateway.as_ref().expect("a gateway runs").0.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(word)).expect("a line of Linux 4.5 and later");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    /// Asks the control socket.
    pub fn ask(&self, question: &str) -> Result<String> {
        let mut stream = UnixStream::connect(self.path("run/control.sock"))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        writeln!(stream, "{question}")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Waits until `look` finds something; fails with everything known when it does not.
    pub fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}\n{}", self.known());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the uplink has its address.
    pub fn wait_for_uplink(&self) {
        self.wait_for("the uplink's address", |world| {
            let addresses = world.gate.output("ip", &["-4", "-o", "addr", "show", "eth1"]).ok()?;
            addresses.contains("192.168.77.").then_some(())
        });
    }

    /// Logs and status, for a failure.
    pub fn known(&self) -> String {
        let file = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        let status = self.ask("status").unwrap_or_else(|error| format!("no answer: {error}"));
        let log = self.ask("log").unwrap_or_default();
        let (gateway, dnsmasq) = (file("gateway.log"), file("dnsmasq.log"));
        format!("-- status\n{status}\n-- log\n{log}\n-- gateway\n{gateway}\n-- dnsmasq\n{dnsmasq}")
    }

    /// Gives the LAN client a fixed address and route, for tests that are not about DHCP.
    pub fn plug_in_client(&self) {
        self.lan.ip("addr add 10.0.0.2/24 dev lan0").expect("a fresh namespace");
        self.lan.ip("route add default via 10.0.0.1").expect("a fresh namespace");
    }

    /// A web server on the uplink side that tells every client by which address it is seen.
    pub fn start_web_server(&self) {
        let (ready, is_ready) = std::sync::mpsc::channel();
        self.wan.inside(move || {
            let listener = TcpListener::bind((WAN_HOST, 80)).expect("the port is free");
            let _ = ready.send(());
            for stream in listener.incoming().flatten() {
                let _ = answer(stream);
            }
        });
        is_ready.recv_timeout(DEADLINE).expect("the web server started");
    }

    /// Whether a program that not every machine has is missing.
    pub fn has_no(program: &str) -> bool {
        ["/usr/sbin", "/usr/bin", "/sbin"].iter().all(|folder| !Path::new(folder).join(program).exists())
    }

    /// dig on the LAN, the answers alone.
    pub fn dig(&self, words: &[&str]) -> String {
        let arguments = [&["@10.0.0.1", "+short", "+time=3", "+tries=2"], words].concat();
        self.lan.output("dig", &arguments).expect("dig runs").trim().to_string()
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let _ = stream.read(&mut [0; 4096])?;
    let SocketAddr::V4(peer) = stream.peer_addr()? else { return Ok(()) };
    let body = format!("you are {}\n", peer.ip());
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn start_dnsmasq(wan: &Namespace, folder: &Path, range: &str, more: &[&str]) -> Result<Running> {
    let log = folder.join("dnsmasq.log");
    let child = wan
        .command("dnsmasq")
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-ping"])
        .args(["--user=root", "--bind-interfaces", "--interface=wan0", "--log-queries", "--log-dhcp"])
        .arg(format!("--log-facility={}", log.display()))
        .arg(format!("--dhcp-leasefile={}", folder.join("dnsmasq.leases").display()))
        .arg(format!("--pid-file={}", folder.join("dnsmasq.pid").display()))
        .args(["--dhcp-authoritative", &format!("--dhcp-range={range}")])
        // The lease is renewed after five seconds, so that a test can wait for it.
        .arg("--dhcp-option=option:T1,5")
        .arg(format!("--address=/{FAR_NAME}/{FAR_ADDRESS}"))
        .args(more)
        .spawn()
        .context("dnsmasq")?;
    Ok(Running(child))
}

/// The binary under test; built by cargo beside this test.
fn gatepost() -> PathBuf {
    if let Some(path) = std::env::var_os("GATEPOST_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(Path::parent).expect("target/debug/deps");
    folder.join("gatepost")
}
