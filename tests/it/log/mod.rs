//! The log as an interface: its catalogue, what is really emitted, and the questions it answers.

mod catalogue;
mod questions;
mod scenario;
