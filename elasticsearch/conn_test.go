package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestDocumentsAreStoredOnce(t *testing.T) {
	for _, level := range []int{0, 1, 5} {
		t.Run(fmt.Sprint("level ", level), func(t *testing.T) {
			s := newServer(t)
			cfg := options(s.URL)
			cfg.CompressionLevel, cfg.BulkMaxSize = level, 40
			client, log := newClient(t, cfg)
			docs := numbered(100)
			ship(t, client, nil, docs...)
			ship(t, client, nil, docs...) // 409, which counts as stored
			if n := s.count(); n != 100 {
				t.Errorf("%d documents", n)
			}
			want := `{"@timestamp":"2026-11-25T10:53:35.123Z","message":"line \\\"g-7\\\""}`
			if got := s.docs["filebeat-9.0.0"]["g-7"]; got != want {
				t.Errorf("stored %s, want %s", got, want)
			}
			r := s.requests[0]
			if len(s.requests) != 6 || r.path != "/_bulk" || len(r.ids) != 40 || r.actions[0]["op"] != "create" ||
				(r.header.Get("Content-Encoding") == "gzip") != (level > 0) || !strings.Contains(r.query, "filter_path=errors") {
				t.Errorf("%d requests, the first: %s?%s %v, %d documents", len(s.requests), r.path, r.query, r.header, len(r.ids))
			}
			if log.String() != "" {
				t.Errorf("logged %s", log)
			}
			if st := client.Status(); st.Stored != 200 || st.Documents != 200 || st.Windows != 6 || st.Connects != 1 || st.BytesWritten == 0 || st.LastAck.IsZero() {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func TestWindowsAreBoundedByBytes(t *testing.T) {
	s := newServer(t)
	cfg := options(s.URL)
	docs := numbered(10)
	cfg.BulkMaxBytes = 3*len(docs[0]) + 1
	client, _ := newClient(t, cfg)
	ship(t, client, nil, append(docs, doc("long", `,"x":"`+strings.Repeat("y", 1000)+`"`))...)
	for i, r := range s.requests {
		if want := []int{3, 3, 3, 1, 1}[min(i, 4)]; len(r.ids) != want {
			t.Errorf("request %d has %d documents, want %d", i, len(r.ids), want)
		}
	}
}

func TestRefusedDocumentGoesAside(t *testing.T) {
	s := newServer(t)
	s.judge = func(id, _ string) (int, string, string) {
		if id == "g-3" {
			return 400, "document_parsing_exception", "failed to parse field [value] of type [float]"
		}
		return 0, "", ""
	}
	client, _ := newClient(t, options(s.URL))
	var aside deadLetters
	docs := numbered(6)
	ship(t, client, &aside, docs...)
	if s.count() != 5 || aside.len() != 1 {
		t.Errorf("%d stored, %d set aside", s.count(), aside.len())
	}
	if want := "400 document_parsing_exception: failed to parse field [value] of type [float]"; aside.list[string(docs[3])] != want {
		t.Errorf("set aside for %q, want %q", aside.list[string(docs[3])], want)
	}
	if n := client.Status().Refused; n != 1 {
		t.Errorf("%d refused", n)
	}
}

// What can't be set aside holds up its lane, and nothing is lost.
func TestRefusedDocumentWaitsForThePlaceToPutIt(t *testing.T) {
	s := newServer(t)
	s.judge = func(id, _ string) (int, string, string) {
		if id == "g-1" {
			return 400, "mapper_parsing_exception", "no"
		}
		return 0, "", ""
	}
	client, log := newClient(t, options(s.URL))
	aside := &deadLetters{fault: errors.New("no space left on device")}
	docs := numbered(3)
	buf, ends := batch(docs...)
	conn, err := client.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.OnRefused(aside.take)
	if _, err := conn.Send(t.Context(), buf, ends); err != nil {
		t.Fatal(err)
	}
	if n := <-conn.Acks(); n != 1 {
		t.Errorf("%d acknowledged, want the one in front", n)
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), "no space left on device") })
	aside.mu.Lock()
	aside.fault = nil
	aside.mu.Unlock()
	if n := <-conn.Acks(); n != 2 || s.count() != 2 || aside.len() != 1 {
		t.Errorf("%d acknowledged, %d stored, %d aside", n, s.count(), aside.len())
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

// While the server can't take items, only those are sent again, counts follow the
// order, and one line tells of it.
func TestItemsThatWait(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		kind, reason string
		rounds       int32
		log          string
	}{
		"full queue":    {429, "es_rejected_execution_exception", "rejected execution of 17", 6, "429 es_rejected_execution_exception; the server is busy"},
		"busy moment":   {429, "es_rejected_execution_exception", "rejected execution of 17", 2, ""},
		"read-only":     {403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];", 2, "disk is full"},
		"shards":        {400, "validation_exception", "this action would add [2] shards, but this cluster currently has [1000]/[1000]", 2, "max_shards_per_node"},
		"pipeline":      {400, "illegal_argument_exception", "pipeline with id [p] does not exist", 2, "load the pipeline"},
		"no index":      {404, "index_not_found_exception", "no such index [x]", 2, "auto_create_index"},
		"rights":        {403, "security_exception", "action [indices:admin/auto_create] is unauthorized", 2, "create_doc"},
		"shard is away": {503, "unavailable_shards_exception", "primary shard is not active", 20, "unavailable_shards_exception"},
		"own fault":     {500, "runtime_exception", "oops", 2, "runtime_exception"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			var asked atomic.Int32
			s.judge = func(id, _ string) (int, string, string) {
				if id == "g-2" && asked.Add(1) <= c.rounds {
					return c.status, c.kind, c.reason
				}
				return 0, "", ""
			}
			client, log := newClient(t, options(s.URL))
			ship(t, client, &deadLetters{}, numbered(5)...)
			if s.count() != 5 {
				t.Errorf("%d stored", s.count())
			}
			if n := len(s.requests[1].ids); n > 2 {
				t.Errorf("the second request has %d documents", n)
			}
			if c.log == "" && log.String() != "" || !strings.Contains(log.String(), c.log) || strings.Count(log.String(), "\n") > 2 {
				t.Errorf("logged %s, want %q once", log, c.log)
			}
			if c.log != "" && !strings.Contains(log.String(), "are stored again") {
				t.Errorf("no word of its end: %s", log)
			}
		})
	}
}

// A document on which the server fails each time must not hold up others for
// ever: beside one that is taken, three times are enough.
func TestPoisonousDocument(t *testing.T) {
	for name, n := range map[string]int{"beside others": 3, "alone": 1} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			var tries atomic.Int32
			s.judge = func(id, _ string) (int, string, string) {
				if id == "g-0" {
					tries.Add(1)
					return 500, "null_pointer_exception", "in a processor"
				}
				return 0, "", ""
			}
			client, _ := newClient(t, options(s.URL))
			var aside deadLetters
			ship(t, client, &aside, numbered(n)...)
			want := map[bool]int32{true: strikesBeside, false: strikesAlone}[n > 1]
			if s.count() != n-1 || aside.len() != 1 || tries.Load() != want {
				t.Errorf("%d stored, %d aside after %d tries, want %d", s.count(), aside.len(), tries.Load(), want)
			}
		})
	}
}

