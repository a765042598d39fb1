//! The one test binary. General properties are proved for every resource at once; a resource's own file tests its own rules.

mod access;
mod accounts;
mod bulk;
mod cli;
mod contract;
mod crash;
mod envelope;
mod events;
mod field;
mod floors;
mod history;
mod http;
mod idempotency;
mod identity;
mod jobs;
mod limits;
mod openapi;
mod query;
mod samples;
mod schema;
mod search;
mod settings;
mod support;
mod tenancy;
mod validation;
mod writer;
