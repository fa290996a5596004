package deflate

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"strconv"
	"time"
)

// record is what one Append gets.
type record struct{ header, doc []byte }

// frame makes a record with the header of a Lumberjack JSON data frame.
func frame(seq int, doc []byte) record {
	h := []byte{'2', 'J', 0, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(h[2:], uint32(seq))
	binary.BigEndian.PutUint32(h[6:], uint32(len(doc)))
	return record{h, doc}
}

// events makes n log events as the tailer encodes them: the message is made
// by line.
func events(n int, line func(r *rand.Rand, i int) string) []record {
	r := rand.New(rand.NewSource(1))
	off := int64(123456)
	ts := time.Date(2026, 11, 21, 19, 10, 51, 0, time.UTC)
	var recs []record
	for i := range n {
		if i%20 == 0 {
			ts = ts.Add(time.Duration(1+r.Intn(9)) * time.Millisecond)
		}
		l := line(r, i)
		doc := `{"@timestamp":"` + ts.Format("2006-01-02T15:04:05.000Z") + `","@metadata":{"beat":"filebeat","type":"_doc","version":"9.0.0","_id":"k3J9xQ2mA7-` +
			strconv.FormatInt(off, 10) + `"},"host":{"name":"gw-pi-0042"},"agent":{"type":"filebeat","version":"9.0.0","ephemeral_id":"5d3c6f1e-6a0b-4f0e-9c4b-1d2e3f405162","id":"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa","name":"gw-pi-0042"},"ecs":{"version":"8.0.0"},"input":{"type":"filestream"},"log":{"offset":` +
			strconv.FormatInt(off, 10) + `,"file":{"path":"/var/lib/mqtt-recorder/feeds-20261121-19.log"}},"message":` + strconv.Quote(l) + `}`
		recs = append(recs, frame(i+1, []byte(doc)))
		off += int64(len(l)) + 1
	}
	return recs
}

// shortEvents have lines of 45 bytes: time, topic, value.
func shortEvents(n int) []record {
	val := map[int]float64{}
	t := time.Date(2026, 11, 21, 19, 10, 51, 0, time.UTC)
	return events(n, func(r *rand.Rand, i int) string {
		topic := r.Intn(64)
		v, ok := val[topic]
		if !ok {
			v = 15 + 20*r.Float64()
		}
		v += r.Float64() - 0.5
		val[topic] = v
		kind := "temp"
		if topic%2 == 1 {
			kind = "hum"
		}
		return t.Add(time.Duration(i)*50*time.Millisecond).Format("2006-01-02T15:04:05-0700") + fmt.Sprintf(" /feeds/%d/%s %.2f", topic, kind, v)
	})
}

// jsonEvents have lines of 330 bytes: JSON with 36 quoted strings, most of which
// change.
func jsonEvents(n int) []record {
	keys := []string{"temp", "hum", "press", "co2", "volt", "curr", "rssi", "uptime", "seq", "lat", "lon", "fan"}
	return events(n, func(r *rand.Rand, i int) string {
		s := fmt.Sprintf(`{"time":"2026-11-21T19:10:%02d.%03dZ","device":"sensor-%03d","fw":"1.4.2","state":"%s"`,
			i/20%60, r.Intn(1000), r.Intn(200), []string{"ok", "idle", "alarm"}[r.Intn(3)])
		for k, key := range keys {
			s += fmt.Sprintf(`,"%s":"%.2f"`, key, float64(r.Intn(10000*(k%3+1)))/100)
		}
		return s + fmt.Sprintf(`,"crc":"%08x"}`, r.Uint32())
	})
}

// randomRecords have 500 bytes of noise behind their header.
func randomRecords(n int) []record {
	r := rand.New(rand.NewSource(2))
	var recs []record
	for i := range n {
		doc := make([]byte, 500)
		r.Read(doc)
		recs = append(recs, frame(i+1, doc))
	}
	return recs
}
