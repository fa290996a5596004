package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBrokerThatDemandsAClientCertificate(t *testing.T) {
	p := newPKI(t)
	b := newBroker(t, p)
	b.stop()
	conf, err := os.ReadFile(b.conf)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(conf), "tls_version tlsv1.2\n", "tls_version tlsv1.3\n", 1) + "cafile " + p.caFile + "\nrequire_certificate true\n"
	if err := os.WriteFile(b.conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.start()
	s := runSluice(t, os.Getuid(), "recorder", "--log-level", "debug", "-c", recording(t, b.url(), p.caFile, user, password))
	s.tried(20, "still not connected")
	s.complains(fmt.Sprintf("127.0.0.1:%d: the server requires a client certificate; set ssl.certificate and ssl.key (tls: certificate required)", b.port))
	s.stop()
}

// Files below the recorder's feet: what comes after is not acknowledged before
// it is in a file that can be shipped.
func TestSegmentsDeletedBySomebodyElse(t *testing.T) {
	p := newPKI(t)
	b, r := newBroker(t, p), newReceiver(t, p)
	spool := filepath.Join(t.TempDir(), "spool")
	g := newGateway(t, b, r, spool)
	g.start("recorder")
	eventually(t, "the recorder has subscribed", func() bool { return strings.Contains(g.said("recorder"), `"connected"`) })
	var sent atomic.Int64
	b.publish(1000, 1001, 1, &sent)
	eventually(t, "a segment is there", func() bool { return len(segments(t, spool)) == 1 })
	for _, segment := range segments(t, spool) {
		if err := os.Remove(segment); err != nil {
			t.Fatal(err)
		}
	}
	b.publish(0, 100, 50, &sent)
	r.start()
	g.start("tailer")
	eventually(t, "all readings have come", func() bool { return r.missing(100) == 0 })
	g.stop("recorder")
	r.forget(1000) // recorded again, if its segment was deleted before its fsync
	r.prove(100)
	if said := g.said("recorder"); strings.Count(said, "was deleted while it was being written") != 1 || strings.Count(said, "recording resumes") != 1 {
		t.Errorf("the loss is not told once:\n%s", said)
	}
}
