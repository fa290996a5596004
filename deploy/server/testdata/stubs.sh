#!/bin/bash
# Stands for the commands that install-debian needs a network, packages or a booted
# system for: what it is called as says which. Packages are users and folders.
set -euo pipefail
echo "${0##*/} $*" >>/calls
case ${0##*/} in
apt-get)
	[[ $* == *elasticsearch* ]] || exit 0
	for name in elasticsearch kibana logstash; do
		useradd --system --user-group "$name"
		mkdir -p /etc/$name /usr/share/$name/bin
	done
	mkdir /etc/elasticsearch/jvm.options.d
	echo 'xpack.security.http.ssl.keystore.path: certs/http.p12' >/etc/elasticsearch/elasticsearch.yml
	printf -- '-Xms1g\n-Xmx1g\n-XX:+UseG1GC\n' >/etc/logstash/jvm.options
	printf '%s\n' autoconfiguration.password_hash keystore.seed xpack.security.http.ssl.keystore.secure_password >/etc/elasticsearch/keystore
	: >/etc/kibana/kibana.keystore
	touch -d '1 hour ago' /etc/kibana/kibana.keystore
	ln -s /stubs/elasticsearch-keystore /usr/share/elasticsearch/bin/
	ln -s /stubs/kibana-keystore /usr/share/kibana/bin/
	touch /installed
	;;
dpkg-query) [[ ! -e /installed ]] || echo 'install ok installed 9.5.2' ;;
curl)
	if [[ $* == *GPG-KEY* ]]; then
		echo key
	elif [[ $* == *--config* ]]; then
		cat >>/requests
		printf 200
	else
		printf 401
	fi
	;;
gpg) cat ;;
elasticsearch-keystore | kibana-keystore)
	store=/etc/elasticsearch/keystore
	[[ $0 == *elasticsearch* ]] || store=/etc/kibana/kibana.keystore
	name=${*: -1}
	case $1 in
	list) cat $store ;;
	remove) sed -i "/^$name\$/d" $store ;;
	add)
		echo "$name=$(cat)" >>/secrets-added
		echo "$name" >>$store
		;;
	esac
	;;
esac
