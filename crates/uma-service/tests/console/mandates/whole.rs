//! What a person allows or takes back, and what a resource server does with it, is whole, whoever
//! goes away and wherever the store fails.

use super::*;

/// Whoever closes the browser meanwhile has taken back all of it, and the log says so, or nothing.
#[tokio::test]
async fn what_was_allowed_twice_is_taken_back_whole_though_its_owner_goes_away() {
    for turns in 0.. {
        let engine = Arc::new(Watched::default());
        let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
        let carol = bed.carol().await;
        let mut pats = Vec::new();
        for _ in 0..3 {
            let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
            pats.push(member(&answer, "access_token"));
        }
        let form = only_mandate(&carol).await;
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(ends(&carol, &form), turns)).await;
        drop(heard);
        let mut over = 0;
        for pat in &pats {
            over += usize::from(!reaches(&bed, pat).await);
        }
        let ended = log.audited(" ended what ");
        assert_eq!(ended.len(), over, "after {turns} turns: {ended:?}");
        assert!(over == 0 || over == pats.len(), "after {turns} turns: {over}");
        if is_answered {
            assert!(over == pats.len() && turns > 5, "{turns}");
            break;
        }
    }
}

/// Whoever is told that the store failed, and tries again, has taken back all of it.
#[tokio::test]
async fn what_was_allowed_twice_can_be_taken_back_until_all_of_it_is() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    let carol = bed.carol().await;
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let mut pats = Vec::new();
        for _ in 0..3 {
            let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
            pats.push(member(&answer, "access_token"));
        }
        let form = only_mandate(&carol).await;
        engine.left.store(left, Ordering::SeqCst);
        let status = ends(&carol, &form).await.status;
        engine.left.store(usize::MAX, Ordering::SeqCst);
        if status == 303 {
            assert!(left > 5, "{left}");
            break;
        }
        assert_eq!(status, 503, "{left}");
        leads_to(&ends(&carol, &form).await, "/console/resources");
        for pat in &pats {
            assert!(!reaches(&bed, pat).await, "{left}");
        }
    }
}

/// Whoever closes the browser meanwhile has allowed it, or nothing gave way.
#[tokio::test]
async fn nothing_gives_way_to_what_is_not_allowed_though_its_owner_goes_away() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    let carol = bed.carol().await;
    for _ in 0..8 {
        member(&redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await, "access_token");
    }
    for turns in 0.. {
        let page = carol.get(&asks(&[])).await;
        let log = Log::default();
        let heard = log.hear();
        let is_answered =
            engine.slowly(let_go(answers(&carol, &page.text, "allow", "carol"), turns)).await;
        drop(heard);
        let allowed = log.audited("lets a resource server protect something").len();
        assert_eq!(log.audited("gave way").len(), allowed, "after {turns} turns: {}", log.text());
        let now = Timestamp::from_unix(bed.world.now());
        let kept = engine.count(RecordTable::Grants, &[], now).await.unwrap();
        assert_eq!(kept, 8, "after {turns} turns");
        if is_answered {
            assert!(allowed == 1 && turns > 5, "{turns}");
            break;
        }
    }
}

/// Nor if the store fails on the way.
#[tokio::test]
async fn nothing_gives_way_to_what_could_not_be_kept() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
    let carol = bed.carol().await;
    let mut pats = Vec::new();
    for _ in 0..8 {
        let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
        pats.push(member(&answer, "access_token"));
        bed.world.advance(1);
    }
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let page = carol.get(&asks(&[])).await;
        let log = Log::default();
        let heard = log.hear();
        let answer = engine.failing(left, answers(&carol, &page.text, "allow", "carol")).await;
        drop(heard);
        let is_said = !log.audited("gave way").is_empty();
        let is_allowed = answer.status == 303;
        assert_eq!(is_said, is_allowed, "{left}");
        assert_eq!(reaches(&bed, &pats[0]).await, !is_allowed, "{left}");
        if is_allowed {
            assert!(left > 4, "{left}");
            break;
        }
        assert_eq!(answer.status, 503, "{left}");
        // What was kept and could not be fetched is over.
        bed.world.advance(60);
    }
    for pat in &pats[1..] {
        assert!(reaches(&bed, pat).await);
    }
}

/// What a resource server begins and does not wait for is whole, and in the log, or nothing of it
/// is.
#[tokio::test]
async fn what_a_resource_server_does_is_whole_though_it_goes_away() {
    type Begins = fn(&str, &str) -> (&'static str, Vec<(&'static str, String)>);
    let shows_again: Begins = |code, _| ("/token", redeeming("rs3", code, VERIFIER));
    let gives_back: Begins = |_, refresh| {
        let form = [("token", refresh), ("client_id", "rs3"), ("client_secret", "rs3")];
        ("/revoke", form.map(|(name, value)| (name, value.to_owned())).to_vec())
    };
    for (begins, what) in [(shows_again, "shown again"), (gives_back, "a client revoked")] {
        for turns in 0.. {
            let engine = Arc::new(Watched::default());
            let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
            let carol = bed.carol().await;
            let code = code(&carol).await;
            let answer = redeems(&bed, "rs3", &code, VERIFIER).await;
            let pat = member(&answer, "access_token");
            let (path, form) = begins(&code, &member(&answer, "refresh_token"));
            let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let log = Log::default();
            let heard = log.hear();
            let is_answered = engine.slowly(let_go(bed.world.form(path, "", &form), turns)).await;
            drop(heard);
            let is_said = !log.audited(what).is_empty();
            assert_eq!(is_said, !reaches(&bed, &pat).await, "{what} after {turns} turns");
            if is_answered {
                assert!(is_said && turns > 1, "{what} after {turns} turns");
                break;
            }
        }
    }
}

/// What was allowed stands for longer than its code if its resource server got a token for it.
#[tokio::test]
async fn a_code_is_redeemed_whole_though_its_resource_server_goes_away() {
    for turns in 0.. {
        let engine = Arc::new(Watched::default());
        let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
        let carol = bed.carol().await;
        let code = code(&carol).await;
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(redeems(&bed, "rs3", &code, VERIFIER), turns)).await;
        drop(heard);
        let is_said = !log.audited("got a token to protect").is_empty();
        bed.world.advance(60);
        let page = carol.get("/console/resources").await.text;
        assert_eq!(is_said, page.contains("name=\"end\""), "after {turns} turns");
        if is_answered {
            assert!(is_said && turns > 3, "{turns}");
            break;
        }
    }
}

/// A token that its resource server has not waited for is in the log if it is kept.
#[tokio::test]
async fn a_token_for_a_person_is_in_the_log_though_its_resource_server_goes_away() {
    for turns in 0.. {
        let engine = Arc::new(Watched::default());
        let bed = Bed::on(Arc::clone(&engine) as Arc<dyn Engine>);
        let carol = bed.carol().await;
        let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
        let token = member(&answer, "refresh_token");
        let now = Timestamp::from_unix(bed.world.now());
        let kept = || engine.count(RecordTable::AccessTokens, &[], now);
        let before = kept().await.unwrap();
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(refreshes(&bed, "rs3", &token), turns)).await;
        drop(heard);
        let said = log.audited("got a token to protect").len();
        assert_eq!(said, kept().await.unwrap() - before, "after {turns} turns: {}", log.text());
        if is_answered {
            assert!(said == 1 && turns > 1, "{turns}");
            break;
        }
    }
}
