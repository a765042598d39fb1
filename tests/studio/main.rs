//! The one test binary. General properties are proved for every resource at once; a resource's own file tests its own rules.

mod support;
