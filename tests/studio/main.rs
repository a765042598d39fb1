//! The one test binary. General properties are proved for every resource at once; a resource's own file tests its own rules.

mod access;
mod accounts;
mod cli;
mod contract;
mod crash;
mod field;
mod floors;
mod http;
mod identity;
mod limits;
mod openapi;
mod query;
mod samples;
mod schema;
mod settings;
mod support;
mod tenancy;
mod validation;
mod writer;
