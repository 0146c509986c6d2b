//! The account: credits, stored HTML templates, license.

use crate::catalog::{Method, Operation, Param, ParamKind, Price, Toolset};

/// An operation of this toolset that answers at once.
const fn direct(method: Method, name: &'static str, path: &'static str) -> Operation {
    Operation::direct(Toolset::Account, method, name, path)
}

/// Account.
pub static OPERATIONS: &[Operation] = &[
    direct(Method::Get, "account_balance", "/v1/account/credit/balance")
        .aliases(&["credit_balance"])
        .title("Credit balance")
        .about("Read how many credits the account has left. The modules of a self-hosted server are in license_info.")
        .price(Price::PerCall(0))
        .keywords(&["credits", "money", "left", "remaining", "quota", "account"]),
    direct(Method::Get, "html_templates_list", "/v1/templates/html")
        .aliases(&["list_html_templates"])
        .title("List HTML templates")
        .about(
            "List the HTML templates of the account with id, title and type, for `template_id` of html_to_pdf. \
                One template with its text comes from html_template_get.",
        )
        .price(Price::PerCall(2))
        .keywords(&["template", "list"]),
    direct(Method::Get, "html_template_get", "/v1/templates/html/{id}")
        .aliases(&["get_html_template"])
        .title("Read an HTML template")
        .about("Read one HTML template of the account: its text and its test data. html_templates_list has the ids.")
        .price(Price::PerCall(2))
        .keywords(&["template", "show"])
        .takes(&[&[Param::new(
            "id",
            ParamKind::Integer { min: 1, max: 2_147_483_647 },
            "Id of the template, from html_templates_list.",
        )
        .aliases(&["template_id"])
        .required()]]),
    direct(Method::Get, "license_info", "/license/info")
        .title("License of a self-hosted server")
        .about(
            "Read the licensed modules of a self-hosted API Server. The public service does not offer this; for \
                its credits use account_balance.",
        )
        .keywords(&["server", "license", "modules", "version", "self-hosted"]),
];
