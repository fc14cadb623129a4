//! DNS over TLS with strangers at the other end: socat (OpenSSL) before dnsmasq, and unbound where it is installed; and a server
//! of our own that lets answers overtake each other and closes when it likes. Certificates are made for each test; the gateway
//! is told of their authority on its command line, which no configuration can do.

use crate::world::{CONFIG, DEADLINE, FAR_ADDRESS, FAR_NAME, Running, WAN_HOST, World};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;

/// The name that good certificates hold.
const NAME: &str = "dns.example";

/// An authority and what it signs.
struct Authority {
    key: KeyPair,
    own: Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap();
        Self { key, own }
    }

    /// Writes a certificate with its key into a file; `last` is the last year of its validity.
    fn sign(&self, world: &World, file: &str, name: &str, last: i32) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(last, 12, 31));
        let certificate = params.signed_by(&key, &self.own, &self.key).unwrap();
        let path = world.path(file);
        fs::write(&path, certificate.pem() + &key.serialize_pem()).unwrap();
        path.to_str().unwrap().to_string()
    }
}

/// A certificate that vouches for itself.
fn self_signed(world: &World, file: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_string()]).unwrap().self_signed(&key).unwrap();
    let path = world.path(file);
    fs::write(&path, certificate.pem() + &key.serialize_pem()).unwrap();
    path.to_str().unwrap().to_string()
}

/// OpenSSL on a port of the uplink's host, with dnsmasq behind it. It takes one connection, or with `fork` any number.
fn start_socat(world: &World, port: u16, certificate: &str, fork: &str) -> Running {
    let listen =
        format!("OPENSSL-LISTEN:{port},bind={WAN_HOST},reuseaddr{fork},verify=0,cert={certificate},key={certificate}");
    let log = world.path(&format!("socat.{port}"));
    let mut socat = world.wan.command("socat");
    socat.args(["-d", "-d", "-lf"]).arg(&log).args([&listen, &format!("TCP:{WAN_HOST}:53")]);
    let running = Running(socat.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("socat starts"));
    world.wait_for("socat", |_| fs::read_to_string(&log).ok().filter(|text| text.contains("listening on")));
    running
}

/// A world whose gateway believes the authority and asks these servers.
fn start(test: &str, authority: &Authority, upstream: &[&str]) -> Option<World> {
    let list: Vec<_> = upstream.iter().map(|server| format!("\"tls://{WAN_HOST}:{server}\"")).collect();
    let config = CONFIG.replace("[dns]", &format!("[dns]\nupstream = [{}]", list.join(", ")));
    // A time server without a name: the gateway itself has no names to ask for, and questions can be counted.
    let config = format!("{config}\n[ntp]\nservers = [\"{WAN_HOST}\"]\n");
    let mut world = World::without_gateway(test)?;
    fs::write(world.path("run/roots.pem"), authority.own.pem()).unwrap();
    world.write_config(config.as_bytes());
    world.start_gateway();
    world.wait_for("the LAN services", |world| world.ask("status").ok().filter(|text| text.contains(", serving")));
    world.plug_in_client();
    world.wait_for_uplink();
    Some(world)
}

/// Everything that dnsmasq was asked came from its own host: through socat.
fn assert_nothing_in_the_clear(world: &World) {
    let log = world.dnsmasq_log();
    for line in log.lines().filter(|line| line.contains("query[")) {
        assert!(line.ends_with(&format!("from {WAN_HOST}")), "{line}");
    }
}

#[test]
fn rfc7858_names_come_through_one_encrypted_connection() {
    let authority = Authority::new("known");
    let Some(world) = start("dns over tls", &authority, &["853#dns.example"]) else { return };
    let certificate = authority.sign(&world, "good.pem", NAME, 2090);
    let socat = start_socat(&world, 853, &certificate, "");
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    for n in 0..5 {
        assert_eq!(world.dig(&[&format!("n{n}.{FAR_NAME}")]), FAR_ADDRESS, "{}", world.known());
    }
    let log = fs::read_to_string(world.path("socat.853")).unwrap();
    assert_eq!(log.matches("accepting connection from").count(), 1, "{log}");
    assert_nothing_in_the_clear(&world);

    // The server goes and comes again.
    drop(socat);
    world.wait_for("trouble", |world| {
        let _ = world.dig(&[&format!("gone{}.{FAR_NAME}", rand())]);
        world.ask("status").ok().filter(|text| text.contains("it refuses the connection"))
    });
    let _socat = start_socat(&world, 853, &certificate, "");
    world.wait_for("the name again", |world| {
        (world.dig(&[&format!("back{}.{FAR_NAME}", rand())]) == FAR_ADDRESS).then_some(())
    });
    assert!(!world.ask("status").unwrap().contains("refuses"), "{}", world.known());
}