func TestLargeRequestsAreHalved(t *testing.T) {
	for _, status := range []int{http.StatusRequestEntityTooLarge, http.StatusBadRequest} {
		s := newServer(t)
		s.whole = func(w http.ResponseWriter, r *http.Request) int {
			if r.ContentLength < 700 {
				return 0
			}
			w.WriteHeader(status)
			return status
		}
		cfg := options(s.URL)
		cfg.CompressionLevel = 0
		client, _ := newClient(t, cfg)
		var aside deadLetters
		ship(t, client, &aside, append(numbered(20), doc("long", `,"x":"`+strings.Repeat("y", 1000)+`"`), doc("last", ""))...)
		if s.count() != 21 || aside.len() != 1 {
			t.Errorf("%d: %d stored, %d aside", status, s.count(), aside.len())
		}
	}
}

// What refuses each request is no fault of the documents: none goes aside.
func TestEachRequestIsRefused(t *testing.T) {
	s := newServer(t)
	s.whole = answering(400, `{"error":{"type":"illegal_argument_exception","reason":"request [/_bulk] contains unrecognized parameter: [tiemout]"},"status":400}`)
	client, log := newClient(t, options(s.URL))
	var aside deadLetters
	conn, err := client.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.OnRefused(aside.take)
	if n := shipOn(t.Context(), t, conn, numbered(5)); n != 0 || aside.len() != 0 || !blameless(conn.Err()) || !strings.Contains(log.String(), "[tiemout]") {
		t.Errorf("%d acknowledged, %d aside, %v", n, aside.len(), conn.Err())
	}
}

