//! `tickwheel venue` as a process of its own: started, asked over plain HTTP, ended.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use engine::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::{Ended, command};

/// No answer of a venue takes longer, even on a busy machine.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// A running venue. Killed when it is dropped.
#[derive(Debug)]
pub struct VenueProcess {
    child: Child,
    line: Value,
}

impl VenueProcess {
    /// Starts `tickwheel venue --listen 127.0.0.1:0 --json` with more options and waits until it serves.
    pub fn start(options: &[&str]) -> VenueProcess {
        let mut command = command(&["venue", "--listen", "127.0.0.1:0", "--json"]);
        command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was just built");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let parsed = serde_json::from_str(&line);
        let Ok(line) = parsed else {
            let ended = end(child);
            panic!("the venue does not serve: {line:?}, {ended:?}");
        };
        VenueProcess { child, line }
    }

    /// What it printed.
    pub fn line(&self) -> &Value {
        &self.line
    }

    /// Address of its REST interface.
    pub fn rest(&self) -> &str {
        self.line["rest"].as_str().expect("the line has it")
    }

    /// Key and secret of an account.
    pub fn account(&self, index: usize) -> (String, String) {
        let account = &self.line["accounts"][index];
        let text = |key: &str| account[key].as_str().expect("the line has it").to_string();
        (text("api_key"), text("secret"))
    }

    /// The JSON that a GET answers, whatever its status is.
    pub fn get(&self, target: &str) -> Value {
        self.ask("GET", target, "", "")
    }

    /// Adds faults, one JSON object a line.
    pub fn add_faults(&self, script: &str) {
        let answer = self.ask("POST", "/tickwheel/faults", "", script);
        assert!(answer["added"].is_u64(), "{answer}");
    }

    /// A limit order of an account, placed by hand; what the venue answers.
    pub fn place_order(
        &self,
        account: usize,
        (symbol, side): (&str, &str),
        (price, quantity): (&str, &str),
    ) -> Value {
        let (api_key, secret) = self.account(account);
        let signer = binance::sign::Signer::hmac(&secret).expect("a key of the venue");
        let now_ms = Clock::new().now_ns() / 1_000_000;
        let mut query = format!(
            "symbol={symbol}&side={side}&type=LIMIT&timeInForce=GTC&price={price}\
             &quantity={quantity}&recvWindow=60000&timestamp={now_ms}"
        );
        let signed = query.clone();
        query.push_str("&signature=");
        signer.sign_encoded(signed.as_bytes(), &mut query);
        let headers = format!("X-MBX-APIKEY: {api_key}\r\n");
        self.ask("POST", &format!("/api/v3/order?{query}"), &headers, "")
    }

    /// The JSON that a command to the venue itself answers, whatever its status is.
    pub fn command(&self, method: &str, target: &str, body: &str) -> Value {
        self.ask(method, target, "", body)
    }

    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Value {
        let host = self.rest().strip_prefix("http://").expect("a plain address");
        let mut socket = TcpStream::connect(host).expect("it serves");
        socket.set_read_timeout(Some(ANSWER_WAIT)).expect("not zero");
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("it closes after the answer");
        let answer = String::from_utf8(answer).expect("a text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("head and body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
    }

    /// Everything that it knows: accounts, orders, fills, books.
    pub fn state(&self) -> Value {
        self.get("/tickwheel/state")
    }

    /// Asks it to end and waits.
    pub fn terminate(mut self) -> Ended {
        let _sent = kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok();
        wait(&mut self.child)
    }

    /// Ends it without asking.
    pub fn kill(self) {
        drop(self);
    }
}

fn wait(child: &mut Child) -> Ended {
    let mut stderr = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        let _size = pipe.read_to_string(&mut stderr).unwrap_or(0);
    }
    let status = child.wait().expect("our own child");
    Ended { code: status.code(), stdout: String::new(), stderr }
}

fn end(mut child: Child) -> Ended {
    let _killed = child.kill().is_ok();
    wait(&mut child)
}

impl Drop for VenueProcess {
    fn drop(&mut self) {
        let _killed = self.child.kill().is_ok();
        let _status = self.child.wait().is_ok();
    }
}
