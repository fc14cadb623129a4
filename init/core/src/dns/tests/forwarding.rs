//! Asking servers: fail-over, time-outs, TCP, and one answer for each query.

use super::*;
use crate::config::Protocol;

fn good(ask: &Ask) -> Vec<u8> {
    reply(ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]])
}

const GOOD: &str = "NoError rd ra | www.example.net. 300 IN A 198.18.0.9 |  | ";
const SERVFAIL: &str = "ServFail rd ra |  |  | ";

fn servers(lab: &Lab) -> Vec<SocketAddrV4> {
    lab.asks.iter().map(|ask| ask.server).collect()
}

#[test]
fn rfc5625_a_question_goes_to_the_first_server_and_its_answer_back() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(0x1234, "www.example.net", A));
    assert_eq!((ask.server, ask.tcp), (ONE, false));
    lab.reply(&ask, &good(&ask));
    let (to, bytes) = lab.answers[0].clone();
    assert_eq!((to, &bytes[..2]), (client(5), &[0x12, 0x34][..]));
    assert_eq!(lab.heard(), [GOOD]);
    assert_eq!(lab.closed, [ask.key]);
    assert_eq!(lab.dns.poll_timeout(), None);
}

#[test]
fn fail_over_after_a_while_and_the_late_answer_still_counts() {
    let mut lab = lab();
    assert_eq!(lab.dig("www.example.net", A), None);
    lab.sleep(799);
    assert_eq!(servers(&lab), [ONE]);
    lab.sleep(1);
    assert_eq!(servers(&lab), [ONE, TWO]);
    lab.sleep(1200);
    assert_eq!(servers(&lab), [ONE, TWO, ONE]);
    let late = lab.asks[0].clone();
    lab.reply(&late, &good(&late));
    assert_eq!(lab.heard(), [GOOD]);
    assert_eq!(lab.closed.len(), 3);
}

#[test]
fn servfail_after_five_seconds_when_nobody_answers() {
    let mut lab = lab();
    let start = lab.now;
    assert_eq!(lab.dig("www.example.net", A), None);
    while let Some(at) = lab.dns.poll_timeout() {
        assert!(lab.answers.is_empty());
        let wait = at.since(lab.now).as_millis() as u64;
        assert!(wait > 0, "a timer that does not move");
        lab.sleep(wait);
    }
    assert_eq!(lab.now.since(start), TOTAL);
    assert_eq!(lab.heard(), [SERVFAIL]);
    assert_eq!((lab.asks.len(), lab.closed.len()), (3, 3));
}

#[test]
fn servfail_at_once_without_a_server_and_nothing_is_remembered() {
    let mut lab = lab();
    lab.dns.set_upstreams(&[]);
    assert_eq!(lab.dig("www.example.net", A).unwrap(), SERVFAIL);
    lab.dns.set_upstreams(&[ONE.into()]);
    assert_eq!(lab.dig("www.example.net", A), None);
}

#[test]
fn servers_that_go_away_meanwhile_leave_no_timer_behind() {
    let mut lab = lab();
    assert_eq!(lab.dig("www.example.net", A), None);
    lab.dns.set_upstreams(&[]);
    lab.sleep(800);
    lab.sleep(4_200);
    assert_eq!(lab.heard(), [SERVFAIL]);
}

#[test]
fn no_route_is_servfail_at_once_blames_no_server_and_is_not_remembered() {
    let mut lab = lab();
    assert_eq!(lab.dig("www.example.net", A), None);
    for index in 0..2 {
        let ask = lab.asks[index].clone();
        lab.fail(&ask, Failure::NotSent);
    }
    assert_eq!(lab.heard(), [SERVFAIL]);
    assert_eq!(lab.dig("www.example.net", A), None);
    assert_eq!(lab.asks[2].server, ONE);
}

#[test]
fn an_error_leads_to_the_next_server_at_once_and_is_passed_on_if_all_give_one() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, 0x8185, [&[], &[], &[]]));
    let next = lab.asks.pop().unwrap();
    assert_eq!(next.server, TWO);
    lab.reply(&next, &good(&next));
    assert_eq!(lab.heard(), [GOOD]);
    let ask = lab.forward(client(5), &query(1, "other.example.net", A));
    lab.reply(&ask, &reply(&ask, 0x8185, [&[], &[], &[]]));
    let next = lab.asks.pop().unwrap();
    lab.reply(&next, &reply(&next, 0x8185, [&[], &[], &[]]));
    assert_eq!(lab.heard(), ["Refused rd ra |  |  | "]);
}

