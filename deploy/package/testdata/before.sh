# The first life of a gateway: setup, kills, and a reboot while readings come.
clean 'install' dpkg -i /out/old.deb
cp /proc/sys/kernel/random/boot_id /root/boot
check 'setup pki' setup pki init
check 'broker' setup pki issue broker --host localhost
check 'logstash' setup pki issue logstash --host 192.0.2.2
check 'gateway' setup pki issue gateway
cp -r /etc/sluice/pki /out/pki; chmod 755 /out/pki
check 'setup broker' setup broker
cd /root
check 'setup device' setup device sensor0
check 'setup gateway' setup gateway --site 'plant 4' --logstash 192.0.2.2:5044 --keep 0s
install -d -m 700 /root/.config
{
	printf '%s\n' '-u sensor0' '-h localhost' '-p 8883' '--cafile /etc/mosquitto/sluice/ca.crt'
	sed -n 's/^#define PASSWORD *"\(.*\)"/-P \1/p' sensor0-secrets.h
} > /root/.config/mosquitto_pub
for u in sluice-recorder.service sluice-tailer.service sluice-cleaner.timer; do
	check "$u: works" is $u ActiveState active
	check "$u: is the package's" is $u FragmentPath '*/lib/systemd/system/*'
done
check 'the folder is the group'\''s' test "$(stat -c '%a %U:%G' /etc/sluice)" = '750 root:sluice'
publish 1 200
await 'readings arrive outside' arrived 200

(for i in $(seq 201 20 801); do publish $i $((i + 19)); done) &
for try in 1 2 3; do
	kill9 sluice-recorder; kill9 sluice-tailer
	await "recorder: restarted after kill -9, $try" restarted sluice-recorder $((try - 1))
	await "tailer: restarted after kill -9, $try" restarted sluice-tailer $((try - 1))
done
wait %1
PATIENCE=40 await 'all arrive' arrived 820

# As if the machine had been off last Monday; and then it goes while readings come.
systemctl stop sluice-cleaner.timer
touch -d '10 days ago' /var/lib/systemd/timers/stamp-sluice-cleaner.timer
publish 821 1820
trap '' TERM
systemctl reboot --no-block
