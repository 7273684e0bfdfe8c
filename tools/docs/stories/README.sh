# shellcheck shell=bash
# What the README's blocks take for granted.

: "${scratch:?is set by tools/docs/blocks}"

first() {
    # That `tmtp` is installed, for which the README gives the command.
    PATH=$CARGO_TARGET_DIR/release:$PATH
}

a_report() {
    head -c 48213 /dev/urandom >report.pdf
}

# What the document shows below those five lines.
the_session() {
    sed '1,/^tmtp --profile bob recv/d' "${document:?}" | sed -n '/^```text/,/^```/{/^```/!p}' >"$scratch/captured"
    [ -s "$scratch/captured" ]
    diff <(shape <"$scratch/captured") <(shape <"$scratch/said")
}

last() {
    cmp report.pdf inbox/*-report.pdf
    grep -q "<svg" report/index.html
    # CI does this nowhere else.
    grep -q "^cargo run --release -p simulate -- --seeds 0\.\." "$scratch/script"
}
