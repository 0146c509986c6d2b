//! Resources and prompts of the suite: literals.

use rmcp::model::*;
use serde_json::{Value, json};

/// One red pixel.
pub const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// No sound, of one sample.
pub const WAV: &str = "UklGRiYAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQIAAAAAAA==";

pub fn list() -> Vec<Resource> {
    vec![
        Resource::new("test://static-text", "static-text")
            .with_description("A text that never changes")
            .with_mime_type("text/plain"),
        Resource::new("test://static-binary", "static-binary")
            .with_description("A picture that never changes")
            .with_mime_type("image/png"),
        Resource::new("test://watched-resource", "watched-resource")
            .with_description("A text to subscribe to; it never changes either")
            .with_mime_type("text/plain"),
    ]
}

pub fn template() -> ResourceTemplate {
    ResourceTemplate::new("test://template/{id}/data", "template")
        .with_description("Data about an id")
        .with_mime_type("application/json")
}

pub fn is_one(uri: &str) -> bool {
    read(uri).is_some()
}

pub fn read(uri: &str) -> Option<ResourceContents> {
    let text = |text: &str| Some(ResourceContents::text(text, uri).with_mime_type("text/plain"));
    match uri {
        "test://static-text" => text("This is the content of the static text resource."),
        "test://watched-resource" => text("This is the content of the watched resource."),
        "test://static-binary" => Some(ResourceContents::blob(PNG, uri).with_mime_type("image/png")),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            Some(ResourceContents::text(data.to_string(), uri).with_mime_type("application/json"))
        }
    }
}

pub fn prompts() -> Vec<Prompt> {
    let prompt = |name: &str, description: &str, arguments: &[&str]| {
        let arguments = arguments.iter().map(|name| PromptArgument::new(*name).with_required(true)).collect();
        Prompt::new(name, Some(description), Some(arguments))
    };
    vec![
        prompt("test_simple_prompt", "A prompt without arguments", &[]),
        prompt("test_prompt_with_arguments", "A prompt that repeats its arguments", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", "A prompt that has a resource in it", &["resourceUri"]),
        prompt("test_prompt_with_image", "A prompt that has a picture in it", &[]),
        prompt("test_input_required_result_prompt", "A prompt that asks for its context first", &[]),
    ]
}

/// The prompt with this name; one that asks first is in `inputs.rs`.
pub fn prompt(name: &str, arguments: Option<&JsonObject>) -> Option<GetPromptResult> {
    let argument = |name: &str| arguments.and_then(|given| given.get(name)).and_then(Value::as_str).unwrap_or_default();
    let by_user = |content| PromptMessage::new(Role::User, content);
    match name {
        "test_simple_prompt" => Some(said("This is a simple prompt for testing.")),
        "test_prompt_with_arguments" => {
            let (first, second) = (argument("arg1"), argument("arg2"));
            Some(said(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'")))
        }
        "test_prompt_with_embedded_resource" => Some(GetPromptResult::new(vec![
            by_user(ContentBlock::embedded_text(argument("resourceUri"), "Embedded resource content for testing.")),
            by_user(ContentBlock::text("Please process the embedded resource above.")),
        ])),
        "test_prompt_with_image" => Some(GetPromptResult::new(vec![
            by_user(ContentBlock::image(PNG, "image/png")),
            by_user(ContentBlock::text("Please analyze the image above.")),
        ])),
        _ => None,
    }
}

/// A prompt of one sentence.
pub fn said(text: &str) -> GetPromptResult {
    GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
}
