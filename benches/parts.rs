//! `cargo bench -p autorepost-benches`.

use autorepost_benches::{BATCH, Queue, Sealing, one_post};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be started")
}

fn jobs(criterion: &mut Criterion) {
    let runtime = runtime();
    let queue = runtime.block_on(Queue::new()).expect("a queue can be made");
    let mut group = criterion.benchmark_group("jobs on SQLite");
    group.sample_size(20).throughput(Throughput::Elements(BATCH.into()));
    group.bench_function("enqueue, claim and finish a batch", |bencher| {
        bencher.iter(|| {
            let done = runtime.block_on(queue.batch()).expect("the queue works");
            assert_eq!(done, BATCH as usize);
        });
    });
    group.finish();
}

fn post(criterion: &mut Criterion) {
    let runtime = runtime();
    criterion.bench_function("one post on in-memory ports", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(one_post()).expect("the ports work"), 1));
    });
}

fn sealing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal and open");
    for bytes in [200, 8_000] {
        let sealing = Sealing::new(bytes).expect("the key is right");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &sealing, |bencher, sealing| {
            bencher.iter(|| sealing.there_and_back().expect("it opens"));
        });
    }
    group.finish();
}

criterion_group!(parts, jobs, post, sealing);
criterion_main!(parts);
