//! Flaws that others had, each with the test that shows we do not (reference: the DNS security history of the project).

use super::*;
use crate::dns::wire::rtype::MX;
use alloc::collections::BTreeSet;

const GOOD: &str = "NoError rd ra | www.example.net. 300 IN A 198.18.0.9 |  | ";

fn good(ask: &Ask) -> Vec<u8> {
    reply(ask, OK, [&[a("www.example.net", 300, 9)], &[], &[]])
}

#[test]
fn cve_2020_25684_only_the_socket_and_the_server_that_were_asked_may_answer() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    let other = lab.forward(client(5), &query(2, "www.example.org", A));
    let bytes = good(&ask);
    lab.reply(&other, &bytes);
    lab.dns.handle_reply(ask.key, TWO, &bytes, lab.now, &mut lab.entropy);
    let other_port = SocketAddrV4::new(*ONE.ip(), 5353);
    lab.dns.handle_reply(ask.key, other_port, &bytes, lab.now, &mut lab.entropy);
    lab.dns.handle_reply(UpstreamKey(9999), ONE, &bytes, lab.now, &mut lab.entropy);
    lab.drain();
    assert!(lab.answers.is_empty());
    lab.reply(&ask, &bytes);
    assert_eq!(lab.heard(), [GOOD]);
    lab.reply(&ask, &bytes);
    assert!(lab.answers.is_empty(), "nor may it answer twice");
}

#[test]
fn cve_2020_25685_the_whole_question_is_compared() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    for at in wire::HEADER..wire::question(&ask.payload).unwrap().len() + wire::HEADER {
        let mut other = ask.clone();
        other.payload[at] ^= 1;
        if wire::question(&other.payload).is_some() {
            lab.reply(&ask, &reply(&other, OK, [&[a("www.example.net", 300, 66)], &[], &[]]));
        }
    }
    // Type and class may not differ by what looks like the case of a letter either.
    for at in [1, 2, 3, 4] {
        let mut other = ask.clone();
        let end = wire::question(&ask.payload).unwrap().len() + wire::HEADER;
        other.payload[end - at] ^= 0x20;
        lab.reply(&ask, &reply(&other, OK, [&[a("www.example.net", 300, 66)], &[], &[]]));
    }
    assert!(lab.answers.is_empty());
    lab.reply(&ask, &good(&ask));
    assert_eq!(lab.heard(), [GOOD]);
}

#[test]
fn cve_2020_25686_identical_questions_are_forwarded_once() {
    let mut lab = lab();
    for number in 0..200 {
        let from = client(5 + number as u8 % 4);
        assert_eq!(lab.query(from, &query(number, "www.example.net", A)), None);
    }
    assert_eq!(lab.asks.len(), 1);
    let ask = lab.asks[0].clone();
    lab.reply(&ask, &good(&ask));
    assert_eq!(lab.answers.len(), 200);
    let ids: BTreeSet<_> = lab.answers.iter().map(|(_, bytes)| (bytes[0], bytes[1])).collect();
    assert_eq!(ids.len(), 200);
}

#[test]
fn cve_2025_5994_other_options_and_letters_do_not_make_another_question() {
    let mut lab = lab();
    for number in 0..200_u16 {
        let mut name = String::from("www.example.net");
        if number % 2 == 0 {
            name.make_ascii_uppercase();
        }
        let option = if number % 3 == 0 { 8 } else { 10 };
        let options = [0, option, 0, 8, 0, 1, 24, 0, 198, 18, number as u8, 0];
        let bytes = with_opt(query(number, &name, A), 512 + number, 0, 0, &options);
        assert_eq!(lab.query(client(5 + number as u8 % 4), &bytes), None);
    }
    assert_eq!(lab.asks.len(), 1);
}

