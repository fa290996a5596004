package recorder

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	packets5 "github.com/eclipse/paho.golang/packets"
)

func TestPropertiesAreKeptInTheRecord(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		s := startScript(t, config(dir, "mqtt://script"))
		p := s.session(false)
		p.deliver(1, "all", &packets5.Properties{
			PayloadFormat: new(byte(1)), MessageExpiry: new(uint32(4000000000)), ContentType: "text/plain", ResponseTopic: "a/\"reply\"",
			CorrelationData: []byte("c\x00\n"), SubscriptionIdentifier: new(268435455),
			User: []packets5.User{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}, {Key: "b", Value: "ä\n"}, {Key: "", Value: ""}},
		})
		p.deliver(2, "binary", &packets5.Properties{CorrelationData: []byte("\xff\x00")})
		p.deliver(3, "no UTF-8", &packets5.Properties{ContentType: "\xfe", User: []packets5.User{{Key: "k", Value: "v"}}})
		p.deliver(4, "none", none())
		// Empty texts and several subscriptions, which the library can't send.
		_, err := p.conn.Write([]byte{0x32, 18, 0, 1, 't', 0, 5, 11, 3, 0, 0, 11, 1, 9, 0, 0, 11, 0x80, 1, 'x'})
		must(t, err)
		p.acked(1, 2, 3, 4, 5)
		s.bye(p)
		var got []string
		for _, line := range spoolLines(t, s.cfg.Spool.Path) {
			_, after, _ := strings.Cut(line, `"encoding":"text"`)
			before, _, _ := strings.Cut(after, `,"boot":`)
			got = append(got, before)
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
		want := []string{
			`,"content_type":"text/plain","response_topic":"a/\"reply\"","correlation_data":"c\u0000\n","payload_format":1,"expiry":4000000000,"subscriptions":[268435455],"user_properties":[["b","2"],["a","1"],["b","ä\n"],["",""]]`,
			`,"correlation_data":"/wA=","correlation_encoding":"base64"`,
			`,"properties_encoding":"base64","content_type":"/g==","user_properties":[["aw==","dg=="]]`,
			``,
			`,"content_type":"","correlation_data":"","subscriptions":[1,128]`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestTooLongPropertiesAreCut(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		c.MQTT[0].MaxPayload = 10
		s := startScript(t, c)
		p := s.session(false)
		props := none()
		for i := range 9 {
			props.User = append(props.User, packets5.User{Key: fmt.Sprint(i), Value: strings.Repeat("v", 60000)})
		}
		p.deliver(1, "0123456789ABC", props)
		p.deliver(2, "after", none())
		p.acked(1, 2)
		s.bye(p)
		lines := s.lines()
		if l := lines[0]; l.Payload != "0123456789" || l.Size != 13 || !l.PropertiesTruncated || len(l.UserProperties) != 4 || l.UserProperties[3][0] != "3" {
			t.Errorf("%q, %d bytes, properties truncated %v, %d of them", l.Payload, l.Size, l.PropertiesTruncated, len(l.UserProperties))
		}
		if l := lines[1]; l.Payload != "after" || l.PropertiesTruncated {
			t.Errorf("%+v", l)
		}
		s.logged(1, "properties of a message are longer than 256 KiB and were cut")
	})
}

