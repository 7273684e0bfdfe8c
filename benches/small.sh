#!/usr/bin/env bash
# The relay on a small machine: a quarter of one core and 32 MiB of memory, with 50 members; then what many idle links take.
#
# The limits are a cgroup's (version 1 or 2; root), or systemd's where that runs. What is in the page cache counts there as well, and is
# given back by the kernel when memory is short: so the peak nears the limit on any relay that writes enough. What must not happen
# is an OOM kill. The tester is not limited. One address has some 28 000 ports to another, so for more links the relay listens on
# 127.0.0.1, 127.0.0.2 and so on, with a tester each. Exit status: 0 all well, 1 something was not, 77 no limits can be set here.
set -euo pipefail

usage() {
    cat <<'END'
usage: benches/small.sh [--links N] [--each N] [--seconds S] [--memory MIB] [--percent P] [--dir DIR] [--relay PROGRAM] [--tester "COMMAND"]

  --links N      idle links at the end (default 10000; 0: none)
  --each N       of them to one address at most (default 25000)
  --seconds S    how long 50 members post within the limits, in each of two scenarios (default 10)
  --memory MIB   the relay's memory (default 32)
  --percent P    its share of one core (default 25)
  --dir DIR      where its data is kept meanwhile (default: a temporary directory)
  --relay, --tester   programs that are built already; by default both are built with cargo
END
}

links=10000 each=25000 seconds=10 memory=32 percent=25 dir= relay= tester=
while (($#)); do
    case $1 in
        --links) links=$2 ;; --each) each=$2 ;; --seconds) seconds=$2 ;; --memory) memory=$2 ;; --percent) percent=$2 ;;
        --dir) dir=$2 ;; --relay) relay=$2 ;; --tester) tester=$2 ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift 2 || { usage >&2; exit 2; }
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z $relay || -z $tester ]]; then
    (cd "$root" && cargo build --quiet --release --package mnm --package simclient)
    relay=${relay:-${CARGO_TARGET_DIR:-$root/target}/release/mnm}
    tester=${tester:-${CARGO_TARGET_DIR:-$root/target}/release/simclient}
fi

# ---- What is left behind by nobody ----

base=$(mktemp -d "${dir:-${TMPDIR:-/tmp}}/mnm-small.XXXXXX")
name=mnm-small-$$
pid= unit= groups=()
clean_up() {
    local group
    stop_relay || true
    jobs -p | xargs -r kill 2>/dev/null || true
    for group in ${groups[@]+"${groups[@]}"}; do rmdir "$group" 2>/dev/null || true; done
    rm -rf "$base"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
trap 'echo "small.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR

row() { printf '%-59s %s\n' "$1" "$2"; }
fail() { echo "small.sh: $*" >&2; exit 1; }

stop_relay() {
    [[ -n $pid ]] || return 0
    kill "$pid" 2>/dev/null || true
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    # A cgroup stays busy for a moment after its last process.
    sleep 0.2
    pid=
}

# ---- Limits ----

# Which way there is to limit a process: v1, v2, systemd or none. Version 2 only where its root gives the controllers away.
way() {
    local v2=/sys/fs/cgroup
    if [[ -w /sys/fs/cgroup/memory/cgroup.procs && -w /sys/fs/cgroup/cpu/cgroup.procs ]]; then
        echo v1
    elif [[ -w $v2/cgroup.procs && " $(cat $v2/cgroup.subtree_control 2>/dev/null) " == *" memory "* && " $(cat $v2/cgroup.subtree_control) " == *" cpu "* ]]; then
        echo v2
    elif [[ -d /run/systemd/system ]] && systemd-run --quiet --scope true 2>/dev/null; then
        echo systemd
    else
        echo none
    fi
}

limit_v1() {
    groups=("/sys/fs/cgroup/memory/$name" "/sys/fs/cgroup/cpu/$name")
    mkdir "${groups[@]}"
    echo $((memory << 20)) >"${groups[0]}/memory.limit_in_bytes"
    # Where swap is counted it must not help out; where it is not there is no such file.
    [[ ! -w ${groups[0]}/memory.memsw.limit_in_bytes ]] || echo $((memory << 20)) >"${groups[0]}/memory.memsw.limit_in_bytes"
    echo 100000 >"${groups[1]}/cpu.cfs_period_us"
    echo $((percent * 1000)) >"${groups[1]}/cpu.cfs_quota_us"
}

limit_v2() {
    groups=("/sys/fs/cgroup/$name")
    mkdir "${groups[@]}"
    echo $((memory << 20)) >"${groups[0]}/memory.max"
    [[ ! -w ${groups[0]}/memory.swap.max ]] || echo 0 >"${groups[0]}/memory.swap.max"
    echo "$((percent * 1000)) 100000" >"${groups[0]}/cpu.max"
}

# Where the numbers of the limited relay stand.
group_of_relay() {
    case $way in
        systemd) echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")" ;;
        *) echo "${groups[0]}" ;;
    esac
}

