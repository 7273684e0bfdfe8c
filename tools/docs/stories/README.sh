# shellcheck shell=bash
# What the README's blocks take for granted.

first() {
    # That `tmtp` is installed, for which the README gives the command.
    PATH=$CARGO_TARGET_DIR/release:$PATH
}

a_report() {
    head -c 48213 /dev/urandom >report.pdf
}

last() {
    cmp report.pdf inbox/*-report.pdf
    grep -q "<svg" report/index.html
}
