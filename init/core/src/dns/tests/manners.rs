//! What a client's message is and what it gets: headers, EDNS, sizes, refusals.

use super::*;

fn code(lab: &mut Lab, bytes: &[u8]) -> (u16, Vec<u8>) {
    let answer = lab.query(client(5), bytes).expect("an answer at once");
    assert!(lab.asks.is_empty());
    assert_eq!(answer[..2], bytes[..2]);
    (u16::from(answer[3] & 15), answer)
}

#[test]
fn rustsec_2023_0041_an_answer_is_never_answered() {
    let mut lab = lab();
    let mut bytes = query(1, "www.example.net", A);
    bytes[2] |= 0x80;
    assert_eq!(lab.query(client(5), &bytes), None);
    assert_eq!(lab.query(client(5), &[0; 11]), None);
    let mut own = client(1);
    own.peer.set_port(53);
    assert_eq!(lab.query(own, &query(1, "rpi1", A)), None);
    let mut nobody = client(5);
    nobody.peer.set_port(0);
    assert_eq!(lab.query(nobody, &query(1, "rpi1", A)), None);
    assert_eq!((lab.asks.len(), lab.dns.stats().queries), (0, 0));
}

#[test]
fn rfc9619_a_query_has_one_question() {
    let mut lab = lab();
    for count in [0, 2, 255] {
        let mut bytes = query(7, "www.example.net", A);
        bytes[5] = count;
        let (code, answer) = code(&mut lab, &bytes);
        assert_eq!((code, answer.len()), (1, 12));
    }
}

#[test]
fn rfc1035_4_other_opcodes_are_not_implemented() {
    let mut lab = lab();
    for opcode in [1, 2, 4, 5, 6, 15] {
        let mut bytes = query(7, "rpi1", A);
        bytes[2] = opcode << 3;
        let (code, answer) = code(&mut lab, &bytes);
        assert_eq!((code, answer[2] & 0x78), (4, opcode << 3));
    }
}

#[test]
fn rfc8482_any_gets_one_small_record() {
    let mut lab = lab();
    let text = "NoError rd ra | www.example.net. 3600 IN HINFO RFC8482  |  | ";
    assert_eq!(lab.dig("www.example.net", 255).unwrap(), text);
    assert!(lab.dig("rpi1", 255).unwrap().contains("HINFO RFC8482"));
    assert!(lab.dig("nobody.mydomain.net", 255).unwrap().starts_with("NXDomain"));
    assert!(lab.asks.is_empty());
}

#[test]
fn transfers_meta_types_and_chaos_are_refused() {
    let mut lab = lab();
    for qtype in [252, 251, 249, 250, 253, 254] {
        assert_eq!(code(&mut lab, &query(1, "mydomain.net", qtype)).0, 5);
        assert_eq!(code(&mut lab, &query(1, "www.example.net", qtype)).0, 5);
    }
    assert_eq!(code(&mut lab, &query(1, "www.example.net", 41)).0, 1);
    let mut version = query(1, "version.bind", TXT);
    *version.last_mut().unwrap() = 3;
    assert_eq!(code(&mut lab, &version).0, 5);
    let mut hesiod = query(1, "rpi1.mydomain.net", TXT);
    *hesiod.last_mut().unwrap() = 4;
    assert_eq!(code(&mut lab, &hesiod).0, 5, "our names do not leak in any class");
}

#[test]
fn rfc5625_4_3_unknown_types_and_classes_pass() {
    let mut lab = lab();
    let mut bytes = query(1, "www.example.net", 65_280);
    *bytes.last_mut().unwrap() = 4;
    let ask = lab.forward(client(5), &bytes);
    let mut answer = reply(&ask, OK, [&[("www.example.net", 65_280, 60, vec![0xc0, 0xff, 0xee])], &[], &[]]);
    let class_at = wire::HEADER + 2 * wire_name("www.example.net").len() + 4 + 3;
    answer[class_at] = 4;
    lab.reply(&ask, &answer);
    let (_, bytes) = lab.answers.pop().unwrap();
    assert!(bytes.ends_with(&[0, 4, 0, 0, 0, 60, 0, 3, 0xc0, 0xff, 0xee]), "the data is not touched");
}

#[test]
fn rfc6891_6_1_1_opt_in_the_answer_if_and_only_if_in_the_query() {
    let mut lab = lab();
    let plain = query(1, "rpi1", A);
    assert!(!show(&lab.query(client(5), &plain).unwrap()).ends_with("opt"));
    let answer = lab.query(client(5), &with_opt(plain.clone(), 4096, 0, 0x8000, &[])).unwrap();
    assert!(show(&answer).ends_with("opt"));
    assert_eq!(answer[answer.len() - 11..], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0], "1232 octets, version 0, DO");
    let refused = lab.query(client(5), &with_opt(query(1, "x.example.net", 252), 4096, 0, 0, &[])).unwrap();
    assert!(show(&refused).starts_with("Refused rd ra") && show(&refused).ends_with("opt"));
}

#[test]
fn rfc6891_6_1_3_an_unknown_version_is_badvers() {
    let mut lab = lab();
    let answer = lab.query(client(5), &with_opt(query(1, "rpi1", A), 4096, 1, 0, &[])).unwrap();
    assert_eq!(answer[3] & 15, 0);
    assert_eq!(answer[answer.len() - 11..], [0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]);
    assert_eq!(answer[7], 0, "no records");
}

