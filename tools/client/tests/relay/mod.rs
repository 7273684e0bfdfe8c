// A relay in a thread of this process, for tests and for examples that are tried. It is included in both.

/// Starts a relay, lets `with` use it by its address, and ends it. One at a time in a process: it ends by a signal.
pub(crate) fn with_relay(with: impl FnOnce(String) -> Result<(), mnm_client::Error>) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let data = tempfile::tempdir().expect("a temporary directory");
    let overrides = mnm::config::Overrides {
        config: None,
        data: Some(data.path().to_owned()),
        listen: vec!["127.0.0.1:0".to_owned()],
        log: Some(log::LevelFilter::Off),
    };
    let config = mnm::config::Config::load_in(data.path(), &data.path().join("none"), &overrides).expect("defaults");
    let (tell, told) = std::sync::mpsc::channel();
    let relay = std::thread::spawn(move || {
        mnm::server::run_and_tell(&config, |addresses| tell.send(addresses[0].to_string()).expect("somebody waits")).expect("it runs")
    });
    let address = told.recv().expect("the relay is ready");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| with(address)));
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).expect("a signal to oneself");
    relay.join().expect("the relay ends");
    match result {
        Ok(result) => result.expect("the relay does what it is asked"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
