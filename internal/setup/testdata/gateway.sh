# A bare machine with the program alone becomes a gateway. What a command says goes to
# /out/said-NAME.
sluice=/root/sluice
run() { # run NAME ARGS...: sluice setup ARGS
	name=$1; shift
	"$sluice" setup "$@" > "/out/said-$name" 2>&1
}
fails() { ! "$@"; }
said() { grep -q -- "$2" "/out/said-$1" || { cat "/out/said-$1"; return 1; }; }
only() { ! grep -vE "^(${2}) " "/out/said-$1"; } # only NAME VERBS: no line of another verb
mode() { test "$(stat -c '%a %U:%G' "$1")" = "$2" || { stat -c '%a %U:%G' "$1"; return 1; }; }
tree() { find /etc /usr/bin /usr/lib/systemd /var/lib/sluice -xdev ! -path '/var/lib/sluice/registry*' ! -name filebeat.lock -printf '%p %m %u %g %T@ %s\n' 2>/dev/null | sort | sha256sum; }
active() { is "$1" ActiveState active; }
publish() { mosquitto_pub -h 127.0.0.1 -p 8883 --cafile /etc/sluice/pki/ca.crt -u sensor -P "$secret" -q 1 -t sensor/feeds/0/temp -m "$1"; }
arrived() { grep -q "$1" /out/received; }
fields() { grep 'reading one' /out/received | grep -F '"fields":{"gateway":"'"$(hostname)"'","site":"plant \"4\""}'; }
tick() { (set +x; while sleep 0.5; do publish tick; done) >/dev/null 2>&1 & ticks=$!; }
is_not() { ! is "$@" >/dev/null; }

check 'pki: authority' run pki-init pki init
check 'pki: broker' run pki-broker pki issue broker --host localhost --host 127.0.0.1
check 'pki: logstash' run pki-logstash pki issue logstash --host localhost --host 127.0.0.1
check 'pki: gateway' run pki-gateway pki issue gateway
systemd-run --unit=receiver -p StandardOutput=truncate:/out/received /out/receiver 127.0.0.1:5044 /etc/sluice/pki/ca.crt /etc/sluice/pki/logstash.crt /etc/sluice/pki/logstash.key

before=$(tree)
check 'dry run: works on a bare machine' run dry gateway --dry-run --logstash localhost:5044 --serial /dev/ttyNONE
check 'dry run: shows the configuration' said dry '| output.logstash:'
check 'dry run: shows no key' bash -c '! grep "PRIVATE KEY" /out/said-dry'
check 'dry run: changes nothing' test "$(tree)" = "$before"

check 'without a password: refused' fails run nopass gateway --logstash localhost:5044
check 'without a password: says what to do' said nopass 'run sluice setup broker first'
check 'and has changed nothing' test "$(tree)" = "$before"

check 'broker' run broker broker
check 'device' run device device sensor --header /root/secrets.h
secret=$(sed -n 's/.*PASSWORD.*"\([0-9A-Za-z]\{24\}\)".*/\1/p' /root/secrets.h)

tick
check 'gateway' run first gateway --logstash localhost:5044 --site 'plant "4"'
check 'configuration is good' said first 'check  the configuration, .*: good'
check 'broker is reached' said first 'check  .*sources: mqtt: connected to mqtts://localhost:8883'
check 'Logstash is reached' said first 'check  Logstash: reached'
check 'no password is shown' bash -c "! grep -e '$secret' -e 'pass word' /out/said-*"
for unit in recorder.service tailer.service cleaner.timer; do
	check "sluice-$unit is active" active "sluice-$unit"
	check "sluice-$unit is enabled" test "$(systemctl is-enabled "sluice-$unit")" = enabled
done
check 'alias stMQTT' active stMQTT
check 'program is installed' cmp /root/sluice /usr/bin/sluice
check 'mode: configuration' mode /etc/sluice/sluice.yml '640 root:sluice'
check 'mode: folder' mode /etc/sluice '750 root:sluice'
check 'mode: credentials' mode /etc/sluice/credentials '700 root:root'
check 'mode: key' mode /etc/sluice/credentials/gateway.key '600 root:root'
check 'mode: keystore' mode /etc/sluice/credentials/keystore '600 root:root'
check 'mode: authority' mode /etc/sluice/ca.crt '644 root:root'
check 'no serial ports' is sluice-recorder PrivateDevices yes
publish 'reading one'
await 'a message arrives' arrived 'reading one'
check 'with site and gateway' fields
check 'the weekly run of a new gateway is no failure' systemctl start sluice-cleaner.service

kill $ticks # what is written now, would be setup's
before=$(tree)
check 'again, without flags' run again gateway
check 'again: all as it was' only again 'same|check|note'
check 'again: nothing is written' test "$(tree)" = "$before"

tick
check 'another flag' run keep gateway --keep 24h
check 'another flag: counts' grep -x 'cleaner.older_than: 24h' /etc/sluice/sluice.yml
check 'another flag: the others stay' grep -F 'hosts: ["localhost:5044"]' /etc/sluice/sluice.yml
check 'another flag: the old file is kept' bash -c 'grep -qx "cleaner.older_than: 48h" /etc/sluice/sluice.yml.bak-*'
check 'another flag: restarts' said keep 'run    systemctl restart sluice-tailer.service'

