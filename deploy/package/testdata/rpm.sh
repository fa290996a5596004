# The life of the RPM package. The database of packages is empty, so dependencies
# are not asked for.
rpm='rpm --force-debian'
clean 'install' $rpm -i --nodeps /out/old.rpm
for u in sluice-recorder.service sluice-tailer.service sluice-cleaner.timer; do check "$u: enabled" systemctl is-enabled $u; done
check 'vpn: not enabled' bash -c '! systemctl is-enabled sluice-vpn'
broker
configure
check 'start' systemctl start sluice-recorder sluice-tailer sluice-cleaner.timer
publish 1 10
await 'readings arrive' arrived 10
echo '# mine' >> /etc/cron.weekly/sluice
recorder=$(pid sluice-recorder)
clean 'upgrade' $rpm -U --nodeps /out/new.rpm
check 'upgrade: the new version' bash -c "rpm -q --qf '%{VERSION}' sluice | grep -x 1.1.0"
check 'upgrade: recorder restarted' test "$recorder" != "$(pid sluice-recorder)" -a "$(pid sluice-recorder)" != 0
check 'upgrade: conffile as it was' grep -x '# mine' /etc/cron.weekly/sluice
check 'upgrade: enabled' systemctl is-enabled sluice-recorder
publish 11 20
await 'readings arrive after the upgrade' arrived 20
systemctl stop sluice-recorder sluice-tailer
before=$(treasure)
$rpm -e sluice > /out/said 2>&1
check 'erase: says only that a changed file is kept' test "$(cat /out/said)" = 'warning: /etc/cron.weekly/sluice saved as /etc/cron.weekly/sluice.rpmsave'
check 'erase: touches no configuration, spool, registry' test "$before" = "$(treasure)"
check 'erase: no links' bash -c '! find /etc/systemd/system -name "sluice*" -type l -o -name "st[MV]*" | grep .'
check 'erase: no folders' bash -c '! ls -d /usr/share/sluice /usr/share/doc/sluice /usr/lib/systemd/system/sluice* 2>/dev/null'
clean 'install again' $rpm -i --nodeps /out/new.rpm
check 'start again' systemctl start sluice-recorder sluice-tailer
publish 21 30
await 'all readings arrive' arrived 30
check 'and once' once
clean 'erase while all works' $rpm -e sluice
for u in sluice-recorder.service sluice-tailer.service sluice-cleaner.timer; do check "$u: stopped" is $u ActiveState inactive; done
