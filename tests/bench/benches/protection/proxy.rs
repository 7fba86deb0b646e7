//! A proxy that looks at everything, and one that looks at nothing.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use countersign_bench_tests::{Effort, load, median, processor_time};
use countersign_host::server::{self, Bodies, Served};
use countersign_resource::proxy::{CallerHeaders, ProxyLimits, Upstream};
use countersign_resource::{ProtectLayer, Proxy};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::runtime::Runtime;
use tower_layer::Layer as _;

use crate::issuer::{self, Issuer};

/// Connections to the proxies at a time.
const CONNECTIONS: usize = 64;
/// The service's answer, in octets.
const ANSWER: usize = 1024;

/// What a proxy makes of a load.
#[derive(Clone, Copy)]
struct Cost {
    /// Requests per second.
    rate: f64,
    /// Processor time of the whole process per request, in microseconds.
    processor: f64,
}

/// Medians over the rounds.
pub(crate) struct Shares {
    /// The bare proxy's requests per second.
    pub(crate) bare: f64,
    /// Ours.
    pub(crate) ours: f64,
    /// Ours by the bare one's.
    pub(crate) share: f64,
    /// The same of processor time, generator and service included: the bare one's by ours.
    pub(crate) by_processor: f64,
}

pub(crate) fn measure(effort: Effort, issuer: &Issuer) -> Shares {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let service = serve(&runtime, async |_| {
        let answer = Response::new(Full::new(Bytes::from(vec![b'x'; ANSWER])));
        Ok::<_, Infallible>(answer)
    });
    let bare = bare_proxy(&runtime, service);
    let ours = our_proxy(&runtime, service, issuer);

    let requests: Vec<Vec<u8>> = (0..effort.of(2000, 64))
        .map(|_| load::get("/albums/7?size=large", &issuer.token()))
        .collect();
    // From here on every token was seen before.
    ask(ours, &requests);
    ask(bare, &requests);
    let round = |round: usize| {
        if round.is_multiple_of(2) {
            let ours = ask(ours, &requests);
            (ask(bare, &requests), ours)
        } else {
            (ask(bare, &requests), ask(ours, &requests))
        }
    };
    let rounds: Vec<(Cost, Cost)> = (0..effort.of(41, 1)).map(round).collect();
    let of = |value: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(value).collect());
    Shares {
        bare: of(|(bare, _)| bare.rate),
        ours: of(|(_, ours)| ours.rate),
        share: of(|(bare, ours)| ours.rate / bare.rate),
        by_processor: of(|(bare, ours)| bare.processor / ours.processor),
    }
}

/// Each request has to reach the service.
fn ask(server: SocketAddr, requests: &[Vec<u8>]) -> Cost {
    let before = processor_time();
    let answers = load::run(server, CONNECTIONS, requests).unwrap();
    let processor = processor_time().saturating_sub(before);
    for (status, body) in &answers.answers {
        assert_eq!((*status, body.len()), (200, ANSWER), "{}", String::from_utf8_lossy(body));
    }
    let processor = processor.as_secs_f64() * 1e6 / requests.len() as f64;
    Cost { rate: answers.rate(), processor }
}

/// As `resource-server --protect` puts it together.
fn our_proxy(runtime: &Runtime, service: SocketAddr, issuer: &Issuer) -> SocketAddr {
    let upstream = Upstream::parse(&format!("http://{service}")).unwrap();
    let (callers, limits) = (CallerHeaders::default(), ProxyLimits::default());
    let proxy = {
        let _inside = runtime.enter();
        Proxy::new(upstream, &issuer::identifier(), callers, limits)
    };
    let layer = ProtectLayer::new(issuer.access_tokens(), crate::routes()).unwrap();
    let served = Served::by(layer.layer(proxy));
    let streamed = server::Service::new(served).with_bodies(Bodies::Streamed);
    let listener = server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let plain = server::danger::plain_http();
    runtime.spawn(server::serve(listener, plain, streamed, std::future::pending()));
    address
}

/// Hyper's server and hyper-util's client, as they come.
fn bare_proxy(runtime: &Runtime, service: SocketAddr) -> SocketAddr {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let authority: Authority = service.to_string().parse().unwrap();
    serve(runtime, move |mut request: Request<Incoming>| {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(authority.clone());
        *request.uri_mut() = Uri::from_parts(uri).unwrap();
        let client = client.clone();
        async move { client.request(request).await }
    })
}

/// Serves without anything around it.
fn serve<S, F, B, E>(runtime: &Runtime, service: S) -> SocketAddr
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(service.clone());
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // It ends when the generator closes it.
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    address
}