#[test]
fn rfc6891_6_1_1_two_opts_or_a_misplaced_one_are_malformed() {
    let mut lab = lab();
    let twice = with_opt(with_opt(query(1, "rpi1", A), 4096, 0, 0, &[]), 512, 0, 0, &[]);
    assert_eq!(code(&mut lab, &twice).0, 1);
    let mut misplaced = with_opt(query(1, "rpi1", A), 4096, 0, 0, &[]);
    (misplaced[7], misplaced[11]) = (1, 0);
    assert_eq!(code(&mut lab, &misplaced).0, 1);
    for options in [&[0, 8, 0][..], &[0, 8, 0, 9, 1], &[0, 8, 255, 255]] {
        assert_eq!(code(&mut lab, &with_opt(query(1, "rpi1", A), 4096, 0, 0, options)).0, 1);
    }
    let mut cut = with_opt(query(1, "rpi1", A), 4096, 0, 0, &[]);
    cut.truncate(cut.len() - 1);
    assert_eq!(code(&mut lab, &cut).0, 1);
}

#[test]
fn cve_2026_41292_thousands_of_options_cost_one_step_each() {
    let mut lab = lab();
    let options: Vec<u8> = [0, 10, 0, 0].repeat(4096);
    let bytes = with_opt(query(1, "rpi1", A), 4096, 0, 0, &options);
    assert!(show(&lab.query(tcp_client(5), &bytes).unwrap()).starts_with("NoError"));
}

/// CVE-2026-4893: no client subnet is ever sent, so none is believed.
#[test]
fn rfc5625_4_4_our_own_edns_hop_strips_the_clients_options() {
    let mut lab = lab();
    let ecs = [0, 8, 0, 7, 0, 1, 24, 0, 198, 18, 7];
    let mut bytes = with_opt(query(1, "www.example.net", A), 4096, 0, 0x8000, &ecs);
    bytes[3] |= 0x10;
    let ask = lab.forward(client(5), &bytes);
    let end = ask.payload.len() - 11;
    assert_eq!(ask.payload[end..], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0], "1232 octets, DO, no options");
    assert_eq!(ask.payload[2..12], [0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1], "RD and CD are copied");
    let mut no_recursion = query(1, "other.example.net", A);
    no_recursion[2] = 0;
    assert_eq!(lab.forward(client(5), &no_recursion).payload[2..4], [0, 0]);
}

fn big(lab: &mut Lab, bytes: &[u8], count: u8) -> Vec<u8> {
    let ask = lab.forward(client(5), bytes);
    let records: Vec<Rr<'_>> = (0..count).map(|last| a("www.example.net", 300, last)).collect();
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    lab.answers.pop().unwrap().1
}

#[test]
fn rfc1035_4_2_1_512_octets_without_edns_then_tc_and_the_rest_by_tcp() {
    let mut lab = lab();
    let truncated = big(&mut lab, &query(1, "www.example.net", A), 40);
    assert_eq!(show(&truncated), "NoError tc rd ra |  |  | ");
    assert_eq!(truncated.len(), 33);
    let whole = lab.query(tcp_client(5), &query(2, "www.example.net", A)).unwrap();
    assert_eq!(whole[6..8], [0, 40]);
    let with_edns = lab.query(client(5), &with_opt(query(3, "www.example.net", A), 4096, 0, 0, &[])).unwrap();
    assert_eq!(with_edns[6..8], [0, 40]);
    let with_small = lab.query(client(5), &with_opt(query(4, "www.example.net", A), 0, 0, 0, &[])).unwrap();
    assert_eq!(with_small[2] & 2, 2, "a size below 512 counts as 512");
}

#[test]
fn cve_2023_28450_no_udp_answer_is_over_1232_octets() {
    let mut lab = lab();
    let truncated = big(&mut lab, &with_opt(query(1, "www.example.net", A), 65_535, 0, 0, &[]), 80);
    assert_eq!(show(&truncated), "NoError tc rd ra |  |  |  opt");
}

#[test]
fn ad_is_never_passed_on_and_aa_neither() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, 0x85b0, [&[a("www.example.net", 300, 9)], &[], &[]]));
    assert!(lab.heard()[0].starts_with("NoError rd ra |"));
}

#[test]
fn the_query_log_is_one_sentence_each_and_only_when_asked_for() {
    let mut lab = lab();
    lab.dig("rpi1", A);
    assert!(lab.notes.is_empty());
    lab.dns.set_settings(Settings { log_queries: true, ..settings() });
    lab.dig("rpi1", A);
    lab.dig("no$uch.mydomain.net", 65_280);
    let ask = lab.forward(client(5), &query(1, "www.example.net", AAAA));
    lab.reply(&ask, &reply(&ask, OK, [&[], &[soa("example.net", 60, 60)], &[]]));
    lab.dig("www.example.net", AAAA);
    lab.dns.set_upstreams(&[]);
    lab.dig("other.example.net", A);
    let expected = [
        "10.0.0.5 asked for rpi1 A: answered from the local names.",
        "10.0.0.5 asked for no\\036uch.mydomain.net TYPE65280: answered from the local names (no such name).",
        "10.0.0.5 asked for www.example.net AAAA: answered by 192.0.2.1.",
        "10.0.0.5 asked for www.example.net AAAA: answered from the cache.",
        "10.0.0.5 asked for other.example.net A: no answer could be given (server failure).",
    ];
    assert_eq!(lab.notes, expected);
}
