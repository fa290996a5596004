package logstash

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"sluice/internal/tlsconfig"
	"sluice/internal/tlsconfig/tlstest"
)

// rawAcker acknowledges whole windows without unpacking or allocating: it only
// reads frame lengths.
func rawAcker(p *peer) {
	in := bufio.NewReaderSize(p, 64<<10)
	head := make([]byte, 10)
	answer := ackBytes('2', 0)
	for {
		if _, err := io.ReadFull(in, head[:6]); err != nil {
			return
		}
		count := binary.BigEndian.Uint32(head[2:])
		for left := count; left > 0; {
			if _, err := io.ReadFull(in, head[:6]); err != nil {
				return
			}
			size := int(binary.BigEndian.Uint32(head[2:]))
			if head[1] == 'C' {
				left = 0
			} else {
				left--
				if _, err := io.ReadFull(in, head[6:10]); err != nil {
					return
				}
				size = int(binary.BigEndian.Uint32(head[6:]))
			}
			if _, err := in.Discard(size); err != nil {
				return
			}
		}
		binary.BigEndian.PutUint32(answer[2:], count)
		if _, err := p.Write(answer); err != nil {
			return
		}
	}
}

// sensorDocuments returns n documents of about 500 bytes as the tailer makes
// them from sensor lines.
func sensorDocuments(n int) (buf []byte, ends []int) {
	for i := range n {
		buf = fmt.Appendf(buf, `{"@timestamp":"2024-05-06T07:08:%02d.%03dZ","@metadata":{"beat":"filebeat","type":"_doc","version":"8.15.0","_id":"k3Jf9a2Q-%d"},`+
			`"message":"2024-05-06T07:08:%02d,plant/hall-%d/humidity,%d.%d","log":{"offset":%d,"file":{"path":"/var/spool/sluice/mqtt-0000000042.log","inode":"131","device_id":"66306"}},`+
			`"input":{"type":"filestream"},"ecs":{"version":"8.0.0"},"host":{"name":"gateway-7"},"agent":{"id":"0b6a6f5c-6d1c-4c3a-9d0e-5b1f0c8a7e11","ephemeral_id":"4a1d2c3b-8e7f-4a5b-9c8d-7e6f5a4b3c2d","name":"gateway-7","type":"filebeat","version":"8.15.0"}}`,
			i/1000%60, i%1000, 47*i, i/1000%60, i%7, 40+i%20, i%10, 47*i)
		ends = append(ends, len(buf))
	}
	return buf, ends
}

// once sends one window and takes its ack.
func once(t testing.TB, conn *Conn, buf []byte, ends []int) {
	if n, err := conn.Send(t.Context(), buf, ends); n != len(ends) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for acked := 0; acked < len(ends); {
		n, ok := <-conn.Acks()
		if !ok {
			t.Fatal(conn.Err())
		}
		acked += n
	}
}

func benchmarkConn(t testing.TB, level int, secure bool) *Conn {
	var server *tls.Config
	var ssl *tlsconfig.Config
	if secure {
		ca := tlstest.NewCA(t, "Plant CA")
		server = &tls.Config{Certificates: []tls.Certificate{ca.Issue(nil, "127.0.0.1").TLS}}
		ssl = &tlsconfig.Config{CertificateAuthorities: []string{ca.File()}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, server, func(p *peer) {
		_ = p.SetDeadline(time.Time{})
		rawAcker(p)
	})
	c, _ := newClient(t, func(cfg *Config) { cfg.CompressionLevel, cfg.SSL = level, ssl }, l.Addr().String())
	return connect(t, c)
}

func TestSendAllocatesNothing(t *testing.T) {
	for _, level := range []int{0, 1, 3, 6} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("level %d tls %v", level, secure), func(t *testing.T) {
				conn := benchmarkConn(t, level, secure)
				buf, ends := sensorDocuments(50)
				for range 10 {
					once(t, conn, buf, ends) // buffers grow
				}
				// Both ends are counted. crypto/tls makes a small reader for each
				// record that it reads: two of the server's, one ack of ours.
				allowed := float64(raceAllocations)
				if secure {
					allowed += 3
				}
				if n := testing.AllocsPerRun(100, func() { once(t, conn, buf, ends) }); n > allowed {
					t.Errorf("%v allocations per window", n)
				}
			})
		}
	}
}

// BenchmarkSend reports the process's CPU time per document, which includes the
// test's server (it neither unpacks nor parses).
func BenchmarkSend(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, level := range []int{0, 1, 3, 6} {
			for _, count := range []int{2048, 50} {
				b.Run(fmt.Sprintf("tls=%v/level=%d/docs=%d", secure, level, count), func(b *testing.B) {
					conn := benchmarkConn(b, level, secure)
					buf, ends := sensorDocuments(count)
					once(b, conn, buf, ends)
					b.ReportAllocs()
					b.SetBytes(int64(len(buf)))
					before, written := cpuTime(b), conn.lane.client.Status().BytesWritten
					b.ResetTimer()
					for b.Loop() {
						once(b, conn, buf, ends)
					}
					docs := float64(b.N * count)
					b.ReportMetric(float64(cpuTime(b)-before)/docs, "cpu-ns/doc")
					b.ReportMetric(float64(conn.lane.client.Status().BytesWritten-written)/docs, "wire-B/doc")
				})
			}
		}
	}
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