#[test]
fn rfc7766_5_a_truncated_answer_is_fetched_by_tcp_from_the_same_server() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK | 0x0200, [&[], &[], &[]]));
    let tcp = lab.asks.pop().unwrap();
    assert_eq!((tcp.server, tcp.tcp), (ONE, true));
    assert_ne!(tcp.payload[..2], ask.payload[..2]);
    assert_eq!(lab.closed, [ask.key]);
    lab.reply(&tcp, &good(&tcp));
    assert_eq!(lab.heard(), [GOOD]);
}

#[test]
fn a_broken_tcp_connection_leads_to_the_next_server() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK | 0x0200, [&[], &[], &[]]));
    let tcp = lab.asks.pop().unwrap();
    lab.fail(&tcp, Failure::Broken);
    let next = lab.asks.pop().unwrap();
    assert_eq!((next.server, next.tcp), (TWO, false));
    lab.reply(&next, &reply(&next, OK | 0x0200, [&[], &[], &[]]));
    let tcp = lab.asks.pop().unwrap();
    lab.fail(&tcp, Failure::Broken);
    assert_eq!(lab.heard(), [SERVFAIL]);
}

#[test]
fn a_repeated_query_is_not_forwarded_twice_and_gets_one_answer() {
    let mut lab = lab();
    let bytes = query(1, "www.example.net", A);
    let ask = lab.forward(client(5), &bytes);
    for _ in 0..10 {
        lab.sleep(70);
        assert_eq!(lab.query(client(5), &bytes), None);
    }
    assert!(lab.asks.is_empty());
    lab.reply(&ask, &good(&ask));
    assert_eq!(lab.heard(), [GOOD]);
    assert_eq!(lab.dns.stats().queries, 1);
}

