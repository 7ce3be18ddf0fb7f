//! The proxy: workers on threads of their own, and the main thread, which has VMs but no streams.

use crate::callouts::{self, Clusters};
use crate::exchange;
use crate::options::Options;
use crate::plugins::Loader;
use crate::upstream::{self, Upstream};
use anyhow::{Context, Result, anyhow};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use palisade_host::{CalloutId, Effect, Frame, Limits, Plugin, Shared, Worker};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, LocalSet};
use tokio_rustls::TlsAcceptor;

/// How often timers, queues and new plugins are looked for.
const BEAT: Duration = Duration::from_millis(10);
/// How often `--watch` looks at the files.
const GLANCE: Duration = Duration::from_millis(200);

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

/// One worker's part of the proxy.
pub(crate) struct Lane {
    pub worker: RefCell<Worker>,
    /// Where a stream's response goes.
    pub clients: RefCell<BTreeMap<u64, UnboundedSender<Frame>>>,
    /// The requests that streams have at the upstream.
    pub requests: RefCell<BTreeMap<(u64, u32), upstream::Sending>>,
    pub callouts: RefCell<BTreeMap<CalloutId, AbortHandle>>,
    pub upstream: Upstream,
    pub clusters: Clusters,
    pub route: String,
    pub normalize_path: bool,
    pub listener: SocketAddr,
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
            let worker = Worker::new(index, shared, limits);
            let outcome = work(&options, worker, listeners, &plugins, &updates, &ready, &stop);
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
    pub(crate) fn run(self, loader: &Loader, stop: &AtomicBool) -> Result<()> {
        let Self { shared, limits, options, main, workers } = self;
        let lane = Rc::new(Lane::new(&options, main));
        let update = || {
            let plugins = loader.load()?;
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
            let mut stamp = loader.stamp();
            let mut since = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(BEAT).await;
                lane.beat();
                since = since.saturating_add(BEAT);
                if !options.watch || since < GLANCE {
                    continue;
                }
                since = Duration::ZERO;
                let now = loader.stamp();
                if now != stamp {
                    match update() {
                        Ok(()) => eprintln!("palisade serve: the files have changed and are in effect"),
                        Err(error) => {
                            eprintln!("palisade serve: the files have changed, and what was stays in effect: {error:#}")
                        }
                    }
                    stamp = now;
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
    updates: &mpsc::Receiver<Vec<Plugin>>,
    ready: &mpsc::Sender<Result<()>>,
    stop: &AtomicBool,
) -> Result<()> {
    worker.load(plugins)?;
    let lane = Rc::new(Lane::new(options, worker));
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        for (listener, tls) in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::task::spawn_local(accept(Rc::clone(&lane), listener, tls));
        }
        // The main thread waits for it.
        let _ = ready.send(Ok(()));
        beat(&lane, updates, stop).await;
        Ok(())
    })
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

async fn beat(lane: &Rc<Lane>, updates: &mpsc::Receiver<Vec<Plugin>>, stop: &AtomicBool) {
    let mut draining = None;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(BEAT).await;
        while let Ok(plugins) = updates.try_recv() {
            let mut worker = lane.worker.borrow_mut();
            if let Err(error) = worker.load(&plugins) {
                eprintln!("palisade serve: what was stays in effect on a worker: {error}");
            }
            draining = Some(worker.next_stream());
        }
        if let Some(first) = draining {
            let mut worker = lane.worker.borrow_mut();
            if worker.oldest_stream().is_none_or(|oldest| oldest >= first) {
                worker.drain();
                draining = None;
            }
        }
        lane.beat();
    }
}

// === impl Lane ===

impl Lane {
    fn new(options: &Options, worker: Worker) -> Self {
        Self {
            worker: RefCell::new(worker),
            clients: RefCell::default(),
            requests: RefCell::default(),
            callouts: RefCell::default(),
            upstream: Upstream::new(&options.upstream),
            clusters: Clusters::new(&options.cluster),
            route: options.route.clone(),
            normalize_path: options.normalize_path,
            listener: options.listen,
        }
    }

    /// Does what is due.
    fn beat(self: &Rc<Self>) {
        self.act(|worker| {
            worker.run_timers();
            worker.queues();
        });
    }

    /// Acts on the worker, and carries out what follows.
    pub(crate) fn act<T>(self: &Rc<Self>, act: impl FnOnce(&mut Worker) -> T) -> T {
        let (outcome, effects) = {
            let mut worker = self.worker.borrow_mut();
            let outcome = act(&mut worker);
            (outcome, worker.effects())
        };
        for effect in effects {
            self.carry_out(effect);
        }
        outcome
    }

    fn carry_out(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Upstream { stream, request, frame } => upstream::send(self, stream, request, frame),
            Effect::Downstream { stream, frame } => {
                if let Some(client) = self.clients.borrow().get(&stream) {
                    // A client that has gone is noticed elsewhere.
                    let _ = client.send(frame);
                }
            }
            Effect::Ended { stream } => {
                self.clients.borrow_mut().remove(&stream);
                self.requests.borrow_mut().retain(|(of, _), _| *of != stream);
            }
            Effect::Callout(id, callout) => callouts::send(self, id, callout),
            Effect::Cancelled(id) => {
                if let Some(task) = self.callouts.borrow_mut().remove(&id) {
                    task.abort();
                }
            }
            Effect::GrpcSend(id, ..) => {
                eprintln!("palisade serve: gRPC streams are not supported here: {id:?}");
            }
        }
    }
}

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}
