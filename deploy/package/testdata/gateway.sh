# Words of the probes of this folder: a broker, readings, and what arrives.
broker() {
	printf 'listener 1883 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n' > /run/broker.conf
	systemd-run --quiet --unit=broker mosquitto -c /run/broker.conf
	await 'broker' mosquitto_pub -h 127.0.0.1 -t other -m here
}
configure() {
	cat > /etc/sluice/sluice.yml <<-'EOF'
		recorder.mqtt:
		  - {hosts: ["mqtt://127.0.0.1:1883"], topics: ["sensor"], qos: 1, backoff: {init: 100ms, max: 300ms}}
		output.file: {path: /var/lib/sluice/out, rotate_on_startup: false}
		filebeat.registry.flush: 0s
	EOF
	chown root:sluice /etc/sluice/sluice.yml; chmod 640 /etc/sluice/sluice.yml
}
publish() { for i in $(seq "$1" "$2"); do echo "reading $i"; done | mosquitto_pub -h 127.0.0.1 -q 1 -t sensor -l; }
events() { cat /var/lib/sluice/out/*.ndjson; }
arrived() { (($(events | grep -o 'reading [0-9]*' | sort -u | wc -l) == $1)); }
once() { # every reading has arrived under one id only
	test "$(events | grep -o 'reading [0-9]*' | sort -u | wc -l)" = "$(events | grep -o '"_id":"[^"]*"' | sort -u | wc -l)"
}
pid() { prop "$1" MainPID; }
# What of the gateway's files a package may never touch.
treasure() { find /etc/sluice /var/lib/sluice -type f -printf '%p %u:%g %m ' -exec sha256sum '{}' ';' | sort; }

# clean NAME COMMAND...: the package manager succeeds, and says nothing but its usual lines.
clean() {
	name=$1; shift
	if ! "$@" > /out/said 2>&1 < /dev/null; then echo "FAIL $name: $(tr '\n' '|' < /out/said)"; return; fi
	cat /out/said >> /out/all
	usual='^(Selecting previously unselected package|\(Reading database|Preparing to unpack|Unpacking|Setting up|Removing|Purging|Processing triggers for|Creating (group|user) |Created symlink /etc/systemd/system/|debconf: delaying package configuration|Not building database; man-db)'
	unusual=$(grep -vE "$usual|^\$|^sluice: kept, |^sluice: /etc/systemd/system/stMQTT.service is kept\. |^dpkg: warning: downgrading " /out/said)
	if [[ -z $unusual ]]; then echo "ok $name: says only the usual"; else echo "FAIL $name: says $(tr '\n' '|' <<< "$unusual")"; fi
}
