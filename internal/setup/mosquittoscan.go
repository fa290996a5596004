package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// mosquittoLine is a setting of the configuration that others have written.
type mosquittoLine struct {
	file       string
	number     int // of the line, from 1
	key, value string
	below      bool // a listener line of the same file stands above
	late       bool // it is read after sluice.conf
}

func (l mosquittoLine) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s:%d: %s %s", l.file, l.number, l.key, l.value))
}

// mosquittoScan is the configuration without sluice.conf, in the order in which
// Mosquitto reads it.
type mosquittoScan struct {
	lines    []mosquittoLine
	included bool // the folder of sluice.conf is read at all
}

// scanMosquitto reads mosquitto.conf and the folders that it includes.
func scanMosquitto(s *Session) (scan mosquittoScan, err error) {
	top, err := mosquittoFile(s, mosquittoMain)
	if err != nil {
		return scan, err
	}
	for _, l := range top {
		l.late = scan.included
		scan.lines = append(scan.lines, l)
		if l.key != "include_dir" {
			continue
		}
		if err := scan.include(s, path.Clean(l.value)); err != nil {
			return scan, fmt.Errorf("%v: %w", l, err)
		}
	}
	return scan, nil
}

// include reads the files of a folder whose names end in .conf, in order.
func (scan *mosquittoScan) include(s *Session, folder string) error {
	entries, err := os.ReadDir(s.Path(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		file := folder + "/" + e.Name()
		if !strings.HasSuffix(file, ".conf") || file == mosquittoOurs || e.IsDir() {
			continue
		}
		inner, err := mosquittoFile(s, file)
		if err != nil {
			return err
		}
		for _, l := range inner {
			l.late = scan.included || folder == mosquittoInclude && file > mosquittoOurs
			scan.lines = append(scan.lines, l)
		}
	}
	scan.included = scan.included || folder == mosquittoInclude
	return nil
}

func mosquittoFile(s *Session, file string) (list []mosquittoLine, err error) {
	content, err := s.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseMosquitto(file, content), nil
}

// parseMosquitto cuts a file into settings: a word, a blank, the rest. A comment
// begins with # in the first column.
func parseMosquitto(file string, content []byte) (list []mosquittoLine) {
	below := false
	for i, text := range lines(content) {
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		key, value, _ := strings.Cut(text, " ")
		below = below || key == "listener"
		list = append(list, mosquittoLine{file: file, number: i + 1, key: key, value: strings.TrimSpace(value), below: below})
	}
	return list
}

// securityKeys are about all listeners (or, with per_listener_settings, about one):
// two files with different ones can't both be right.
var securityKeys = []string{"allow_anonymous", "password_file", "acl_file", "psk_file", "per_listener_settings"}

// defaultKeys are about a listener. Above the first listener line they make one on
// port 1883 and all addresses, which lets everybody in.
var defaultKeys = []string{
	"port", "bind_address", "bind_interface", "socket_domain", "protocol", "http_dir", "mount_point", "max_connections",
	"cafile", "capath", "certfile", "keyfile", "crlfile", "dhparamfile", "ciphers", "ciphers_tls1.3", "tls_version",
	"tls_engine", "tls_engine_kpass_sha1", "tls_keyform", "require_certificate", "psk_hint",
	"use_identity_as_username", "use_subject_as_username", "use_username_as_clientid",
}

// contradictions finds what does not go with sluice.conf: remove are lines to be
// taken out, notes is what the reader should know. What was configured on purpose,
// a second listener, is not changed: where it can't stay beside ours, err says
// what to do.
func (scan *mosquittoScan) contradictions(port int) (remove []mosquittoLine, notes []string, err error) {
	var listeners, security []mosquittoLine
	for _, l := range scan.lines {
		switch {
		case l.key == "listener":
			listeners = append(listeners, l)
		case strings.HasPrefix(l.key, "auth_plugin") || l.key == "plugin" || l.key == "global_plugin":
			return nil, nil, fmt.Errorf("%v: a plugin decides who may do what on this broker, and sluice has passwords and an ACL for that: take the line out first", l)
		case slices.Contains(securityKeys, l.key):
			security = append(security, l)
		case slices.Contains(defaultKeys, l.key) && !l.below:
			remove = append(remove, l)
		case l.late && overridden(l.key):
			notes = append(notes, fmt.Sprintf("%v: is read after %s, and wins", l, mosquittoOurs))
		}
	}
	if !scan.included {
		return nil, nil, fmt.Errorf("%s does not read %s: add the line \"include_dir %s\" at its end", mosquittoMain, mosquittoInclude, mosquittoInclude)
	}
	for _, l := range listeners {
		if p, ok := listenerPort(l); ok && p == port {
			return nil, nil, fmt.Errorf("%v: this port is for %s: take that listener out, or give --port", l, mosquittoOurs)
		}
		if len(security) > 0 {
			return nil, nil, fmt.Errorf("%v: is a second listener, and %v contradicts %s: take the latter out (the listener then has the users and rights of sluice), or both", l, security[0], mosquittoOurs)
		}
		notes = append(notes, fmt.Sprintf("%v: stays, and has the same users and rights", l))
	}
	return append(remove, security...), notes, nil
}

// overridden tells whether sluice.conf sets a key.
func overridden(key string) bool {
	for _, l := range parseMosquitto("", []byte(mosquittoQueue+"persistence true\n")) {
		if l.key == key {
			return true
		}
	}
	return false
}

// listenerPort reads the port of a listener line; sockets of the file system have
// port 0.
func listenerPort(l mosquittoLine) (int, bool) {
	text, _, _ := strings.Cut(l.value, " ")
	port, err := strconv.Atoi(text)
	return port, err == nil && port > 0
}

// ports lists those where the configuration lets clients in, without sluice.conf.
// Port 1883 is always among them: it is where a mistake shows.
func (scan *mosquittoScan) ports() []int {
	list := []int{1883}
	for _, l := range scan.lines {
		if l.key != "listener" && l.key != "port" {
			continue
		}
		if port, ok := listenerPort(l); ok && !slices.Contains(list, port) {
			list = append(list, port)
		}
	}
	slices.Sort(list)
	return list
}

// value returns the last setting of a key.
func (scan *mosquittoScan) value(key string) string {
	found := ""
	for _, l := range scan.lines {
		if l.key == key {
			found = l.value
		}
	}
	return found
}

// removalMark stands before a line that setup took out.
const removalMark = "#sluice# "

// commentOut makes comments of lines, by their numbers.
func commentOut(content []byte, out []mosquittoLine) []byte {
	list := slices.Clone(lines(content))
	for _, l := range out {
		list[l.number-1] = removalMark + list[l.number-1]
	}
	return unlines(list)
}