#[test]
fn rfc8310_a_wrong_certificate_is_refused_in_plain_words_and_nothing_goes_in_the_clear() {
    let (authority, stranger) = (Authority::new("known"), Authority::new("unknown"));
    let servers = ["853#dns.example", "8531#dns.example", "8532#dns.example", "8533#dns.example"];
    let Some(world) = start("wrong certificates", &authority, &servers) else { return };
    let _expired = start_socat(&world, 853, &authority.sign(&world, "expired.pem", NAME, 2021), ",fork");
    let _other = start_socat(&world, 8531, &authority.sign(&world, "other.pem", "other.example", 2090), ",fork");
    let _unknown = start_socat(&world, 8532, &stranger.sign(&world, "unknown.pem", NAME, 2090), ",fork");
    let _own = start_socat(&world, 8533, &self_signed(&world, "self.pem"), ",fork");
    world.wait_for("what is wrong", |world| {
        assert_eq!(world.dig(&[&format!("n{}.{FAR_NAME}", rand())]), "");
        let status = world.ask("status").ok()?;
        let wrong = [
            "853#dns.example can't be asked: its certificate ran out on 2021-12-31 00:00:00 UTC; the clock says 20",
            "8531#dns.example can't be asked: its certificate is for another name than dns.example",
            "8532#dns.example can't be asked: its certificate comes from nobody that is known",
            "8533#dns.example can't be asked: its certificate comes from nobody that is known",
        ];
        wrong.iter().all(|line| status.contains(line)).then_some(())
    });
    assert!(!world.dnsmasq_log().contains("query["), "{}", world.known());
}

/// A number that is another one each time.
fn rand() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

/// A connection as our own server sees it.
type Stream = rustls::StreamOwned<rustls::ServerConnection, TcpStream>;

/// A server of our own on port 853, which does what `work` does with its connections.
fn start_server(world: &World, certificate: &str, work: impl FnOnce(&mut dyn FnMut() -> Stream) + Send + 'static) {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let (ready, is_ready) = std::sync::mpsc::channel();
    world.wan.inside(move || {
        let listener = TcpListener::bind((WAN_HOST, 853)).expect("the port is free");
        let _ = ready.send(());
        work(&mut || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), stream)
        });
    });
    is_ready.recv_timeout(DEADLINE).expect("the server started");
}

fn say(stream: &mut Stream, answer: &[u8]) {
    stream.write_all(answer).unwrap();
    stream.flush().unwrap();
}

fn read_question(stream: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut question = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut question).unwrap();
    assert_eq!(question.len() % 128, 0, "RFC 8467: padded to blocks");
    question
}

/// The question's first label says which address it has.
fn answer(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let mut answer = question[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 198, 51, 100, question[13] - b'0']);
    [&(answer.len() as u16).to_be_bytes(), &answer[..]].concat()
}

#[test]
fn rfc7766_6_2_1_1_answers_may_overtake_each_other() {
    let authority = Authority::new("known");
    let Some(world) = start("out of order", &authority, &["853#dns.example"]) else { return };
    start_server(&world, &authority.sign(&world, "good.pem", NAME, 2090), |accept| {
        let mut stream = accept();
        let answers: Vec<Vec<u8>> = (0..3).map(|_| answer(&read_question(&mut stream))).collect();
        answers.iter().rev().for_each(|answer| say(&mut stream, answer));
        // Open until the other side has had enough.
        let _ = stream.read(&mut [0; 1]);
    });
    let mut seen = ask_at_once(&world, 3).join().unwrap();
    seen.sort_unstable();
    assert_eq!(seen.iter().map(|answer| answer.0).collect::<Vec<_>>(), [1, 2, 3], "{}", world.known());
    assert!(seen.iter().all(|(id, last)| id == last), "each has its own address: {seen:?}");
}

/// Asks so many names at once; the identifier and the last octet of each answer.
fn ask_at_once(world: &World, number: u8) -> std::thread::JoinHandle<Vec<(u8, u8)>> {
    world.lan.inside(move || {
        let socket = UdpSocket::bind("10.0.0.2:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        for n in 1..=number {
            let mut query = vec![0, n, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'0'.wrapping_add(n)];
            query.extend(b"\x03far\x07example\x00\x00\x01\x00\x01");
            socket.send_to(&query, "10.0.0.1:53").unwrap();
        }
        let mut seen = Vec::new();
        for _ in 0..number {
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[3] & 15, 0, "NOERROR");
            seen.push((buffer[1], buffer[length - 1]));
        }
        seen
    })
}

