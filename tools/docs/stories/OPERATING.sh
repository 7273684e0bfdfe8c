# shellcheck shell=bash
# What the blocks of docs/OPERATING.md take for granted, in their order: a site of two members, on the machine of
# tools/docs/operating. The first line that fails ends it.

: "${scratch:?is set by tools/docs/blocks}" "${document:?likewise}"
alice=(tmtp)
bob=(tmtp --profile bob)

# What the last block said.
said() { cat "$scratch/said"; }

eventually() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    "$@"
}

serves() { [ "$(systemctl is-active mnm)" = active ] && "${bob[@]}" whoami; }

a_download() {
    cp /srv/first.deb "mnm_$(dpkg-deb -f /srv/first.deb Version)_amd64.deb"
}

# What was captured under "Ten minutes" is typed again, on a machine without the package, and looks the same but for numbers, codes and
# what dpkg says.
ten_minutes() {
    local line command code
    dpkg -P mnm
    : >"$scratch/typed"
    # shellcheck disable=SC2016 # Backticks, and no commands in them.
    sed '1,/^## Ten minutes/d' "$document" | sed '/^## /,$d' | sed -n '/^```text/,/^```/{/^```/!p}' >"$scratch/captured"
    while IFS= read -r line; do
        case $line in
        "# "*) ;;
        *) continue ;;
        esac
        code=$(grep -oE '([0-9A-Z]{5}-){2}[0-9A-Z]{5}$' "$scratch/typed" | tail -1) || true
        command=$(sed -E "s/--invite [^ ]+/--invite $code/" <<<"${line#\# }")
        echo "$line" >>"$scratch/typed"
        eval "$command" >>"$scratch/typed" 2>&1
    done <"$scratch/captured"
    diff <(without_dpkg <"$scratch/captured" | shape) <(without_dpkg <"$scratch/typed" | shape)
}

without_dpkg() {
    sed '/^# dpkg/,/^# mnm/{/^# /!d}'
}

a_class() {
    mnm ctl status | grep "register: closed"
    mnm ctl register invite
    # What makes the group.
    "${alice[@]}" invite "all of class 4" "bob the builder"
}

her_new_phone() {
    local uid nodeid
    uid=$(said | sed -n 's/^uid: //p' | tail -1)
    nodeid=$(said | sed -n 's/^nodeid: //p')
    if "${alice[@]}" whoami; then return 1; fi
    rm -r ~/.config/tmtp/default
    # As the text says.
    TMTP_NODE=$nodeid tmtp login =relay.example:443 --uid "$uid"
    "${alice[@]}" whoami
}

is_stopped() { [ "$(systemctl is-active mnm)" = inactive ]; }

# It was drained.
the_relay_is_started_again() {
    eventually is_stopped
    systemctl start mnm
    serves
}

# A certificate as such clients keep it: links to what root alone can read.
an_acme_client() {
    local name=relay.example at=/etc/letsencrypt
    mkdir -p $at/live/$name $at/archive/$name
    chmod 700 $at/live $at/archive
    cp /var/lib/private/mnm/mnm.crt $at/archive/$name/fullchain1.pem
    cp /var/lib/private/mnm/mnm.key $at/archive/$name/privkey1.pem
    chown root: $at/archive/$name/*
    chmod 644 $at/archive/$name/fullchain1.pem
    chmod 600 $at/archive/$name/privkey1.pem
    ln -s ../../archive/$name/fullchain1.pem $at/live/$name/fullchain.pem
    ln -s ../../archive/$name/privkey1.pem $at/live/$name/privkey.pem
}

somebody_comes() {
    grep -q /etc/letsencrypt/live/relay.example/privkey.pem /etc/mnm/mnm.conf
    serves
}

a_place_for_backups() {
    mkdir /backups
    "${bob[@]}" send "alice liddell" -m "From before the backup." || "${bob[@]}" who
}

the_restored_relay_serves() {
    serves
    "${alice[@]}" whoami
}

# Another machine: this one without the relay and what it left, but the package.
on_the_new_machine() {
    mkdir /srv/copied
    cp -r /var/backups/moving /etc/mnm/mnm.conf /srv/copied/
    cd /srv/copied || return
    dpkg -P mnm
    [ ! -e /var/lib/private/mnm ]
    dpkg -i /srv/first.deb
    systemctl is-active mnm
}

# One octet of the log's first records.
rot() {
    local segment
    segment=$(find "$1" -maxdepth 1 -name '*.seg' | sort | head -1)
    printf '\377\377\377\377' | dd of="$segment" bs=1 seek=300 conv=notrunc
}

a_damaged_copy() {
    serves
    mnm backup --to ./data
    rot ./data
}

a_disk_that_rots() {
    mnm verify --data ./data
    systemctl stop mnm
    rot /var/lib/private/mnm
    systemctl start mnm || true
    [ "$(systemctl show -P ExecMainStatus mnm)" = 3 ]
}

last() {
    systemctl is-active mnm
}
