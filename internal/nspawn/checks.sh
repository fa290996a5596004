# Begins every probe. What commands print goes to the trace, checks to the results.
exec 2>/out/trace
set -x

check() { # check NAME COMMAND...: the command succeeds
	name=$1; shift
	if seen=$("$@" 2>&1); then echo "ok $name"; else echo "FAIL $name: $seen"; fi
}
await() { # await NAME COMMAND...: it succeeds within PATIENCE seconds
	name=$1; shift; end=$((SECONDS + ${PATIENCE:-15}))
	set +x
	until "$@" >/dev/null; do
		if ((SECONDS >= end)); then echo "FAIL $name: not within ${PATIENCE:-15} s: $*"; set -x; return; fi
		sleep 0.1
	done
	echo "ok $name"
	set -x
}
prop() { systemctl show "$1" -p "$2" --value; } # prop UNIT PROPERTY
is() { [[ $(prop "$1" "$2") == $3 ]] || { prop "$1" "$2"; return 1; }; } # is UNIT PROPERTY PATTERN
restarted() { is "$1" SubState running && (($(prop "$1" NRestarts) > $2)); } # restarted UNIT MORE-THAN