func TestMalformedPropertiesEndTheConnection(t *testing.T) {
	for name, props := range map[string]string{
		"unknown":               "\x63",
		"of another packet":     "\x1f\x00\x01x",
		"topic alias":           "\x23\x00\x01",
		"twice":                 "\x01\x00\x01\x00",
		"cut number":            "\x02\x00",
		"cut text":              "\x03\x00\x05ab",
		"no length":             "\x09\x00",
		"no value":              "\x26\x00\x01a",
		"endless number":        "\x0b\xff\xff\xff\xff\x01",
		"beyond the properties": "\x03\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble5(t, func(t *testing.T, dir string) {
				s := startScript(t, config(dir, "mqtt://script"))
				p := s.session(false)
				body := append([]byte{0, 1, 't', 0, 1, byte(len(props))}, props...)
				_, err := p.conn.Write(append([]byte{0x32, byte(len(body))}, body...))
				must(t, err)
				if d, ok := p.read5().(*packets5.Disconnect); !ok || d.ReasonCode != 0x82 {
					t.Errorf("the broker is told %+v", d)
				}
				s.bye(s.session(false))
				s.logged(1, "the broker breaks MQTT 5: a PUBLISH with ")
				if n := len(s.lines()); n != 0 {
					t.Errorf("%d lines", n)
				}
			})
		})
	}
}

// The broker counts the expiry down; it is the same message all the same. One
// with another user property is another.
func TestRedeliveryIsKnownByItsLastingProperties(t *testing.T) {
	inBubble5(t, func(t *testing.T, dir string) {
		c := config(dir, "mqtt://script")
		s := startScript(t, c)
		user := func(v string, expiry uint32) *packets5.Properties {
			return &packets5.Properties{MessageExpiry: &expiry, User: []packets5.User{{Key: "at", Value: v}}}
		}
		again := func(p *peer, id uint16, props *packets5.Properties) {
			p.write5(packets5.PUBLISH, &packets5.Publish{Topic: "feeds/t", Payload: []byte("21.5"), PacketID: id, QoS: 1, Duplicate: true, Properties: props})
		}
		p := s.session(false)
		p.deliver(1, "21.5", user("1", 100))
		p.deliver(2, "21.5", user("2", 100))
		p.acked(1, 2)
		p.conn.Close()
		p = s.session(true)
		again(p, 1, user("1", 90))
		again(p, 2, user("3", 90))
		p.acked(1, 2)
		s.bye(p)
		s.want("21.5", "21.5", "+21.5")
	})
}

// publish5 publishes one message with properties.
func (m *mosquitto) publish5(payload string, args ...string) {
	m.t.Helper()
	args = append([]string{"-V", "5", "-h", "127.0.0.1", "-p", strconv.Itoa(m.port), "-q", "1", "-t", "feeds/t", "-m", payload}, args...)
	if out, err := exec.Command(program(m.t, "mosquitto_pub"), args...).CombinedOutput(); err != nil {
		m.t.Fatalf("mosquitto_pub %q: %v: %s", args, err, out)
	}
}

// everyProperty are arguments of mosquitto_pub; correlation is the data among
// them.
func everyProperty(correlation string) []string {
	return []string{
		"-D", "publish", "user-property", "k 2", "v:2", "-D", "publish", "content-type", "text/plain", "-D", "publish", "response-topic", "a/reply",
		"-D", "publish", "correlation-data", correlation, "-D", "publish", "message-expiry-interval", "4000",
		"-D", "publish", "payload-format-indicator", "1", "-D", "publish", "user-property", "k1", "ä", "-D", "publish", "user-property", "k 2", "",
	}
}

func TestPropertiesOverARealBroker(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := config(filepath.Join(tempDir(t), folder5), "mqtt://"+m.addr())
	x := run(t, c).connected()
	m.publish5("with", everyProperty("c\xff d")...)
	m.publish5("without")
	x.recorded(2)
	must(t, x.halt())
	got := spoolRecords(t, c.Spool.Path)
	l := got[0]
	data, err := base64.StdEncoding.DecodeString(*l.CorrelationData)
	must(t, err)
	want := [][2]string{{"k 2", "v:2"}, {"k1", "ä"}, {"k 2", ""}}
	if *l.ContentType != "text/plain" || *l.ResponseTopic != "a/reply" || string(data) != "c\xff d" || l.CorrelationEncoding != "base64" ||
		*l.PayloadFormat != 1 || *l.Expiry > 4000 || *l.Expiry < 3900 || !slices.Equal(l.UserProperties, want) || l.PropertiesEncoding != "" {
		t.Errorf("%+v", l)
	}
	if l := got[1]; l.ContentType != nil || l.UserProperties != nil || l.Expiry != nil || l.PayloadFormat != nil {
		t.Errorf("%+v", l)
	}
}

