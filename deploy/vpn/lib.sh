# shellcheck shell=bash
# What openvpn-server and wireguard-server have in common. They set these:
# the options of both, and what a gateway's name may be.
dry_run=no
start=yes
network=10.8.0.0/24
logstash_port=5044
changed=no
program=${0##*/}
readonly name_pattern='^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$'

die() {
	printf '%s: %s\n' "$program" "$*" >&2
	exit 1
}

say() { printf '%-6s %s\n' "$1" "$2"; }

# run COMMAND... shows a command and, but for a dry run, runs it.
run() {
	say run "$*"
	[[ $dry_run == yes ]] || "$@"
}

# begin PROGRAM:PACKAGE... is for root only and makes a folder for drafts, in
# memory, that nobody else can read.
begin() {
	[[ $EUID == 0 ]] || die 'this writes system files and must run as root: use sudo'
	local pair
	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null || die "${pair%%:*} is missing: apt-get install ${pair#*:}"
	done
	umask 077
	work=$(mktemp -d -p /run sluice-vpn.XXXXXX)
	trap 'rm -rf "$work"' EXIT
}

# value OPTION ARGS... fails unless an option has its value.
value() {
	[[ $# -ge 2 && $2 != --* && -n $2 ]] || die "$1 needs a value; see $program --help"
}

number() { # OPTION VALUE MINIMUM MAXIMUM
	if [[ ! $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
		die "$1 $2: use a number from $3 to $4"
	fi
}

check_name() {
	[[ $1 =~ $name_pattern && $1 != DEFAULT ]] ||
		die "gateway $1: a name has 1 to 64 letters, digits, '.', '-' or '_', begins and ends with a letter or digit, and is not DEFAULT"
}

# check_network wants the net of the VPN to be A.B.C.0/24, and sets prefix to A.B.C.
check_network() {
	local part
	[[ $network =~ ^([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})\.0/24$ ]] || die "--network $network: use a net of 256 addresses, as 10.8.0.0/24"
	prefix=${BASH_REMATCH[1]}
	for part in ${prefix//./ }; do
		((10#$part <= 255)) || die "--network $network: $part is more than 255"
	done
}

# check_address wants an address that a gateway may have: 2 to 254 in prefix.
check_address() {
	local host=${1#"$prefix".}
	if [[ $1 != "$prefix".* || ! $host =~ ^[1-9][0-9]{0,2}$ ]] || ((host < 2 || host > 254)); then
		die "address $1: use one from $prefix.2 to $prefix.254"
	fi
}

# free_address prints the lowest address that is not among the arguments.
free_address() {
	local host
	for ((host = 2; host <= 254; host++)); do
		[[ " $* " == *" $prefix.$host "* ]] || {
			echo "$prefix.$host"
			return
		}
	done
	die "all addresses of $network are taken: remove a gateway"
}

# folder PATH MODE
folder() {
	if [[ -d $1 && $(stat -c '%a %U:%G' "$1") == "$2 root:root" ]]; then
		say same "$1/"
		return
	fi
	say make "$1/  ($2 root:root)"
	[[ $dry_run == yes ]] || install -d -m "$2" -o root -g root "$1"
}

# put MODE DRAFT TARGET [secret [nocopy]] puts a draft in place, in one step, after
# a copy of what was there; a dry run shows its text, unless it is secret.
put() {
	local mode=$1 draft=$2 target=$3 secret=${4-} copy=${5-} backup='' new
	if [[ -e $target ]] && cmp -s "$draft" "$target"; then
		if [[ $(stat -c '%a %U:%G' "$target") == "$mode root:root" ]]; then
			say same "$target"
			return
		fi
		run chown root:root "$target"
		run chmod "$mode" "$target"
		return
	fi
	changed=yes
	[[ ! -e $target || $copy == nocopy ]] || backup=$target.bak-$(date -u +%Y%m%dT%H%M%SZ)
	say write "$target  ($mode root:root)${backup:+  old: $backup}"
	if [[ $dry_run == yes ]]; then
		if [[ $secret == secret ]]; then echo '    | (secret)'; else sed 's/^/    | /' "$draft"; fi
		return
	fi
	[[ -z $backup ]] || cp -p "$target" "$backup"
	new=$(mktemp "${target%/*}/.new.XXXXXX")
	cat "$draft" >"$new"
	chmod "$mode" "$new"
	sync "$new"
	mv -fT "$new" "$target"
}

# serve UNIT enables and starts a unit, and restarts it after a change.
serve() {
	if [[ $start == no ]]; then
		say note "not started; later: systemctl enable --now $1"
		return
	fi
	[[ $dry_run == yes || -d /run/systemd/system ]] || die "systemd does not run here: use --no-start, and start $1 yourself"
	if [[ $changed == yes ]] && systemctl -q is-active "$1" 2>/dev/null; then
		run systemctl enable "$1"
		run systemctl restart "$1"
	else
		run systemctl enable --now "$1"
	fi
}

# open_firewall UDP-PORT INTERFACE opens the port of the VPN and, inside of it,
# that of Logstash. ufw keeps its rules; those given to nft live until a reboot.
open_firewall() {
	if command -v ufw >/dev/null && ufw status | grep -q '^Status: active'; then
		run ufw allow "$1/udp"
		run ufw allow in on "$2" to any port "$logstash_port" proto tcp
	elif command -v nft >/dev/null && nft list chain inet filter input >"$work/chain" 2>/dev/null; then
		nft_rule "udp dport $1 accept"
		nft_rule "iifname \"$2\" tcp dport $logstash_port accept"
		say note 'rules of nft live until a reboot: write the same into the input chain of /etc/nftables.conf'
	else
		say note "no active ufw and no nft chain \"inet filter input\": no firewall to open here (look at your provider's)"
	fi
}

nft_rule() {
	if grep -qF "$1" "$work/chain"; then
		say same "nft: $1"
	else
		run nft "insert rule inet filter input $1"
	fi
}
