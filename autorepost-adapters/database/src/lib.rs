//! autorepost-database
