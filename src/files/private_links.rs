//! Links into private networks: to addresses that are not the world's, and to names that only this machine or its
//! neighbours know.
//!
//! The public service cannot reach those, and nothing that an assistant reads should be able to make it try: a service of
//! one's own inside a company could.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};
use url::{Host, Url};

/// Schemes that the service takes in front of a whole link.
const PREFIXES: [&str; 1] = ["cache:"];
/// Schemes of links that name no host.
const HOSTLESS: [&str; 3] = ["filetoken", "data", "file"];
/// Ends of names that are not the world's.
const PRIVATE_ENDS: [&str; 10] = [
    ".localhost",
    ".local",
    ".localdomain",
    ".internal",
    ".intranet",
    ".lan",
    ".home",
    ".corp",
    ".private",
    ".home.arpa",
];

/// Whether a link leads into a private network, in whatever way it is written: in any scheme or without one, behind
/// `cache:`, in any notation of an address. What is no link at all leads nowhere.
pub fn is_private(link: &str) -> bool {
    let mut link = link.trim();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| without_prefix(link, prefix)) {
        link = rest.trim_start();
    }
    match host_of(link) {
        Some(Host::Domain(name)) => is_private_name(&name),
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => is_private_v6(address),
        None => false,
    }
}

/// The first link into a private network among the arguments of a job, at any depth: in `url`, `images`, `callback` and
/// whatever else holds links.
pub fn private_link_in(arguments: &Map<String, Value>) -> Option<&str> {
    arguments.values().find_map(private_link_in_value)
}

fn private_link_in_value(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => text.split(',').map(str::trim).find(|word| is_link(word) && is_private(word)),
        Value::Array(values) => values.iter().find_map(private_link_in_value),
        Value::Object(values) => private_link_in(values),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether a word of an argument is a link: it has a scheme, or begins with an address and goes on with a path.
fn is_link(word: &str) -> bool {
    let is_address = || {
        let (first, _) = word.split_once('/')?;
        let host = first.rsplit_once(':').filter(|_| !first.ends_with(']')).map_or(first, |(host, _)| host);
        matches!(Host::parse(host), Ok(Host::Ipv4(_) | Host::Ipv6(_))).then_some(())
    };
    let has_scheme = word.split_once(':').is_some_and(|(scheme, rest)| {
        is_scheme(scheme) && (rest.starts_with("//") || is_web(scheme) || scheme.eq_ignore_ascii_case("cache"))
    });
    has_scheme || is_address().is_some()
}

fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix))?;
    text.get(prefix.len()..)
}