#[test]
fn cve_2025_40778_records_that_were_not_asked_for_are_neither_passed_on_nor_kept() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    let evil = || {
        let ns = ("example.org", NS, 300, wire_name("ns.evil.example"));
        let dname = ("org", 39, 300, wire_name("evil.example"));
        [a("victim.example.org", 300, 66), ns, dname, cname("victim.example.org", 300, "evil.example")]
    };
    let mut answers = vec![a("www.example.net", 300, 9)];
    answers.extend(evil());
    let mut authority = vec![soa("example.org", 300, 300)];
    authority.extend(evil());
    lab.reply(&ask, &reply(&ask, OK, [&answers, &authority, &evil()]));
    assert_eq!(lab.heard(), [GOOD]);
    assert_eq!(lab.dig("victim.example.org", A), None);
    assert_eq!(lab.dig("example.org", NS), None);
    assert_eq!(lab.asks.len(), 2);
}

#[test]
fn cve_2022_30698_a_ttl_never_grows_from_another_answer() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&[a("www.example.net", 10, 9)], &[], &[]]));
    let other = lab.forward(client(5), &query(2, "example.net", NS));
    let ns = [("example.net", NS, 9000, wire_name("www.example.net"))];
    lab.reply(&other, &reply(&other, OK, [&ns, &[], &[a("www.example.net", 9000, 9)]]));
    lab.sleep(10_000);
    assert_eq!(lab.dig("www.example.net", A), None);
}

/// MaginotDNS (CVE-2021-25220): what an upper name says in passing must not reach other names.
#[test]
fn cve_2021_25220_a_server_cannot_speak_for_the_root() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "a.corp.example", A));
    let authority = [("", NS, 300, wire_name("ns.evil.example")), soa("", 300, 300)];
    lab.reply(&ask, &reply(&ask, NX, [&[], &authority, &[]]));
    assert_eq!(lab.dig("", NS), None);
    assert_eq!(lab.dig("com", NS), None);
}