// A poisonous document in a window that was halved: the witness of a server that
// works must not take its place in the request.
func TestPoisonousDocumentInAHalvedWindow(t *testing.T) {
	s := newServer(t)
	s.whole = func(w http.ResponseWriter, r *http.Request) int {
		if r.ContentLength < 200 { // one document
			return 0
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return http.StatusRequestEntityTooLarge
	}
	s.judge = func(id, _ string) (int, string, string) {
		if id == "g-1" {
			return 500, "null_pointer_exception", "in a processor"
		}
		return 0, "", ""
	}
	cfg := options(s.URL)
	cfg.CompressionLevel = 0
	client, _ := newClient(t, cfg)
	var aside deadLetters
	ship(t, client, &aside, numbered(4)...)
	if s.count() != 3 || aside.len() != 1 {
		t.Errorf("%d stored, %d aside", s.count(), aside.len())
	}
}

// A host that fails as a whole is left for another one, and nothing is lost.
func TestFailover(t *testing.T) {
	for name, c := range map[string]struct {
		whole func(w http.ResponseWriter, r *http.Request) int
		log   string
	}{
		"unavailable": {answering(503, `{"error":{"type":"master_not_discovered_exception","reason":null},"status":503}`), "503 Service Unavailable: master_not_discovered_exception"},
		"busy":        {answering(429, `{"error":"too many requests"}`), "429 Too Many Requests: too many requests; the server is busy"},
		"key": {answering(401, `{"error":{"root_cause":[],"type":"security_exception","reason":"unable to authenticate with provided credentials: api key is expired"},"status":401}`),
			"api key is expired; the API key, or user and password, are wrong, expired or withdrawn"},
		"rights":     {answering(403, `{"message":"Forbidden"}`), "403 Forbidden: Forbidden; the user or API key lacks a right"},
		"no API":     {answering(404, "not here"), "404 Not Found: not here; there is no _bulk API at this address"},
		"elsewhere":  {answering(301, ""), "it redirects elsewhere"},
		"other page": {answering(200, "<html>Log in to the WLAN</html>"), "the answer is not that of a bulk request"},
		"half":       {answering(200, `{"errors":false,"items":[{"create":{"status":201}}]}`), "the answer is about 1 documents, and 10 were sent"},
		"cut":        {func(http.ResponseWriter, *http.Request) int { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			bad, good := newServer(t), newServer(t)
			bad.whole = c.whole
			cfg := options(bad.URL, good.URL)
			cfg.LoadBalance = false
			client, log := newClient(t, cfg)
			for client.lanes[0].current(t) != 0 { // begin with the bad one
				client, log = newClient(t, cfg)
			}
			conn, err := client.Connect(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if n := shipOn(t.Context(), t, conn, numbered(10)); n != 0 || blameless(conn.Err()) != (name != "cut") {
				t.Errorf("%d acknowledged, %v is a document's fault: %v", n, conn.Err(), name == "cut")
			}
			_ = conn.Close()
			ship(t, client, nil, numbered(10)...)
			if good.count() != 10 || bad.count() != 0 {
				t.Errorf("%d and %d stored", bad.count(), good.count())
			}
			if !strings.Contains(log.String(), c.log) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("logged %s, want %q", log, c.log)
			}
			if h := client.Status().Hosts[0]; h.Down == 0 || !strings.Contains(h.LastError, strings.TrimPrefix(bad.URL, "http://")) {
				t.Errorf("status %+v", h)
			}
		})
	}
}

// blameless is how a tailer asks.
func blameless(err error) bool {
	var b interface{ Blameless() bool }
	return errors.As(err, &b) && b.Blameless()
}

func (l *lane) current(t *testing.T) int {
	t.Helper()
	h, _ := l.route.Next(time.Now())
	if h == nil {
		t.Fatal("no host is next")
	}
	return h.Index()
}

func answering(status int, body string) func(w http.ResponseWriter, r *http.Request) int {
	return func(w http.ResponseWriter, _ *http.Request) int {
		if status/100 == 3 {
			w.Header().Set("Location", "https://elsewhere.example/")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return status
	}
}

// An outage is told once, and its end.
func TestOutageAndItsEnd(t *testing.T) {
	s := newServer(t)
	var asked atomic.Int32
	s.whole = func(w http.ResponseWriter, _ *http.Request) int {
		if asked.Add(1) > 5 {
			return 0
		}
		w.WriteHeader(502)
		return 502
	}
	client, log := newClient(t, options(s.URL))
	ship(t, client, nil, numbered(3)...)
	if s.count() != 3 || strings.Count(log.String(), "Bad Gateway") != 1 || strings.Count(log.String(), "established again") != 1 {
		t.Errorf("%d stored, logged %s", s.count(), log)
	}
}

func TestSilentServer(t *testing.T) {
	release := make(chan struct{})
	s := newServer(t)
	var asked atomic.Int32
	s.whole = func(_ http.ResponseWriter, r *http.Request) int {
		if asked.Add(1) > 1 {
			return 0
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return 200
	}
	defer close(release)
	cfg := options(s.URL)
	cfg.Timeout = 50 * time.Millisecond
	client, log := newClient(t, cfg)
	ship(t, client, nil, numbered(3)...)
	if s.count() != 3 || !strings.Contains(log.String(), "no answer within the time that a request may take (timeout) 50ms") {
		t.Errorf("%d stored, logged %s", s.count(), log)
	}
}

// Close ends what is on its way.
func TestCloseWhileARequestIsOnItsWay(t *testing.T) {
	s := newServer(t)
	arrived := make(chan struct{})
	s.whole = func(_ http.ResponseWriter, r *http.Request) int {
		close(arrived)
		<-r.Context().Done()
		return 200
	}
	client, log := newClient(t, options(s.URL))
	conn, err := client.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	buf, ends := batch(numbered(3)...)
	if _, err := conn.Send(t.Context(), buf, ends); err != nil {
		t.Fatal(err)
	}
	if conn.Room() != 0 {
		t.Error("there is room while a window is in flight")
	}
	if _, err := conn.Send(t.Context(), buf, ends); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a second window: %v", err)
	}
	<-arrived
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := <-conn.Acks(); ok || !errors.Is(conn.Err(), ErrClosed) || log.String() != "" {
		t.Errorf("acks %v, error %v, logged %s", ok, conn.Err(), log)
	}
	if _, err := conn.Send(t.Context(), buf, ends); !errors.Is(err, ErrClosed) {
		t.Errorf("a window afterwards: %v", err)
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	client, _ := newClient(t, options("127.0.0.1:1"))
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := client.Connect(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	buf, ends := batch(numbered(1)...)
	if _, err := conn.Send(ctx, buf, ends); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-conn.Acks(); ok || !strings.Contains(conn.Err().Error(), "127.0.0.1:1") || !blameless(conn.Err()) {
		t.Fatalf("without a server: %v", conn.Err())
	}
	cancel()
	if _, err := client.Connect(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := client.Connect(t.Context(), 7); err == nil {
		t.Error("there is a lane 7")
	}
}

// A connection that the server has closed while it was idle costs nothing.
func TestIdleConnectionClosedByTheServer(t *testing.T) {
	s := newServer(t)
	client, log := newClient(t, options(s.URL))
	for i := range 20 {
		ship(t, client, nil, doc(fmt.Sprint(i), ""))
		s.CloseClientConnections()
	}
	if s.count() != 20 || log.String() != "" {
		t.Errorf("%d stored, logged %s", s.count(), log)
	}
}

func TestLoadBalance(t *testing.T) {
	a, b := newServer(t), newServer(t)
	cfg := options(a.URL, b.URL)
	cfg.Worker = 2
	client, _ := newClient(t, cfg)
	if client.Lanes() != 4 {
		t.Fatalf("%d lanes", client.Lanes())
	}
	for lane := range client.Lanes() {
		conn, err := client.Connect(t.Context(), lane)
		if err != nil {
			t.Fatal(err)
		}
		shipOn(t.Context(), t, conn, [][]byte{doc(fmt.Sprint(lane), "")})
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if a.count() != 2 || b.count() != 2 {
		t.Errorf("%d and %d stored", a.count(), b.count())
	}
}

func TestServerThatSpeaksNoTLS(t *testing.T) {
	s := newServer(t)
	client, log := newClient(t, options(strings.Replace(s.URL, "http:", "https:", 1)))
	conn, err := client.Connect(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	buf, ends := batch(numbered(1)...)
	if _, err := conn.Send(t.Context(), buf, ends); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-conn.Acks(); ok || !strings.Contains(log.String(), "write http:// in hosts") {
		t.Errorf("logged %s", log)
	}
}
