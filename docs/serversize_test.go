package docs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sluice/internal/esnode"
)

// readings writes n recorded lines of a day, of sensors that say two values a
// minute each, in a form: json, csv or serial.
func readings(t *testing.T, file, form string, n int) {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	w := bufio.NewWriter(f)
	const perSensor = 2880
	sensors := (n + perSensor - 1) / perSensor
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	value := make([]float64, sensors)
	for i := range n {
		s, nth := i%sensors, i/sensors
		at := day.Add(time.Duration(nth)*30*time.Second + time.Duration(s)*700*time.Millisecond + time.Duration(random.IntN(1e8)))
		value[s] += random.Float64() - 0.5
		kind, number := "temp", 21+math.Mod(value[s], 10)
		if nth%2 == 1 {
			kind, number = "humid", 55+math.Mod(value[s], 30)
		}
		topic := fmt.Sprintf("sensor%d/feeds/0/%s", s, kind)
		switch form {
		case "json":
			fmt.Fprintf(w, `{"time":%q,"topic":%q,"qos":1,"retained":false,"duplicate":false,"id":%d,"payload":"%.1f","encoding":"text","boot":"d98989c2","monotonic":%.6f,"synced":true}`+"\n",
				at.Format(time.RFC3339Nano), topic, i%65535+1, number, at.Sub(day).Seconds()+28811)
		case "csv":
			fmt.Fprintf(w, "%s,%s,%.1f\n", at.Format("2006-01-02T15:04:05-0700"), topic, number)
		case "serial":
			fmt.Fprintf(w, `{"time":%q,"source":"serial","port":"usb:2341:0043:%d","device":"/dev/ttyACM%d","line":"{\"t\":\"sensor\",\"seq\":%d,\"hum\":%.1f,\"tem\":%.1f}*15","boot":"d98989c2","monotonic":%.6f,"synced":true}`+"\n",
				at.Format(time.RFC3339Nano), 9573+s, s, nth+1, 55+math.Mod(value[s], 30), 21+math.Mod(value[s], 10), at.Sub(day).Seconds()+28811)
		}
	}
	must(t, w.Flush())
}

// size ships the lines of a file by the tailer, and returns the bytes that their
// index takes for each. How is more of output.elasticsearch.
func size(t *testing.T, r *reader, n *esnode.Node, file, how string, lines int) float64 {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "sluice.yml")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, `path.data: %s/data
name: gateway1
fields: {site: plant 4}
fields_under_root: true
filebeat.inputs: [{type: filestream, id: lines, paths: [%s]}]
output.elasticsearch: {hosts: [%q], index: mqtt, pipeline: mqtt%s}
`, dir, file, n.URL, how), 0o600))
	began := time.Now()
	if said, err := r.run("sluice tailer --once -c " + conf); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	took := time.Since(began)
	if c := n.Count("mqtt-*"); c != lines {
		t.Fatalf("%d documents of %d lines", c, lines)
	}
	n.OK("POST", "/mqtt-*/_flush?force=true&wait_if_ongoing=true", "")
	var list []struct {
		Size string `json:"pri.store.size"`
	}
	must(t, json.Unmarshal(n.OK("GET", "/_cat/indices/mqtt-*?format=json&bytes=b&h=pri.store.size", ""), &list))
	if len(list) != 1 {
		t.Fatalf("%d indices of one day", len(list))
	}
	all, err := strconv.ParseFloat(list[0].Size, 64)
	must(t, err)
	t.Logf("%s: %d documents in %v, %.1f bytes each", filepath.Base(file), lines, took.Round(100*time.Millisecond), all/float64(lines))
	n.OK("DELETE", "/mqtt-*", "")
	return all / float64(lines)
}

// What server.md says of the bytes that a document takes is what a node says.
func TestServerSizing(t *testing.T) {
	needsNode(t)
	n := esnode.Start(t, esnode.Options{Kind: esnode.Elasticsearch7})
	r := newReader(t)
	if said, err := r.run("sluice setup server --apply " + n.URL); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, c := range []struct {
		row, form, how string
		lines          int
		tolerance      float64 // how small parts are merged depends on the time
	}{
		{"MQTT, recorded as JSON", "json", "", 100000, 0.07},
		{"the same, 2,880 that came in tens", "json", ", bulk_max_size: 10, parameters: {refresh: true}", 2880, 0.35},
		{"MQTT, the report's format", "csv", "", 100000, 0.07},
		{"Arduino's reading, two values", "serial", "", 100000, 0.07},
	} {
		file := filepath.Join(t.TempDir(), c.form+".log")
		readings(t, file, c.form, c.lines)
		said := number(t, cells(t, page(t, "server.md"), c.row)[1])
		if is := size(t, r, n, file, c.how, c.lines); math.Abs(said-is) > c.tolerance*is {
			t.Errorf("%s: server.md says %g, it is %.1f", c.row, said, is)
		}
	}
}

// The table of disks says what the formula gives.
func TestServerDisk(t *testing.T) {
	text := page(t, "server.md")
	each := number(t, cells(t, text, "MQTT, recorded as JSON")[1])
	for first, perDay := range map[string]float64{"2 a minute": 2880, "1 a second": 86400, "10 a second": 864000, "100 a second": 8640000} {
		row := cells(t, text, first)
		near(t, first, number(t, row[1]), perDay)
		near(t, first, number(t, row[2]), perDay*each*90*1.5)
		near(t, first, number(t, row[3]), perDay*each*365*1.5)
	}
}
