package elasticsearch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server keeps what bulk requests bring, as Elasticsearch does.
type server struct {
	*httptest.Server

	mu       sync.Mutex
	docs     map[string]map[string]string // by index and id
	requests []request
	// judge answers an item in place of the server; 0: it is stored.
	judge func(id, doc string) (status int, kind, reason string)
	// whole answers a request in place of the server; 0: it does not.
	whole func(w http.ResponseWriter, r *http.Request) int
}

type request struct {
	header  http.Header
	query   string
	path    string
	ids     []string
	actions []map[string]string
	body    int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{docs: map[string]map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	whole := s.whole
	s.mu.Unlock()
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if whole != nil {
		if status := whole(w, r); status != 0 {
			return
		}
	}
	if r.Method == http.MethodGet {
		fmt.Fprint(w, `{"version":{"number":"9.0.0"},"tagline":"You Know, for Search"}`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	req := request{header: r.Header.Clone(), query: r.URL.RawQuery, path: r.URL.Path, body: len(body)}
	items, failed, err := s.store(&req, body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"type":"illegal_argument_exception","reason":%q},"status":400}`, err)
		return
	}
	s.requests = append(s.requests, req)
	fmt.Fprintf(w, `{"errors":%v,"items":[%s]}`, failed, strings.Join(items, ","))
}

func readBody(r *http.Request) ([]byte, error) {
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(in)
}

func (s *server) store(req *request, body []byte) (items []string, failed bool, err error) {
	if !bytes.HasSuffix(body, []byte("\n")) {
		return nil, false, errors.New("The bulk request must be terminated by a newline [\\n]")
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var action map[string]map[string]string
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || len(action) != 1 {
			return nil, false, fmt.Errorf("Malformed action/metadata line: %s", lines.Text())
		}
		if !lines.Scan() || !json.Valid(lines.Bytes()) {
			return nil, false, fmt.Errorf("no document: %s", lines.Text())
		}
		for op, meta := range action {
			item, ok := s.item(op, meta, lines.Text())
			failed = failed || !ok
			items = append(items, item)
			meta["op"] = op
			req.actions = append(req.actions, meta)
			req.ids = append(req.ids, meta["_id"])
		}
	}
	return items, failed, lines.Err()
}

func (s *server) item(op string, meta map[string]string, doc string) (answer string, ok bool) {
	id := meta["_id"]
	if id == "" {
		id = fmt.Sprint("auto", len(s.docs[meta["_index"]]))
	}
	status, kind, reason := 0, "", ""
	if s.judge != nil {
		status, kind, reason = s.judge(id, doc)
	}
	index := s.docs[meta["_index"]]
	if index == nil {
		index = map[string]string{}
		s.docs[meta["_index"]] = index
	}
	if _, there := index[id]; status == 0 && there && op == "create" {
		status, kind, reason = 409, "version_conflict_engine_exception", "document already exists"
	}
	if status != 0 {
		return fmt.Sprintf(`{%q:{"status":%d,"error":{"type":%q,"reason":%q}}}`, op, status, kind, reason), false
	}
	index[id] = doc
	return fmt.Sprintf(`{%q:{"status":201}}`, op), true
}

// on changes the server while it is used.
func (s *server) on(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *server) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, index := range s.docs {
		n += len(index)
	}
	return n
}

// doc is a document as the tailer makes it.
func doc(id string, fields string) []byte {
	return fmt.Appendf(nil, `{"@timestamp":"2026-11-25T10:53:35.123Z","@metadata":{"beat":"filebeat","type":"_doc","version":"9.0.0","_id":%q},"message":"line \\\"%s\\\""%s}`, id, id, fields)
}

func batch(docs ...[]byte) (buf []byte, ends []int) {
	for _, d := range docs {
		buf = append(buf, d...)
		ends = append(ends, len(buf))
	}
	return buf, ends
}

func numbered(n int) [][]byte {
	docs := make([][]byte, n)
	for i := range docs {
		docs[i] = doc(fmt.Sprint("g-", i), "")
	}
	return docs
}

// options are short waits for a server.
func options(hosts ...string) Config {
	c := DefaultConfig()
	c.Hosts = hosts
	c.ProxyDisable = true
	c.Backoff = BackoffConfig{Init: time.Millisecond, Max: 4 * time.Millisecond}
	return c
}

func newClient(t *testing.T, c Config) (*Client, *logged) {
	t.Helper()
	out := &logged{}
	client, err := New(c, "9.0.0", zerolog.New(out).Level(zerolog.InfoLevel))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, out
}

type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// deadLetters are what the server refused.
type deadLetters struct {
	mu    sync.Mutex
	fault error
	list  map[string]string // reason by document
}

func (d *deadLetters) take(doc []byte, reason error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		return d.fault
	}
	if d.list == nil {
		d.list = map[string]string{}
	}
	d.list[string(doc)] = reason.Error()
	return nil
}

func (d *deadLetters) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.list)
}

// ship sends docs as a tailer does, connecting again after failures, until all
// are acknowledged.
func ship(t *testing.T, client *Client, aside *deadLetters, docs ...[]byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	acked := 0
	for acked < len(docs) {
		conn, err := client.Connect(ctx, 0)
		if err != nil {
			t.Fatalf("%d of %d acknowledged: %v", acked, len(docs), err)
		}
		if aside != nil {
			conn.OnRefused(aside.take)
		}
		acked += shipOn(ctx, t, conn, docs[acked:])
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acked > len(docs) {
		t.Fatalf("%d of %d acknowledged", acked, len(docs))
	}
}

// shipOn sends over one Conn and returns how many were acknowledged.
func shipOn(ctx context.Context, t *testing.T, conn *Conn, docs [][]byte) (acked int) {
	t.Helper()
	for sent := 0; ; {
		if sent < len(docs) && conn.Room() > 0 {
			buf, ends := batch(docs[sent:]...)
			n, err := conn.Send(ctx, buf, ends)
			if err != nil {
				t.Fatal(err)
			}
			sent += n
		}
		select {
		case n, ok := <-conn.Acks():
			if !ok {
				return acked
			}
			if acked += n; acked == len(docs) {
				return acked
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d sent, %d acknowledged", sent, len(docs), acked)
		}
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
