//! The proxy: workers on threads of their own, and the main thread, which has VMs but no streams.

use crate::exchange;
use crate::lane::{BEAT, Lane, LocalExecutor};
use crate::options::Options;
use crate::outside::Outside;
use crate::plugins::Loader;
use crate::say::say;
use crate::usage;
use anyhow::{Context, Result, anyhow};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use palisade_host::{Limits, Plugin, Shared, Worker};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

/// Every how many beats `--watch` looks at the files.
const GLANCE: u32 = 5;
/// Every how many beats workers publish what their VMs have used.
const PUBLISH: u32 = 10;

/// Where connections come from, and whether with TLS.
pub(crate) type Listener = (TcpListener, Option<TlsAcceptor>);

/// A proxy that listens.
pub(crate) struct Started {
    shared: Arc<Shared>,
    limits: Limits,
    options: Options,
    main: Worker,
    workers: Vec<mpsc::Sender<Vec<Plugin>>>,
}

/// Starts canary, main thread and workers.
pub(crate) fn start(
    options: &Options,
    shared: &Arc<Shared>,
    listeners: &[Listener],
    plugins: Vec<Plugin>,
    stop: &Arc<AtomicBool>,
) -> Result<Started> {
    let limits = options.limits();
    prove(shared, &limits, &plugins)?;
    let mut main = Worker::new(0, Arc::clone(shared), limits.clone());
    main.load(&plugins)?;
    for (listener, _) in listeners {
        listener.set_nonblocking(true)?;
    }
    let (ready, started) = mpsc::channel();
    let mut workers = Vec::new();
    for index in 1..=options.workers.max(1) {
        let own = |(listener, tls): &Listener| listener.try_clone().map(|listener| (listener, tls.clone()));
        let listeners: Vec<_> = listeners.iter().map(own).collect::<Result<_, _>>()?;
        let (plugins, ready) = (plugins.clone(), ready.clone());
        let (sender, updates) = mpsc::channel();
        let lane = (options.clone(), Arc::clone(shared), limits.clone());
        let stop = Arc::clone(stop);
        thread::Builder::new().name(format!("worker {index}")).spawn(move || {
            let (options, shared, limits) = lane;
            let worker = Worker::new(index, Arc::clone(&shared), limits);
            let thread = Thread { index, shared: &shared, updates: &updates, ready: &ready, stop: &stop };
            let outcome = work(&options, worker, listeners, &plugins, thread);
            // The main thread may be gone.
            let _ = ready.send(outcome);
        })?;
        workers.push(sender);
    }
    for _ in &workers {
        started.recv().context("a worker ended")??;
    }
    Ok(Started { shared: Arc::clone(shared), limits, options: options.clone(), main, workers })
}

/// A VM that is thrown away shows whether the plugins take their configurations.
fn prove(shared: &Arc<Shared>, limits: &Limits, plugins: &[Plugin]) -> Result<()> {
    Ok(Worker::new(0, Arc::clone(shared), limits.clone()).load(plugins)?)
}

impl Started {
    /// Runs the main thread's timers, and takes over what has changed, until it is to stop.
    pub(crate) fn run(self, loader: &mut Loader, stop: &AtomicBool) -> Result<()> {
        let Self { shared, limits, options, main, workers } = self;
        let (lane, effects) = Lane::new(&options, main);
        let take_over = |plugins: Vec<Plugin>| {
            prove(&shared, &limits, &plugins)?;
            lane.act(|main| main.load(&plugins))?;
            lane.act(Worker::drain);
            for worker in &workers {
                worker.send(plugins.clone()).map_err(|_| anyhow!("a worker ended"))?;
            }
            anyhow::Ok(())
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            tokio::task::spawn_local(Outside::new(&options, Rc::clone(&lane)).run(effects));
            let mut beats = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(BEAT).await;
                lane.beat();
                beats = beats.wrapping_add(1);
                if !options.watch || !beats.is_multiple_of(GLANCE) {
                    continue;
                }
                match loader.load_if_changed().map(|plugins| plugins.and_then(take_over)) {
                    None => {}
                    Some(Ok(())) => say!("the files have changed and are in effect"),
                    Some(Err(error)) => say!("the files have changed, and what was stays in effect: {error:#}"),
                }
            }
        });
        Ok(())
    }
}

fn work(
    options: &Options,
    mut worker: Worker,
    listeners: Vec<Listener>,
    plugins: &[Plugin],
    thread: Thread<'_>,
) -> Result<()> {
    worker.load(plugins)?;
    let (lane, effects) = Lane::new(options, worker);
    let outside = Outside::new(options, Rc::clone(&lane));
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        tokio::task::spawn_local(outside.run(effects));
        for (listener, tls) in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::task::spawn_local(accept(Rc::clone(&lane), listener, tls));
        }
        // The main thread waits for it.
        let _ = thread.ready.send(Ok(()));
        beat(&lane, &thread).await;
        Ok(())
    })
}

/// What a worker's thread has of the main thread.
struct Thread<'a> {
    index: usize,
    shared: &'a Shared,
    updates: &'a mpsc::Receiver<Vec<Plugin>>,
    ready: &'a mpsc::Sender<Result<()>>,
    stop: &'a AtomicBool,
}

async fn accept(lane: Rc<Lane>, listener: tokio::net::TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(BEAT).await;
            continue;
        };
        // A small answer must not wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (lane, tls) = (Rc::clone(&lane), tls.clone());
        tokio::task::spawn_local(async move {
            match tls {
                None => connection(lane, stream, peer).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(lane, stream, peer).await;
                    }
                }
            }
        });
    }
}

async fn connection(lane: Rc<Lane>, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: SocketAddr) {
    let service = hyper::service::service_fn(|request| exchange::serve(Rc::clone(&lane), request, peer));
    // The client sees how its connection ended.
    let _ = auto::Builder::new(LocalExecutor).serve_connection(TokioIo::new(stream), service).await;
}

async fn beat(lane: &Rc<Lane>, thread: &Thread<'_>) {
    let mut draining = None;
    let mut beats = 0_u32;
    while !thread.stop.load(Ordering::Relaxed) {
        tokio::time::sleep(BEAT).await;
        while let Ok(plugins) = thread.updates.try_recv() {
            let (loaded, next) = lane.act(|worker| (worker.load(&plugins), worker.next_stream()));
            if let Err(error) = loaded {
                say!("what was stays in effect on a worker: {error}");
            }
            draining = Some(next);
        }
        if draining.is_some_and(|first| lane.act(|worker| worker.oldest_stream().is_none_or(|oldest| oldest >= first)))
        {
            lane.act(Worker::drain);
            draining = None;
        }
        lane.beat();
        if beats.is_multiple_of(PUBLISH) {
            lane.act(|worker| usage::publish(thread.shared, thread.index, worker));
        }
        beats = beats.wrapping_add(1);
    }
}
