//! A request that waits for the resource owner goes on. [UMA Grant §3.3.6]
//!
//! [UMA Grant §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#authorization-failure

use bytes::Bytes;
use countersign_types::secret::{AccessToken, TicketHandle};
use http::Response;

use super::Call;
use crate::builder::Client;
use crate::discover::{self, Target};
use crate::error::{ClientError, Pending};
use crate::grant::Refusal;
use crate::retry::Rounds;
use crate::subject::Person;

impl Client {
    /// Goes on with a request that waited for the resource owner.
    ///
    /// The authorization server is asked with the ticket alone, so that the person's provider has
    /// nothing to do until their claims are wanted again. An answer that was lost on its way costs
    /// nothing but a new ticket: the resource server is asked for one.
    ///
    /// # Errors
    /// [`ClientError`], as [`Client::request`]; [`ClientError::Submitted`] again if the resource
    /// owner has not decided yet, with another [`Pending`].
    pub async fn resume(
        &self,
        pending: Pending,
        request: http::Request<Bytes>,
    ) -> Result<Response<Bytes>, ClientError> {
        let mut call = Call::new(request)?;
        let mut rounds = Rounds::new();
        let Pending { as_uri, resource, person, ticket, .. } = pending;
        if !resource.covers(&call.url) {
            return Err(ClientError::Request("it is not for the resource server that waits"));
        }
        call.person = Some(person.clone());
        let rpt = match ticket {
            Some(ticket) => {
                rounds.admit(&ticket)?;
                let metadata = &self.0.metadata;
                let target = discover::authorization_server(metadata, &as_uri, resource).await?;
                self.poll(&call, &target, &person, ticket, &mut rounds).await?
            }
            None => None,
        };
        let response = self.send(&call, rpt.as_ref()).await?;
        self.converse(&call, response, rounds).await
    }

    /// Asks how it stands. `None` if the ticket is of no use any more.
    async fn poll(
        &self,
        call: &Call,
        target: &Target,
        person: &Person,
        ticket: TicketHandle,
        rounds: &mut Rounds,
    ) -> Result<Option<AccessToken>, ClientError> {
        let registration = self.registration(&target.issuer)?;
        let refused = match self.redeem(target, &registration, &ticket, None, None).await? {
            Ok(response) => {
                // The token is for whoever was asked about, whoever is signed in by now.
                let subject = self.subject_of(Some(person)).await?;
                return self.keep(call, target, &subject, &response).map(Some);
            }
            Err(refused) => refused,
        };
        match refused.refusal() {
            Refusal::Stale => Ok(None),
            Refusal::NeedInfo(info) => {
                let ticket = self.next_ticket(target, info, rounds)?;
                self.obtain(call, target, ticket, rounds).await
            }
            refusal => Err(self.ended(target, person, refusal, refused)),
        }
    }
}
