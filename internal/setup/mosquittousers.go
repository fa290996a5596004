package setup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// userName is what a user of the broker may be called. It becomes the first
// level of topics, a part of a file's name, and a text in C.
var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// lines cuts a file of ours or a user's into lines without their ends.
func lines(content []byte) []string {
	text := strings.TrimSuffix(string(content), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func unlines(list []string) []byte {
	if len(list) == 0 {
		return nil
	}
	return []byte(strings.Join(list, "\n") + "\n")
}

// The functions below work on the content of a password_file: USER:HASH lines.

// users lists the users in their order.
func users(passwd []byte) (list []string) {
	for _, line := range lines(passwd) {
		if user, _, ok := strings.Cut(line, ":"); ok && user != "" && !strings.HasPrefix(line, "#") {
			list = append(list, user)
		}
	}
	return list
}

// userHash returns the hash of a user's password.
func userHash(passwd []byte, user string) (hash string, ok bool) {
	for _, line := range lines(passwd) {
		if hash, ok := strings.CutPrefix(line, user+":"); ok {
			return strings.TrimSpace(hash), true
		}
	}
	return "", false
}

// withUser adds a user, or replaces the hash. All other lines stay.
func withUser(passwd []byte, user, hash string) []byte {
	list := slices.Clone(lines(passwd))
	line := user + ":" + hash
	i := slices.IndexFunc(list, func(l string) bool { return strings.HasPrefix(l, user+":") })
	if i < 0 {
		return unlines(append(list, line))
	}
	list[i] = line
	return unlines(list)
}

// withoutUser removes a user.
func withoutUser(passwd []byte, user string) []byte {
	return unlines(slices.DeleteFunc(slices.Clone(lines(passwd)), func(l string) bool { return strings.HasPrefix(l, user+":") }))
}

// right is a line of an acl_file about topics.
type right struct {
	access string // read, write, readwrite or deny
	filter string
}

func (r right) String() string { return "topic " + r.access + " " + r.filter }

// covers tells whether r allows all that other does, by the same filter.
func (r right) covers(other right) bool {
	return r.filter == other.filter && (r.access == other.access || r.access == "readwrite" && other.access != "deny")
}

// parseRight reads a topic line. Without a word for the access it is readwrite.
func parseRight(line string) (right, bool) {
	rest, ok := strings.CutPrefix(line, "topic ")
	if !ok {
		return right{}, false
	}
	rest = strings.TrimSpace(rest)
	if access, filter, ok := strings.Cut(rest, " "); ok && slices.Contains([]string{"read", "write", "readwrite", "deny"}, access) {
		return right{access, strings.TrimSpace(filter)}, true
	}
	return right{"readwrite", rest}, rest != ""
}

// userOf reads a line that begins the part of a user.
func userOf(line string) (string, bool) {
	user, ok := strings.CutPrefix(line, "user ")
	return strings.TrimSpace(user), ok
}

// rightsOf lists what an acl_file says about a user. "pattern" lines are about
// all users, wherever they stand.
func rightsOf(acl []byte, user string) (rights []right) {
	current := ""
	for _, line := range lines(acl) {
		if name, ok := userOf(line); ok {
			current = name
		} else if r, ok := parseRight(line); ok && current == user {
			rights = append(rights, r)
		}
	}
	return rights
}

// withRights adds to the rights of a user what is missing; comment stands above a
// user who is new. All other lines stay as and where they are.
func withRights(acl []byte, user, comment string, rights []right) []byte {
	have := rightsOf(acl, user)
	var missing []string
	for _, r := range rights {
		if !slices.ContainsFunc(have, func(h right) bool { return h.covers(r) }) {
			missing = append(missing, r.String())
		}
	}
	list := slices.Clone(lines(acl))
	if at := endOf(list, user); at >= 0 {
		return unlines(slices.Insert(list, at, missing...))
	}
	if len(list) > 0 {
		list = append(list, "")
	}
	return unlines(append(append(list, "# "+comment, "user "+user), missing...))
}

// endOf returns the index behind the last line that is about a user; -1: none is.
func endOf(list []string, user string) int {
	at, current := -1, ""
	for i, line := range list {
		name, begins := userOf(line)
		if begins {
			current = name
		}
		if _, ok := parseRight(line); current == user && (ok || begins) {
			at = i + 1
		}
	}
	return at
}

// withoutRights removes the lines about a user, and the comment of ours above.
func withoutRights(acl []byte, user, comment string) []byte {
	var kept []string
	current := ""
	for _, line := range lines(acl) {
		name, begins := userOf(line)
		if begins {
			current = name
		}
		_, isRight := parseRight(line)
		if current != user || !begins && !isRight {
			kept = append(kept, line)
			continue
		}
		if n := len(kept); begins && n > 0 && kept[n-1] == "# "+comment {
			kept = kept[:n-1]
			if n > 1 && kept[n-2] == "" {
				kept = kept[:n-2]
			}
		}
	}
	return unlines(kept)
}

// checkFilter refuses a topic filter that a device may not have: what a broker
// would not understand, and what reaches beyond the device's own names.
func checkFilter(filter string) error {
	levels := strings.Split(filter, "/")
	switch {
	case filter == "" || strings.TrimSpace(filter) != filter:
		return fmt.Errorf("topic %q: it is empty, or begins or ends with a blank", filter)
	case strings.ContainsFunc(filter, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }):
		return fmt.Errorf("topic %q: it has a character that a topic can't have", filter)
	case levels[0] == "+" || levels[0] == "#":
		return fmt.Errorf("topic %q: it begins with a wildcard, and so reaches into the topics of all devices: name the first level", filter)
	case strings.HasPrefix(filter, "$"):
		return fmt.Errorf("topic %q: topics that begin with $ are the broker's", filter)
	}
	for i, level := range levels {
		last := i == len(levels)-1
		if strings.Contains(level, "#") && (level != "#" || !last) || strings.Contains(level, "+") && level != "+" {
			return fmt.Errorf("topic %q: # may only be the whole last level, + only a whole level", filter)
		}
	}
	return nil
}
