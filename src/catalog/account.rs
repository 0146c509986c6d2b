//! The account: credits, stored HTML templates, licence.
//!
//! What lives here: rows that only read the account. Source: `pdfco-api.md` §3.2 "X to PDF", "System" and "Legacy".

use super::{Confidence, Effect, Method, Operation, Output, Param, ParamKind, Price, Run, Toolset};

/// Account.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "account_balance",
        aliases: &["credit_balance"],
        title: "Credit balance",
        description: "Read how many credits the account has left, before a large batch. get_credit_balance does the \
            same without a job; answers of calls that spend credits carry the balance as well. Free.",
        method: Method::Get,
        path: "/v1/account/credit/balance",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::PerCall(0),
        effect: Effect::ReadsAccount,
        confidence: Confidence::Documented,
        params: &[],
    },
    Operation {
        name: "html_templates_list",
        aliases: &["list_html_templates"],
        title: "List HTML templates",
        description: "List the HTML templates of the account with id, title and type, for `template_id` of html_to_pdf. \
            One template with its text comes from html_template_get. 2 credits a call.",
        method: Method::Get,
        path: "/v1/templates/html",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::PerCall(2),
        effect: Effect::ReadsAccount,
        confidence: Confidence::Documented,
        params: &[],
    },
    Operation {
        name: "html_template_get",
        aliases: &["get_html_template"],
        title: "Read an HTML template",
        description: "Read one HTML template of the account: its text and its test data. html_templates_list has the \
            ids. 2 credits a call.",
        method: Method::Get,
        path: "/v1/templates/html/{id}",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::PerCall(2),
        effect: Effect::ReadsAccount,
        confidence: Confidence::Documented,
        params: &[&[Param::new(
            "id",
            ParamKind::Integer { min: 1, max: 2_147_483_647 },
            "Id of the template, from html_templates_list.",
        )
        .aliases(&["template_id"])
        .required()]],
    },
    Operation {
        name: "license_info",
        aliases: &[],
        title: "Licence of an own server",
        description: "Read the licensed modules of an API Server on own premises. The public service does not have \
            this; for its credits use get_credit_balance.",
        method: Method::Get,
        path: "/license/info",
        toolset: Toolset::Account,
        run: Run::Direct,
        output: Output::Inline,
        price: Price::Unknown,
        effect: Effect::ReadsAccount,
        confidence: Confidence::Documented,
        params: &[],
    },
];
