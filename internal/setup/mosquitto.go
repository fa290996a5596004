package setup

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Where things are on the broker.
const (
	mosquittoFolder  = "/etc/mosquitto"
	mosquittoMain    = mosquittoFolder + "/mosquitto.conf"
	mosquittoInclude = mosquittoFolder + "/conf.d"
	mosquittoOurs    = mosquittoInclude + "/sluice.conf"
	mosquittoProgram = "/usr/sbin/mosquitto"
	mosquittoUnit    = "mosquitto.service"
	mosquittoUser    = "mosquitto"
	mosquittoState   = "/var/lib/mosquitto/"

	brokerFolder = mosquittoFolder + "/sluice"
	brokerCA     = brokerFolder + "/ca.crt"
	brokerCRL    = brokerFolder + "/ca.crl"
	brokerCert   = brokerFolder + "/broker.crt"
	brokerKey    = brokerFolder + "/broker.key"
	brokerUsers  = brokerFolder + "/passwd"
	brokerRights = brokerFolder + "/acl"
)

const (
	// BrokerPort is the TCP port of MQTT over TLS, registered for it.
	BrokerPort = 8883
	// RecorderUser is the broker's user that reads everything.
	RecorderUser = "recorder"

	// checkTopic is where a user may talk to himself. "#" does not match what
	// begins with $: a check is never recorded.
	checkTopic = "$sluice/check/"
	// forbiddenTopic is what nobody may write.
	forbiddenTopic = "$sluice/forbidden"
)

// mosquittoConfig is what sluice.conf is made of.
type mosquittoConfig struct {
	port        int
	bind        string // empty: all addresses
	clientCerts bool
	crl         bool
	location    bool // no other file says where the state is
}

// text makes sluice.conf. Mosquitto 2.0.0 and newer know every word of it.
func (c mosquittoConfig) text() []byte {
	var b strings.Builder
	b.WriteString(`# Mosquitto for sluice. "sluice setup broker" has written this file and writes it
# again; put settings of your own into a file that comes later in the alphabet,
# such as zz-local.conf.

# One list of users and rights for all listeners, so that none can be open by
# mistake. (per_listener_settings would give each its own; it is deprecated since
# Mosquitto 2.1.)
allow_anonymous false
password_file ` + brokerUsers + `
acl_file ` + brokerRights + `

# The only listener: MQTT over TLS. Without such a line, and with a certificate,
# Mosquitto 2.0 lets everybody in, in spite of "allow_anonymous false".
`)
	b.WriteString(strings.TrimSpace(fmt.Sprintf("listener %d %s", c.port, c.bind)) + "\n")
	b.WriteString("certfile " + brokerCert + "\nkeyfile " + brokerKey + "\n")
	if c.clientCerts {
		b.WriteString("# Clients show a certificate of this authority as well.\n" +
			"cafile " + brokerCA + "\nrequire_certificate true\n")
		if c.crl {
			b.WriteString("# Withdrawn certificates.\ncrlfile " + brokerCRL + "\n")
		}
	}
	b.WriteString(`# The least version; 1.3 is spoken, too.
tls_version tlsv1.2

# Sessions, and what waits in them, outlive a restart: without persistence what
# came while the recorder was away would be gone.
persistence true
`)
	if c.location {
		b.WriteString("persistence_location " + mosquittoState + "\n")
	}
	b.WriteString(mosquittoQueue)
	return []byte(b.String())
}

// mosquittoQueue: a queued reading takes 376 bytes of memory and 135 on the disk
// (2.0.11, 64 bit, 500,000 of them: 188 MB and 68 MB).
const mosquittoQueue = `# Saved every 30 s (default: 1800), so a power cut loses at most that much of what
# came while the recorder was away. While it is there, it has each reading on its
# disk within a fraction of a second. By time, and not by changes: after the last
# change before a quiet night the count would never be reached.
autosave_interval 30
autosave_on_changes false

# What waits for a client that is away: 200,000 readings, 55 hours of one each
# second, 75 MB of memory and 27 MB per save (default: 1000); and 64 MiB of payload.
# What comes beyond is lost, and the sender is not told.
max_queued_messages 200000
max_queued_bytes 67108864
# The recorder gets all with its own QoS, 1: what was sent with QoS 0 waits, too, and
# is acknowledged. (queue_qos0_messages also lets it wait, but in 2.0.11 both kinds
# then stand in each other's way when the recorder is back.)
upgrade_outgoing_qos true
# How many may be under way without the recorder's acknowledgement (default: 20):
# as an SD card takes 20 to 50 ms for a group, more of them in a group.
max_inflight_messages 100
# A session whose client never comes back is forgotten after three months.
persistent_client_expiration 3m
# A longer packet ends the connection of who sends it: 1 MiB is the longest payload
# that the recorder keeps whole.
max_packet_size 1114112
`

var versionText = regexp.MustCompile(`mosquitto version (\d+)\.(\d+)\.?(\S*)`)

// checkMosquittoVersion reads what "mosquitto -h" prints first.
func checkMosquittoVersion(help string) (string, error) {
	m := versionText.FindStringSubmatch(help)
	if m == nil {
		return "", fmt.Errorf("%s -h does not tell its version: is it Mosquitto?", mosquittoProgram)
	}
	version := strings.TrimSuffix(m[1]+"."+m[2]+"."+m[3], ".")
	if major, err := strconv.Atoi(m[1]); err != nil || major < 2 {
		return version, fmt.Errorf("mosquitto %s is too old: 2.0 or newer is needed, as in Debian 11 and Raspberry Pi OS 11", version)
	}
	return version, nil
}

// mosquittoVersion asks the program.
func mosquittoVersion() (string, error) {
	help, err := exec.Command(mosquittoProgram, "-h").Output()
	if len(help) == 0 && err != nil {
		return "", fmt.Errorf("%s -h: %w", mosquittoProgram, err)
	}
	return checkMosquittoVersion(string(help))
}
