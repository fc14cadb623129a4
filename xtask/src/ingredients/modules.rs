//! The kernel modules that the card carries: those of image/modules.toml and all that they need, computed from each
//! module's own .modinfo since Debian's packages ship no modules.dep. They are laid down decompressed (the file system
//! around them is compressed anyway, and better) with their signatures, and with a `modules.index` for PID 1:
//!
//! ```text
//! module NAME PATH [DEP...]   PATH below /lib/modules; every DEP stands further up
//! alias PATTERN NAME          load NAME for hardware whose modalias matches the glob
//! load NAME                   load at boot, in this order
//! ```

use super::closure::{Needs, Node, closure};
use super::deb::{Content, Files};
use super::modinfo::{self, ModInfo, underscored};
use crate::tree::Tree;
use anyhow::{Context, Result, bail, ensure};
use gatepost_core::card;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Read;

/// The list, relative to the top of the source tree.
const LIST: &str = "image/modules.toml";

/// image/modules.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Vendors whose device-tree names matter; the other boards that a driver knows are left out of the index.
    vendors: Vec<String>,
    /// Modules that the kernel asks a modprobe for, which we have not: to be loaded before their user.
    before: BTreeMap<String, Vec<String>>,
    /// The same, after their user: they answer to its aliases.
    after: BTreeMap<String, Vec<String>>,
    /// Buses on which a module is of use here, where it knows more of them.
    only: BTreeMap<String, Vec<String>>,
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// For the reader.
    #[allow(dead_code)]
    reason: String,
    place: Vec<Place>,
    /// Loaded at boot, in this order.
    #[serde(default)]
    load: Vec<String>,
    /// Loaded by PID 1 when it needs them.
    #[serde(default)]
    demand: Vec<String>,
    /// Loaded when the kernel finds their hardware.
    #[serde(default)]
    hardware: Vec<String>,
}

/// Where a group of modules lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// What it takes to reach the root file system.
    Initramfs,
    /// In the initramfs too, but not waited for: what the root will want at once, loaded while it is being reached.
    Ahead,
    /// Everything else.
    Root,
}

impl Place {
    /// Where PID 1 finds the index of these modules.
    fn index_path(self) -> &'static str {
        match self {
            Place::Initramfs | Place::Root => card::MODULES_INDEX,
            Place::Ahead => card::AHEAD_INDEX,
        }
        .trim_start_matches('/')
    }
}

impl List {
    /// Reads the list.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(LIST).with_context(|| format!("reading {LIST}"))?;
        toml::from_str(&text).with_context(|| format!("understanding {LIST}"))
    }

    fn loaded(&self, place: Place) -> Vec<String> {
        self.groups(place).flat_map(|group| &group.load).map(|name| underscored(name)).collect()
    }

    /// With those that come after them.
    fn hardware(&self, place: Place) -> Vec<String> {
        let listed = self.groups(place).flat_map(|group| &group.hardware);
        listed
            .flat_map(|name| std::iter::once(name).chain(self.after.get(name).into_iter().flatten()))
            .map(|n| underscored(n))
            .collect()
    }

    fn groups(&self, place: Place) -> impl Iterator<Item = &Group> {
        self.group.iter().filter(move |group| group.place.contains(&place))
    }
}

/// All modules of a kernel package.
pub struct Kernel<'a> {
    /// Compressed modules, by name.
    modules: BTreeMap<String, (&'a str, &'a [u8])>,
    /// Names and aliases of what is built in.
    builtin: BTreeSet<String>,
}

impl<'a> Kernel<'a> {
    /// Whether a file of the package is one that [`Kernel::new`] wants to see.
    pub fn keeps(path: &str) -> bool {
        path.starts_with("usr/lib/modules/")
            && (path.contains(".ko")
                || path.ends_with("/modules.builtin")
                || path.ends_with("/modules.builtin.modinfo"))
    }

