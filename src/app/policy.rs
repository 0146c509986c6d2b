//! What a caller may have done, whatever name or argument asks for it.
//!
//! A person at a terminal may do everything. An assistant may be following the instructions of a document, so what
//! cannot be taken back or leads data elsewhere is off until the settings turn it on.

use url::Url;

use crate::catalog::arguments::Arguments;
use crate::catalog::{Effect, Operation, Price};
use crate::config::{Config, Permissions};
use crate::error::{Error, Result};
use crate::files::hosts::is_listed;

/// The wire name of the link that the service calls when a job has ended.
const CALLBACK: &str = "callback";

/// What a caller may have done.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Nothing that spends or writes, checks of known jobs apart.
    is_read_only: bool,
    permissions: Permissions,
    /// Hosts that a callback may go to; `None` is any.
    callback_hosts: Option<Vec<String>>,
}

impl Policy {
    /// Everything: for a person who types the command.
    pub fn person() -> Policy {
        Policy { is_read_only: false, permissions: Permissions::ALL, callback_hosts: None }
    }

    /// What the settings allow: for assistants.
    pub fn assistant(config: &Config) -> Policy {
        Policy {
            is_read_only: config.read_only,
            permissions: config.allow,
            callback_hosts: Some(config.callback_hosts.clone()),
        }
    }

    /// The same, and nothing that spends or writes where `is_read_only`.
    #[must_use]
    pub fn narrowed(self, is_read_only: bool) -> Policy {
        Policy { is_read_only: self.is_read_only || is_read_only, ..self }
    }

    /// Refuses what this caller may not have done.
    ///
    /// # Errors
    /// `invalid_argument` that names the setting.
    pub fn allows(&self, operation: &Operation, arguments: &Arguments) -> Result<()> {
        if self.is_read_only && spends_or_writes(operation) {
            return Err(read_only());
        }
        let (is_allowed, does, word) = match operation.effect {
            Effect::SendsMail => (self.permissions.email, "sends e-mail", "email"),
            Effect::DeletesFile => (self.permissions.delete, "deletes stored files", "delete"),
            Effect::ReadsAccount | Effect::MakesDocument | Effect::StoresFile => (true, "", ""),
        };
        if !is_allowed {
            return Err(Error::invalid(
                format!("{} {does}, which this server does not allow.", operation.name),
                format!("The owner of the server can allow it with PDFCO_ALLOW={word}. Nothing was sent."),
            ));
        }
        match arguments.body.get(CALLBACK).and_then(serde_json::Value::as_str) {
            Some(link) if !self.allows_callback(link) => Err(Error::invalid(
                "`callback` leads to a host that this server does not allow.",
                "Leave `callback` out, or ask the owner of the server to add the host to PDFCO_CALLBACK_HOSTS. Nothing was sent.",
            )),
            _ => Ok(()),
        }
    }

    fn allows_callback(&self, link: &str) -> bool {
        let Some(hosts) = &self.callback_hosts else { return true };
        let Ok(url) = Url::parse(link.trim()) else { return false };
        let has_user = !url.username().is_empty() || url.password().is_some();
        url.scheme() == "https" && !has_user && url.host_str().is_some_and(|host| is_listed(hosts, host, url.port()))
    }
}

/// Whether running an operation spends credits or changes something.
pub fn spends_or_writes(operation: &Operation) -> bool {
    operation.effect != Effect::ReadsAccount || !matches!(operation.price, Price::PerCall(0) | Price::Unknown)
}

/// The error of a read-only server.
pub fn read_only() -> Error {
    Error::invalid(
        "This server is read-only: it does not spend or write.",
        "Start it without PDFCO_READ_ONLY to allow this.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog;

    fn policy(permissions: Permissions, hosts: &[&str]) -> Policy {
        let callback_hosts = Some(hosts.iter().map(|host| (*host).to_owned()).collect());
        Policy { is_read_only: false, permissions, callback_hosts }
    }

    fn asks(policy: &Policy, name: &str, callback: Option<&str>) -> bool {
        let mut arguments = Arguments::default();
        if let Some(callback) = callback {
            arguments.body.insert(CALLBACK.into(), json!(callback));
        }
        policy.allows(catalog::find(name).unwrap(), &arguments).is_ok()
    }

    #[test]
    fn mail_and_deletion_need_a_permission() {
        let email = Permissions { email: true, ..Permissions::default() };
        for (permissions, name, is_allowed) in [
            (Permissions::default(), "email_send", false),
            (Permissions::default(), "file_delete", false),
            (email, "email_send", true),
            (email, "file_delete", false),
            (Permissions::ALL, "file_delete", true),
            (Permissions::default(), "pdf_to_text", true),
        ] {
            assert_eq!(asks(&policy(permissions, &[]), name, None), is_allowed, "{permissions:?} {name}");
        }
    }

    #[test]
    fn callbacks_go_to_listed_hosts_over_https() {
        let listed = policy(Permissions::default(), &["hooks.test", "*.corp.test"]);
        for (link, is_allowed) in [
            ("https://hooks.test/a", true),
            ("https://a.corp.test/b?c=d", true),
            ("https://corp.test/", false),
            ("http://hooks.test/a", false),
            ("https://user:pw@hooks.test/", false),
            ("https://hooks.test.evil.test/", false),
            ("https://hooks.test:8443/", false),
            ("https://evil.test/?x=hooks.test", false),
            ("hooks.test/a", false),
            ("", false),
        ] {
            assert_eq!(asks(&listed, "pdf_to_text", Some(link)), is_allowed, "{link}");
        }
        assert!(!asks(&policy(Permissions::default(), &[]), "pdf_to_text", Some("https://hooks.test/")));
        assert!(asks(&Policy::person(), "pdf_to_text", Some("http://anything.test/")));
    }

    #[test]
    fn read_only_refuses_priced_reads_too() {
        let read_only = Policy { is_read_only: true, ..Policy::person() };
        assert!(asks(&read_only, "account_balance", None));
        for name in ["html_templates_list", "document_parser_templates", "pdf_to_text", "file_delete"] {
            assert!(!asks(&read_only, name, None), "{name}");
        }
    }
}
