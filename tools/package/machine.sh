# shellcheck shell=bash
# A machine that has just been started, for scripts that try the package on one. It is sourced, with these set:
#
#   what        how the script calls itself
#   program     its path from the root of the tree
#   patience    seconds after which it is ended
#
# and a function live, which is run on the machine: on top of this one's file system, with a systemd of its own, the package as
# /srv/first.deb and the tree's docs and tools in /srv/tree. It has gone well if its last words are "  all is well". Then
# `machine "$@"` does it, with the package that is named, or with the newest in the target directory's debian/.
#
# In namespaces of its own, over an overlay of the file system, without network: this machine stays as it was. Where systemd does
# not come up there (it wants root, overlays and a cgroup2 hierarchy) it says so and passes.
set -euo pipefail
: "${what:?}" "${program:?}" "${patience:?}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

skip() {
    echo "$what skipped: $*"
    exit 0
}

outside() {
    local deb=${1-}
    if [ -z "$deb" ]; then
        deb=$(find "${CARGO_TARGET_DIR:-target}/debian" -maxdepth 1 -name 'mnm_*.deb' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -1 | cut -d' ' -f2-) || true
    fi
    [ -f "$deb" ] || { echo "no package: tools/package/build makes one" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || skip "only root can"
    local tool
    for tool in /lib/systemd/systemd dpkg dpkg-deb deb-systemd-invoke ip; do
        command -v "$tool" >/dev/null || skip "$tool is not there"
    done
    # Not local: it outlives this function.
    said=$(mktemp -d)
    trap 'rm -rf "$said"' EXIT
    touch "$said/log"
    local status=0
    timeout -s KILL "$patience" unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child --propagation private \
        bash "$program" --inside "$(realpath "$deb")" "$said/log" >"$said/console" 2>&1 || status=$?
    [ -s "$said/log" ] || skip "systemd does not come up in namespaces here: $(tail -n 1 "$said/console")"
    cat "$said/log"
    [ "$status" != 137 ] || echo "$what: ended after $patience s, which are too few"
    [ "$(tail -n 1 "$said/log")" = "  all is well" ] || exit 1
}

# A root like that of a machine before its first process, then that process.
inside() {
    local at=/mnt name
    mount -t tmpfs tmpfs $at
    mkdir $at/upper $at/work $at/root
    mount -t overlay overlay -o lowerdir=/,upperdir=$at/upper,workdir=$at/work $at/root
    local root=$at/root
    cp "$1" $root/srv/first.deb
    # A checkout may be on a file system that an overlay of / does not show.
    mkdir $root/srv/tree
    cp -r docs tools $root/srv/tree/
    # Where the answers go.
    touch $root/srv/log
    mount --bind "$2" $root/srv/log
    mount -t proc proc $root/proc
    mount -t sysfs -o ro sysfs $root/sys
    mount -t tmpfs tmpfs $root/sys/fs/cgroup
    mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
    mount -t tmpfs tmpfs $root/run
    mount -t tmpfs tmpfs $root/tmp
    mount -t tmpfs -o mode=755 tmpfs $root/dev
    for name in null zero full random urandom tty; do
        touch $root/dev/$name
        mount --bind /dev/$name $root/dev/$name
    done
    mkdir $root/dev/shm $root/dev/pts
    mount -t tmpfs tmpfs $root/dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts $root/dev/pts
    ln -s pts/ptmx $root/dev/ptmx
    ln -s /proc/self/fd $root/dev/fd
    ip link set lo up
    hostname relay.example
    echo relay.example >$root/etc/hostname
    echo "127.0.0.1 localhost relay.example" >$root/etc/hosts
    # Nothing of this machine's is to be started, and what keeps services from starting in images neither.
    rm -f $root/usr/sbin/policy-rc.d
    cat >$root/etc/systemd/system/try.target <<'END'
[Unit]
Wants=systemd-journald.service dbus.service try.service
END
    cat >$root/etc/systemd/system/try.service <<END
[Unit]
After=dbus.service
[Service]
Type=oneshot
Environment=HOME=/root LC_ALL=C.UTF-8
ExecStart=/bin/bash /srv/tree/$program --live
ExecStopPost=/bin/systemctl --force --force exit
StandardOutput=append:/srv/log
StandardError=inherit
END
    # A chroot would not do: who is in one can make no user namespaces.
    cd $root
    mkdir -p old
    pivot_root . old
    cd /
    umount -l /old
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=try.target
}

machine() {
    case "${1-}" in
    --inside) inside "$2" "$3" ;;
    --live) live ;;
    *) outside "$@" ;;
    esac
}

# For live: a drop-in for the service, with these lines below [Service].
drop_in() {
    mkdir -p /etc/systemd/system/mnm.service.d
    printf '[Service]\n' >"/etc/systemd/system/mnm.service.d/$1"
    printf '%s\n' "${@:2}" >>"/etc/systemd/system/mnm.service.d/$1"
    systemctl daemon-reload
}
