//! autorepost-platforms