    /// Sorts a kernel package's files.
    pub fn new(files: &'a Files) -> Result<Self> {
        let mut kernel = Self { modules: BTreeMap::new(), builtin: BTreeSet::new() };
        for (path, content) in files {
            let Content::File(data) = content else { continue };
            let file = path.rsplit('/').next().unwrap_or(path);
            if file == "modules.builtin" {
                let text = String::from_utf8_lossy(data);
                kernel.builtin.extend(text.lines().map(|line| underscored(stem(line))));
            } else if file == "modules.builtin.modinfo" {
                // Each key is the module's name, a dot, and the field's name.
                let aliases = modinfo::pairs(data).filter(|(key, _)| key.ends_with(".alias"));
                kernel.builtin.extend(aliases.map(|(_, alias)| underscored(alias)));
            } else if file.contains(".ko") {
                kernel.modules.insert(underscored(stem(path)), (path, data));
            }
        }
        ensure!(!kernel.modules.is_empty(), "the kernel package holds no modules where they were expected");
        ensure!(!kernel.builtin.is_empty(), "the kernel package holds no modules.builtin");
        Ok(kernel)
    }

    /// The modules of one place with their index.
    pub fn tree(&self, list: &List, place: Place) -> Result<Tree> {
        let (mut load, hardware) = (list.loaded(place), list.hardware(place));
        let mut taken: BTreeMap<String, (ModInfo, Vec<u8>)> = BTreeMap::new();
        let demand: Vec<String> =
            list.groups(place).flat_map(|group| &group.demand).map(|name| underscored(name)).collect();
        if place == Place::Ahead {
            load.extend(demand.iter().cloned());
        }
        let wanted: Vec<String> =
            load.iter().chain(&demand).chain(&hardware).filter(|name| !self.is_builtin(name)).cloned().collect();
        let order = closure(&wanted, |name| {
            let (info, data) = self.module(name)?;
            let needs = self.needs(list, &info)?;
            taken.insert(name.to_owned(), (info, data));
            Ok(needs)
        })?;
        let mut tree = Tree::new();
        tree.file(place.index_path(), index(list, &order, &taken, &load, &hardware)?.into_bytes());
        for (name, (_, data)) in taken {
            tree.file(format!("lib/modules/{}", file_of(&name)), data);
        }
        Ok(tree)
    }

    /// The named modules and all that they need, in an order in which each finds what it needs; by file name.
    pub fn in_order(&self, list: &List, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
        let mut taken: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let wanted: Vec<String> =
            names.iter().map(|name| underscored(name)).filter(|name| !self.is_builtin(name)).collect();
        let order = closure(&wanted, |name| {
            let (info, data) = self.module(name)?;
            taken.insert(name.to_owned(), data);
            self.needs(list, &info)
        })?;
        Ok(order.into_iter().filter_map(|node| Some((file_of(&node.name), taken.remove(&node.name)?))).collect())
    }

    fn is_builtin(&self, name: &str) -> bool {
        !self.modules.contains_key(name) && self.builtin.contains(name)
    }

    fn module(&self, name: &str) -> Result<(ModInfo, Vec<u8>)> {
        let (path, packed) = self.modules.get(name).with_context(|| {
            format!("the kernel has no module {name}: has it moved into the kernel, or gone? See {LIST}")
        })?;
        let data = decompress(path, packed).with_context(|| format!("unpacking {path}"))?;
        let info = ModInfo::of_module(&data).with_context(|| format!("reading {path}"))?;
        Ok((info, data))
    }

    fn needs(&self, list: &List, info: &ModInfo) -> Result<Needs> {
        let mut needs = Needs::default();
        needs.hard.extend(info.depends.iter().filter(|name| !self.is_builtin(name)).cloned());
        // What the list puts after a module needs that module.
        for (user, companions) in &list.after {
            if companions.iter().any(|name| underscored(name) == info.name) {
                needs.hard.push(underscored(user));
            }
        }
        for wanted in &info.before {
            needs.soft.extend(self.provider(wanted)?);
        }
        let listed = list.before.iter().filter(|(user, _)| underscored(user) == info.name).flat_map(|(_, names)| names);
        for name in listed {
            let name = underscored(name);
            ensure!(
                self.modules.contains_key(&name),
                "{LIST} wants {name} before {}: the kernel has no such module",
                info.name
            );
            needs.soft.push(name);
        }
        Ok(needs)
    }

