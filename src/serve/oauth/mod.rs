//! Single sign-on: an OAuth 2.1 resource server at `/mcp-oauth`, by the authorization part of the protocol.
//!
//! | file | subject |
//! |---|---|
//! | `admit` | a request with a token becomes one of a person |
//! | `token`, `algorithms`, `ring_verifier` | whether a token is good |
//! | `issuer` | what the authorization server says, and its keys |
//! | `person_keys` | which PDF.co key pays for a person |
//! | `resource` | the metadata of the resource, and what a refused client reads |
//! | `scopes` | what a message needs |
//!
//! A token is read in `admit`, taken out of the request, and neither passed on nor written down.

pub mod admit;
mod algorithms;
pub mod issuer;
pub mod person_keys;
pub mod resource;
mod ring_verifier;
pub mod scopes;
mod token;