#[test]
fn tudoor_no_bad_message_ends_the_wait() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    let good = good(&ask);
    let mut not_an_answer = good.clone();
    not_an_answer[2] &= 0x7f;
    let mut wrong_id = good.clone();
    wrong_id[0] ^= 1;
    let mut opcode = good.clone();
    opcode[2] |= 0x28;
    let mut two_questions = good.clone();
    two_questions[5] = 2;
    let mut short = good.clone();
    short.pop();
    let mut bad_length = good.clone();
    *bad_length.iter_mut().nth_back(5).unwrap() = 200;
    let mut header_only = good[..12].to_vec();
    header_only[2..8].copy_from_slice(&[0x83, 0x80, 0, 0, 0, 0]);
    let mut refused = header_only.clone();
    refused[3] = 0x85;
    let mut formerr = header_only.clone();
    formerr[2..].copy_from_slice(&[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
    let empty = Vec::new();
    for bad in [not_an_answer, wrong_id, opcode, two_questions, short, bad_length, header_only, refused, formerr, empty]
    {
        lab.reply(&ask, &bad);
        assert!(lab.answers.is_empty() && lab.closed.is_empty(), "{bad:02x?}");
    }
    lab.fail(&ask, Failure::Unreachable);
    assert!(lab.answers.is_empty() && lab.closed.is_empty());
    lab.reply(&ask, &good);
    assert_eq!(lab.heard(), [GOOD]);
}

#[test]
fn tudoor_forged_icmp_for_every_attempt_leaves_time_for_the_answer() {
    let mut lab = lab();
    assert_eq!(lab.dig("www.example.net", A), None);
    for (index, pause) in [0, 1200, 499].into_iter().enumerate() {
        let ask = lab.asks[index].clone();
        lab.fail(&ask, Failure::Unreachable);
        lab.sleep(pause);
    }
    let first = lab.asks[0].clone();
    lab.reply(&first, &good(&first));
    assert_eq!(lab.heard(), [GOOD]);
}

#[test]
fn kaminsky_rfc5452_identifiers_and_letters_are_spread() {
    let mut lab = lab();
    let (mut ids, mut cases) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..2000 {
        let ask = lab.forward(client(5), &query(1, "abcdefghij.example.net", A));
        ids.insert([ask.payload[0], ask.payload[1]]);
        cases.insert(wire::question(&ask.payload).unwrap().to_vec());
        lab.reply(&ask, &reply(&ask, NX, [&[], &[], &[]]));
        lab.now = lab.now + Duration::from_secs(number);
    }
    // 2000 draws of 65536 leave about 1970 different ones.
    assert!(ids.len() > 1900 && cases.len() > 1900, "{} {}", ids.len(), cases.len());
}

#[test]
fn nxns_cve_2020_12662_referrals_are_not_chased_and_chains_are_cut() {
    let mut lab = lab();
    lab.dns.set_upstreams(&[ONE.into()]);
    let ask = lab.forward(client(5), &query(1, "a0.example.net", A));
    let names: Vec<String> = (0..=20).map(|n| format!("a{n}.example.net")).collect();
    let chain: Vec<Rr<'_>> = names.windows(2).map(|two| cname(&two[0], 300, &two[1])).collect();
    lab.reply(&ask, &reply(&ask, OK, [&chain, &[], &[]]));
    assert_eq!(lab.heard(), ["ServFail rd ra |  |  | "]);
    let ask = lab.forward(client(5), &query(1, "b.example.net", A));
    let round = [cname("b.example.net", 300, "c.example.net"), cname("c.example.net", 300, "b.example.net")];
    lab.reply(&ask, &reply(&ask, OK, [&round, &[], &[]]));
    assert_eq!(lab.heard(), ["ServFail rd ra |  |  | "]);
    let ask = lab.forward(client(5), &query(1, "d.example.net", A));
    let referral: Vec<Rr<'_>> = names.iter().map(|ns| ("example.net", NS, 300, wire_name(ns))).collect();
    lab.reply(&ask, &reply(&ask, OK, [&[], &referral, &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra |  |  | "]);
    assert!(lab.asks.is_empty());
    // Ten links are still an answer, in whatever order they come.
    let ask = lab.forward(client(5), &query(1, "a0.example.net", TXT));
    let mut records: Vec<Rr<'_>> = chain[..10].to_vec();
    records.push(("a10.example.net", TXT, 300, vec![1, b'x']));
    records.reverse();
    lab.reply(&ask, &reply(&ask, OK, [&records, &[], &[]]));
    assert_eq!(lab.answers.pop().unwrap().1[6..8], [0, 11]);
}

/// CVE-2026-5172, CVE-2026-4891.
#[test]
fn cve_2026_5172_and_4891_data_that_does_not_fit_its_type_is_malformed() {
    let mut lab = lab();
    let dnssec = with_opt(query(1, "www.example.net", A), 1232, 0, 0x8000, &[]);
    let ask = lab.forward(client(5), &dnssec);
    let owner = "www.example.net";
    let bad: [Rr<'_>; 5] = [
        (owner, A, 300, vec![198, 18, 0]),
        (owner, A, 300, vec![198, 18, 0, 9, 9]),
        (owner, CNAME, 300, vec![5, b'a']),
        (owner, CNAME, 300, [wire_name("a.example"), vec![0]].concat()),
        (owner, 46, 300, vec![0; 18]),
    ];
    for record in bad {
        lab.reply(&ask, &reply(&ask, OK, [&[record], &[], &[]]));
        assert!(lab.answers.is_empty());
    }
    let mut pointer = reply(&ask, OK, [&[(owner, CNAME, 300, vec![0xc0, 0])], &[], &[]]);
    let end = pointer.len();
    for target in [0, end as u8 - 2, 11, 255] {
        pointer[end - 1] = target;
        lab.reply(&ask, &pointer);
        assert!(lab.answers.is_empty());
    }
}

/// Records whose compressed names expand as much as they can: the work and the result stay bounded.
#[test]
fn cve_2024_8508_a_decompression_bomb_is_given_up() {
    let mut lab = lab();
    lab.dns.set_upstreams(&[ONE.into()]);
    let long = [63_u8, 63, 63].iter().fold(String::new(), |text, n| text + &"a".repeat((*n).into()) + ".");
    let ask = lab.forward(client(5), &query(1, &long, NS));
    lab.reply(&ask, &reply(&ask, OK | 0x0200, [&[], &[], &[]]));
    let tcp = lab.asks.pop().unwrap();
    let mut bytes = reply(&tcp, OK, [&[], &[], &[]]);
    bytes[6..8].copy_from_slice(&[1, 0xff]);
    for number in 0..511_u16 {
        bytes.extend([0xc0, 12, 0, 2, 0, 1, 0, 0, 1, 44, 0, 33, 30]);
        bytes.extend(format!("{number:030}").into_bytes());
        bytes.extend([0xc0, 12]);
    }
    lab.reply(&tcp, &bytes);
    let answer = &lab.answers[0].1;
    assert!(answer.len() <= 512 && answer[2] & 2 == 2);
    // With one record too many the reply is not looked at.
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    let mut bytes = good(&ask);
    bytes[10..12].copy_from_slice(&[2, 0]);
    lab.reply(&ask, &bytes);
    assert!(lab.asks.is_empty() && lab.answers.len() == 1);
}

#[test]
fn rustsec_2020_0001_a_null_mx_and_a_root_name_are_ordinary() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "example.net", 15));
    lab.reply(&ask, &reply(&ask, OK, [&[("example.net", 15, 300, vec![0, 0, 0])], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra | example.net. 300 IN MX 0 . |  | "]);
    let ask = lab.forward(client(5), &query(1, "", NS));
    lab.reply(&ask, &reply(&ask, OK, [&[("", NS, 300, wire_name("a.root.example"))], &[], &[]]));
    assert_eq!(lab.heard(), ["NoError rd ra | . 300 IN NS a.root.example. |  | "]);
}

#[test]
fn aug_2026_every_error_carries_the_clients_id_and_letters() {
    let mut lab = lab();
    let mixed = "wWw.ExAmPlE.nEt";
    let mut waiting = Vec::new();
    for number in 0..3_u16 {
        let bytes = query(0x4142 + number, mixed, A);
        assert_eq!(lab.query(client(5 + number as u8), &bytes), None);
        waiting.push(bytes);
    }
    lab.query(client(5), &waiting[0]);
    lab.sleep(5000);
    let after = lab.query(client(9), &query(0x5151, mixed, A)).expect("the failure is remembered");
    assert_eq!(after[..2], [0x51, 0x51]);
    assert_eq!(lab.answers.len(), 3);
    for ((_, answer), bytes) in lab.answers.iter().zip(&waiting) {
        assert_eq!((answer[3] & 15, &answer[..2]), (2, &bytes[..2]));
        assert_eq!(wire::question(answer), wire::question(bytes));
    }
}

#[test]
fn cve_2026_50251_no_reply_flushes_the_cache() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    lab.reply(&ask, &good(&ask));
    let ask = lab.forward(client(5), &query(1, "zero.example.net", A));
    let nothing = [("zero.example.net", A, 300, vec![0, 0, 0, 0])];
    lab.reply(&ask, &reply(&ask, OK, [&nothing, &[], &nothing]));
    assert!(lab.dig("www.example.net", A).is_some());
}

#[test]
fn cve_2024_33655_dnsbomb_one_client_cannot_pile_up_answers() {
    let mut lab = lab();
    for number in 0..1000 {
        lab.query(client(5), &query(number, "www.example.net", A));
    }
    let ask = lab.asks[0].clone();
    lab.reply(&ask, &good(&ask));
    assert_eq!(lab.answers.len(), MAX_PER_CLIENT);
}

/// With DO set, the signatures and proofs of the zone itself pass, and nothing else (CVE-2026-4890: the bitmap of an
/// NSEC is never walked).
#[test]
fn dnssec_records_pass_for_those_who_want_them() {
    let mut lab = lab();
    let dnssec = with_opt(query(1, "www.example.net", A), 1232, 0, 0x8000, &[]);
    let ask = lab.forward(client(5), &dnssec);
    let rrsig = |owner| (owner, 46, 300, [vec![0; 18], wire_name("example.net"), vec![7; 8]].concat());
    let nsec = |owner| (owner, 47, 300, [wire_name("z.example.net"), vec![0, 0, 0, 0]].concat());
    let answers = [a("www.example.net", 300, 9), rrsig("www.example.net"), rrsig("victim.example.net")];
    let authority = [nsec("a.example.net"), rrsig("a.example.net"), nsec("a.example.org")];
    lab.reply(&ask, &reply(&ask, OK, [&answers, &authority, &[]]));
    let (_, answer) = lab.answers.pop().unwrap();
    assert_eq!(answer[4..12], [0, 1, 0, 2, 0, 2, 0, 1]);
    // Asked for by themselves they come once.
    let ask = lab.forward(client(5), &with_opt(query(3, "www.example.net", 46), 1232, 0, 0x8000, &[]));
    lab.reply(&ask, &reply(&ask, OK, [&answers, &[], &[]]));
    assert_eq!(lab.answers.pop().unwrap().1[6..8], [0, 1]);
    // Without DO they are dropped.
    let ask = lab.forward(client(5), &query(2, "www.example.net", A));
    lab.reply(&ask, &reply(&ask, OK, [&answers, &authority, &[]]));
    assert_eq!(lab.heard(), [GOOD]);
}

/// Two octets were written behind a buffer when names were put together anew: as long as names can be, one after another
/// up to what a message over TCP holds.
#[test]
fn cve_2017_14491_replies_of_the_longest_names_are_bounded() {
    let label = |letter: char| letter.to_string().repeat(63);
    let long = |letter: char| format!("{}.{}.{}.{}", label(letter), label('b'), label('c'), "d".repeat(61));
    for records in [1, 2, 4, 5, 16, 31, 127, 210] {
        let mut lab = lab();
        let (udp, tcp) = (client(5), tcp_client(6));
        let ask = lab.forward(udp, &with_opt(query(1, "example.net", MX), 4096, 0, 0, &[]));
        assert_eq!(lab.query(tcp, &query(2, "example.net", MX)), None);
        let exchange = |number: u8| [&[0, number][..], &wire_name(&long(char::from(b'e' + number % 20)))].concat();
        let answers: Vec<_> = (0..records).map(|number| ("example.net", MX, 60, exchange(number))).collect();
        let bytes = reply(&ask, OK, [&answers, &[], &[]]);
        assert!(bytes.len() <= 65_535, "what no transport carries shows nothing: {}", bytes.len());
        lab.reply(&Ask { tcp: true, ..ask }, &bytes);
        assert_eq!(lab.answers.len(), 2, "{records} records");
        for (to, answer) in &lab.answers {
            let over_tcp = to.transport != Transport::Udp;
            assert!(answer.len() <= if over_tcp { 65_535 } else { 1232 }, "{} to {to:?}", answer.len());
            let message = Message::from_vec(answer).expect("a message");
            let whole = message.answers.len() == usize::from(records);
            assert!(whole || !over_tcp && message.metadata.truncation, "{records} records to {to:?}");
        }
    }
}

/// Memory was taken for each OPT without an end (CVE-2017-14495), and a length was subtracted from a smaller one
/// (CVE-2017-14496): an OPT that says more than there is, or is cut anywhere.
#[test]
fn cve_2017_14495_cve_2017_14496_an_opt_that_is_cut_or_lies_is_malformed() {
    let whole = with_opt(query(1, "www.example.net", A), 1232, 0, 0, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let start = query(1, "www.example.net", A).len();
    for length in start..whole.len() {
        let answer = lab().query(client(5), &whole[..length]).expect("an answer at once");
        assert_eq!(answer[3] & 15, 1, "FORMERR at {length}");
    }
    for lie in [1_u16, 11, 13, 0x7fff, 0xffff] {
        let mut bytes = whole.clone();
        bytes[start + 9..start + 11].copy_from_slice(&lie.to_be_bytes());
        let answer = lab().query(client(5), &bytes).expect("an answer at once");
        assert_eq!(answer[3] & 15, 1, "FORMERR with {lie}");
    }
}

/// A question over 512 octets ended the process.
#[test]
fn cve_2017_13704_a_question_over_512_octets_is_an_ordinary_one() {
    for length in [1_u16, 450, 470, 3000] {
        let mut padding = vec![0, 12];
        padding.extend(length.to_be_bytes());
        padding.resize(padding.len() + usize::from(length), 0);
        let mut lab = lab();
        let ask = lab.forward(client(5), &with_opt(query(1, "www.example.net", A), 4096, 0, 0, &padding));
        assert!(ask.payload.len() < 512, "what the client padded is not passed on");
        lab.reply(&ask, &good(&ask));
        assert_eq!(lab.answers.len(), 1);
    }
}
