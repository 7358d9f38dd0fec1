#!/bin/sh
# The parent of one run: starts it, waits for it, says how it ended. It outlives the control plane.
# Given to `sh -c` as text, because a shell that finds descriptors 0-9 taken would leave its script open in the run.
# Called: shim RECORDS JOINS MEMORY_EVENTS PIDS_EVENTS FILTER COMMAND...
#   RECORDS        directory for claim, status.json and exit.json
#   JOINS          descriptors of cgroup.procs files, opened by the control plane: "7 8 9" or fewer, or none
#   *_EVENTS       where the kernel counts what the limits did (or /dev/null)
#   FILTER         the system-call filter; COMMAND finds it open as 9
# Descriptors: 0 the reading and 2 the writing end of the start pipe (held at both ends here, so that a control plane
# that died breaks nothing), 1 the log, 3-6 the runner's, 7-9 see JOINS.
set -u
records=$1 joins=$2 memory=$3 pids=$4 filter=$5
shift 5
umask 077
ulimit -c 0
cd "$records" || exit 125

# Field 22 of stat is the start time; with the boot's id it tells this process from a later one with its number.
start_time() {
    shift 21
    printf '%s' "$1"
}
read -r stat <"/proc/$$/stat"
read -r boot </proc/sys/kernel/random/boot_id
# The name is taken by a link, whole or not at all: who could not take it must not start anything.
printf '{"pid": %s, "start": %s, "boot": "%s"}\n' "$$" "$(start_time $stat)" "$boot" >"claim.$$" || exit 125
if ! why=$(ln "claim.$$" claim 2>&1); then
    # By a start that was cut off and came to it late after all, or by who lets none begin.
    [ -e claim ] && why=taken
    printf '%s' "$why" >&2
    exit 125
fi

(
    umask 022
    # 0 stands for the writer itself.
    for join in $joins; do
        echo 0 >&"$join" || exit 124
    done
    exec 7>&2 2>&1 8>status.json 9<"$filter" </dev/null || exit 124
    exec "$@"
)
status=$?

count() { # FILE KEY: the number behind KEY
    while read -r key value; do
        if [ "$key" = "$2" ]; then
            printf '%s' "$value"
            return
        fi
    done <"$1"
    printf 0
}
printf '{"status": %s, "oom_kills": %s, "forks_refused": %s}\n' \
    "$status" "$(count "$memory" oom_kill)" "$(count "$pids" max)" >exit.tmp && mv exit.tmp exit.json
