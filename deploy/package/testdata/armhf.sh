# A Pi on an emulated processor: the package for armhf, installed before the boot.
PATIENCE=120
check 'architecture' bash -c 'dpkg --print-architecture | grep -x armhf && uname -m | grep arm'
for u in sluice-recorder sluice-tailer; do check "$u: enabled" systemctl is-enabled $u; done
await 'mosquitto' is mosquitto ActiveState active
for u in sluice-recorder sluice-tailer; do
	await "$u: works" is $u ActiveState active
	check "$u: ready, not just running" is $u SubState running
	await "$u: says how it is" is $u StatusText '?*'
done
publish 1 50
await 'readings arrive' arrived 50
check 'once' once
systemctl kill -s KILL sluice-recorder; publish 51 60
await 'recorder: restarted after kill -9' restarted sluice-recorder 0
await 'readings arrive after it' arrived 60
check 'timer' is sluice-cleaner.timer ActiveState active
check 'cleaner' systemctl start sluice-cleaner
check 'remove' dpkg -r sluice
check 'the spool stays' test -d /var/lib/sluice/spool