    /// The module that a soft dependency means; None if it is built in or nobody has it, as modprobe does it.
    fn provider(&self, wanted: &str) -> Result<Option<String>> {
        let name = underscored(wanted);
        if self.modules.contains_key(&name) {
            return Ok(Some(name));
        }
        if self.builtin.contains(&name) {
            return Ok(None);
        }
        // Only algorithms are asked for by alias. The portable one of several does on every board.
        let generic = format!("{}_generic", name.trim_start_matches("crypto_"));
        if self.modules.contains_key(&generic) {
            return Ok(Some(generic));
        }
        for (candidate, (path, _)) in &self.modules {
            let algorithm =
                path.contains("/kernel/crypto/") || path.contains("/kernel/lib/") || path.contains("/crypto/");
            if algorithm && self.module(candidate)?.0.aliases.iter().any(|alias| underscored(alias) == name) {
                return Ok(Some(candidate.clone()));
            }
        }
        Ok(None)
    }
}

fn file_of(name: &str) -> String {
    format!("{name}.ko")
}

/// `kernel/fs/ext4/ext4.ko.xz` gives `ext4`.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file)
}

fn decompress(path: &str, packed: &[u8]) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    match path.rsplit('.').next() {
        Some("ko") => data.extend_from_slice(packed),
        Some("xz") => drop(liblzma::read::XzDecoder::new_multi_decoder(packed).read_to_end(&mut data)?),
        Some("zst") => data = zstd::decode_all(packed)?,
        _ => bail!("a compression that this build does not know"),
    }
    Ok(data)
}

fn index(
    list: &List,
    order: &[Node],
    taken: &BTreeMap<String, (ModInfo, Vec<u8>)>,
    load: &[String],
    hardware: &[String],
) -> Result<String> {
    let mut text = String::from("# Kernel modules; `cargo xtask image` computes this from image/modules.toml.\n");
    for node in order {
        let needs: String = node.needs.iter().map(|need| format!(" {need}")).collect();
        writeln!(text, "module {} {}{needs}", node.name, file_of(&node.name))?;
    }
    let mut lines = BTreeSet::new();
    for name in hardware {
        // Not taken means built in: nothing to load.
        let Some((info, _)) = taken.get(name) else { continue };
        let users = list.after.iter().filter(|(_, names)| names.iter().any(|after| underscored(after) == *name));
        let users = users.filter_map(|(user, _)| taken.get(&underscored(user)));
        let mut found = 0;
        for (info, alias) in
            users.chain([&taken[name]]).flat_map(|(info, _)| info.aliases.iter().map(move |a| (info, a)))
        {
            let buses = list.only.iter().find(|(limited, _)| underscored(limited) == info.name).map(|(_, buses)| buses);
            let on_bus = buses.is_none_or(|buses| buses.iter().any(|bus| alias.starts_with(bus.as_str())));
            if on_bus && useful(list, alias) {
                ensure!(!alias.contains(char::is_whitespace), "{name} has an alias with a space in it: {alias}");
                lines.insert(format!("alias {alias} {name}\n"));
                found += 1;
            }
        }
        ensure!(found > 0, "no hardware would ever load {}: put it under `load` in {LIST}", info.name);
    }
    text.extend(lines);
    for name in load.iter().filter(|name| taken.contains_key(*name)) {
        writeln!(text, "load {name}")?;
    }
    Ok(text)
}