#[test]
fn rfc7766_6_2_4_a_server_may_close_at_any_moment() {
    let authority = Authority::new("known");
    let Some(world) = start("closing server", &authority, &["853#dns.example"]) else { return };
    let (tell, told) = std::sync::mpsc::channel();
    start_server(&world, &authority.sign(&world, "good.pem", NAME, 2090), move |accept| {
        let mut stream = accept();
        let first = answer(&read_question(&mut stream));
        say(&mut stream, &first);
        // In the moment in which it is asked: the question is asked again on another connection.
        read_question(&mut stream);
        drop(stream);
        let mut stream = accept();
        let second = answer(&read_question(&mut stream));
        say(&mut stream, &second);
        let _ = tell.send(stream.conn.handshake_kind());
        // While nothing is asked: the next question finds a new one.
        stream.conn.send_close_notify();
        let _ = stream.flush();
        drop(stream);
        let mut stream = accept();
        let third = answer(&read_question(&mut stream));
        say(&mut stream, &third);
        let _ = stream.read(&mut [0; 1]);
    });
    for n in 1..=3 {
        let words = [&format!("{n}.{FAR_NAME}"), "+tries=1", "+time=6"];
        assert_eq!(world.dig(&words), format!("198.51.100.{n}"), "{}", world.known());
    }
    let handshake = told.recv_timeout(DEADLINE).unwrap();
    assert_eq!(handshake, Some(rustls::HandshakeKind::Resumed), "the second time is shorter");
    assert!(!world.ask("log").unwrap().contains("can't be asked"), "{}", world.known());
}

#[test]
fn rfc7858_3_4_a_connection_that_is_cut_on_the_way_is_replaced_while_the_client_waits() {
    let authority = Authority::new("known");
    let Some(world) = start("cut connection", &authority, &["853#dns.example"]) else { return };
    let _socat = start_socat(&world, 853, &authority.sign(&world, "good.pem", NAME, 2090), ",fork");
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let port = connections(&world).first().expect("it is open").to_string();
    for rule in [
        "add table ip cut".into(),
        "add chain ip cut in { type filter hook input priority 0; }".into(),
        format!("add rule ip cut in tcp sport {port} drop"),
    ] {
        assert_eq!(world.wan.output("nft", &[&rule]).unwrap(), "", "{rule}");
    }
    let answer = world.dig(&[&format!("after.{FAR_NAME}"), "+tries=1", "+time=6"]);
    assert_eq!(answer, FAR_ADDRESS, "{}", world.known());
}

/// The gateway's own ports of its connections to port 853, open or closed a short time ago.
fn connections(world: &World) -> Vec<u16> {
    let table = world.gate.output("cat", &["/proc/net/tcp"]).unwrap();
    let ports = table.lines().filter(|line| line.split_whitespace().nth(2).is_some_and(|far| far.ends_with(":0355")));
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.split_once(':')?.1, 16).ok();
    ports.filter_map(port).collect()
}

#[test]
fn rfc7858_3_3_a_strangers_server_answers_many_questions_on_one_connection() {
    let authority = Authority::new("known");
    let Some(world) = start("unbound", &authority, &["853#dns.example"]) else { return };
    if world.wan.output("unbound", &["-V"]).is_ok_and(|text| !text.contains("Version")) {
        return tests::skip("rfc7858_3_3_a_strangers_server_answers_many_questions_on_one_connection", "no unbound");
    }
    let certificate = authority.sign(&world, "good.pem", NAME, 2090);
    let config = format!(
        "server:\n directory: \"{folder}\"\n username: \"\"\n chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"unbound.log\"\n \
         interface: {WAN_HOST}@853\n tls-port: 853\n tls-service-key: \"{certificate}\"\n tls-service-pem: \"{certificate}\"\n \
         access-control: 192.168.77.0/24 allow\n local-zone: \"example.\" redirect\n \
         local-data: \"example. IN A {FAR_ADDRESS}\"\nremote-control:\n control-enable: no\n",
        folder = world.path(".").display(),
    );
    fs::write(world.path("unbound.conf"), config).unwrap();
    let mut unbound = world.wan.command("unbound");
    unbound.args(["-d", "-c"]).arg(world.path("unbound.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    let _unbound = Running(unbound.spawn().unwrap());
    world.wait_for("a name", |world| (world.dig(&[FAR_NAME]) == FAR_ADDRESS).then_some(()));
    let before = connections(&world);
    let seen = ask_at_once(&world, 100).join().unwrap();
    assert!(seen.iter().all(|(_, last)| *last == 7) && seen.len() == 100, "{seen:?}");
    assert_eq!(connections(&world), before, "no other was opened");
    assert_nothing_in_the_clear(&world);
}
