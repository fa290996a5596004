# The second life, after the reboot: nobody starts anything.
check 'the machine was rebooted' bash -c '! cmp /root/boot /proc/sys/kernel/random/boot_id'
for u in sluice-recorder.service sluice-tailer.service; do await "$u: works" is $u ActiveState active; done
check 'timer: works' is sluice-cleaner.timer ActiveState active
await 'timer: has caught up' is sluice-cleaner.service ExecMainExitTimestampMonotonic '[1-9]*'
check 'cleaner: succeeds' is sluice-cleaner.service Result success
check 'cleaner: has deleted what was shipped' test ! -e /var/lib/sluice/spool/mqtt-0000000001.log
PATIENCE=40 await 'what was on its way arrives' arrived 1820

(for i in $(seq 1821 20 2201); do publish $i $((i + 19)); done) &
kill9 sluice-tailer; kill9 sluice-recorder
clean 'upgrade' dpkg -i /out/new.deb
check 'the new version' bash -c "dpkg-query -W -f '\${Version}' sluice | grep -x 1.1.0"
kill9 sluice-recorder
wait %1
PATIENCE=40 await 'all arrive after the upgrade' arrived 2220

systemctl stop sluice-tailer
publish 2221 2320
await 'recorded, not shipped' grep -rq 'reading 2320"' /var/lib/sluice/spool
systemctl stop sluice-recorder
before=$(treasure)
clean 'purge' dpkg -P sluice
check 'purge: leaves the spool' test "$before" = "$(treasure)"
check 'purge: in which readings wait' grep -rq 'reading 2320"' /var/lib/sluice/spool
publish 2321 2420
clean 'install again' dpkg -i /out/new.deb
PATIENCE=40 await 'all arrive in the end' arrived 2420
check 'no failed unit of ours' bash -c '! systemctl --failed --no-legend | grep -E "sluice|mosquitto"'
echo 2420 > /out/sent
