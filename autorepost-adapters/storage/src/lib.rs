//! autorepost-storage
