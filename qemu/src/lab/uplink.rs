//! The side that stands for the internet: a DHCP server and a DNS server (dnsmasq), and a web server behind them.
//!
//! ```text
//!  gateway eth1 ── tap up0  192.168.77.1/24  dnsmasq: leases .100 to .120, itself as router and name server
//!                  lo       203.0.113.80/32  web server, known as www.upstream.example only here
//! ```

use super::namespace::Namespace;
use super::program::Program;
use super::web::Web;
use anyhow::Result;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The upstream router, which is DHCP and DNS server too.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

/// The web server: one hop behind the router, from the range for documentation (RFC 5737).
pub const WEB: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// A name that only the uplink's DNS server knows.
pub const NAME: &str = "www.upstream.example";

/// The network that the uplink's router hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct House {
    /// The router, DHCP and DNS server; the network is its /24, and .100 to .120 are leased.
    pub router: Ipv4Addr,
    /// Name servers of the internet that can be reached from it.
    pub resolvers: &'static [Ipv4Addr],
}

/// Where a lab stands unless it moves.
pub const HOME: House = House { router: ROUTER, resolvers: &[] };

/// How long a server of the host may take to start.
const START: Duration = Duration::from_secs(20);

/// The servers of the uplink; they end when this is dropped.
#[derive(Debug)]
pub struct Uplink {
    namespace: Namespace,
    web: Web,
    dnsmasq: Program,
    folder: PathBuf,
    house: House,
}

impl Uplink {
    /// Starts the servers in a namespace whose interface `up0` exists.
    pub(super) fn start(namespace: &Namespace, folder: &Path) -> Result<Self> {
        namespace.ip("link set up0 up")?;
        namespace.ip(&format!("addr add {WEB}/32 dev lo"))?;
        let dnsmasq = Self::serve(namespace, folder, HOME)?;
        let web = namespace.run(|| Web::start(WEB))?;
        Ok(Self { namespace: namespace.clone(), web, dnsmasq, folder: folder.to_owned(), house: HOME })
    }

    /// The gateway is carried to another house: the cable leads to another router. The web server is where it was.
    ///
    /// # Errors
    /// The new servers do not start.
    pub fn move_to(&mut self, house: House) -> Result<()> {
        self.dnsmasq.stop();
        self.namespace.ip("addr flush dev up0")?;
        self.dnsmasq = Self::serve(&self.namespace, &self.folder, house)?;
        self.house = house;
        Ok(())
    }

    fn serve(namespace: &Namespace, folder: &Path, house: House) -> Result<Program> {
        let router = house.router;
        let [a, b, c, _] = router.octets();
        namespace.ip(&format!("addr add {router}/24 dev up0"))?;
        for resolver in house.resolvers {
            namespace.ip(&format!("addr add {resolver}/32 dev up0"))?;
        }
        let mut command = namespace.command("dnsmasq");
        command.args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--user=root",
            "--group=root",
        ]);
        command.args(["--interface=up0", "--except-interface=lo", "--bind-interfaces", "--log-dhcp", "--log-queries"]);
        command.args(["--dhcp-authoritative", "--no-ping", "--pid-file=", "--log-facility=-"]);
        command.arg(format!("--dhcp-leasefile={}", leases(folder, house).display()));
        command.arg(format!("--dhcp-range={a}.{b}.{c}.100,{a}.{b}.{c}.120,255.255.255.0,1h"));
        command.arg(format!("--dhcp-option=option:router,{router}"));
        command.arg(format!("--dhcp-option=option:dns-server,{router}"));
        command.arg(format!("--host-record={NAME},{WEB}"));
        let mut dnsmasq = Program::start(command, &folder.join(format!("uplink-dnsmasq-{router}.log")))?;
        dnsmasq.wait_for("started", START)?;
        Ok(dnsmasq)
    }

    /// The web server.
    #[must_use]
    pub fn web(&self) -> &Web {
        &self.web
    }

    /// The uplink's namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The address that the gateway leased on its uplink, if it has one.
    #[must_use]
    pub fn gateway_address(&self) -> Option<Ipv4Addr> {
        let leases = fs::read_to_string(leases(&self.folder, self.house)).ok()?;
        leases.lines().last()?.split(' ').nth(2)?.parse().ok()
    }

    /// What dnsmasq logged: each DHCP message and each query that came upstream.
    #[must_use]
    pub fn log(&self) -> String {
        self.dnsmasq.said()
    }
}

fn leases(folder: &Path, house: House) -> PathBuf {
    folder.join(format!("uplink-leases-{}.txt", house.router))
}
