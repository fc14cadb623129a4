//! A network that wants a sign-in first.

use super::*;

const PAGE: [u8; 4] = [203, 0, 113, 1];

/// The question of ours that is on its way, and its name.
fn probe(lab: &mut Lab) -> (Ask, String) {
    let ask = lab.asks.pop().expect("a question of our own");
    let message = Message::from_vec(&ask.payload).unwrap();
    let name = message.queries[0].name().to_string().to_lowercase();
    (ask, name.trim_end_matches('.').into())
}

fn answer(lab: &mut Lab, ask: &Ask, name: &str, address: [u8; 4]) {
    lab.reply(ask, &reply(ask, OK, [&[(name, A, 3600, address.to_vec())], &[], &[]]));
}

/// A lab that has learned of a portal with this page.
fn behind_a_portal(page: [u8; 4]) -> Lab {
    let mut lab = lab();
    lab.dns.watch_for_portal(true, lab.now);
    lab.sleep(1000);
    for _ in 0..2 {
        let (ask, name) = probe(&mut lab);
        answer(&mut lab, &ask, &name, page);
        lab.sleep(0);
    }
    assert_eq!(lab.dns.portal(), Some(page.into()));
    lab
}

#[test]
fn a_portal_answers_names_that_nobody_has_and_a_known_one_wrongly() {
    let mut lab = lab();
    lab.dns.watch_for_portal(true, lab.now);
    assert!(lab.asks.is_empty() && lab.dns.poll_timeout() == Some(lab.now + Duration::from_secs(1)));
    lab.sleep(1000);
    let (ask, name) = probe(&mut lab);
    assert!(name.ends_with(".invalid") && name.len() == 24, "{name}");
    answer(&mut lab, &ask, &name, PAGE);
    assert_eq!((lab.dns.portal(), lab.dns.poll_timeout()), (None, Some(lab.now)));
    lab.sleep(0);
    let (ask, name) = probe(&mut lab);
    assert_eq!(name, "a.root-servers.net");
    answer(&mut lab, &ask, &name, PAGE);
    assert_eq!(lab.dns.portal(), Some(PAGE.into()));
}

#[test]
fn an_honest_network_is_asked_once_a_lease() {
    let mut lab = lab();
    lab.dns.watch_for_portal(true, lab.now);
    lab.sleep(1000);
    let (ask, first) = probe(&mut lab);
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("", 900, 900)], &[]]));
    assert_eq!((lab.dns.portal(), lab.dns.poll_timeout()), (None, None));
    lab.dns.watch_for_portal(true, lab.now);
    lab.sleep(1000);
    assert_ne!(probe(&mut lab).1, first, "another name each time");
}

#[test]
fn advertisements_for_missing_names_are_no_portal() {
    let mut lab = lab();
    lab.dns.watch_for_portal(true, lab.now);
    lab.sleep(1000);
    let (ask, name) = probe(&mut lab);
    answer(&mut lab, &ask, &name, PAGE);
    lab.sleep(0);
    let (ask, name) = probe(&mut lab);
    answer(&mut lab, &ask, &name, [198, 41, 0, 4]);
    assert_eq!((lab.dns.portal(), lab.dns.poll_timeout()), (None, None));
}

#[test]
fn what_a_portal_says_is_passed_on_for_seconds_and_not_kept() {
    let mut lab = behind_a_portal(PAGE);
    for _ in 0..2 {
        let ask = lab.forward(client(5), &query(1, "www.example.net", A));
        answer(&mut lab, &ask, "www.example.net", PAGE);
        assert_eq!(lab.heard(), ["NoError rd ra | www.example.net. 5 IN A 203.0.113.1 |  | "]);
    }
    // Signed in: found out by the next question, and from then on everything is as ever.
    lab.sleep(5000);
    let (ask, name) = probe(&mut lab);
    assert!(name.ends_with(".invalid"), "{name}");
    lab.reply(&ask, &reply(&ask, NX, [&[], &[soa("", 900, 900)], &[]]));
    assert_eq!((lab.dns.portal(), lab.dns.poll_timeout()), (None, None));
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    answer(&mut lab, &ask, "www.example.net", [198, 18, 0, 9]);
    assert!(lab.dig("www.example.net", A).unwrap().contains("3600 IN A 198.18.0.9"));
}

#[test]
fn what_came_before_a_portal_was_noticed_is_not_kept() {
    let mut lab = lab();
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    answer(&mut lab, &ask, "www.example.net", PAGE);
    assert!(lab.dig("www.example.net", A).is_some(), "in the cache");
    lab.dns.watch_for_portal(true, lab.now);
    lab.sleep(1000);
    for _ in 0..2 {
        let (ask, name) = probe(&mut lab);
        answer(&mut lab, &ask, &name, PAGE);
        lab.sleep(0);
    }
    assert_eq!(lab.dig("www.example.net", A), None);
}

#[test]
fn rebinding_the_page_of_a_portal_may_be_private_but_not_ours() {
    let private = [192, 168, 0, 1];
    let mut lab = behind_a_portal(private);
    let ask = lab.forward(client(5), &query(1, "www.example.net", A));
    answer(&mut lab, &ask, "www.example.net", private);
    assert!(lab.heard()[0].contains("5 IN A 192.168.0.1"));
    let ask = lab.forward(client(5), &query(2, "evil.example.net", A));
    answer(&mut lab, &ask, "evil.example.net", [192, 168, 0, 2]);
    assert_eq!(lab.heard(), ["NoError rd ra |  |  | "], "another address than the page's");

    for ours in [[10, 0, 0, 7], [127, 0, 0, 1]] {
        let mut lab = behind_a_portal(ours);
        let ask = lab.forward(client(5), &query(1, "www.example.net", A));
        answer(&mut lab, &ask, "www.example.net", ours);
        assert_eq!(lab.heard(), ["NoError rd ra |  |  | "]);
    }
}

#[test]
fn silence_is_asked_again_with_growing_pauses() {
    let mut lab = lab();
    lab.dns.watch_for_portal(true, lab.now);
    let mut names = alloc::collections::BTreeSet::new();
    for _ in 0..600 {
        lab.sleep(1000);
        for ask in core::mem::take(&mut lab.asks) {
            names.insert(Message::from_vec(&ask.payload).unwrap().queries[0].name().to_string().to_lowercase());
        }
    }
    // After 1, 6, 16, 36, 76, 136 s and then each minute.
    assert_eq!(names.len(), 13);
    lab.dns.watch_for_portal(false, lab.now);
    lab.sleep(10_000);
    assert_eq!(lab.dns.poll_timeout(), None);
}
