//! The time from the uplink and for the LAN: ntpdig (NTPsec) asks the gateway, and chronyd, where it is installed, is asked
//! by it. The clock itself is the host's and stays as it is: without PID 1 above it the gateway can't set it.

use crate::world::{CONFIG, DEADLINE, Running, WAN_HOST, World};
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn config() -> String {
    format!("{CONFIG}\n[ntp]\nservers = [\"{WAN_HOST}\"]\n")
}

/// A time server that knows the host's time and adds what is wrong with it, in seconds.
fn start_time_server(world: &World, wrong: u64) {
    let (ready, is_ready) = std::sync::mpsc::channel();
    world.wan.inside(move || {
        let socket = UdpSocket::bind((WAN_HOST, 123)).expect("the port is free");
        let _ = ready.send(());
        let mut question = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut question) {
            assert_eq!((length, question[0]), (48, 0x23));
            // RFC 5905 section 6: seconds since 1900 in the upper half.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let seconds = now.as_secs() + wrong + 2_208_988_800;
            let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
            let time = ((seconds << 32) + fraction).to_be_bytes();
            let mut answer = [0; 48];
            answer[..4].copy_from_slice(&[0x24, 2, 6, 0xec]);
            answer[24..32].copy_from_slice(&question[40..48]);
            answer[32..40].copy_from_slice(&time);
            answer[40..].copy_from_slice(&time);
            let _ = socket.send_to(&answer, peer);
        }
    });
    is_ready.recv_timeout(DEADLINE).expect("the server started");
}

/// What NTPsec's client says about the gateway.
fn ntpdig(world: &World) -> String {
    world.lan.output("ntpdig", &["-t", "2", "10.0.0.1"]).expect("ntpdig runs")
}

fn wait_until_right(world: &World) {
    world.wait_for("the time", |world| world.ask("status").ok().filter(|text| text.contains(" by 1 server")));
}

#[test]
fn rfc5905_14_the_lan_gets_the_time_that_the_uplink_has() {
    let Some(world) = World::start("time", &config()) else { return };
    world.plug_in_client();
    let said = ntpdig(&world);
    assert!(!said.contains("+/-"), "it can't know the time yet: {said}");
    world.wait_for_uplink();
    start_time_server(&world, 0);
    wait_until_right(&world);
    let said = ntpdig(&world);
    assert!(
        said.contains("+/-") && said.contains("s3"),
        "stratum 3, one below the server's: {said}\n{}",
        world.known()
    );
    // Control messages (mode 6) get nothing; a question behind them still gets its answer.
    let answers = world.lan.inside(|| {
        let socket = UdpSocket::bind("10.0.0.2:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        for first in [0x16, 0x17, 0x21, 0x24, 0x23] {
            let mut message = [0; 48];
            message[0] = first;
            socket.send_to(&message, "10.0.0.1:123").unwrap();
        }
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        (length, answer[0], socket.recv(&mut [0; 512]).is_err())
    });
    assert_eq!(answers.join().unwrap(), (48, 0x24, true), "one answer, to the client's question");
}

#[test]
fn a_time_far_off_is_a_step_for_pid_1_and_until_then_not_passed_on() {
    let Some(world) = World::start("step", &config()) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    start_time_server(&world, 3600);
    world.wait_for("the step", |world| world.ask("log").ok().filter(|text| text.contains("s behind: it is set.")));
    assert!(world.ask("status").unwrap().contains("not checked"), "{}", world.known());
    let said = ntpdig(&world);
    assert!(!said.contains("+/-"), "{said}");
}

#[test]
fn chronyd_is_believed_and_believes_us() {
    if World::has_no("chronyd") {
        return tests::skip("chronyd", "chronyd is not installed");
    }
    let Some(world) = World::start("chronyd", &config()) else { return };
    world.plug_in_client();
    world.wait_for_uplink();
    let file = world.path("chrony.conf");
    let pid = world.path("chronyd.pid");
    let text = format!(
        "local stratum 5\nallow all\nbindaddress {WAN_HOST}\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
        pid.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut server = world.wan.command("chronyd");
    // -x: the host's clock is not touched.
    server.args(["-x", "-d", "-u", "root", "-f"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Running(server.spawn().expect("chronyd starts"));
    wait_until_right(&world);
    // chronyd removes its pid file at the end, whatever that is: it gets one that is ours.
    let pid = format!("pidfile {}", world.path("client.pid").display());
    let mut asked = vec!["-Q", "-t", "10", "-u", "root", "server 10.0.0.1 iburst maxsamples 2"];
    asked.extend(["cmdport 0", "bindcmdaddress /", pid.as_str()]);
    let said = world.lan.output("chronyd", &asked).unwrap();
    assert!(said.contains("System clock wrong by"), "{said}\n{}", world.known());
}
