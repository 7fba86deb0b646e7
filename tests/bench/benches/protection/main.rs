//! What protecting an API by access tokens costs: the layer, and the proxy.
//!
//! The layer is measured without a network: one request after the other through an axum router,
//! with the layer and without. *Warm*, the token is one of a thousand that were seen before;
//! *cold*, nobody has seen it, and what the layer costs is compared with the bare verification of
//! the same signature by aws-lc-rs, with a key parsed beforehand. The memory for tokens fills
//! meanwhile: six tokens in ten ask the system for a page of it, and what that costs is the
//! machine's doing (2.2 us on the one below, more where the host has to find it), so that one and
//! the same program gave 1.09 to 1.15. Once it is full, after eleven thousand tokens, each takes
//! the place of another, which is no cheaper: 1.14 in three runs on a busy machine. (An earlier
//! program, whose tokens moka kept, gave 1.11 there while its memory filled.)
//!
//! The proxy is what `resource-server --protect` runs, over loopback and without TLS, in front of a
//! service that answers with a kilobyte. Beside it stands a proxy of hyper alone that looks at
//! nothing, in front of the same service under the same load; the two take turns.
//!
//! | | the bare proxy | ours does besides |
//! |---|---|---|
//! | connection | hyper's server, hyper-util's client with its pool | limits of time and size, a limit on connections |
//! | request | another authority in the URL | strict framing, one spelling of the path, the rule for it, the token, a request id, a span |
//! | headers | as they are | those of the connection and of callers taken out, the caller's put in |
//! | answer | as it is | headers of the connection taken out, a limit on its pauses |
//!
//! Goals: warm less than 15 us; cold less than 1.15 times the bare verification; the proxy at least
//! 85 % of the bare one's rate.
//!
//! # Where it stands
//!
//! Layer and proxy meet their goals. On two cores of a shared machine (2 x AMD EPYC) the proxy made
//! 92 % of the bare one's rate in two runs (52,305 a second beside 57,059 in the last; 92 and 91 %
//! by processor time), and the layer took 0.7 to 0.8 us warm, 1.13 and 1.10 times the verification
//! cold. On two idle cores of another one (2 x Intel Xeon), with load from one thread, the proxy
//! made 87, 85 and 86 % of the bare one's rate (57,152 a second beside 66,198 in the last; 87, 86
//! and 87 % by processor time), 82 % (82 %) before the last three rows of the table below, and 79 %
//! (78 %) before the two above them; the earlier rates have the end of each round in them, when
//! connections wait for no answer any more. Both make the same system calls, 8.5 a request with
//! those of generator and service; the rest is what is computed, and a quarter of the surplus is
//! the system's, at the same calls.
//!
//! Callgrind counts, generator and service included and without link-time optimisation, 51,200
//! instructions a request for the bare proxy and 66,300 for ours (before the last row), beside
//! 26,100 of SHA-256 in software: it does not have the processor's own. What was taken out (the
//! first four rows were counted with that optimisation):
//!
//! | | |
//! |---|---|
//! | wiping a token octet by octet | 5,000 instructions |
//! | registering three timers and taking them back: a connection has one | 1,000, and six turns of a lock that all threads share |
//! | tokens kept by moka (now by quick_cache), futures with room for what is seldom waited for, a query decoded | 2,700 |
//! | axum's router, which looks for a route that there is none of | 1,700 |
//! | at every waking: whether the server stops or the connection is old, and the timer set again; a request moved through futures with room for all of it; three locks and three counters, shared by all threads, to learn that the keys are the same; a target written anew that is in its one spelling | 6,700 |
//! | six kilobytes emptied and copied by the library for a limit on header fields; lines of a head copied; the source of a request noted where no limit goes by it | 2,300 |
//! | eight headers put into a map, each at the price of a hash, and one of them that says what `Host` says; a token copied, looked through and wiped; a path gone through octet by octet, and looked up twice | 7,300 |
//! | memory of each token's own that is read at every request: scopes, issuer and name of the key to be compared, and a place for every header | 900, and what it takes to fetch it from afar |
//! | a task woken by what its own connection tells it, or by the next request of another | one of three wakings a request |
//!
//! In turns on a busy machine, medians of three, the last row but two took the rate from 80 % of
//! the bare one's to 82 %, and the last but one from 79 % to 84 %. With two thousand tokens in use
//! it is not instructions alone that count, but the places in memory that a request touches. Of
//! what is left, each with what it calls,
//!
//! - 8,300 are headers: 1,600 to copy those of a caller and what goes on, and to take out those of
//!   a connection and of credentials, and 6,700 because seven are written, read by the service and
//!   dropped in place of two;
//! - 2,400 admit the caller, beside SHA-256: the token is looked up, and the path read and found
//!   among the rules;
//! - 1,300 follow the octets of a request (`host`, `framing`);
//! - 3,100 are what server and proxy take more than hyper's and hyper-util's: request id,
//!   extensions, limits, heads that are moved.
//!
//! The bare proxy does less than it may: it takes no header of a connection out ([RFC 9110 §7.6.1])
//! and names itself to nobody ([RFC 9110 §7.6.3]), which a proxy must. With both it would take
//! 4,600 instructions more, the service's reading of one more header included: a third of the
//! surplus.
//!
//! [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
//! [RFC 9110 §7.6.3]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3
//!
//! `cargo bench -p countersign-bench-tests --bench protection -- --write-readme` puts the table
//! into the README of the `resource` crate.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints, or stops"
)]

