# A gateway of the report, as its documents and attachments have it: Mosquitto on 1883
# with TLS, mqtt_sub.sh, stMQTT, a crontab, and the files of Filebeat 7.6.
mkdir -p /home/pi/mqtt_messages /etc/filebeat /usr/share/filebeat/bin /var/lib/filebeat/registry/filebeat /etc/mosquitto/certs
cd /home/pi
openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -keyout ca.key -out ca.crt -subj "/C=ES/ST=Pontevedra/L=Vigo/O=SInd/CN=Ca-MQTT-SInd"
openssl req -new -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj "/C=ES/ST=Pontevedra/L=Vigo/O=SInd/CN= MQTT-SInd"
openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out broker.crt -days 3650 2> /dev/null
openssl req -new -x509 -newkey rsa:2048 -days 3650 -nodes -out logstash.crt -keyout logstash.key \
	-subj "/C=ES/ST=Pontevedra/L=Vigo/O=SInd/CN= Logstash" -addext "subjectAltName=IP: 10.8.0.1"
mkdir -p /srv/receiver && cp logstash.crt logstash.key /srv/receiver/ && cp logstash.crt /srv/receiver/ca.crt && rm logstash.key
install -o mosquitto -m 400 broker.key /etc/mosquitto/certs/
install -m 644 ca.crt broker.crt /etc/mosquitto/certs/
mosquitto_passwd -b -c /etc/mosquitto/mqttpwdfile user passwd
chown mosquitto /etc/mosquitto/mqttpwdfile
printf '%s\n' 'allow_anonymous false' 'password_file /etc/mosquitto/mqttpwdfile' 'cafile /etc/mosquitto/certs/ca.crt' \
	'certfile /etc/mosquitto/certs/broker.crt' 'keyfile /etc/mosquitto/certs/broker.key' 'tls_version tlsv1.2' >> /etc/mosquitto/mosquitto.conf
systemctl restart mosquitto

cat > mqtt_sub.sh <<'END'
#!/bin/bash
mosquitto_sub -h localhost -p 1883 -u user -P passwd --cafile /home/pi/ca.crt --insecure -t '#' -F '@FT@T@z,%t,%p' | /usr/bin/rotatelogs /home/pi/mqtt_messages/log 3600
END
chmod 755 mqtt_sub.sh
cat > /etc/systemd/system/stMQTT.service <<'END'
[Unit]
After=mosquitto.service
[Service]
Type=simple
ExecStart=/home/pi/mqtt_sub.sh
TimeoutStartSec=0
[Install]
WantedBy=default.target
END
echo '@weekly /usr/bin/python3 /home/pi/cleanFiles.py /var/lib/filebeat/registry/filebeat/data.json' | crontab -

cat > /etc/filebeat/filebeat.yml <<'END'
filebeat.inputs:
- type: log
  enabled: true
  paths:
    - /home/pi/mqtt_messages/log.*
output.logstash:
  hosts: ["10.8.0.1:5000"]
  ssl.certificate_authorities: ["/home/pi/logstash.crt"]
END
# Three lines in a file that is shipped, and three in one of which one is.
line() { echo "2023-11-14T0$1:00:00+0000,user/feeds/0/temp,$1"; }
(line 1; line 2; line 3) > mqtt_messages/log.1699999200
(line 4; line 5; line 6) > mqtt_messages/log.1700002800
state() {
	stat -c "{\"source\":\"%n\",\"offset\":$2,\"timestamp\":\"2023-11-14T09:00:00.0Z\",\"ttl\":-1,\"type\":\"log\",\"meta\":null,\"FileStateOS\":{\"inode\":%i,\"device\":%d}}" "$1"
}
echo "[$(state /home/pi/mqtt_messages/log.1699999200 135),$(state /home/pi/mqtt_messages/log.1700002800 45)]" > /var/lib/filebeat/registry/filebeat/data.json
echo '{"version":"0"}' > /var/lib/filebeat/registry/filebeat/meta.json
chmod 600 /var/lib/filebeat/registry/filebeat/*.json
# In Filebeat's place, and unit: Filebeat itself is not here.
printf '#!/bin/sh\nexec sleep infinity\n' > /usr/share/filebeat/bin/filebeat
chmod 755 /usr/share/filebeat/bin/filebeat
cat > /etc/systemd/system/filebeat.service <<'END'
[Service]
ExecStart=/usr/share/filebeat/bin/filebeat -environment systemd -c /etc/filebeat/filebeat.yml -path.home /usr/share/filebeat -path.config /etc/filebeat -path.data /var/lib/filebeat -path.logs /var/log/filebeat
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now stMQTT filebeat
# A device that publishes meanwhile, each reading with a number.
cat > /root/device.sh <<'END'
n=1000
while sleep 0.1; do n=$((n + 1)); echo "$n"; done | mosquitto_pub -h localhost -p 1883 --cafile /home/pi/ca.crt --insecure -u user -P passwd -q 1 -t user/feeds/0/humid -l
END
until ls /home/pi/mqtt_messages/log.* | grep -v -e 1699999200 -e 1700002800; do
	mosquitto_pub -h localhost -p 1883 --cafile /home/pi/ca.crt --insecure -u user -P passwd -q 1 -t user/feeds/0/humid -m 1000
	sleep 0.2
done
systemd-run --unit=device bash /root/device.sh
