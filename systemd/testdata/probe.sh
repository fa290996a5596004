# Runs as root in the booted container, in a copy of the folder above, after the
# words of sluice/internal/nspawn.
cd /src/systemd
publish() { for i in $(seq "$1" "$2"); do echo "reading $i"; done | mosquitto_pub -h 127.0.0.1 -p 8883 --cafile /out/broker.crt --cert /out/broker.crt --key /out/broker.key -u pi -P 'pass word' -q 1 -t sensor -l; }
arrived() { (($(cat /var/lib/sluice/out/*.ndjson | grep -o 'reading [0-9]*' | sort -u | wc -l) == $1)); }
status() { grep -E "^$2:.*$3" "/proc/$(prop "$1" MainPID)/status"; }
inside() { nsenter -t "$(prop "$1" MainPID)" -m -- sh -c "$2"; } # root, in the service's view of the files

check 'README: install' bash -e /out/install.sh
systemctl daemon-reload
for u in recorder tailer; do
	check "$u: watchdog" grep -x WatchdogSec=1min "/etc/systemd/system/sluice-$u.service"
	check "$u: time to the restart" is sluice-$u RestartUSec 5s
	check "$u: no limit of restarts" is sluice-$u StartLimitIntervalUSec 0
done
install -m 600 /out/broker.crt /out/broker.key /etc/sluice/credentials/
install -m 640 -g sluice /out/sluice.yml /etc/sluice/sluice.yml
printf 'pass word' | sluice -E keystore.path=/etc/sluice/credentials/keystore keystore add --force --stdin MQTT_PASSWORD >&2
echo "MQTT_USER=pi" > /etc/sluice/environment; chmod 600 /etc/sluice/environment
mosquitto_passwd -b -c /run/passwords pi 'pass word'; chmod 644 /run/passwords
install -m 600 -o mosquitto /out/broker.key /run/broker.key
systemd-run --unit=broker mosquitto -c /out/mosquitto.conf
for u in recorder tailer; do # as in production, but not as patient
	mkdir -p /etc/systemd/system/sluice-$u.service.d
	printf '[Service]\nWatchdogSec=2s\nRestartSec=500ms\n' > /etc/systemd/system/sluice-$u.service.d/quick.conf
done
(while echo 'from the wire'; do sleep 0.2; done) | script -q -c 'stty raw -echo; tty > /run/tty; sleep 1000' /dev/null >&2 &
wire=$!
await 'a terminal in place of a serial port' test -s /run/tty
chgrp dialout "$(cat /run/tty)"; chmod 660 "$(cat /run/tty)"; ln -s "$(cat /run/tty)" /dev/ttyTEST
check 'README: configuration is good' bash -ec 'bash -e /out/config.sh | grep "Config OK"'
check 'README: start' bash -e /out/enable.sh

for u in recorder tailer; do
	check "$u: ready" is sluice-$u ActiveState active
	await "$u: status text" is sluice-$u StatusText '?*'
	check "$u: own user" status sluice-$u Uid "$(id -u sluice)"
	check "$u: no capability" status sluice-$u CapBnd '0000000000000000$'
	check "$u: system calls filtered" status sluice-$u Seccomp '2$'
	check "$u: no new privileges" status sluice-$u NoNewPrivs '1$'
	check "$u: /etc is read-only" inside sluice-$u '! touch /etc/sluice/new 2>/run/touched; grep -q Read-only /run/touched || touch /etc/sluice/new 2>&1 | grep Read-only'
	check "$u: /usr is read-only" inside sluice-$u 'touch /usr/new 2>&1 | grep Read-only'
	check "$u: the spool is not" inside sluice-$u 'touch /var/lib/sluice/new && rm /var/lib/sluice/new'
done
check 'alias stMQTT' is stMQTT ActiveState active
check 'the password is root'\''s only' test "$(stat -c %U%a /etc/sluice/credentials)" = root700
check 'recorder: nobody else reads its credentials' bash -c '! setpriv --reuid=nobody --regid=nogroup --clear-groups ls /run/credentials/sluice-recorder.service'
findmnt -n /run/credentials/sluice-recorder.service >&2; ls -l /run/credentials/sluice-recorder.service >&2
check 'the password is not in the environment' bash -c "! tr '\0' '\n' < /proc/$(prop sluice-recorder MainPID)/environ | grep 'pass word'"
await 'recorder: in the broker by a credential' is sluice-recorder StatusText '*: connected to*'
publish 1 10
await 'first readings arrive' arrived 10

systemctl kill -s KILL sluice-recorder; publish 11 20
await 'recorder: restarted after kill -9' restarted sluice-recorder 0
systemctl kill -s KILL sluice-tailer
await 'tailer: restarted after kill -9' restarted sluice-tailer 0
await 'readings arrive that came meanwhile' arrived 20

systemctl kill -s STOP sluice-recorder sluice-tailer; publish 21 30
for u in recorder tailer; do
	await "$u: restarted by the watchdog" restarted sluice-$u 1
	check "$u: the journal tells why" bash -c "journalctl -u sluice-$u -o cat | grep 'Watchdog timeout'"
done
await 'readings arrive after the watchdog' arrived 30

check 'recorder: sees no serial port without the drop-in' bash -c '! grep -rq "from the wire" /var/lib/sluice'
check 'README: serial ports' bash -e /out/serial.sh; systemctl daemon-reload
check 'recorder: starts with serial ports' systemctl restart sluice-recorder
check 'recorder: has their group' status sluice-recorder Groups "\\<$(getent group dialout | cut -d: -f3)\\>"
await 'recorder: records a serial port' grep -rq 'from the wire' /var/lib/sluice/spool
await 'tailer: ships it' grep -rq 'from the wire' /var/lib/sluice/out
check 'tailer: has not the group' bash -c "! grep -w '^Groups:.*$(getent group dialout | cut -d: -f3)' /proc/$(prop sluice-tailer MainPID)/status"

sealed=$(ls /var/lib/sluice/spool/*.log | head -1)
check 'timer: did not run at the installation' is sluice-cleaner.service ExecMainStartTimestampMonotonic 0
systemctl stop sluice-cleaner.timer
touch -d '10 days ago' /var/lib/systemd/timers/stamp-sluice-cleaner.timer
check 'timer: starts' systemctl start sluice-cleaner.timer
await 'timer: catches up' is sluice-cleaner.service ExecMainExitTimestampMonotonic '[1-9]*'
check 'cleaner: succeeds' is sluice-cleaner.service Result success
check 'cleaner: deletes a shipped segment' test ! -e "$sealed"
check 'timer: next run is known' is sluice-cleaner.timer NextElapseUSecRealtime '?*'
check 'cron: leaves it to the timer' bash -c 'test -z "$(cron.weekly/sluice 2>&1)"'

if [ -e /out/vpn ]; then
	check 'vpn: skipped without a profile' bash -c 'systemctl start sluice-vpn; ! systemctl is-failed sluice-vpn && ! systemctl is-active sluice-vpn'
	openvpn --genkey secret /run/key
	systemd-run --unit=vpnserver openvpn --dev tun9 --ifconfig 10.9.0.1 10.9.0.2 --local 127.0.0.1 --cipher AES-256-CBC --secret /run/key
	{ printf 'remote 127.0.0.1\ndev tun8\nifconfig 10.9.0.2 10.9.0.1\ncipher AES-256-CBC\n<secret>\n'; cat /run/key; echo '</secret>'; } > /etc/sluice/client.ovpn
	chmod 600 /etc/sluice/client.ovpn
	check 'vpn: ready' systemctl enable --now sluice-vpn
	check 'alias stVPN' is stVPN ActiveState active
	check 'vpn: own user' status sluice-vpn Uid "$(id -u sluice-vpn)"
	check 'vpn: one capability' status sluice-vpn CapBnd '0000000000001000$'
	await 'vpn: address' grep -q tun8 /proc/net/route
	systemctl kill -s KILL sluice-vpn
	await 'vpn: restarted after kill -9' restarted sluice-vpn 0
	await 'vpn: address again' grep -q tun8 /proc/net/route
fi

publish 31 40
await 'readings arrive after the cleaner' arrived 40
check 'recorder: restarts' systemctl restart sluice-recorder # which leaves a segment to delete
publish 41 50
await 'the last readings arrive' arrived 50
check 'no failed unit of ours' bash -c '! systemctl --failed --no-legend | grep sluice'
check 'recorder: stops by itself' systemctl stop sluice-recorder
check 'tailer: stops by itself' systemctl stop sluice-tailer
check 'stopped, not killed' is sluice-tailer Result success
kill $wire
