package syslog

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fieldsOf shortens what the cases expect.
func fieldsOf(priority, facility int, facilityName string, severity int, severityName string, more ...string) map[string]any {
	f := map[string]any{
		"priority": int64(priority),
		"facility": map[string]any{"code": int64(facility), "name": facilityName},
		"severity": map[string]any{"code": int64(severity), "name": severityName},
	}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = more[i+1]
	}
	return f
}

func TestParse(t *testing.T) {
	zone := time.FixedZone("", 3600)
	data := fieldsOf(165, 20, "local4", 5, "Notice", "hostname", "h", "appname", "a", "procid", "7", "msgid", "ID", "version", "1")
	data["structured_data"] = map[string]any{
		"ex@32473": map[string]any{"iut": "3", "b": "[x] y"}, "empty": map[string]any{},
	}
	for _, c := range []struct {
		name, format, data string
		fields             map[string]any
		msg, stamp, err    string
	}{
		{
			"bsd with pid", RFC3164, "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed",
			fieldsOf(34, 4, "security/authorization", 2, "Critical", "hostname", "mymachine", "appname", "su", "procid", "230"),
			"'su root' failed", "2025-10-11T21:14:15Z", "",
		}, {
			"bsd without tag", Auto, "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
			fieldsOf(13, 1, "user-level", 5, "Notice", "hostname", "10.0.0.99"), "Use the BFG!", "2026-02-05T16:32:18Z", "",
		}, {
			"one space before the day", RFC3164, "<0>Jan 1 00:00:00 h tag: x",
			fieldsOf(0, 0, "kernel", 0, "Emergency", "hostname", "h", "appname", "tag"), "x", "2025-12-31T23:00:00Z", "",
		}, {
			"bsd without priority", Auto, "Jan  2 00:00:00 h [id] colon: x",
			map[string]any{"hostname": "h"}, "[id] colon: x", "2026-01-01T23:00:00Z", "",
		}, {
			"bsd with rfc 3339", Auto, "<0>2023-08-24T05:14:15.000003-07:00 web prog: iso date",
			fieldsOf(0, 0, "kernel", 0, "Emergency", "hostname", "web", "appname", "prog"), "iso date", "2023-08-24T12:14:15.000003Z", "",
		}, {
			"broken pid is text", RFC3164, "<0>Jan 1 00:00:00 h su[12 x: y",
			fieldsOf(0, 0, "kernel", 0, "Emergency", "hostname", "h"), "su[12 x: y", "2025-12-31T23:00:00Z", "",
		}, {
			"priority out of range", RFC3164, "<999>Oct 11 22:14:15 m x: bad priority",
			map[string]any{"hostname": "m", "appname": "x"}, "bad priority", "2025-10-11T21:14:15Z",
			"validation error at position 2: priority value out of range (expected 0..191)",
		}, {
			"no syslog", RFC3164, "no priority here", map[string]any{}, "", "", "parsing error at position 4: unexpected EOF",
		}, {
			"space behind the priority", Auto, "<14> Jun 27 12:00:32 172.32.32.50-1 G: x",
			fieldsOf(14, 1, "user-level", 6, "Informational"), "", "", "parsing error at position 5: unexpected EOF",
		}, {
			"only a host", RFC3164, "Jan 1 00:00:00 h", map[string]any{}, "", "2025-12-31T23:00:00Z", "parsing error at position 17: unexpected EOF",
		}, {
			"two faults", RFC3164, "<192>Jan 99 00:00:00 h t: x", map[string]any{"hostname": "h", "appname": "t"}, "x", "",
			`validation error at position 2: priority value out of range (expected 0..191); validation error at position 6: "Jan 99 00:00:00" is no time of the form Jan _2 15:04:05`,
		}, {
			"empty", Auto, "", map[string]any{}, "", "", "parsing error at position 1: unexpected EOF",
		}, {
			"5424", Auto, `<165>1 2003-10-11T22:14:15.003Z h a 7 ID [ex@32473 iut="3" b="[x\] y"][empty] ` + "\ufefftext",
			data, "text", "2003-10-11T22:14:15.003Z", "",
		}, {
			"5424 nothing but nil", RFC5424, "<165>1 - - - - - -", fieldsOf(165, 20, "local4", 5, "Notice", "version", "1"), "", "", "",
		}, {
			"5424 no priority", RFC5424, "1 - - - - - -", map[string]any{}, "", "", "parsing error at position 1: unexpected EOF",
		}, {
			"5424 escaped quote", RFC5424, `<165>1 2003-10-11T22:14:15.003Z h evntslog 77 ID47 [exampleSDID@32473 iut="3" eventSource="App\"q\"" x=""][second@1 a="b"] An entry`,
			fieldsOf(165, 20, "local4", 5, "Notice", "hostname", "h", "appname", "evntslog", "procid", "77", "msgid", "ID47", "version", "1"),
			"", "2003-10-11T22:14:15.003Z", "parsing error at position 96: unexpected EOF",
		}, {
			"5424 brackets that are no data", Auto, "<165>1 - h a - - [no data] text",
			fieldsOf(165, 20, "local4", 5, "Notice", "hostname", "h", "appname", "a", "version", "1"), "[no data] text", "", "",
		}, {
			"5424 unclosed data", Auto, "<165>1 - - - - - [a", fieldsOf(165, 20, "local4", 5, "Notice", "version", "1"), "", "",
			"parsing error at position 20: unexpected EOF",
		}, {
			"5424 bad time", RFC5424, "<165>1 yesterday h - - - - x",
			fieldsOf(165, 20, "local4", 5, "Notice", "hostname", "h", "version", "1"), "x", "",
			`validation error at position 8: parsing time "yesterday" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "yesterday" as "2006"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Parse(c.data, Options{Format: c.format, Location: zone}, now)
			if text := errorText(err); text != c.err {
				t.Errorf("error %q, want %q", text, c.err)
			}
			if f := m.Fields(); !reflect.DeepEqual(f, c.fields) {
				t.Errorf("fields %v, want %v", f, c.fields)
			}
			if m.Msg != c.msg {
				t.Errorf("msg %q, want %q", m.Msg, c.msg)
			}
			stamp := ""
			if !m.Timestamp.IsZero() {
				stamp = m.Timestamp.UTC().Format(time.RFC3339Nano)
			}
			if stamp != c.stamp {
				t.Errorf("timestamp %q, want %q", stamp, c.stamp)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The year is not in the message.
func TestYear(t *testing.T) {
	for _, c := range []struct{ now, stamp, want string }{
		{"2026-01-01T00:00:05Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"2025-12-31T23:59:50Z", "Jan  1 00:00:01", "2025-01-01T00:00:01Z"},
		{"2026-06-01T00:00:00Z", "Jun  1 20:00:00", "2026-06-01T20:00:00Z"},
		{"2024-03-01T00:00:00Z", "Feb 29 01:00:00", "2024-02-29T01:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(c.stamp+" h x", Options{Location: time.UTC}, at)
		if got := m.Timestamp.Format(time.RFC3339); err != nil || got != c.want {
			t.Errorf("%s at %s: %s, %v, want %s", c.stamp, c.now, got, err, c.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, format := range []string{"", Auto, RFC3164, RFC5424} {
		if err := (Options{Format: format}).Validate(); err != nil {
			t.Error(err)
		}
	}
	if err := (Options{Format: "bsd"}).Validate(); err == nil || !strings.Contains(err.Error(), "rfc3164") {
		t.Errorf("bsd: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed")
	f.Add(`<165>1 2003-10-11T22:14:15.003Z h a 7 ID [ex@32473 iut="3" b="[x\] y"][empty] text`)
	f.Add("<0>2023-08-24T05:14:15.000003-07:00 web prog: iso date")
	f.Add("<192>Jan 99 00:00:00 h t: x")
	f.Fuzz(func(t *testing.T, data string) {
		for _, format := range []string{Auto, RFC3164, RFC5424} {
			m, err := Parse(data, Options{Format: format, Location: time.UTC}, now)
			if err == nil && m.Hostname == "" && m.Version == "" {
				t.Errorf("%s: %q has neither a host nor a version, yet no error", format, data)
			}
			for _, text := range []string{m.Hostname, m.AppName, m.ProcID, m.MsgID, m.Version} {
				if !strings.Contains(data, text) || strings.ContainsAny(text, " \n") {
					t.Errorf("%s: %q was made of %q", format, text, data)
				}
			}
			if m.StructuredData == nil && !strings.HasSuffix(data, m.Msg) && !strings.Contains(data+" ", m.Msg) {
				t.Errorf("%s: message %q was made of %q", format, m.Msg, data)
			}
			m.Fields()
		}
	})
}
