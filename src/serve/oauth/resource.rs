//! The resource as clients know it: its metadata (RFC 9728), and the challenge in a refusal (RFC 6750).

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use serde_json::json;
use url::Url;

use crate::error::{Error, Result};
use crate::mcp::principal::{READ, RUN};

/// Where people who sign in send their messages.
pub const PATH: &str = "/mcp-oauth";
/// Before the path of a resource, where its metadata are.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The protected resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its address, letter by letter as clients are to name it.
    pub address: String,
    url: Url,
    issuer: String,
}

impl Resource {
    /// The resource at `address`, for tokens of `issuer`.
    ///
    /// # Errors
    /// `invalid_argument` for an address that is none.
    pub fn new(address: &str, issuer: &str) -> Result<Resource> {
        let address = address.trim_end_matches('/');
        let url = Url::parse(address).ok().filter(|url| url.has_host() && url.path().len() > 1).ok_or_else(|| {
            Error::invalid(
                format!("`{address}` is no address of a protected resource."),
                format!("PDFCO_OAUTH_RESOURCE takes an address with a path, such as https://pdf.example.com{PATH}."),
            )
        })?;
        Ok(Resource { address: address.to_owned(), url, issuer: issuer.to_owned() })
    }

    /// The host that is in the address, with its port.
    pub fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// Where the metadata are.
    pub fn metadata_address(&self) -> String {
        let mut address = self.url.clone();
        address.set_path(&format!("{WELL_KNOWN}{}", self.url.path()));
        address.to_string()
    }

    /// The routes of the metadata: public, and for pages of any origin.
    pub fn routes(&self) -> Router {
        let document = json!({
            "resource": self.address,
            "authorization_servers": [self.issuer],
            "scopes_supported": [READ, RUN],
            "bearer_methods_supported": ["header"],
            "resource_name": "PDF.co document jobs",
        });
        let text = Arc::new(document.to_string());
        let answer = move || {
            let text = Arc::clone(&text);
            async move {
                let headers = [
                    (header::CONTENT_TYPE, "application/json"),
                    (header::CACHE_CONTROL, "public, max-age=300"),
                    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                ];
                (headers, text.as_str().to_owned())
            }
        };
        let router = Router::new().route(&format!("{WELL_KNOWN}{PATH}"), get(answer.clone()));
        let own = self.url.path();
        // A proxy may or may not cut its prefix off.
        match own == PATH || own.contains(['{', '}', '*']) {
            true => router,
            false => router.route(&format!("{WELL_KNOWN}{own}"), get(answer)),
        }
    }
}

/// What a refused client reads in `WWW-Authenticate`.
#[derive(Clone, Debug)]
pub struct Challenge(Arc<str>);

impl Challenge {
    /// The challenge of `resource`.
    pub fn of(resource: &Resource) -> Challenge {
        Challenge(resource.metadata_address().into())
    }

    /// The header, with the scope that is needed, and what is wrong with the token that was sent, if one was.
    pub fn header(&self, scope: &str, error: Option<(&str, &str)>) -> HeaderValue {
        let error =
            error.map(|(error, description)| format!(", error=\"{error}\", error_description=\"{description}\""));
        let text = format!("Bearer resource_metadata=\"{}\", scope=\"{scope}\"{}", self.0, error.unwrap_or_default());
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_stand_where_rfc_9728_puts_them() {
        for (address, expected) in [
            ("https://pdf.test/mcp-oauth", "https://pdf.test/.well-known/oauth-protected-resource/mcp-oauth"),
            ("https://pdf.test/a/mcp-oauth/", "https://pdf.test/.well-known/oauth-protected-resource/a/mcp-oauth"),
            ("http://127.0.0.1:81/mcp-oauth", "http://127.0.0.1:81/.well-known/oauth-protected-resource/mcp-oauth"),
        ] {
            let resource = Resource::new(address, "https://idp.test").unwrap();
            assert_eq!(resource.metadata_address(), expected);
        }
        for address in ["https://pdf.test", "https://pdf.test/", "pdf.test/mcp-oauth", ""] {
            assert!(Resource::new(address, "https://idp.test").is_err(), "{address}");
        }
    }

    #[test]
    fn a_challenge_names_the_metadata_the_scope_and_the_error() {
        let challenge = Challenge::of(&Resource::new("https://pdf.test/mcp-oauth", "https://idp.test").unwrap());
        let metadata = "https://pdf.test/.well-known/oauth-protected-resource/mcp-oauth";
        assert_eq!(challenge.header("a b", None), format!("Bearer resource_metadata=\"{metadata}\", scope=\"a b\""));
        let header = challenge.header(READ, Some(("invalid_token", "The token has expired.")));
        assert!(
            header.to_str().unwrap().ends_with("error=\"invalid_token\", error_description=\"The token has expired.\"")
        );
    }
}
