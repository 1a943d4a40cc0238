//! The HTTP interface: on in-memory ports, request by request; and as a process.

mod consent;
mod contract;
mod house;
mod limits;
mod paging;
mod process;
mod repeat;
mod trouble;
mod webhooks;
