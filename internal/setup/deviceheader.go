package setup

import (
	"cmp"
	"fmt"
	"strings"
)

// deviceHeader is what the secrets.h of the ESP8266's sketch says:
// firmware/esp8266/README.md has the settings.
type deviceHeader struct {
	user, password     string
	wlan, wlanPassword string
	host               string
	port               int
	ca                 string // PEM
	fingerprint        string // SHA-1 of the broker's certificate, in hex with blanks
	own                string // what follows ownMark
}

const (
	wlanPlace         = "name of the WLAN"
	wlanPasswordPlace = "its password"

	// ownMark ends what setup writes. What follows is kept.
	ownMark = "// Other settings of sensor.ino; this line and what follows stays as it is:\n"
)

// text makes the header.
func (h deviceHeader) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `// secrets.h of the device %s, from "sluice setup device %s": copy it to
// firmware/esp8266/sensor/secrets.h and flash. It holds passwords.
#pragma once

#include <Arduino.h>

#define WLAN_SSID %s
#define WLAN_PASS %s

#define USUARIO %s
#define PASSWORD %s

// As in the broker's certificate.
#define IP_BROKER %s
#define PUERTO_BROKER %d

// The authority that signed the broker's certificate.
static const char CA_CERT[] PROGMEM = R"PEM(
%s)PEM";

// Instead of the authority: the SHA-1 fingerprint of the broker's certificate, good
// until that is renewed. README.md tells why not to.
// #define FINGERPRINT %s

`, h.user, h.user, cText(h.wlan), cText(h.wlanPassword), cText(h.user), cText(h.password),
		cText(h.host), h.port, h.ca, cText(h.fingerprint))
	b.WriteString(ownMark + h.own)
	return []byte(b.String())
}

// after fills in what is not given from an older header of the same device.
func (h deviceHeader) after(old deviceHeader) deviceHeader {
	h.wlan = cmp.Or(h.wlan, old.wlan, wlanPlace)
	h.wlanPassword = cmp.Or(h.wlanPassword, old.wlanPassword, wlanPasswordPlace)
	h.own = old.own
	return h
}

// parseHeader reads what setup needs of a header that it has made before, perhaps
// with changes by hand.
func parseHeader(text []byte) (h deviceHeader) {
	body, own, _ := strings.Cut(string(text), ownMark)
	h.own = own
	for line := range strings.Lines(body) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#define "), " ")
		if !ok || !strings.HasPrefix(line, "#define ") {
			continue
		}
		value = cRead(strings.TrimSpace(value))
		switch name {
		case "USUARIO":
			h.user = value
		case "PASSWORD":
			h.password = value
		case "WLAN_SSID":
			h.wlan = value
		case "WLAN_PASS":
			h.wlanPassword = value
		}
	}
	return h
}

// cText makes a text literal of C++. Octal escapes have a fixed length, unlike hex
// ones; ? would make trigraphs.
func cText(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '?' {
			b = fmt.Appendf(b, "\\%03o", c)
		} else {
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// cRead reads a literal of cText, or one by hand with \" and \\; "" for what is
// none.
func cRead(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return ""
	}
	s = s[1 : len(s)-1]
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		value, n := 0, 0
		for ; n < 3 && i+1+n < len(s) && s[i+1+n] >= '0' && s[i+1+n] <= '7'; n++ {
			value = value*8 + int(s[i+1+n]-'0')
		}
		switch {
		case n > 0 && value < 256:
			b = append(b, byte(value))
			i += n
		case n == 0 && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\' || s[i+1] == '\''):
			b = append(b, s[i+1])
			i++
		default:
			return ""
		}
	}
	return string(b)
}
