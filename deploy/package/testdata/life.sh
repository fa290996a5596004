# The life of the Debian package on a gateway. /out/old.deb, then /out/new.deb.
export DEBIAN_FRONTEND=noninteractive
services='sluice-recorder sluice-tailer'

clean 'install' bash -e /out/install.sh
for u in $services; do
	check "$u: enabled" systemctl is-enabled $u
	check "$u: skipped without a configuration" is $u ConditionResult no
	check "$u: not failed" is $u ActiveState inactive
done
check 'alias stMQTT' test "$(readlink -f /etc/systemd/system/stMQTT.service)" = /usr/lib/systemd/system/sluice-recorder.service
check 'timer: works' is sluice-cleaner.timer ActiveState active
check 'cleaner: skipped without a configuration' bash -c 'systemctl start sluice-cleaner && ! systemctl is-failed sluice-cleaner'
check 'vpn: not enabled' bash -c '! systemctl is-enabled sluice-vpn'
check 'users' bash -c '[[ $(id -gn sluice) == sluice && $(id -gn sluice-vpn) == sluice-vpn ]]'
check 'folders' test "$(stat -c '%a %U:%G' /etc/sluice /etc/sluice/credentials /var/lib/sluice /var/log/sluice | tr '\n' ,)" = '750 root:sluice,700 root:root,750 sluice:sluice,750 sluice:sluice,'
check 'manual page' bash -c 'man -l /usr/share/man/man1/sluice.1.gz | grep recorder'
check 'completion' bash -c '. /usr/share/bash-completion/completions/sluice; complete -p sluice'
check 'cron leaves it to the timer' bash -c 'test -z "$(/etc/cron.weekly/sluice 2>&1)"'

check 'README: example' bash -e /out/example.sh
check 'example: mode' test "$(stat -c '%a %U:%G' /etc/sluice/sluice.yml)" = '640 root:sluice'
broker
configure
check 'README: start' bash -e /out/restart.sh
for u in $services; do check "$u: works" is $u ActiveState active; done
publish 1 20
await 'readings arrive' arrived 20

echo '# a line of the administrator' >> /etc/sluice/sluice.yml
echo '# another' >> /etc/cron.weekly/sluice
mkdir -p /etc/systemd/system/sluice-tailer.service.d
printf '[Service]\nRestartSec=1s\n' > /etc/systemd/system/sluice-tailer.service.d/mine.conf
printf 'secret' > /etc/sluice/credentials/password; chmod 600 /etc/sluice/credentials/password
systemctl daemon-reload
config=$(sha256sum /etc/sluice/sluice.yml /etc/cron.weekly/sluice)
recorder=$(pid sluice-recorder) tailer=$(pid sluice-tailer)
(for i in $(seq 21 5 116); do publish $i $((i + 4)); done) &
clean 'upgrade' dpkg -i /out/new.deb
check 'upgrade: configuration and conffile as they were' test "$config" = "$(sha256sum /etc/sluice/sluice.yml /etc/cron.weekly/sluice)"
check 'upgrade: no files beside them' bash -c '! ls /etc/sluice /etc/cron.weekly | grep dpkg'
check 'upgrade: the new version' bash -c "dpkg-query -W -f '\${Version}' sluice | grep -x 1.1.0"
for u in $services; do check "$u: works after the upgrade" is $u ActiveState active; done
check 'upgrade: recorder restarted' test "$recorder" != "$(pid sluice-recorder)"
check 'upgrade: tailer restarted' test "$tailer" != "$(pid sluice-tailer)"
check 'upgrade: the drop-in counts' is sluice-tailer RestartUSec 1s
wait %1
await 'what was published meanwhile arrives' arrived 120
check 'and once' once

systemctl disable --now sluice-tailer >&2
recorder=$(pid sluice-recorder)
clean 'upgrade with a disabled service' dpkg -i /out/new.deb
check 'disabled stays disabled' bash -c '! systemctl is-enabled sluice-tailer'
check 'stopped stays stopped' is sluice-tailer ActiveState inactive
check 'the other is restarted' test "$recorder" != "$(pid sluice-recorder)" -a "$(pid sluice-recorder)" != 0
publish 121 130
await 'recorded, not shipped' grep -rq 'reading 130' /var/lib/sluice/spool
systemctl enable sluice-tailer >&2
systemctl stop sluice-recorder sluice-tailer

before=$(treasure)
clean 'remove' dpkg -r sluice
check 'remove: the program is gone' test ! -e /usr/bin/sluice
check 'remove: touches no configuration, spool, registry' test "$before" = "$(treasure)"
check 'remove: the conffile stays' test -e /etc/cron.weekly/sluice
check 'remove: cron is silent' bash -c 'test -z "$(/etc/cron.weekly/sluice 2>&1)"'
publish 131 140
clean 'install again' dpkg -i /out/new.deb
for u in $services; do check "$u: works after the new installation" is $u ActiveState active; done
await 'all readings arrive' arrived 140
check 'and once, still' once
check 'README: serial ports' bash -e /out/serial.sh
check 'serial ports: drop-in counts' is sluice-recorder DevicePolicy closed

systemctl stop sluice-tailer
publish 141 150
await 'recorded, not shipped again' grep -rq 'reading 150' /var/lib/sluice/spool
systemctl start --no-block sluice-tailer
clean 'remove while all works' dpkg -r sluice
for u in $services sluice-cleaner.timer; do check "$u: stopped" is $u ActiveState inactive; done
before=$(treasure)
check 'there is something to lose' grep -q /var/lib/sluice/spool/ <<< "$before"
clean 'purge' dpkg -P sluice
check 'purge: says what it keeps' grep -x 'sluice: kept, since they may hold keys or readings that are not shipped: /etc/sluice /var/lib/sluice' /out/said
check 'purge: keeps spool, registry, configuration, keys' test "$before" = "$(treasure)"
check 'purge: no conffile' test ! -e /etc/cron.weekly/sluice
check 'purge: no links' bash -c '! find /etc/systemd/system -name "sluice*" -type l -o -name "st[MV]*" | grep .'
check 'purge: no memory of the units' bash -c '! find /var/lib/systemd/deb-systemd-helper-* | grep -E "sluice|stMQTT|stVPN"'
check 'purge: no unit failed' bash -c '! systemctl --failed --no-legend | grep sluice'

clean 'install after a purge' dpkg -i /out/new.deb
await 'nothing is lost' arrived 150
check 'nothing came twice' once
clean 'purge while all works' dpkg -P sluice
check 'README: forget all' bash -e /out/forget.sh
clean 'install on a bare machine' dpkg -i /out/new.deb
clean 'purge of what was never used' dpkg -P sluice
check 'nothing is left' bash -c '! ls -d /etc/sluice /var/lib/sluice /var/log/sluice 2>/dev/null'
check 'and nothing to be said about it' bash -c '! grep kept /out/said'
