package docs_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/elastic/go-lumber/server/v2"
)

// TestMain is also what runs in the container: who follows the guide, and the server,
// a receiver in Logstash's place.
func TestMain(m *testing.M) {
	var err error
	switch folder, plan := os.Getenv("GUIDE_RECEIVER"), os.Getenv("GUIDE_PLAN"); {
	case folder != "":
		err = receive(os.Getenv("GUIDE_LISTEN"), folder, os.Getenv("GUIDE_EVENTS"))
	case plan != "":
		err = follow(plan, os.Getenv("GUIDE_RESULTS"))
	default:
		status := m.Run()
		if dir, err := scratch(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(status)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// receive waits for the certificates in the folder, then acknowledges what comes
// from clients that the CA knows, or from any. Before, each event becomes a line of
// the file.
func receive(addr, folder, file string) error {
	certificate, pool, err := identity(folder)
	if err != nil {
		return err
	}
	events, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	if os.Getenv("GUIDE_CLIENTS") == "any" {
		cfg.ClientAuth = tls.NoClientCert
	}
	l, err := tls.Listen("tcp", addr, cfg)
	if err != nil {
		return err
	}
	s, err := v2.NewWithListener(l)
	if err != nil {
		return err
	}
	for batch := range s.ReceiveChan() {
		for _, e := range batch.Events {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := events.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		batch.ACK()
	}
	return errors.New("the listener has ended")
}

// identity reads logstash.crt, logstash.key and ca.crt once all are there.
func identity(folder string) (tls.Certificate, *x509.CertPool, error) {
	path := func(name string) string { return filepath.Join(folder, name) }
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		certificate, err := tls.LoadX509KeyPair(path("logstash.crt"), path("logstash.key"))
		ca, readErr := os.ReadFile(path("ca.crt"))
		if err = errors.Join(err, readErr); err == nil {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(ca) {
				return tls.Certificate{}, nil, errors.New("ca.crt holds no certificate")
			}
			return certificate, pool, nil
		}
		if time.Now().After(deadline) {
			return tls.Certificate{}, nil, err
		}
	}
}
