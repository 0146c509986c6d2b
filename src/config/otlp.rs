//! Where traces, metrics and logs are sent, if anywhere: the variables of OpenTelemetry, from the environment alone. No file of
//! a folder may say so, and without an endpoint nothing is sent.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::error::{Error, Result};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SERVICE: &str = "OTEL_SERVICE_NAME";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const DISABLED: &str = "OTEL_SDK_DISABLED";
/// The one protocol that is spoken: OTLP over HTTP, in JSON.
const JSON: &str = "http/json";
/// Most headers.
const HEADERS_MAX: usize = 20;

/// A collector.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Its address, below which the paths of OTLP are.
    pub endpoint: Url,
    /// What it asks for, such as a token.
    pub headers: Vec<(String, SecretString)>,
    /// The name of this service.
    pub service: String,
    /// How often metrics are sent.
    pub every: Duration,
}

impl Otlp {
    /// The collector that the environment names; none where it names none.
    ///
    /// # Errors
    /// `invalid_argument` that names the variable whose value cannot be used.
    pub fn from_env() -> Result<Option<Otlp>> {
        Otlp::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Result<Option<Otlp>> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let Some(endpoint) = get(ENDPOINT) else { return Ok(None) };
        if get(DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let wrong = |name: &str, takes: &str| Error::invalid(format!("{name} cannot be used."), takes.to_owned());
        let address =
            Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let endpoint = address
            .ok_or_else(|| wrong(ENDPOINT, "It takes the address of a collector, such as http://collector:4318."))?;
        if get(PROTOCOL).is_some_and(|protocol| protocol != JSON) {
            return Err(wrong(
                PROTOCOL,
                "This server sends http/json, which collectors take on port 4318: leave it out.",
            ));
        }
        let mut headers = Vec::new();
        for pair in get(HEADERS).iter().flat_map(|list| list.split(',')) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| wrong(HEADERS, "It takes name=value, separated by commas."))?;
            let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
            headers.push((name.trim().to_owned(), SecretString::from(value)));
        }
        if headers.len() > HEADERS_MAX {
            return Err(wrong(HEADERS, &format!("It takes {HEADERS_MAX} headers at most.")));
        }
        let every = match get(INTERVAL).map(|text| text.parse::<u64>()) {
            None => Duration::from_secs(60),
            Some(Ok(millis)) if (1_000..=3_600_000).contains(&millis) => Duration::from_millis(millis),
            Some(_) => return Err(wrong(INTERVAL, "It takes milliseconds, 1000 to 3600000.")),
        };
        Ok(Some(Otlp { endpoint, headers, service: get(SERVICE).unwrap_or_else(|| "pdfco".to_owned()), every }))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Option<Otlp>> {
        Otlp::read(|name| values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_sent_where_no_collector_is_named() {
        let named = (ENDPOINT, "http://collector:4318");
        for values in [&[][..], &[(SERVICE, "x")], &[(ENDPOINT, " ")], &[named, (DISABLED, "true")]] {
            assert!(read(values).unwrap().is_none(), "{values:?}");
        }
        let otlp = read(&[named, (HEADERS, "authorization=Bearer%20canary, x-tenant = a")]).unwrap().unwrap();
        assert_eq!((otlp.service.as_str(), otlp.every, otlp.headers.len()), ("pdfco", Duration::from_secs(60), 2));
        assert_eq!((otlp.headers[0].1.expose_secret(), otlp.headers[1].0.as_str()), ("Bearer canary", "x-tenant"));
        assert!(!format!("{otlp:?}").contains("canary"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [
            (ENDPOINT, "collector:4318"),
            (PROTOCOL, "grpc"),
            (HEADERS, "canary"),
            (INTERVAL, "often"),
            (INTERVAL, "0"),
        ] {
            let error = read(&[(name, value), (ENDPOINT, "http://collector:4318")]).unwrap_err();
            assert!(error.message().contains(name) && !format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