peak() { cat "$1/memory.max_usage_in_bytes" 2>/dev/null || cat "$1/memory.peak" 2>/dev/null || echo 0; }
# Which of the two files is there depends on the version.
kills() { { cat "$1/memory.oom_control" "$1/memory.events" 2>/dev/null || true; } | sed -n 's/^oom_kill //p'; }
throttled() { sed -n 's/^nr_throttled //p' "${groups[1]:-$1}/cpu.stat"; }
status() { sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$pid/status"; }

# ---- The relay and its members ----

# start_relay WAY ADDRESS...: with no port given the first one's is the system's choice.
start_relay() {
    local way=$1 address listen=() tries
    shift
    for address; do listen+=(--listen "$address"); done
    data=$(mktemp -d "$base/data.XXXXXX")
    log=$data.log
    : >"$log"
    # In the data directory, so that no configuration is found.
    cd "$data"
    case $way in
        v1 | v2)
            bash -c 'for group; do [[ $group != -- ]] || break; echo $$ >"$group/cgroup.procs"; shift; done; shift; exec "$@"' \
                bash "${groups[@]}" -- "$relay" --data "$data" "${listen[@]}" 2>"$log" &
            ;;
        systemd)
            systemd-run --quiet --scope -p MemoryMax="${memory}M" -p MemorySwapMax=0 -p CPUQuota="$percent%" \
                "$relay" --data "$data" "${listen[@]}" 2>"$log" &
            ;;
        none) "$relay" --data "$data" "${listen[@]}" 2>"$log" & ;;
    esac
    pid=$!
    cd "$root"
    for ((tries = 0; tries < 300; tries++)); do
        ! grep -q 'ready$' "$log" || break
        kill -0 "$pid" 2>/dev/null || fail "the relay does not start: $(cat "$log")"
        sleep 0.1
    done
    addresses=($(sed -n 's/.*take the address =\([^"]*\)"*$/\1/p' "$log"))
    ((${#addresses[@]} > 0)) || fail "the relay does not say where it listens: $(cat "$log")"
}

# members ADDRESS SCENARIO...: what they report, in JSON, to $report; a broken promise ends all.
members() {
    local address=$1
    shift
    report=$base/report.json
    # Without a bound a relay that hangs would be waited for as long as its tester waits.
    timeout $((seconds * 2 + 120)) $tester "$@" --addr "$address" --quiet --json "$report" --pid "$pid" ||
        fail "$*: the relay did not do what it should (status $?): $(cat "$log" | tail -5)"
}

# figure KEY: a number at the outermost level of the report, or else the first of that name.
figure() { sed -n "0,/\"$1\": *[0-9]/s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$report" | awk '{ printf "%.0f", $1 }'; }

within_limits() {
    case $way in v1) limit_v1 ;; v2) limit_v2 ;; esac
    start_relay "$way" 127.0.0.1:0
    local group
    group=$(group_of_relay)
    row "limits ($way)" "$memory MiB, $percent % of a core"
    members "${addresses[0]}" pairs --members 50 --window 1 --size 1024 --time "$seconds"
    row "50 members in pairs, 1 KiB: delivered a second" "$(figure delivered_per_second)"
    row "  post to ack, p50" "$(sed -n '0,/"post_to_ack_us"/d; s/.*"p50": *\([0-9]*\).*/\1/p' "$report" | sed -n 1p) us"
    members "${addresses[0]}" cycle --members 50 --group 50 --speedup 50 --time "$seconds"
    row "50 members in cycles, 50 times as fast: delivered a second" "$(figure delivered_per_second)"
    row "memory of the relay at the end, its own" "$(status RssAnon) KiB"
    row "memory of its cgroup at most, page cache included" "$(($(peak "$group") >> 10)) KiB of $((memory << 10))"
    row "times that it was throttled" "$(throttled "$group")"
    local killed
    killed=$(kills "$group")
    row "OOM kills" "${killed:-unknown}"
    kill -0 "$pid" 2>/dev/null || fail "the relay is gone: $(tail -5 "$log")"
    [[ ${killed:-0} == 0 ]] || fail "something was killed for want of memory"
    row "faults" 0
    stop_relay
}

# ---- Links that say nothing ----

idle_links() {
    # To one address as many as have ports, and some to spare for those that rest after their last use.
    local testers=() listen=() share i failed=0
    # Each side has a descriptor for each link; they are two processes, with this limit each.
    ulimit -n "$((links + 1000))" 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    if (($(ulimit -n) < links + 100)); then
        row "idle links" "only $(($(ulimit -n) - 1000)), since no more files may be open (ulimit -Hn)"
        links=$((($(ulimit -n) - 1000) / 2 * 2))
    fi
    local count=$(((links + each - 1) / each))
    share=$((links / count / 2 * 2))
    for ((i = 1; i <= count; i++)); do listen+=("127.0.0.$i:0"); done
    start_relay none "${listen[@]}"
    local before most=0 resident
    before=$(status VmRSS)
    for ((i = 0; i < count; i++)); do
        timeout 300 $tester idle --members "$share" --time "$((links / 1000 + 10))" --addr "${addresses[i]}" --quiet --reconnect &
        testers+=($!)
    done
    # The relay's memory while they are there; testers end by themselves.
    while jobs -r -p | grep -qv "^$pid\$"; do
        resident=$(status VmRSS)
        ((${resident:-0} <= most)) || most=$resident
        sleep 0.5
    done
    for i in "${testers[@]}"; do wait "$i" || failed=1; done
    ((failed == 0)) || fail "idle: links were lost: $(tail -5 "$log")"
    row "idle links, all alive at the end" "$((share * count)), addresses: $count"
    row "  memory of the empty relay" "$before KiB"
    row "  memory with all of them, at most" "$most KiB"
    row "  that is for each link, its account and handshake included" "$(awk "BEGIN { printf \"%.2f\", ($most - $before) / ($share * $count) }") KiB"
    stop_relay
}

way=$(way)
if [[ $way == none ]]; then
    echo "small.sh: no limits can be set here: this needs root and cgroups (version 1, or 2 with memory and cpu in cgroup.subtree_control), or systemd" >&2
else
    within_limits
fi
((links == 0)) || idle_links
[[ $way != none ]] || exit 77
