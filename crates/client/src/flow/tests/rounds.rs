//! Which tickets a request goes round with, and how often.

use countersign_permission_ticket::TicketChallenge;
use countersign_types::secret::TicketHandle;

use super::world::{RS, World, challenge, check, data, need_info, refused, rpt};
use crate::error::ClientError;
use crate::retry::RetryError;

#[tokio::test]
async fn a_fresh_ticket_takes_a_fresh_claims_token() {
    let (world, result) = check(World::new().rs([challenge("t1"), data()]).uma([
        need_info("t2"),
        need_info("t3"),
        rpt("rpt"),
    ]))
    .await;
    assert_eq!(result.unwrap().status(), 200);
    let grants: Vec<_> = world.grants().iter().map(|sent| sent.param("ticket").unwrap()).collect();
    assert_eq!(grants, ["t1", "t2", "t3"]);
    let challenges: Vec<_> =
        world.exchanges().iter().map(|sent| sent.param("ticket_challenge").unwrap()).collect();
    let expected =
        ["t1", "t2", "t3"].map(|t| TicketChallenge::of(&TicketHandle::new(t)).to_string());
    assert_eq!(challenges, expected);
}

#[tokio::test]
async fn an_old_ticket_ends_the_request() {
    for world in [
        World::new().rs([challenge("t1")]).uma([need_info("t1")]),
        World::new().rs([challenge("t1")]).uma([need_info("t2"), need_info("t1")]),
        World::new().rs([challenge("t1"), challenge("t1")]).uma([rpt("rpt")]),
    ] {
        let (_, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::Retry(RetryError::Unchanged))), "{result:?}");
    }
}

#[tokio::test]
async fn a_few_rounds_are_enough() {
    let (world, result) = check(World::new().rs([challenge("t1")]).uma([
        need_info("t2"),
        need_info("t3"),
        need_info("t4"),
    ]))
    .await;
    match result {
        Err(ClientError::NeedInfo { info, .. }) => assert_eq!(info.ticket.expose(), "t4"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.grants().len(), 3);

    let (_, result) = check(
        World::new()
            .rs([challenge("t1"), challenge("t2"), challenge("t3"), challenge("t4")])
            .uma([rpt("r1"), rpt("r2"), rpt("r3")]),
    )
    .await;
    assert!(matches!(result, Err(ClientError::Retry(RetryError::Exhausted(3)))), "{result:?}");
}

#[tokio::test]
async fn an_insufficient_or_stale_start_is_repeated() {
    // An RPT that does not suffice brings a new ticket.
    let (_, result) = check(
        World::new().rs([challenge("t1"), challenge("t2"), data()]).uma([rpt("r1"), rpt("r2")]),
    )
    .await;
    assert_eq!(result.unwrap().status(), 200);
    // A ticket that is too old is no use to anyone: the resource server is asked for another.
    let (world, result) = check(
        World::new()
            .rs([challenge("t1"), challenge("t2"), data()])
            .uma([refused(400, "invalid_grant"), rpt("r")]),
    )
    .await;
    assert_eq!(result.unwrap().status(), 200);
    assert_eq!(world.sent_to(&format!("{RS}/rs-api"))[1].authorization, None);
}