// TestFormatsWithPropertiesAreMosquittoSubs gives the same messages to the real
// mosquitto_sub and to the recorder.
func TestFormatsWithPropertiesAreMosquittoSubs(t *testing.T) {
	t.Parallel()
	var pieces []string
	for _, c := range "ACDEFPRS" {
		for _, spec := range []string{"", "3", "12", "-12", "012", "12.2", ".2", "05", "-3.1"} {
			pieces = append(pieces, fmt.Sprintf("%%%s%c", spec, c))
		}
	}
	text := "%p|" + strings.Join(pieces, "|") + "|%j"
	m := startMosquitto(t)
	c := config(filepath.Join(tempDir(t), folder5), "mqtt://"+m.addr())
	c.MQTT[0].Format = text
	x := run(t, c).connected()
	messages := [][]string{
		nil,
		{"-D", "publish", "user-property", "a", "b"},
		{"-D", "publish", "user-property", "", "", "-D", "publish", "response-topic", "r", "-D", "publish", "user-property", "a", "b"},
		{"-D", "publish", "payload-format-indicator", "0", "-D", "publish", "message-expiry-interval", "12345"},
		{"-D", "publish", "correlation-data", "corr", "-D", "publish", "content-type", "a long content type"},
		everyProperty("c d"),
	}
	ready := filepath.Join(m.dir, "sub")
	out, err := os.Create(ready)
	must(t, err)
	defer out.Close()
	sub := exec.Command(program(t, "mosquitto_sub"), "-V", "5", "-h", "127.0.0.1", "-p", strconv.Itoa(m.port), "-q", "1",
		"-t", "#", "-C", strconv.Itoa(len(messages)+1), "-W", "60", "-F", text, "-i", "reference")
	sub.Stdout, sub.Stderr = out, os.Stderr
	m.publish([]string{"-t", "start", "-q", "1", "-r"}, "start") // mosquitto_sub shows it when it has subscribed
	x.recorded(1)
	must(t, sub.Start())
	eventually(t, "mosquitto_sub has subscribed", func() bool { fi, err := os.Stat(ready); return err == nil && fi.Size() > 0 })
	for i, props := range messages {
		m.publish5(fmt.Sprint("m", i), props...)
	}
	must(t, sub.Wait())
	x.recorded(int64(len(messages)) + 1)
	must(t, x.halt())
	b, err := os.ReadFile(ready)
	must(t, err)
	timeless := func(line string) string {
		before, after, _ := strings.Cut(line, `{"tst":"`)
		_, after, _ = strings.Cut(after, `",`)
		return before + after
	}
	want := strings.Split(strings.TrimSpace(string(b)), "\n")
	got := spoolLines(t, c.Spool.Path)
	for i := range messages {
		if g, w := timeless(got[i+1]), timeless(want[i+1]); g != w {
			t.Errorf("%q:\nmosquitto_sub prints %s\nwe print             %s", messages[i], w, g)
		}
	}
}