check 'serial: what is not there is told' fails run serial gateway --serial /dev/ttyNONE,115200
check 'serial: by the recorder itself' said serial 'FAIL .*serial: not reading /dev/ttyNONE.*there is no such device'
check 'serial: services run' active sluice-recorder
check 'serial: drop-in' is sluice-recorder PrivateDevices no
check 'serial: group' bash -c "grep -w '^Groups:.*$(getent group dialout | cut -d: -f3)' /proc/$(prop sluice-recorder MainPID)/status"
check 'serial: the broker stays' grep -q mqtts://localhost:8883 /etc/sluice/sluice.yml
check 'serial: none' run noserial gateway --serial none
check 'serial: drop-in is gone' is sluice-recorder PrivateDevices yes
check 'serial: but for a backup' bash -c 'ls /etc/systemd/system/sluice-recorder.service.d/serial.conf.bak-*'
check 'serial: none: a message is seen' said noserial 'sources: mqtt: connected to .*, [1-9][0-9]* recorded'
check 'serial: none, again' run noserial2 gateway
check 'serial: none, again: all as it was' only noserial2 'same|check|note'

sed -i 's/^name: .*/name: by-hand/' /etc/sluice/sluice.yml
check 'edited: nothing new' run edited gateway
check 'edited: is kept' grep -qx 'name: by-hand' /etc/sluice/sluice.yml
check 'edited: nothing beside it' test ! -e /etc/sluice/sluice.yml.new
check 'edited: the services get it' said edited 'systemctl restart sluice-tailer'
check 'edited: with a new flag' run edited2 gateway --keep 12h
check 'edited: is kept, still' grep -qx 'name: by-hand' /etc/sluice/sluice.yml
check 'edited: the new one is beside it' grep -qx 'cleaner.older_than: 12h' /etc/sluice/sluice.yml.new
check 'edited: the difference is told' said edited2 '+ cleaner.older_than: 12h'
check 'edited: overwrite' run overwrite gateway --keep 12h --overwrite
check 'edited: overwritten' bash -c '! grep -qx "name: by-hand" /etc/sluice/sluice.yml && grep -qx "cleaner.older_than: 12h" /etc/sluice/sluice.yml'

cp /etc/sluice/sluice.yml /root/good.yml
sed -i 's/max_bytes\|when_full/wen_full/' /etc/sluice/sluice.yml
check 'a fault by hand' fails run fault gateway
check 'a fault by hand: the own words' said fault 'recorder.spool.wen_full: unknown option'
check 'a fault by hand: what runs goes on' active sluice-recorder
sed 's,when_full,path: /usr/spool\n    when_full,' /root/good.yml > /etc/sluice/sluice.yml
check 'a start that fails' fails run start gateway
check 'a start that fails: the own words' said start 'sluice-recorder.service \(does not start\|ends again and again\): [^;]*recorder.spool.path: .*/usr/spool'
cp /root/good.yml /etc/sluice/sluice.yml

systemctl stop receiver
check 'Logstash away' fails run away gateway --site elsewhere
check 'Logstash away: told' said away 'FAIL .*Logstash: .*refused'
check 'Logstash away: services run' active sluice-tailer
cp /etc/sluice/credentials/keystore /root/; printf 'pass word\n' > /root/password
check 'wrong password' fails run wrong gateway --mqtt-password-file /root/password
check 'wrong password: told' said wrong 'FAIL .*mqtt: not connected to .*'
cat /root/keystore > /etc/sluice/credentials/keystore
rm -f /etc/systemd/system/receiver.service; systemctl reset-failed receiver
systemd-run --unit=receiver2 -p StandardOutput=append:/out/received /out/receiver 127.0.0.1:5044 /etc/sluice/pki/ca.crt /etc/sluice/pki/logstash.crt /etc/sluice/pki/logstash.key
await 'a receiver listens again' bash -c 'exec 3<>/dev/tcp/127.0.0.1/5044'
check 'all is well again' run well gateway
publish 'reading two'
await 'a message arrives again' arrived 'reading two'

if [ -e /usr/sbin/openvpn ]; then
	printf 'client\ndev tun\nremote 127.0.0.1 1194\nup /root/up\n' > /root/client.ovpn
	check 'vpn: a script is refused' fails run vpnup gateway --vpn /root/client.ovpn --no-start
	check 'vpn: by its line' said vpnup 'line 4: up: a profile may not run programs'
	sed -i '/^up/d' /root/client.ovpn
	check 'vpn' run vpn gateway --vpn /root/client.ovpn --no-start
	check 'vpn: profile' mode /etc/sluice/client.ovpn '600 root:root'
	check 'vpn: enabled' test "$(systemctl is-enabled sluice-vpn)" = enabled
fi

# A package comes later: its units count, and not those that setup has made.
mv /etc/systemd/system/sluice-*.{service,timer} /usr/lib/systemd/system/
sed -i 1d /usr/lib/systemd/system/sluice-*.{service,timer}
systemctl daemon-reload
cp /usr/lib/systemd/system/sluice-tailer.service /root/; (cd /root; printf '# Made by sluice setup. SHA-256 of the lines below: %s\n' "$(sha256sum < sluice-tailer.service | cut -d' ' -f1)"; cat sluice-tailer.service) > /etc/systemd/system/sluice-tailer.service
check 'package: the units of setup go' run package gateway
check 'package: only a backup is left' bash -c '! ls /etc/systemd/system/sluice-tailer.service'
check 'package: services run' active sluice-tailer
check 'package: its units count' is sluice-tailer FragmentPath '*/lib/'systemd/system/sluice-tailer.service
check 'package: the program is left alone' bash -c 'echo >> /root/sluice; /root/sluice setup gateway >&2; ! cmp -s /root/sluice /usr/bin/sluice'

# Only what is shipped: no recorder.
check 'no recorder' run norecorder gateway --broker none --logs '/var/log/*.log'
check 'no recorder: stopped' is_not sluice-recorder ActiveState active
check 'no recorder: disabled' bash -c '[ "$(systemctl is-enabled sluice-recorder)" = disabled ]'
kill $ticks
