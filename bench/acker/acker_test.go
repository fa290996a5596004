package acker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	lumberjack "github.com/elastic/go-lumber/client/v2"
)

func listen(t *testing.T, check func([]byte)) (*Server, *tls.Conn) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	s, err := Listen(ca, check)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// Another client than ours agrees about the protocol.
func TestCountsWhatGoLumberSends(t *testing.T) {
	for _, level := range []int{0, 3} {
		for _, checked := range []bool{false, true} {
			t.Run(fmt.Sprintf("level %d, checked %v", level, checked), func(t *testing.T) {
				var documents []string
				var check func([]byte)
				if checked {
					check = func(doc []byte) { documents = append(documents, string(doc)) }
				}
				s, c := listen(t, check)
				l, err := lumberjack.NewSyncClientWithConn(c, lumberjack.CompressionLevel(level))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if n, err := l.Send([]any{"a", "b", "c"}); n != 3 || err != nil {
						t.Fatalf("%d of 3 acknowledged: %v", n, err)
					}
				}
				if s.Documents.Load() != 6 || s.Windows.Load() != 2 || s.First.Load() == 0 {
					t.Errorf("%d documents in %d windows counted, first at %d", s.Documents.Load(), s.Windows.Load(), s.First.Load())
				}
				if want := []string{`"a"`, `"b"`, `"c"`, `"a"`, `"b"`, `"c"`}; checked && !slices.Equal(documents, want) {
					t.Errorf("documents %q", documents)
				}
			})
		}
	}
}

func TestAWindowThatHoldsLessIsAFault(t *testing.T) {
	s, c := listen(t, func([]byte) {})
	// A window of two, and an empty compressed stream.
	if _, err := c.Write(append([]byte("2W\x00\x00\x00\x022C\x00\x00\x00\x08"), 0x78, 0x9c, 3, 0, 0, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 6)); err == nil {
		t.Errorf("%d bytes of an acknowledgement", n)
	}
	if s.Err() == nil {
		t.Error("no fault is reported")
	}
}
