package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// The limits of a connection: clients are few and local, and none may hold
// what it has no use for.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
	socketMode    = 0o660
)

// Listen opens the endpoint if http.enabled. The error is a *FieldError:
// which option is to be changed.
func (m *Monitor) Listen() error {
	if !m.cfg.Enabled {
		return nil
	}
	var err error
	if path := m.cfg.socket(); path != "" {
		m.listener, err = listenSocket(path)
	} else {
		m.listener, err = m.listenTCP()
	}
	if err != nil {
		m.listener = nil
		return err
	}
	if m.cfg.Pprof.Enabled && !profiling {
		m.log.Warn().Msg("http.pprof has no effect: the program for 32-bit ARM takes no profiles; use another machine's")
	}
	m.cfg.Pprof.sampling()
	m.log.Info().Msgf("Starting stats endpoint. Metrics endpoint listening on: %s (configured: %s)", m.listener.Addr(), m.cfg.Host)
	return nil
}

// Addr is where the endpoint listens; nil if it doesn't.
func (m *Monitor) Addr() net.Addr {
	if m.listener == nil {
		return nil
	}
	return m.listener.Addr()
}

func (m *Monitor) listenTCP() (net.Listener, error) {
	port := strconv.Itoa(m.cfg.Port)
	address := net.JoinHostPort(strings.Trim(m.cfg.Host, "[]"), port)
	l, err := net.Listen("tcp", address)
	var unknown *net.DNSError
	if m.cfg.Host == "localhost" && errors.As(err, &unknown) {
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)) // a machine without /etc/hosts
	}
	if err != nil {
		return nil, tcpFault(address, err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		m.log.Warn().Str("address", a.String()).Msg("http.host: the HTTP endpoint can be reached from other machines, and asks for no password; use localhost or unix:///path unless the network is trusted")
	}
	return l, nil
}

// tcpFault names the option that a failure to listen is about.
func tcpFault(address string, err error) error {
	const words = "could not start the HTTP server for the API: "
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &FieldError{"port", words + address + " is in use by another program; give another port, or stop that program", err}
	case errors.Is(err, syscall.EACCES):
		return &FieldError{"port", words + "no permission for " + address + "; give a port above 1023", err}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &FieldError{"host", words + address + " is no address of this machine", err}
	}
	return &FieldError{"host", words + err.Error(), err}
}

// listenSocket makes a unix socket, in place of one that nobody listens on.
func listenSocket(path string) (net.Listener, error) {
	fault := func(text string, err error) error {
		return &FieldError{"host", "could not start the HTTP server for the API: " + path + " " + text, err}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fault("can't be looked at: "+err.Error(), err)
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fault("is there and no socket; remove it, or give another path", nil)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close() // it was only to see
			return nil, fault("is in use by another program; give another path, or stop that program", syscall.EADDRINUSE)
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fault("can't be replaced: "+err.Error(), err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fault("was left behind and can't be removed: "+err.Error(), err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fault("can't be made: "+err.Error(), err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		_ = l.Close() // nobody has used it
		return nil, fault("can't get its mode: "+err.Error(), err)
	}
	return l, nil
}

// serve answers until ctx ends.
func (m *Monitor) serve(ctx context.Context) error {
	server := &http.Server{
		Handler: m.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: log.New(faults{m.log}, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		wait, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
		defer done()
		if server.Shutdown(wait) != nil {
			_ = server.Close() // whoever still waits is cut off
		}
	})
	err := server.Serve(m.listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// faults takes what the server says about broken connections.
type faults struct{ log zerolog.Logger }

func (f faults) Write(p []byte) (int, error) {
	f.log.Debug().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}

// handler routes the endpoints.
func (m *Monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, m.about()) })
	m.route(mux, "/stats", func(_ *http.Request, n *Numbers) any { return m.leaves(n) })
	m.route(mux, "/state", func(_ *http.Request, n *Numbers) any { return m.state(n) })
	m.route(mux, "/dataset", func(_ *http.Request, n *Numbers) any { return n.dataset() })
	m.route(mux, "/inputs", func(r *http.Request, n *Numbers) any { return n.inputs(r.URL.Query().Get("type")) })
	mux.HandleFunc("GET /metrics", m.metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h := m.src.Health()
		var reasons []string
		if ill := h.illness(); ill != "" {
			reasons = append(reasons, ill)
		}
		verdict(w, "healthy", reasons)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		h := m.src.Health()
		verdict(w, "ready", h.obstacles())
	})
	if m.cfg.Pprof.Enabled {
		profiles(mux)
	}
	return mux
}

// route serves a document made of the numbers, with or without a slash at the
// end of its path.
func (m *Monitor) route(mux *http.ServeMux, path string, document func(*http.Request, *Numbers) any) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		n, err := m.numbers(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, r, document(r, n))
	}
	mux.HandleFunc("GET "+path, serve)
	mux.HandleFunc("GET "+path+"/{$}", serve)
}

// metrics answers /metrics.
func (m *Monitor) metrics(w http.ResponseWriter, r *http.Request) {
	q, err := m.ask(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	h := m.src.Health()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = m.writeMetrics(w, &q.numbers, q.files, &h) // the client has gone
}

// verdict answers with 200 and a word, or with 503 and the reasons, one a line.
func verdict(w http.ResponseWriter, word string, reasons []string) {
	plain(w)
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) == 0 {
		fmt.Fprintln(w, word)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, reason := range reasons {
		fmt.Fprintf(w, "not %s: %s\n", word, reason)
	}
}

func plain(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain; charset=utf-8") }

// writeJSON answers with a document, indented with ?pretty.
func writeJSON(w http.ResponseWriter, r *http.Request, document any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if q := r.URL.Query(); q.Has("pretty") && q.Get("pretty") != "false" {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(document); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client has gone
}
