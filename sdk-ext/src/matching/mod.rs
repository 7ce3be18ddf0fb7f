//! Matchers and selectors: which requests a rule is about, and which value of a request a policy reads.
//!
//! Both read a request through [`Attributes`], which has headers and properties; all else is derived from these by
//! [`RequestView`]:
//!
//! | what | from |
//! |---|---|
//! | method | `:method`, compared with case (RFC 9110, section 9.1) |
//! | host | `:authority` without port and without a trailing dot, compared without case (RFC 9110, section 4.2.3) |
//! | path | `:path` up to the first `?`, compared as it is: `%61` is not `a`; also where it is read as a property |
//! | query parameter | `:path` after the first `?`, name and value decoded as a form (`%61` is `a`, `+` is a space) |
//! | cookie | `cookie`, name and value compared as they are |
//! | client address | the property `source.address`, or `x-forwarded-for` as far as [`ClientIp`] trusts it |
//! | claim | the member `claims` of the JSON in the filter state [`IDENTITY`] |
//! | route | the property `xds.route_name` |
//!
//! A header, query parameter or cookie that comes more than once is [`Field::Many`]: whoever sends it must not choose
//! which of two values a policy reads, when the upstream may read the other.

mod attributes;
mod client_ip;
pub mod forms;
mod host;
mod matcher;
pub mod names;
mod path;
mod pattern;
mod request;
#[cfg(feature = "schema")]
mod schema;
mod selector;
mod text;

pub use attributes::{Attributes, Field};
pub use client_ip::{Cidr, ClientIp};
pub use matcher::{Matcher, Verdict};
pub use path::PathLiteral;
pub use request::{IDENTITY, RequestView};
pub use selector::{Selection, Selector};

#[cfg(test)]
pub(crate) mod fake;
