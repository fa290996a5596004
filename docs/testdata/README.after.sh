# The reading is at the server, under one id, from a client that it knows.
for try in $(seq 100); do
	n=$(jq -r 'select(.message | fromjson | .topic == "sensor0/feeds/0/temp" and .payload == "21.6") | .["@metadata"]._id' /out/events | sort -u | wc -l)
	[ "$n" = 1 ] && exit 0
	sleep 0.1
done
echo "$n different ids of one reading"
exit 1
