//! A world for tests: documents by URL, a clock that is set, a count of what was asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_types::{Clock, Timestamp};
use http::{Response, StatusCode};

/// What a URL answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Body(String),
    Status(u16),
    Timeout,
    Refused,
    Redirect,
    TooLarge,
    ContentType,
}

impl Answer {
    pub(crate) fn body(text: impl Into<String>) -> Self {
        Self::Body(text.into())
    }

    fn give(self) -> Result<Response<Bytes>, FetchError> {
        match self {
            Self::Body(text) => Ok(Response::new(text.into())),
            Self::Status(code) => Err(FetchError::Status(StatusCode::from_u16(code).unwrap())),
            Self::Timeout => Err(FetchError::Timeout),
            Self::Refused => Err(FetchError::Refused { host: "x".to_owned() }),
            Self::Redirect => Err(FetchError::Redirect),
            Self::TooLarge => Err(FetchError::TooLarge),
            Self::ContentType => Err(FetchError::ContentType),
        }
    }
}

/// Everything that can be fetched; what is not there is 404.
#[derive(Default)]
pub(crate) struct World {
    answers: Mutex<HashMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
    seconds: AtomicI64,
    waiting: AtomicUsize,
    gate: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let world = Self::default();
        world.seconds.store(1_800_000_000, Ordering::SeqCst);
        Arc::new(world)
    }

    pub(crate) fn set(&self, url: &str, answer: Answer) -> &Self {
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
        self
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// From now on answers wait until the returned gate has permits.
    pub(crate) fn close_gate(&self) -> Arc<tokio::sync::Semaphore> {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// How many requests have been let in to wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.seconds.load(Ordering::SeqCst))
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let url = request.url.to_string();
            self.asked.lock().unwrap().push(url.clone());
            let gate = self.gate.lock().unwrap().clone();
            if let Some(gate) = gate {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                drop(gate.acquire().await.unwrap());
            }
            let answer = self.answers.lock().unwrap().get(&url).cloned();
            answer.unwrap_or(Answer::Status(404)).give()
        })
    }
}
