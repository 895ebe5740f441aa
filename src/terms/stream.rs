//! Kong's two audit streams.

/// One of Kong's two audit streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// `/audit/requests`: every Admin API call.
    Requests,
    /// `/audit/objects`: every row written.
    Objects,
}

impl Stream {
    /// Both, in the order in which a run ships them.
    pub const ALL: [Self; 2] = [Self::Requests, Self::Objects];

    /// The name in variables, reports, store keys and Kong's paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Objects => "objects",
        }
    }

    /// The field that holds an entry's own id.
    pub const fn id_field(self) -> &'static str {
        match self {
            Self::Requests => "request_id",
            Self::Objects => "id",
        }
    }
}
