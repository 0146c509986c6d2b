//! Tools of the suite that answer at once, and the list of all of them.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::*;
use serde_json::{Value, json};

use super::resources::{PNG, WAV};
use super::{Change, Context, Fixtures, is_stateless};

/// Between the steps of a tool that tells of them.
const STEP: Duration = Duration::from_millis(50);

/// Tools that answer at once: name, what they do, and the properties of their arguments, all of them text and required.
const AT_ONCE: &[(&str, &str, &[&str])] = &[
    ("test_simple_text", "Answers with a text", &[]),
    ("test_image_content", "Answers with a picture", &[]),
    ("test_audio_content", "Answers with a sound", &[]),
    ("test_embedded_resource", "Answers with a resource", &[]),
    ("test_multiple_content_types", "Answers with a text, a picture and a resource", &[]),
    ("test_error_handling", "Fails", &[]),
    ("test_tool_with_logging", "Writes to the client's log as it goes", &[]),
    ("test_logging_tool", "Writes to the client's log as it goes", &[]),
    ("test_tool_with_progress", "Tells how far it is", &[]),
    ("test_reconnection", "Answers with a text", &[]),
    ("test_sampling", "Asks the client's model", &["prompt"]),
    ("test_elicitation", "Asks the client's user", &["message"]),
    ("test_elicitation_sep1034_defaults", "Asks the client's user, and proposes answers", &[]),
    ("test_elicitation_sep1330_enums", "Asks the client's user to choose, in each form of a choice", &[]),
    ("test_missing_capability", "Needs a client that has a model", &[]),
    ("test_trigger_tool_change", "Adds a tool to the list, or takes it away again", &[]),
    ("test_trigger_prompt_change", "Adds a prompt to the list, or takes it away again", &[]),
    ("greet", "Greets", &["name"]),
];

/// Tools that answer later: with questions first (`inputs.rs`), or as a task (`tasks.rs`).
const LATER: &[(&str, &str, &[&str])] = &[
    ("test_streaming_elicitation", "Asks a question first", &[]),
    ("test_input_required_result_elicitation", "Asks a question first", &[]),
    ("test_input_required_result_sampling", "Asks the client's model first", &[]),
    ("test_input_required_result_list_roots", "Asks for the client's roots first", &[]),
    ("test_input_required_result_capabilities", "Asks what the client can answer", &[]),
    ("test_input_required_result_request_state", "Asks, and knows its question again", &[]),
    ("test_input_required_result_tampered_state", "Asks, and knows a question that is not its own", &[]),
    ("test_input_required_result_multiple_inputs", "Asks three questions at once", &[]),
    ("test_input_required_result_multi_round", "Asks, and asks again", &[]),
    ("test_tool_with_task", "Asks a question first and then goes on as a task", &[]),
    ("failing_job", "Fails, as a task", &[]),
    ("protocol_error_job", "Ends in an error of the protocol, as a task", &[]),
    ("confirm_delete", "Asks before it deletes, as a task", &["filename"]),
    ("multi_input", "Asks two questions at once, as a task", &[]),
];

pub fn list() -> Vec<Tool> {
    let of_text = AT_ONCE.iter().chain(LATER).map(|(name, description, arguments)| {
        let properties: JsonObject = arguments.iter().map(|name| ((*name).into(), json!({"type": "string"}))).collect();
        tool(name, description, json!({"type": "object", "properties": properties, "required": arguments}))
    });
    let others = [
        tool(
            "slow_compute",
            "Takes a while, as a task if the client can wait",
            json!({"type": "object", "properties": {"seconds": {"type": "number"}, "label": {"type": "string"}}}),
        ),
        tool(
            "test_custom_header",
            "Has an argument that a header repeats",
            json!({
                "type": "object",
                "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
                "required": ["region"],
            }),
        ),
        tool("json_schema_2020_12_tool", "Has a schema with much in it", rich_schema()),
    ];
    of_text.chain(others).collect()
}

/// The tool that comes and goes.
pub fn added() -> Tool {
    tool("test_added_tool", "A tool that came later", json!({"type": "object"}))
}

fn tool(name: &str, description: &str, schema: Value) -> Tool {
    let schema: JsonObject = serde_json::from_value(schema).expect("the fixtures' schemas are objects");
    Tool::new(name.to_owned(), description.to_owned(), schema)
}

fn rich_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// Whether a call by this name ends in [`Fixtures::call`].
pub fn is_one(name: &str) -> bool {
    let others = ["test_custom_header", "json_schema_2020_12_tool", "test_added_tool"];
    AT_ONCE.iter().any(|(one, ..)| *one == name) || others.contains(&name)
}