func TestTextsOfPropertiesStayOnTheLine(t *testing.T) {
	props := (&packets5.Properties{
		ContentType: "a\nb", ResponseTopic: "\x00", CorrelationData: []byte("\xff\n"), MessageExpiry: new(uint32(4000000000)),
		User: []packets5.User{{Key: "k", Value: "\r"}},
	}).Pack(packets5.PUBLISH)
	f, err := compileFormat("%C|%R|%D|%P|%E")
	must(t, err)
	if got, want := string(f.appendLine(nil, &Record{Properties: props})), `$'a\nb'|$'\x00'|$'\xff\n'|$'k:\r'|4000000000`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The broker may send as many as receive_maximum and then waits, while the disk
// stalls.
func TestRealBrokerKeepsToReceiveMaximum(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "allow_anonymous true", "max_inflight_messages 0")
	c := config(filepath.Join(tempDir(t), folder5), "mqtt://"+m.addr())
	c.MQTT[0].ReceiveMaximum, c.MQTT[0].KeepAlive = 20, time.Second
	x := run(t, c).connected()
	stall := make(chan struct{})
	x.lines[0].writer.series.fail = func(string) error {
		select {
		case <-stall:
			return nil
		default:
			return syscall.EIO
		}
	}
	want := numbered("r", 1000)
	m.publish([]string{"-t", "a", "-q", "1"}, want...)
	eventually(t, "as many as allowed have come", func() bool { return x.status().QueueRecords >= 20 })
	<-time.After(3 * time.Second)
	if st := x.status(); st.QueueRecords != 20 || st.Received != 20 || st.Connects != 1 || !st.Blocked {
		t.Errorf("while the disk stalls: %+v", st)
	}
	close(stall)
	x.recorded(1000)
	must(t, x.halt())
	onceEach(t, spoolRecords(t, c.Spool.Path), want)
}

// FuzzProperties: what the check lets pass is read without fault, is what the
// library reads, and makes a line that can be read back.
func FuzzProperties(f *testing.F) {
	f.Add([]byte{1, 1, 2, 0, 0, 0, 9, 3, 0, 1, 'x', 8, 0, 0, 9, 0, 1, 0xff, 11, 0x80, 1})
	f.Add([]byte{38, 0, 1, 'a', 0, 1, 'b', 38, 0, 1, 'a', 0, 0})
	f.Add([]byte{35, 0, 1})
	f.Add([]byte{3, 0xff})
	f.Fuzz(func(t *testing.T, content []byte) {
		whole, fault := properties(content).check()
		if whole > len(content) {
			t.Fatalf("%d of %d bytes are whole", whole, len(content))
		}
		if fault != "" {
			return
		}
		kept := properties(content[:whole])
		library := &packets5.Properties{}
		size := []byte{byte(whole)&0x7f | 0x80, byte(whole>>7)&0x7f | 0x80, byte(whole >> 14)}
		if err := library.Unpack(bytes.NewBuffer(append(size, kept...)), packets5.PUBLISH); err != nil {
			t.Fatalf("the library does not read %q: %v", kept, err)
		}
		var users []packets5.User
		kept.each(propUser, func(one property) {
			users = append(users, packets5.User{Key: string(one.text), Value: string(one.value)})
		})
		content1, _ := kept.find(propContentType)
		if !slices.Equal(users, library.User) || string(content1.text) != library.ContentType {
			t.Fatalf("%q: %v, the library reads %v", kept, users, library.User)
		}
		r := Record{Time: time.Unix(1e9, 0), Properties: kept}
		line := appendJSON(nil, &r)
		var l jsonLine
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil || !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r\x00") {
			t.Fatalf("%q: %v", line, err)
		}
		if len(l.UserProperties) != len(users) {
			t.Fatalf("%q of %v", line, users)
		}
		for i, pair := range l.UserProperties {
			if l.PropertiesEncoding == "base64" {
				for j := range pair {
					b, err := base64.StdEncoding.DecodeString(pair[j])
					must(t, err)
					pair[j] = string(b)
				}
			}
			if pair[0] != users[i].Key || pair[1] != users[i].Value {
				t.Fatalf("%q of %v", line, users)
			}
		}
		for _, text := range []string{"%A%C%D%E%F%P%R%S", "%j"} {
			format, err := compileFormat(text)
			must(t, err)
			line := format.appendLine(nil, &r)
			if bytes.ContainsAny(line, "\n\r\x00") || text == "%j" && !utf8.Valid(line) {
				t.Fatalf("%s: %q", text, line)
			}
		}
	})
}
