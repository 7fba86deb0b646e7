//! Tests of the whole: every flow with its table of refusals, over real sockets and TLS, at a clock
//! that is passed in. They stand in `tests/`, one file per flow or table of the protocol's test
//! cases; the names of tests and rows carry the case's number.