#[test]
fn a_query_without_rd_is_forwarded_without_and_its_answer_not_kept() {
    let mut lab = lab();
    let mut bytes = query(1, "www.example.net", A);
    bytes[2] = 0;
    let ask = lab.forward(client(5), &bytes);
    lab.reply(&ask, &reply(&ask, 0x8080, [&[a("www.example.net", 300, 9)], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError ra | www.example.net. 300 IN A 198.18.0.9 |  | "]);
    let ask = lab.forward(client(5), &query(2, "www.example.net", A));
    lab.reply(&ask, &good(&ask));
    lab.heard();
    assert!(lab.query(client(5), &bytes).is_some(), "but a kept answer is for everyone");
}

#[test]
fn at_the_cap_of_one_client_others_are_still_served() {
    let mut lab = lab();
    for number in 0..MAX_PER_CLIENT {
        assert_eq!(lab.query(client(5), &query(number as u16, &format!("n{number}.example.net"), A)), None);
    }
    assert_eq!(lab.dig("more.example.net", A).unwrap(), SERVFAIL);
    assert_eq!(lab.query(client(6), &query(1, "more.example.net", A)), None);
    let first = lab.asks[0].clone();
    lab.reply(&first, &reply(&first, NX, [&[], &[], &[]]));
    assert_eq!(lab.dig("more.example.net", A), None, "room again");
}

#[test]
fn at_the_cap_of_flights_there_is_servfail_and_all_ends_within_five_seconds() {
    let mut lab = lab();
    let mut pending = 0;
    for number in 0..MAX_FLIGHTS + 40 {
        let from = client((number / 50) as u8 + 20);
        let answer = lab.query(from, &query(number as u16, &format!("n{number}.example.net"), A));
        pending += usize::from(answer.is_none());
    }
    assert_eq!((pending, lab.dns.stats().in_flight), (MAX_FLIGHTS, MAX_FLIGHTS));
    for _ in 0..5 {
        lab.sleep(1000);
    }
    assert_eq!(lab.answers.len(), MAX_FLIGHTS);
    assert_eq!((lab.dns.stats().in_flight, lab.dns.poll_timeout()), (0, None));
    assert_eq!(lab.asks.len(), lab.closed.len());
}

#[test]
fn rfc6891_7_a_server_without_edns_is_asked_again_without() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &with_opt(query(1, "www.example.net", A), 1232, 0, 0, &[]));
    let mut formerr = ask.payload[..12].to_vec();
    formerr[2..].copy_from_slice(&[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
    lab.reply(&ask, &formerr);
    let plain = lab.asks.pop().unwrap();
    assert_eq!((plain.server, plain.payload[11]), (ONE, 0));
    lab.reply(&plain, &good(&plain));
    assert_eq!(lab.heard(), [format!("{GOOD} opt")]);
}

#[test]
fn a_server_that_changes_the_letters_is_asked_by_tcp_and_later_without_the_game() {
    let mut lab = lab();
    for number in 0..4 {
        let name = format!("abcdefghijkl{number}.example.net");
        let ask = lab.forward(client(5), &query(1, &name, A));
        let mut lower = ask.clone();
        lower.payload.make_ascii_lowercase();
        let records = [a(&name, 300, 9)];
        let mut bytes = reply(&lower, OK, [&records, &[], &[]]);
        bytes[..2].copy_from_slice(&ask.payload[..2]);
        lab.reply(&ask, &bytes);
        if number < 3 {
            let tcp = lab.asks.pop().unwrap();
            assert!(tcp.tcp);
            lab.reply(&tcp, &reply(&tcp, OK, [&records, &[], &[]]));
        }
        assert_eq!(lab.heard().len(), 1);
    }
}

#[test]
fn rfc7858_a_server_behind_tls_is_spoken_to_in_no_other_way() {
    let mut lab = lab();
    let protocol = Protocol::Tls { name: "dns.example".into() };
    let secret = Upstream { address: SocketAddrV4::new(*ONE.ip(), 853), protocol };
    lab.dns.set_upstreams(&[secret.clone(), TWO.into()]);
    for asked in 0..4 {
        assert_eq!(lab.dig(&format!("a{asked}.example.net"), A), None);
        let ask = lab.asks.pop().unwrap();
        if asked == 3 {
            assert_eq!(ask.server, TWO, "three broken connections in a row, and it is asked last");
            break;
        }
        assert_eq!((ask.server, ask.tcp), (secret.address, true));
        lab.fail(&ask, Failure::Broken);
        assert_eq!(lab.asks.pop().unwrap().server, TWO);
    }
}

#[test]
fn rfc7766_6_2_a_question_is_not_repeated_where_nothing_is_lost() {
    let mut lab = lab();
    let protocol = Protocol::Tls { name: "dns.example".into() };
    lab.dns.set_upstreams(&[Upstream { address: SocketAddrV4::new(*ONE.ip(), 853), protocol }]);
    assert_eq!(lab.dig("slow.example.net", A), None);
    let ask = lab.asks.pop().unwrap();
    lab.sleep(4500);
    assert!(lab.asks.is_empty(), "the one server has it already");
    lab.reply(&ask, &reply(&ask, OK, [&[a("slow.example.net", 300, 9)], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra | slow.example.net. 300 IN A 198.18.0.9 |  | "]);
}

#[test]
fn cve_2021_25220_a_domain_with_its_own_servers_is_asked_of_them_alone() {
    let mut lab = lab();
    lab.dns.set_upstreams(&[ONE.into()]);
    lab.dns.set_forwards(&[Forward { domain: "corp.example".into(), servers: Vec::from([TWO.into()]) }]);
    let ask = lab.forward(client(5), &query(1, "www.corp.example", A));
    assert_eq!(ask.server, TWO);
    // What its server says of other names counts for nothing.
    let foreign = a("www.example.net", 300, 66);
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.corp.example", 300, 9), foreign.clone()], &[], &[foreign]]));
    assert_eq!(lab.heard(), ["NoError rd ra | www.corp.example. 300 IN A 198.18.0.9 |  | "]);
    assert_eq!(lab.forward(client(5), &query(2, "www.example.net", A)).server, ONE);
    // Nor is another asked when it is silent, or when it is gone.
    assert_eq!(lab.dig("mail.corp.example", A), None);
    lab.sleep(800);
    lab.sleep(1200);
    assert!(lab.asks.iter().filter(|ask| show_name(&ask.payload).contains("corp")).all(|ask| ask.server == TWO));
    lab.dns.set_forwards(&[Forward { domain: "corp.example".into(), servers: Vec::new() }]);
    assert_eq!(lab.dig("new.corp.example", A).unwrap(), SERVFAIL);
}

fn show_name(payload: &[u8]) -> String {
    let question = wire::question(payload).and_then(query::Question::read).unwrap();
    format!("{}", question.name.to_lower())
}