/// Whether a machine that we support can have hardware of that name.
fn useful(list: &List, alias: &str) -> bool {
    if let Some(device_tree) = alias.strip_prefix("of:") {
        let names = device_tree.split('C').skip(1).collect::<Vec<_>>().join("C");
        let vendor = names.split_once(',').map(|(vendor, _)| vendor);
        return vendor.is_none_or(|vendor| list.vendors.iter().any(|known| known == vendor));
    }
    ["pci:", "usb:", "virtio:", "platform:", "sdio:"].iter().any(|bus| alias.starts_with(bus))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingredients::elf::tests::with_section;

    fn files(modules: &[(&str, &str)]) -> Files {
        let mut files: Files = modules
            .iter()
            .map(|(path, info)| {
                let section: Vec<u8> = info.split('|').flat_map(|pair| [pair.as_bytes(), b"\0"].concat()).collect();
                (format!("usr/lib/modules/6/kernel/{path}"), Content::File(with_section(".modinfo", &section)))
            })
            .collect();
        let builtin = |name: &str, data: &[u8]| (format!("usr/lib/modules/6/{name}"), Content::File(data.to_vec()));
        files.extend([
            builtin("modules.builtin", b"kernel/lib/crc-b.ko\n"),
            builtin("modules.builtin.modinfo", b"x.alias=sha\0"),
        ]);
        files
    }

    fn list(text: &str) -> List {
        toml::from_str(&format!("vendors = ['brcm']\n{text}")).unwrap()
    }

    fn text(tree: &Tree) -> String {
        match tree.get("lib/modules/modules.index") {
            Some(crate::tree::Node::File { data, .. }) => String::from_utf8(data.to_vec()).unwrap(),
            _ => panic!("no index"),
        }
    }

    #[test]
    fn the_index_of_a_small_card() {
        let files = files(&[
            ("fs/ext4/ext4.ko", "name=ext4|depends=jbd2,crc-b|softdep=pre: crc32c|alias=fs-ext4"),
            ("fs/jbd2/jbd2.ko", "name=jbd2|depends="),
            ("crypto/crc32c_generic.ko", "name=crc32c_generic|alias=crypto-crc32c|depends="),
            (
                "drivers/net/genet.ko",
                "name=genet|depends=|alias=of:N*T*Cbrcm,genet|alias=of:N*T*Cother,genet|softdep=pre: sha",
            ),
            ("drivers/net/phy/broadcom.ko", "name=broadcom|depends="),
            ("drivers/net/wifi.ko", "name=wifi|depends=|alias=sdio:c*v02D0d4324*|alias=usb:v1p1*"),
            ("drivers/net/wifi-cyw.ko", "name=wifi_cyw|depends="),
        ]);
        let list = list(
            "before = { genet = ['broadcom'] }\nafter = { wifi = ['wifi-cyw'] }\nonly = { wifi = ['sdio:'] }\n\
             [[group]]\nreason = 'r'\nplace = ['root']\nload = ['ext4', 'crc-b']\nhardware = ['genet', 'wifi']\n",
        );
        let tree = Kernel::new(&files).unwrap().tree(&list, Place::Root).unwrap();
        let expected = "module jbd2 jbd2.ko\n\
                        module crc32c_generic crc32c_generic.ko\n\
                        module ext4 ext4.ko crc32c_generic jbd2\n\
                        module broadcom broadcom.ko\n\
                        module genet genet.ko broadcom\n\
                        module wifi wifi.ko\n\
                        module wifi_cyw wifi_cyw.ko wifi\n\
                        alias of:N*T*Cbrcm,genet genet\n\
                        alias sdio:c*v02D0d4324* wifi\n\
                        alias sdio:c*v02D0d4324* wifi_cyw\n\
                        load ext4\n";
        assert_eq!(text(&tree).split_once('\n').unwrap().1, expected);
        assert!(tree.get("lib/modules/genet.ko").is_some());
        assert_eq!(Kernel::new(&files).unwrap().tree(&list, Place::Initramfs).unwrap().iter().count(), 1);
    }

    #[test]
    fn a_module_that_is_gone_is_named() {
        let files = files(&[("fs/a.ko", "name=a|depends=")]);
        let list =
            list("before = {}\nafter = {}\nonly = {}\n[[group]]\nreason = 'r'\nplace = ['root']\nload = ['gone']\n");
        let error = Kernel::new(&files).unwrap().tree(&list, Place::Root).unwrap_err().to_string();
        assert!(error.contains("gone") && error.contains("modules.toml"), "{error}");
    }

    #[test]
    fn hardware_that_nothing_announces_is_refused() {
        let files = files(&[("fs/a.ko", "name=a|depends=|alias=fs-a")]);
        let list =
            list("before = {}\nafter = {}\nonly = {}\n[[group]]\nreason = 'r'\nplace = ['root']\nhardware = ['a']\n");
        assert!(Kernel::new(&files).unwrap().tree(&list, Place::Root).is_err());
    }
}
