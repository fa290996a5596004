package logstash

import (
	"errors"
	"fmt"
)

var (
	// ErrExpired is the reason why a connection ended in good order: its ttl was
	// over, it was idle, or the server closed it while nothing was in flight.
	// Connect again when there is something to send; there is no backoff.
	ErrExpired = errors.New("connection expired")
	// ErrClosed is the reason after Conn.Close.
	ErrClosed = errors.New("connection closed")
	// ErrNoRoom is returned by Send when Room is 0: wait for acks.
	ErrNoRoom = errors.New("no room for another window; wait for acks")
	// ErrNoDocuments is returned by Send without documents: a window of 0 is
	// never answered by older servers.
	ErrNoDocuments = errors.New("no documents to send")
	// ErrNoProgress is the reason when a server that only sent keepalives is
	// left for another one (progress_timeout).
	ErrNoProgress = errors.New("no progress")

	errNoAddress = errors.New("the name has no address")
	errSilence   = errors.New("server is silent")

	errServerSpeaksTLS = &protocolError{"the server speaks TLS on this port; set ssl.enabled: true (and ssl.certificate_authorities)"}
)

// protocolError is an answer that the Lumberjack protocol does not allow.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

// connError is the end of a connection: one line that names the server.
type connError struct {
	addr  string
	text  string
	cause error
}

func (e *connError) Error() string { return e.addr + ": " + e.text }
func (e *connError) Unwrap() error { return e.cause }

func connErrorf(addr string, cause error, format string, args ...any) error {
	return &connError{addr: addr, cause: cause, text: fmt.Sprintf(format, args...)}
}
