//! Tests of data channels between two whole engines.
