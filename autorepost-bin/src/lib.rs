//! autorepost-bin
