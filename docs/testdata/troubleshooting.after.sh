# Nothing is broken after all pages, and what is published now arrives as before.
systemctl --failed --no-legend | (! grep -E 'sluice|mosquitto')
mosquitto_pub -q 1 -t sensor0/feeds/0/temp -m 23.4
for try in $(seq 100); do
	grep -q '23.4' /out/events && exit 0
	sleep 0.1
done
exit 1
