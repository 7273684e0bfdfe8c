// A relay in a thread of this process, for tests and for examples that are tried. It is included in both.

/// Starts a relay, lets `with` use it by its address, and ends it.
pub(crate) fn with_relay(with: impl FnOnce(String) -> Result<(), mnm_client::Error>) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let config = mnm::config::Config {
        data: data.path().to_owned(),
        listen: vec![mnm::config::Listen::at(([127, 0, 0, 1], 0))],
        ..mnm::config::Config::default()
    };
    let relay = mnm::embed::Relay::start(config).expect("it serves");
    // A panic of a test ends it too.
    with(relay.addresses()[0].socket.to_string()).expect("the relay does what it is asked");
    relay.stop().expect("it ends well");
}
