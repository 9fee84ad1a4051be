//! Server processes. They are started by one thread that lives as long as this process, because the kernel's parent-death signal is
//! sent when the *thread* that started the child ends.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError, mpsc},
    time::Duration,
};
use tokio::sync::oneshot;

type Order = (Command, oneshot::Sender<std::io::Result<Child>>);

static KEEPER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, taken) = mpsc::channel::<Order>();
    let keep = move || {
        for (mut command, answer) in taken {
            let _ = answer.send(command.spawn());
        }
    };
    std::thread::Builder::new().name("keeper".into()).spawn(keep).expect("a thread");
    orders
});

/// Starts a command on the thread that lives as long as this process.
pub(crate) async fn spawn(command: Command) -> std::io::Result<Child> {
    let (answer, spawned) = oneshot::channel();
    KEEPER.send((command, answer)).expect("the keeper lives as long as we do");
    spawned.await.expect("the keeper answers")
}

/// A server; killed when dropped, and when this process ends in any way.
#[derive(Debug)]
pub(crate) struct Server {
    child: Mutex<Child>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// How many lines of a server's output are kept for a failure's message.
const LINES_KEPT: usize = 60;
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(60);

impl Server {
    /// Runs `program` with the identity of `user`, or ours, and returns when it has printed a line that contains `ready`.
    pub(crate) async fn start(user: Option<&str>, program: &str, args: &[String], ready: &'static str) -> Result<Self, String> {
        let mut command = Command::new("setpriv");
        if let Some(user) = user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--", program]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command).await.map_err(|error| format!("setpriv {program}: {error}"))?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (tell, told) = oneshot::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        listen(child.stdout.take(), ready, &said, &tell);
        listen(child.stderr.take(), ready, &said, &tell);
        drop(tell);
        let server = Self { child: Mutex::new(child), said };
        match tokio::time::timeout(START_MAX, told).await {
            Ok(Ok(())) => Ok(server),
            _ => Err(format!("{program} did not start:\n{}", server.said())),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Ends it without a word, and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut child = self.child();
        drop(child.kill());
        drop(child.wait());
    }

    /// Asks it to end, and waits until it has. Answers its exit code.
    ///
    /// # Panics
    /// When it has not ended after a minute.
    pub(crate) async fn terminate(&self) -> Option<i32> {
        let pid = self.pid().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(told.success(), "kill -TERM {pid}");
        let mut code = None;
        super::eventually("the process ends after SIGTERM", END_MAX, async || {
            code = self.child().try_wait().expect("our child");
            code.is_some()
        })
        .await;
        code.and_then(|status| status.code())
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

type Tell = Arc<Mutex<Option<oneshot::Sender<()>>>>;

fn listen(from: Option<impl Read + Send + 'static>, ready: &'static str, said: &Arc<Mutex<VecDeque<String>>>, tell: &Tell) {
    let (from, said, tell) = (from.expect("piped"), Arc::clone(said), Arc::clone(tell));
    let listen = move || {
        let mut tell = Some(tell);
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if line.contains(ready)
                && let Some(tell) = tell.take().and_then(|tell| tell.lock().unwrap_or_else(PoisonError::into_inner).take())
            {
                let _ = tell.send(());
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(line);
            if said.len() > LINES_KEPT {
                said.pop_front();
            }
        }
    };
    std::thread::Builder::new().name("listener".into()).spawn(listen).expect("a thread");
}

/// A port of the loopback that nobody listens on now. Another process may take it before the server does: starts are tried again.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
