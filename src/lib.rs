//! Ships the audit trail of a Kong Gateway control plane into AWS CloudTrail Lake.

pub mod kong;
pub mod ports;
