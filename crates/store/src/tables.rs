//! What there is of each table of records.

use crate::engine::RecordTable;

/// One of these for each [`RecordTable`].
#[derive(Default)]
pub(crate) struct Tables<T> {
    access_tokens: T,
    revoked: T,
    resources: T,
    registrations: T,
    grants: T,
    refresh_tokens: T,
    sessions: T,
    consents: T,
    cases: T,
    waiting_tickets: T,
    linked_identities: T,
    messages: T,
    shares: T,
    notices: T,
}

impl<T> Tables<T> {
    /// That of this table.
    pub(crate) const fn of(&self, table: RecordTable) -> &T {
        match table {
            RecordTable::AccessTokens => &self.access_tokens,
            RecordTable::Revoked => &self.revoked,
            RecordTable::Resources => &self.resources,
            RecordTable::Registrations => &self.registrations,
            RecordTable::Grants => &self.grants,
            RecordTable::RefreshTokens => &self.refresh_tokens,
            RecordTable::Sessions => &self.sessions,
            RecordTable::Consents => &self.consents,
            RecordTable::Cases => &self.cases,
            RecordTable::WaitingTickets => &self.waiting_tickets,
            RecordTable::LinkedIdentities => &self.linked_identities,
            RecordTable::Messages => &self.messages,
            RecordTable::Shares => &self.shares,
            RecordTable::Notices => &self.notices,
        }
    }
}
