package setup

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestUsersAreEdited(t *testing.T) {
	const byHand = "# mine\nalice:$6$a$b\nbob:$7$101$c$d\n"
	added := withUser([]byte(byHand), "sensor0", "$7$1")
	if string(added) != byHand+"sensor0:$7$1\n" {
		t.Errorf("added: %q", added)
	}
	if got := withUser(added, "alice", "$7$2"); string(got) != strings.Replace(string(added), "$6$a$b", "$7$2", 1) {
		t.Errorf("replaced: %q", got)
	}
	if got := withoutUser(added, "sensor0"); string(got) != byHand {
		t.Errorf("removed: %q", got)
	}
	if got := users(added); !slices.Equal(got, []string{"alice", "bob", "sensor0"}) {
		t.Errorf("users %v", got)
	}
	if _, ok := userHash(added, "sensor"); ok {
		t.Error("the beginning of a name is a name")
	}
	if got := withUser([]byte("a:b"), "c", "d"); string(got) != "a:b\nc:d\n" {
		t.Errorf("without a line end: %q", got)
	}
}

const handMade = `# mine
topic read public/#
user alice
topic readwrite house/#
# alice's second
topic house2/#

pattern write logs/%u
user bob
topic deny secret/#
`

func TestRightsAreEdited(t *testing.T) {
	rights := []right{{"write", "sensor0/feeds/+/+"}, {"read", "sensor0/cmd/#"}}
	added := withRights([]byte(handMade), "sensor0", "device sensor0", rights)
	want := handMade + "\n# device sensor0\nuser sensor0\ntopic write sensor0/feeds/+/+\ntopic read sensor0/cmd/#\n"
	if string(added) != want {
		t.Errorf("added:\n%s", added)
	}
	if got := withRights(added, "sensor0", "device sensor0", rights); !bytes.Equal(got, added) {
		t.Errorf("again:\n%s", got)
	}
	if got := withoutRights(added, "sensor0", "device sensor0"); string(got) != handMade {
		t.Errorf("removed:\n%s", got)
	}
	more := withRights(added, "alice", "device alice", []right{{"write", "house/#"}, {"read", "house2/#"}, {"write", "x"}})
	if want := strings.Replace(want, "topic house2/#\n", "topic house2/#\ntopic write x\n", 1); string(more) != want {
		t.Errorf("more for alice:\n%s", more)
	}
	if got := rightsOf(added, "alice"); !slices.Equal(got, []right{{"readwrite", "house/#"}, {"readwrite", "house2/#"}}) {
		t.Errorf("alice: %v", got)
	}
	gone := withoutRights(added, "alice", "device alice")
	for _, stays := range []string{"topic read public/#", "# alice's second", "pattern write logs/%u", "user bob", "topic deny secret/#", "user sensor0"} {
		if !strings.Contains(string(gone), stays) {
			t.Errorf("without alice %q is gone:\n%s", stays, gone)
		}
	}
	if rightsOf(gone, "alice") != nil || strings.Contains(string(gone), "house") {
		t.Errorf("alice is still there:\n%s", gone)
	}
}

// A right that is denied is not covered, and "deny" covers nothing but itself.
func TestDenyIsNoRight(t *testing.T) {
	acl := withRights([]byte("user a\ntopic deny x\n"), "a", "a", []right{{"write", "x"}})
	if want := "user a\ntopic deny x\ntopic write x\n"; string(acl) != want {
		t.Errorf("%s", acl)
	}
}

func TestTopicsOfDevices(t *testing.T) {
	for _, good := range []string{"a", "plant/7/#", "plant/+/temp", "a b/c", "ä/#"} {
		if err := checkFilter(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", " a", "a ", "#", "+/x", "+", "a/#/b", "a#", "a/b+", "$SYS/#", "$share/g/x", "a\nuser b", "a\x00", "\xff"} {
		if checkFilter(bad) == nil {
			t.Errorf("%q is let through", bad)
		}
	}
}

func TestNamesOfDevices(t *testing.T) {
	for _, good := range []string{"sensor0", "a", "Hall_3.east-2", strings.Repeat("x", 64)} {
		if err := checkDevice(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "recorder", "-x", ".x", "a b", "a/b", "a+b", "a#", "a:b", "ä", "a\n", "a\"", strings.Repeat("x", 65)} {
		if checkDevice(bad) == nil {
			t.Errorf("%q is let through", bad)
		}
	}
}

func FuzzRights(f *testing.F) {
	f.Add([]byte(handMade), "sensor0")
	f.Add([]byte("user a\r\ntopic \n"), "a")
	f.Fuzz(func(t *testing.T, acl []byte, user string) {
		if checkDevice(user) != nil {
			return
		}
		rights := deviceTopics(user)
		with := withRights(acl, user, deviceComment(user), rights)
		have := rightsOf(with, user)
		for _, r := range rights {
			if !slices.ContainsFunc(have, func(h right) bool { return h.covers(r) }) {
				t.Errorf("%v is missing in %q", r, with)
			}
		}
		if again := withRights(with, user, deviceComment(user), rights); !bytes.Equal(again, with) {
			t.Errorf("not the same again: %q, %q", with, again)
		}
		if left := rightsOf(withoutRights(with, user, deviceComment(user)), user); left != nil {
			t.Errorf("left: %v", left)
		}
	})
}
