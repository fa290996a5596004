package recorder

import (
	"errors"
	"fmt"
)

// errTakenOver ends a connection whose session another client has taken.
var errTakenOver = errors.New("session taken over: another client uses the same client_id; give every recorder a client_id of its own")

// reasons are the reason codes of MQTT 5 that tell of a failure (MQTT 5, 2.4),
// with the mend.
var reasons = map[byte]string{
	0x80: "unspecified error; look into the broker's log",
	0x81: "it found a malformed packet; look into the broker's log",
	0x82: "it saw a breach of the protocol; look into the broker's log",
	0x83: "it does not accept this for a reason of its own; look into the broker's log",
	0x84: "it does not speak MQTT 5; set version: 3.1.1",
	0x85: "it rejects the client_id; choose another client_id",
	0x86: "bad user name or password; check username and password",
	0x87: "not authorised; check username, password and the broker's access list",
	0x88: "its service is not available; it is tried again",
	0x89: "it is busy; it is tried again",
	0x8a: "the client is banned; ask whoever runs the broker",
	0x8b: "it shuts down; it is tried again",
	0x8c: "it wants another authentication method; enhanced authentication is not supported, use username and password or ssl.certificate",
	0x8d: "it heard nothing for 1.5 times the keepalive time; look for a stalled network or machine, or set a longer keepalive",
	0x8e: errTakenOver.Error(),
	0x8f: "it does not allow the topic filter; correct the topic",
	0x90: "it does not accept the topic name; correct the topic",
	0x91: "the packet id is in use; it is tried again",
	0x92: "it does not know the packet id; it is tried again",
	0x93: "more messages are under way than it allows; it is tried again",
	0x94: "it does not accept a topic alias; look into the broker's log",
	0x95: "the packet is larger than it allows; shorten the list of topics, or raise the broker's limit",
	0x96: "messages come at too high a rate; raise the broker's limit",
	0x97: "a quota is exceeded; raise the broker's limit",
	0x98: "an administrator ended it; it is tried again",
	0x99: "a payload does not have the announced format; look into the broker's log",
	0x9a: "it does not support retained messages; look into the broker's log",
	0x9b: "it does not support the quality of service; set a lower qos",
	0x9c: "another server is to be used for now; add it to hosts",
	0x9d: "the server has moved; correct hosts",
	0x9e: "it does not support shared subscriptions; take $share/NAME/ off the topic",
	0x9f: "connections come at too high a rate; set a longer backoff.init, or look for another client with this address",
	0xa0: "the connection has lasted as long as it allows; it is made anew",
	0xa1: "it does not support subscription identifiers; look into the broker's log",
	0xa2: "it does not support wildcards; write the topics without \"+\" and \"#\"",
}

// explain tells what a reason code means, what to do, and what the broker says
// to it, if it does.
func explain(code byte, says string) string {
	text, ok := reasons[code]
	if !ok {
		text = "an unknown reason; look into the broker's log"
	}
	return text + fmt.Sprintf(" (reason code 0x%02x)", code) + quoted(says)
}

// quoted is what the broker says, as the end of a sentence.
func quoted(says string) string {
	if says == "" {
		return ""
	}
	return fmt.Sprintf("; the broker says %.200q", says)
}

// explainTopic tells why a subscription is refused, as the end of a sentence.
// 0x80 is all that a broker can say in MQTT 3.1.1.
func explainTopic(code byte, says string) string {
	if code != 0x80 && code != 0x87 {
		return ": " + explain(code, says)
	}
	return "; allow it in the broker's access list (ACL) for this user, or take the topic out of the configuration" + quoted(says)
}

// explainRefusal tells why CONNECT is refused, and what to do. The code is one
// of MQTT 5.
func (m *mqttSource) explainRefusal(b broker, code byte, says string) error {
	user := "without user name"
	if m.cfg.Username != "" {
		user = fmt.Sprintf("as user %q", m.cfg.Username)
	}
	var text string
	switch code {
	case 0x84:
		text = "the broker does not speak MQTT " + m.cfg.Version
		if m.cfg.Version == version5 {
			text += "; set version: " + version3
		}
	case 0x85:
		text = fmt.Sprintf("the broker rejects client_id %q; choose another client_id", m.cfg.ClientID)
	case 0x86, 0x87:
		text = "the broker refuses the login " + user + ": " + reasons[code]
	case 0x88:
		text = "the broker says that its service is not available; it is tried again"
	default:
		return fmt.Errorf("%s: the broker refuses the connection: %s", b.addr, explain(code, says))
	}
	return fmt.Errorf("%s: %s%s", b.addr, text, quoted(says))
}
