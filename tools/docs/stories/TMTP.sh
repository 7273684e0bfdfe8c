# shellcheck shell=bash
# What the blocks of docs/TMTP.md take for granted: a relay, and two members as docs/OPERATING.md leaves them.

first() {
    tmtp invite "machine room" "bob the builder"
    tmtp --profile bob join "machine room"
}

on_another_machine() {
    export TMTP_PROFILE=bob
}

last() {
    timeout 20 bash -c "until journalctl -t tmtp | grep 'load average'; do sleep 0.1; done"
}
