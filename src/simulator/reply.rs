//! Answers in the shapes of the service: its error body, JSON as it escapes it, and the XML of its storage.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// A failure with the service's own number; the HTTP status is the same number.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Refusal {
    pub(in crate::simulator) code: u16,
    pub(in crate::simulator) message: String,
}

impl Refusal {
    pub(in crate::simulator) fn new(code: u16, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }

    /// Wrong input, in the service's own words and ours.
    pub(in crate::simulator) fn input(detail: &str) -> Self {
        Refusal::new(400, format!("Incorrect input parameters, please check and try again. {detail}"))
    }

    /// The answer to a request that failed.
    pub(in crate::simulator) fn answer(&self, remaining: Option<i64>) -> Response {
        // What the gateway says before the service itself is asked has no envelope.
        if self.code == 429 {
            return json_reply(429, &json!({ "message": self.message }));
        }
        let mut body = json!({ "status": "error", "errorCode": self.code, "error": true, "message": self.message });
        if let (Some(remaining), Some(map)) = (remaining, body.as_object_mut()) {
            map.insert("credits".into(), json!(0));
            map.insert("remainingCredits".into(), json!(remaining));
        }
        json_reply(self.code, &body)
    }
}

/// JSON, with `&` escaped as the service does it.
pub(in crate::simulator) fn json_reply(status: u16, body: &Value) -> Response {
    // Only strings can hold an ampersand, so replacing it in the text is safe.
    reply(status, "application/json; charset=utf-8", body.to_string().replace('&', "\\u0026"))
}

/// An answer of any type.
pub(in crate::simulator) fn reply(status: u16, mime: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

/// A refusal of the storage: XML, as S3 writes it.
pub(in crate::simulator) fn storage_refusal(status: u16, code: &str, message: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIMULATOR</RequestId><HostId>pdfco simulator</HostId></Error>"
    );
    reply(status, "application/xml", text)
}