mod issuer;
mod proxy;
mod table;

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_bench_tests::{Effort, compare, print_machine};
use countersign_resource::{ProtectLayer, Routes};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use mimalloc::MiMalloc;
use tower_service::Service as _;

use crate::issuer::Issuer;
use crate::table::Measured;

/// As in the program, for the bare proxy, too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let effort = Effort::of_process();
    print_machine();
    let issuer = Issuer::new();
    let layer = layer(effort, &issuer);
    let proxy = proxy::measure(effort, &issuer);
    let measured = Measured { layer, proxy };
    println!("{measured}");
    if std::env::args().any(|argument| argument == "--write-readme") {
        table::write(&measured);
    }
}

/// What the layer costs.
pub(crate) struct LayerCost {
    /// The bare handler, router and all.
    pub(crate) bare: Duration,
    /// What a token seen before adds to it.
    pub(crate) warm: Duration,
    /// The bare verification of a signature.
    pub(crate) verification: Duration,
    /// What a token never seen adds to the bare handler, by that.
    pub(crate) cold: f64,
}

/// The rules, as an API of some size has them.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .open("GET /health")
        .require("GET /albums", "albums.read")
        .require("POST /albums", "albums.write")
        .require("GET /albums/{id}", "albums.read")
        .require("DELETE /albums/{id}", "albums.write")
        .require("GET /albums/{id}/photos", "albums.read")
        .identified("GET /me")
        .build()
        .unwrap()
}

fn layer(effort: Effort, issuer: &Issuer) -> LayerCost {
    let api = Router::new().route("/albums/{id}", get(async || "an album"));
    let layer = ProtectLayer::new(issuer.access_tokens(), routes()).unwrap();
    let protected = api.clone().layer(layer);

    let seen = headers(issuer, effort.of(1000, 10));
    let bare = |tokens| calls(api.clone(), tokens);
    let mut first = calls(protected.clone(), seen.iter());
    (0..seen.len()).for_each(|_| first());
    let warm =
        compare(effort, bare(seen.iter().cycle()), calls(protected.clone(), seen.iter().cycle()));

    // More than turns can use up: it ends the bench if one is used twice.
    let unseen = headers(issuer, effort.of(40_000, 100));
    let verifier =
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, issuer.key.public().to_spki_der().unwrap());
    let (verifier, texts) = (verifier.unwrap(), seen.iter().map(signed).collect::<Vec<_>>());
    let mut texts = texts.iter().cycle();
    let verify = || {
        let (input, signature) = texts.next().unwrap();
        verifier.verify_sig(black_box(input.as_bytes()), black_box(signature)).unwrap();
    };
    let cold = compare(effort, verify, calls(protected, unseen.iter()));
    LayerCost {
        bare: warm.base,
        warm: warm.other.saturating_sub(warm.base),
        verification: cold.base,
        cold: cold.ratio - warm.base.as_secs_f64() / cold.base.as_secs_f64(),
    }
}

/// One call: a request with the next token, answered.
fn calls<'a>(mut api: Router, mut tokens: impl Iterator<Item = &'a HeaderValue>) -> impl FnMut() {
    move || {
        let token = tokens.next().unwrap().clone();
        let request = Request::get("/albums/7").header(AUTHORIZATION, token);
        let answer = pin!(api.call(black_box(request.body(Body::empty()).unwrap())));
        // Nothing here waits for anything.
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(answer)) => assert_eq!(answer.status(), 200),
            Poll::Ready(Err(never)) => match never {},
            Poll::Pending => unreachable!("a layer that waits"),
        }
    }
}

fn headers(issuer: &Issuer, count: usize) -> Vec<HeaderValue> {
    let bearer = |_| HeaderValue::try_from(format!("Bearer {}", issuer.token())).unwrap();
    (0..count).map(bearer).collect()
}

/// The signed octets of a token, and its signature.
fn signed(header: &HeaderValue) -> (String, Vec<u8>) {
    let (_, token) = header.to_str().unwrap().split_once(' ').unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    (input.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
}
