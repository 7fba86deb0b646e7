//! What protecting an API by access tokens costs: the layer, and the proxy.
//!
//! The layer is measured without a network: one request after the other through an axum router, with
//! the layer and without. *Warm*, the token is one of a thousand that were seen before; *cold*, nobody
//! has seen it, and what the layer costs is compared with the bare verification of the same signature
//! by aws-lc-rs, with a key parsed beforehand. The memory for tokens fills meanwhile: six tokens
//! in ten ask the system for a page of it, and what that costs is the machine's doing (2.2 us on the one below, more where the host has to find
//! it), so that one and the same program gave 1.09 to 1.15. Once it is full, after fifteen thousand tokens, each takes the
//! place of another, which is no cheaper: 1.14 in three runs on a busy machine. (An
//! earlier program, whose tokens moka kept, gave 1.11 there while its memory filled.)
//!
//! The proxy is what `resource-server --protect` runs, over loopback and without TLS, in front of a
//! service that answers with a kilobyte. Beside it stands a proxy of hyper alone that looks at
//! nothing, in front of the same service under the same load; the two take turns.
//!
//! | | the bare proxy | ours does besides |
//! |---|---|---|
//! | connection | hyper's server, hyper-util's client with its pool | limits of time and size, a limit on connections |
//! | request | another authority in the URL | one spelling of the path, the rule for it, the token, a request id, a span |
//! | headers | as they are | those of the connection and of callers taken out, the caller's put in |
//! | answer | as it is | headers of the connection taken out, a limit on its pauses |
//!
//! Goals: warm less than 15 us; cold less than 1.15 times the bare verification; the proxy at least
//! 85 % of the bare one's rate.
//!
//! # Where it stands
//!
//! The layer meets its goals. The proxy does not: 79 % of the bare one's rate on two idle cores (50,054 a second beside
//! 64,253; 78 % by processor time). Both make the same system calls, eleven a request with those of generator and service; the rest is
//! what is computed. Callgrind counts 55,000 instructions a request for the bare proxy and 124,000 for ours, generator
//! and service included, of which 26,000 are SHA-256 in software: it does not have the processor's own. Beyond the
//! bare proxy's, the largest parts are
//!
//! - 5,700: heads and futures that are copied from place to place;
//! - 3,500: the copy of the token, which is wiped (since these figures were taken, by filling its memory at once: for a
//!   token of that length it was 5,000 instructions and is 100);
//! - 1,600 the hashing of header names, and 1,500 the following of requests octet by octet (`host`, `framing`);
//! - no other function has more than 1,500: the rest is spread over what the table says is done besides.
//!
//! Since these figures were taken, a connection has one timer for all limits (three were registered and taken back at every
//! request: 1,000 instructions, and six turns of a lock that all threads share), futures have no room for what is seldom waited for
//! (admitting a caller 1,600 octets in place of 4,600), and verified tokens are kept by quick_cache (moka took 4.2 % of
//! the time of tokens never seen, half of it to make its table anew, and quick_cache takes 1.3 %). Callgrind counts 41,500 instructions for the bare proxy and
//! 90,200 for ours in place of 92,900, of which 23,500 are SHA-256 in software. Of the 25,000 that are left, 8,000 admit the caller, 8,000 are the
//! proxy's (heads, target, the connection), 4,000 are the server's (id, span, extensions, the following of requests), 3,000 axum's
//! router, and 3,500 are what the service takes to read nine more headers. The system calls are the same: 8.5 a request.
//!
//! Since then the proxy is served without axum's router, and the source of a request is noted as in the program, for the limits that go by it, which
//! the bench had left out: 1,700 instructions less, though noting it takes 1,000. In the rate nothing is seen of that (77 % both ways, in turns, without
//! link-time optimisation). By perf the surplus is flat: a quarter is the system's, at the same calls, a fifteenth copies, as much the allocator,
//! less than a thirtieth each the hashing of a token and the looking up of what is known of it. 85 % needs two fifths of it gone.
//!
//! `cargo bench -p countersign-bench-tests --bench protection -- --write-readme` puts the table into
//! the README of the `resource` crate.

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
