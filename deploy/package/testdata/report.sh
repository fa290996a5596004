# The package on a machine of the report: its unit has the name of our alias.
export DEBIAN_FRONTEND=noninteractive
cat > /etc/systemd/system/stMQTT.service <<'END'
[Service]
ExecStart=sleep infinity
[Install]
WantedBy=default.target
END
systemctl daemon-reload
systemctl enable --now stMQTT >&2
theirs=$(sha256sum /etc/systemd/system/stMQTT.service) running=$(pid stMQTT)
notice='^sluice: /etc/systemd/system/stMQTT.service is kept\. '

clean 'install beside the unit of the report' dpkg -i /out/old.deb
check 'one line says what to do' test "$(grep -c "$notice" /out/said)" = 1
check 'their unit is as it was' test "$theirs" = "$(sha256sum /etc/systemd/system/stMQTT.service)"
check 'and runs on' test "$running" = "$(pid stMQTT)"
for u in sluice-recorder.service sluice-tailer.service; do
	check "$u: starts with the machine" test -L /etc/systemd/system/multi-user.target.wants/$u
	check "$u: enabled" systemctl is-enabled $u
done
broker
configure
systemctl restart sluice-recorder sluice-tailer
publish 1 10
await 'readings arrive' arrived 10

clean 'upgrade beside it' dpkg -i /out/new.deb
check 'which is said once only' bash -c "! grep '$notice' /out/said"
check 'still starts with the machine' test -L /etc/systemd/system/multi-user.target.wants/sluice-recorder.service
check 'and works' is sluice-recorder ActiveState active

systemctl disable --now stMQTT >&2
mv /etc/systemd/system/stMQTT.service /root
systemctl daemon-reload
check 'the name becomes ours' systemctl enable sluice-recorder
check 'stMQTT is the recorder' is stMQTT Id sluice-recorder.service
clean 'upgrade after it' dpkg -i /out/old.deb
check 'stMQTT is it still' is stMQTT Id sluice-recorder.service
clean 'purge' dpkg -P sluice
check 'no links' bash -c '! find /etc/systemd/system -name "sluice*" -type l -o -name "st[MV]*" | grep .'
check 'no memory' bash -c '! find /var/lib/systemd/deb-systemd-helper-* | grep -E "sluice|stMQTT|stVPN"'
mv /root/stMQTT.service /etc/systemd/system/
clean 'once more' dpkg -i /out/new.deb
check 'is told again' grep -q "$notice" /out/said
clean 'purge beside it' dpkg -P sluice
check 'theirs stays' test "$theirs" = "$(sha256sum /etc/systemd/system/stMQTT.service)"
