//! The demonstration's last step: the status page, on what the runs have left in the store.

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ureq::Agent;

use crate::build::Binaries;
use crate::shell::Service;
use crate::{simulators, tool};

/// Compiling the component, the first time.
const LONGEST: Duration = Duration::from_mins(2);

/// The page, served until this is dropped.
pub struct Page {
    url: String,
    process: Service,
}

impl Page {
    /// Serves the page on the store in `state`, and makes sure that its probe succeeds.
    pub fn serve(binaries: &Binaries, state: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let manifest = binaries.application.join("spin-status.toml");
        let mut command = simulators::host(&binaries.host, "up", &manifest, state);
        command.arg("--state-dir").arg(state).args(["--listen", &format!("127.0.0.1:{port}")]);
        let process = Service::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let page = Self { url: format!("http://127.0.0.1:{port}/"), process };
        let began = Instant::now();
        loop {
            match page.probe() {
                Ok(says) => {
                    println!("  {}  {says}", page.url);
                    return Ok(page);
                }
                Err(why) if began.elapsed() > LONGEST => bail!("the page is not served: {why}"),
                Err(_) => {}
            }
            ensure!(page.process.exited()?.is_none(), "the status page's process has ended");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn probe(&self) -> Result<String> {
        let agent: Agent = Agent::config_builder().proxy(None).build().into();
        let mut answer = agent.get(&format!("{}healthz", self.url)).call()?;
        Ok(answer.body_mut().read_to_string()?.trim().to_owned())
    }

    /// Keeps the page up until somebody has seen it, where somebody is there; `open` shows it in a browser.
    pub fn show(self, open: bool) -> Result<()> {
        if open {
            let opener = ["xdg-open", "open"].into_iter().find(|name| tool::found(name));
            match opener {
                Some(opener) => _ = Command::new(opener).arg(&self.url).status(),
                None => {
                    eprintln!("  neither xdg-open nor open is on PATH: open the address yourself");
                }
            }
        }
        if open || std::io::stdin().is_terminal() {
            println!("  The page stays up until Enter or Ctrl-C.");
            std::io::stdin().read_line(&mut String::new())?;
        } else {
            println!("  The page ends here; with --open it stays up, and is shown.");
        }
        Ok(())
    }
}
