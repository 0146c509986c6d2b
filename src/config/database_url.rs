//! The address of a PostgreSQL database. It may hold a password and cannot print it.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Parameters that an address may carry. Others are refused: what is not understood would be ignored.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "dbname", "user", "password", "options"];
/// Those that name a file.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
/// The words of `sslmode`.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// `postgres://user:password@host:port/database?sslmode=verify-full`.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    shown: String,
}

impl DatabaseUrl {
    /// Whether `text` is meant to be such an address.
    pub(super) fn is_meant(text: &str) -> bool {
        let scheme = text.split(':').next().unwrap_or_default();
        text.contains(':') && ["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What it takes, in words, without any part of `text`.
    pub fn parse(text: &str) -> Result<DatabaseUrl, String> {
        let takes = || "an address like postgres://user:password@host:5432/database?sslmode=verify-full".to_owned();
        if !text.contains("://") {
            return Err(takes());
        }
        let url = Url::parse(text).map_err(|_| takes())?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(takes());
        }
        let parameter =
            |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if url.query_pairs().any(|(key, _)| !PARAMETERS.contains(&key.as_ref())) {
            return Err(format!("{}, with no other parameters than {}", takes(), PARAMETERS.join(", ")));
        }
        if parameter("sslmode").is_some_and(|mode| !SSL_MODES.contains(&mode.as_str())) {
            return Err(format!("{}, with one of these as sslmode: {}", takes(), SSL_MODES.join(", ")));
        }
        if parameter("port").is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(takes());
        }
        let host = parameter("host").or_else(|| url.host_str().map(decoded)).filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let port = parameter("port").or_else(|| url.port().map(|port| port.to_string()));
        let user = parameter("user").or_else(|| Some(decoded(url.username()))).filter(|user| !user.is_empty());
        let path = decoded(url.path().trim_start_matches('/'));
        let database = parameter("dbname").or(Some(path)).filter(|name| !name.is_empty());
        let shown = format!(
            "postgres://{}{host}{}{}",
            user.map(|user| format!("{user}@")).unwrap_or_default(),
            port.map(|port| format!(":{port}")).unwrap_or_default(),
            database.map(|database| format!("/{database}")).unwrap_or_default(),
        );
        Ok(DatabaseUrl { url: SecretString::from(text.to_owned()), shown })
    }

    /// The certificates and keys that it names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Ok(url) = Url::parse(self.expose()) else { return Vec::new() };
        let named = url.query_pairs().filter(|(name, _)| FILES.contains(&name.as_ref()));
        named.map(|(_, path)| PathBuf::from(path.as_ref())).collect()
    }

    /// All of it, for the connection.
    pub(crate) fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// User, host, port and database.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.shown)
    }
}

impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &DatabaseUrl) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for DatabaseUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_all_but_its_password() {
        for (text, shown) in [
            (
                "postgres://ada:canary@db.example.com:5433/ledger?sslmode=verify-full",
                "postgres://ada@db.example.com:5433/ledger",
            ),
            ("postgresql://ada:c%40nary@db/ledger", "postgres://ada@db/ledger"),
            (
                "postgres:///ledger?host=/run/postgresql&user=ada&password=canary",
                "postgres://ada@/run/postgresql/ledger",
            ),
            ("postgres://%2Frun%2Fpostgresql/ledger", "postgres:///run/postgresql/ledger"),
            ("postgres://db", "postgres://db"),
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?} {url}").contains("canary"));
        }
    }

    #[test]
    fn files_are_those_of_tls() {
        let url = DatabaseUrl::parse("postgres://db/ledger?sslmode=verify-full&sslrootcert=/a%20b/ca.crt").unwrap();
        assert_eq!(url.files(), [PathBuf::from("/a b/ca.crt")]);
        assert!(DatabaseUrl::parse("postgres://db/ledger").unwrap().files().is_empty());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for text in [
            "postgres:ada:canary@db/ledger",
            "postgres://ada:canary@db:port/ledger",
            "postgres://ada:canary@db/ledger?sslmode=canary",
            "postgres://ada@db/ledger?pasword=canary",
            "mysql://ada:canary@db/ledger",
        ] {
            let takes = DatabaseUrl::parse(text).unwrap_err();
            assert!(!takes.contains("canary") && takes.contains("postgres://user:password@host"), "{takes}");
        }
    }
}
