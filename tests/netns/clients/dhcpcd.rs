//! dhcpcd, with folders of its own for what it remembers.

use super::*;

const MAC: &str = "02:00:00:00:00:44";

/// What it remembers survives its death; `/run` does not.
fn dhcpcd(world: &World) -> Command {
    let kept = world.path("dhcpcd");
    fs::create_dir_all(&kept).unwrap();
    let script = format!(
        "mount --bind {} /var/lib/dhcpcd && mount -t tmpfs tmpfs /run && \
         exec dhcpcd -4 -B -d -A -t 10 -f /dev/null -c /bin/true lan0",
        kept.display()
    );
    let mut command = world.lan.command("sh");
    command.args(["-c", &script]);
    command
}

#[test]
fn dhcpcd_leases_renews_rebinds_comes_back_and_releases() {
    let Some(world) = world("dhcpcd", MAC) else { return };
    let first = start(&world, &mut dhcpcd(&world), "dhcpcd.1");
    let text = said(&world, "dhcpcd.1", &["leased 10.0.0.", "for 3600 seconds"]);
    let address = text.split_once("leased ").unwrap().1.split(' ').next().unwrap();
    assert!(is_leased(&world, MAC, address), "{text}\n{}", world.known());

    said_since(&world, "dhcpcd.1", text.len(), &["renewing lease of", "acknowledged", "leased"]);
    hear_no_unicast(&world);
    let since = log_length(&world, "dhcpcd.1");
    said_since(&world, "dhcpcd.1", since, &["rebinding", "acknowledged", &format!("leased {address}")]);
    hear_all(&world);

    drop(first);
    let again = start(&world, &mut dhcpcd(&world), "dhcpcd.2");
    said(&world, "dhcpcd.2", &["rebinding lease of", "acknowledged", &format!("leased {address}")]);
    signal(&again, Signal::SIGALRM);
    wait_until_released(&world, MAC);
}
