//! Tenants, keys to the HTTP interface, and the addresses that are told what happens.

use autorepost_core::{access::Role, webhook::EventType};
use clap::{Args, Subcommand};

/// What can be done with tenants.
#[derive(Subcommand)]
pub enum Tenants {
    /// Adds a tenant. Its accounts and rules are made through the HTTP interface.
    Add {
        /// A name for it.
        name: String,
    },
    /// Lists the tenants. "owner" is there from the start: the other commands work for it.
    List,
}

/// Options of `api-keys add`.
#[derive(Args)]
pub struct AddKey {
    /// A name for it.
    pub name: String,
    /// viewer (looks), operator (works) or admin (gives out keys).
    #[arg(long, default_value_t = Role::Operator, default_value_if("installation", "true", "admin"))]
    pub role: Role,
    /// The tenant that it acts for, by name or id; "owner" without it.
    #[arg(long, value_name = "TENANT", conflicts_with = "installation")]
    pub tenant: Option<String>,
    /// Make it an admin's key to the whole installation: it acts in any tenant, and adds tenants.
    #[arg(long)]
    pub installation: bool,
}

/// What can be done with the addresses that are told what happens.
#[derive(Subcommand)]
pub enum Webhooks {
    /// Adds an address, and shows the secret that signs its messages this once.
    Add {
        /// Where messages go: an https address.
        url: String,
        /// Tell it of this only; may be repeated. Everything without it.
        #[arg(long, value_name = "EVENT")]
        event: Vec<EventType>,
    },
    /// Lists the addresses.
    List,
    /// Removes an address: it is told nothing more.
    Remove {
        /// Its id.
        id: String,
    },
    /// Gives an address a new secret, and shows it this once; the one before signs as well for a day.
    Rotate {
        /// Its id.
        id: String,
    },
    /// Sends an address a test message now.
    Test {
        /// Its id.
        id: String,
    },
}

/// What can be done with keys to the HTTP interface.
#[derive(Subcommand)]
pub enum ApiKeys {
    /// Makes a key, and shows its text this once.
    Add(AddKey),
    /// Lists all keys.
    List,
    /// Revokes a key at once.
    Revoke {
        /// The key's id, which is also the part of its text between the underscores.
        id: String,
    },
}
