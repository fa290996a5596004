# Words for a gateway that is set up by sluice setup, and a server at 192.0.2.2.
export DEBIAN_FRONTEND=noninteractive HOME=/root
setup() { echo "# sluice setup $*" >> /out/setup; sluice setup "$@" >> /out/setup 2>&1; }
publish() { # as the device sensor0; when it ends, the broker has all
	for i in $(seq "$1" "$2"); do echo "reading $i"; done | mosquitto_pub -q 1 -t sensor0/feeds/0/n -l || echo "FAIL publish $1 to $2"
}
arrived() { (($(sort -u /out/events | wc -l) == $1)); }
kill9() { systemctl kill -s KILL "$1"; } # all its processes
