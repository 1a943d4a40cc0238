//! autorepost-sandbox