/// A result of one text.
pub fn text(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

impl Fixtures {
    /// Calls a tool that answers at once.
    pub async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        context: &Context,
    ) -> Result<CallToolResult, ErrorData> {
        let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let picture = ContentBlock::image(PNG, "image/png");
        match name {
            "test_simple_text" => Ok(text("This is a simple text response for testing.")),
            "test_image_content" => Ok(CallToolResult::success(vec![picture])),
            "test_audio_content" => Ok(CallToolResult::success(vec![ContentBlock::audio(WAV, "audio/wav")])),
            "test_embedded_resource" => {
                let resource =
                    ContentBlock::embedded_text("test://embedded-resource", "This is an embedded resource content.");
                Ok(CallToolResult::success(vec![resource]))
            }
            "test_multiple_content_types" => {
                let data = json!({"test": "data", "value": 123}).to_string();
                let resource =
                    ResourceContents::text(data, "test://mixed-content-resource").with_mime_type("application/json");
                let first = ContentBlock::text("Multiple content types test:");
                Ok(CallToolResult::success(vec![first, picture, ContentBlock::resource(resource)]))
            }
            "test_error_handling" => {
                let why = "This tool intentionally returns an error for testing";
                Ok(CallToolResult::error(vec![ContentBlock::text(why)]))
            }
            "test_tool_with_logging" | "test_logging_tool" => {
                for step in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                    self.log(step, context).await;
                    tokio::time::sleep(STEP).await;
                }
                Ok(text("Three messages were offered to the client's log."))
            }
            "test_tool_with_progress" => {
                for step in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let param = ProgressNotificationParam::new(token, step).with_total(100.0);
                        // A client that is gone receives nothing.
                        let _ = context.peer.notify_progress(param).await;
                    }
                    tokio::time::sleep(STEP).await;
                }
                Ok(text("Three steps were taken."))
            }
            "test_sampling" => {
                let message = json!({"role": "user", "content": {"type": "text", "text": argument("prompt")}});
                let params = json!({"messages": [message], "maxTokens": 100});
                let answer = ask(context, json!({"method": "sampling/createMessage", "params": params})).await?;
                Ok(text(&format!("LLM response: {answer}")))
            }
            "test_elicitation" => {
                let properties = json!({
                    "username": {"type": "string", "description": "User's response"},
                    "email": {"type": "string", "description": "User's email address"},
                });
                elicit(context, argument("message"), properties, &["username", "email"]).await
            }
            "test_elicitation_sep1034_defaults" => {
                let properties = json!({
                    "name": {"type": "string", "default": "John Doe"},
                    "age": {"type": "integer", "default": 30},
                    "score": {"type": "number", "default": 95.5},
                    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                    "verified": {"type": "boolean", "default": true},
                });
                elicit(context, "Is this right?", properties, &[]).await
            }
            "test_elicitation_sep1330_enums" => {
                let plain = ["option1", "option2", "option3"];
                let titled = json!([
                    {"const": "value1", "title": "First"},
                    {"const": "value2", "title": "Second"},
                    {"const": "value3", "title": "Third"},
                ]);
                let properties = json!({
                    "untitledSingle": {"type": "string", "enum": plain},
                    "titledSingle": {"type": "string", "oneOf": titled},
                    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
                    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
                    "titledMulti": {"type": "array", "items": {"anyOf": titled}},
                });
                elicit(context, "Choose", properties, &[]).await
            }
            "test_missing_capability" => {
                let able = context.client_capabilities().unwrap_or_default();
                if able.sampling.is_none() {
                    let required = ClientCapabilities::builder().enable_sampling().build();
                    return Err(ErrorData::missing_required_client_capability(required));
                }
                Ok(text("The client has a model."))
            }
            "test_trigger_tool_change" => {
                self.shared.change(Change::Tools);
                Ok(text("The list of tools is another one."))
            }
            "test_trigger_prompt_change" => {
                self.shared.change(Change::Prompts);
                Ok(text("The list of prompts is another one."))
            }
            "greet" => Ok(text(&format!("Hello, {}!", argument("name")))),
            _ => Ok(text(&Value::Object(arguments).to_string())),
        }
    }

    /// Offers a message to the client's log: a session has said from what level on, a single request may say so.
    async fn log(&self, message: &str, context: &Context) {
        let least = if is_stateless(context) {
            context.meta.log_level()
        } else {
            Some(*self.level.lock().expect("no one panics with it"))
        };
        // In the order of their weight.
        if least.is_some_and(|least| least as u8 <= LoggingLevel::Info as u8) {
            let param = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
            // A client that is gone receives nothing.
            let _ = context.peer.notify_logging_message(param).await;
        }
    }
}

/// Asks the client, which is how servers did it before 2026-07-28, and gives its answer.
async fn ask(context: &Context, request: Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = serde_json::from_value(request).expect("the fixtures' requests are the protocol's");
    let answer = context.peer.send_request(request).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(format!("The client did not answer: {error}"), None));
    Ok(json!(answer?))
}

async fn elicit(
    context: &Context,
    message: &str,
    properties: Value,
    required: &[&str],
) -> Result<CallToolResult, ErrorData> {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    let answer = ask(context, json!({"method": "elicitation/create", "params": params})).await?;
    Ok(text(&format!("Elicitation completed: action={}, content={}", answer["action"], answer["content"])))
}