/// The host of a link, read as `https` would be: other schemes leave a host as it is written, and the service may not.
fn host_of(link: &str) -> Option<Host> {
    let rest = match link.split_once(':') {
        Some((scheme, _)) if HOSTLESS.iter().any(|hostless| scheme.eq_ignore_ascii_case(hostless)) => return None,
        Some((scheme, rest)) if is_scheme(scheme) && (rest.starts_with(['/', '\\']) || is_web(scheme)) => rest,
        _ => link,
    };
    let authority = rest.trim_start_matches(['/', '\\']);
    match Url::parse(&format!("https://{authority}")).ok()?.host()? {
        Host::Domain(name) => Some(Host::Domain(name.to_owned())),
        Host::Ipv4(address) => Some(Host::Ipv4(address)),
        Host::Ipv6(address) => Some(Host::Ipv6(address)),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Whether a scheme names a host even without slashes.
fn is_web(scheme: &str) -> bool {
    ["http", "https", "ftp"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
}

/// A name without a dot is one of the local network.
fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.') || PRIVATE_ENDS.iter().any(|end| name.ends_with(end))
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        // This network, shared address space, protocol assignments, relays, benchmarks, reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && matches!(b, 18 | 19))
        || a >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let embedded = match (a, b) {
        // Mapped, compatible and translated.
        (0, 0) if (c, d) == (0, 0) && matches!((e, f), (0, 0 | 0xffff) | (0xffff, 0)) => Some(v4(g, h)),
        // NAT64, both prefixes.
        (0x64, 0xff9b) => Some(v4(g, h)),
        // 6to4.
        (0x2002, _) => Some(v4(b, c)),
        _ => None,
    };
    match embedded {
        Some(address) => is_private_v4(address),
        // Unique local, link local, site local, multicast; everything that is not global unicast.
        None => a & 0xe000 != 0x2000 || (a, b) == (0x2001, 0xdb8) || (a, b) == (0x2001, 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn private_links_are_known_in_every_notation() {
        for link in [
            "http://127.0.0.1/a.pdf",
            "http://127.1/a.pdf",
            "http://2130706433/a.pdf",
            "http://0x7f.1/a",
            "http://0177.0.0.1/a",
            "https://10.1.2.3/a.pdf",
            "http://169.254.169.254/latest/meta-data",
            "http://192.168.0.1:8080/",
            "http://100.64.0.1/",
            "http://0.1.2.3/",
            "http://198.18.0.1/",
            "http://198.19.255.255/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/a",
            "http://[::]/a",
            "http://[fd00::1]/a",
            "http://[fe80::1]/a",
            "http://[::ffff:10.0.0.1]/a",
            "http://[::127.0.0.1]/a",
            "http://[64:ff9b::10.0.0.1]/a",
            "http://[64:ff9b:1::10.0.0.1]/a",
            "http://[2002:7f00:1::]/a",
            "http://u:p@10.0.0.1/a",
            "cache:http://localhost/a.pdf",
            "CACHE:http://169.254.169.254/",
            "cache:CACHE:10.0.0.1/a",
            "127.0.0.1:80/a",
            "10.0.0.1/a.pdf",
            "[::1]/a",
            "localhost:8080/a.pdf",
            "//10.0.0.1/a",
            "http:10.0.0.1/a",
            "http:\\\\10.0.0.1\\a",
            "gopher://10.0.0.1/",
            "ftp://127.0.0.1/a",
            "dict://localhost:11211/",
            "http://printer/a",
            "intranet/a.pdf",
            "http://printer.local/a",
            "http://metadata.google.internal/",
            "http://localhost./a",
            "  http://10.0.0.1/",
            "http://\u{ff11}0.0.0.1/a",
        ] {
            assert!(is_private(link), "{link}");
        }
    }

    #[test]
    fn links_are_found_in_any_argument_at_any_depth() {
        for (arguments, expected) in [
            (json!({"callback": "http://10.0.0.1/x"}), Some("http://10.0.0.1/x")),
            (json!({"images": [{"url": "http://localhost/a.png"}]}), Some("http://localhost/a.png")),
            (
                json!({"images": "https://h.test/a.png, cache:http://169.254.169.254/b"}),
                Some("cache:http://169.254.169.254/b"),
            ),
            (json!({"file_upload_url": {"url": "10.0.0.1:80/put"}}), Some("10.0.0.1:80/put")),
            (json!({"name": "report 10.0.0.1", "pages": "0-1", "url": "https://h.test/a"}), None),
            (json!({"html": "<a href=\"http://10.0.0.1/\">x</a>", "text": "http://10.0.0.1 is down"}), None),
            (json!({"text": "scale 1/2", "ratio": "1:2", "template": 5, "name": "intranet/a"}), None),
        ] {
            assert_eq!(private_link_in(arguments.as_object().unwrap()), expected, "{arguments}");
        }
    }

    #[test]
    fn public_links_are_not_private() {
        for link in [
            "https://h.test/a.pdf",
            "https://8.8.8.8/a.pdf",
            "https://[2606:4700::1]/a",
            "http://[64:ff9b::8.8.8.8]/a",
            "filetoken://abc",
            "FILETOKEN://abc",
            "data:application/pdf;base64,AAAA",
            "cache:https://h.test/a.pdf",
            "h.test/a.pdf",
            "h.test:8443/a.pdf",
            "https://local.test/",
            "https://h.test/?next=http://10.0.0.1/",
            "",
        ] {
            assert!(!is_private(link), "{link}");
        }
    }
}
