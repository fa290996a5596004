# Every reading has arrived: none of those that Filebeat had sent, all others.
systemctl stop device
last=0
for try in $(seq 100); do
	sleep 0.1
	jq -r '.message' /out/events | cut -d, -f3 | sort -n | uniq -c > /root/arrived
	[ "$last" = "$(wc -l < /root/arrived)" ] && [ "$try" -gt 20 ] && break
	last=$(wc -l < /root/arrived)
done
awk '$2 < 1000 && $2 >= 1 && $2 == int($2) { print "old reading", $2, "came", $1, "times" }' /root/arrived
[ "$(awk '$2 >= 1 && $2 <= 4' /root/arrived | wc -l)" = 0 ]
[ "$(awk '$2 >= 5 && $2 <= 6 && $1 == 1' /root/arrived | wc -l)" = 2 ]
awk '$2 > 1000 && $2 == int($2) { if (n && $2 != n + 1) { print "lost: between", n, "and", $2; bad = 1 } n = $2; twice += $1 - 1; all++ } END { print all, "readings,", twice, "of them twice"; exit bad || all < 20 || twice > all / 2 }' /root/arrived
