//! The in-memory ports keep their contracts.

use std::sync::Arc;

use autorepost_core::{
    conformance::{Case, Stores},
    memory::{Memory, MemoryMedia},
    port::MediaStore,
};

use crate::support::block_on;

fn run(case: fn(Stores) -> Case) {
    let memory = Memory::new();
    block_on(case(Stores {
        connections: memory.clone(),
        rules: memory.clone(),
        posts: memory.clone(),
        reposts: memory.clone(),
        jobs: memory,
    }));
}

autorepost_core::store_conformance!(run);

fn run_media(case: fn(Arc<dyn MediaStore>) -> Case) {
    block_on(case(Arc::new(MemoryMedia::default())));
}

autorepost_core::media_conformance!(run_media);
